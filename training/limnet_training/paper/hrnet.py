"""HRNetV2: branches at 1/4, 1/8, 1/16 and 1/32, fused after every module (specification 1.4). Every resize aligns corners."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .layers import Basic, Bottleneck, conv3, conv_bn, stage


def resize(x, like):
    """Bilinear with aligned corners, to the rows and columns of another tensor."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


def fuse_path(i: int, j: int, widths: list[int]) -> nn.Module | None:
    """From branch j to branch i: nothing, 1x1 (resized by the caller), or a chain of 3x3 with stride 2."""
    if j == i:
        return None
    if j > i:
        return conv_bn(widths[j], widths[i], 1)
    steps = i - j
    return nn.Sequential(*[
        conv_bn(widths[j], widths[i if last else j], 3, stride=2, relu=not last) for last in (n == steps - 1 for n in range(steps))
    ])


class FuseModule(nn.Module):
    """Every branch runs its own blocks; then every branch receives all others. All branches come out."""

    def __init__(self, widths: list[int], blocks: int):
        super().__init__()
        count = range(len(widths))
        self.branches = nn.ModuleList([stage(Basic, w, w, blocks) for w in widths])
        self.fuse_layers = nn.ModuleList([nn.ModuleList([fuse_path(i, j, widths) for j in count]) for i in count])

    def forward(self, xs):
        xs = [branch(x) for branch, x in zip(self.branches, xs)]
        outs = []
        for i, paths in enumerate(self.fuse_layers):
            total = None
            for j, x in enumerate(xs):
                y = x if j == i else paths[j](x)
                if j > i:
                    y = resize(y, xs[i])
                total = y if total is None else total + y
            outs.append(F.relu(total))
        return outs


class HRNet(nn.Module):
    """image (normalised) [B,3,H,W] and what is added after the first stem layer [B,64,H/2,W/2] -> [B,15w,H/4,W/4]."""

    def __init__(self, width: int, small: bool):
        super().__init__()
        blocks, m3, m4 = (2, 3, 2) if small else (4, 4, 3)
        widths = [width * 2**n for n in range(4)]
        self.conv1, self.bn1 = conv3(3, 64, 2, bias=False), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = conv3(64, 64, 2, bias=False), nn.BatchNorm2d(64)
        self.layer1 = stage(Bottleneck, 64, 64, blocks)
        new = lambda a, b: nn.Sequential(conv_bn(a, b, 3, stride=2, relu=True))  # noqa: E731
        self.transition1 = nn.ModuleList([conv_bn(256, widths[0], 3, relu=True), new(256, widths[1])])
        self.stage2 = nn.Sequential(FuseModule(widths[:2], blocks))
        self.transition2 = nn.ModuleList([None, None, new(widths[1], widths[2])])
        self.stage3 = nn.Sequential(*[FuseModule(widths[:3], blocks) for _ in range(m3)])
        self.transition3 = nn.ModuleList([None, None, None, new(widths[2], widths[3])])
        self.stage4 = nn.Sequential(*[FuseModule(widths, blocks) for _ in range(m4)])

    def pixels(self, image, extra):
        x = F.relu(self.bn1(self.conv1(image)))
        x = self.layer1(F.relu(self.bn2(self.conv2(x + extra))))
        xs = self.stage2([t(x) for t in self.transition1])
        xs = self.stage3([*xs, self.transition2[-1](xs[-1])])
        xs = self.stage4([*xs, self.transition3[-1](xs[-1])])
        return torch.cat([xs[0], *[resize(x, xs[0]) for x in xs[1:]]], 1)
