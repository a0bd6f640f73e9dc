"""python -m limnet_training export: state dicts -> models/lite/*.onnx (weights stored as fp16, computed in fp32) and the manifest."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from . import export, nets


def half(state: dict) -> dict:
    return {k: v.half().float() if v.is_floating_point() else v for k, v in state.items()}


def main(argv=None):
    p = argparse.ArgumentParser(prog="limnet_training export")
    p.add_argument("--click", type=Path)
    p.add_argument("--propagation", type=Path)
    p.add_argument("--quality", type=Path)
    p.add_argument("--out", type=Path, default=Path("models"))
    a = p.parse_args(argv)
    loaded = []
    for path, make in ((a.click, nets.ClickLite), (a.propagation, nets.PropagationLite), (a.quality, nets.QualityLite)):
        if path is None:
            loaded.append(None)
            continue
        net = make()
        net.load_state_dict(half(torch.load(path, weights_only=True)))
        loaded.append(net.eval())
    for name, diff in export.export_all(*loaded, a.out).items():
        print(f"{name:8} largest difference ONNX - PyTorch {diff:.1e}")
        if diff > 1e-4:
            raise SystemExit(f"{name}: ONNX and PyTorch differ")
    export.shrink(a.out)
    export.write_manifest(a.out)
    export.write_card(a.out)
    for f in sorted((a.out / "lite").glob("*.onnx")):
        print(f"{f.name:14} {f.stat().st_size / 1e6:6.2f} MB")


if __name__ == "__main__":
    main()
