"""Prompts as clicks leave them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from limnet_training import clicked as module  # noqa: E402
from limnet_training.clicked import clicked  # noqa: E402


class Disks(torch.nn.Module):
    """A click network that answers with what was there, the positive disks added and the negative ones taken away, grown by two pixels."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, image, maps):
        self.seen.append(maps.clone())
        grown = torch.nn.functional.max_pool2d(torch.maximum(maps[:, :1], maps[:, 1:2]), 5, 1, 2)
        return torch.where(maps[:, 2:3] > 0, -9.0, 18 * grown - 9)


def square(size, low, high):
    m = np.zeros((size, size), bool)
    m[low:high, low:high] = True
    return m


def test_the_prompt_is_what_the_network_answers_and_not_the_truth():
    truth = square(64, 24, 40)
    out = clicked(Disks(), np.zeros((1, 64, 64), np.float32), truth[None], np.random.default_rng(1))
    found = out[0] >= 0.5
    assert (found & truth).any() and (found != truth).any()


def test_prompts_have_one_to_five_clicks_and_the_first_is_looked_at_twice():
    net, truths = Disks(), np.stack([square(64, 10, 54)] * 60)
    clicked(net, np.zeros((60, 64, 64), np.float32), truths, np.random.default_rng(2))
    sizes = [len(s) for s in net.seen]
    assert len(sizes) == 6 and sizes[:2] == [60, 60]
    assert sizes[2] < 40 and sizes == sorted(sizes, reverse=True) and sizes[-1] > 0
    assert not net.seen[0][:, 0].any() and net.seen[1][:, 0].any()


def test_an_answer_that_misses_the_object_is_replaced_by_the_truth(monkeypatch):
    monkeypatch.setattr(module, "CLICKS", (1.0,))
    truth = square(64, 2, 62)
    out = clicked(Disks(), np.zeros((1, 64, 64), np.float32), truth[None], np.random.default_rng(1))
    assert (out[0] == truth).all()


def test_a_slice_without_the_object_stays_an_empty_prompt():
    truths = np.stack([square(64, 24, 40), np.zeros((64, 64), bool)])
    out = clicked(Disks(), np.zeros((2, 64, 64), np.float32), truths, np.random.default_rng(1))
    assert out[0].any() and not out[1].any()
    assert not clicked(Disks(), np.zeros((1, 64, 64), np.float32), truths[1:], np.random.default_rng(1)).any()


def test_prompts_of_clicks_without_a_click_network_are_refused(capsys, tmp_path):
    from limnet_training import propagation

    with pytest.raises(SystemExit):
        propagation.main(["--index", str(tmp_path / "index.json"), "--run", str(tmp_path / "run"), "--clicked", "0.5"])
    assert "--clicked needs --click" in capsys.readouterr().err
