"""What the three loops share: warm-up / constant / decay schedule, moving average, checkpoints to the step, a log in JSON lines."""

from __future__ import annotations

import copy
import json
import os
import time
from pathlib import Path

import numpy as np
import torch


class Trainer:
    """Keeps `net`, its moving average, the optimizer and the random state; `last.pt` is written whole, then renamed."""

    def __init__(self, net, run: Path, seed: int, lr: float, warmup: int = 200, ema: float = 0.999, weight_decay: float = 0.01):
        torch.manual_seed(seed)
        self.net, self.run, self.lr, self.warmup, self.decay = net, run, lr, warmup, ema
        self.average = copy.deepcopy(net).eval()
        for p in self.average.parameters():
            p.requires_grad_(False)
        self.opt = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=weight_decay)
        self.step, self.seconds, self.best = 0, 0.0, -1.0
        self.finish: tuple[int, int] | None = None  # (first step, steps) of the decay that is under way
        self.rng = np.random.default_rng(seed)
        self.made = {"seed": seed, "renewed": {}}  # what data.Pool needs to make the same again
        run.mkdir(parents=True, exist_ok=True)

    def resume(self, name: str = "last.pt") -> bool:
        path = self.run / name
        if not path.exists():
            return False
        s = torch.load(path, weights_only=False)  # our own file: it holds the random state as well
        self.net.load_state_dict(s["net"])
        self.average.load_state_dict(s["average"])
        self.opt.load_state_dict(s["opt"])
        self.step, self.seconds, self.finish = s["step"], s["seconds"], s.get("finish")
        record = self.run / "best.json"  # belongs to best.pt, whichever checkpoint one goes on from
        self.best = json.loads(record.read_text())["score"] if record.exists() else s["best"]
        self.rng.bit_generator.state = s["rng"]
        self.made = s.get("made", self.made)
        if "torch" in s:
            torch.set_rng_state(s["torch"])
        return True

    def save(self, name: str = "last.pt") -> None:
        state = {"net": self.net.state_dict(), "average": self.average.state_dict(), "opt": self.opt.state_dict(), "step": self.step,
                 "seconds": self.seconds, "best": self.best, "rng": self.rng.bit_generator.state, "torch": torch.get_rng_state(), "finish": self.finish, "made": self.made}
        temp = self.run / f"{name}.{os.getpid()}"
        torch.save(state, temp)
        temp.replace(self.run / name)

    def save_average(self, name: str) -> None:
        temp = self.run / f"{name}.{os.getpid()}"
        torch.save(self.average.state_dict(), temp)
        temp.replace(self.run / name)

    def rate(self, finish_from: int | None, finish_steps: int) -> float:
        f = min(1.0, (self.step + 1) / self.warmup)
        if finish_from is not None:
            f *= max(0.0, 1 - (self.step - finish_from) / finish_steps)
        return self.lr * f

    def update(self, loss, rate: float) -> float:
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        if torch.isfinite(norm):
            for g in self.opt.param_groups:
                g["lr"] = rate
            self.opt.step()
            d = min(self.decay, (self.step + 1) / (self.step + 10))
            with torch.no_grad():
                for a, p in zip(self.average.parameters(), self.net.parameters()):
                    a.lerp_(p, 1 - d)
        self.step += 1
        return float(norm)

    def log(self, **row) -> None:
        row = {"step": self.step, "hours": round(self.seconds / 3600, 3), **row}
        with open(self.run / "log.jsonl", "a") as f:
            f.write(json.dumps(row) + "\n")
        print(row, flush=True)

    def loop(self, one_step, validate, steps: int, log_every=50, val_every=1000, finish: int = 0, hours: float = 1e9, stop_file: str = "stop"):
        """`finish` > 0: the next `finish` steps bring the rate to zero, then the loop ends. The state before is kept as `trunk.pt`,
        from which a later session goes on; a decay that was cut short is taken up where it stood. A file named `stop` in the run folder ends the loop after a save."""
        if finish and self.finish is None:
            self.save("trunk.pt")
            self.finish = (self.step, finish)
        start = self.finish[0] if self.finish else None
        length = self.finish[1] if self.finish else 1
        steps = start + length if self.finish else steps
        begun, losses, last_save = time.time(), [], time.time()
        first_seconds, first_step = self.seconds, self.step
        while self.step < steps and time.time() - begun < hours * 3600:
            loss, parts = one_step()
            norm = self.update(loss, self.rate(start, length))
            self.seconds = first_seconds + time.time() - begun
            losses.append(parts)
            if self.step % log_every == 0:
                mean = {k: round(float(np.mean([p[k] for p in losses])), 4) for k in losses[0]}
                self.log(**mean, norm=round(norm, 3), rate=round((time.time() - begun) / max(1, self.step - first_step), 3))
                losses = []
            if time.time() - last_save > 240:
                self.save()
                self.save_average("average.pt")
                last_save = time.time()
            if self.step % val_every == 0 or self.step >= steps:
                self.save_average("average.pt")
                scores = validate(self.average)
                self.log(val=scores)
                if scores["score"] > self.best:
                    self.best = scores["score"]
                    self.save_average("best.pt")
                    (self.run / "best.json").write_text(json.dumps({"step": self.step, "score": self.best}))
                self.save()
            if (self.run / stop_file).exists():
                (self.run / stop_file).unlink()
                break
        if self.finish and self.step >= steps:
            self.finish = None
        self.save()
        self.save_average("average.pt")
