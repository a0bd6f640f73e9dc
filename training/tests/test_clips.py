"""Clips that propagation is trained on."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from limnet_training import clips, nets, propagation  # noqa: E402
from limnet_training.data import Pool  # noqa: E402


@pytest.mark.parametrize("walk", [0, 4, 9])
def test_a_clip_has_the_walk_before_what_is_learnt_and_the_object_is_still_there(walk):
    rng = np.random.default_rng(3)
    pool = Pool([], rng, {"synthetic": 1.0}, n_synthetic=4)
    for _ in range(4):
        images, truths = clips.clip(pool, rng, 0.0, 0.5, walk)
        assert images.shape == truths.shape == (clips.LENGTH + walk + 1, clips.SIZE, clips.SIZE)
        assert truths[0].any() and truths[walk].any()


def test_four_of_ten_clips_are_learnt_from_at_once_and_none_walks_further_than_thirteen_slices():
    rng = np.random.default_rng(1)
    walks = np.array([clips.walk_length(rng) for _ in range(4000)])
    assert abs((walks == 0).mean() - 0.4) < 0.03
    assert set(walks) == {0, *range(2, 14)}


def test_frames_that_are_walked_through_get_no_gradients_and_stay_in_their_place():
    torch.manual_seed(0)
    net = nets.PropagationLite()
    images = torch.rand(1, 5, 64, 64)
    with_walk, without = propagation.Frames(net, images, 2), propagation.Frames(net, images, 0)
    torch.testing.assert_close(with_walk.k.float(), without.k.float(), rtol=0.02, atol=0.02)
    gradient = torch.autograd.grad(with_walk.k[1:3].float().sum(), net.key.parameters(), allow_unused=True, retain_graph=True)
    assert all(g is None or not g.any() for g in gradient)
    gradient = torch.autograd.grad(with_walk.k[3].float().sum(), net.key.parameters(), allow_unused=True)
    assert any(g is not None and g.any() for g in gradient)
