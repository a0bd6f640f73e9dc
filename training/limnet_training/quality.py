"""Training of the quality network (specification 3.4): pairs of masks from real rounds of the robot user, both orders.

`pairs` runs the baseline (clicks and propagation, no fusion) on the cases of a split and stores what each round made of each slice;
`train` learns which of two masks is the better one.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import data, infer, maps, nets
from .defects import defective
from .denoise import noise_of_scan
from .export import SETTINGS
from .paper import make
from .paper.checkpoints import Refused, begin_from
from .precision import mixed
from .scan import load_scans
from .splits import shares_for
from .trainer import Trainer
from .view import box_view, extract

S = SETTINGS["quality"]
MADE = {"sts": 0.4, "msd_hippocampus": 0.12, "ts_reference": 0.15, "misc": 0.06, "brain_atlas": 0.06, "fetal_brain": 0.05, "ms_lesion": 0.02, "synthetic": 0.14}


def slice_dice(a, b) -> float:
    """Empty truth: 1 for an empty mask, else 0."""
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2 * int((a & b).sum()) / total


def rounds(click, prop, volume, truth, rng, n=6):
    """Current sets of a robot's rounds, one click each: list of bool [n, r, c], and the slices clicked."""
    area = truth.reshape(len(truth), -1).sum(1)
    t = int(area.argmax())
    prompts, clicks, out, result = {}, {}, [], np.zeros(volume.shape, np.float32)
    noise = noise_of_scan(volume)
    for r in range(n):
        c = maps.robot_click(result[t] >= 0.5, truth[t], [(y, x) for y, x, _ in clicks.get(t, [])])
        if c is not None:
            clicks.setdefault(t, []).append(c)
            prompts[t] = infer.run_clicks(click, volume[t], result[t] if t not in prompts else prompts[t], clicks[t][-1:] if t not in prompts else clicks[t], noise=noise)
        result = infer.propagate_volume(prop, volume, prompts)
        out.append(result >= 0.5)
        scores = np.array([slice_dice(out[-1][i], truth[i]) if max(area[i], out[-1][i].sum()) >= min(100, np.median(area[area > 0])) else 2.0 for i in range(len(truth))])
        t = int(scores.argmin()) if rng.random() < 0.7 else int(rng.choice(np.where(scores <= 1)[0])) if (scores <= 1).any() else t
    return out, set(prompts)


def crop(plane, p, c, size=S["size"]):
    view = box_view(p | c, S["expansion"], S["minSide"])
    if view is None:
        return None
    g = np.clip(extract(plane, view, size) * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.stack([g, *((extract(m.astype(np.float32), view, size) >= 0.5).astype(np.uint8) for m in (p, c))])


def make_pairs(a) -> None:
    click, prop = nets.ClickLite(), nets.PropagationLite()
    click.load_state_dict(torch.load(a.click, weights_only=True))
    prop.load_state_dict(torch.load(a.propagation, weights_only=True))
    click.eval(), prop.eval()
    rng = np.random.default_rng(a.seed)
    shares = {"sts": 0.5, "msd_hippocampus": 0.15, "ts_reference": 0.12, "misc": 0.05, "fetal_brain": 0.05, "synthetic": 0.13}
    scans = load_scans(a.index, a.split, ("volume",))
    if a.split == "val":
        shares = {"sts": 0.7, "msd_hippocampus": 0.3}
    pool = data.Pool(scans, rng, shares_for(shares, scans), n_synthetic=40 if a.split == "train" else 0)
    crops, scores, case, begun, n = [], [], [], time.time(), 0
    while time.time() - begun < a.minutes * 60:
        scan, vox, obj, _ = pool.draw(0.0)
        if obj.sum() < 100:
            continue
        z, y, x = (np.where(obj.any(tuple(i for i in range(3) if i != ax)))[0][[0, -1]] for ax in range(3))
        z0, z1 = max(0, z[0] - 8), min(len(obj), z[1] + 9)
        if z1 - z0 > 70:
            continue
        lo, hi = data.random_window(scan, rng) if a.split == "train" else scan.window
        volume = np.clip((vox[z0:z1] - lo) / (hi - lo), 0, 1)
        volume = (np.floor(volume * 255 + 0.5) / 255).astype(np.float32)
        truth = obj[z0:z1]
        sets, clicked = rounds(click, prop, volume, truth, rng)
        n += 1
        for t in range(len(truth)):
            for r in range(len(sets)):
                for s in range(r + 1, len(sets)):
                    if s > r + 1 and rng.random() > 0.2:
                        continue
                    p, c = sets[r][t], sets[s][t]
                    if rng.random() < 0.08 and truth[t].sum() > 12:
                        c = defective(truth[t], rng) if rng.random() < 0.5 else truth[t]
                    if (p ^ c).sum() < 10:
                        continue
                    dp, dc = pair_scores(p, c, truth[t])
                    if abs(dp - dc) < 0.005:
                        continue
                    made = crop(volume[t], p, c, a.size)
                    if made is not None:
                        crops.append(made), scores.append((dp, dc)), case.append(n)
        if n % 10 == 0:
            print(f"{n} cases, {len(crops)} pairs, {(time.time() - begun) / 60:.1f} min", flush=True)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(a.out, crops=np.stack(crops), scores=np.array(scores, np.float32), case=np.array(case))
    print(f"{len(crops)} pairs of {n} cases -> {a.out}")


def made_pair(pool: data.Pool, rng, size=S["size"]):
    """A pair without any run: masks of near slices, defective ones, the truth, now and then an empty one. As many as one likes.
    [3, size, size] and the two Dice."""
    while True:
        scan, vox, obj, _ = pool.draw(0.25)
        if scan.flat:
            continue
        area = obj.reshape(len(obj), -1).sum(1)
        inside = np.where(area >= 20)[0]
        if len(inside) < 3:
            continue
        t = int(rng.integers(max(0, inside[0] - 4), min(len(obj), inside[-1] + 5)))
        near = inside[np.abs(inside - t) <= 7]
        if len(near) == 0:
            continue
        masks = []
        for _ in range(2):
            u = rng.random()
            m = obj[near[rng.integers(len(near))]] if u < 0.65 or area[t] < 20 else obj[t]
            if rng.random() < 0.45:
                m = defective(m, rng)
            masks.append(np.zeros_like(m) if rng.random() < 0.06 else m)
        union = masks[0] | masks[1]
        if not union.any():
            continue
        view = box_view(union, S["expansion"] * rng.uniform(0.9, 1.2), S["minSide"])
        centre = (view[0] + view[2] / 2 - 0.5, view[1] + view[2] / 2 - 0.5)
        matrix, scale = data.view_matrix(centre, view[2], size, rng)
        p, c, truth = (data.warp(m.astype(np.float32), matrix, size, scale) >= 0.5 for m in (*masks, obj[t]))
        dp, dc = pair_scores(p, c, truth)
        if (p ^ c).sum() < 10 or abs(dp - dc) < 0.02:
            continue
        lo, hi = data.random_window(scan, rng)
        image = data.warp(np.clip((vox[t].astype(np.float32) - lo) / (hi - lo), 0, 1), matrix, size, scale)
        return np.stack([data.appearance(image[None], rng)[0], p, c]).astype(np.float32), (dp, dc)


def pair_scores(p, c, truth) -> tuple[float, float]:
    dp, dc = slice_dice(p, truth), slice_dice(c, truth)
    if not truth.any() and p.any() and c.any():  # both wrong: fewer pixels is better
        dp, dc = 0.5 * c.sum() / (p.sum() + c.sum()), 0.5 * p.sum() / (p.sum() + c.sum())
    return float(dp), float(dc)


def evaluate(net, crops, scores):
    """Accuracy on pairs with |dDice| > 0.02 and the mean Dice of the four ways to choose."""
    net.eval()
    p = []
    with torch.no_grad():
        for i in range(0, len(crops), 64):
            x = torch.from_numpy(crops[i : i + 64].astype(np.float32))
            x[:, 0] /= 255
            p.append(torch.sigmoid(net(x))[:, 0].numpy())
    p = np.concatenate(p)
    clear = np.abs(scores[:, 0] - scores[:, 1]) > 0.02
    acc = float(((p > 0.5) == (scores[:, 0] > scores[:, 1]))[clear].mean())
    fused = {t: round(float(np.where(p > t, scores[:, 0], scores[:, 1]).mean()), 4) for t in (0.5, 0.6, 0.7, 0.8, 0.9)}
    return {"score": max(fused.values()), "accuracy": round(acc, 4), "fused": fused, "current": round(float(scores[:, 1].mean()), 4),
            "previous": round(float(scores[:, 0].mean()), 4), "oracle": round(float(scores.max(1).mean()), 4)}


def train(a) -> None:
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    net = nets.QualityLite() if a.net == "lite" else make("quality", a.net)
    try:
        notes = begin_from(net, a.weights) if a.weights else []
    except Refused as error:
        raise SystemExit(f"The training cannot begin from these weights. {error}") from None
    trainer = Trainer(net, a.run, a.seed, a.lr, warmup=50, ema=0.99, weight_decay=0.05)
    for note in notes:
        trainer.log(note=note)
    if a.resume:
        trainer.resume()
    rng = trainer.rng
    made = [np.load(p) for p in a.pairs]
    crops, scores = (np.concatenate([m[k] for m in made]) for k in ("crops", "scores"))
    held = np.load(a.val_pairs)
    scans = load_scans(a.index, "train", ("volume",))
    pool = data.Pool(scans, rng, shares_for(MADE, scans), n_synthetic=60, made=trainer.made)

    def one_step():
        trainer.net.train()
        pick = rng.integers(len(crops), size=a.batch)
        x, d = crops[pick].astype(np.float32), scores[pick].copy()
        for n in range(a.batch):
            if rng.random() < 0.5:
                x[n, 1:], d[n] = x[n, :0:-1].copy(), d[n, ::-1].copy()
            x[n] = np.rot90(x[n], rng.integers(4), (1, 2))
            if rng.random() < 0.5:
                x[n] = x[n, :, :, ::-1].copy()
            x[n, 0] = data.appearance(x[n, :1] / 255, rng)[0]
        for n in range(round(a.batch * a.made)):
            x[n], d[n] = made_pair(pool, rng, crops.shape[-1])
        y = torch.from_numpy((d[:, 0] > d[:, 1]).astype(np.float32))[:, None]
        w = torch.from_numpy(np.minimum(1, np.abs(d[:, 0] - d[:, 1]) / 0.1))[:, None]
        with mixed():
            logits = trainer.net(torch.from_numpy(x))
        for mean, seen in zip(trainer.average.buffers(), trainer.net.buffers()):  # statistics of batch norms are averages by themselves
            mean.copy_(seen)
        loss = F.binary_cross_entropy_with_logits(logits.float(), y, weight=w)
        return loss, {"bce": loss.item(), "accuracy": float(((logits > 0).float() == y).float().mean())}

    trainer.loop(one_step, lambda net: evaluate(net, held["crops"], held["scores"]), a.steps, val_every=a.val_every, finish=a.finish, hours=a.hours)


def main(argv=None):
    p = argparse.ArgumentParser(prog="limnet_training quality")
    sub = p.add_subparsers(dest="what", required=True)
    m = sub.add_parser("pairs", help="run the baseline on a split and store pairs of masks")
    m.add_argument("--index", type=Path, required=True)
    m.add_argument("--split", choices=["train", "val"], default="train")
    m.add_argument("--click", type=Path, required=True, help="state dict of the click network")
    m.add_argument("--propagation", type=Path, required=True)
    m.add_argument("--out", type=Path, required=True)
    m.add_argument("--minutes", type=float, default=10)
    m.add_argument("--size", type=int, default=S["size"], help="rows and columns of a pair (the paper's ResNets: 256)")
    m.add_argument("--seed", type=int, default=1)
    t = sub.add_parser("train")
    t.add_argument("--net", choices=["lite", "resnet18", "resnet50"], default="lite")
    t.add_argument("--weights", type=Path, help="public ResNet checkpoint (torchvision's keys) to begin from, all but its last layer")
    t.add_argument("--pairs", type=Path, nargs="+", required=True)
    t.add_argument("--index", type=Path, required=True, help="scans for pairs that are made without a run")
    t.add_argument("--made", type=float, default=0.6, help="share of such pairs")
    t.add_argument("--val-pairs", type=Path, required=True)
    t.add_argument("--run", type=Path, required=True)
    t.add_argument("--seed", type=int, default=1)
    t.add_argument("--batch", type=int, default=32)
    t.add_argument("--lr", type=float, default=5e-4)
    t.add_argument("--steps", type=int, default=100_000)
    t.add_argument("--finish", type=int, default=0)
    t.add_argument("--hours", type=float, default=1e9)
    t.add_argument("--val-every", type=int, default=250)
    t.add_argument("--threads", type=int, default=1)
    t.add_argument("--resume", action="store_true")
    a = p.parse_args(argv)
    if a.what == "train" and a.weights and a.net == "lite":
        p.error("--weights are those of a ResNet: say --net resnet18 or resnet50")
    torch.set_num_threads(1)
    make_pairs(a) if a.what == "pairs" else train(a)


if __name__ == "__main__":
    main()
