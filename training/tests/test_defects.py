"""Defective masks (specification 4, acceptance checks of 7)."""

import inspect
from collections import Counter

import cv2
import numpy as np
import pytest

from limnet_training import defects
from limnet_training.defects import ASSIGNMENTS, attempt, defective, draw_kind, iou


def masks(rng, n, size=96):
    """Blobs of all sizes, some with a hole, some of two pieces, some cut by the picture's edge."""
    for i in range(n):
        m = np.zeros((size, size), np.uint8)
        radius = int(np.exp(rng.uniform(np.log(3), np.log(32))))
        at = tuple(int(v) for v in rng.integers(8, size - 8, 2))
        cv2.ellipse(m, at, (radius, max(2, int(radius * rng.uniform(0.5, 1)))), rng.uniform(0, 180), 0, 360, 1, -1)
        if i % 3 == 1 and radius > 6:
            cv2.circle(m, at, radius // 3, 0, -1)
        if i % 3 == 2:
            cv2.circle(m, tuple(int(v) for v in rng.integers(8, size - 8, 2)), 5, 1, -1)
        if m.sum() >= 12:
            yield m.astype(bool)


PROBABILITIES = {
    "text-order": (("shapes", 0.1), ("morphology", 0.1), ("displacement", 0.3), ("smoothing", 0.2), ("removal", 0.1), ("merging", 0.2)),
    "main-shapes": (("dilation", 0.1), ("erosion", 0.1), ("shapes", 0.3), ("displacement", 0.2), ("smoothing", 0.1), ("removal or merging", 0.2)),
}


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_kinds_are_as_frequent_as_the_reading_says(assignment):
    rng = np.random.default_rng(1)
    seen = Counter(draw_kind(rng, assignment) for _ in range(100_000))
    assert set(seen) == {k for k, _ in PROBABILITIES[assignment]}
    for kind, p in PROBABILITIES[assignment]:
        assert abs(seen[kind] / 1e5 - p) < 0.01, kind


def test_text_order_is_the_default_and_an_unknown_reading_is_an_error():
    assert inspect.signature(defective).parameters["assignment"].default == "text-order"
    with pytest.raises(KeyError):
        draw_kind(np.random.default_rng(0), "alphabetical")


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_never_empty_and_iou_within_bounds_but_for_the_fallback(assignment, monkeypatch):
    rng = np.random.default_rng(2)
    fell_back = []
    wrapped = lambda *a: fell_back.append(r := attempt(*a)) or r  # noqa: E731
    monkeypatch.setattr(defects, "attempt", wrapped)
    total = accepted = 0
    for mask in masks(rng, 300):
        before = mask.copy()
        out = defective(mask, rng, assignment)
        assert out.dtype == bool and out.shape == mask.shape and out.any()
        assert (mask == before).all()
        total += 1
        if fell_back[-1] is not None:
            accepted += 1
            assert 0.3 <= iou(out, mask) <= 0.95
    assert total > 250 and accepted > 0.8 * total


def test_fallback_of_a_mask_that_no_kind_can_change_enough_is_near_the_mask(monkeypatch):
    monkeypatch.setattr(defects, "_once", lambda mask, kind, rng: np.zeros_like(mask))
    for mask in masks(np.random.default_rng(3), 30):
        out = defective(mask, np.random.default_rng(0))
        assert out.any() and iou(out, mask) > 0.3
    one = np.zeros((32, 32), bool)
    one[16, 16] = True
    assert defective(one, np.random.default_rng(0)).any()


def test_amounts_follow_the_side_and_end_at_half_the_equivalent_radius():
    rng = np.random.default_rng(4)
    large = np.ones((128, 128), bool)
    drawn = [defects.amount(large, 10, 30, rng) for _ in range(500)]
    assert 2.5 <= min(drawn) < 2.7 and 7.3 < max(drawn) <= 7.5
    small = np.zeros((512, 512), bool)
    small[:10, :10] = True
    assert defects.amount(small, 10, 30, rng) == pytest.approx(0.5 * np.sqrt(100 / np.pi))


def test_morphology_uses_the_square_element():
    rng = np.random.default_rng(5)
    mask = np.zeros((512, 512), bool)
    mask[200:300, 180:320] = True
    out = defects._once(mask, "erosion", rng)
    assert (out.sum(0).max(), out.sum(1).max(), out.sum()) == (80, 120, 80 * 120)
    rows = {defects._once(mask, "dilation", rng).any(1).sum() for _ in range(60)}
    assert min(rows) >= 120 and max(rows) <= 160 and len(rows) > 10
    for _ in range(60):
        out = defects._once(mask, "dilation", rng)
        assert out.sum() == out.any(1).sum() * out.any(0).sum()  # still a rectangle


def test_erosion_does_not_delete_a_small_object():
    mask = np.zeros((512, 512), bool)
    mask[100:107, 100:107] = True
    assert defects._once(mask, "erosion", np.random.default_rng(6)).any()


def nested():
    mask = np.zeros((96, 96), np.uint8)
    cv2.circle(mask, (48, 48), 40, 1, -1)
    cv2.circle(mask, (48, 48), 28, 0, -1)
    cv2.circle(mask, (48, 48), 12, 1, -1)  # a piece within the hole
    mask[46:49, 46:49] = 0  # and a small hole in that
    return mask.astype(bool)


def test_displacement_by_nothing_changes_nothing():
    assert (defects._displace(nested(), 0, np.random.default_rng(7)) == nested()).all()
    for mask in masks(np.random.default_rng(8), 60):
        assert (defects._displace(mask, 0, np.random.default_rng(7)) == mask).all()


def test_displacement_keeps_holes_and_moves_no_point_farther_than_the_amount():
    mask, rng = nested(), np.random.default_rng(9)
    outline = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    far = cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    for _ in range(20):
        out = defects._displace(mask, 3, rng)
        assert not out[48, 67] and out[48, 54] and out[48, 82]  # hole, inner piece, ring
        assert not (out ^ mask)[far > 5].any()  # 3, a pixel of the hole's own outline, rounding
        assert (out ^ mask).any()


def test_removal_only_removes_and_adding_only_adds():
    rng = np.random.default_rng(10)
    for mask in masks(rng, 40):
        assert not (defects._once(mask, "removal", rng) & ~mask).any()
        for kind in ("shapes", "merging", "dilation"):
            assert not (mask & ~defects._once(mask, kind, rng)).any()
