"""The converter: what it accepts, what it refuses and in which words, and that the graphs compute what PyTorch does."""

import hashlib
import json
import os
import pickle
import runpy
import sys

import onnx
import paper_grammar as grammar
import pytest
import torch

from limnet_training import export
from limnet_training.paper import QualityResNet, checkpoints, convert, graphs
from limnet_training.paper.checkpoints import Refused, begin_from, load, read_resnet, read_ritm, read_xmem
from limnet_training.paper.xmem import XMem

FE = "feature_extractor."


def hollow_click(name="hrnet18s", **changes):
    return {"state_dict": grammar.hollow(grammar.click(name)), "config": grammar.ritm_config(name, **changes)}


def through_a_file(tmp_path, content):
    path = tmp_path / "file.pth"
    torch.save(content, path)
    return load(path)[0]


# ---- safety --------------------------------------------------------------------------------------------------------

class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("zipped", [True, False, None])
def test_a_pickle_with_code_is_refused_and_does_not_run(tmp_path, zipped):
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    content = {"state_dict": {"maps_transform.0.weight": Evil(mark)}}
    if zipped is None:
        path.write_bytes(pickle.dumps(content, 2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(SystemExit, match="Not converted") as info:
        convert.main(["--kind", "ritm", str(path), "--out", str(tmp_path / "models"), "--name", "evil"])
    assert "weights_only=False" not in str(info.value), "torch's own advice would run it"
    if zipped is not None:
        assert "system" in str(info.value)
    assert not mark.exists()
    assert not (tmp_path / "models").exists()


def test_a_whole_module_is_refused(tmp_path):
    torch.save(torch.nn.Conv2d(1, 1, 1), tmp_path / "module.pth")
    with pytest.raises(Refused, match="it asks for torch.nn.modules.conv.Conv2d"):
        load(tmp_path / "module.pth")


@pytest.mark.parametrize("data", [b"", b"not a checkpoint", b"PK\x03\x04broken", b"<html>Sign in</html>"])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(Refused, match="no PyTorch checkpoint|not opened"):
        load(tmp_path / "x.pth")
    with pytest.raises(Refused, match="cannot be read: No such file"):
        load(tmp_path / "none.pth")


def test_old_file_format_loads(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    content, source = load(tmp_path / "old.pth")
    assert content["a"].tolist() == [1, 1]
    assert source["sha256"] == hashlib.sha256((tmp_path / "old.pth").read_bytes()).hexdigest()


# ---- click checkpoints ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", grammar.SIZES)
def test_click_with_and_without_config(tmp_path, name):
    content = through_a_file(tmp_path, hollow_click(name))
    said = read_ritm(content)
    assert said.settings["network"] == name and said.warnings == []
    for without in ({"state_dict": content["state_dict"]}, content["state_dict"]) if name == "hrnet18s" else (content["state_dict"],):
        inferred = read_ritm(without)
        assert "no usable `config`" in inferred.warnings[0]
        assert inferred.settings == said.settings
    assert said.settings["mapOrder"] == ["previous", "positive", "negative"]
    assert said.settings["clicks"] == {"encoding": "disk", "diskRadius": 5}


def test_without_previous_mask_and_with_distance_maps():
    state = grammar.hollow(grammar.click("hrnet18s", maps=2))
    assert read_ritm(state).settings["mapOrder"] == ["positive", "negative"]
    read = read_ritm({"state_dict": state, "config": grammar.ritm_config("hrnet18s", with_prev_mask=False, use_disks=False, norm_radius=260,
                                                                        use_leaky_relu=False, norm_mean_std=([0.5] * 3, [0.25] * 3))})
    assert read.settings["clicks"] == {"encoding": "distance", "normRadius": 260}
    assert read.settings["previousMask"] is None
    assert isinstance(read.net.maps_transform[1], torch.nn.ReLU)
    assert read.net.normalise.mean.flatten().tolist() == [0.5] * 3


def test_a_config_that_says_less():
    content = hollow_click()
    del content["config"]["params"]["use_disks"], content["config"]["params"]["norm_radius"]
    assert read_ritm(content).warnings == ["`config` does not say use_disks, norm_radius: taken as True, 5."]


def test_cascade_takes_the_last():
    read = read_ritm([{"state_dict": {"nothing": torch.ones(1)}}, hollow_click()])
    assert read.settings["network"] == "hrnet18s"
    assert read.warnings == ["The file holds a cascade of 2 models: only the last one was converted."]
    with pytest.raises(Refused, match="empty list"):
        read_ritm([])


def test_variants_are_refused_by_name():
    state = grammar.hollow(grammar.click("hrnet18s"))
    with pytest.raises(Refused, match=r"RGB-mixing variant \(keys rgb_conv"):
        read_ritm({"state_dict": {**state, "rgb_conv.0.weight": torch.zeros(8, 6, 1, 1)}})
    with pytest.raises(Refused, match="RGB-mixing variant"):
        read_ritm(hollow_click(use_rgb_conv=True))
    with pytest.raises(Refused, match=r"single-convolution variant \(key maps_transform.weight"):
        read_ritm({**{k: v for k, v in state.items() if not k.startswith("maps_transform")}, "maps_transform.weight": torch.zeros(64, 3, 3, 3)})
    with pytest.raises(Refused, match="no HRNet . OCR click network"):
        read_ritm({"state_dict": {FE + "backbone.conv1.weight": torch.zeros(1)}})
    with pytest.raises(Refused, match="use --kind xmem"):
        read_ritm(grammar.hollow(grammar.xmem()))


def test_what_does_not_fit_is_listed_exactly():
    content = hollow_click()
    state = content["state_dict"]
    del state[FE + "stage4.1.fuse_layers.3.0.2.1.bias"], state[FE + "cls_head.weight"]
    state["head.extra"] = torch.zeros(3, 1)
    state["maps_transform.3.scale"] = torch.zeros(2)
    with pytest.raises(Refused) as info:
        read_ritm(content)
    assert str(info.value) == "\n".join([
        "The keys are not those of hrnet18s with OCR width 48 and 3 click maps.",
        "2 missing:",
        "  feature_extractor.stage4.1.fuse_layers.3.0.2.1.bias [144]",
        "  feature_extractor.cls_head.weight [1, 96, 1, 1]",
        "1 not known:",
        "  head.extra [3, 1]",
        "1 of another shape:",
        "  maps_transform.3.scale [2], must be [1]",
    ])
    with pytest.raises(Refused, match="feature_extractor.cls_head.weight is missing or no matrix; the OCR width follows"):
        read_ritm(state)


def test_config_against_weights():
    with pytest.raises(Refused, match=r"contradict each other: width 32 \(weights: 18\), ocr_width 128 \(weights: 48\)\.$"):
        read_ritm({"state_dict": grammar.hollow(grammar.click("hrnet18s")), "config": grammar.ritm_config("hrnet32", small=True)})
    for strange in ({"width": "32"}, {"width": 10**9}, {"norm_radius": -1}, {"norm_mean_std": 3}):
        with pytest.raises(Refused, match="config"):
            read_ritm(hollow_click(**strange))
    with pytest.raises(Refused, match="not of the form"):
        read_ritm({**hollow_click(), "config": "hrnet32"})


def test_entries_that_are_no_weights():
    content = hollow_click()
    with pytest.raises(Refused, match="no plain tensors: epoch"):
        read_ritm({"state_dict": {**content["state_dict"], "epoch": 5}})
    with pytest.raises(Refused, match="no plain tensors: sparse"):
        read_ritm({"state_dict": {**content["state_dict"], "sparse": torch.zeros(2, 2).to_sparse()}})
    with pytest.raises(Refused, match="is no state dictionary"):
        read_ritm(7)
    content["state_dict"]["maps_transform.3.scale"] = torch.tensor([float("nan")])
    with pytest.raises(Refused, match="no finite numbers: maps_transform.3.scale"):
        read_ritm(content)


# ---- propagation checkpoints ---------------------------------------------------------------------------------------

def test_xmem_sizes_are_read_from_the_weights(tmp_path):
    read = read_xmem(through_a_file(tmp_path, grammar.hollow(grammar.xmem())))
    assert read.warnings == []
    assert [read.settings[k] for k in ("keyDim", "valueDim", "hiddenDim")] == [64, 512, 64]
    other = read_xmem(grammar.hollow(grammar.xmem(key=32, value=64, hidden=16)))
    assert [other.settings[k] for k in ("keyDim", "valueDim", "hiddenDim")] == [32, 64, 16]
    without = read_xmem(grammar.hollow(grammar.xmem(value=64, hidden=0)))
    assert without.settings["hiddenDim"] == 0
    assert without.warnings == ["The file has no sensory memory: the graphs have no h."]


def test_single_object_file_gets_a_channel_of_zeros():
    state = grammar.lively(grammar.xmem(value=64, masks=1))
    read = read_xmem(state)
    assert read.warnings == ["The value encoder knows no other objects (4 input channels): a channel of zeros was added."]
    weight = read.net.value_encoder.conv1.weight
    assert torch.equal(weight[:, :4], state["value_encoder.conv1.weight"]) and not weight[:, 4].any()
    assert state["value_encoder.conv1.weight"].shape[1] == 4, "the file's own dictionary is left alone"


def test_xmem_refusals():
    state = grammar.hollow(grammar.xmem(value=64))
    with pytest.raises(Refused, match="training state"):
        read_xmem({"network": state, "it": 3})
    with pytest.raises(Refused, match="use --kind ritm"):
        read_xmem(hollow_click())
    with pytest.raises(Refused, match="use --kind ritm"):
        read_xmem(hollow_click()["state_dict"])
    with pytest.raises(Refused, match="no key key_encoder"):
        read_xmem({"x": torch.ones(1)})
    with pytest.raises(Refused, match="key_proj.key_proj.weight is missing or no matrix; the key dimension"):
        read_xmem({k: v for k, v in state.items() if not k.startswith("key_proj.key_proj")})
    with pytest.raises(Refused, match="no such network"):
        read_xmem({**state, "key_proj.key_proj.weight": torch.zeros(()).expand(10**11, 1024, 3, 3)})
    broken = {k: v for k, v in state.items() if k != "decoder.pred.bias"} | {"decoder.pred.weight": torch.zeros(2, 256, 3, 3), "more": torch.zeros(1)}
    with pytest.raises(Refused) as info:
        read_xmem(broken)
    assert str(info.value).splitlines()[1:] == [
        "1 missing:", "  decoder.pred.bias [1]",
        "1 not known:", "  more [1]",
        "1 of another shape:", "  decoder.pred.weight [2, 256, 3, 3], must be [1, 256, 3, 3]",
    ]


# ---- quality checkpoints -------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("depth", "width"), [(18, 512), (50, 2048)])
def test_an_imagenet_resnet_needs_training_and_is_told_how(tmp_path, depth, width):
    content = through_a_file(tmp_path, grammar.hollow(grammar.resnet(depth)))
    with pytest.raises(Refused) as info:
        read_resnet(content)
    told = str(info.value)
    assert f"All layers but the last fit resnet{depth}" in told and f"fc.weight is [1000, {width}], must be [1, {width}]" in told
    assert f"quality train --net resnet{depth} --weights FILE" in told
    with pytest.raises(Refused, match="fc.weight is missing"):
        read_resnet({k: v for k, v in content.items() if not k.startswith("fc.")})


@pytest.mark.parametrize("depth", [18, 50])
def test_a_trained_quality_network_is_read(tmp_path, depth):
    state = grammar.hollow(grammar.resnet(depth, 1))
    read = read_resnet(through_a_file(tmp_path, state))
    assert read.warnings == [] and read.settings["network"] == f"resnet{depth}" and read.settings["threshold"] == 0.5
    old = {f"module.{k}": v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert [w.split(":")[0] for w in read_resnet({"state_dict": old}).warnings] == [
        "The prefix `module.` of all keys was taken off.", "The file has no counters num_batches_tracked"]


def test_resnets_that_do_not_fit_are_refused_exactly():
    state = grammar.hollow(grammar.resnet(18, 1))
    with pytest.raises(Refused, match=r"takes 1 input channels \(conv1.weight \[64, 1, 7, 7\]\), that of the quality network 3"):
        read_resnet({**state, "conv1.weight": torch.zeros(64, 1, 7, 7)})
    with pytest.raises(Refused, match="This is resnet34: the quality network is resnet18 or resnet50"):
        read_resnet(state | {f"layer3.{n}.conv1.weight": torch.zeros(1) for n in range(2, 6)})
    with pytest.raises(Refused, match="no ResNet as torchvision names it"):
        read_resnet(grammar.hollow(grammar.xmem()))
    broken = {k: v for k, v in state.items() if k != "layer4.1.bn2.weight"} | {"layer2.0.downsample.0.weight": torch.zeros(128, 64, 3, 3), "head": torch.zeros(1)}
    with pytest.raises(Refused) as info:
        read_resnet(broken)
    assert str(info.value).splitlines() == [
        "The keys are not those of resnet18.", "1 missing:", "  layer4.1.bn2.weight [512]", "1 not known:", "  head [1]",
        "1 of another shape:", "  layer2.0.downsample.0.weight [128, 64, 3, 3], must be [128, 64, 1, 1]"]
    with pytest.raises(Refused, match="fc.bias"):
        read_resnet({k: v for k, v in state.items() if k != "fc.bias"})


def test_a_training_begins_from_all_but_the_last_layer(tmp_path):
    state = grammar.lively(grammar.resnet(18))
    torch.save(state, tmp_path / "resnet18.pth")
    net = QualityResNet(18)
    fresh = net.fc.weight.clone()
    assert begin_from(net, tmp_path / "resnet18.pth") == []
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items() if not k.startswith("fc."))
    assert torch.equal(net.fc.weight, fresh)
    with pytest.raises(Refused, match="holds resnet18: say --net resnet18"):
        begin_from(QualityResNet(50), tmp_path / "resnet18.pth")


# ---- the whole way -------------------------------------------------------------------------------------------------

def operators(path):
    model = onnx.load(path)
    assert model.opset_import[0].version == 17
    return {node.op_type for node in model.graph.node}


def check_folder(folder, sidecar):
    assert json.loads((folder / "model.json").read_text()) == json.loads(json.dumps(sidecar))
    assert {p.name for p in folder.iterdir()} == {"model.json"} | {e["file"] for e in sidecar["graphs"].values()}
    for entry in sidecar["graphs"].values():
        assert entry["sha256"] == hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest()
    assert max(sidecar["differences"].values()) <= 1e-4
    assert [p.name for p in folder.parent.iterdir()] == [folder.name], "nothing half-written is left"


def test_click_end_to_end(tmp_path, capsys, monkeypatch):
    """Free sizes: tried at 64 x 64 and at 75 x 101. The comparison is with the plain network."""
    path, out = tmp_path / "hrnet18s.pth", tmp_path / "models"
    state = grammar.lively(grammar.click("hrnet18s"))
    torch.save({"state_dict": {k: v.half() if k.startswith(FE + "stage4") and v.is_floating_point() else v for k, v in state.items()},
                "config": grammar.ritm_config("hrnet18s")}, path)
    monkeypatch.setattr(sys, "argv", ["limnet_training", "convert", "--kind", "ritm", str(path), "--out", str(out), "--name", "ritm-18s"])
    runpy.run_module("limnet_training", run_name="__main__")
    assert "limnet models add" in capsys.readouterr().out
    sidecar = json.loads((out / "ritm-18s" / "model.json").read_text())
    check_folder(out / "ritm-18s", sidecar)
    assert sidecar["layout"] == "ritm" and sidecar["parameters"] == 4_220_047
    assert sidecar["source"] == {"file": "hrnet18s.pth", "bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    settings = sidecar["settings"]
    assert settings["image"]["mean"] == [0.485, 0.456, 0.406] and settings["threshold"] == 0.5 and settings["zoom"]["target"] == 400
    found = operators(out / "ritm-18s" / "click.onnx")
    assert "BatchNormalization" not in found

    with pytest.raises(SystemExit, match="is there already"):
        convert.main(["--kind", "ritm", str(path), "--out", str(out), "--name", "ritm-18s"])
    for name in ("../up", "UP", "", "a/b"):
        with pytest.raises(SystemExit, match="is no name"):
            convert.main(["--kind", "ritm", str(path), "--out", str(out), "--name", name])
    convert.main(["--kind", "ritm", str(path), "--out", str(out), "--name", "fixed", "--size", "96"])
    shape = onnx.load(out / "fixed" / "click.onnx").graph.input[1].type.tensor_type.shape
    assert [d.dim_value for d in shape.dim] == [1, 3, 96, 96]


def test_xmem_end_to_end(tmp_path):
    """Free sizes: tried at 64 x 64 and at 80 x 112, two slices, link by link against the plain layout."""
    path, out = tmp_path / "xmem.pth", tmp_path / "models"
    torch.save(grammar.lively(grammar.xmem()), path)
    sidecar = convert.convert("xmem", path, out, "xmem")
    check_folder(out / "xmem", sidecar)
    assert sidecar["layout"] == "xmem" and sidecar["parameters"] == 62_185_224
    assert set(sidecar["graphs"]) == {"key", "value_image", "value", "read", "decode"}
    assert set(sidecar["differences"]) == {"key", "shrinkage", "selection", "value", "readout", "probability", "logits", "h_deep", "h"}
    for name in sidecar["graphs"]:
        assert "BatchNormalization" not in operators(out / "xmem" / f"{name}.onnx")
    assert not {"Shape", "Resize"} & operators(out / "xmem" / "key.onnx")


def test_quality_end_to_end(tmp_path, capsys):
    path, out = tmp_path / "best.pt", tmp_path / "models"
    torch.save(grammar.lively(grammar.resnet(18, 1)), path)
    convert.main(["--kind", "resnet", str(path), "--out", str(out), "--name", "resnet18"])
    sidecar = json.loads((out / "resnet18" / "model.json").read_text())
    check_folder(out / "resnet18", sidecar)
    assert sidecar["layout"] == "resnet" and sidecar["parameters"] == 11_177_025 and set(sidecar["graphs"]) == {"quality"}
    assert sidecar["settings"]["size"] == 256 and set(sidecar["differences"]) == {"previous_better", "logits"}
    convert.main(["--kind", "resnet", str(path), "--out", str(out), "--name", "small", "--size", "96"])
    assert json.loads((out / "small" / "model.json").read_text())["settings"]["size"] == 96
    torch.save(grammar.hollow(grammar.resnet(18)), path)
    with pytest.raises(SystemExit, match="Not converted. All layers but the last fit resnet18"):
        convert.main(["--kind", "resnet", str(path), "--out", str(out), "--name", "imagenet"])
    assert not (out / "imagenet").exists()


def test_xmem_without_sensory_memory_and_of_one_size(tmp_path):
    path = tmp_path / "small.pth"
    torch.save(grammar.lively(grammar.xmem(key=32, value=64, hidden=0)), path)
    sidecar = convert.convert("xmem", path, tmp_path / "models", "small", size=48)
    check_folder(tmp_path / "models" / "small", sidecar)
    assert sidecar["size"] == 48 and "h" not in sidecar["differences"]
    with pytest.raises(Refused, match="multiple of 16"):
        convert.convert("xmem", path, tmp_path / "models", "odd", size=50)


@torch.no_grad()
def test_read_graph_with_few_and_many_elements(tmp_path):
    graphs.export_read(64, 8, tmp_path / "read.onnx")
    for n, m, k in ((1, 3, 1), (40, 9, 30)):
        feeds = {"mk": torch.randn(64, n), "ms": torch.rand(1, n) + 1, "mv": torch.randn(n, 8), "qk": torch.randn(64, m), "qe": torch.rand(64, m),
                 "k": torch.tensor([k])}
        readout, weights, indices = graphs.run(tmp_path / "read.onnx", feeds)
        assert weights.shape == indices.shape == (m, k)
        assert torch.allclose(weights.sum(1), torch.ones(m))
        assert torch.allclose(readout, (feeds["mv"][indices] * weights[:, :, None]).sum(1), atol=1e-5)
        distance = (feeds["qe"][:, :, None] * (feeds["mk"][:, None] - feeds["qk"][:, :, None]) ** 2).sum(0)  # M x N, as 2.5 defines it
        s = -distance * feeds["ms"] / 8
        assert torch.allclose(s.topk(k, 1).values.softmax(1), weights, atol=1e-4)


def test_an_export_that_differs_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "x.pth"
    torch.save(hollow_click(), path)
    monkeypatch.setattr(graphs, "export_click", lambda *_: {"probability": 0.5, "logits": 1e-5})
    with pytest.raises(Refused, match="differ by more than 0.0001: probability 5.0e-01"):
        convert.convert("ritm", path, tmp_path / "models", "x")
    assert list((tmp_path / "models").iterdir()) == []


@torch.no_grad()
def test_quality_exports_like_the_lite_one(tmp_path):
    net = QualityResNet(18).eval()
    pairs = torch.rand(2, 3, 64, 64)
    graphs.write(export.Quality(net), {"pairs": pairs}, ["previous_better"], {"pairs": {0: "B"}, "previous_better": {0: "B"}}, tmp_path / "q.onnx")
    more = torch.rand(3, 3, 64, 64)
    assert graphs.difference(torch.sigmoid(net(more)), graphs.run(tmp_path / "q.onnx", {"pairs": more})[0]) <= 1e-4


def test_readers_are_those_of_the_command():
    assert convert.READERS == {"ritm": checkpoints.read_ritm, "xmem": checkpoints.read_xmem, "resnet": checkpoints.read_resnet}
    assert XMem(value=64).dims == {"key": 64, "value": 64, "hidden": 64}
