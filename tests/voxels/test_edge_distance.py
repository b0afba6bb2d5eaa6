"""Distances against brute force over all pairs of voxels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmstats.voxels.edge_distance import depths, nearest_only, slack, surroundings
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.kernels import group_voxels

ROTATION = np.linalg.qr(np.array([[1, 0.4, 0.2], [-0.3, 1, 0.5], [0.1, -0.6, 1.0]]))[0]
MATRICES = {
    "isotropic": np.diag([0.75, 0.75, 0.75]),
    "anisotropic": np.diag([-0.9, 1.1, 3.0]),
    "oblique": ROTATION @ np.diag([0.8, 1.0, 1.7]),
    "sheared": np.array([[1, 0.7, 0], [0, 0.9, 0.4], [0, 0, 1.2]]),
}


def make(volume, matrix):
    affine = np.eye(4)
    affine[:3, :3] = matrix
    grid = Grid(shape=volume.shape, affine=affine)
    flat = volume.ravel(order="F").astype(np.int64)
    index = np.flatnonzero(flat)
    return group_voxels(flat[index], index), grid


def brute_distance(points, targets, matrix):
    """Return the distance in mm from each voxel to the nearest target."""
    difference = (points[:, None] - targets[None]) @ matrix.T
    return np.sqrt((difference**2).sum(axis=2)).min(axis=1)


@pytest.mark.parametrize("kind", MATRICES)
@settings(max_examples=15, deadline=None)
@given(
    volume=hnp.arrays(np.int16, (5, 6, 4), elements=st.sampled_from([0, 0, 1, 1, 2])).filter(np.any)
)
def test_depth_is_the_distance_to_the_nearest_voxel_of_another_label(kind, volume):
    matrix = MATRICES[kind]
    groups, grid = make(volume, matrix)
    result = depths(groups, grid)
    # Beyond the volume nothing belongs to a lesion: enough empty voxels stand for that.
    padded = np.pad(volume, 6)
    for label in groups.labels:
        mine = groups.number == np.flatnonzero(groups.labels == label)[0]
        points = grid.coordinates(groups.index[mine]) + 6
        expected = brute_distance(points, np.argwhere(padded != label), matrix)
        np.testing.assert_allclose(result[mine], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", MATRICES)
@settings(max_examples=15, deadline=None)
@given(
    volume=hnp.arrays(np.int16, (6, 5, 7), elements=st.sampled_from([0] * 9 + [1, 2])).filter(
        np.any
    ),
    reach=st.floats(0.5, 4),
)
def test_surroundings_are_all_voxels_within_reach(kind, volume, reach):
    matrix = MATRICES[kind]
    groups, grid = make(volume, matrix)
    found = surroundings(groups, grid, reach)
    everything = np.argwhere(np.ones_like(volume))
    for number, label in enumerate(groups.labels):
        distance = brute_distance(everything, np.argwhere(volume == label), matrix)
        limit = reach + slack(grid)
        assume(not np.isclose(distance, limit, rtol=0.0, atol=1e-9).any())  # either is right
        near = distance <= limit
        mine = found.number == number
        order = np.argsort(found.index[mine])
        flat = np.ravel_multi_index(everything[near].T, volume.shape, order="F")
        np.testing.assert_array_equal(found.index[mine][order], np.sort(flat))
        order = np.argsort(flat)
        expected = distance[near][order]
        actual = found.distance[mine][np.argsort(found.index[mine])]
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_a_voxel_between_two_lesions_goes_to_the_nearer_and_a_tie_to_the_first_in_space(numbers):
    volume = np.zeros((9, 1, 1), dtype=np.int16)
    volume[0], volume[6] = numbers
    groups, grid = make(volume, np.eye(3))
    owned = nearest_only(surroundings(groups, grid, 4), groups)
    labels = groups.labels[owned.number].tolist()
    owner = dict(zip(owned.index.tolist(), labels, strict=True))
    assert owner == {place: numbers[place > 3] for place in range(9)}


def test_no_lesion_has_no_surroundings():
    groups, grid = make(np.zeros((3, 3, 3), dtype=np.int16), np.eye(3))
    assert len(surroundings(groups, grid, 2).index) == 0
    assert len(depths(groups, grid)) == 0
