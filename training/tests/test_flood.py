"""Flood maps of clicks."""

import numpy as np
from limnet_training.flood import flood

SCALE = 20.0


def tolerances(grey, clicks):
    return np.round(-SCALE * np.log(flood(np.asarray(grey, float) / 255, clicks, SCALE))).astype(int)


def literal(grey, seed):
    """By trying every tolerance: the region of pixels within it that are joined to the seed."""
    from scipy import ndimage

    out = np.full(grey.shape, 255)
    for t in range(255, -1, -1):
        pieces, _ = ndimage.label(np.abs(grey - grey[seed]) <= t)
        out[pieces == pieces[seed]] = t
    return out


def test_the_tolerance_is_the_least_at_which_the_region_around_the_click_takes_a_pixel():
    grey = np.random.default_rng(3).integers(0, 256, (20, 24))
    assert (tolerances(grey, [(7, 9)]) == literal(grey, (7, 9))).all()


def test_of_several_clicks_the_least_tolerance_counts():
    grey = np.random.default_rng(4).integers(0, 256, (20, 20))
    assert (tolerances(grey, [(2, 3), (15, 11)]) == np.minimum(literal(grey, (2, 3)), literal(grey, (15, 11)))).all()


def test_an_even_ring_is_reached_all_the_way_round_and_its_chamber_is_not():
    away = np.abs(np.indices((21, 21)) - 10).max(0)
    t = tolerances(np.where(away == 7, 200, 100), [(3, 10)])
    assert (t[away == 7] == 0).all() and (t[away != 7] == 100).all()


def test_no_clicks_are_a_map_of_zeros_and_clicks_outside_are_clamped():
    even = np.full((9, 9), 128.0)
    assert not flood(even / 255, [], SCALE).any()
    assert (tolerances(even, [(-3, 40)]) == 0).all()
