"""Object-contextual head for one class (specification 1.4): a first guess gathers one vector of the object, which every pixel then sees."""

from __future__ import annotations

import math

import torch
from torch import nn


def conv_bn_relu(a: int, b: int) -> list[nn.Module]:
    """1x1 and a nested (BN, ReLU): the public key names have the extra level."""
    return [nn.Conv2d(a, b, 1, bias=False), nn.Sequential(nn.BatchNorm2d(b), nn.ReLU())]


def gather(features, logits):
    """Mean of the features, weighted by the softmax of the logits over the pixels -> [B,C,1,1]."""
    weights = logits.flatten(2).softmax(2)
    return (features.flatten(2) @ weights.transpose(1, 2)).unsqueeze(3)


class ObjectAttention(nn.Module):
    """Pixels ask, class vectors answer; with one class every weight is 1."""

    def __init__(self, channels: int, inner: int):
        super().__init__()
        self.f_pixel = nn.Sequential(*conv_bn_relu(channels, inner), *conv_bn_relu(inner, inner))
        self.f_object = nn.Sequential(*conv_bn_relu(channels, inner), *conv_bn_relu(inner, inner))
        self.f_down = nn.Sequential(*conv_bn_relu(channels, inner))
        self.f_up = nn.Sequential(*conv_bn_relu(inner, channels))

    def forward(self, x, context):
        query = self.f_pixel(x).flatten(2).transpose(1, 2)           # B x HW x o
        key = self.f_object(context).flatten(2)                      # B x o x classes
        value = self.f_down(context).flatten(2).transpose(1, 2)      # B x classes x o
        weights = (query @ key / math.sqrt(key.shape[1])).softmax(2)
        y = (weights @ value).transpose(1, 2).reshape(x.shape[0], -1, x.shape[2], x.shape[3])
        return self.f_up(y)


class DistributeHead(nn.Module):
    def __init__(self, channels: int, inner: int):
        super().__init__()
        self.object_context_block = ObjectAttention(channels, inner)
        self.conv_bn_dropout = nn.Sequential(*conv_bn_relu(2 * channels, channels), nn.Dropout2d(0.05))

    def forward(self, x, context):
        return self.conv_bn_dropout(torch.cat([self.object_context_block(x, context), x], 1))
