"""python -m limnet_training curves RUN... : the log of a run as a picture, one row per run (losses, quality in training, validation)."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

SHARES = ("iou", "accuracy")  # in 0..1, more is better; whatever else is no bookkeeping is a loss
NO_CURVE = ("step", "hours", "norm", "rate", "val")


def read_log(run: Path) -> list[dict]:
    """Rows of a run's log.jsonl; a last line that was cut off is left out."""
    lines = (run / "log.jsonl").read_text().splitlines()
    rows = []
    for n, line in enumerate(lines):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            if n < len(lines) - 1:
                raise
    return rows


def series(rows, value):
    """Steps and values where value(row) is a number; a gap where the run went back to an earlier step."""
    x, y = [], []
    for row in rows:
        v = value(row)
        if v is None:
            continue
        if x and row["step"] < x[-1]:
            x.append(x[-1])
            y.append(np.nan)
        x.append(row["step"])
        y.append(v)
    return np.array(x), np.array(y, float)


def smoothed(y, width=9):
    """Mean over the neighbours in the log, not across a gap."""
    out = np.full(len(y), np.nan)
    gaps = [-1, *np.flatnonzero(np.isnan(y)), len(y)]
    for a, b in zip(gaps[:-1], gaps[1:]):
        part = y[a + 1 : b]
        for n in range(len(part)):
            out[a + 1 + n] = part[max(0, n - width // 2) : n + width // 2 + 1].mean()
    return out


def set_score(value):
    """One number for a set of the validation: IoU after five clicks, or Dice from one slice."""
    if isinstance(value, dict):
        return value.get("one")
    return value[-1] if isinstance(value, list) else value


def draw(runs: list[Path], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, grid = plt.subplots(len(runs), 3, figsize=(18, 4.2 * len(runs)), squeeze=False, sharey="col", layout="constrained")
    for (loss, share, val), run in zip(grid, runs):
        rows = read_log(run)
        names = list(dict.fromkeys(k for r in rows if "val" not in r for k in r if k not in NO_CURVE))
        for axis, wanted in ((loss, [n for n in names if n not in SHARES]), (share, [n for n in names if n in SHARES])):
            for n in wanted:
                x, y = series(rows, lambda r: r.get(n))  # noqa: B023
                line = axis.plot(x, y, lw=0.6, alpha=0.35)[0]
                axis.plot(x, smoothed(y), color=line.get_color(), lw=1.8, label=n)
        checks = [r["val"] for r in rows if "val" in r]
        for n in dict.fromkeys(k for c in checks for k in c):
            if n != "score" and set_score(next(c[n] for c in checks if n in c)) is not None:
                val.plot(*series(rows, lambda r: set_score(r["val"].get(n)) if "val" in r else None), lw=1, alpha=0.7, marker=".", ms=4, label=n)  # noqa: B023
        x, y = series(rows, lambda r: r["val"]["score"] if "val" in r else None)
        if len(x):
            best = int(np.nanargmax(y))
            val.plot(x, y, color="black", lw=2.2, marker="o", ms=4, label=f"score (best {y[best]:.3f} at step {x[best]:,})")
        hours = max((r["hours"] for r in rows), default=0)
        loss.set_ylabel(f"{run.name} ({hours:.1f} h)", fontweight="bold")
        for axis, title in ((loss, "losses, training"), (share, "quality, training samples"), (val, "validation (per set: five clicks / one slice)")):
            axis.set_title(title)
            axis.set_xlabel("step")
            axis.grid(alpha=0.3)
            if axis.lines:
                axis.legend(fontsize=8, **({"loc": "upper left", "bbox_to_anchor": (1, 1)} if axis is val else {}))
    fig.savefig(out, dpi=100)
    plt.close(fig)


def main(argv=None):
    p = argparse.ArgumentParser(prog="limnet_training curves", description=__doc__)
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder with a log.jsonl")
    p.add_argument("--out", type=Path, help="the PNG (default: curves.png in the folder of a single run, else in the working folder)")
    a = p.parse_args(argv)
    for run in a.runs:
        if not (run / "log.jsonl").is_file():
            p.error(f"{run} has no log.jsonl")
    out = a.out or (a.runs[0] / "curves.png" if len(a.runs) == 1 else Path("curves.png"))
    draw(a.runs, out)
    print(out)


if __name__ == "__main__":
    main()
