"""Small images with known content, in memory and as files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from .phantoms import AFFINE, balls


@pytest.fixture
def labels():
    """Return four lesions: of 1 voxel, touching, and touching the border."""
    return balls(
        (24, 26, 22), [(5, 6, 7), (14, 14, 11), (18, 14, 11), (2, 20, 18)], [0, 3, 2.3, 2.6]
    )


@pytest.fixture
def values():
    """Return a map of 24 x 26 x 22 float32 values around 10."""
    rng = np.random.default_rng(4)
    return rng.normal(10, 3, (24, 26, 22)).astype(np.float32)


@pytest.fixture
def white_matter():
    """Return a mask that holds all but a margin of two voxels."""
    mask = np.zeros((24, 26, 22), dtype=np.uint8)
    mask[2:-2, 2:-2, 2:-2] = 1
    return mask


@pytest.fixture
def save(tmp_path):
    """Return a function that writes an array as a NIfTI file and returns its path."""

    def write(array, name: str = "image.nii.gz", affine=AFFINE, kind=nib.Nifti1Image) -> Path:
        path = tmp_path / name
        nib.save(kind(array, affine), path)
        return path

    return write
