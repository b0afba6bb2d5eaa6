"""Painted maps: every region has its mean, rims are rims, and files hold what was painted."""

from __future__ import annotations

import gzip
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import distance_transform_edt

from qsmstats.simulate.images import (
    Painting,
    far_from_lesions,
    paint_labels,
    paint_map,
    write_image,
)
from qsmstats.simulate.lesions import draw_lesions, shell_depth
from qsmstats.simulate.parameters import RIM_TYPES

MAPS = ["susceptibility_ppb", "mwf_percent", "ndi"]
FAILED = 0.02


@pytest.fixture(scope="module")
def lesions(anatomy, parameters):
    """Return some lesions of every type."""
    types = list(parameters.lesions.shares)
    truth = replace(
        parameters.lesions,
        shares=dict.fromkeys(types, 1 / len(types)),
        concentration=1e4,
        count_size=1e4,
    )
    found, _ = draw_lesions(np.random.default_rng(5), anatomy, truth, (0.0,))
    assert {lesion.lesion_type for lesion in found} == set(types)
    return found


@pytest.fixture(scope="module")
def painting(anatomy, lesions):
    shapes = [lesion.first for lesion in lesions]
    return Painting(anatomy=anatomy, far=far_from_lesions(anatomy, shapes, 6.0), shapes=shapes)


def paint(painting, lesions, truth, *, seed=1, failed=FAILED):
    wanted = [
        (lesion.lesion_type, truth.means[lesion.lesion_type] * (1 + 0.01 * i))
        for i, lesion in enumerate(lesions)
    ]
    white = truth.means["nawm"]
    rng = np.random.default_rng(seed)
    stored = paint_map(rng, painting, truth, white_matter=white, lesions=wanted, failed=failed)
    return stored.ravel(), [mean for _, mean in wanted], white


@pytest.mark.parametrize(
    ("name", "failed"), [("susceptibility_ppb", 0.0), ("mwf_percent", FAILED), ("ndi", 0.0)]
)
def test_each_region_has_its_true_mean(painting, lesions, parameters, name, failed):
    truth = parameters.maps[name]
    stored, means, white = paint(painting, lesions, truth, failed=failed)
    regions = [*(lesion.first.voxels for lesion in lesions), painting.far]
    for voxels, mean in zip(regions, [*means, white], strict=True):
        values = stored[voxels]
        values = values[values != 0] if failed else values
        # Rounding errors of n voxels are uniform on one step: SD of their mean step / sqrt(12 n).
        tolerance = 4.5 * truth.step / np.sqrt(12 * len(values))
        assert values.mean() * truth.step == pytest.approx(mean, abs=tolerance)


@pytest.mark.parametrize("name", MAPS)
def test_rims_differ_from_cores_as_stated(painting, lesions, parameters, name):
    truth = parameters.maps[name]
    shell = shell_depth(painting.anatomy.resolution)
    found, expected, errors = {}, {}, {}
    for seed in range(20):
        stored, means, _ = paint(painting, lesions, truth, seed=seed, failed=0.0)
        for lesion, mean in zip(lesions, means, strict=True):
            inside = lesion.first.depth <= shell
            if inside.all():
                continue
            values = stored[lesion.first.voxels] * truth.step
            scale = mean if truth.relative else 1.0
            difference = (values[inside].mean() - values[~inside].mean()) / scale
            variance = truth.voxel_sd**2 * (1 / inside.sum() + 1 / (~inside).sum())
            found.setdefault(lesion.lesion_type, []).append(difference)
            errors.setdefault(lesion.lesion_type, []).append(variance)
            expected[lesion.lesion_type] = truth.contrasts[lesion.lesion_type]
    assert set(RIM_TYPES) <= set(found)
    for lesion_type, differences in found.items():
        error = np.sqrt(np.sum(errors[lesion_type])) / len(differences)
        assert np.mean(differences) == pytest.approx(expected[lesion_type], abs=4 * error)


def test_rims_are_bright_or_dark_on_susceptibility(parameters):
    contrasts = parameters.maps["susceptibility_ppb"].contrasts
    assert contrasts["paramagnetic_rim"] > 10.0
    assert contrasts["hypointense_rim"] < -10.0


@pytest.mark.parametrize("name", ["mwf_percent", "ndi"])
def test_zero_means_not_measured(painting, lesions, parameters, name):
    truth = parameters.maps[name]
    stored, _, _ = paint(painting, lesions, truth)
    brain = painting.anatomy.brain.ravel()
    assert not stored[~brain].any()
    assert stored.min() == 0
    failed = (stored[brain] == 0).mean()
    assert failed == pytest.approx(FAILED, abs=4 * np.sqrt(FAILED / brain.sum()))
    small = [lesion.first.voxels for lesion in lesions if len(lesion.first.voxels) < 10]
    assert small
    assert all(stored[voxels].all() for voxels in small)
    assert (paint(painting, lesions, truth, failed=0.0)[0][brain] > 0).all()


@pytest.mark.parametrize("name", MAPS)
def test_values_are_plausible_in_the_whole_brain(painting, lesions, parameters, name):
    from qsmstats.schemas import map_schemas

    truth, schema = parameters.maps[name], map_schemas()[name]
    stored, _, _ = paint(painting, lesions, truth)
    values = stored * truth.step
    assert values.min() >= schema.low
    assert values.max() <= schema.high


@pytest.mark.parametrize("distance", [3.0, 4.0, 7.0])
def test_far_white_matter_is_as_far_as_said(anatomy, lesions, distance):
    shapes = [lesion.first for lesion in lesions]
    labels = paint_labels(anatomy, shapes)
    away = distance_transform_edt(labels == 0, sampling=anatomy.resolution)
    expected = np.flatnonzero(anatomy.white_matter & (away >= distance))
    np.testing.assert_array_equal(far_from_lesions(anatomy, shapes, distance), expected)


def test_where_nothing_is_far_all_white_matter_is_taken(anatomy, lesions):
    shape = lesions[0].first
    small = replace(anatomy, white_matter=paint_labels(anatomy, [shape]) > 0)
    np.testing.assert_array_equal(far_from_lesions(small, [shape], 6.0), np.sort(shape.voxels))


def test_labels_number_the_lesions(anatomy, lesions):
    shapes = [lesion.first for lesion in lesions]
    labels = paint_labels(anatomy, shapes).ravel()
    assert len(shapes) > 1
    for i, shape in enumerate(shapes):
        np.testing.assert_array_equal(np.flatnonzero(labels == i + 1), np.sort(shape.voxels))


def test_two_readers_find_what_was_written(tmp_path, anatomy):
    rng = np.random.default_rng(3)
    stored = rng.integers(-3000, 3000, size=(5, 6, 7)).astype(np.int16)
    path = tmp_path / "folder" / "image.nii.gz"
    write_image(path, stored, anatomy.affine, slope=0.0001)
    image = nib.load(path)
    np.testing.assert_allclose(image.get_fdata(), stored * 0.0001, rtol=1e-6)
    np.testing.assert_allclose(image.affine, anatomy.affine)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
    other = SimpleITK.ReadImage(str(path))
    values = SimpleITK.GetArrayFromImage(other).transpose(2, 1, 0)
    np.testing.assert_allclose(values, stored * 0.0001, rtol=1e-5, atol=1e-9)
    # SimpleITK turns the first two axes, from right-anterior to left-posterior.
    np.testing.assert_allclose(
        np.array(other.GetOrigin()) * [-1, -1, 1], anatomy.affine[:3, 3], rtol=1e-6
    )


def test_files_carry_no_time_stamp(tmp_path, anatomy):
    write_image(tmp_path / "image.nii.gz", np.zeros((3, 3, 3), np.int16), anatomy.affine)
    content = (tmp_path / "image.nii.gz").read_bytes()
    assert content[4:8] == bytes(4)  # RFC 1952: MTIME
    assert len(gzip.decompress(content)) == 352 + 2 * 27
