"""The runtime's arithmetic in Python, for validation and for making pairs. Twin of src/apps/limnet/{click,propagation}."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from . import maps, nets
from .denoise import denoised, noise_of, noise_of_scan, passes_for
from .export import SETTINGS
from .view import box_view, extract, paste, whole_view
from .walker import walk


def overlap(a, b) -> float:
    out = 1.0
    for n in (0, 1):
        lo, hi = max(a[n], b[n]), min(a[n] + a[2], b[n] + b[2])
        out *= max(0.0, hi - lo) / (max(a[n] + a[2], b[n] + b[2]) - min(a[n], b[n]))
    return out


@torch.no_grad()
def click_once(net, plane, previous, clicks, view, size=128):
    """plane [r,c] 0..1, previous [r,c] probability, clicks [(row, col, positive)] -> probability [r,c]."""
    image = extract(plane, view, size)
    prev = extract(previous, view, size)
    scale = size / view[2]
    at = [((r + 0.5 - view[0]) * scale - 0.5, (c + 0.5 - view[1]) * scale - 0.5, p) for r, c, p in clicks]
    m = maps.click_maps(maps.smooth(image), prev, [(r, c) for r, c, p in at if p], [(r, c) for r, c, p in at if not p])
    p = torch.sigmoid(net(torch.from_numpy(image)[None, None], torch.from_numpy(m)[None]))[0, 0].numpy()
    out = np.zeros(plane.shape, np.float32)
    paste(p, view, out)
    return out


def obey(probability, clicks):
    """The clicked pixels, and only they, get the sign of their click."""
    for r, c, positive in clicks:
        at = min(max(int(np.floor(r + 0.5)), 0), probability.shape[0] - 1), min(max(int(np.floor(c + 0.5)), 0), probability.shape[1] - 1)
        probability[at] = max(probability[at], 0.6) if positive else min(probability[at], 0.4)
    return probability


def trimmed(before, click):
    """What a negative click to one side of a mask leaves of it, where the network would leave nothing; None in the mask's middle.
    Twin of click/trim.ts."""
    r, c = (min(max(int(np.floor(x + 0.5)), 0), n - 1) for x, n in zip(click[:2], before.shape))
    if click[2] or before[r, c] < 0.5:
        return None
    depth = maps.exact_distance(before >= 0.5)
    if depth[r, c] >= 0.8 * depth.max():
        return None
    rows, cols = np.mgrid[: before.shape[0], : before.shape[1]]
    left = np.where((rows - r) ** 2 + (cols - c) ** 2 <= (1.2 * depth[r, c]) ** 2, 0, before).astype(np.float32)
    return left if (left >= 0.5).any() else None


def local_change(before, after, click):
    """`after` where the mask is as before or changed in one piece with the clicked pixel, `before` elsewhere; all of `after` where the
    clicked pixel was on the click's side already. Twin of click/local.ts."""
    r, c = (min(max(int(np.floor(x + 0.5)), 0), n - 1) for x, n in zip(click[:2], before.shape))
    if (before[r, c] >= 0.5) == click[2]:
        return after
    changed = (before >= 0.5) != (after >= 0.5)
    pieces, _ = ndimage.label(changed | (np.indices(before.shape) == np.reshape((r, c), (2, 1, 1))).all(0), np.ones((3, 3)))
    return np.where(changed & (pieces != pieces[r, c]), before, after)


def run_clicks(net, plane, previous, clicks, zoom=None, noise=None):
    """All clicks of one slice in order. `noise` of the scan, in 255 steps; where it is not given, that of the slice."""
    noise = noise_of([plane]) if noise is None else noise
    zoom, whole = zoom or SETTINGS["click"]["zoom"], SETTINGS["click"]["size"]
    view, prob = None, previous.astype(np.float32)

    def look(before, upto, at, size):
        few = len(upto) <= SETTINGS["denoise"]["clicks"]
        seen = denoised(plane, passes_for(noise, at[2] / zoom["expansion"])) if few else plane
        return click_once(net, seen, before, upto, at, size)

    for n in range(1, len(clicks) + 1):
        now = clicks[:n]
        positive = [(r, c) for r, c, p in now if p]
        if not (prob > 0.5).any():
            if not positive:
                prob = np.zeros_like(prob)
                continue
            out = look(np.zeros_like(prob), now, whole_view(plane.shape), whole)
            if zoom["first"] != "whole" and (out > 0.5).any():
                v = box_view(out > 0.5, zoom["expansion"], zoom["minSide"], positive)
                start = out if zoom["first"] == "guess" else np.zeros_like(prob)
                out = look(start, now, v, zoom["size"])
                view = v
            prob = obey(out, now)
            continue
        want = box_view(prob > 0.5, zoom["expansion"], zoom["minSide"], positive)
        inside = view is not None and all(view[0] <= r <= view[0] + view[2] and view[1] <= c <= view[1] + view[2] for r, c in positive)
        if view is None or not inside or overlap(view, want) < zoom["keepOverlap"]:
            view = want
        before, prob = prob, look(prob, now, view, zoom["size"])
        if not (prob > 0.5).any():
            left = trimmed(before, now[-1])
            prob = prob if left is None else left
        if n >= SETTINGS["click"]["local"]:
            prob = local_change(before, prob, now[-1])
        prob = obey(prob, now)
    return prob


class Propagator:
    """One direction of the lite network from true or clicked prompts; fixed region; planes 0..1."""

    def __init__(self, net: nets.PropagationLite, view, size=128, memory_every=3, top_k=30, presence=0.5, stop_after=3):
        self.net, self.view, self.size = net, view, size
        self.every, self.top_k, self.presence, self.stop_after = memory_every, top_k, presence, stop_after
        self.features = {}

    @torch.no_grad()
    def key(self, plane, index):
        if index not in self.features:
            grey = extract(plane, self.view, self.size)
            image = torch.from_numpy(grey)[None, None]
            self.features[index] = (image, maps.smooth(grey), *self.net.key(image))
        return self.features[index]

    @torch.no_grad()
    def remember(self, plane, index, probability):
        image, _, f8, k, s, _ = self.key(plane, index)
        m = torch.from_numpy(extract(probability, self.view, self.size))[None, None]
        return k.flatten(2), s.flatten(2), self.net.value(image, m, f8).flatten(2)

    @torch.no_grad()
    def run(self, volume, prompts: dict, start: int, step: int):
        """Yields (index, probability plane) from the slice beside `start` outward; stops at the volume's end or by the stop rule."""
        permanent = [self.remember(volume[t], t, m) for t, m in sorted(prompts.items())]
        working, empty, since = [], 0, 0
        previous, last = prompts[start], start
        t = start + step
        while 0 <= t < len(volume):
            if t in prompts:
                yield t, prompts[t]
                if not (prompts[t] >= 0.5).any():
                    return
                previous, last, since, empty = prompts[t], t, 0, 0
                t += step
                continue
            image, smoothed, f8, k, _, e = self.key(volume[t], t)
            memory = permanent + working
            mk, ms, mv = (torch.cat([m[n] for m in memory], 2) for n in range(3))
            r = nets.read(mk, ms, mv, k.flatten(2), e.flatten(2), min(self.top_k, mk.shape[2])).reshape(1, -1, *f8.shape[2:])
            m = maps.neighbour_maps(smoothed, extract(previous, self.view, self.size), self.features[last][1])
            logits, presence = self.net.decode(image, self.features[last][0], torch.from_numpy(m)[None], r)
            out = np.zeros(volume[t].shape, np.float32)
            if torch.sigmoid(presence).item() >= self.presence:
                paste(torch.sigmoid(logits)[0, 0].numpy(), self.view, out)
            since += 1
            if (out >= 0.5).any():
                empty = 0
                if since % self.every == 0:
                    working.append(self.remember(volume[t], t, out))
                    working = working[-8:]
            else:
                empty += 1
            yield t, out
            if empty >= self.stop_after:
                return
            previous, last = out, t
            t += step


def propagate_volume(net, volume, prompts: dict, size=128, walked=True, **kw):
    """Both directions from every prompt, gaps blended by distance (the runtime's default), then the random walker. Returns [n, r, c]."""
    boxes = np.zeros(volume.shape[1:], bool)
    for m in prompts.values():
        boxes |= m >= 0.5
    view = box_view(boxes, 1.75, 32) or whole_view(volume.shape[1:])
    passes = passes_for(noise_of_scan(volume), view[2] / 1.75)
    seen = np.stack([denoised(plane, passes) for plane in volume]) if passes else volume
    out = np.zeros(volume.shape, np.float32)
    order = sorted(prompts)
    for t, m in prompts.items():
        out[t] = m
    prop = Propagator(net, view, size, **kw)
    solid = [t for t in order if (prompts[t] >= 0.5).any()]
    for t in solid:
        for step in (-1, 1):
            stop = [x for x in order if (x - t) * step > 0]
            end = min(stop, key=lambda x: abs(x - t)) if stop else None
            both = end is not None and end in solid
            for i, p in prop.run(seen, prompts, t, step):
                if i == end:
                    break
                out[i] += p * (abs(end - i) / abs(end - t) if both else 1.0)
    return walk(seen, out, prompts, **SETTINGS["propagation"]["walker"]) if walked else out
