"""python -m limnet_training convert --kind ritm|xmem|resnet FILE --out models --name NAME: a public checkpoint -> ONNX graphs and a side-car."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

from . import graphs
from .checkpoints import Refused, load, read_resnet, read_ritm, read_xmem

TOLERANCE = 1e-4
READERS = {"ritm": read_ritm, "xmem": read_xmem, "resnet": read_resnet}
EXPORTS = {"ritm": "export_click", "xmem": "export_xmem", "resnet": "export_quality"}
NOTE = "To use it: npx limnet models add FOLDER --name NAME, then --conf model NAME."


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def describe(part: Path, kind: str, name: str, read, source: dict, size: int | None, differences: dict) -> dict:
    """model.json of a folder of graphs, as `limnet models add` reads it."""
    entries = {p.stem: {"file": p.name, "bytes": p.stat().st_size, "sha256": sha256(p.read_bytes())} for p in sorted(part.glob("*.onnx"))}
    return {
        "version": 1,
        "name": name,
        "layout": kind,
        "note": NOTE,
        "source": source,
        "parameters": sum(p.numel() for p in read.net.parameters()),
        "opset": graphs.OPSET,
        "size": size,
        "graphs": entries,
        # as the engine names a model: sha256 over the sorted digests of its graphs
        "digest": sha256("\n".join(sorted(e["sha256"] for e in entries.values())).encode()),
        "settings": read.settings,
        "warnings": read.warnings,
        "differences": {n: float(f"{d:.2g}") for n, d in differences.items()},
    }


def convert(kind: str, file: Path, out: Path, name: str, size: int | None = None) -> dict:
    """Writes `out`/`name` whole or not at all; returns the side-car. Raises Refused."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
        raise Refused(f'"{name}" is no name: small letters, digits, dots, dashes and underscores.')
    folder = out / name
    if folder.exists():
        raise Refused(f"{folder} is there already: remove it or take another name.")
    if size is not None and (size < 32 or size % 16):
        raise Refused(f"Size {size}: a multiple of 16, at least 32.")
    content, source = load(file)
    read = READERS[kind](content)
    del content
    if kind == "resnet" and size is not None:
        read.settings["size"] = size
    part = out / f".{name}.{os.getpid()}.part"
    part.mkdir(parents=True)
    try:
        differences = getattr(graphs, EXPORTS[kind])(read.net, part, size)
        if bad := {n: d for n, d in differences.items() if d > TOLERANCE}:
            raise Refused(f"ONNX and PyTorch differ by more than {TOLERANCE}: " + ", ".join(f"{n} {d:.1e}" for n, d in bad.items()))
        sidecar = describe(part, kind, name, read, source, size, differences)
        (part / "model.json").write_text(json.dumps(sidecar, indent=2) + "\n")
        os.rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sidecar


def main(argv=None):
    p = argparse.ArgumentParser(prog="limnet_training convert", description=__doc__)
    p.add_argument("file", type=Path, help="the checkpoint; nothing in it is executed")
    p.add_argument("--kind", choices=list(READERS), required=True)
    p.add_argument("--out", type=Path, default=Path("models"))
    p.add_argument("--name", required=True)
    p.add_argument("--size", type=int, help="fixed rows and columns of the graphs (256, 384, 480); default: free. With resnet: of the crops that it was trained on; default 256")
    a = p.parse_args(argv)
    try:
        sidecar = convert(a.kind, a.file, a.out, a.name, a.size)
    except Refused as error:
        raise SystemExit(f"Not converted. {error}") from None
    for warning in sidecar["warnings"]:
        print(f"Note: {warning}", file=sys.stderr)
    for name, entry in sidecar["graphs"].items():
        print(f"{name:12} {entry['bytes'] / 1e6:8.2f} MB  {entry['sha256'][:16]}")
    print(f"{sidecar['settings']['network']}, {sidecar['parameters']:,} parameters; largest difference ONNX - PyTorch "
          f"{max(sidecar['differences'].values()):.1e}\n{a.out / a.name / 'model.json'}\n{NOTE}")


if __name__ == "__main__":
    main()
