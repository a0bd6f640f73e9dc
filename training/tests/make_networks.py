"""Writes test/networks/fixture: narrow networks with random weights in the lite and in the paper's layout, and what PyTorch makes of 60 slices with
them (host_reference.py). Random weights, so nobody's. Run after a change of a layout: python training/tests/make_networks.py"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

root = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(root / "training"), str(root / "training/tests")]
from host_reference import run_lite, run_xmem  # noqa: E402

from limnet_training import export, maps, nets, quantize, view  # noqa: E402
from limnet_training.paper import checkpoints, convert, graphs  # noqa: E402
from limnet_training.paper.quality import QualityResNet  # noqa: E402
from limnet_training.paper.ritm import ClickNet  # noqa: E402
from limnet_training.paper.xmem import XMem  # noqa: E402

out = root / "test/networks/fixture"
SIDE, COUNT = 64, 60
torch.manual_seed(4)
torch.set_num_threads(1)


def slices() -> np.ndarray:
    """Whole numbers only, so that every language has the same: a bright disk that drifts, on a pattern."""
    t, r, c = np.mgrid[:COUNT, :SIDE, :SIDE]
    disk = (r - 28 - t // 8) ** 2 + (c - 36 + t // 6) ** 2 <= (14 + t // 10) ** 2
    return (((r * 7 + c * 13 + t * 29 + (r * c) // 8) % 96) + np.where(disk, 140, 10)).astype(np.uint8)


def stir(module: nn.Module) -> nn.Module:
    """Random weights everywhere, also where training begins with zeros; rounded to fp16, as they are stored."""
    with torch.no_grad():
        for name, p in module.named_parameters():
            if p.dim() > 1 and bool((p == 0).all()):
                nn.init.normal_(p, std=0.05)
        for m in module.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.eps = 0.0  # so that folding it leaves weights that fp16 holds
    return module.half().float().eval()


def store_half(folder: Path) -> None:
    """Weights as fp16 behind a Cast, as the shipped graphs have them."""
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        casts = []
        for t in list(model.graph.initializer):
            values = numpy_helper.to_array(t)
            if t.data_type != TensorProto.FLOAT or values.size < 64 or not np.array_equal(values.astype(np.float16).astype(np.float32), values):
                continue
            model.graph.initializer.remove(t)
            model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), t.name + "_fp16"))
            casts.append(helper.make_node("Cast", [t.name + "_fp16"], [t.name], to=TensorProto.FLOAT))
        nodes = casts + list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        onnx.save(model, path)


def sampled(planes: torch.Tensor) -> list[float]:
    """Every 97th pixel."""
    return planes.flatten()[::97].double().numpy().round(5).tolist()


class TinyQuality(nn.Module):
    """Antisymmetric: the larger mask is the better one."""

    def forward(self, pairs):
        return torch.sigmoid((pairs[:, 1] - pairs[:, 2]).mean((1, 2))[:, None] * 8)


volume = slices()
images = torch.from_numpy(volume.astype(np.float32)) / 255
rr, cc = np.mgrid[:SIDE, :SIDE]
prompt = torch.from_numpy(((rr - 28) ** 2 + (cc - 36) ** 2 <= 18**2).astype(np.float32))
shutil.rmtree(out, ignore_errors=True)
expected = {"side": SIDE, "count": COUNT, "every": 97}
hw = {2: "H", 3: "W"}

# ---- lite -------------------------------------------------------------------------------------------------------
w = (8, 8, 16, 16, 16, 16)
click = stir(nets.ClickLite(widths=w, blocks=(0, 1, 0, 0, 0)))


def draw_lite(seed: int) -> SimpleNamespace:
    torch.manual_seed(seed)
    lite = SimpleNamespace(key=stir(nets.KeyLite(widths=w[:5], blocks=(0, 0, 1, 0), key=8)), value=stir(nets.ValueLite(widths=w[:4], blocks=(0, 0, 0), value=16)),
                           decode=stir(nets.DecodeLite(widths=w, blocks=(0, 0, 0, 0, 0), value=16)))
    with torch.no_grad():
        lite.decode.presence[2].bias.fill_(3)
        # Weakly coupled to the slice before: random weights would make rounding grow from slice to slice.
        lite.decode.stem.weight[:, 1:7] *= 0.1
        lite.decode.inject.weight *= 0.3
        readout = torch.zeros(1, 16, SIDE // 8, SIDE // 8)
        z = lite.decode(images[1:2, None], images[:1, None], m, readout)[0]
        lite.decode.head[4].weight *= 14 / z.std()
        lite.decode.head[4].bias -= lite.decode(images[1:2, None], images[:1, None], m, readout)[0].median()
        lite.decode.half().float()
    return lite


m = torch.from_numpy(maps.neighbour_maps(maps.smooth(images[1].numpy()), prompt.numpy(), maps.smooth(images[0].numpy())))[None]
# A pixel at 0.5 changes the seeds of the next slice, and all that follows: no rounding may push one across.
for seed in range(200):
    lite = draw_lite(seed)
    planes, long = run_lite(lite, images, prompt)
    margin, share = float((planes - 0.5).abs().min()), float((planes > 0.5).float().mean())
    if margin > 5e-5 and 0.2 < share < 0.8:
        print(f"lite: seed {seed}, no pixel within {margin:.1e} of 0.5")
        break
else:
    raise SystemExit("no seed does")
f8 = lite.key(images[:1, None])[0]
folder = out / "models/lite"
folder.mkdir(parents=True)
image = images[:1, None]
names = ["f8", "key", "shrinkage", "selection"]
free = {n: {2: f"H_{n}", 3: f"W_{n}"} for n in names}
export.export_graph(export.Click(click), {"image": image, "maps": torch.rand(1, nets.CLICK_MAPS, SIDE, SIDE)}, ["probability"], {"image": hw, "maps": hw, "probability": hw}, folder / "click.onnx")
export.export_graph(lite.key, {"image": image}, names, {"image": hw, **free}, folder / "key.onnx")
export.export_graph(lite.value, {"image": image, "mask": torch.rand_like(image), "f8": f8.detach()}, ["value"],
                    {"image": hw, "mask": hw, "f8": {2: "h", 3: "w"}, "value": {2: "h", 3: "w"}}, folder / "value.onnx")
export.export_graph(export.Decode(lite.decode), {"image": image, "neighbour": image, "maps": m, "readout": torch.rand((SIDE // 8) ** 2, 16)}, ["probability", "presence"],
                    {"image": hw, "neighbour": hw, "maps": hw, "readout": {0: "M"}, "probability": hw}, folder / "decode.onnx")
graphs.export_read(8, 16, folder / "read.onnx")
export.export_graph(TinyQuality(), {"pairs": torch.rand(2, 3, 96, 96)}, ["previous_better"], {"pairs": {0: "B"}, "previous_better": {0: "B"}}, folder / "quality.onnx")
store_half(folder)
fed = [{"image": images[t : t + 1, None].numpy(), "maps": np.random.default_rng(t).random((1, nets.CLICK_MAPS, SIDE, SIDE), np.float32)} for t in range(4)]
quantize.quantise(folder / "click.onnx", fed, folder / "click.int8.onnx")
digest = lambda p: hashlib.sha256(p.read_bytes()).hexdigest()  # noqa: E731
entry = lambda n: {"file": f"lite/{n}.onnx", "sha256": digest(folder / f"{n}.onnx")}  # noqa: E731
settings = json.loads(json.dumps(export.SETTINGS))
settings["click"] |= {"size": SIDE}
settings["propagation"] |= {"sizes": [SIDE], "keyDim": 8, "valueDim": 16}
del settings["propagation"]["walker"]
entries = {n: entry(n) for n in ("click", "key", "value", "read", "decode", "quality")}
entries["click"]["int8"] = {**entry("click.int8"), "loss": 0.1}
manifest = {"version": 1, "default": "lite", "models": {"lite": {"description": "random weights", "settings": settings, "graphs": entries}}}
(out / "models/manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
expected["lite"] = {"longTerm": long, "data": sampled(planes)}

# ---- the paper's layout -----------------------------------------------------------------------------------------
torch.manual_seed(4)
ritm = ClickNet(width=4, ocr_width=8, small=True)
with torch.no_grad():
    ritm.maps_transform[3].scale.fill_(2)
    ritm.feature_extractor.cls_head.weight *= 0.02
ritm = stir(ritm)
xmem = XMem(key=8, value=32, hidden=8, width=2)
with torch.no_grad():
    xmem.key_proj.d_proj.weight *= 0.2
    xmem.key_proj.key_proj.weight *= 0.3
    xmem.value_encoder.hidden_reinforce.transform.weight *= 0.05
    xmem.decoder.hidden_update.transform.weight *= 0.2
xmem = stir(xmem)
resnet = stir(QualityResNet(18, width=4))
with torch.no_grad():
    f16, f8, f4, *_ = xmem.encode_key(images[1][None, None].expand(1, 3, -1, -1))
    z, _ = xmem.decode(f16, f8, f4, torch.zeros(1, 32, SIDE // 16, SIDE // 16), torch.zeros(1, 8, SIDE // 16, SIDE // 16))
    xmem.decoder.pred.weight *= 2 / z.std()
    xmem.decoder.pred.bias -= z.median() * 2 / z.std()
    xmem.decoder.half().float()
values = {"with_prev_mask": True, "use_disks": True, "norm_radius": 5, "binary_prev_mask": False}
for kind, net, about, make in (("ritm", ritm, checkpoints.ritm_settings("hrnet4s", values), graphs.export_click),
                               ("xmem", xmem, checkpoints.xmem_settings(8, 32, 8), graphs.export_xmem),
                               ("resnet", resnet, checkpoints.resnet_settings(18, SIDE), graphs.export_quality)):
    folder = out / kind
    folder.mkdir()
    differences = make(net, folder, SIDE)
    assert max(differences.values()) < 1e-4, differences
    store_half(folder)
    source = {"file": f"random-{kind}.pth", "bytes": 0, "sha256": "0" * 64}
    described = convert.describe(folder, kind, kind, checkpoints.Read(net, about), source, SIDE, differences)
    (folder / "model.json").write_text(json.dumps(described, indent=1) + "\n")
planes, long = run_xmem(xmem, images, prompt)
expected["xmem"] = {"longTerm": long, "data": sampled(planes)}

# One positive click on slice 3 in a view of the whole slice, then a negative one in a view around what was found.
plane, clicks = images[3].numpy(), [(28, 36, True), (50, 12, False)]
previous = np.zeros((SIDE, SIDE), np.float32)
steps = []
for n in (1, 2):
    at = (0.0, 0.0, float(SIDE)) if n == 1 else view.box_view(previous > 0.5, 1.4, SIDE, [(r, c) for r, c, positive in clicks if positive])
    disks = [maps.disks((SIDE, SIDE), [(r - at[0], c - at[1]) for r, c, sign in clicks[:n] if sign == positive], 5) for positive in (True, False)]
    image = torch.from_numpy(view.extract(plane, at, SIDE))[None, None].expand(1, 3, -1, -1)
    with torch.no_grad():
        p = torch.sigmoid(ritm(image, torch.from_numpy(np.stack([view.extract(previous, at, SIDE), *disks]).astype(np.float32))[None]))
    steps.append(p[0, 0].numpy().copy())
    previous = np.zeros((SIDE, SIDE), np.float32)
    view.paste(steps[-1], at, previous)

# Two pairs of disks, in a crop of the whole slice.
disk = lambda row, radius: torch.from_numpy(((rr - row) ** 2 + (cc - 36) ** 2 <= radius**2).astype(np.float32))  # noqa: E731
pairs = torch.stack([torch.stack([images[3], disk(28, 10), disk(30, 16)]), torch.stack([images[40], disk(33, 18), disk(20, 9)])])
with torch.no_grad():
    expected["resnet"] = torch.sigmoid(resnet(pairs))[:, 0].double().numpy().round(6).tolist()
expected["ritm"] = {"clicks": clicks, "data": [sampled(torch.from_numpy(s)) for s in steps]}
(out / "expected.json").write_text(json.dumps(expected) + "\n")
for name in ("lite", "xmem"):
    data = np.array(expected[name]["data"])
    print(f"{name}: {expected[name]['longTerm']} prototypes, share above 0.5 {(data > 0.5).mean():.2f}")
print(f"{sum(p.stat().st_size for p in out.rglob('*') if p.is_file()) / 1e6:.1f} MB")
