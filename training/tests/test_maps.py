"""Click maps, the next-click rule and the robot user."""

import numpy as np
import pytest
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra

from limnet_training import maps
from limnet_training.flood import flood


def ball(shape, centre, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def blocks(*rects, shape=(40, 40)):
    out = np.zeros(shape, bool)
    for r0, r1, c0, c1 in rects:
        out[r0:r1, c0:c1] = True
    return out


def test_a_disk_has_the_pixels_within_its_radius():
    assert maps.disks((40, 40), [(20, 20)], 5).sum() == 81
    assert maps.disks((40, 40), [(20, 20)]).sum() == 29
    y, x = np.mgrid[:40, :40]
    clicks = [(3.3, 37.9), (20.5, 20.25), (0, 0), (-9, 4)]
    want = np.any([(y - r) ** 2 + (x - c) ** 2 <= 9 for r, c in clicks], 0)
    assert (maps.disks((40, 40), clicks) == want).all()
    assert not maps.disks((40, 40), []).any()


def test_smoothing_is_1_2_1_with_the_edge_repeated():
    image = np.random.default_rng(0).random((9, 11))
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    np.testing.assert_allclose(maps.smooth(image), ndimage.correlate(image, kernel, mode="nearest"), atol=1e-12)


def shortest(image, clicks, weight):
    """The distance that the raster sweeps approximate: shortest path over the eight neighbours."""
    rows, cols = image.shape
    number = np.arange(rows * cols).reshape(rows, cols)
    a, b, cost = [], [], []
    for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, rows - dr), slice(max(0, -dc), cols - max(0, dc)))
        there = (slice(dr, rows), slice(max(0, dc), cols + min(0, dc)))
        a.append(number[here].ravel())
        b.append(number[there].ravel())
        cost.append((np.hypot(dr, dc) + weight * np.abs(image[here] - image[there])).ravel())
    graph = sparse.csr_matrix((np.concatenate(cost), (np.concatenate(a), np.concatenate(b))), shape=(rows * cols,) * 2)
    return dijkstra(graph, directed=False, indices=[number[r, c] for r, c in clicks]).min(0).reshape(rows, cols)


@pytest.mark.parametrize(("weight", "scale"), maps.GEODESIC)
def test_geodesic_maps_are_near_the_shortest_paths(weight, scale):
    rng = np.random.default_rng(1)
    for _ in range(6):
        image = ndimage.gaussian_filter(rng.standard_normal((64, 64)), 4)
        image = (image - image.min()) / np.ptp(image)
        image[ball(image.shape, rng.uniform(16, 48, 2), 14)] += 0.3
        smoothed = maps.smooth(np.clip(image + rng.standard_normal(image.shape) * 0.03, 0, 1))
        clicks = [tuple(c) for c in rng.integers(0, 64, (int(rng.integers(1, 4)), 2))]
        got, want = maps.geodesic(smoothed, clicks, weight, scale), np.exp(-shortest(smoothed, clicks, weight) / scale)
        assert (got <= want + 1e-6).all()  # sweeps find a path, never one shorter than the shortest
        assert np.abs(got - want).max() < 0.08 and np.abs(got - want).mean() < 0.006  # noisy, edges across: 0.065 and 0.005 in 40 pictures
        assert all(got[r, c] == 1 for r, c in clicks)


def test_geodesic_map_of_no_clicks_is_zero_and_of_an_even_picture_the_grid_distance():
    even = np.full((20, 20), 0.5)
    assert not maps.geodesic(even, [], 20.0, 20.0).any()
    d = -20 * np.log(maps.geodesic(even, [(4.4, 5.6)], 20.0, 20.0))  # to the nearest pixel: 4, 6
    assert d[4, 6] == 0 and d[4, 16] == pytest.approx(10, abs=1e-3) and d[14, 16] == pytest.approx(10 * np.sqrt(2), abs=1e-3)


def test_click_maps_have_the_order_of_the_network():
    image, previous = np.random.default_rng(2).random((32, 32)), np.random.default_rng(3).random((32, 32))
    smoothed = maps.smooth(image)
    got = maps.click_maps(smoothed, previous, [(10, 10)], [(20, 25)])
    want = [previous, maps.disks((32, 32), [(10, 10)]), maps.disks((32, 32), [(20, 25)])]
    want += [maps.geodesic(smoothed, c, w, s) for w, s in maps.GEODESIC for c in ([(10, 10)], [(20, 25)])]
    want += [flood(smoothed, c, maps.FLOOD) for c in ([(10, 10)], [(20, 25)])]
    np.testing.assert_allclose(got, np.stack(want), atol=1e-7)
    blank = maps.click_maps(smoothed, previous, [(10, 10)], [(20, 25)], blank_geodesic=True)
    assert (blank[:3] == got[:3]).all() and not blank[3:].any()


def test_next_click_is_in_the_larger_error_and_deeper_than_half_its_depth():
    rng = np.random.default_rng(4)
    truth = ball((48, 48), (20, 18), 12)
    wrong = ball((48, 48), (40, 40), 5)
    missing = ball((48, 48), (20, 18), 8)
    d = maps.distance(missing)
    seen = set()
    for _ in range(400):
        r, c, positive = maps.next_click((truth & ~missing | wrong).astype(np.float32), truth, rng)
        assert positive and d[int(r), int(c)] > d.max() / 2
        seen.add((r, c))
    assert len(seen) > 0.9 * (d > d.max() / 2).sum()  # drawn from all of them
    _, _, positive = maps.next_click((truth | ball((48, 48), (24, 38), 9)).astype(np.float32), truth, rng)
    assert not positive


def test_next_click_of_a_tie_is_negative_and_of_no_error_none():
    rng = np.random.default_rng(5)
    truth, guess = blocks((5, 12, 5, 12)), blocks((25, 32, 25, 32))
    r, c, positive = maps.next_click(guess.astype(np.float32), truth, rng)
    assert not positive and guess[int(r), int(c)]
    assert maps.next_click(truth.astype(np.float32), truth, rng) is None
    assert maps.next_click(np.zeros((40, 40)), np.zeros((40, 40), bool), rng) is None


def test_next_click_counts_the_border_as_outside_and_obeys_valid():
    rng = np.random.default_rng(6)
    assert maps.distance(np.ones((9, 9), bool))[0, 0] == 1
    truth = blocks((2, 20, 2, 20), (30, 36, 30, 36))
    for _ in range(20):
        r, c, positive = maps.next_click(np.zeros((40, 40)), truth, rng, valid=blocks((25, 40, 25, 40)))
        assert positive and 30 <= r < 36 and 30 <= c < 36


def test_robot_takes_the_first_of_equal_pixels_and_negative_of_equal_signs():
    assert maps.robot_click(blocks(), blocks((4, 10, 4, 12)), []) == (6, 6, True)  # depth 3 at rows 6, 7 and columns 6..9
    assert maps.robot_click(blocks(), blocks((20, 25, 3, 8), (5, 10, 30, 35)), []) == (7, 32, True)  # the upper one of two
    assert maps.robot_click(blocks((20, 25, 3, 8)), blocks((5, 10, 30, 35)), []) == (22, 5, False)
    assert maps.robot_click(blocks((1, 5, 1, 5)), blocks((1, 5, 1, 5)), []) is None


def test_robot_does_not_click_a_pixel_twice():
    truth, clicked = blocks((4, 10, 4, 10)), []
    for _ in range(36):
        r, c, positive = maps.robot_click(blocks(), truth, clicked)
        assert positive and truth[r, c] and (r, c) not in clicked
        clicked.append((r, c))
    assert clicked[:4] == [(6, 6), (6, 7), (7, 6), (7, 7)]
    assert maps.robot_click(blocks(), truth, clicked) is None


def test_neighbour_maps_of_an_empty_neighbour_are_zero_but_for_its_probability():
    smoothed, faint = np.full((32, 32), 0.5), np.full((32, 32), 0.2, np.float32)
    got = maps.neighbour_maps(smoothed, faint, smoothed)
    assert (got[0] == faint).all() and not got[1:].any()
    mask = ball((32, 32), (16, 16), 8)
    core, outside = maps.seeds(mask)
    assert core.any() and not (core & ~mask).any() and not (outside & mask).any() and outside[0, 0]
    got = maps.neighbour_maps(smoothed, mask.astype(np.float32), smoothed)
    assert (got[1][core] == 1).all() and (got[2][outside] == 1).all()
