"""Makes images of what was computed in voxels, and writes them.

It makes and writes images only; the sole opener of images is `qsmstats.voxels.images`.

A map has the grid of the mask. Voxels in which nothing was computed are NaN, as a zero would be an
estimate that nobody made; in maps of whole numbers and flags they are 0. Files are NIfTI-1,
compressed without a time stamp: the same values give the same bytes wherever zlib is the same.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from qsmstats.arrays import Integers
from qsmstats.voxels.grids import Grid
from qsmstats.writing import written_whole

__all__ = ["Image", "make_image", "write_nifti"]

Image: TypeAlias = nib.Nifti1Image

ALIGNED = 2
"""Code of NIfTI-1 for the space of another image: here that of the mask."""
COMPRESSION = 4


def make_image(
    values: NDArray[Any], index: Integers, grid: Grid, *, outside: float = np.nan
) -> Image:
    """Return an image of values in some voxels of a grid.

    Parameters
    ----------
    values
        Shape (n,); floating point, whole numbers or truth values.
    index
        Shape (n,); flat indices of the voxels in Fortran order.
    grid
        The grid.
    outside
        Value of the other voxels; of whole numbers and truth values it is 0.
    """
    values = values.astype(np.uint8) if values.dtype == bool else values
    filling = outside if values.dtype.kind == "f" else 0
    volume = np.full(grid.size, filling, dtype=values.dtype)
    volume[index] = values
    make: Any = nib.Nifti1Image  # nibabel gives its images and headers no types
    image = make(volume.reshape(grid.shape, order="F"), grid.affine)
    image.header.set_sform(grid.affine, code=ALIGNED)
    # A quaternion cannot hold a sheared grid.
    image.header.set_qform(grid.affine, code=0 if grid.sheared else ALIGNED)
    image.header.set_xyzt_units("mm", "sec")
    made: Image = image
    return made


def write_nifti(path: Path, image: Image) -> None:
    """Write an image as .nii.gz, whole or not at all."""
    with written_whole(path) as unfinished:
        unfinished.write_bytes(gzip.compress(image.to_bytes(), COMPRESSION, mtime=0))
