"""MONAI as the judge of what both have: soft Dice and focal loss, Dice of masks."""

import numpy as np
import pytest
import torch

from limnet_training import losses, propagation, quality

monai = pytest.importorskip("monai", reason="pip install -e 'training[dev]' brings it")


def pair(seed=0):
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, 1, 24, 20, generator=g) * 3
    target = (torch.rand(5, 1, 24, 20, generator=g) > 0.7).float()
    target[2] = 0  # nothing there
    return logits, target


@pytest.mark.parametrize("smooth", [1.0, 20.0])
def test_soft_dice_is_that_of_monai(smooth):
    logits, target = pair()
    want = monai.losses.DiceLoss(sigmoid=True, smooth_nr=smooth, smooth_dr=smooth, reduction="none")(logits, target)
    torch.testing.assert_close(losses.dice(logits, target, smooth), want.flatten())


def test_focal_is_that_of_monai_times_the_normalisation_that_monai_lacks():
    logits, target = pair(1)
    plain = monai.losses.FocalLoss(gamma=2.0, reduction="none")(logits, target).mean((1, 2, 3))
    wrong = (1 - torch.exp(-torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none"))) ** 2
    k = wrong[0, 0].numel() / wrong.sum((1, 2, 3))
    torch.testing.assert_close(losses.focal(logits, target), plain * k, rtol=1e-4, atol=1e-6)


def test_dice_of_masks_is_that_of_monai():
    rng = np.random.default_rng(2)
    masks = rng.random((2, 6, 30, 30)) > 0.6
    masks[0, 1] = masks[1, 2] = False
    masks[:, 3] = False
    want = monai.metrics.compute_dice(torch.from_numpy(masks[0][:, None]), torch.from_numpy(masks[1][:, None]), ignore_empty=False).flatten().tolist()
    for n, value in enumerate(want):
        assert propagation.dice(masks[0, n], masks[1, n]) == pytest.approx(value)
        assert quality.slice_dice(masks[0, n], masks[1, n]) == pytest.approx(value)
