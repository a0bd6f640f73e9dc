"""Objects that nobody drew."""

import numpy as np

from limnet_training import synthesis
from limnet_training.scan import Scan


def scan(shape=(20, 60, 64), flat=False):
    rng = np.random.default_rng(1)
    voxels = synthesis.smooth_noise(shape, (0 if flat else 3, 6, 6), rng) * 100 + 400
    return Scan("a", "a", voxels.astype(np.float32), np.zeros(shape, np.int32), (1.0, 1.0, 1.0), (100.0, 700.0), False, flat)


def test_a_painted_scan_keeps_its_surroundings_and_shows_its_shapes():
    a = scan()
    p = synthesis.painted(a, np.random.default_rng(2))
    assert p.voxels.shape == a.voxels.shape and p.values
    from scipy import ndimage

    far = ~ndimage.binary_dilation(p.labels > 0, iterations=6)
    assert far.any() and np.allclose(p.voxels[far], synthesis.grey(a, a.voxels)[far], atol=0.02)
    # Where something was painted its grey value is another one.
    changed = [np.abs(p.voxels - synthesis.grey(a, a.voxels))[p.labels == v].mean() for v in p.values]
    assert max(changed) > 0.05


def test_painted_pictures_stay_flat():
    p = synthesis.painted(scan((1, 200, 240), flat=True), np.random.default_rng(3))
    assert p.voxels.shape[0] == 1 and p.labels.max() > 0


def test_walls_close_around_their_chamber():
    from scipy import ndimage

    rng, found = np.random.default_rng(4), 0
    for _ in range(12):
        for region, name in synthesis.shapes((12, 64, 64), rng):
            k = int(region.reshape(12, -1).sum(1).argmax())
            if name.startswith("wall") and ndimage.binary_fill_holes(region[k]).sum() > 1.3 * region[k].sum():
                found += 1
    assert found >= 5


def test_supervoxels_follow_grey_values_and_touch():
    a = scan()
    rng = np.random.default_rng(5)
    block, labels, means, pairs = synthesis.supervoxels(a, rng)
    grey = synthesis.grey(a, a.voxels[block])
    within = np.sqrt(np.mean((grey - means[labels]) ** 2))
    assert within < 0.7 * grey.std()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    objects = [synthesis.supervoxel_object(a, (block, labels, means, pairs), rng) for _ in range(10)]
    assert sum(o is not None for o in objects) >= 5
    assert all(o.shape == a.voxels.shape and 200 < o.sum() < 0.3 * o.size for o in objects if o is not None)


def test_the_same_seed_makes_the_same_objects():
    one, two = (synthesis.painted(scan(), np.random.default_rng(6)) for _ in range(2))
    assert np.array_equal(one.voxels, two.voxels) and np.array_equal(one.labels, two.labels)
