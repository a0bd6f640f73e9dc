import numpy as np
import pytest

from limnet_training.transfer import transferred

SETTINGS = {"reach": 4, "contrast": 6.0, "nearness": 3.0}


def wall(start, size=24):
    plane, mask = np.full((size, size), 0.2), np.zeros((size, size), np.float32)
    plane[:, start : start + 2], mask[:, start : start + 2] = 0.8, 1
    return plane, mask


def test_a_thin_wall_is_followed_to_where_it_has_moved():
    (before, mask), (now, truth) = wall(10), wall(13)
    got = transferred(now, before, mask, **SETTINGS) >= 0.5
    assert (got == (truth > 0)).all()


def test_nothing_comes_from_beyond_the_reach():
    (before, mask), (now, truth) = wall(10), wall(16)
    assert not transferred(now, before, mask, **SETTINGS)[truth > 0].any()


def test_what_is_sure_or_like_nothing_keeps_its_value():
    rows, cols = np.mgrid[:24, :24]
    disk = np.where((rows - 12) ** 2 + (cols - 12) ** 2 <= 49, 0.97, 0.02).astype(np.float32)
    assert (transferred(np.full((24, 24), 0.9), np.full((24, 24), 0.1), disk, **SETTINGS) == disk).all()
    moved = transferred(wall(13)[0], wall(10)[0], disk, **SETTINGS)
    assert moved[12, 12] == disk[12, 12] and moved[0, 0] == disk[0, 0]


def test_each_vote_counts_by_likeness_and_distance():
    """One pixel of a random picture, by the formula."""
    rng = np.random.default_rng(1)
    now, before, mask = rng.integers(100, 120, (9, 9)) / 255, rng.integers(100, 120, (9, 9)) / 255, rng.random((9, 9)).astype(np.float32)
    a, b = (np.pad(np.round(x * 255), 1, mode="edge") for x in (now, before))
    weights = total = 0.0
    for y in range(9):
        for x in range(9):
            dy, dx = y - 4, x - 4
            if (dy + dx) % 2 == 0:
                square = ((a[4:7, 4:7] - b[y : y + 3, x : x + 3]) ** 2).mean()
                w = np.exp(-square / 36 - (dy**2 + dx**2) / 18)
                weights, total = weights + w, total + w * mask[y, x]
    assert abs(transferred(now, before, mask, **SETTINGS)[4, 4] - total / weights) < 1e-6


def test_a_share_of_samples_sees_the_neighbours_mask_as_it_was():
    torch = pytest.importorskip("torch")
    from limnet_training.propagation import copied

    near = torch.rand(400, 6, 2, 2)
    seen = copied(near.clone(), np.random.default_rng(4), 0.3)
    changed = (seen[:, -1] == near[:, 0]).flatten(1).all(1)
    assert abs(float(changed.float().mean()) - 0.3) < 0.07
    assert torch.equal(seen[:, :-1], near[:, :-1]) and torch.equal(seen[~changed], near[~changed])
    assert torch.equal(copied(near.clone(), None, 0.0), near)
