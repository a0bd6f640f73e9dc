"""The paper's networks -> ONNX (opset 17), every graph run in ONNX Runtime against PyTorch.

Without `size` rows and columns are free (any for the click network, multiples of 16 for propagation), and a second, oblong size is tried.
With `size` they are fixed squares, for runtimes that plan memory ahead."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from .. import export, nets
from .quality import QualityResNet
from .ritm import ClickGraph, ClickNet
from .xmem import DecodeGraph, KeyGraph, ValueGraph, ValueImageGraph, XMem, aggregate

OPSET = 17
TOP_K = 30


def session(path: Path, logits: bool = False, of: str = "probability") -> onnxruntime.InferenceSession:
    """`logits` adds, for the comparison only, a last output: what enters the sigmoid of the output `of`. A probability of 0 or 1 everywhere
    would hide any error."""
    model = onnx.load(path)
    if logits:
        entering = next(node.input[0] for node in model.graph.node if of in node.output)
        model.graph.output.append(onnx.helper.make_tensor_value_info(entering, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(where: Path | onnxruntime.InferenceSession, feeds: dict) -> list[torch.Tensor]:
    opened = where if isinstance(where, onnxruntime.InferenceSession) else session(where)
    return [torch.from_numpy(y) for y in opened.run(None, {n: np.asarray(v) for n, v in feeds.items() if v is not None})]


def difference(want: torch.Tensor, got: torch.Tensor) -> float:
    """Largest difference; of features beyond 1, relative to their largest value. A value that is no number counts as infinite."""
    d = float((want - got).abs().max() / want.abs().max().clamp(min=1))
    return d if np.isfinite(d) else float("inf")


def write(module: nn.Module, inputs: dict, outputs, free: dict, path: Path) -> None:
    """`inputs` that are None are left out; `free` names the axes that are not fixed."""
    inputs = {n: v for n, v in inputs.items() if v is not None}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the TorchScript exporter announces its successor, and notes each shape that it traces
        torch.onnx.export(module.eval(), tuple(inputs.values()), str(path), input_names=list(inputs), output_names=list(outputs),
                          dynamic_axes={n: axes for n, axes in free.items() if n in inputs or n in outputs}, opset_version=OPSET,
                          dynamo=False, do_constant_folding=True)


@torch.no_grad()
def export_click(net: ClickNet, folder: Path, size: int | None = None) -> dict[str, float]:
    """click.onnx: image and maps -> probability. Returns the differences to the plain network, whose attention is not shortened."""
    net.eval()
    make = lambda rows, cols: {"image": torch.rand(1, 3, rows, cols), "maps": torch.rand(1, net.maps_transform[0].in_channels, rows, cols)}  # noqa: E731
    hw = {2: "H", 3: "W"}
    path = folder / "click.onnx"
    inputs = make(size or 64, size or 64)
    write(ClickGraph(net), inputs, ["probability"], {} if size else {"image": hw, "maps": hw, "probability": hw}, path)
    opened = session(path, logits=True)
    differences = {"probability": 0.0, "logits": 0.0}
    for i in [inputs] if size else [inputs, make(75, 101)]:
        plain = net(**i)
        for name, want, got in zip(differences, (torch.sigmoid(plain), plain), run(opened, i)):
            differences[name] = max(differences[name], difference(want, got))
    return differences


@torch.no_grad()
def export_quality(net: QualityResNet, folder: Path, size: int | None = None) -> dict[str, float]:
    """quality.onnx: pairs -> previous_better, any number of pairs. Returns the differences to the plain network."""
    net.eval()
    make = lambda count, side: {"pairs": torch.cat([torch.rand(count, 1, side, side), (torch.rand(count, 2, side, side) > 0.5).float()], 1)}  # noqa: E731
    path = folder / "quality.onnx"
    inputs = make(2, size or 256)
    write(export.Quality(net), inputs, ["previous_better"], {"pairs": {0: "B"} if size else {0: "B", 2: "H", 3: "W"}, "previous_better": {0: "B"}}, path)
    opened = session(path, logits=True, of="previous_better")
    differences = {"previous_better": 0.0, "logits": 0.0}
    for i in [inputs, make(3, size or 96)]:
        plain = net(**i)
        for name, want, got in zip(differences, (torch.sigmoid(plain), plain), run(opened, i)):
            differences[name] = max(differences[name], difference(want, got))
    return differences


@torch.no_grad()
def export_xmem(net: XMem, folder: Path, size: int | None = None) -> dict[str, float]:
    """key, value_image, value, decode and read .onnx. Returns {output: difference} to the plain layout in PyTorch."""
    net.eval()
    names = {n: f"{n}.onnx" for n in ("key", "value_image", "value", "decode", "read")}
    dims = net.dims
    rows = size or 64
    image = torch.rand(1, 3, rows, rows)
    mask = torch.rand(1, 1, rows, rows)
    h = torch.zeros(1, dims["hidden"], rows // 16, rows // 16) if dims["hidden"] else None
    cached = KeyGraph(net)(image)
    by_name = dict(zip(KeyGraph.outputs, cached))
    vx, vd = ValueImageGraph(net)(by_name["f16"])
    free = {}
    if not size:
        free = {n: {2: "H", 3: "W"} for n in ("image", "mask", "others", "probability")}
        free |= {n: {2: "H16", 3: "W16"} for n in ("key", "shrinkage", "selection", "cx", "dx", "f16", "vx", "vd", "value", "h", "h_new")}
        free |= {"skip8": {2: "H8", 3: "W8"}, "skip4": {2: "H4", 3: "W4"}, "readout": {0: "M"}}
    state = 2 if dims["hidden"] else 1
    write(KeyGraph(net), {"image": image}, KeyGraph.outputs, free, folder / names["key"])
    write(ValueImageGraph(net), {"f16": by_name["f16"]}, ValueImageGraph.outputs, free, folder / names["value_image"])
    write(ValueGraph(net), {"image": image, "mask": mask, "others": torch.zeros_like(mask), "vx": vx, "vd": vd, "h": h},
          ValueGraph.outputs[:state], free, folder / names["value"])
    write(DecodeGraph(net), {n: by_name[n] for n in ("skip8", "skip4", "cx", "dx")} | {"readout": torch.rand((rows // 16) ** 2, dims["value"]), "h": h},
          DecodeGraph.outputs[:state], free, folder / names["decode"])
    export_read(dims["key"], dims["value"], folder / names["read"])
    opened = {n: session(folder / file, logits=n == "decode") for n, file in names.items()}
    differences: dict[str, float] = {}
    for shape in [(rows, rows)] if size else [(rows, rows), (80, 112)]:
        for name, d in compare_xmem(net, opened, *shape).items():
            differences[name] = max(d, differences.get(name, 0.0))
    return differences


def export_read(key: int, value: int, path: Path) -> None:
    """The memory read (2.5), its rows gathered; K is an input, the elements N and the queries M are free, whatever the size of the others."""
    n, m = 7, 5
    inputs = {"mk": torch.rand(key, n), "ms": torch.rand(1, n), "mv": torch.rand(n, value), "qk": torch.rand(key, m), "qe": torch.rand(key, m),
              "k": torch.tensor([3])}
    free = {"mk": {1: "N"}, "ms": {1: "N"}, "mv": {0: "N"}, "qk": {1: "M"}, "qe": {1: "M"}, "readout": {0: "M"},
            "weights": {0: "M", 1: "K"}, "indices": {0: "M", 1: "K"}}
    write(nets.Read(), inputs, ["readout", "weights", "indices"], free, path)


@torch.no_grad()
def compare_xmem(net: XMem, opened: dict, rows: int, cols: int) -> dict[str, float]:
    """Slice 1 with a mask is remembered, slice 2 reads it: in the plain layout, and link by link through the graphs."""
    first, second = torch.rand(2, 1, 3, rows, cols)
    mask = torch.zeros(1, 1, rows, cols)
    mask[:, :, rows // 4 : rows // 2, cols // 4 : cols // 2] = 1
    others = torch.zeros_like(mask)
    h = torch.zeros(1, net.dims["hidden"], rows // 16, cols // 16) if net.dims["hidden"] else None

    f16, _, _, mk, ms, _ = net.encode_key(first)
    value, h1 = net.encode_value(first, mask, others, f16, h)
    q16, q8, q4, qk, _, qe = net.encode_key(second)
    readout = nets.read(mk.flatten(2), ms.flatten(2), value.flatten(2), qk.flatten(2), qe.flatten(2), TOP_K)
    logits, h2 = net.decode(q16, q8, q4, readout.reshape_as(value), h1)
    want = {"key": qk, "shrinkage": ms, "selection": qe, "value": value, "readout": readout[0].T, "probability": aggregate(logits),
            "logits": 2 * logits}
    want |= {} if h is None else {"h_deep": h1, "h": h2}

    a, b = (dict(zip(KeyGraph.outputs, run(opened["key"], {"image": i}))) for i in (first, second))
    vx, vd = run(opened["value_image"], {"f16": a["f16"]})
    v, *deep = run(opened["value"], {"image": first, "mask": mask, "others": others, "vx": vx, "vd": vd, "h": h})
    flat = lambda t: t[0].flatten(1)  # noqa: E731
    r, *_ = run(opened["read"], {"mk": flat(mk), "ms": flat(ms), "mv": flat(value).T.contiguous(), "qk": flat(qk), "qe": flat(qe),
                                 "k": torch.tensor([min(TOP_K, mk.shape[2] * mk.shape[3])])})
    p, *new, z = run(opened["decode"], {n: b[n] for n in ("skip8", "skip4", "cx", "dx")} | {"readout": readout[0].T.contiguous(), "h": h1})
    got = {"key": b["key"], "shrinkage": a["shrinkage"], "selection": b["selection"], "value": v, "readout": r, "probability": p, "logits": z}
    got |= {"h_deep": deep[0], "h": new[0]} if deep else {}
    return {name: difference(w, got[name]) for name, w in want.items()}
