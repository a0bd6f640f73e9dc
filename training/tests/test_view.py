"""The square view: extract and paste."""

import numpy as np
import pytest
from scipy import ndimage

from limnet_training.view import box_view, extract, paste, whole_view


def plane(shape=(50, 70), sigma=4.0):
    x = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape), sigma)
    return ((x - x.min()) / np.ptp(x)).astype(np.float32)


def test_a_view_of_one_to_one_is_a_cut_and_pastes_back_exactly():
    p = plane()
    cut = extract(p, (10, 20, 32), 32)
    np.testing.assert_allclose(cut, p[10:42, 20:52], atol=1e-6)
    out = np.full(p.shape, -1, np.float32)
    paste(cut, (10, 20, 32), out)
    np.testing.assert_allclose(out[10:42, 20:52], p[10:42, 20:52], atol=1e-6)
    out[10:42, 20:52] = -1
    assert (out == -1).all()


@pytest.mark.parametrize("view", [(5.5, 12.25, 40.0), (3.0, 2.0, 44.7), (0.0, 10.0, 50.0)])
def test_round_trip_of_a_smooth_plane(view):
    p = plane()
    out = np.zeros_like(p)
    paste(extract(p, view, 128), view, out)
    r, c, side = (int(np.ceil(v)) for v in view)
    inner = np.s_[r + 2 : r + side - 3, c + 2 : c + side - 3]
    assert np.abs(out[inner] - p[inner]).max() < 0.01


def test_round_trip_through_a_smaller_view_keeps_a_mask_but_for_its_edge():
    y, x = np.mgrid[:200, :200]
    mask = (y - 90) ** 2 + (x - 105) ** 2 <= 50**2
    view, out = (0.0, 0.0, 200.0), np.zeros((200, 200), np.float32)
    paste(extract(mask.astype(np.float32), view, 128), view, out)
    got = out >= 0.5
    assert (got & mask).sum() / (got | mask).sum() > 0.985


def test_outside_of_the_plane_is_zero_and_outside_of_the_view_untouched():
    p = np.ones((20, 30), np.float32)
    view = whole_view(p.shape)
    assert view == (-5, 0, 30)
    got = extract(p, view, 60)
    assert not got[:9].any() and not got[-9:].any() and np.allclose(got[12:48, 2:-2], 1)
    out = np.full((20, 30), 7, np.float32)
    paste(np.zeros((16, 16), np.float32), (100, 100, 8), out)
    assert (out == 7).all()


def test_shrinking_averages():
    p = np.indices((64, 64)).sum(0) % 2 * 1.0  # a chess board
    np.testing.assert_allclose(extract(p, (0, 0, 64), 16)[1:-1, 1:-1], 0.5, atol=1e-6)


def test_box_view_is_square_holds_the_mask_and_keeps_its_limits():
    mask = np.zeros((100, 80), bool)
    assert box_view(mask, 1.5, 32) is None
    assert box_view(mask, 1.5, 32, [(10, 20)]) == (-5.5, 4.5, 32)
    mask[40:50, 20:60] = True
    assert box_view(mask, 1.5, 32) == (15, 10, 60)
    r, c, side = box_view(mask, 1.5, 32, [(90, 70)])
    assert side == 1.5 * 51 and r <= 40 and r + side >= 91 and c <= 20 and c + side >= 71
    assert box_view(mask, 9, 32)[2] == 100  # not larger than the whole
