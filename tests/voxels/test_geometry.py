"""Places and shapes against SimpleITK and solid geometry."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK

from qsmstats.voxels.geometry import (
    DIRECTIONS,
    MIN_SPHERICITY_VOXELS,
    describe_shapes,
    direction_shares,
    neighbour_pairs,
    place,
)
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.kernels import group_voxels

from .phantoms import AFFINE, balls


def make(volume, affine=AFFINE):
    grid = Grid(shape=volume.shape, affine=affine)
    flat = volume.ravel(order="F").astype(np.int64)
    index = np.flatnonzero(flat)
    return group_voxels(flat[index], index), grid


def simple_itk(volume, spacing):
    image = SimpleITK.GetImageFromArray(volume.transpose(2, 1, 0).astype(np.uint16))
    image.SetSpacing([float(s) for s in spacing])
    measure = SimpleITK.LabelShapeStatisticsImageFilter()
    measure.ComputePerimeterOn()
    measure.Execute(image)
    return measure


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.75, 0.75, 0.75), (0.9, 1.1, 1.3), (1, 1, 3)])
def test_shapes_equal_simple_itk(labels, spacing):
    groups, grid = make(labels, np.diag([*spacing, 1.0]))
    shapes, places = describe_shapes(groups, grid), place(groups, grid)
    measure = simple_itk(labels, spacing)
    assert len(groups.labels) > 1
    for i, label in enumerate(groups.labels.tolist()):
        assert places["volume_mm3"][i] == pytest.approx(measure.GetPhysicalSize(label), rel=1e-12)
        centroid = [places[f"centroid_{axis}"][i] for axis in "xyz"]
        np.testing.assert_allclose(centroid, measure.GetCentroid(label), rtol=1e-12)
        box = measure.GetBoundingBox(label)
        lows = [shapes[f"bbox_{axis}_min"][i] for axis in "ijk"]
        highs = [shapes[f"bbox_{axis}_max"][i] for axis in "ijk"]
        assert (*lows, *(np.array(highs) - lows + 1)) == box
        diameter = 2 * measure.GetEquivalentSphericalRadius(label)
        assert shapes["equivalent_diameter_mm"][i] == pytest.approx(diameter, rel=1e-12)
        # SimpleITK has the weights of cubes, to 12 digits, whatever the spacing: on other lattices
        # the ball of the test below is the reference.
        if len(set(spacing)) > 1:
            continue
        assert shapes["surface_mm2"][i] == pytest.approx(measure.GetPerimeter(label), rel=1e-11)


@pytest.mark.parametrize("radius", [3, 6, 10])
def test_a_ball_is_round(radius):
    groups, grid = make(balls((23, 23, 23), [(11, 11, 11)], [radius]), np.eye(4))
    # Thirteen directions estimate the surface of a digital ball to a few percent.
    assert describe_shapes(groups, grid)["sphericity"][0] == pytest.approx(1, abs=0.06)


def test_a_rod_is_less_round_than_a_ball():
    volume = np.zeros((40, 40, 40), dtype=np.int16)
    volume[5:35, 10:13, 10:13] = 1
    groups, grid = make(volume, np.eye(4))
    # A 3 x 3 x 30 box has 0.54 and its sharp edges look rounded to thirteen directions.
    assert 0.5 < describe_shapes(groups, grid)["sphericity"][0] < 0.7


LATTICES = {
    "anisotropic": np.diag([0.8, 1.1, 1.6]),
    "sheared": np.array([[1, 0.5, 0], [0, 1, 0.2], [0, 0, 1.2]]),
}


@pytest.mark.parametrize("kind", LATTICES)
def test_a_ball_is_round_on_any_lattice(kind):
    affine = np.eye(4)
    affine[:3, :3] = LATTICES[kind]
    world = np.moveaxis(np.indices((50, 50, 50)), 0, -1) @ affine[:3, :3].T
    ball = ((world - affine[:3, :3] @ (25, 25, 25)) ** 2).sum(axis=-1) <= 81
    groups, grid = make(ball.astype(np.int16), affine)
    surface = describe_shapes(groups, grid)["surface_mm2"][0]
    # Thirteen directions that are spread less evenly than those of cubes: a few percent.
    assert surface == pytest.approx(4 * np.pi * 81, rel=0.05)


def test_sphericity_of_a_few_voxels_is_not_stated():
    volume = np.zeros((9, 9, 9), dtype=np.int16)
    volume[0:2, 0:2, 0:2] = 1
    volume[4:7, 4:7, 4:7] = 2
    groups, grid = make(volume, np.eye(4))
    assert groups.counts.tolist() == [8, MIN_SPHERICITY_VOXELS]
    sphericity = describe_shapes(groups, grid)["sphericity"]
    assert np.isnan(sphericity[0])
    assert 0.8 < sphericity[1] < 1.2


def test_direction_shares_of_a_cube_lattice_are_those_of_the_literature():
    # Lehmann and Legland (2012), table of weights of the 3D isotropic case, for both directions.
    shares = dict(zip(map(tuple, np.abs(DIRECTIONS)), direction_shares_of_cubes(), strict=True))
    assert shares[1, 0, 0] == pytest.approx(2 * 0.04577789120476, rel=1e-9)
    assert shares[1, 1, 0] == pytest.approx(2 * 0.03698062787608, rel=1e-9)
    assert shares[1, 1, 1] == pytest.approx(2 * 0.03519563978232, rel=1e-9)


def direction_shares_of_cubes():
    return direction_shares(Grid(shape=(2, 2, 2), affine=np.eye(4)))


def test_neighbour_pairs_equal_shifted_volumes(labels):
    groups, grid = make(labels)
    pairs, touching = neighbour_pairs(groups, grid)
    padded = np.pad(labels, 1)
    for k, direction in enumerate(DIRECTIONS):
        shifted = np.roll(padded, -direction, axis=(0, 1, 2))
        same = (padded == shifted) & (padded > 0)
        expected = [np.count_nonzero(same & (padded == label)) for label in groups.labels]
        np.testing.assert_array_equal(pairs[:, k], expected)
    np.testing.assert_array_equal(touching, [False, True, True, False])


def test_border_and_centroid_in_world_space(labels):
    groups, grid = make(labels)
    np.testing.assert_array_equal(
        describe_shapes(groups, grid)["touches_border"], [False, False, False, True]
    )
    # Lesion 1 is the single voxel (5, 6, 7).
    expected = AFFINE @ (5, 6, 7, 1)
    found = [place(groups, grid)[f"centroid_{axis}"][0] for axis in "xyz"]
    np.testing.assert_allclose(found, expected[:3], rtol=1e-14)


def test_no_lesion_gives_no_rows():
    groups, grid = make(np.zeros((3, 3, 3), dtype=np.int16))
    columns = describe_shapes(groups, grid) | place(groups, grid)
    assert {len(values) for values in columns.values()} == {0}
