"""Losses against the formulas written out."""

import numpy as np
import pytest
import torch

from limnet_training import losses


def pair(seed=0, scale=2.0):
    rng = np.random.default_rng(seed)
    z = torch.tensor(rng.standard_normal((3, 1, 12, 10)) * scale, dtype=torch.float64)
    y = torch.tensor(rng.random((3, 1, 12, 10)) < 0.3, dtype=torch.float64)
    return z, y


def naive_focal(z, y, k=None):
    """-(1/N) sum k beta log q per image, k at most 50; alpha is left out (a constant factor)."""
    out = []
    for n in range(len(z)):
        p = 1 / (1 + torch.exp(-z[n].ravel()))
        q = 1 - (y[n].ravel() - p).abs()
        beta = (1 - q) ** 2
        factor = min(50.0, len(q) / (beta.sum().item() + 1e-6)) if k is None else k[n]
        out.append(-(factor * beta * torch.log(q)).sum() / len(q))
    return torch.stack(out)


def test_focal_equals_the_formula():
    z, y = pair()
    torch.testing.assert_close(losses.focal(z, y), naive_focal(z, y))


def test_no_gradient_goes_through_the_normalisation():
    z, y = pair(1)
    z.requires_grad_(True)
    got = torch.autograd.grad(losses.focal(z, y).sum(), z)[0]
    with torch.no_grad():
        beta = (y - torch.sigmoid(z)).abs() ** 2
        k = (120 / (beta.sum((1, 2, 3)) + 1e-6)).tolist()
    want = torch.autograd.grad(naive_focal(z, y, k).sum(), z)[0]
    torch.testing.assert_close(got, want)
    through = torch.autograd.grad((((y - torch.sigmoid(z)).abs() ** 2).sum((1, 2, 3)) ** -1).sum(), z)[0]
    assert through.abs().max() > 0  # what is missing would have been something


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [20.0, 90.0, 300.0])
def test_gradient_of_saturated_errors_is_finite_and_not_zero(dtype, size):
    y = torch.zeros(1, 1, 8, 8, dtype=dtype)
    y[..., :4] = 1
    z = ((0.5 - y) * 2 * size).requires_grad_(True)  # everything wrong, as far as it goes
    loss = losses.focal(z, y).sum()
    g = torch.autograd.grad(loss, z)[0]
    assert torch.isfinite(loss) and torch.isfinite(g).all()
    assert (g[..., :4] < -1e-3).all() and (g[..., 4:] > 1e-3).all()


def test_a_perfect_picture_costs_nothing():
    y = torch.zeros(2, 1, 8, 8)
    y[:, :, 2:5, 2:5] = 1
    z = ((y - 0.5) * 80).requires_grad_(True)
    loss = losses.focal(z, y).sum() + losses.dice(z, y).sum()
    assert loss.item() < 1e-5 and torch.isfinite(torch.autograd.grad(loss, z)[0]).all()


def test_pictures_of_a_batch_do_not_mix():
    z, y = pair(2)
    for f in (losses.focal, losses.dice):
        torch.testing.assert_close(f(z, y), torch.cat([f(z[n : n + 1], y[n : n + 1]) for n in range(3)]))


def test_dice_equals_the_formula_and_two_empty_masks_cost_nothing():
    z, y = pair(3)
    p = 1 / (1 + np.exp(-z.numpy()))
    for s in (1.0, 20.0):
        want = [1 - (2 * (p[n] * y[n].numpy()).sum() + s) / (p[n].sum() + y[n].numpy().sum() + s) for n in range(3)]
        np.testing.assert_allclose(losses.dice(z, y, s).numpy(), want)
    assert losses.dice(torch.full((1, 1, 4, 4), -60.0), torch.zeros(1, 1, 4, 4)).item() == pytest.approx(0, abs=1e-6)
