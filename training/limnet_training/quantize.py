"""python -m limnet_training quantize --models models --index DATA/index.json: int8 graphs beside the fp32 ones, where they are worth it.

Static quantisation (QDQ, weights per channel, every convolution with 8 and more input channels), calibrated on what the graphs are fed on
train slices. For every graph by itself: Dice on a sample of val with it in place of the fp32 one, and its speed. A graph that
loses less than LIMIT points and is faster is written beside the others and named in the manifest; the engine measures its speed
again on its own machine before it takes it."""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, numpy_helper

from . import click as clicking
from . import export, infer, maps
from . import propagation as propagating
from .scan import load_scans

GRAPHS = ("click", "key", "value", "decode")
# Points of Dice (per cent) that int8 may lose, here and in src/engine/models.ts.
LIMIT = 0.3


def open_session(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Graphs:
    """The graphs of a folder as the networks that `infer` knows; what they are fed can be kept, for calibration and timing."""

    def __init__(self, paths: dict[str, Path]):
        self.sessions = {name: open_session(path) for name, path in paths.items()}
        self.fed: dict[str, list[dict]] | None = None

    def run(self, name: str, **feeds):
        feeds = {n: np.ascontiguousarray(t.numpy()) for n, t in feeds.items()}
        if self.fed is not None:
            self.fed.setdefault(name, []).append(feeds)
        return [torch.from_numpy(y) for y in self.sessions[name].run(None, feeds)]

    def eval(self):
        return self

    def __call__(self, image, maps):
        return torch.logit(self.run("click", image=image, maps=maps)[0], eps=1e-7)

    def key(self, image):
        return self.run("key", image=image)

    def value(self, image, mask, f8):
        return self.run("value", image=image, mask=mask, f8=f8)[0]

    def decode(self, image, neighbour, maps, r):
        probability, presence = self.run("decode", image=image, neighbour=neighbour, maps=maps, readout=r[0].flatten(1).T)
        return torch.logit(probability, eps=1e-7), torch.logit(presence, eps=1e-7)


def plain_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights stored as fp16 behind a Cast become fp32 initializers again: the quantiser looks for them there."""
    graph = model.graph
    stored = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT16}
    for node in [n for n in graph.node if n.op_type == "Cast" and n.input[0] in stored]:
        graph.initializer.append(numpy_helper.from_array(numpy_helper.to_array(stored[node.input[0]]).astype(np.float32), node.output[0]))
        graph.initializer.remove(stored[node.input[0]])
        graph.node.remove(node)
    return model


def narrow(model: onnx.ModelProto) -> list[str]:
    """Convolutions with fewer than 8 input channels: they win nothing and lose most."""
    shapes = {t.name: t.dims for t in model.graph.initializer}
    return [n.name for n in model.graph.node if n.op_type == "Conv" and (n.input[1] not in shapes or shapes[n.input[1]][1] < 8)]


class Feeds:
    """What onnxruntime.quantization calls a CalibrationDataReader."""

    def __init__(self, fed: list[dict]):
        self.left = iter(fed)

    def get_next(self):
        return next(self.left, None)


def quantise(path: Path, fed: list[dict], out: Path) -> None:
    """Writes the int8 twin of a graph."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    model = plain_weights(onnx.load(path))
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.onnx"
        onnx.save(model, whole)
        quantize_static(str(whole), str(out), Feeds(fed), quant_format=QuantFormat.QDQ, per_channel=True, op_types_to_quantize=["Conv"],
                        nodes_to_exclude=narrow(model), activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        calibrate_method=CalibrationMethod.MinMax)


def click_dice(net, items) -> float:
    """Mean Dice after 1 to 3 robot clicks."""
    scores = []
    for _, plane, truth in items:
        prob, done = np.zeros(plane.shape, np.float32), []
        for _ in range(3):
            c = maps.robot_click(prob >= 0.5, truth, [(r, q) for r, q, _ in done])
            if c is not None:
                done.append(c)
                prob = infer.run_clicks(net, plane, np.zeros_like(prob), done)
            scores.append(propagating.dice(prob >= 0.5, truth))
    return float(np.mean(scores))


def propagation_dice(net, items) -> float:
    """Mean volume Dice from the largest true slice, without the random walker, which would hide differences."""
    scores = []
    for _, volume, truth in items:
        top = int(truth.reshape(len(truth), -1).sum(1).argmax())
        found = infer.propagate_volume(net, volume, {top: truth[top].astype(np.float32)}, walked=False) >= 0.5
        scores.append(propagating.dice(found, truth))
    return float(np.mean(scores))


def record(net: Graphs, index: Path, count: int, seed: int = 5) -> dict[str, list[dict]]:
    """`count` feeds of every graph, from clicks and propagations on train scans."""
    rng = np.random.default_rng(seed)
    scans = [s for s in load_scans(index, "train") if s.values]
    fed: dict[str, list[dict]] = {}
    while len(fed.get("click", [])) < 4 * count or len(fed.get("decode", [])) < count:
        net.fed = {}
        s = scans[rng.integers(len(scans))]
        lo, hi = s.window
        volume = (np.floor(np.clip((s.voxels - lo) / (hi - lo), 0, 1) * 255 + 0.5) / 255).astype(np.float32)
        truth = s.labels == s.values[rng.integers(len(s.values))]
        area = truth.reshape(len(truth), -1).sum(1)
        top = int(area.argmax())
        if area[top] < 40:
            continue
        if len(fed.get("click", [])) < 4 * count:
            click_dice(net, [(s.dataset, volume[top], truth[top])])
        if len(volume) > 1 and len(fed.get("decode", [])) < count:
            near = slice(max(0, top - 4), top + 5)
            propagation_dice(net, [(s.dataset, volume[near], truth[near])])
        for name, feeds in net.fed.items():
            fed.setdefault(name, []).extend(feeds)
    net.fed = None
    return {name: [feeds[i] for i in rng.choice(len(feeds), min(count, len(feeds)), replace=False)] for name, feeds in fed.items()}


def milliseconds(paths: list[Path], feeds: dict, runs: int = 15) -> list[float]:
    """Median time of a run of each graph, in turns, so that what else the machine does falls on all of them alike."""
    sessions = [open_session(p) for p in paths]
    times: list[list[float]] = [[] for _ in paths]
    for n in range(runs + 2):
        for session, mine in zip(sessions, times):
            start = time.perf_counter()
            session.run(None, feeds)
            if n >= 2:
                mine.append(1000 * (time.perf_counter() - start))
    return [float(np.median(t)) for t in times]


def weigh(models: Path, model: str, index: Path, out: Path, calibrate: int, slices: int, volumes: int, graphs=GRAPHS) -> list[dict]:
    """Quantises each graph of `model` into `out`; one row of figures a graph."""
    entries = json.loads((models / "manifest.json").read_text())["models"][model]["graphs"]
    paths = {name: models / entries[name]["file"] for name in GRAPHS}
    plain = Graphs(paths)
    fed = record(plain, index, calibrate)
    items = clicking.validation_set(index, slices)
    scans = propagating.validation_set(index)
    scans = scans[:: max(1, len(scans) // volumes)][:volumes]
    before = {"click": click_dice(plain, items)}
    before |= dict.fromkeys(("key", "value", "decode"), propagation_dice(plain, scans))
    rows = []
    for name in graphs:
        target = out / f"{name}.int8.onnx"
        quantise(paths[name], fed[name], target)
        mixed = Graphs({**paths, name: target})
        after = click_dice(mixed, items) if name == "click" else propagation_dice(mixed, scans)
        slow, fast = milliseconds([paths[name], target], fed[name][0])
        rows.append({"graph": name, "bytes": paths[name].stat().st_size, "int8_bytes": target.stat().st_size, "dice": round(100 * before[name], 2),
                     "int8_dice": round(100 * after, 2), "loss": round(100 * (before[name] - after), 2), "ms": round(slow, 1), "int8_ms": round(fast, 1)})
    return rows


def worth(row: dict) -> bool:
    return row["loss"] < LIMIT and row["int8_ms"] < row["ms"]


def install(models: Path, model: str, out: Path, rows: list[dict]) -> list[str]:
    """Copies the graphs that are worth it into the models folder and names them in the manifest; older ones are taken out of it."""
    manifest = json.loads((models / "manifest.json").read_text())
    entries = manifest["models"][model]["graphs"]
    taken = []
    for row in rows:
        entry = entries[row["graph"]]
        file = entry["file"].removesuffix(".onnx") + ".int8.onnx"
        entry.pop("int8", None)
        (models / file).unlink(missing_ok=True)
        if worth(row):
            content = (out / f"{row['graph']}.int8.onnx").read_bytes()
            (models / file).write_bytes(content)
            entry["int8"] = {"file": file, "sha256": hashlib.sha256(content).hexdigest(), "loss": row["loss"]}
            taken.append(row["graph"])
    (models / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    if "card" in manifest["models"][model]:
        export.write_card(models, model)
    return taken


def main(argv=None):
    p = argparse.ArgumentParser(prog="limnet_training quantize", description=__doc__)
    p.add_argument("--models", type=Path, default=Path("models"))
    p.add_argument("--model", default="lite")
    p.add_argument("--index", type=Path, required=True)
    p.add_argument("--graphs", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    p.add_argument("--calibrate", type=int, default=64, help="train inputs for each graph")
    p.add_argument("--slices", type=int, default=8, help="val slices of each set for the click network")
    p.add_argument("--volumes", type=int, default=8, help="val scans for the propagation")
    p.add_argument("--write", action="store_true", help="put what is worth it into the models folder")
    a = p.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = weigh(a.models, a.model, a.index, Path(folder), a.calibrate, a.slices, a.volumes, a.graphs)
        print("graph     MB fp32  int8   Dice fp32   int8   loss   ms fp32   int8   worth it")
        for r in rows:
            print(f"{r['graph']:8} {r['bytes'] / 1e6:7.2f} {r['int8_bytes'] / 1e6:6.2f} {r['dice']:10.2f} {r['int8_dice']:7.2f} {r['loss']:6.2f} "
                  f"{r['ms']:8.1f} {r['int8_ms']:6.1f}   {'yes' if worth(r) else 'no'}")
        if a.write:
            taken = install(a.models, a.model, Path(folder), rows)
            print(f"In the manifest: {', '.join(taken) or 'none'}.")


if __name__ == "__main__":
    main()
