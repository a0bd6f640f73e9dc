"""The paper's networks against the specification: counts, keys, work, and the two exact shortcuts of the export."""

import paper_grammar as grammar
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from limnet_training import paper
from limnet_training.paper.hrnet import resize
from limnet_training.paper.ocr import gather
from limnet_training.paper.ritm import ClickGraph, ClickNet
from limnet_training.paper.xmem import CBAM, DecodeGraph, KeyGraph, Update, ValueGraph, ValueImageGraph, XMem, aggregate, up


def meta(kind, name):
    with torch.device("meta"):
        return paper.make(kind, name).eval()


def shapes(net):
    return {k: tuple(v.shape) for k, v in net.state_dict().items()}


def macs(run):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return round(counter.get_total_flops() / 2e9, 1)


@pytest.mark.parametrize(("kind", "name", "count"), [
    ("click", "hrnet32", 30_951_363), ("click", "hrnet18", 10_032_019), ("click", "hrnet18s", 4_220_047),
    ("propagation", "base", 62_185_224), ("quality", "resnet18", 11_177_025), ("quality", "resnet50", 23_510_081),
])
def test_parameters(kind, name, count):
    assert sum(p.numel() for p in meta(kind, name).parameters()) == count


@pytest.mark.parametrize(("name", "entries"), [("hrnet32", 1895), ("hrnet18", 1895), ("hrnet18s", 929)])
def test_click_keys(name, entries):
    expected = grammar.click(name)
    assert len(expected) == entries
    assert shapes(meta("click", name)) == expected


@pytest.mark.parametrize(("hidden", "entries"), [(64, 412), (0, 402)])
def test_propagation_keys(hidden, entries):
    expected = grammar.xmem(hidden=hidden)
    assert len(expected) == entries
    with torch.device("meta"):
        assert shapes(XMem(hidden=hidden)) == expected


@pytest.mark.parametrize(("kind", "name", "made"), [
    ("click", "hrnet32", lambda: grammar.click("hrnet32")), ("click", "hrnet18s", lambda: grammar.click("hrnet18s")), ("propagation", "base", grammar.xmem),
])
def test_loads_strictly_and_gives_back(kind, name, made):
    state = grammar.lively(made())
    net = meta(kind, name)
    net.load_state_dict(state, strict=True, assign=True)
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    with pytest.raises(RuntimeError, match="Missing key"):
        net.load_state_dict({k: v for k, v in state.items() if not k.endswith("bn1.bias")}, strict=True, assign=True)


@pytest.mark.parametrize(("name", "work"), [("hrnet32", 16.8), ("hrnet18", 6.2), ("hrnet18s", 3.6)])
def test_click_work(name, work):
    """Multiply-accumulates at 256 x 256 (6.1): a wrong stride or width would show."""
    net, x = meta("click", name), torch.empty(1, 3, 256, 256, device="meta")
    assert macs(lambda: net(x, x)) == work


def test_propagation_and_quality_work():
    net = meta("propagation", "base")
    with torch.device("meta"), torch.no_grad():
        image, mask, value, h = torch.empty(1, 3, 256, 256), torch.empty(1, 1, 256, 256), torch.empty(1, 512, 16, 16), torch.empty(1, 64, 16, 16)
        f16, f8, f4, *_ = net.encode_key(image)
        cx = dx = torch.empty(1, 512, 16, 16)
        assert macs(lambda: net.encode_key(image)) == 4.6
        assert macs(lambda: net.encode_value(image, mask, mask, f16, h)) == 7.0
        assert macs(lambda: net.decode(f16, f8, f4, value, h)) == 18.5
        assert macs(lambda: (KeyGraph(net)(image), ValueImageGraph(net)(f16))) == 14.2  # 14.3 in the specification, summed from rounded parts
        assert macs(lambda: ValueGraph(net)(image, mask, mask, cx, dx, h)) == 4.6
        skip8, skip4 = torch.empty(1, 512, 32, 32), torch.empty(1, 256, 64, 64)
        assert macs(lambda: DecodeGraph(net)(skip8, skip4, cx, dx, torch.empty(256, 512), h)) == 11.2
    assert macs(lambda: meta("quality", "resnet18")(image)) == 2.4
    assert macs(lambda: meta("quality", "resnet50")(image)) == 5.3


@pytest.fixture(scope="module")
def click():
    net = ClickNet(18, 48, small=True)
    net.load_state_dict(grammar.lively(grammar.click("hrnet18s")))
    return net.eval()


@torch.no_grad()
def test_attention_is_one_vector(click):
    image, maps = torch.rand(2, 2, 3, 64, 80)
    plain = click(image, maps)
    assert plain.shape == (2, 1, 64, 80)
    assert plain.std() > 0.1 and (plain.abs() < 4).float().mean() > 0.5, "lively, not saturated: the comparison means something"
    assert (torch.sigmoid(plain) - ClickGraph(click)(image, maps)).abs().max() <= 1e-5
    query = click.feature_extractor.ocr_distri_head.object_context_block.f_pixel[0].weight
    before = query.clone()
    query.mul_(-3)
    assert torch.allclose(click(image, maps), plain, atol=1e-6), "the query has no say with one class"
    query.copy_(before)


@torch.no_grad()
def test_click_any_size_and_image_per_image(click):
    image, maps = torch.rand(2, 2, 3, 45, 67)
    both = click(image, maps)
    assert both.shape == (2, 1, 45, 67)
    assert torch.allclose(both[1:], click(image[1:], maps[1:]), atol=1e-4)


@torch.no_grad()
def test_click_branch(click):
    """LeakyReLU 0.2 between the two convolutions, then times the size of the scale, added after the first ReLU of the stem."""
    maps = torch.rand(1, 3, 32, 32)
    first, leaky, second, scale = click.maps_transform
    assert torch.equal(leaky(torch.tensor([-1.0])), torch.tensor([-0.2]))
    assert torch.allclose(click.maps_transform(maps), second(leaky(first(maps))) * scale.scale.abs())
    assert float(ClickNet(18, 48, True).maps_transform[3].scale) == pytest.approx(0.05)
    features = click.feature_extractor
    seen = []
    hook = features.conv2.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    click(torch.rand(1, 3, 32, 32), maps)
    click(torch.rand(1, 3, 32, 32), maps * 0)
    hook.remove()
    assert seen[0].shape == (1, 64, 16, 16)
    assert (seen[0] - click.maps_transform(maps)).min() >= -1e-6
    assert (seen[0] - click.maps_transform(maps)).max() > 0


def test_training_gives_aux_logits_too():
    net = ClickNet(18, 48, small=True).train()
    out, aux = net(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    assert out.shape == aux.shape == (2, 1, 64, 64)
    (out.mean() + aux.mean()).backward()
    without = [n for n, p in net.named_parameters() if p.grad is None]
    assert without == []


def test_resizing_click_by_corners_propagation_by_half_pixels():
    x = torch.tensor([0.0, 1.0]).expand(1, 1, 2, 2)
    assert resize(x, torch.empty(1, 1, 2, 3))[0, 0, 0].tolist() == [0, 0.5, 1]
    assert up(x, 2)[0, 0, 0].tolist() == [0, 0.25, 0.75, 1]


@torch.no_grad()
def test_gates():
    gate = CBAM(16)
    conv, (_, first, _, last) = gate.SpatialGate.spatial["conv"], gate.ChannelGate.mlp
    for p in gate.parameters():
        p.zero_()
    x = torch.rand(1, 16, 8, 8)
    assert torch.allclose(gate(x), x / 4), "two closed gates, half each"
    conv.weight[0, 0, 3, 3] = 1  # the first of the two maps is the largest value of all channels
    assert torch.allclose(gate(x), x / 2 * torch.sigmoid(x.amax(1, keepdim=True) / 2))
    conv.weight.zero_()
    first.weight.fill_(1), last.weight.fill_(0.1)
    want = torch.sigmoid(0.1 * (x.mean((2, 3)).sum() + x.amax((2, 3)).sum()))
    assert torch.allclose(gate(x), x * want / 2)


def test_gather_is_a_weighted_mean():
    features, logits = torch.rand(1, 2, 3, 4), torch.full((1, 1, 3, 4), -50.0)
    logits[0, 0, 1, 2] = 50
    assert torch.allclose(gather(features, logits)[0, :, 0, 0], features[0, :, 1, 2])


@pytest.fixture(scope="module")
def propagation():
    net = XMem()
    net.load_state_dict(grammar.lively(grammar.xmem()))
    return net.eval()


@torch.no_grad()
def test_split_equals_plain(propagation):
    net = propagation
    image, mask, others = torch.rand(1, 3, 64, 96), torch.rand(1, 1, 64, 96), torch.rand(1, 1, 64, 96)
    h = torch.rand(1, 64, 4, 6) * 2 - 1
    f16, f8, f4, key, shrinkage, selection = net.encode_key(image)
    assert [tuple(t.shape[1:]) for t in (f4, f8, f16, key, shrinkage)] == [(256, 16, 24), (512, 8, 12), (1024, 4, 6), (64, 4, 6), (1, 4, 6)]
    assert shrinkage.min() >= 1 and 0 < selection.min() and selection.max() < 1
    value, deep = net.encode_value(image, mask, others, f16, h)
    logits, normal = net.decode(f16, f8, f4, value, h)
    assert logits.shape == (1, 1, 64, 96) and logits.std() > 0.1 and (logits.abs() < 4).float().mean() > 0.2

    cached = dict(zip(KeyGraph.outputs, KeyGraph(net)(image)))
    v, d = ValueGraph(net)(image, mask, others, *ValueImageGraph(net)(cached["f16"]), h)
    p, n = DecodeGraph(net)(*[cached[k] for k in ("skip8", "skip4", "cx", "dx")], value[0].flatten(1).T, h)
    for want, got in ((key, cached["key"]), (shrinkage, cached["shrinkage"]), (selection, cached["selection"]), (value, v), (deep, d),
                      (aggregate(logits), p), (normal, n)):
        assert (want - got).abs().max() <= 5e-5


def test_aggregation_closed_form():
    z = torch.linspace(-20, 20, 201, dtype=torch.float64)
    p = torch.sigmoid(z)
    both = torch.stack([1 - p, p]).clamp(1e-7, 1 - 1e-7)
    assert torch.allclose(torch.log(both / (1 - both)).softmax(0)[1], aggregate(z), atol=1e-12)
    assert torch.allclose(p**2 / (p**2 + (1 - p) ** 2), aggregate(z))


@torch.no_grad()
def test_sensory_update():
    update = Update(3, 2)
    update.transform.weight.zero_()
    update.transform.bias.copy_(torch.tensor([-9.0, -9, 9, 9, 1, 1]) * 100)
    h = torch.ones(1, 2, 4, 4)
    assert torch.allclose(update(torch.rand(1, 3, 4, 4), h), torch.ones(1)), "update open: the candidate, whatever forget says"
    update.transform.bias.copy_(torch.tensor([9.0, 9, -9, -9, 1, 1]) * 100)
    assert torch.allclose(update(torch.rand(1, 3, 4, 4), h * 0.3), torch.tensor(0.3)), "update closed, forget open: as before"


@torch.no_grad()
def test_quality_sees_each_channel():
    net = paper.make("quality", "resnet18").eval()
    pairs = torch.rand(2, 3, 64, 64)
    out = net(pairs)
    assert out.shape == (2, 1)
    for channel in range(3):
        other = pairs.clone()
        other[:, channel] = 0
        assert not torch.allclose(net(other), out)
