"""Reads images in a common space into one array on disk: one row an image, one column a voxel.

Every image must lie on the grid of the mask (nothing is resampled) and its values must not
contradict the unit declared for it, as everywhere (`qsmstats.voxels`). The values are kept in
single precision, in which 200 images of 200,000 voxels take 160 MB; fits are computed in double
precision.
A voxel that an image does not measure (not finite, or the value declared as missing) is NaN there,
and missing for this image alone. Voxels of the mask that too few images measure are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qsmstats.arrays import Floats, Integers
from qsmstats.errors import ImageError, InvalidDataError, Problem
from qsmstats.parallel import Progress
from qsmstats.voxels.executors import early_end, run_jobs
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.images import (
    ImageSource,
    Volume,
    image_error,
    open_volume,
    require_same_grid,
)
from qsmstats.voxels.maps import read_map
from qsmstats.voxels.stream import read_mask
from qsmstats.voxels.units import MapUnit

__all__ = ["ImageStack", "MapSource", "finished", "open_mask", "read_stack"]

_Result = TypeVar("_Result")

BLOCK = 1 << 13
"""Voxels whose missing values are counted at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSource:
    """How the stored values of the images are to be read.

    Attributes
    ----------
    unit
        Unit of the stored values.
    missing
        Stored value that means "not measured", or None.
    volume
        Number, from 0, of the volume of a file of several, or None.
    """

    unit: MapUnit
    missing: float | None = None
    volume: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageStack:
    """The values of all images, in a file.

    Attributes
    ----------
    path
        File of float32, shape (n_images, n_mask), row by row.
    images
        Positions of the images that could be read, among those given, shape (n_images,).
    problems
        What is wrong with each of the others, by position.
    grid, mask
        The mask's grid, and flat indices in Fortran order of its voxels, shape (n_mask,).
    columns
        Columns of the voxels that enough images measure, ascending, shape (n,).
    checksum
        sha256 over values, voxels and affine.
    """

    path: Path
    images: Integers
    problems: dict[int, Problem]
    grid: Grid
    mask: Integers
    columns: Integers
    checksum: str

    @property
    def index(self) -> Integers:
        """Flat indices in Fortran order of the voxels that enough images measure, shape (n,)."""
        return self.mask[self.columns]

    def values(self, columns: Integers) -> Floats:
        """Return the values of ascending columns, shape (n_images, n); NaN where missing."""
        stored = _stored(self.path, len(self.images), len(self.mask), "r")
        # One run of bytes per row, then the columns wanted: a disk reads runs.
        first = int(columns[0])
        run = np.asarray(stored[:, first : int(columns[-1]) + 1], dtype=np.float64)
        return run[:, columns - first]


def open_mask(mask: ImageSource) -> tuple[Volume, Integers]:
    """Open a mask and return it with the flat indices in Fortran order of its voxels.

    Raises
    ------
    ImageError
        If it cannot be read, is no mask, or has no voxel.
    """
    volume = open_volume(mask, "mask")
    inside = read_mask(volume, must_hold="the voxels to analyse")
    return volume, np.flatnonzero(inside).astype(np.int64)


def read_stack(
    images: Sequence[ImageSource],
    mask: ImageSource,
    path: Path,
    *,
    source: MapSource,
    present: float,
    jobs: int = 1,
    progress: Progress | None = None,
) -> ImageStack:
    """Read images into a file.

    Parameters
    ----------
    images
        One per observation.
    mask
        The voxels to read.
    path
        File to write; replaced where it is there.
    source
        Unit and missing value.
    present
        Least share of the images that measure a voxel.
    jobs, progress
        Processes; called with (images done, images).

    Raises
    ------
    ImageError
        If the mask cannot be used. What is wrong with an image is in `problems`.
    InvalidDataError
        If no voxel is measured by enough images.
    """
    frame, inside = open_mask(mask)
    _stored(path, len(images), len(inside), "w+")
    call = partial(_read_image, path, len(images), frame, inside, source)
    problems: dict[int, Problem] = {}
    for done, (number, result) in enumerate(
        run_jobs(call, list(enumerate(images)), workers=jobs), start=1
    ):
        if (problem := finished(result)) is not None:
            problems[number] = problem
        if progress is not None:
            progress(done, len(images))
    read = np.array([at for at in range(len(images)) if at not in problems], dtype=np.int64)
    if problems:
        _without_rows(path, len(images), len(inside), read)
    columns, checksum = _measured(path, len(read), len(inside), present)
    if not len(columns) and len(read):
        message = (
            f"none of the {len(inside)} voxels of the mask is measured by {present:.0%} of the "
            f"{len(read)} images; ask for a smaller share (present), or correct mask or images"
        )
        raise InvalidDataError(message)
    place = frame.grid.affine.tobytes() + inside.tobytes()
    return ImageStack(
        path=path,
        images=read,
        problems=problems,
        grid=frame.grid,
        mask=inside,
        columns=columns,
        checksum=hashlib.sha256(place + checksum).hexdigest(),
    )


def finished(result: _Result | Exception) -> _Result:
    """Return what a job of `run_jobs` gave.

    Raises
    ------
    MemoryError
        If its process ended twice.
    Exception
        What it raised.
    """
    if isinstance(result, BrokenExecutor):
        raise MemoryError(early_end(result)) from result
    if isinstance(result, Exception):
        raise result
    return result


def _stored(path: Path, rows: int, columns: int, mode: str) -> NDArray[np.float32]:
    kind: Any = np.memmap  # its modes are literals
    made: NDArray[np.float32] = kind(path, np.float32, mode, shape=(max(rows, 1), columns))
    return made


def _read_image(
    path: Path,
    rows: int,
    frame: Volume,
    inside: Integers,
    source: MapSource,
    task: tuple[int, ImageSource],
) -> Problem | None:
    """Read one image into its row; return what is wrong with it."""
    number, image = task
    try:
        volume = open_volume(image, f"image {number}", source.volume)
        require_same_grid(frame, volume)
        values, valid, _ = read_map(
            volume,
            inside,
            None,
            unit=source.unit,
            missing=source.missing,
            tissue=False,
            place="the mask",
        )
        if not valid.any():
            text = (
                "measures no voxel of the mask: all values are missing; correct the image, or "
                "the value that means 'not measured'"
            )
            raise image_error(volume.name, text)
    except ImageError as error:
        return error.problems[0]
    row = _stored(path, rows, len(inside), "r+")
    row[number] = np.where(valid, values, np.nan)
    return None


def _without_rows(path: Path, rows: int, columns: int, kept: Integers) -> None:
    """Close the gaps of images that could not be read."""
    stored = _stored(path, rows, columns, "r+")
    for to, number in enumerate(kept):
        stored[to] = stored[number]


def _measured(path: Path, rows: int, columns: int, present: float) -> tuple[Integers, bytes]:
    """Return the columns that enough rows measure, and the sum of all values."""
    content, kept = hashlib.sha256(), []
    if rows:
        stored = _stored(path, rows, columns, "r")
        for first in range(0, columns, BLOCK):
            block = np.ascontiguousarray(stored[:, first : first + BLOCK])
            content.update(block.tobytes())
            share = np.isfinite(block).mean(axis=0)
            # A share of 0.8 of 5 images is 4 of them, whatever the last digits say.
            kept.append(first + np.flatnonzero(share >= present - 1e-9))
    return np.concatenate([np.empty(0), *kept]).astype(np.int64), content.digest()
