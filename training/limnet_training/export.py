"""PyTorch -> ONNX, digests and settings -> models/manifest.json. Every graph is run in ONNX Runtime against PyTorch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from . import nets

SETTINGS = {
    "denoise": {"minObject": 32, "noise": [3.1, 6], "clicks": 2},
    "click": {
        "size": 128,
        "diskRadius": 3,
        "geodesic": [{"weight": 20, "scale": 20}, {"weight": 80, "scale": 30}],
        "flood": {"scale": 20},
        "local": 5,
        "zoom": {"expansion": 1.8, "minSide": 32, "keepOverlap": 0.5, "first": "guess", "size": 192},
    },
    "propagation": {
        "sizes": [128],
        "stride": 8,
        "keyDim": 64,
        "valueDim": 128,
        "memoryEvery": 3,
        "topK": 30,
        "presenceThreshold": 0.4,
        "region": {"expansion": 1.75, "minSide": 32},
        "stopAfter": 3,
        "transfer": {"reach": 6, "contrast": 6, "nearness": 3},
        "shapes": {"share": 0.7, "softness": 1.5, "leastArea": 0.7},
        "walker": {"contrast": 30, "across": 1.4, "trust": 0.003, "deep": {"pixels": 4.5, "most": 6}, "iterations": 40, "levels": {"between": 0.45, "corrected": 0.4, "beyond": 0.45}},
    },
    "quality": {"size": 96, "expansion": 1.5, "minSide": 32, "threshold": 0.95},
}


class Click(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image, maps):
        return torch.sigmoid(self.net(image, maps))


class Decode(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image, neighbour, maps, readout):
        r = readout.transpose(0, 1).reshape(1, -1, image.shape[2] // 8, image.shape[3] // 8)
        logits, presence = self.net(image, neighbour, maps, r)
        return torch.sigmoid(logits), torch.sigmoid(presence)


class Quality(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pairs):
        return torch.sigmoid(self.net(pairs))


def export_graph(module, inputs: dict, outputs: list[str], dynamic: dict, path: Path) -> float:
    """Writes one graph; returns the largest difference between ONNX Runtime and PyTorch on the given inputs, for values above 1 in
    proportion to them: the shrinkage of the memory's keys reaches some hundreds on noise, where neighbouring fp32 numbers are 3e-5 apart."""
    module.eval()
    args = tuple(inputs.values())
    with torch.no_grad():
        want = module(*args)
        torch.onnx.export(module, args, str(path), input_names=list(inputs), output_names=outputs,
                          dynamic_axes=dynamic, opset_version=17, dynamo=False, do_constant_folding=True)
    want = want if isinstance(want, tuple) else (want,)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}
    feeds = {n: (v.numpy() if isinstance(v, torch.Tensor) else np.array([v])) for n, v in inputs.items() if n in names}
    got = session.run(None, feeds)
    return max(float((np.abs(g - w.numpy()) / np.maximum(1, np.abs(w.numpy()))).max()) for g, w in zip(got, want))


def export_all(click, propagation, quality, out: Path, size: int = 128) -> dict:
    """Exports every network that is not None into `out`/lite; returns {graph: max difference}."""
    folder = out / "lite"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    hw = {2: "H", 3: "W"}
    diffs = {}
    image = torch.rand(1, 1, size, size)
    if click is not None:
        diffs["click"] = export_graph(Click(click), {"image": image, "maps": torch.rand(1, nets.CLICK_MAPS, size, size)}, ["probability"],
                                      {"image": hw, "maps": hw, "probability": hw}, folder / "click.onnx")
    if propagation is not None:
        names = ["f8", "key", "shrinkage", "selection"]
        dyn = {n: {2: f"H_{n}", 3: f"W_{n}"} for n in names}
        diffs["key"] = export_graph(propagation.key, {"image": image}, names, {"image": hw, **dyn}, folder / "key.onnx")
        with torch.no_grad():
            f8 = propagation.key(image)[0]
        diffs["value"] = export_graph(propagation.value, {"image": image, "mask": torch.rand_like(image), "f8": f8}, ["value"],
                                      {"image": hw, "mask": hw, "f8": {2: "h", 3: "w"}, "value": {2: "h", 3: "w"}}, folder / "value.onnx")
        diffs["decode"] = export_graph(
            Decode(propagation.decode),
            {"image": image, "neighbour": image.flip(2), "maps": torch.rand(1, nets.PROPAGATION_MAPS, size, size), "readout": torch.randn(f8.shape[2] ** 2, 128)},
            ["probability", "presence"], {"image": hw, "neighbour": hw, "maps": hw, "readout": {0: "M"}, "probability": hw}, folder / "decode.onnx")
        export_read(folder / "read.onnx")
    if quality is not None:
        s = SETTINGS["quality"]["size"]
        diffs["quality"] = export_graph(Quality(quality), {"pairs": torch.rand(2, 3, s, s)}, ["previous_better"],
                                        {"pairs": {0: "B"}, "previous_better": {0: "B"}}, folder / "quality.onnx")
    write_manifest(out)
    return diffs


def export_read(path: Path) -> None:
    """The read graph, written node by node: K is an input, N and M are free (specification 2.12)."""
    from onnx import TensorProto, checker, helper, save

    f32, i64 = TensorProto.FLOAT, TensorProto.INT64
    n = helper.make_node
    c = lambda name, value: n("Constant", [], [name], value=helper.make_tensor(name, f32, [], [value]))  # noqa: E731
    nodes = [
        c("two", 2.0), c("scale", 0.125),
        n("Transpose", ["qe"], ["qeT"], perm=[1, 0]),                # M x C
        n("Mul", ["mk", "mk"], ["mk2"]),
        n("MatMul", ["qeT", "mk2"], ["a"]),                          # M x N
        n("Mul", ["qk", "qe"], ["qke"]),
        n("Transpose", ["qke"], ["qkeT"], perm=[1, 0]),
        n("MatMul", ["qkeT", "mk"], ["b"]),
        n("Mul", ["qke", "qk"], ["qkk"]),
        n("Transpose", ["qkk"], ["qkkT"], perm=[1, 0]),
        n("Constant", [], ["one_axis"], value=helper.make_tensor("one_axis", i64, [1], [1])),
        n("ReduceSum", ["qkkT", "one_axis"], ["cq"], keepdims=1),    # M x 1
        n("Mul", ["b", "two"], ["b2"]),
        n("Sub", ["b2", "a"], ["ba"]),
        n("Sub", ["ba", "cq"], ["bac"]),
        n("Mul", ["ms", "scale"], ["ms8"]),                          # 1 x N
        n("Mul", ["bac", "ms8"], ["s"]),
        n("TopK", ["s", "k"], ["top", "indices"], axis=1, largest=1, sorted=1),
        n("Softmax", ["top"], ["weights"], axis=1),
        n("Gather", ["mv", "indices"], ["rows"], axis=0),            # M x K x Cv
        n("Unsqueeze", ["weights", "one_axis"], ["w3"]),             # M x 1 x K
        n("MatMul", ["w3", "rows"], ["r3"]),                         # M x 1 x Cv
        n("Squeeze", ["r3", "one_axis"], ["readout"]),
    ]
    t = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "read", [
        t("mk", f32, [64, "N"]), t("ms", f32, [1, "N"]), t("mv", f32, ["N", "V"]), t("qk", f32, [64, "M"]), t("qe", f32, [64, "M"]), t("k", i64, [1]),
    ], [t("readout", f32, ["M", "V"]), t("weights", f32, ["M", "K"]), t("indices", i64, ["M", "K"])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    checker.check_model(model)
    save(model, str(path))


def shrink(out: Path) -> None:
    """Stores float initializers of 64 values and more as fp16 behind a Cast: half the file, folded back when the session is made.
    Lossless for weights that were rounded to fp16 before the export."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    for path in sorted((out / "lite").glob("*.onnx")):
        model = onnx.load(path)
        graph, casts = model.graph, []
        for t in list(graph.initializer):
            if t.data_type != TensorProto.FLOAT or np.prod(t.dims) < 64:
                continue
            values = numpy_helper.to_array(t)
            short = values.astype(np.float16)
            if not np.array_equal(short.astype(np.float32), values):
                continue
            graph.initializer.remove(t)
            graph.initializer.append(numpy_helper.from_array(short, t.name + "_fp16"))
            casts.append(helper.make_node("Cast", [t.name + "_fp16"], [t.name], to=TensorProto.FLOAT))
        nodes = casts + list(graph.node)
        del graph.node[:]
        graph.node.extend(nodes)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def write_manifest(out: Path) -> None:
    folder = out / "lite"
    graphs = {}
    for name in ("click", "key", "value", "read", "decode", "quality"):
        path = folder / f"{name}.onnx"
        if path.exists():
            graphs[name] = {"file": f"lite/{name}.onnx", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    manifest = {"version": 1, "default": "lite", "models": {"lite": {
        "description": "LIM-Net lite: own weights, trained from scratch", "licence": "CC BY-SA 4.0", "card": "lite.md", "settings": SETTINGS, "graphs": graphs}}}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def write_card(out: Path, model: str = "lite") -> None:
    """Brings the table of digests in the model's card up to the manifest; the rest of the card is written by hand."""
    found = json.loads((out / "manifest.json").read_text())["models"][model]
    card = out / found["card"]
    if not card.exists():
        return
    entries = [e for g in found["graphs"].values() for e in (g, g.get("int8")) if e]
    rows = [f"| `{e['file']}` | {(out / e['file']).stat().st_size / 1e6:.2f} | `{e['sha256']}` |" for e in entries]
    settings = json.dumps(found["settings"], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256("\n".join([*sorted(e["sha256"] for e in entries), settings]).encode()).hexdigest()
    block = "\n".join([f"Model `{digest}` (sha256 over the sorted digests of its graphs and its settings).", "", "| File | MB | sha256 |", "|---|---|---|", *rows])
    start, end = "<!-- digests: written by limnet_training export -->", "<!-- end of digests -->"
    text = card.read_text()
    if start not in text or end not in text:
        raise SystemExit(f"{card} has no place for the digests: {start} … {end}")
    card.write_text(text[: text.index(start) + len(start)] + "\n" + block + "\n" + text[text.index(end):])
