"""Prompts as clicks leave them: what the click network makes of a slice and the robot's clicks is what a round propagates from."""

from __future__ import annotations

import numpy as np
import torch

from . import maps
from .precision import mixed

CLICKS = (0.5, 0.2, 0.12, 0.1, 0.08)  # share of prompts after 1, 2, ... clicks
USABLE = 0.3  # intersection over union from which on a prompt tells more of its object than of another


@torch.no_grad()
def clicked(net, images: np.ndarray, truths: np.ndarray, rng) -> np.ndarray:
    """`net` a click network, images [n,H,W] 0..1, truths [n,H,W] bool -> probabilities [n,H,W] after 1 to 5 clicks of the robot, each
    slice by itself; the first click is looked at twice, as the engine does (specification 1.6, 1.8). Where the answer is not usable, or the
    truth is empty, the truth itself."""
    net.eval()
    count = 1 + rng.choice(len(CLICKS), p=CLICKS, size=len(images))
    count[~truths.any((1, 2))] = 0
    out = np.zeros(images.shape, np.float32)
    smoothed = [maps.smooth(x) for x in images]
    done: list[list] = [[] for _ in images]
    for n in range(count.max(initial=0)):
        now = []
        for i in np.where(count > n)[0]:
            click = maps.robot_click(out[i] >= 0.5, truths[i], [(r, c) for r, c, _ in done[i]])
            if click:
                done[i].append(click)
                now.append(i)
        for _ in range(2 if n == 0 else 1):
            if not now:
                break
            given = np.stack([maps.click_maps(smoothed[i], out[i], *([(r, c) for r, c, p in done[i] if p is sign] for sign in (True, False))) for i in now])
            with mixed():
                answer = net(torch.from_numpy(images[now].astype(np.float32))[:, None], torch.from_numpy(given))
            out[now] = torch.sigmoid(answer.float())[:, 0].numpy()
    mask = out >= 0.5
    overlap = (mask & truths).sum((1, 2)) / np.maximum(1, (mask | truths).sum((1, 2)))
    return np.where((overlap >= USABLE)[:, None, None], out, truths.astype(np.float32))
