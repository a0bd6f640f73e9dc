"""Defective masks (paper 2.1, specification 4): six kinds, one drawn per sample."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

TEXT_ORDER = (0.1, 0.1, 0.3, 0.2, 0.1, 0.2)  # add, morphology, displace, smooth, remove, merge
# The second reading: dilation .1, erosion .1, added shapes .3, displacement .2, smoothing .1, removal or merging .2.
MAIN_SHAPES = (0.3, 0.2, 0.2, 0.1, 0.1, 0.1)


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


def _displace(mask, amount, rng):
    contours, hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    out = np.zeros(mask.shape, np.uint8)
    for n, contour in enumerate(contours):
        pts = contour[:, 0].astype(float)
        if len(pts) < 5:
            continue
        tangent = np.roll(pts, -2, 0) - np.roll(pts, 2, 0)
        normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1) / (np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6)
        knots = max(4, len(pts) // 8)
        moved = np.interp(np.arange(len(pts)), np.linspace(0, len(pts), knots + 1), np.append(v := rng.uniform(-amount, amount, knots), v[0]))
        pts += normal * moved[:, None]
        hole = hierarchy[0][n][3] >= 0
        cv2.fillPoly(out, [np.round(pts).astype(np.int32)], 0 if hole else 1)
    return out.astype(bool)


def _once(mask, kind, rng):
    scale = max(mask.shape) / 512
    area = mask.sum()
    limit = max(1.0, 0.5 * np.sqrt(area / np.pi))
    amount = lambda a, b: min(rng.uniform(a, b) * scale, limit)  # noqa: E731
    root = np.sqrt(area)
    rr, cc = np.where(mask)
    box = (rr.min(), rr.max(), cc.min(), cc.max())
    if kind == 0:
        out = mask.copy()
        for _ in range(rng.integers(1, 4)):
            h, w = (box[1] - box[0] + 1) * 0.1, (box[3] - box[2] + 1) * 0.1
            centre = (rng.uniform(box[0] - h, box[1] + h), rng.uniform(box[2] - w, box[3] + w))
            out |= _shape(mask.shape, centre, root * rng.uniform(0.2, 0.6), rng)
        return out
    if kind == 1:
        element = np.ones((3, 3), np.uint8)
        if rng.random() < 0.5:
            return cv2.dilate(mask.astype(np.uint8), element, iterations=max(1, round(amount(10, 30)))).astype(bool)
        return cv2.erode(mask.astype(np.uint8), element, iterations=max(1, round(amount(10, 10)))).astype(bool)
    if kind == 2:
        return _displace(mask, max(1.0, amount(10, 30)), rng)
    if kind == 3:
        return ndimage.gaussian_filter(mask.astype(np.float32), min(rng.uniform(3, 15) * scale * 2, limit)) > 0.5
    if kind == 4:
        labels, n = ndimage.label(mask)
        if n > 1 and rng.random() < 0.5:
            return mask & (labels != rng.integers(1, n + 1))
        out = mask.copy()
        for _ in range(rng.integers(1, 4)):
            k = rng.integers(len(rr))
            out &= ~_shape(mask.shape, (rr[k], cc[k]), root * rng.uniform(0.2, 0.6), rng)
        return out
    edge = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    out = mask.copy()
    for _ in range(rng.integers(1, 4)):
        k = edge[rng.integers(len(edge))]
        out |= _shape(mask.shape, k, root * rng.uniform(0.2, 0.6), rng, ("ellipse", "polygon"))
    return out


def defective(mask: np.ndarray, rng, probabilities=TEXT_ORDER) -> np.ndarray:
    """A defective copy of a non-empty mask: IoU with it in 0.3..0.95, up to 10 tries, then a small displacement."""
    kind = int(rng.choice(6, p=probabilities))
    for _ in range(10):
        out = _once(mask, kind, rng)
        union = (out | mask).sum()
        if out.any() and 0.3 <= (out & mask).sum() / union <= 0.95:
            return out
    out = _displace(mask, 1.5, rng)
    return out if out.any() else mask.copy()
