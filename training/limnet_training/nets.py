"""The `lite` networks. Group norm throughout (batch norm has no chance at our batch sizes).

They leave the paper's layout where training-time comparisons showed a gain; models/README.md says where:
one grey channel, geodesic maps of the clicks, memory at stride 8, the previous mask instead of a sensory state,
and a presence output that says whether the object is in a slice at all.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

CLICK_MAPS = 7  # previous, positive disks, negative disks, 2 x (positive, negative) geodesic


def norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(8, channels)


class Res(nn.Module):
    """Pre-activation residual block, 3x3 twice."""

    def __init__(self, channels: int):
        super().__init__()
        self.n1, self.n2 = norm(channels), norm(channels)
        self.c1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.c2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.zeros_(self.c2.weight)

    def forward(self, x):
        return x + self.c2(F.relu(self.n2(self.c1(F.relu(self.n1(x))))))


class Context(nn.Module):
    """Adds a vector of the whole view: mean over pixels -> two linear layers."""

    def __init__(self, channels: int):
        super().__init__()
        self.a, self.b = nn.Conv2d(channels, channels // 2, 1), nn.Conv2d(channels // 2, channels, 1)

    def forward(self, x):
        return x + self.b(F.relu(self.a(x.mean((2, 3), keepdim=True))))


def down(a: int, b: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), *[Res(b) for _ in range(blocks)])


def up2(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class ClickLite(nn.Module):
    """image [B,1,H,W] in 0..1, maps [B,7,H,W] -> logits [B,1,H,W]; H and W multiples of 32."""

    def __init__(self, widths=(16, 32, 64, 128, 192, 256), blocks=(1, 2, 2, 2, 2)):
        super().__init__()
        w = widths
        self.stem = nn.Conv2d(1 + CLICK_MAPS, w[0], 3, padding=1)
        self.downs = nn.ModuleList([down(w[i], w[i + 1], blocks[i]) for i in range(5)])
        self.context = Context(w[5])
        self.laterals = nn.ModuleList([nn.Conv2d(w[i + 1], w[i], 1) for i in range(5)])
        self.ups = nn.ModuleList([Res(w[i]) for i in range(5)])
        self.head = nn.Sequential(norm(w[0]), nn.ReLU(), nn.Conv2d(w[0], w[0], 3, padding=1), nn.ReLU(), nn.Conv2d(w[0], 1, 1))

    def forward(self, image, maps):
        x = self.stem(torch.cat([(image - 0.4) / 0.25, maps], 1))
        skips = [x]
        for d in self.downs:
            x = d(x)
            skips.append(x)
        x = self.context(x)
        for i in range(4, -1, -1):
            x = self.ups[i](skips[i] + up2(self.laterals[i](x)))
        return self.head(x)


class KeyLite(nn.Module):
    """image [B,1,H,W] -> f2, f4, f8, key, shrinkage, selection; H and W multiples of 32."""

    def __init__(self, c2=24, c4=48, c8=96, c16=160, c32=192, out=128, key=64):
        super().__init__()
        self.s2 = down(1, c2, 1)
        self.s4 = down(c2, c4, 2)
        self.s8 = down(c4, c8, 2)
        self.s16 = down(c8, c16, 2)
        self.s32 = down(c16, c32, 1)
        self.context = Context(c32)
        self.l16, self.l8 = nn.Conv2d(c32, c16, 1), nn.Conv2d(c16, c8, 1)
        self.r16, self.r8 = Res(c16), Res(c8)
        self.n8, self.out, self.nout = norm(c8), nn.Conv2d(c8, out, 3, padding=1), norm(out)
        self.proj = nn.Conv2d(out, key, 3, padding=1)
        self.shrink = nn.Conv2d(out, 1, 3, padding=1)
        self.select = nn.Conv2d(out, key, 3, padding=1)

    def forward(self, image):
        f2 = self.s2((image - 0.4) / 0.25)
        f4 = self.s4(f2)
        x8 = self.s8(f4)
        x16 = self.s16(x8)
        x32 = self.context(self.s32(x16))
        x16 = self.r16(x16 + up2(self.l16(x32)))
        f8 = F.relu(self.nout(self.out(F.relu(self.n8(self.r8(x8 + up2(self.l8(x16))))))))
        return f2, f4, f8, self.proj(f8), self.shrink(f8) ** 2 + 1, torch.sigmoid(self.select(f8))


class ValueLite(nn.Module):
    """image, mask [B,1,H,W], f8 -> value [B,cv,H/8,W/8]."""

    def __init__(self, f8=128, value=128):
        super().__init__()
        self.enc = nn.Sequential(down(2, 24, 0), down(24, 48, 1), down(48, 96, 1))
        self.ng = norm(96)
        self.mix = nn.Conv2d(96 + f8, value, 3, padding=1)
        self.res = Res(value)
        self.nv = norm(value)

    def forward(self, image, mask, f8):
        g = F.relu(self.ng(self.enc(torch.cat([(image - 0.4) / 0.25, mask * 2 - 1], 1))))
        return self.nv(self.res(self.mix(torch.cat([g, f8], 1))))


class DecodeLite(nn.Module):
    """f2, f4, f8 of the slice, p4 of its neighbour, readout [B,cv,h,w], previous probability [B,1,H,W]
    -> logits [B,1,H,W], presence logits [B,1]."""

    def __init__(self, c2=24, c4=48, f8=128, value=128):
        super().__init__()
        self.in8 = nn.Conv2d(f8 + value + 1, 128, 3, padding=1)
        self.r8 = nn.Sequential(Res(128), Res(128))
        self.d16 = down(128, 128, 1)
        self.m8 = Res(128)
        self.u4 = nn.Conv2d(128, 64, 1)
        self.in4 = nn.Conv2d(2 * c4 + 1, 64, 3, padding=1)
        self.r4 = nn.Sequential(Res(64), Res(64))
        self.u2 = nn.Conv2d(64, 32, 1)
        self.in2 = nn.Conv2d(c2 + 1, 32, 1)
        self.r2 = Res(32)
        self.head = nn.Sequential(norm(32), nn.ReLU(), nn.Conv2d(32, 1, 3, padding=1))
        self.np = norm(128)
        self.presence = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1))
        self.gain = nn.Parameter(torch.tensor(1.0))
        nn.init.zeros_(self.head[2].weight)  # begins as a copy of the neighbour; everything learned is an improvement on that
        nn.init.zeros_(self.head[2].bias)

    def forward(self, f2, f4, f8, p4, readout, previous):
        p2 = F.avg_pool2d(previous, 2)
        q4 = F.avg_pool2d(p2, 2)
        q8 = F.avg_pool2d(q4, 2)
        x8 = self.r8(self.in8(torch.cat([f8, readout, q8], 1)))
        x8 = self.m8(x8 + up2(self.d16(x8)))
        x4 = self.r4(self.in4(torch.cat([f4, p4, q4], 1)) + up2(self.u4(x8)))
        x2 = self.r2(self.in2(torch.cat([f2, p2], 1)) + up2(self.u2(x4)))
        prior = previous.clamp(0.02, 0.98)
        logits = up2(self.head(x2)) + self.gain * torch.log(prior / (1 - prior))
        y8 = F.relu(self.np(x8))
        pooled = torch.cat([y8.mean((2, 3)), y8.amax((2, 3))], 1)
        return logits, self.presence(pooled)


def similarity(mk, ms, qk, qe):
    """Anisotropic L2 (specification 2.5). mk [B,C,N], ms [B,1,N], qk and qe [B,C,M] -> S [B,N,M]."""
    a = (mk * mk).transpose(1, 2) @ qe
    b = mk.transpose(1, 2) @ (qk * qe)
    c = (qe * qk * qk).sum(1, keepdim=True)
    return (2 * b - a - c) * ms.transpose(1, 2) / math.sqrt(mk.shape[1])


def read(mk, ms, mv, qk, qe, top_k: int | None = None):
    """Readout [B,Cv,M]; full softmax in training, top-k at inference."""
    s = similarity(mk, ms, qk, qe)
    if top_k is not None and top_k < s.shape[1]:
        values, index = s.topk(top_k, dim=1)
        w = torch.zeros_like(s).scatter_(1, index, values.softmax(1))
    else:
        w = s.softmax(1)
    return mv @ w


class PropagationLite(nn.Module):
    def __init__(self):
        super().__init__()
        self.key, self.value, self.decode = KeyLite(), ValueLite(), DecodeLite()


class Read(nn.Module):
    """Gathered top-k read for export: mk [64,N], ms [1,N], mv [N,cv], qk and qe [64,M], k -> readout [M,cv], weights, indices [M,k]."""

    def forward(self, mk, ms, mv, qk, qe, k):
        s = similarity(mk[None], ms[None], qk[None], qe[None])[0].transpose(0, 1)
        values, index = torch.topk(s, k, dim=1)
        weights = values.softmax(1)
        rows = mv[index.reshape(-1)].reshape(index.shape[0], -1, mv.shape[1])
        return (rows * weights[:, :, None]).sum(1), weights, index


class QualityLite(nn.Module):
    """pairs [B,3,S,S] (slice 0..1, previous 0/1, current 0/1) -> logit that the previous mask is the better one [B,1].

    f(I, P, C) - f(I, C, P): swapping the two masks flips the sign exactly."""

    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(down(3, 24, 0), down(24, 48, 1), down(48, 96, 1), down(96, 128, 1), down(128, 160, 1))
        self.norm = norm(160)
        self.head = nn.Sequential(nn.Linear(320, 64), nn.ReLU(), nn.Linear(64, 1))

    def score(self, x):
        y = F.relu(self.norm(self.enc(x)))
        return self.head(torch.cat([y.mean((2, 3)), y.amax((2, 3))], 1))

    def forward(self, pairs):
        x = torch.cat([(pairs[:, :1] - 0.45) / 0.225, (pairs[:, 1:] - 0.5) / 0.5], 1)
        swapped = torch.cat([x[:, :1], x[:, 2:3], x[:, 1:2]], 1)
        return self.score(x) - self.score(swapped)
