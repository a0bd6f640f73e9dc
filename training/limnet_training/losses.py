"""Normalised focal loss (specification 1.5) and soft Dice, both on logits."""

import torch
import torch.nn.functional as F


def focal(logits, target, gamma=2.0):
    """Per-image normalised focal loss; logits and target [B,1,H,W]. Gradients reach saturated errors (logits throughout)."""
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    beta = (1 - torch.exp(-bce)) ** gamma
    k = beta.shape[2] * beta.shape[3] / (beta.sum((2, 3), keepdim=True).detach() + 1e-6)
    return (k.clamp(max=50) * beta * bce).mean((1, 2, 3))


def dice(logits, target, smooth=1.0):
    p = torch.sigmoid(logits)
    inter = (p * target).sum((1, 2, 3))
    return 1 - (2 * inter + smooth) / (p.sum((1, 2, 3)) + target.sum((1, 2, 3)) + smooth)
