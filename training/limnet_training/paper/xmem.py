"""The propagation network `base`: XMem (specification 2.1 to 2.4), plain, and split for caching (2.12).

Every resize has half-pixel centres. Images are multiples of 16 in both directions. The memory itself belongs to the host."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .layers import Basic, Bottleneck, Normalise, conv3, initialise, stage


def up(x, factor: int):
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def aggregate(logits):
    """Soft aggregation of one object and the background: p^2 / (p^2 + (1-p)^2) with p = sigmoid(z) is sigmoid(2z)."""
    return torch.sigmoid(2 * logits)


class KeyEncoder(nn.Module):
    """ResNet-50 up to stride 16 -> f16, f8, f4 (16, 8 and 4 w channels)."""

    def __init__(self, w: int = 64):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, w, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(w)
        self.res2 = stage(Bottleneck, w, w, 3)
        self.layer2 = stage(Bottleneck, 4 * w, 2 * w, 4, 2)
        self.layer3 = stage(Bottleneck, 8 * w, 4 * w, 6, 2)

    def forward(self, image):
        f4 = self.res2(F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, 2, 1))
        f8 = self.layer2(f4)
        return self.layer3(f8), f8, f4


class KeyProjection(nn.Module):
    def __init__(self, key: int, w: int = 64):
        super().__init__()
        self.key_proj, self.d_proj, self.e_proj = conv3(16 * w, key), conv3(16 * w, 1), conv3(16 * w, key)

    def forward(self, f16):
        return self.key_proj(f16), self.d_proj(f16) ** 2 + 1, torch.sigmoid(self.e_proj(f16))


class ChannelGate(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, channels // 16), nn.ReLU(), nn.Linear(channels // 16, channels))

    def forward(self, x):
        gate = torch.sigmoid(self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3))))
        return x * gate[:, :, None, None]


class SpatialGate(nn.Module):
    def __init__(self):
        super().__init__()
        self.spatial = nn.ModuleDict({"conv": nn.Conv2d(2, 1, 7, padding=3)})

    def forward(self, x):
        return x * torch.sigmoid(self.spatial["conv"](torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)))


class CBAM(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.ChannelGate, self.SpatialGate = ChannelGate(channels), SpatialGate()

    def forward(self, x):
        return self.SpatialGate(self.ChannelGate(x))


class Res(nn.Module):
    def __init__(self, a: int, b: int):
        super().__init__()
        self.conv1, self.conv2 = conv3(a, b), conv3(b, b)
        self.downsample = conv3(a, b) if a != b else None

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(F.relu(x))))
        return y + (x if self.downsample is None else self.downsample(x))


class Fusion(nn.Module):
    """Image features `x` (1024 channels, mask-independent) with mask-dependent ones `g`.

    forward(x, g) = rest(*image_part(x), g): a convolution of a concatenation is a sum, and ReLU acts per channel."""

    def __init__(self, x: int, g: int, mid: int, out: int):
        super().__init__()
        self.x = x
        self.block1, self.attention, self.block2 = Res(x + g, mid), CBAM(mid), Res(mid, out)

    def forward(self, x, g):
        return self.attend(self.block1(torch.cat([x, g], 1)))

    def attend(self, u):
        return self.block2(u + self.attention(u))

    def image_part(self, x):
        conv, skip = self.block1.conv1, self.block1.downsample
        return (F.conv2d(F.relu(x), conv.weight[:, : self.x], conv.bias, padding=1),
                F.conv2d(x, skip.weight[:, : self.x], skip.bias, padding=1))

    def rest(self, cx, dx, g):
        conv, skip = self.block1.conv1, self.block1.downsample
        inner = cx + F.conv2d(F.relu(g), conv.weight[:, self.x :], padding=1)
        return self.attend(self.block1.conv2(F.relu(inner)) + dx + F.conv2d(g, skip.weight[:, self.x :], padding=1))


class Update(nn.Module):
    """The sensory state: h' = F h (1 - U) + U tanh(N). The candidate N is not gated by F."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.transform = conv3(channels + hidden, 3 * hidden)

    def forward(self, g, h):
        forget, update, new = self.transform(torch.cat([g, h], 1)).chunk(3, 1)
        update = torch.sigmoid(update)
        return torch.sigmoid(forget) * h * (1 - update) + update * torch.tanh(new)


class ValueEncoder(nn.Module):
    """ResNet-18 up to stride 16 on image, mask and the other objects' masks, then fused with f16."""

    def __init__(self, value: int, hidden: int, w: int = 64):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(5, w, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(w)
        self.layer1 = stage(Basic, w, w, 2)
        self.layer2 = stage(Basic, w, 2 * w, 2, 2)
        self.layer3 = stage(Basic, 2 * w, 4 * w, 2, 2)
        self.fuser = Fusion(16 * w, 4 * w, value, value)
        self.hidden_reinforce = Update(value, hidden) if hidden else None

    def mask_part(self, image, mask, others):
        x = self.bn1(self.conv1(torch.cat([image, mask, others], 1)))
        return self.layer3(self.layer2(self.layer1(F.relu(F.max_pool2d(x, 3, 2, 1)))))


class HiddenUpdate(Update):
    def __init__(self, hidden: int, w: int = 64):
        super().__init__(4 * w, hidden)
        self.g16_conv, self.g8_conv, self.g4_conv = nn.Conv2d(8 * w, 4 * w, 1), nn.Conv2d(4 * w, 4 * w, 1), nn.Conv2d(4 * w + 1, 4 * w, 1)

    def forward(self, g16, g8, g4, z, h):
        q = self.g16_conv(g16) + self.g8_conv(F.avg_pool2d(g8, 2)) + self.g4_conv(F.avg_pool2d(torch.cat([g4, z], 1), 4))
        return super().forward(q, h)


class UpBlock(nn.Module):
    def __init__(self, skip: int, a: int, b: int):
        super().__init__()
        self.skip_conv, self.out_conv = conv3(skip, a), Res(a, b)

    def forward(self, skip, g):
        """`skip` has been through skip_conv: that part does not depend on the mask."""
        return self.out_conv(skip + up(g, 2))


class Decoder(nn.Module):
    def __init__(self, value: int, hidden: int, w: int = 64):
        super().__init__()
        self.fuser = Fusion(16 * w, value + hidden, 8 * w, 8 * w)
        self.hidden_update = HiddenUpdate(hidden, w) if hidden else None
        self.up_16_8, self.up_8_4 = UpBlock(8 * w, 8 * w, 4 * w), UpBlock(4 * w, 4 * w, 4 * w)
        self.pred = conv3(4 * w, 1)

    def tail(self, g16, skip8, skip4, h):
        """-> logits at full size, h' (None without sensory memory)"""
        g8 = self.up_16_8(skip8, g16)
        g4 = self.up_8_4(skip4, g8)
        z = self.pred(F.relu(g4))
        return up(z, 4), None if h is None else self.hidden_update(g16, g8, g4, z, h)


def join(g, h):
    return g if h is None else torch.cat([g, h], 1)


class XMem(nn.Module):
    """The plain layout. hidden = 0: the variant without sensory memory, whose `h` is None throughout.

    `width`: channels of the first stage, 64 in every published network; tests take less."""

    def __init__(self, key: int = 64, value: int = 512, hidden: int = 64, width: int = 64):
        super().__init__()
        self.dims = {"key": key, "value": value, "hidden": hidden}
        self.normalise = Normalise()
        self.key_encoder, self.key_proj = KeyEncoder(width), KeyProjection(key, width)
        self.value_encoder, self.decoder = ValueEncoder(value, hidden, width), Decoder(value, hidden, width)
        initialise(self)

    def encode_key(self, image):
        """-> f16, f8, f4, key, shrinkage, selection"""
        features = self.key_encoder(self.normalise(image))
        return *features, *self.key_proj(features[0])

    def encode_value(self, image, mask, others, f16, h):
        """Masks are aggregated probabilities -> value, h' (the deep update)"""
        encoder = self.value_encoder
        v = encoder.fuser(f16, encoder.mask_part(self.normalise(image), mask, others))
        return v, None if h is None else encoder.hidden_reinforce(v, h)

    def decode(self, f16, f8, f4, readout, h):
        """readout [B,value,H/16,W/16] -> logits [B,1,H,W], h' (the normal update)"""
        d = self.decoder
        return d.tail(d.fuser(f16, join(readout, h)), d.up_16_8.skip_conv(f8), d.up_8_4.skip_conv(f4), h)


class Part(nn.Module):
    def __init__(self, net: XMem):
        super().__init__()
        self.net = net


class KeyGraph(Part):
    """All of a slice that does not depend on a mask, for the cache of later passes."""

    outputs = ("key", "shrinkage", "selection", "skip8", "skip4", "cx", "dx", "f16")

    def forward(self, image):
        f16, f8, f4, key, shrinkage, selection = self.net.encode_key(image)
        d = self.net.decoder
        return key, shrinkage, selection, d.up_16_8.skip_conv(f8), d.up_8_4.skip_conv(f4), *d.fuser.image_part(f16), f16


class ValueImageGraph(Part):
    """The same for the value fuser; apart, because only memory slices need it."""

    outputs = ("vx", "vd")

    def forward(self, f16):
        return self.net.value_encoder.fuser.image_part(f16)


class ValueGraph(Part):
    outputs = ("value", "h_new")

    def forward(self, image, mask, others, vx, vd, h=None):
        encoder = self.net.value_encoder
        v = encoder.fuser.rest(vx, vd, encoder.mask_part(self.net.normalise(image), mask, others))
        return v if h is None else (v, encoder.hidden_reinforce(v, h))


class DecodeGraph(Part):
    """readout as the read graph gives it: [HW,value] -> aggregated probability [1,1,H,W], h'"""

    outputs = ("probability", "h_new")

    def forward(self, skip8, skip4, cx, dx, readout, h=None):
        d = self.net.decoder
        r = readout.transpose(0, 1).reshape(1, readout.shape[1], cx.shape[2], cx.shape[3])
        logits, h_new = d.tail(d.fuser.rest(cx, dx, join(r, h)), skip8, skip4, h)
        return aggregate(logits) if h is None else (aggregate(logits), h_new)
