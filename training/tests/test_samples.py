"""Samples that the click network is trained on."""

import numpy as np
import pytest

pytest.importorskip("torch")
from limnet_training import nets, samples  # noqa: E402
from limnet_training.data import Pool  # noqa: E402


@pytest.mark.parametrize("size", [samples.SIZE, 192])
@pytest.mark.parametrize("neighbours", [0.0, 1.0])
def test_a_sample_has_the_size_that_its_step_is_drawn_at(size, neighbours):
    rng = np.random.default_rng(5)
    pool = Pool([], rng, {"synthetic": 1.0}, n_synthetic=4)
    for _ in range(3):
        item = samples.Item(pool, rng, 0.0, 0.5, neighbours, size=size)
        assert item.image.shape == item.truth.shape == item.previous.shape == (size, size)
        assert item.maps().shape == (nets.CLICK_MAPS, size, size)


def test_whole_slices_are_drawn_as_often_as_asked(monkeypatch):
    rng = np.random.default_rng(6)
    asked = []
    monkeypatch.setattr(samples, "sample", lambda pool, rng, pseudo, share, size: asked.append(share) or (np.zeros((size, size), np.float32), np.eye(size, dtype=bool)))
    for defects in (0.0, 1.0):
        samples.Item(None, rng, 0.0, defects, 0.0, whole=(0.1, 0.7))
    assert asked == [0.7, 0.1]


def test_three_in_ten_slices_with_a_large_object_are_smoothed_and_none_with_a_small_one():
    rng = np.random.default_rng(7)
    plane = rng.random((20, 20))
    seen = [samples.as_seen(plane, 40, rng) for _ in range(400)]
    smoothed = [s for s in seen if s is not plane]
    assert abs(len(smoothed) / len(seen) - 0.3) < 0.08
    assert all(s.std() < 0.6 * plane.std() for s in smoothed)
    assert all(samples.as_seen(plane, 31, rng) is plane for _ in range(50))
