"""Training of the propagation network on clips of slices (specification 2.8, 2.11): object ends are common, prompts imperfect."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from . import data, infer, losses, maps, nets
from .defects import add_reading, defective
from .precision import mixed
from .scan import load_scans
from .splits import shares_for
from .trainer import Trainer

SHARES = {"sts": 0.28, "msd_hippocampus": 0.17, "ts_reference": 0.14, "misc": 0.06, "brain_atlas": 0.08, "fetal_brain": 0.04, "ms_lesion": 0.02,
          "nrrd": 0.01, "synthetic": 0.10, "painted": 0.16, "hc18_fetal_head": 0.01, "usgra_nerve_vessel": 0.01, "msd_liver_slices": 0.01}
SIZE, LENGTH, MEMORY_EVERY = 128, 6, 3


def drift(matrix, size, rng):
    """A slightly moved view: the next frame made from a single picture."""
    a, s = rng.normal(0, 0.06), np.exp(rng.normal(0, 0.05))
    r = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * s
    c = np.array([(size - 1) / 2] * 2)
    out = matrix.copy()
    out[:, :2] = matrix[:, :2] @ r
    out[:, 2] = matrix[:, 2] + matrix[:, :2] @ (c - r @ c) + matrix[:, :2] @ rng.normal(0, 3, 2)
    return out


def walk_length(rng) -> int:
    """Slices that a clip runs through on its own results before those that are learnt from: drift adds up over them, as in use."""
    u = rng.random()
    return 0 if u < 0.4 else int(rng.integers(2, 6)) if u < 0.7 else int(rng.integers(6, 14))


def clip(pool: data.Pool, rng, pseudo: float, ends: float, walk: int = 0):
    """images [n+1,H,W] 0..1, truths [n+1,H,W] bool, n = LENGTH + walk; frame n is a second prompt (a copy of frame 0 where there is none).
    The object is there on frame `walk`, the last that is not learnt from."""
    count = LENGTH + walk
    while True:
        scan, vox, obj, _ = pool.draw(pseudo)
        if scan.flat:
            if walk:
                continue
            index, moving = [0] * (LENGTH + 1), True
            t0 = 0
        else:
            moving = False
            area = obj.reshape(len(obj), -1).sum(1)
            inside = np.where(area >= 12)[0]
            if len(inside) < 2 + walk or len(obj) < LENGTH:
                continue
            step = int(rng.choice([1, 2, 3], p=[0.72, 0.2, 0.08])) if len(inside) > 12 + 3 * walk else 1
            way = int(rng.choice([-1, 1]))
            if rng.random() < ends:
                end = inside[-1] if way > 0 else inside[0]
                t0 = int(end - way * step * (walk + rng.integers(0, 4)) - way * rng.integers(0, step))
            else:
                t0 = int(inside[rng.integers(len(inside))])
            index = [t0 + way * step * n for n in range(count)]
            if not (0 <= t0 < len(obj)) or area[t0] < 12 or not (0 <= index[walk + 3] < len(obj)) or (walk and area[index[walk]] < 12):
                continue
            index = [min(max(i, 0), len(obj) - 1) for i in index]
            other = t0
            if rng.random() < 0.4:
                far = inside[np.abs(inside - t0) <= 14]
                other = int(far[rng.integers(len(far))])
            index.append(other)
        # The view holds the object's way: in use it moves along.
        m0 = obj[t0] if walk == 0 else obj[index[0]] | obj[index[walk // 2]] | obj[index[walk]]
        rr, cc = np.where(m0.any(1))[0], np.where(m0.any(0))[0]
        if len(rr) == 0:
            continue
        longer = max(rr[-1] - rr[0], cc[-1] - cc[0]) + 1
        side = min(max(longer * np.exp(rng.uniform(np.log(1.3), np.log(2.8))), 22), max(m0.shape) * 1.1)
        slack = 0.15 * longer
        centre = ((rr[0] + rr[-1]) / 2 + rng.uniform(-slack, slack), (cc[0] + cc[-1]) / 2 + rng.uniform(-slack, slack))
        matrix, scale = data.view_matrix(centre, side, SIZE, rng)
        lo, hi = data.random_window(scan, rng)
        images, truths = [], []
        for n, i in enumerate(index):
            if moving and n:
                matrix = drift(matrix, SIZE, rng)
            truths.append(data.warp(obj[i].astype(np.float32), matrix, SIZE, scale) >= 0.5)
            images.append(data.warp(np.clip((vox[i].astype(np.float32) - lo) / (hi - lo), 0, 1), matrix, SIZE, scale))
        if truths[0].sum() < 12:
            continue
        return data.appearance(np.stack(images), rng), np.stack(truths)


def prompt(truth, rng, defects, reading="text-order"):
    """The mask that the clip starts from: true, or as a click leaves it."""
    m = truth
    if truth.sum() >= 12 and rng.random() < defects:
        bad = defective(truth, rng, reading)
        union = (bad | truth).sum()
        if (bad & truth).sum() > 0.6 * union:
            m = bad
    m = m.astype(np.float32)
    return cv2.GaussianBlur(m, (0, 0), rng.uniform(0.4, 1.5)) if rng.random() < 0.5 else m


def others(scans, most=8):
    """Sets that have no rule of their own: whole along their stack, at most so many scans of each."""
    by_set: dict[str, list] = {}
    for s in scans:
        if s.dataset not in ("sts", "msd_hippocampus"):
            by_set.setdefault(s.dataset, []).append(s)
    return [(name, group[:: -(-len(group) // most)], 0, 0) for name, group in sorted(by_set.items())]


def validation_set(index: Path):
    """(set, volume 0..1 [n,r,c], truth): tumours along their stack, hippocampus whole along the coronal axis, its front part; other sets whole."""
    out = []
    scans = load_scans(index, "val", ("volume",))
    sts = [s for s in scans if s.dataset == "sts"]
    hip = [s for s in scans if s.dataset == "msd_hippocampus"]
    for name, group, axis, pick in (("sts", sts[::2], 0, 0), ("hippocampus", hip[::5], 1, 0), ("hippocampus_front", hip[2::8], 1, 1), *others(scans)):
        for s in group:
            lo, hi = s.window
            v = np.floor(np.clip((s.voxels - lo) / (hi - lo), 0, 1) * 255 + 0.5) / 255
            m = s.labels > 0 if pick == 0 else s.labels == pick
            if m.any():
                out.append((name, np.moveaxis(v.astype(np.float32), axis, 0), np.moveaxis(m, axis, 0)))
    return out


def dice(a, b):
    total = a.sum() + b.sum()
    return 1.0 if total == 0 else 2 * (a & b).sum() / total


def evaluate(net, items, **kw):
    """Volume Dice from one true slice (the largest) and from three; share of the object's volume filled beyond its ends."""
    net.eval()
    table = {}
    for name, volume, truth in items:
        area = truth.reshape(len(truth), -1).sum(1)
        inside = np.where(area > 0)[0]
        lo, hi = inside[0], inside[-1]
        row = []
        top = int(area.argmax())
        for prompts in ([top], sorted({int(lo + (hi - lo) * f) for f in (0.15, 0.5, 0.85)})):
            prompts = [p for p in prompts if area[p]]
            m = infer.propagate_volume(net, volume, {p: truth[p].astype(np.float32) for p in prompts}, **kw) >= 0.5
            row.append(dice(m, truth))
            if len(row) == 1:
                over = (m[:lo].sum() + m[hi + 1 :].sum()) / truth.sum()
                within = dice(m[lo : hi + 1], truth[lo : hi + 1])
        table.setdefault(name, []).append([row[0], row[1], within, over])
    means = {k: np.mean(v, 0) for k, v in table.items()}
    score = float(np.mean([(m[0] + m[1]) / 2 for m in means.values()]))
    return {"score": round(score, 4), **{k: dict(zip(("one", "three", "one_within", "overfill"), (round(float(x), 3) for x in m))) for k, m in means.items()}}


class Frames:
    """What the key network makes of all frames of a batch of clips, frame first; without gradients for those that are only walked through."""

    def __init__(self, net, images: torch.Tensor, walk: int):
        flat = images.transpose(0, 1)[:, :, None]  # n+1, B, 1, H, W
        n, b = flat.shape[:2]
        passed = list(range(1, walk + 1))
        learnt = [t for t in range(n) if t not in passed]

        def keys(which):
            with mixed():
                return [x.unflatten(0, (len(which), b)) for x in net.key(flat[which].flatten(0, 1))]

        parts = [keys(learnt)]
        if passed:
            with torch.no_grad():
                parts.append(keys(passed))
        back = torch.argsort(torch.tensor(learnt + passed))
        self.image = flat
        self.f8, self.k, self.s, self.e = (torch.cat(x)[back] if passed else x[0] for x in zip(*parts))


def main(argv=None):
    p = argparse.ArgumentParser(prog="limnet_training propagation")
    p.add_argument("--index", type=Path, required=True)
    p.add_argument("--run", type=Path, required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--lr", type=float, default=4e-4)
    p.add_argument("--steps", type=int, default=1_000_000)
    p.add_argument("--finish", type=int, default=0, help="bring the rate to zero over so many steps, then end")
    p.add_argument("--hours", type=float, default=1e9)
    p.add_argument("--pseudo", type=float, default=0.2)
    p.add_argument("--ends", type=float, default=0.45, help="share of clips that run past an end of the object")
    p.add_argument("--defects", type=float, default=0.3)
    p.add_argument("--walk", type=int, default=1, choices=(0, 1), help="1: six of ten clips begin with a walk of 2 to 13 slices on the network's own results")
    add_reading(p)
    p.add_argument("--val-every", type=int, default=1500)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--click", type=Path, help="state dict of a trained click network to begin from (without it: from scratch)")
    p.add_argument("--start", type=Path, help="weights (a state dict) of a propagation network that a new run begins from")
    p.add_argument("--resume", nargs="?", const="last.pt")
    a = p.parse_args(argv)
    torch.set_num_threads(a.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(a.seed)
    net = nets.PropagationLite()
    if a.click:
        click = nets.ClickLite()
        click.load_state_dict(torch.load(a.click, weights_only=True))
        net.start_from(click)
    if a.start:
        net.load_state_dict({k: v.float() for k, v in torch.load(a.start, weights_only=True).items()})
    trainer = Trainer(net, a.run, a.seed, a.lr)
    if a.resume:
        trainer.resume(a.resume)
    rng = trainer.rng
    scans = load_scans(a.index, "train")
    pool = data.Pool(scans, rng, shares_for(SHARES, scans), made=trainer.made)
    val = validation_set(a.index)
    learnt = 3000 if a.start else 0  # a network that is begun from knows the first part of the course

    def decoded(t, clips, previous, memory, f):
        """Logits [B,1,H,W] and presence [B,1] of frame t from the frame before and the memory."""
        mk, ms, mv = (torch.cat([m[n].flatten(2).float() for m in memory], 2) for n in range(3))
        r = nets.read(mk, ms, mv, f.k[t].flatten(2).float(), f.e[t].flatten(2).float()).reshape(len(clips), -1, *f.f8.shape[3:])
        near = torch.from_numpy(np.stack([maps.neighbour_maps(maps.smooth(c[0][t]), p[0]) for c, p in zip(clips, previous.numpy())]))
        with mixed():
            logits, presence = net.decode(f.image[t], f.image[t - 1], near, r)
        return logits.float(), presence.float()

    @torch.no_grad()
    def walked(walk, clips, first, memory, f):
        """The network on its own results over the first frames, as in use: the last of them, and what it left in the memory."""
        previous = first
        for t in range(1, walk + 1):
            logits, presence = decoded(t, clips, previous, memory, f)
            previous = torch.sigmoid(logits) * (torch.sigmoid(presence) >= 0.4).float()[:, :, None, None]
            if t % MEMORY_EVERY == 0:
                with mixed():
                    memory.append((f.k[t], f.s[t], net.value(f.image[t], previous, f.f8[t])))
        return previous

    def one_step():
        net.train()
        ends = a.ends * min(1.0, 0.3 + (trainer.step + learnt) / 2500)  # following first, then where to stop
        walk = walk_length(rng) if a.walk else 0
        clips = [clip(pool, rng, a.pseudo, ends, walk) for _ in range(a.batch)]
        images = torch.from_numpy(np.stack([c[0] for c in clips]).astype(np.float32))  # B, n+1, H, W
        truths = torch.from_numpy(np.stack([c[1] for c in clips]).astype(np.float32))
        first = torch.from_numpy(np.stack([prompt(c[1][0], rng, a.defects, a.reading) for c in clips]))[:, None]
        second = torch.from_numpy(np.stack([prompt(c[1][-1], rng, 0.5 * a.defects, a.reading) for c in clips]))[:, None]
        b, count = a.batch, LENGTH + walk
        total = l_mask = l_dice = l_presence = 0.0
        iou, n_iou = 0.0, 0
        f = Frames(net, images, walk)
        with mixed():
            memory = [(f.k[0], f.s[0], net.value(f.image[0], first, f.f8[0])), (f.k[-1], f.s[-1], net.value(f.image[-1], second, f.f8[-1]))]
        previous = walked(walk, clips, first, memory, f) if walk else first
        for t in range(walk + 1, count):
            logits, presence = decoded(t, clips, previous, memory, f)
            truth = truths[:, t : t + 1]
            there = (truth.sum((1, 2, 3)) >= 4).float()[:, None]
            lm = F.binary_cross_entropy_with_logits(logits, truth)
            ld = (losses.dice(logits, truth, 20.0) * (0.3 + 0.7 * there[:, 0])).mean()
            lp = F.binary_cross_entropy_with_logits(presence, there)
            total = total + lm + ld + 0.2 * lp
            l_mask, l_dice, l_presence = l_mask + lm.item(), l_dice + ld.item(), l_presence + lp.item()
            previous = torch.sigmoid(logits).detach()
            m = previous >= 0.5
            ok = there[:, 0] > 0
            if ok.any():
                both = ((m & (truth > 0.5)).sum((1, 2, 3)) / (m | (truth > 0.5)).sum((1, 2, 3)).clamp(min=1))[ok]
                iou, n_iou = iou + both.sum().item(), n_iou + int(ok.sum())
            if t % MEMORY_EVERY == 0 and t + 1 < count:
                with mixed():
                    memory.append((f.k[t], f.s[t], net.value(f.image[t], previous, f.f8[t])))
            # Early on the chain of own predictions is too poor to learn from: some samples go on from a (nearly) true mask.
            forced = torch.from_numpy(rng.random(b) < max(0.1, 0.35 - (trainer.step + learnt) / 3000))
            if forced.any():
                near = torch.from_numpy(np.stack([prompt(c[1][t], rng, a.defects, a.reading) for c in clips]))[:, None]
                previous = torch.where(forced[:, None, None, None], near, previous)
        n = LENGTH - 1
        return total / n, {"mask": l_mask / n, "dice": l_dice / n, "presence": l_presence / n, "iou": iou / max(1, n_iou)}

    trainer.loop(one_step, lambda net: evaluate(net, val), a.steps, val_every=a.val_every, finish=a.finish, hours=a.hours)


if __name__ == "__main__":
    main()
