"""Images that are made: where values are, and the same bytes at every time."""

from __future__ import annotations

import time

import nibabel as nib
import numpy as np

from qsmstats.voxels.grids import Grid
from qsmstats.voxelwise.nifti import make_image, write_nifti

AFFINE = np.array([[0.0, 2, 0, -9], [-3, 0, 0, 5], [0, 0, 4, 1], [0, 0, 0, 1]])
GRID = Grid(shape=(2, 3, 4), affine=AFFINE)


def test_values_stand_in_their_voxels(tmp_path):
    index = np.array([1, 2 * 1 + 6 * 2])
    write_nifti(tmp_path / "a.nii.gz", make_image(np.array([1.5, -2.0]), index, GRID))
    read = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read.affine, AFFINE)
    assert read.get_sform(coded=True)[1] == 2
    np.testing.assert_allclose(read.get_qform(), AFFINE, atol=1e-6)
    values = read.get_fdata()
    assert (values[1, 0, 0], values[0, 1, 2]) == (1.5, -2.0)
    assert np.isnan(values).sum() == 22
    flags = make_image(np.array([True, False]), index, GRID)
    assert flags.get_data_dtype() == np.uint8
    assert np.asarray(flags.dataobj).sum() == 1


def test_bytes_do_not_depend_on_the_time(tmp_path, monkeypatch):
    image = make_image(np.array([1.0]), np.array([3]), GRID)
    write_nifti(tmp_path / "a.nii.gz", image)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    write_nifti(tmp_path / "b.nii.gz", image)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_sheared_grid_has_no_quaternion():
    sheared = AFFINE.copy()
    sheared[0, 2] = 1.0
    image = make_image(np.array([1.0]), np.array([3]), Grid(shape=(2, 3, 4), affine=sheared))
    np.testing.assert_array_equal(image.affine, sheared)
    assert image.get_qform(coded=True)[1] == 0
