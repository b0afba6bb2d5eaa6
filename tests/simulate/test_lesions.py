from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from qsmstats.simulate.lesions import draw_lesions, shell_depth
from qsmstats.simulate.parameters import RIM_TYPES

ALL_DIRECTIONS = np.ones((3, 3, 3), dtype=bool)


@pytest.fixture(scope="module")
def patients(anatomy, parameters):
    return [
        draw_lesions(np.random.default_rng(seed), anatomy, parameters.lesions, (0.0, 2.0))
        for seed in range(8)
    ]


@pytest.fixture(scope="module")
def lesions(patients):
    return [lesion for found, _ in patients for lesion in found]


def shapes(lesion):
    return [shape for shape in lesion.shapes if shape is not None]


def mask_of(shape, anatomy):
    mask = np.zeros(anatomy.brain.size, dtype=bool)
    mask[shape.voxels] = True
    return mask.reshape(anatomy.brain.shape)


def test_lesions_lie_in_white_matter(lesions, anatomy):
    inside = anatomy.white_matter.ravel()
    assert all(inside[shape.voxels].all() for lesion in lesions for shape in shapes(lesion))


def test_no_two_lesions_touch_at_one_session_or_across_two(patients, anatomy):
    assert min(len(found) for found, _ in patients) > 1
    for found, _ in patients:
        taken = np.zeros(anatomy.brain.shape, dtype=int)
        for lesion in found:
            own = np.any([mask_of(shape, anatomy) for shape in shapes(lesion)], axis=0)
            grown = ndimage.binary_dilation(own, ALL_DIRECTIONS)
            assert not taken[grown].any()
            taken[own] = 1


def test_each_lesion_hangs_together(lesions, anatomy):
    assert len(lesions) > 1
    for lesion in lesions:
        assert shapes(lesion)
        for shape in shapes(lesion):
            assert ndimage.label(mask_of(shape, anatomy))[1] == 1
            assert len(np.unique(shape.voxels)) == len(shape.voxels) >= 3


def test_depth_is_the_distance_to_the_nearest_voxel_outside(lesions, anatomy):
    shape = max(
        (shape for lesion in lesions for shape in shapes(lesion)), key=lambda s: len(s.voxels)
    )
    mask = mask_of(shape, anatomy)
    near = ndimage.binary_dilation(mask, ALL_DIRECTIONS) & ~mask
    own = np.stack(np.unravel_index(shape.voxels, mask.shape), axis=1)
    nearest = cdist(own * anatomy.resolution, np.argwhere(near) * anatomy.resolution).min(axis=1)
    np.testing.assert_allclose(shape.depth, nearest)


def test_rims_close_around_a_core(lesions, anatomy):
    rims = [lesion for lesion in lesions if lesion.lesion_type in RIM_TYPES]
    assert len(rims) >= 5
    shell = shell_depth(anatomy.resolution)
    for lesion in rims:
        for shape in shapes(lesion):
            assert (shape.depth > shell).any()
            assert (shape.depth <= shell).any()


def test_a_second_session_shows_most_lesions_in_nearly_the_same_place(lesions):
    both = [lesion.shapes for lesion in lesions if None not in lesion.shapes]
    assert len(both) > 0.8 * len(lesions)
    for before, after in both:
        assert (
            np.isin(before.voxels, after.voxels).all() or np.isin(after.voxels, before.voxels).all()
        )


def test_identifiers_are_unique(patients):
    for found, _ in patients:
        names = [lesion.lesion_id for lesion in found]
        assert len(set(names)) == len(names)
        assert any(None not in lesion.shapes for lesion in found)


def test_first_and_at_find_the_shape(lesions):
    new = next(lesion for lesion in lesions if lesion.shapes[0] is None)
    assert new.first is new.shapes[1] is new.at(1)
    with pytest.raises(ValueError, match=f"{new.lesion_id} is not there at session 0"):
        new.at(0)


def test_lesions_without_room_are_left_out_and_counted(anatomy, parameters):
    # White matter of two places of a few voxels: two lesions at most.
    small = np.zeros_like(anatomy.white_matter)
    for centre in np.argwhere(anatomy.depth > 8.0)[[0, -1]]:
        small[tuple(slice(c - 1, c + 2) for c in centre)] = True
    narrow = replace(
        anatomy, white_matter=small, preference=small * 1.0, depth=small * anatomy.resolution
    )
    truth = replace(
        parameters.lesions, shares={"isointense": 1.0, "hyperintense": 0.0}, count_mean=35.0
    )
    found, left_out = draw_lesions(np.random.default_rng(2), narrow, truth, (0.0,))
    assert 1 <= len(found) <= 2
    assert left_out > 0


@pytest.mark.parametrize(("resolution", "depth"), [(1.0, 2.0), (2.0, 2.0), (3.0, 3.0)])
def test_a_shell_is_two_millimetres_or_one_voxel(resolution, depth):
    assert shell_depth(resolution) == depth


def test_pairs_of_patients_differ(patients):
    for (a, _), (b, _) in combinations(patients, 2):
        assert not np.array_equal(a[0].first.voxels, b[0].first.voxels)
