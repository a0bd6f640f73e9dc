"""The click network: HRNetV2 + OCR with a branch for the click maps (specification 1.1 to 1.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .hrnet import HRNet, resize
from .layers import MEAN, STD, Normalise, conv3, conv_bn, initialise
from .ocr import DistributeHead, gather


class Scale(nn.Module):
    def __init__(self, start: float):
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), start))

    def forward(self, x):
        return x * self.scale.abs()


class Features(HRNet):
    """Backbone and head together: the public checkpoints keep them under one prefix."""

    def __init__(self, width: int, ocr_width: int, small: bool):
        super().__init__(width, small)
        c, mid = 15 * width, 2 * ocr_width
        self.conv3x3_ocr = conv_bn(c, mid, 3, relu=True, bias=True)
        self.ocr_distri_head = DistributeHead(mid, ocr_width)
        self.cls_head = nn.Conv2d(mid, 1, 1)
        self.aux_head = nn.Sequential(*conv_bn(c, c, 1, relu=True, bias=True), nn.Conv2d(c, 1, 1))

    def forward(self, image, extra):
        x = self.pixels(image, extra)
        aux, f = self.aux_head(x), self.conv3x3_ocr(x)
        return self.cls_head(self.ocr_distri_head(f, gather(f, aux))), aux


class ClickNet(nn.Module):
    """image [B,3,H,W] in 0..1, maps [B,3,H,W] (previous mask, positive, negative disks) -> logits [B,1,H,W].

    In training mode a pair: the logits and those of the auxiliary head, both at the size of the input.
    Without `previous` there are two maps (positive, negative)."""

    def __init__(self, width: int, ocr_width: int, small: bool = False, previous: bool = True, leaky: bool = True, mean=MEAN, std=STD):
        super().__init__()
        self.normalise = Normalise(mean, std)
        self.maps_transform = nn.Sequential(
            nn.Conv2d(3 if previous else 2, 16, 1), nn.LeakyReLU(0.2) if leaky else nn.ReLU(), conv3(16, 64, 2), Scale(0.05))
        self.feature_extractor = Features(width, ocr_width, small)
        initialise(self)

    def forward(self, image, maps):
        out, aux = self.feature_extractor(self.normalise(image), self.maps_transform(maps))
        return (resize(out, image), resize(aux, image)) if self.training else resize(out, image)


class ClickGraph(nn.Module):
    """For export, in evaluation mode -> probability [B,1,H,W].

    With one class the attention gives one vector per image (every softmax weight is 1), so its half of the last
    1x1 convolution is a bias per image and the query path is not needed. The batch norm behind is folded here."""

    def __init__(self, net: ClickNet):
        super().__init__()
        self.net = net
        conv, (bn, _) = net.feature_extractor.ocr_distri_head.conv_bn_dropout[:2]
        with torch.no_grad():
            gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
            a, f = (conv.weight * gain[:, None, None, None]).chunk(2, 1)
            self.register_buffer("a", a.clone())
            self.register_buffer("f", f.clone())
            self.register_buffer("bias", bn.bias - bn.running_mean * gain)

    def forward(self, image, maps):
        fe = self.net.feature_extractor
        x = fe.pixels(self.net.normalise(image), self.net.maps_transform(maps))
        f = fe.conv3x3_ocr(x)
        block = fe.ocr_distri_head.object_context_block
        vector = block.f_up(block.f_down(gather(f, fe.aux_head(x))))
        g = F.relu(F.conv2d(f, self.f, self.bias) + F.conv2d(vector, self.a))
        return torch.sigmoid(resize(fe.cls_head(g), image))
