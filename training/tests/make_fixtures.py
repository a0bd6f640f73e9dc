"""Writes test/parity/fixture.json: what the Python twins compute, for the TypeScript test beside it. Run after a change of either side."""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

root = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "training"))
from limnet_training import denoise, flood, infer, maps, scan, view, walker  # noqa: E402

rng = np.random.default_rng(3)
yy, xx = np.mgrid[:23, :31]
plane = (np.exp(-((yy - 11) ** 2 + (xx - 14) ** 2) / 60) * 0.7 + rng.uniform(0, 0.3, yy.shape)).round(3)
size = 32
views = [[-4.5, -0.5, 32.0], [3.25, 6.5, 11.5], [-10.0, 2.0, 70.0], whole if (whole := list(view.whole_view(plane.shape))) else None]
clicks = [(9.2, 12.6), (20.0, 3.49)]
image = view.extract(plane, views[1], size)
smoothed = maps.smooth(image)
previous = view.extract(((yy - 10) ** 2 + (xx - 12) ** 2 < 16).astype(float), views[1], size).round(4)
before = np.roll(image, (1, -2), (0, 1)).round(4)
patch = rng.uniform(0, 1, (size, size)).round(3)
pasted = np.full(plane.shape, -1.0)
view.paste(patch, views[1], pasted)
mask = ((yy - 10) ** 2 + (xx - 12) ** 2) < 40
truth = ((yy - 11) ** 2 + (xx - 15) ** 2) < 60
volume = rng.normal(300, 80, (5, 6, 7)).round(2)
volume[0] = 0
r = lambda a: np.asarray(a, float).round(6).ravel().tolist()  # noqa: E731
out = {
    "plane": {"rows": 23, "cols": 31, "data": r(plane)},
    "size": size,
    "extract": [{"view": v, "data": r(view.extract(plane, v, size))} for v in views],
    "paste": {"view": views[1], "patch": r(patch), "data": r(pasted)},
    "smooth": r(smoothed),
    "clicks": clicks,
    "disks": {"radius": 3, "data": r(maps.disks((size, size), clicks, 3))},
    "geodesic": [{"weight": w, "scale": s, "data": r(maps.geodesic(smoothed, clicks, w, s))} for w, s in maps.GEODESIC],
    "flood": {"scale": maps.FLOOD, "data": r(flood.flood(smoothed, clicks, maps.FLOOD))},
    "neighbour": {"before": r(before), "previous": r(previous), "transfer": maps.TRANSFER, "data": r(maps.neighbour_maps(smoothed, previous.astype(np.float32), maps.smooth(before)))},
    "robot": {"mask": r(mask), "truth": r(truth), "clicks": []},
    "boxView": {"expansion": 1.6, "minSide": 8, "view": list(view.box_view(mask, 1.6, 8, [(2, 3)]))},
    "overlap": infer.overlap(views[1], [2.0, 5.0, 14.0]),
    "window": {"voxels": r(volume), "low_high": list(scan.choose_window(volume))},
}
done = []
for _ in range(4):
    c = maps.robot_click(mask, truth, [(a, b) for a, b, _ in done])
    done.append(c)
out["robot"]["clicks"] = done
# Two blobs of a noisy volume: slices 1, 3 and 5 are prompts, the second drawn, the last corrected, the rest is what a network leaves that is unsure.
stack = rng.uniform(0, 0.2, (7, 18, 20))
for t in range(7):
    rr, cc = np.mgrid[:18, :20]
    stack[t] += 0.5 * ((rr - 8 - 0.3 * t) ** 2 + (cc - 9) ** 2 < (3 + 0.4 * t) ** 2)
stack = np.floor(stack * 255) / 255
guess = np.floor(255 * np.clip(np.roll(ndimage.gaussian_filter((stack > 0.35).astype(float), (0, 1, 1)), 2, axis=2), 0, 1)) / 255
settings = {"contrast": 20, "across": 2, "trust": 0.005, "deep": {"pixels": 2, "most": 6}, "iterations": 40, "levels": {"between": 0.45, "corrected": 0.4, "beyond": 0.45}}
out["walker"] = {"shape": [7, 18, 20], "grey": (stack * 255).round().astype(int).ravel().tolist(), "guess": (guess * 255).round().astype(int).ravel().tolist(),
                 "prompts": [1, 3, 5], "corrected": [5], "outlined": [3], "settings": settings, "result": (walker.walk(stack, guess, [1, 3, 5], corrected=[5], outlined=[3], **settings) * 255).round(2).ravel().tolist()}
# A leaked mask with a narrow arm, and clicks to its side, in its middle, on its arm, at its border, outside, and a positive one.
leaked = np.floor(255 * np.clip(1.2 - np.hypot((yy - 11) / 8, (xx - 11) / 9) * 0.7, 0, 1)) / 255
leaked[10:13, 20:31] = 0.8
asked = [(11.0, 4.0, False), (6.5, 15.49, False), (11.0, 11.0, False), (10.0, 11.6, False), (11.0, 27.0, False), (11.0, 30.7, False), (-3.0, 11.0, False),
         (2.5, 11.0, False), (22.0, 0.0, False), (11.0, 4.0, True)]
left = [infer.trimmed(leaked, c) for c in asked]
out["trimmed"] = {"before": r(leaked), "cases": [{"click": c, "left": None if m is None else r(m)} for c, m in zip(asked, left)]}

turned = np.where(rng.random(leaked.shape) < 0.3, 1 - leaked, leaked)
out["local"] = {"after": r(turned), "cases": [{"click": c, "left": r(infer.local_change(leaked, turned, c))} for c in [*asked, (5.0, 5.0, True), (19.0, 8.0, True)]]}

noisy = np.floor(255 * np.clip(plane + rng.normal(0, 0.03, plane.shape), 0, 1)) / 255
grey = lambda a: (a * 255).round().astype(int).ravel().tolist()  # noqa: E731
out["denoise"] = {"grey": grey(noisy), "noise": denoise.noise_of([noisy, noisy.T[:21]]), "once": grey(denoise.denoised(noisy, 1)), "thrice": grey(denoise.denoised(noisy, 3))}

(root / "test/parity/fixture.json").write_text(json.dumps(out) + "\n")
