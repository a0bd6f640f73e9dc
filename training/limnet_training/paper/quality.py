"""The quality network: a ResNet on slice, previous mask and current mask (specification 3.2). Key names are those of torchvision, so that
weights from ImageNet load (all but `fc`)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from .layers import Basic, Bottleneck, Normalise, initialise, stage

DEPTHS = {18: (Basic, (2, 2, 2, 2)), 50: (Bottleneck, (3, 4, 6, 3))}


class QualityResNet(nn.Module):
    """pairs [B,3,S,S] (slice 0..1, previous 0/1, current 0/1) -> logit that the previous mask is the better one [B,1]."""

    def __init__(self, depth: int = 18, width: int = 64):
        super().__init__()
        block, counts = DEPTHS[depth]
        self.normalise = Normalise((0.45, 0.5, 0.5), (0.225, 0.5, 0.5))
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(width)
        widths = [width, 2 * width, 4 * width, 8 * width]
        inputs = [width] + [w * block.expansion for w in widths[:3]]
        for n in range(4):
            setattr(self, f"layer{n + 1}", stage(block, inputs[n], widths[n], counts[n], 1 if n == 0 else 2))
        self.fc = nn.Linear(8 * width * block.expansion, 1)
        initialise(self)

    def forward(self, pairs):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(self.normalise(pairs)))), 3, 2, 1)
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))
