"""Iterative training of the click network (specification 1.6)."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from . import data, infer, losses, maps, nets
from .defects import add_reading
from .export import SETTINGS
from .precision import mixed
from .rounds import Rounds
from .samples import ROUNDS, SIZE, Item, passes
from .scan import load_scans
from .splits import shares_for
from .trainer import Trainer

SHARES = {"sts": 0.24, "msd_hippocampus": 0.17, "ts_reference": 0.12, "misc": 0.06, "brain_atlas": 0.07, "fetal_brain": 0.03, "ms_lesion": 0.01,
          "nrrd": 0.01, "hc18_fetal_head": 0.04, "usgra_nerve_vessel": 0.06, "dsb2018_nuclei": 0.03, "chasedb1_vessel": 0.01,
          "msd_liver_slices": 0.06, "synthetic": 0.08, "painted": 0.14}


def validation_set(index: Path, per_set: int = 14):
    """Fixed val slices: (dataset, plane 0..1, truth)."""
    rng = np.random.default_rng(7)
    out = []
    by = {}
    for s in load_scans(index, "val"):
        by.setdefault(s.dataset, []).append(s)
    for name, scans in sorted(by.items()):
        if name == "chasedb1_vessel":
            continue
        for _ in range(per_set):
            for _ in range(50):
                s = scans[rng.integers(len(scans))]
                if not s.values:
                    continue
                m = s.labels > 0 if name in ("msd_hippocampus", "sts") else s.labels == s.values[rng.integers(len(s.values))]
                axis = 1 if name == "msd_hippocampus" else 0
                v, m = np.moveaxis(s.voxels, axis, 0), np.moveaxis(m, axis, 0)
                area = m.reshape(len(m), -1).sum(1)
                ok = np.where(area >= 40)[0]
                if len(ok):
                    break
            t = ok[rng.integers(len(ok))]
            lo, hi = s.window
            plane = np.floor(np.clip((v[t] - lo) / (hi - lo), 0, 1) * 255 + 0.5) / 255
            out.append((name, plane.astype(np.float32), m[t]))
    return out


def evaluate(net, items, clicks=5, **kw):
    """Mean IoU per set after 1..clicks robot clicks; score = mean over sets of the IoU after 1, 2 and 5."""
    net.eval()
    table = {}
    for name, plane, truth in items:
        prob, done, row = np.zeros(plane.shape, np.float32), [], []
        for _ in range(clicks):
            c = maps.robot_click(prob >= 0.5, truth, [(r, q) for r, q, _ in done])
            if c is not None:
                done.append(c)
                prob = infer.run_clicks(net, plane, np.zeros_like(prob), done, **kw)
            m = prob >= 0.5
            row.append((m & truth).sum() / max(1, (m | truth).sum()))
        table.setdefault(name, []).append(row)
    means = {k: np.mean(v, 0) for k, v in table.items()}
    score = float(np.mean([(m[0] + m[1] + m[4]) / 3 for m in means.values()]))
    return {"score": round(score, 4), **{k: [round(float(x), 3) for x in m] for k, m in means.items()}}


def main(argv=None):
    p = argparse.ArgumentParser(prog="limnet_training click")
    p.add_argument("--index", type=Path, required=True)
    p.add_argument("--run", type=Path, required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--lr", type=float, default=6e-4)
    p.add_argument("--steps", type=int, default=1_000_000)
    p.add_argument("--finish", type=int, default=0, help="bring the rate to zero over so many steps, then end")
    p.add_argument("--hours", type=float, default=1e9)
    p.add_argument("--pseudo", type=float, default=0.25, help="share of pseudo-objects among the real scans' samples")
    p.add_argument("--defects", type=float, default=0.35, help="share of samples that start from a defective mask")
    p.add_argument("--neighbours", type=float, default=0.2, help="share of samples whose previous mask is that of a near slice")
    p.add_argument("--rounds", type=Path, nargs="+", help="folders of `limnet evaluate --split train --masks FOLDER`: masks that real rounds left")
    p.add_argument("--left", type=float, default=0.25, help="with --rounds: share of zoomed samples whose previous mask is one of these")
    p.add_argument("--painted", type=float, default=SHARES["painted"], help="weight of shapes painted into real scans, walls among them, beside the other sets")
    p.add_argument("--late", type=float, default=0.0, help="share of steps on zoomed views that go on for five to fourteen clicks, the late ones each at its own place, as in the engine")
    p.add_argument("--zoom-size", type=int, default=SETTINGS["click"]["zoom"]["size"], help="side of zoomed views")
    p.add_argument("--whole-steps", type=float, default=0.35, help="share of steps on views of whole slices, at their size")
    add_reading(p)
    p.add_argument("--val-every", type=int, default=1000)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--resume", nargs="?", const="last.pt")
    p.add_argument("--start", type=Path, help="weights (a state dict) that a new run begins from")
    a = p.parse_args(argv)
    torch.set_num_threads(a.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(a.seed)
    net = nets.ClickLite()
    if a.start:
        net.load_state_dict({k: v.float() for k, v in torch.load(a.start, weights_only=True).items()})
    trainer = Trainer(net, a.run, a.seed, a.lr)
    if a.resume:
        trainer.resume(a.resume)
    rng = trainer.rng
    scans = load_scans(a.index, "train")
    pool = data.Pool(scans, rng, shares_for({**SHARES, "painted": a.painted}, scans), made=trainer.made)
    left = Rounds(a.rounds, a.index, scans) if a.rounds else None
    val = validation_set(a.index)

    def forward(net, items):
        image = torch.from_numpy(np.stack([i.image for i in items]))[:, None]
        m = torch.from_numpy(np.stack([i.maps() for i in items]))
        with mixed():
            return net(image, m).float()

    def one_step():
        if rng.random() < a.whole_steps:
            size, batch, neighbours, whole, share = SIZE, a.batch, 0.0, (0.4, 0.75), 0.0
        else:  # zoomed views: fewer, as each takes longer
            size, batch, neighbours, whole, share = a.zoom_size, round(a.batch * (SIZE / a.zoom_size)), a.neighbours, (0.1, 0.15), a.left if left else 0.0
        items = [Item(pool, rng, a.pseudo, a.defects, neighbours, a.reading, size, whole, left, share) for _ in range(batch)]
        rounds = passes(rng, a.late if size == a.zoom_size else 0.0)
        trainer.net.eval()
        for _ in range(rounds):
            with torch.no_grad():
                prob = torch.sigmoid(forward(trainer.net, items))[:, 0].numpy()
            for i, q in zip(items, prob):
                i.take(q)
                if rounds >= len(ROUNDS) or rng.random() < 0.85:  # else the same clicks again, as the second look at a first click
                    i.add(rng)
        trainer.net.train()
        truth = torch.from_numpy(np.stack([i.truth for i in items]).astype(np.float32))[:, None]
        logits = forward(trainer.net, items)
        f, d = losses.focal(logits, truth).mean(), losses.dice(logits, truth).mean()
        with torch.no_grad():
            m = logits >= 0
            iou = ((m & (truth > 0.5)).sum((1, 2, 3)) / (m | (truth > 0.5)).sum((1, 2, 3)).clamp(min=1)).mean()
        return f + d, {"focal": f.item(), "dice": d.item(), "iou": iou.item()}

    trainer.loop(one_step, lambda net: evaluate(net, val), a.steps, val_every=a.val_every, finish=a.finish, hours=a.hours)


if __name__ == "__main__":
    main()
