"""Public click (RITM), propagation (XMem) and ResNet checkpoints -> networks. What does not fit is refused, and named (specification 1.9, 2.8, 3.2)."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch

from .layers import MEAN, STD
from .quality import QualityResNet
from .ritm import ClickNet
from .xmem import XMem

FE = "feature_extractor."
SINGLE_OBJECT = "value_encoder.conv1.weight"


class Refused(Exception):
    """The sentence for the user: what is wrong with the file."""


@dataclass
class Read:
    """A network with the weights of the file, the settings that belong to it, and what was assumed."""

    net: ClickNet | XMem | QualityResNet
    settings: dict
    warnings: list[str] = field(default_factory=list)


def load(path: Path) -> tuple[object, dict]:
    """-> what the file holds, and {"file", "bytes", "sha256"}. Only containers, strings, numbers and tensors are ever made of it: nothing in it runs."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    source = {"file": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), source
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f"it asks for {found[1]}" if found else "it is damaged or not of PyTorch"
        raise Refused(f"{path} was not opened, only containers, strings, numbers and tensors are allowed: {what}.") from error
    except Exception as error:  # noqa: BLE001: a strange file may fail anywhere in the reader
        raise Refused(f"{path} is no PyTorch checkpoint, or is damaged ({type(error).__name__}).") from error


def misfits(state: dict, expected: dict[str, torch.Size]) -> str:
    """Every key that is missing, too much, or of another shape; empty when all fit."""
    groups = {
        "missing": [f"{k} {list(shape)}" for k, shape in expected.items() if k not in state],
        "not known": [f"{k} {list(state[k].shape)}" for k in state if k not in expected],
        "of another shape": [f"{k} {list(state[k].shape)}, must be {list(shape)}" for k, shape in expected.items()
                             if k in state and state[k].shape != shape],
    }
    return "\n".join(f"{len(lines)} {name}:\n" + "\n".join(f"  {line}" for line in lines) for name, lines in groups.items() if lines)


def tensors_only(state: object, where: str) -> dict:
    if not isinstance(state, dict) or not state:
        raise Refused(f"{where} is no state dictionary.")
    bad = [str(k) for k, v in state.items() if not (isinstance(k, str) and isinstance(v, torch.Tensor) and v.layout == torch.strided
                                                    and not v.is_quantized and not v.is_complex())]
    if bad:
        raise Refused(f"{where} holds entries that are no plain tensors: {', '.join(bad)}.")
    return state


def fill(make, state: dict, what: str):
    """Strict loading into a new network, with a full list of what does not fit."""
    with torch.device("meta"):
        expected = {k: v.shape for k, v in make().state_dict().items()}
    if text := misfits(state, expected):
        raise Refused(f"The keys are not those of {what}.\n{text}")
    broken = [k for k, v in state.items() if not bool(torch.isfinite(v).all())]
    if broken:
        raise Refused(f"Weights that are no finite numbers: {', '.join(broken)}.")
    net = make()
    net.load_state_dict({k: v if k.endswith("num_batches_tracked") else v.float() for k, v in state.items()})
    return net.eval()


def rows(state: dict, key: str, what: str) -> torch.Size:
    if key not in state or state[key].dim() < 2:
        raise Refused(f"The key {key} is missing or no matrix; {what} follows from it.")
    if max(state[key].shape) > 8192:
        raise Refused(f"The key {key} has the shape {list(state[key].shape)}: no such network exists.")
    return state[key].shape


# ---- click -------------------------------------------------------------------------------------------------------

ASSUMED = {"use_leaky_relu": True, "use_disks": True, "norm_radius": 5, "binary_prev_mask": False, "norm_mean_std": (MEAN, STD)}
IS_VALID = {
    **dict.fromkeys(("width", "ocr_width"), lambda v: type(v) is int and 0 < v <= 512),
    **dict.fromkeys(("small", "with_prev_mask", "use_leaky_relu", "use_disks", "binary_prev_mask", "use_rgb_conv"), lambda v: type(v) is bool),
    "norm_radius": lambda v: type(v) in (int, float) and v > 0,
    "norm_mean_std": lambda v: len(v) == 2 and all(len(t) == 3 and all(type(x) in (int, float) for x in t) for t in v) and min(v[1]) > 0,
}


def config_values(config: object) -> dict:
    """{name: value} of the entries of `config` that matter here."""
    try:
        found = {k: config["params"][k]["value"] for k in IS_VALID if k in config["params"]}
        wrong = [k for k, v in found.items() if not IS_VALID[k](v)]
    except (TypeError, KeyError, ValueError) as error:
        raise Refused("The entry `config` is not of the form {params: {name: {value}}}.") from error
    if wrong:
        raise Refused("Strange values in `config`: " + ", ".join(f"{k} = {found[k]!r}" for k in wrong) + ".")
    return found


def ritm_settings(name: str, values: dict, mean=MEAN, std=STD) -> dict:
    """`values`: as `config` has them, completed."""
    previous = values["with_prev_mask"]
    return {
        "network": name,
        "image": {"channels": 3, "range": [0, 1], "grey": "copied to three channels", "mean": mean, "std": std, "normalisedBy": "graph"},
        "mapOrder": (["previous"] if previous else []) + ["positive", "negative"],
        "previousMask": ("binary" if values["binary_prev_mask"] else "probability") if previous else None,
        "clicks": {"encoding": "disk" if values["use_disks"] else "distance",
                   ("diskRadius" if values["use_disks"] else "normRadius"): values["norm_radius"]},
        "threshold": 0.5,
        "benchmarkThreshold": 0.49,
        "resize": "bilinear, corners aligned",
        "zoom": {"skipClicks": 1, "target": 400, "targetLarge": 600, "expansion": 1.4, "minCrop": 200, "keepOverlap": 0.5, "threshold": 0.5},
    }


def read_ritm(content: object) -> Read:
    warnings = []
    if isinstance(content, (list, tuple)):
        if not content:
            raise Refused("The file holds an empty list.")
        warnings.append(f"The file holds a cascade of {len(content)} models: only the last one was converted.")
        content = content[-1]
    whole = isinstance(content, dict) and "state_dict" in content
    state = tensors_only(content["state_dict"] if whole else content, "The entry `state_dict`" if whole else "The file")
    config = config_values(content["config"]) if whole and content.get("config") is not None else {}

    if config.get("use_rgb_conv") or any(k.startswith("rgb_conv.") for k in state):
        raise Refused("This is the RGB-mixing variant (keys rgb_conv.*): clicks are mixed into the image before the backbone. "
                      "Only models with a click branch of their own (maps_transform.0, .2 and .3) can be converted.")
    if "maps_transform.weight" in state:
        raise Refused("This is the single-convolution variant (key maps_transform.weight, no index). "
                      "Only the click branch of two convolutions and a scale (maps_transform.0, .2 and .3) can be converted.")
    if "key_encoder.conv1.weight" in state:
        raise Refused("This looks like an XMem checkpoint: use --kind xmem.")
    if not any(k.startswith(FE + "transition1.") for k in state):
        raise Refused(f"This is no HRNet + OCR click network: no key {FE}transition1.*.")

    if not config:
        warnings.append("The file has no usable `config`: sizes were read from the weights; assumed: LeakyReLU, disks of radius 5, the previous mask "
                        "as a probability, ImageNet mean and std.")
    elif assumed := [k for k in ASSUMED if k not in config]:
        warnings.append(f"`config` does not say {', '.join(assumed)}: taken as {', '.join(str(ASSUMED[k]) for k in assumed)}.")
    values = {**ASSUMED, **config}
    # what the weights say by themselves; asked only where `config` is silent, or to hold it against them
    told = {
        "width": lambda: rows(state, FE + "transition1.0.0.weight", "the width")[0],
        "ocr_width": lambda: rows(state, FE + "cls_head.weight", "the OCR width")[1] // 2,
        "small": lambda: not any(k.startswith(FE + "layer1.2.") for k in state),
        "with_prev_mask": lambda: rows(state, "maps_transform.0.weight", "the number of click maps")[1] == 3,
    }
    for k, tell in told.items():
        if k not in config:
            values[k] = tell()
    differ = []
    for k in (k for k in told if k in config):
        try:
            if (seen := told[k]()) != config[k]:
                differ.append(f"{k} {config[k]} (weights: {seen})")
        except Refused:
            pass  # that key is missing: the list below says so
    if differ:
        raise Refused(f"`config` and weights contradict each other: {', '.join(differ)}.")
    width, ocr, small, previous = (values[k] for k in told)
    mean, std = (tuple(float(x) for x in t) for t in values["norm_mean_std"])
    name = f"hrnet{width}{'s' if small else ''}"
    net = fill(lambda: ClickNet(width, ocr, small, previous, values["use_leaky_relu"], mean, std), state,
               f"{name} with OCR width {ocr} and {3 if previous else 2} click maps")
    return Read(net, ritm_settings(name, values, mean, std), warnings)


# ---- propagation ---------------------------------------------------------------------------------------------------

def xmem_settings(key: int, value: int, hidden: int) -> dict:
    return {
        "network": "xmem",
        "image": {"channels": 3, "range": [0, 1], "grey": "copied to three channels", "mean": MEAN, "std": STD, "normalisedBy": "graph",
                  "padWith": "mean"},
        "keyDim": key,
        "valueDim": value,
        "hiddenDim": hidden,
        "stride": 16,
        "sizeMultiple": 16,
        "shorterSide": 480,
        "threshold": 0.5,
        "resize": "bilinear, half-pixel",
        "probability": "aggregated",
        "memory": {"memoryEvery": 5, "topK": 30, "minSlices": 5, "maxSlices": 10, "prototypes": 128, "longTermMax": 10000},
    }


def read_xmem(content: object) -> Read:
    warnings = []
    if isinstance(content, dict) and "network" in content:
        raise Refused("This is a training state (entry `network` beside others), not a bare state dictionary: save that entry alone.")
    if isinstance(content, dict) and ("state_dict" in content or any(str(k).startswith(FE) for k in content)):
        raise Refused("This is no XMem checkpoint, which is a bare state dictionary; if it is a click network use --kind ritm.")
    state = dict(tensors_only(content, "The file"))
    if not any(k.startswith("key_encoder.") for k in state):
        raise Refused("This is no XMem checkpoint: no key key_encoder.*.")

    key = rows(state, "key_proj.key_proj.weight", "the key dimension")[0]
    value = rows(state, "value_encoder.fuser.block2.conv2.weight", "the value dimension")[0]
    hidden = 0
    if any(k.startswith(("decoder.hidden_update.", "value_encoder.hidden_reinforce.")) for k in state):
        hidden = rows(state, "decoder.hidden_update.transform.weight", "the size of the sensory memory")[0] // 3
    else:
        warnings.append("The file has no sensory memory: the graphs have no h.")
    first = state.get(SINGLE_OBJECT)
    if first is not None and first.dim() == 4 and first.shape[1] == 4:
        state[SINGLE_OBJECT] = torch.cat([first, torch.zeros_like(first[:, :1])], 1)
        warnings.append("The value encoder knows no other objects (4 input channels): a channel of zeros was added.")
    net = fill(lambda: XMem(key, value, hidden), state, f"XMem with key {key}, value {value} and sensory {hidden} channels")
    return Read(net, xmem_settings(key, value, hidden), warnings)


# ---- quality -------------------------------------------------------------------------------------------------------

RESNETS = {(False, 2): 18, (True, 6): 50}  # (has bottlenecks, blocks of layer3): the ones that the paper names
NAMES = {(False, 2): "resnet18", (False, 6): "resnet34", (True, 6): "resnet50", (True, 23): "resnet101", (True, 36): "resnet152"}


def resnet_settings(depth: int, size: int | None = None) -> dict:
    """`size`: rows and columns of the crops that it was trained on."""
    return {
        "network": f"resnet{depth}",
        "channels": ["slice", "previous mask", "current mask"],
        "image": {"channels": 3, "range": [0, 1], "mean": [0.45, 0.5, 0.5], "std": [0.225, 0.5, 0.5], "normalisedBy": "graph"},
        "size": size or 256,
        "expansion": 1.5,
        "minSide": 32,
        "threshold": 0.5,
    }


def resnet_state(content: object) -> tuple[dict, int, list[str]]:
    """-> (state dictionary with the keys of torchvision, depth, notes). Everything but `fc` fits the quality network then."""
    notes = []
    whole = isinstance(content, dict) and "state_dict" in content
    state = dict(tensors_only(content["state_dict"] if whole else content, "The entry `state_dict`" if whole else "The file"))
    if all(k.startswith("module.") for k in state):
        state = {k.removeprefix("module."): v for k, v in state.items()}
        notes.append("The prefix `module.` of all keys was taken off.")
    if "conv1.weight" not in state or "layer1.0.conv1.weight" not in state:
        raise Refused("This is no ResNet as torchvision names it: the keys conv1.weight and layer1.0.conv1.weight are missing.")
    found = ("layer1.0.conv3.weight" in state, sum(re.fullmatch(r"layer3\.\d+\.conv1\.weight", k) is not None for k in state))
    if found not in RESNETS:
        raise Refused(f"This is {NAMES.get(found, f'a ResNet with {found[1]} blocks in layer3')}: the quality network is resnet18 or resnet50.")
    depth = RESNETS[found]
    first = state["conv1.weight"]
    if first.dim() == 4 and first.shape[1] != 3:
        raise Refused(f"The first convolution takes {first.shape[1]} input channels (conv1.weight {list(first.shape)}), that of the quality network 3: "
                      "slice, previous mask and current mask.")
    with torch.device("meta"):
        expected = {k: v.shape for k, v in QualityResNet(depth).state_dict().items()}
    counters = [k for k in expected if k.endswith("num_batches_tracked") and k not in state]
    if counters and len(counters) == sum(k.endswith("num_batches_tracked") for k in expected):
        state |= {k: torch.tensor(0) for k in counters}  # older files have none, and only training reads them
        notes.append("The file has no counters num_batches_tracked: taken as 0.")
    body = {k: v for k, v in state.items() if not k.startswith("fc.")}
    if text := misfits(body, {k: v for k, v in expected.items() if not k.startswith("fc.")}):
        raise Refused(f"The keys are not those of resnet{depth}.\n{text}")
    return state, depth, notes


def read_resnet(content: object) -> Read:
    """A trained quality network. A ResNet of ImageNet is refused: its classes say nothing of masks, `quality train --weights` begins from it."""
    state, depth, notes = resnet_state(content)
    last = state.get("fc.weight")
    if last is None or last.dim() != 2 or last.shape[0] != 1:
        raise Refused(f"All layers but the last fit resnet{depth}, and the last one does not: "
                      f"{'fc.weight is missing' if last is None else f'fc.weight is {list(last.shape)}'}, must be {[1, 512 if depth == 18 else 2048]}, the probability "
                      "that the previous mask is the better one. No classifier knows that, it has to be trained from here, on pairs of masks:\n"
                      f"  python -m limnet_training quality train --net resnet{depth} --weights FILE --pairs … --val-pairs … --index … --run RUN\n"
                      f"  python -m limnet_training convert --kind resnet RUN/best.pt --name NAME")
    net = fill(lambda: QualityResNet(depth), state, f"resnet{depth} with one output")
    return Read(net, resnet_settings(depth), notes)


def begin_from(net: QualityResNet, path: Path) -> list[str]:
    """Weights of a public ResNet for all layers but `fc`, to begin a training from. Returns notes. Raises Refused."""
    state, depth, notes = resnet_state(load(path)[0])
    own = net.state_dict()
    if depth != (50 if "layer1.0.conv3.weight" in own else 18):
        raise Refused(f"{path} holds resnet{depth}: say --net resnet{depth}.")
    if broken := [k for k, v in state.items() if not bool(torch.isfinite(v).all())]:
        raise Refused(f"Weights that are no finite numbers: {', '.join(broken)}.")
    net.load_state_dict({k: own[k] if k.startswith("fc.") else state[k].to(own[k].dtype) for k in own})
    return notes
