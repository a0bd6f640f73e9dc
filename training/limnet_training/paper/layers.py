"""Residual blocks and small helpers that the three networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Normalise(nn.Module):
    """(x - mean) / std per channel. The constants are no state: checkpoints do not hold them."""

    def __init__(self, mean=MEAN, std=STD):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1), persistent=False)

    def forward(self, x):
        return (x - self.mean) / self.std


def conv3(a: int, b: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=bias)


def conv_bn(a: int, b: int, kernel: int, stride: int = 1, relu: bool = False, bias: bool = False) -> nn.Sequential:
    parts = [nn.Conv2d(a, b, kernel, stride=stride, padding=kernel // 2, bias=bias), nn.BatchNorm2d(b)]
    return nn.Sequential(*parts, *([nn.ReLU()] if relu else []))


def projection(a: int, b: int, stride: int) -> nn.Sequential | None:
    return conv_bn(a, b, 1, stride) if stride != 1 or a != b else None


class Basic(nn.Module):
    """3x3 BN ReLU 3x3 BN, add the input, ReLU."""

    expansion = 1

    def __init__(self, a: int, b: int, stride: int = 1):
        super().__init__()
        self.conv1, self.bn1 = conv3(a, b, stride, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = conv3(b, b, bias=False), nn.BatchNorm2d(b)
        self.downsample = projection(a, b, stride)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 to four times the width, add the input, ReLU."""

    expansion = 4

    def __init__(self, a: int, width: int, stride: int = 1):
        super().__init__()
        b = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(a, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv3(width, width, stride, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, b, 1, bias=False), nn.BatchNorm2d(b)
        self.downsample = projection(a, b, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def stage(block, a: int, width: int, count: int, stride: int = 1) -> nn.Sequential:
    """`count` blocks, the first one with the stride and, where shapes change, a projection."""
    b = width * block.expansion
    return nn.Sequential(block(a, width, stride), *[block(b, width) for _ in range(count - 1)])


def initialise(module: nn.Module) -> None:
    """He's normal initialisation of every convolution."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
