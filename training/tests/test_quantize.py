"""Int8 twins of narrow graphs (test/networks/fixture): what is quantised, what is worth it, and what the manifest says then."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from limnet_training import nets, quantize

FIXTURE = Path(__file__).resolve().parents[2] / "test/networks/fixture/models"


def feeds(n: int):
    rng = np.random.default_rng(n)
    return {"image": rng.random((1, 1, 64, 64), np.float32), "maps": rng.random((1, nets.CLICK_MAPS, 64, 64), np.float32)}


@pytest.fixture
def models(tmp_path):
    shutil.copytree(FIXTURE, tmp_path / "models")
    return tmp_path / "models"


def test_wide_convolutions_become_int8_per_channel_and_the_map_stays_near(models, tmp_path):
    out = tmp_path / "click.int8.onnx"
    quantize.quantise(models / "lite/click.onnx", [feeds(n) for n in range(4)], out)
    model = quantize.plain_weights(onnx.load(models / "lite/click.onnx"))
    wide = [n for n in model.graph.node if n.op_type == "Conv" and n.name not in quantize.narrow(model)]
    per_channel = [t for t in onnx.load(out).graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4]
    assert len(per_channel) == len(wide) > 5
    run = lambda path: onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feeds(9))[0]  # noqa: E731
    assert 0 < np.abs(run(out) - run(models / "lite/click.onnx")).max() < 0.1


def test_weights_behind_a_cast_are_the_same_weights_afterwards(models, tmp_path):
    path = models / "lite/key.onnx"
    model = quantize.plain_weights(onnx.load(path))
    assert not any(t.data_type == onnx.TensorProto.FLOAT16 for t in model.graph.initializer)
    onnx.save(model, tmp_path / "plain.onnx")
    run = lambda p: onnxruntime.InferenceSession(str(p), providers=["CPUExecutionProvider"]).run(None, {"image": feeds(1)["image"]})  # noqa: E731
    for a, b in zip(run(path), run(tmp_path / "plain.onnx")):
        np.testing.assert_array_equal(a, b)


def row(graph, **more):
    return {"graph": graph, "loss": 0.1, "ms": 10.0, "int8_ms": 5.0, **more}


@pytest.mark.parametrize(("more", "wanted"), [({}, True), ({"loss": 0.3}, False), ({"loss": -1.0}, True), ({"int8_ms": 10.0}, False)])
def test_worth_it_is_what_loses_little_and_is_faster(more, wanted):
    assert quantize.worth(row("key", **more)) is wanted


def test_the_manifest_names_what_is_worth_it_and_nothing_else(models, tmp_path):
    for name in ("click", "key"):
        (tmp_path / f"{name}.int8.onnx").write_bytes(name.encode())
    taken = quantize.install(models, "lite", tmp_path, [row("click", loss=0.4), row("key")])
    graphs = json.loads((models / "manifest.json").read_text())["models"]["lite"]["graphs"]
    assert taken == ["key"]
    assert graphs["key"]["int8"] == {"file": "lite/key.int8.onnx", "sha256": hashlib.sha256(b"key").hexdigest(), "loss": 0.1}
    assert "int8" not in graphs["click"] and not (models / "lite/click.int8.onnx").exists()
    assert (models / "lite/key.int8.onnx").read_bytes() == b"key"


def test_the_card_gets_the_digests_and_keeps_what_people_wrote(models, tmp_path):
    from limnet_training import export

    manifest = json.loads((models / "manifest.json").read_text())
    manifest["models"]["lite"]["card"] = "lite.md"
    (models / "manifest.json").write_text(json.dumps(manifest))
    marks = ("<!-- digests: written by limnet_training export -->", "<!-- end of digests -->")
    (models / "lite.md").write_text(f"before\n{marks[0]}\nold\n{marks[1]}\nafter\n")
    export.write_card(models)
    text = (models / "lite.md").read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert hashlib.sha256((models / "lite/read.onnx").read_bytes()).hexdigest() in text
    (models / "lite.md").write_text("no place")
    with pytest.raises(SystemExit, match="no place"):
        export.write_card(models)
