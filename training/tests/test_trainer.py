"""The loop: to the step after a resume, schedule, finish and trunk, stop file."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from limnet_training.trainer import Trainer


def trainer(run, seed=3, **kw):
    torch.manual_seed(11)
    return Trainer(nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1)), run, seed, 0.01, warmup=4, **kw)


def train(t, steps, validate=lambda net: {"score": 0.5}, **kw):
    def one_step():
        x = torch.from_numpy(t.rng.standard_normal((4, 5)).astype(np.float32))  # data come from the saved random state
        loss = ((t.net(x) - x.sum(1, keepdim=True)) ** 2).mean()
        return loss, {"mse": loss.item()}

    t.loop(one_step, validate, steps, **{"log_every": 1, "val_every": 1000, **kw})
    return t


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def assert_equal(a, b):
    assert a.step == b.step and same(a.net, b.net) and same(a.average, b.average)
    assert a.rng.bit_generator.state == b.rng.bit_generator.state
    for x, y in zip(a.opt.state_dict()["state"].values(), b.opt.state_dict()["state"].values(), strict=True):
        assert all(torch.equal(torch.as_tensor(x[k]), torch.as_tensor(y[k])) for k in x)


def rows(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_six_steps_equal_three_and_three_after_a_resume(tmp_path):
    whole = train(trainer(tmp_path / "a"), 6)
    train(trainer(tmp_path / "b"), 3)
    again = trainer(tmp_path / "b", seed=99)  # the seed of a resumed run must not matter
    assert again.resume() and again.step == 3
    train(again, 6)
    assert_equal(whole, again)
    losses = [[r["mse"] for r in rows(tmp_path / n) if "mse" in r] for n in "ab"]
    assert losses[0] == losses[1] and len(losses[0]) == 6


def test_a_fresh_run_has_nothing_to_resume(tmp_path):
    t = trainer(tmp_path)
    assert not t.resume() and not t.resume("trunk.pt") and t.step == 0


def test_rate_warms_up_stays_and_finishes_at_zero(tmp_path):
    t = trainer(tmp_path)
    rates = []
    for t.step in range(12):
        rates.append(t.rate(8 if t.step >= 8 else None, 4))
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, *[0.01] * 5, 0.01, 0.0075, 0.005, 0.0025])
    t.step = 12
    assert t.rate(8, 4) == 0


def test_finish_keeps_the_trunk_and_the_next_session_goes_on_from_it(tmp_path):
    train(trainer(tmp_path / "a"), 3)
    t = trainer(tmp_path / "a")
    t.resume()
    before = {k: v.clone() for k, v in t.net.state_dict().items()}
    train(t, 10**6, finish=4)
    assert t.step == 7 and not all(torch.equal(v, before[k]) for k, v in t.net.state_dict().items())
    trunk = trainer(tmp_path / "a")
    assert trunk.resume("trunk.pt") and trunk.step == 3
    assert all(torch.equal(v, before[k]) for k, v in trunk.net.state_dict().items())
    train(trunk, 6)
    assert_equal(trunk, train(trainer(tmp_path / "b"), 6))  # as if there had been no finish


def test_the_stop_file_ends_a_run_after_a_save(tmp_path):
    t = trainer(tmp_path)

    def validate(net):
        (tmp_path / "stop").touch()
        return {"score": 0.1}

    train(t, 100, validate, val_every=2)
    assert t.step == 2 and not (tmp_path / "stop").exists()
    again = trainer(tmp_path)
    again.resume()
    assert again.step == 2 and same(again.net, t.net)


def test_best_is_the_moving_average_of_the_best_validation(tmp_path):
    scores, kept = iter([0.2, 0.6, 0.4]), []

    def validate(net):
        kept.append({k: v.clone() for k, v in net.state_dict().items()})
        return {"score": next(scores)}

    t = train(trainer(tmp_path), 6, validate, val_every=2)
    best, last = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in ("best", "average"))
    assert t.best == 0.6 and all(torch.equal(best[k], kept[1][k]) for k in best)
    assert all(torch.equal(last[k], kept[2][k]) for k in last)
    assert [r["val"]["score"] for r in rows(tmp_path) if "val" in r] == [0.2, 0.6, 0.4]
    assert not [p for p in tmp_path.iterdir() if p.name not in ("best.pt", "best.json", "average.pt", "last.pt", "log.jsonl")]


def test_a_step_with_a_loss_that_is_not_finite_leaves_the_weights(tmp_path):
    t = trainer(tmp_path)
    before = {k: v.clone() for k, v in t.net.state_dict().items()}
    t.update(t.net(torch.ones(1, 5)).sum() * float("nan"), 0.01)
    assert t.step == 1 and all(torch.equal(v, before[k]) for k, v in t.net.state_dict().items())


def test_a_finish_that_was_cut_short_is_taken_up_and_the_trunk_stays(tmp_path):
    train(trainer(tmp_path / "a"), 3)
    whole = trainer(tmp_path / "a")
    whole.resume()
    train(whole, 10**6, finish=4)
    train(trainer(tmp_path / "b"), 3)
    cut = trainer(tmp_path / "b")
    cut.resume()

    def stop(_net):
        (tmp_path / "b" / "stop").touch()
        return {"score": 0.1}

    train(cut, 10**6, stop, finish=4, val_every=5)
    assert cut.step == 5
    again = trainer(tmp_path / "b")
    again.resume()
    train(again, 10**6, finish=4)
    assert_equal(whole, again)
    trunk = trainer(tmp_path / "b")
    assert trunk.resume("trunk.pt") and trunk.step == 3


def test_going_on_from_the_trunk_does_not_replace_a_better_network(tmp_path):
    train(trainer(tmp_path), 2)
    t = trainer(tmp_path)
    t.resume()
    train(t, 10**6, lambda net: {"score": 0.8}, finish=2)
    best = (tmp_path / "best.pt").read_bytes()
    trunk = trainer(tmp_path)
    trunk.resume("trunk.pt")
    train(trunk, 4, lambda net: {"score": 0.65}, val_every=2)
    assert (tmp_path / "best.pt").read_bytes() == best


def test_random_numbers_of_torch_go_on_after_a_resume(tmp_path):
    t = train(trainer(tmp_path), 2)
    want = torch.rand(3)
    again = trainer(tmp_path)
    again.resume()
    assert torch.equal(torch.rand(3), want) and t.step == again.step
