"""The lite networks: memory read, the start from the click network, the antisymmetric quality network, the Python runtime."""

import numpy as np
import onnxruntime
import pytest
import torch

from limnet_training import export, infer, nets


@pytest.mark.parametrize(("make", "count"), [(nets.ClickLite, 6_419_969), (nets.PropagationLite, 10_826_067), (nets.QualityLite, 627_393)])
def test_parameters_to_the_unit(make, count):
    assert sum(p.numel() for p in make().parameters()) == count


def memory(n, m=37, c=64, v=16, seed=0):
    """mk, ms, mv, qk, qe of a batch of one."""
    g = torch.Generator().manual_seed(seed)
    r = lambda *s: torch.randn(*s, generator=g)  # noqa: E731
    return r(1, c, n), r(1, 1, n) ** 2 + 1, r(1, v, n), r(1, c, m), torch.sigmoid(r(1, c, m))


def gathered(mk, ms, mv, qk, qe, k):
    """nets.Read on what nets.read takes; weights [M,k] as well."""
    readout, weights, index = nets.Read()(mk[0], ms[0], mv[0].T, qk[0], qe[0], k)
    return readout.T[None], weights, index


def shaken(net, seed=0, by=0.05):
    """A network with no zero left in it, as after training."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * by)
    return net.eval()


def test_similarity_is_the_anisotropic_distance():
    mk, ms, _, qk, qe = (x.double() for x in memory(11))
    want = -ms.transpose(1, 2) / 8 * ((mk[:, :, :, None] - qk[:, :, None]) ** 2 * qe[:, :, None]).sum(1)
    torch.testing.assert_close(nets.similarity(mk, ms, qk, qe), want)


def test_one_element_gives_its_value():
    mem = memory(1)
    want = mem[2].expand(-1, -1, 37)
    for got in (nets.read(*mem), nets.read(*mem, top_k=30), gathered(*mem, 1)[0]):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("n", [1, 6, 15])
def test_storing_everything_twice_changes_nothing(n):
    mem = memory(n)
    twice = (*(torch.cat([x, x], 2) for x in mem[:3]), *mem[3:])
    for k in (None, 30):
        torch.testing.assert_close(nets.read(*twice, top_k=k), nets.read(*mem, top_k=k), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(gathered(*twice, 2 * n)[0], nets.read(*mem), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 7, 30, 50])
def test_weights_sum_to_one(k):
    mem = memory(50)
    torch.testing.assert_close(gathered(*mem, k)[1].sum(1), torch.ones(37))
    for top in (k, None):  # a memory of ones reads as the sum of the weights
        torch.testing.assert_close(nets.read(mem[0], mem[1], torch.ones_like(mem[2]), *mem[3:], top_k=top), torch.ones(1, 16, 37))


def test_top_k_of_all_elements_is_the_dense_softmax_and_less_is_not():
    mem = memory(20)
    dense = nets.read(*mem)
    want = mem[2] @ nets.similarity(mem[0], mem[1], *mem[3:]).softmax(1)
    torch.testing.assert_close(dense, want)
    for k in (20, 21, 30):
        torch.testing.assert_close(nets.read(*mem, top_k=k), dense)
    torch.testing.assert_close(gathered(*mem, 20)[0], dense, atol=1e-5, rtol=1e-4)
    assert (nets.read(*mem, top_k=2) - dense).abs().max() > 1e-4


@pytest.mark.parametrize("k", [1, 5, 30])
def test_the_exported_read_equals_the_read_of_training(k):
    mem = memory(80, seed=1)
    got, weights, index = gathered(*mem, k)
    torch.testing.assert_close(got, nets.read(*mem, top_k=k), atol=1e-5, rtol=1e-4)
    s = nets.similarity(mem[0], mem[1], *mem[3:])[0].numpy()
    for j in range(37):
        assert set(index[j].tolist()) == set(np.argsort(-s[:, j])[:k].tolist())


def test_the_read_of_distant_queries_is_finite():
    mem = memory(40)
    far = (*mem[:3], mem[3] * 100, mem[4])
    for k in (None, 30):
        assert torch.isfinite(nets.read(*far, top_k=k)).all()


@pytest.fixture(scope="module")
def read_graph(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "read.onnx"
    export.export_read(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("n", "m", "v"), [(1, 1, 128), (7, 16, 128), (256, 256, 128), (500, 64, 32)])
def test_the_read_graph_equals_the_read_of_training(read_graph, n, m, v):
    mem = memory(n, m, v=v, seed=n)
    k = min(30, n)
    mk, ms, mv, qk, qe = (x[0].numpy() for x in mem)
    feeds = {"mk": mk, "ms": ms, "mv": np.ascontiguousarray(mv.T), "qk": qk, "qe": qe, "k": np.array([k])}
    readout, weights, index = read_graph.run(None, feeds)
    np.testing.assert_allclose(readout.T, nets.read(*mem, top_k=30)[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(weights, gathered(*mem, k)[1].numpy(), atol=1e-4)
    assert index.shape == (m, k)


def test_quality_is_antisymmetric():
    net = shaken(nets.QualityLite())
    pairs = torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    pairs[:, 1:] = (pairs[:, 1:] > 0.5).float()
    with torch.no_grad():
        there, back = net(pairs), net(pairs[:, [0, 2, 1]])
        assert torch.equal(there, -back) and there.abs().min() > 0
        assert (net(pairs[:, [0, 1, 1]]) == 0).all()
        torch.testing.assert_close(torch.sigmoid(there) + torch.sigmoid(back), torch.ones(3, 1))


@pytest.fixture(scope="module")
def started():
    click, prop = shaken(nets.ClickLite(), 1), shaken(nets.PropagationLite(), 2)
    prop.start_from(click)
    return click, prop


def test_start_from_copies_the_click_network(started):
    click, prop = started
    theirs = click.state_dict()
    for part, mine in (("decode", prop.decode), ("key", prop.key), ("value", prop.value)):
        state = mine.state_dict()
        copied = [k for k in state if k.split(".")[0] in ("downs", "laterals", "ups", "head") or (part == "decode" and k.startswith("context"))]
        assert copied
        for k in copied:
            assert torch.equal(state[k], theirs[k]), f"{part}.{k}"
        assert torch.equal(state["stem.bias"], theirs["stem.bias"])
        for mine_at, channel in {"decode": {0: 0, 2: 4, 3: 5, 4: 6, 5: 7}, "key": {0: 0}, "value": {0: 0, 1: 1}}[part].items():
            assert torch.equal(state["stem.weight"][:, mine_at], theirs["stem.weight"][:, channel])
    assert torch.equal(prop.key.lateral.weight, click.laterals[3].weight)
    assert all(torch.equal(a, b) for a, b in zip(prop.key.up.parameters(), click.ups[3].parameters()))
    assert all(torch.equal(prop.decode.stem.weight[:, n] * 2, theirs["stem.weight"][:, 1]) for n in (1, 6))  # the neighbour's mask, and as patches carry it over
    assert not prop.decode.stem.weight[:, 7].any()  # the neighbour's picture
    assert not prop.decode.inject.weight.any() and not prop.decode.inject.bias.any()


def test_the_copies_are_their_own(started):
    click, prop = started
    shared = {p.data_ptr() for p in click.parameters()} & {p.data_ptr() for p in prop.parameters()}
    assert not shared


def test_the_first_decode_is_the_click_network_on_the_same_maps(started):
    click, prop = started
    g = torch.Generator().manual_seed(3)
    image, other, near = torch.rand(2, 1, 64, 64, generator=g), torch.rand(2, 1, 64, 64, generator=g), torch.rand(2, 6, 64, 64, generator=g)
    near[:, 5] = near[:, 0]
    clicks = torch.zeros(2, nets.CLICK_MAPS, 64, 64)
    clicks[:, [0, 3, 4, 5, 6]] = near[:, :5]  # no disks
    with torch.no_grad():
        want = click(image, clicks)
        got, presence = prop.decode(image, other, near, torch.randn(2, 128, 8, 8, generator=g))
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
    assert want.std() > 1e-2 and presence.shape == (2, 1)


def volume(n=7, size=64):
    rng = np.random.default_rng(4)
    return np.floor(rng.random((n, size, size)) * 255 + 0.5).astype(np.float32) / 255


def test_forward_on_the_reversed_volume_is_backward(started):
    v, mask = volume(), np.zeros((64, 64), np.float32)
    mask[20:44, 18:40] = 1
    kw = dict(size=64, presence=0.0)
    there = list(infer.Propagator(started[1], (8, 8, 48), **kw).run(v, {3: mask}, 3, -1))
    back = list(infer.Propagator(started[1], (8, 8, 48), **kw).run(v[::-1], {3: mask}, 3, 1))
    assert [i for i, _ in there] == [2, 1, 0] and [i for i, _ in back] == [4, 5, 6]
    for (_, a), (_, b) in zip(there, back):
        np.testing.assert_array_equal(a, b)


def test_propagation_keeps_prompts_and_ends_after_three_empty_slices(started):
    v, mask = volume(9), np.zeros((64, 64), np.float32)
    mask[20:44, 18:40] = 1
    seen = list(infer.Propagator(started[1], (8, 8, 48), size=64, presence=1.1).run(v, {0: mask}, 0, 1))
    assert [i for i, _ in seen] == [1, 2, 3] and not any(p.any() for _, p in seen)
    out = infer.propagate_volume(started[1], v, {2: mask, 6: mask}, size=64)
    assert (out[2] == mask).all() and (out[6] == mask).all()
    assert out.min() >= 0 and out.max() <= 1 + 1e-6


def test_no_prompt_gives_an_empty_volume(started):
    assert not infer.propagate_volume(started[1], volume(3), {}, size=64).any()
    assert not infer.propagate_volume(started[1], volume(3), {1: np.zeros((64, 64), np.float32)}, size=64).any()
