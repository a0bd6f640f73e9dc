"""The `lite` networks. Group norm throughout (batch norm has no chance at our batch sizes).

They leave the paper's layout where training-time comparisons showed a gain; models/lite.md says where:
one grey channel, geodesic and flood maps of the clicks, memory at stride 8, the neighbour's mask (with geodesic maps of its core and of its far
outside, and as like patches carry it over) instead of a sensory state, and a presence output that says whether the object is in a slice at all.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

CLICK_MAPS = 9  # previous, positive disks, negative disks, 2 x (positive, negative) geodesic, positive and negative flood


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
    """image [B,1,H,W] in 0..1, maps [B,9,H,W] -> logits [B,1,H,W]; H and W multiples of 32."""

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
    """image [B,1,H,W] -> f8 [B,128,H/8,W/8], key, shrinkage, selection; the click network's encoder without clicks."""

    def __init__(self, widths=(16, 32, 64, 128, 192), blocks=(1, 2, 2, 2), key=64):
        super().__init__()
        w = widths
        self.stem = nn.Conv2d(1, w[0], 3, padding=1)
        self.downs = nn.ModuleList([down(w[i], w[i + 1], blocks[i]) for i in range(4)])
        self.context = Context(w[4])
        self.lateral, self.up = nn.Conv2d(w[4], w[3], 1), Res(w[3])
        self.norm = norm(w[3])
        self.proj = nn.Conv2d(w[3], key, 3, padding=1)
        self.shrink = nn.Conv2d(w[3], 1, 3, padding=1)
        self.select = nn.Conv2d(w[3], key, 3, padding=1)

    def forward(self, image):
        x = self.stem((image - 0.4) / 0.25)
        for d in self.downs[:3]:
            x = d(x)
        deep = self.context(self.downs[3](x))
        f8 = F.relu(self.norm(self.up(x + up2(self.lateral(deep)))))
        return f8, self.proj(f8), self.shrink(f8) ** 2 + 1, torch.sigmoid(self.select(f8))


class ValueLite(nn.Module):
    """image, mask [B,1,H,W], f8 -> value [B,cv,H/8,W/8]."""

    def __init__(self, widths=(16, 32, 64, 128), blocks=(1, 2, 2), value=128):
        super().__init__()
        w = widths
        self.stem = nn.Conv2d(2, w[0], 3, padding=1)
        self.downs = nn.ModuleList([down(w[i], w[i + 1], blocks[i]) for i in range(3)])
        self.norm = norm(w[3])
        self.mix = nn.Conv2d(2 * w[3], value, 3, padding=1)
        self.res, self.out = Res(value), norm(value)

    def forward(self, image, mask, f8):
        x = self.stem(torch.cat([(image - 0.4) / 0.25, mask], 1))
        for d in self.downs:
            x = d(x)
        return self.out(self.res(self.mix(torch.cat([F.relu(self.norm(x)), f8], 1))))


PROPAGATION_MAPS = 6  # neighbour's probability, then per geodesic setting the map of its core and of its far outside, then what like patches carry over


class DecodeLite(nn.Module):
    """image of the slice and of its neighbour [B,1,H,W], maps [B,6,H,W] of the neighbour's mask, readout [B,cv,h,w]
    -> logits [B,1,H,W], presence logits [B,1]. The click network's layout, the readout enters at stride 8."""

    def __init__(self, widths=(16, 32, 64, 128, 192, 256), blocks=(1, 2, 2, 2, 2), value=128):
        super().__init__()
        w = widths
        self.stem = nn.Conv2d(2 + PROPAGATION_MAPS, w[0], 3, padding=1)
        self.downs = nn.ModuleList([down(w[i], w[i + 1], blocks[i]) for i in range(5)])
        self.inject = nn.Conv2d(value, w[3], 1)
        self.context = Context(w[5])
        self.laterals = nn.ModuleList([nn.Conv2d(w[i + 1], w[i], 1) for i in range(5)])
        self.ups = nn.ModuleList([Res(w[i]) for i in range(5)])
        self.head = nn.Sequential(norm(w[0]), nn.ReLU(), nn.Conv2d(w[0], w[0], 3, padding=1), nn.ReLU(), nn.Conv2d(w[0], 1, 1))
        self.np = norm(w[5])
        self.presence = nn.Sequential(nn.Linear(2 * w[5], 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, image, neighbour, maps, readout):
        x = self.stem(torch.cat([(image - 0.4) / 0.25, maps, (neighbour - 0.4) / 0.25], 1))
        skips = [x]
        for n, d in enumerate(self.downs):
            x = d(x)
            if n == 2:
                x = x + self.inject(readout)
            skips.append(x)
        x = self.context(x)
        y = F.relu(self.np(x))
        presence = self.presence(torch.cat([y.mean((2, 3)), y.amax((2, 3))], 1))
        for i in range(4, -1, -1):
            x = self.ups[i](skips[i] + up2(self.laterals[i](x)))
        return self.head(x), presence


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

    @torch.no_grad()
    def start_from(self, click: ClickLite) -> None:
        """Takes over what the click network knows: encoders and decoder begin as its copies, what is new begins at zero."""
        w, b = click.stem.weight, click.stem.bias
        picks = {self.key: [0], self.value: [0, 1], self.decode: [0, 1, 4, 5, 6, 7]}
        for part, channels in picks.items():
            part.stem.weight.zero_()
            part.stem.weight[:, : len(channels)] = w[:, channels]
            part.stem.bias.copy_(b)
            for mine, theirs in zip(part.downs, click.downs):
                mine.load_state_dict(theirs.state_dict())
        self.decode.stem.weight[:, [1, 6]] = w[:, [1]] / 2  # what like patches carry over is a previous mask, too
        self.decode.context.load_state_dict(click.context.state_dict())
        self.decode.laterals.load_state_dict(click.laterals.state_dict())
        self.decode.ups.load_state_dict(click.ups.state_dict())
        self.decode.head.load_state_dict(click.head.state_dict())
        self.key.lateral.load_state_dict(click.laterals[3].state_dict())
        self.key.up.load_state_dict(click.ups[3].state_dict())
        self.decode.inject.weight.zero_()
        self.decode.inject.bias.zero_()


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

    f(I, P, C) - f(I, C, P): swapping the two masks flips the sign exactly. Features are pooled where the masks differ (only in the
    first, only in the second), where they agree, and over all, so that a thin difference is not drowned."""

    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(down(3, 24, 0), down(24, 48, 1), down(48, 96, 2))
        self.context, self.res, self.norm = Context(96), Res(96), norm(96)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * 96, 64), nn.ReLU(), nn.Linear(64, 1))

    def score(self, x):
        y = F.relu(self.norm(self.res(self.context(self.enc(x)))))
        p, c = F.avg_pool2d(x[:, 1:2] * 0.5 + 0.5, 8), F.avg_pool2d(x[:, 2:3] * 0.5 + 0.5, 8)
        both = torch.minimum(p, c)
        pooled = [(y * w).sum((2, 3)) / (w.sum((2, 3)) + 0.05) for w in (p - both, c - both, both)]
        return self.head(torch.cat([*pooled, y.mean((2, 3))], 1))

    def forward(self, pairs):
        x = torch.cat([(pairs[:, :1] - 0.45) / 0.225, (pairs[:, 1:] - 0.5) / 0.5], 1)
        return self.score(x) - self.score(torch.cat([x[:, :1], x[:, 2:3], x[:, 1:2]], 1))
