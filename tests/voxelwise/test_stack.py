"""Images on disk: values, missing ones, what is left out and what is refused."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from qsmstats.errors import ImageError, InvalidDataError
from qsmstats.voxels.units import map_unit
from qsmstats.voxelwise.stack import MapSource, open_mask, read_stack
from tests.voxelwise.conftest import AFFINE

SOURCE = MapSource(unit=map_unit("mwf_percent", {"mwf_percent": "fraction"}), missing=0.0)


def image(values):
    return nib.Nifti1Image(np.asarray(values, dtype=np.float32), AFFINE)


@pytest.fixture
def box():
    """Six images of a box of 3 x 4 x 5 voxels, as fractions, and a mask of half of it."""
    rng = np.random.default_rng(3)
    volumes = rng.uniform(0.05, 0.2, (6, 3, 4, 5))
    mask = np.zeros((3, 4, 5), dtype=np.float32)
    mask[:, :2] = 1
    return volumes, image(mask)


def test_values_are_in_the_canonical_unit_and_in_the_order_of_the_voxels(box, tmp_path):
    volumes, mask = box
    volumes[2, 0, 0, 0] = 0.0
    volumes[4, 1, 1, 1] = np.nan
    paths = [tmp_path / f"{number}.nii.gz" for number in range(6)]
    for path, volume in zip(paths, volumes, strict=True):
        nib.save(image(volume), path)
    stack = read_stack(paths, mask, tmp_path / "v.f32", source=SOURCE, present=0.5)
    i, j, k = np.unravel_index(stack.index, (3, 4, 5), order="F")
    expected = 100 * volumes[:, i, j, k].astype(np.float32)
    expected[expected == 0] = np.nan
    np.testing.assert_allclose(stack.values(stack.columns), expected, rtol=1e-6)
    some = stack.columns[[1, 4, 9]]
    np.testing.assert_array_equal(stack.values(some), stack.values(stack.columns)[:, [1, 4, 9]])
    whole = read_stack(paths, mask, tmp_path / "w.f32", source=SOURCE, present=1.0)
    assert len(stack.columns) - len(whole.columns) == 2
    volumes[0, 0, 0, 1] *= 1.001
    nib.save(image(volumes[0]), paths[0])
    changed = read_stack(paths, mask, tmp_path / "v.f32", source=SOURCE, present=0.5)
    assert changed.checksum != stack.checksum == whole.checksum


def test_what_is_wrong_with_an_image_is_said_and_the_others_are_read(box, tmp_path):
    volumes, mask = box
    good = [image(volume) for volume in volumes]
    bad = {
        0: "no such file.nii.gz",
        2: nib.Nifti1Image(volumes[2].astype(np.float32), np.diag([4.0, 4, 4, 1])),
        3: image(np.zeros((3, 4, 5))),
        5: image(volumes[5] * 100),
    }
    images = [bad.get(number, one) for number, one in enumerate(good)]
    stack = read_stack(images, mask, tmp_path / "v.f32", source=SOURCE, present=0.8)
    assert stack.images.tolist() == [1, 4]
    texts = {number: problem.problem for number, problem in stack.problems.items()}
    assert sorted(texts) == sorted(bad)
    for number, part in {
        0: "no such file",
        2: "another grid",
        3: "measures no voxel",
        5: "in the mask",
    }.items():
        assert part in texts[number]
    i, j, k = np.unravel_index(stack.index, (3, 4, 5), order="F")
    np.testing.assert_allclose(
        stack.values(stack.columns), 100 * volumes[[1, 4]][:, i, j, k], rtol=1e-6
    )


def test_a_share_that_no_voxel_reaches_is_an_error(box, tmp_path):
    volumes, mask = box
    volumes[:2, :2] = 0.0
    volumes[2:, 2:] = 0.0
    with pytest.raises(InvalidDataError, match="none of the 30 voxels of the mask is measured"):
        read_stack(list(map(image, volumes)), mask, tmp_path / "v", source=SOURCE, present=0.9)


def test_a_mask_of_nothing_is_refused():
    with pytest.raises(ImageError, match="empty mask; it must contain the voxels to analyse"):
        open_mask(image(np.zeros((2, 2, 2))))
