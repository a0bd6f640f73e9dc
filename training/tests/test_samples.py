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


def test_from_the_fifth_click_on_an_answer_changes_the_place_of_its_click_alone():
    item = samples.Item(Pool([], np.random.default_rng(8), {"synthetic": 1.0}, n_synthetic=2), np.random.default_rng(8), 0.0, 0.0, 0.0, size=64)
    truth = np.zeros((64, 64), bool)
    truth[20:40, 20:40] = True
    item.truth, item.previous = truth, np.where(truth, 0.9, 0.0).astype(np.float32)
    item.previous[20:26, 20:26] = 0.1  # what is wrong, and clicked next
    answer = item.previous.copy()
    answer[20:26, 20:26] = 0.8
    answer[36:40, 36:40] = 0.2  # what the network spoils elsewhere
    for earlier, spoilt in ((3, True), (4, False)):
        item.previous, item.positive, item.negative = np.where(answer == 0.8, 0.1, np.where(truth, 0.9, 0)).astype(np.float32), [(30.0, 30.0)] * earlier, []
        item.add(np.random.default_rng(1), 1.0)
        item.take(answer.copy())
        assert (item.previous[20:26, 20:26] >= 0.5).all()
        assert (item.previous[36:40, 36:40] < 0.5).all() == spoilt


@pytest.mark.parametrize(("late", "passes"), [(0.0, range(5)), (1.0, range(5, 15))])
def test_late_steps_go_on_for_five_to_fourteen_clicks(late, passes):
    rng = np.random.default_rng(9)
    drawn = {samples.passes(rng, late) for _ in range(600)}
    assert drawn == set(passes)
