"""Defective masks (paper 2.1, specification 4). One kind is drawn per sample; the paper gives six probabilities but not their
order, so both readings can be chosen: `assignment="text-order"` (default) or `"main-shapes"`.

Pixel amounts are for slices of 512 (scaled by side / 512), none larger than half the mask's equivalent radius.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

ASSIGNMENTS = {
    "text-order": {"shapes": 0.1, "morphology": 0.1, "displacement": 0.3, "smoothing": 0.2, "removal": 0.1, "merging": 0.2},
    "main-shapes": {"dilation": 0.1, "erosion": 0.1, "shapes": 0.3, "displacement": 0.2, "smoothing": 0.1, "removal or merging": 0.2},
}
EITHER = {"morphology": ("dilation", "erosion"), "removal or merging": ("removal", "merging")}  # half each
ELEMENT = np.ones((3, 3), np.uint8)
IOU, TRIES = (0.3, 0.95), 10


def add_reading(parser) -> None:
    """--reading of a command line: which of the two readings of the paper's probabilities."""
    parser.add_argument("--reading", choices=sorted(ASSIGNMENTS), default="text-order", help="how the paper's probabilities belong to the kinds of defects")


def draw_kind(rng, assignment: str = "text-order") -> str:
    kinds = ASSIGNMENTS[assignment]
    return list(kinds)[rng.choice(len(kinds), p=list(kinds.values()))]


def iou(a, b) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def limit(mask) -> float:
    """No amount is larger than this: half the equivalent radius, and at least the one pixel that can be moved."""
    return max(1.0, 0.5 * float(np.sqrt(mask.sum() / np.pi)))


def amount(mask, low: float, high: float, rng) -> float:
    return min(rng.uniform(low, high) * max(mask.shape) / 512, limit(mask))


def _shape(shape, centre, longer, rng, kinds=("rectangle", "triangle", "polygon")):
    out = np.zeros(shape, np.uint8)
    kind = kinds[rng.integers(len(kinds))]
    angle = rng.uniform(0, 2 * np.pi)
    if kind == "ellipse":
        axes = (max(1, int(longer / 2)), max(1, int(longer / 2 * rng.uniform(0.4, 1))))
        cv2.ellipse(out, (int(centre[1]), int(centre[0])), axes, np.degrees(angle), 0, 360, 1, -1)
        return out.astype(bool)
    if kind == "rectangle":
        w, h = longer / 2, longer / 2 * rng.uniform(0.3, 1)
        pts = np.array([[-w, -h], [w, -h], [w, h], [-w, h]])
    else:
        n = 3 if kind == "triangle" else int(rng.integers(5, 9))
        t = np.sort(rng.uniform(0, 2 * np.pi, n))
        pts = np.stack([np.cos(t), np.sin(t)], 1) * (longer / 2 * rng.uniform(0.6, 1, n))[:, None]
    rot = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pts = pts @ rot.T + [centre[1], centre[0]]
    cv2.fillPoly(out, [np.round(pts).astype(np.int32)], 1)
    return out.astype(bool)


def _outlines(mask):
    """Outlines of the pieces (1) and of the holes (0), larger ones first, so that a piece within a hole is drawn after it."""
    contours, hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    out = []
    for n, contour in enumerate(contours):
        if hierarchy[0][n][3] < 0:
            out.append((cv2.contourArea(contour), contour[:, 0], 1))
            continue
        # The outline of a hole lies on the piece around it: take the one of the hole's own pixels.
        hole = cv2.drawContours(np.zeros(mask.shape, np.uint8), contours, n, 1, -1) & ~mask
        for own in cv2.findContours(hole.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
            out.append((cv2.contourArea(own), own[:, 0], 0))
    return sorted(out, key=lambda o: -o[0])


def _displace(mask, most, rng):
    """Outlines moved along their normals by uniform amounts in +-most (interpolated over about eight points, else the edge only
    gets hairy) and refilled; holes are kept."""
    out = np.zeros(mask.shape, np.uint8)
    for _, outline, value in _outlines(mask):
        pts = outline.astype(float)
        if len(pts) >= 5:
            tangent = np.roll(pts, -2, 0) - np.roll(pts, 2, 0)
            normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1) / (np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6)
            knots = max(4, len(pts) // 8)
            moves = rng.uniform(-most, most, knots)
            pts += normal * np.interp(np.arange(len(pts)), np.linspace(0, len(pts), knots + 1), np.append(moves, moves[0]))[:, None]
        cv2.fillPoly(out, [np.round(pts).astype(np.int32)], value)
    return out.astype(bool)


def _once(mask, kind: str, rng):
    if kind in EITHER:
        kind = EITHER[kind][rng.integers(2)]
    root = np.sqrt(mask.sum())
    out = mask.copy()
    if kind == "dilation":
        return cv2.dilate(mask.astype(np.uint8), ELEMENT, iterations=max(1, int(amount(mask, 10, 30, rng)))).astype(bool)
    if kind == "erosion":
        return cv2.erode(mask.astype(np.uint8), ELEMENT, iterations=max(1, int(amount(mask, 10, 10, rng)))).astype(bool)
    if kind == "displacement":
        return _displace(mask, max(1.0, amount(mask, 10, 30, rng)), rng)
    if kind == "smoothing":
        return ndimage.gaussian_filter(mask.astype(np.float32), amount(mask, 3, 15, rng)) > 0.5
    if kind == "shapes":
        rr, cc = np.where(mask)
        h, w = (np.ptp(rr) + 1) * 0.1, (np.ptp(cc) + 1) * 0.1
        for _ in range(rng.integers(1, 4)):
            centre = (rng.uniform(rr.min() - h, rr.max() + h), rng.uniform(cc.min() - w, cc.max() + w))
            out |= _shape(mask.shape, centre, root * rng.uniform(0.2, 0.6), rng)
        return out
    if kind == "removal":
        labels, n = ndimage.label(mask)
        if n > 1 and rng.random() < 0.5:
            return mask & (labels != rng.integers(1, n + 1))
        inside = np.argwhere(mask)
        for _ in range(rng.integers(1, 4)):
            out &= ~_shape(mask.shape, inside[rng.integers(len(inside))], root * rng.uniform(0.2, 0.6), rng)
        return out
    edge = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    for _ in range(rng.integers(1, 4)):
        out |= _shape(mask.shape, edge[rng.integers(len(edge))], root * rng.uniform(0.2, 0.6), rng, ("ellipse", "polygon"))
    return out


def attempt(mask: np.ndarray, kind: str, rng) -> np.ndarray | None:
    """A mask of one kind that passes the acceptance test (not empty, IoU with the true one in 0.3..0.95), or None after ten tries."""
    for _ in range(TRIES):
        out = _once(mask, kind, rng)
        if out.any() and IOU[0] <= iou(out, mask) <= IOU[1]:
            return out
    return None


def defective(mask: np.ndarray, rng, assignment: str = "text-order") -> np.ndarray:
    """A defective copy of a non-empty mask; where its kind finds none, one with a slightly displaced edge."""
    out = attempt(mask, draw_kind(rng, assignment), rng)
    if out is None:
        out = _displace(mask, 1.5, rng)
    return out if out.any() else mask.copy()
