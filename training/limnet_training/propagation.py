"""Training of the propagation network on clips of slices (specification 2.8, 2.11)."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from . import data, infer, losses, maps, nets
from .clicked import clicked
from .clips import LENGTH, clip, prompt, walk_length
from .defects import add_reading
from .export import SETTINGS
from .precision import mixed
from .scan import load_scans
from .splits import shares_for
from .trainer import Trainer

SHARES = {"sts": 0.28, "msd_hippocampus": 0.17, "ts_reference": 0.14, "misc": 0.06, "brain_atlas": 0.08, "fetal_brain": 0.04, "ms_lesion": 0.02,
          "nrrd": 0.01, "synthetic": 0.10, "painted": 0.16, "hc18_fetal_head": 0.01, "usgra_nerve_vessel": 0.01, "msd_liver_slices": 0.01}
MEMORY_EVERY = 3


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


def copied(near: torch.Tensor, rng, share: float) -> torch.Tensor:
    """Neighbour maps [B,6,H,W] in which a share of the samples has the neighbour's mask as it was for what like patches carry over: so the
    network does not only pass on what they say, which is wrong where a prompt's border lies inside an even object."""
    if share:
        some = torch.from_numpy(rng.random(len(near)) < share)
        near[some, -1] = near[some, 0]
    return near


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
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--steps", type=int, default=1_000_000)
    p.add_argument("--finish", type=int, default=0, help="bring the rate to zero over so many steps, then end")
    p.add_argument("--hours", type=float, default=1e9)
    p.add_argument("--pseudo", type=float, default=0.18)
    p.add_argument("--ends", type=float, default=0.45, help="share of clips that run past an end of the object")
    p.add_argument("--defects", type=float, default=0.0, help="share of prompts that are made defective (the paper's six kinds)")
    p.add_argument("--clicked", type=float, default=0.0, help="share of clips whose prompts are what the click network (--click) makes of the robot's clicks")
    p.add_argument("--copied", type=float, default=0.0, help="share of frames that get the neighbour's mask as it was in place of what patches carry over")
    p.add_argument("--walk", type=int, default=0, choices=(0, 1), help="1: six of ten clips begin with a walk of 2 to 13 slices on the network's own results")
    add_reading(p)
    p.add_argument("--val-every", type=int, default=1500)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--click", type=Path, help="state dict of a trained click network to begin from (without it: from scratch), unless --start is given")
    p.add_argument("--start", type=Path, help="weights (a state dict) of a propagation network that a new run begins from")
    p.add_argument("--resume", nargs="?", const="last.pt")
    a = p.parse_args(argv)
    if a.clicked and not a.click:
        p.error("--clicked needs --click: the weights of the click network that answers")
    torch.set_num_threads(a.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(a.seed)
    net = nets.PropagationLite()
    if a.click:
        click = nets.ClickLite()
        click.load_state_dict({k: v.float() for k, v in torch.load(a.click, weights_only=True).items()})
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
        near = torch.from_numpy(np.stack([maps.neighbour_maps(maps.smooth(c[0][t]), p[0], maps.smooth(c[0][t - 1])) for c, p in zip(clips, previous.numpy())]))
        near = copied(near, rng, a.copied)
        with mixed():
            logits, presence = net.decode(f.image[t], f.image[t - 1], near, r)
        return logits.float(), presence.float()

    @torch.no_grad()
    def walked(walk, clips, first, memory, f):
        """The network on its own results over the first frames, as in use: the last of them, and what it left in the memory."""
        previous = first
        for t in range(1, walk + 1):
            logits, presence = decoded(t, clips, previous, memory, f)
            previous = torch.sigmoid(logits) * (torch.sigmoid(presence) >= SETTINGS["propagation"]["presenceThreshold"]).float()[:, :, None, None]
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
        for n in np.where(rng.random(a.batch) < a.clicked)[0] if a.clicked else ():
            both = torch.from_numpy(clicked(click, images[n, [0, -1]].numpy(), truths[n, [0, -1]].numpy() > 0.5, rng))
            first[n, 0], second[n, 0] = both[0], both[1]
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
