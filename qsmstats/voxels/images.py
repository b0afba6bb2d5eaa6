"""Opens images: reads and checks the header before any voxel is read.

The only module that imports nibabel. `open_volume` reads the header of a NIfTI-1 or NIfTI-2 file
(.nii, .nii.gz, or a pair of .hdr and .img) or of one of FreeSurfer (.mgh, .mgz), or takes a nibabel
image, and returns a `Volume`: the grid in mm, and what `qsmstats.voxels.stream` needs to read the
voxels: data type, offset, slope and intercept. Slope and intercept are those of nibabel's array
proxy, because nibabel clears the header's once an image is loaded.

Sources: NIfTI-1 and NIfTI-2 data format (https://nifti.nimh.nih.gov): sform before qform before
pixdim; xyzt_units. MGH format (https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat):
284 bytes of header, the voxels, then parameters and tags of any length.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
import numpy.typing as npt

from qsmstats.arrays import Floats
from qsmstats.errors import ImageError, Problem
from qsmstats.voxels.grids import GRID_TOLERANCE, Grid

__all__ = [
    "ImageSource",
    "Volume",
    "image_error",
    "on_same_grid",
    "open_volume",
    "require_same_grid",
]

ImageSource: TypeAlias = "str | os.PathLike[str] | nib.spatialimages.SpatialImage"
"""Path of an image, or an image that nibabel has loaded or made."""

# Deflate shrinks nothing by more than 1032 (https://zlib.net/zlib_tech.html).
_DEFLATE_LIMIT = 1032

# Size of a header (NIfTI-1, NIfTI-2) -> place and type in it of the offset of the voxels.
_OFFSETS = {348: (108, "f"), 540: (168, "q")}

# Bytes before the voxels, and behind those of an MGH file: extensions of headers, and tags with the
# commands that made a file, rarely take more than some kilobytes.
_HEADER_LIMIT = 64_000_000

# Larger numbers in an affine are damage, in any unit of length.
_FARTHEST = 1e9

# Header of an MGH file, and the place in it of the flag that says whether it holds an affine.
_MGH_HEADER, _MGH_AFFINE = 284, 28

_MILLIMETRES = {"unknown": 1.0, "mm": 1.0, "meter": 1e3, "micron": 1e-3}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """An image whose header has been read and checked, and whose voxels have not.

    Attributes
    ----------
    name
        Path or role of the image, for messages.
    grid
        Shape and affine in mm.
    dtype
        Type of the stored values, with their byte order.
    slope, intercept
        A stored value v means slope * v + intercept.
    path, offset
        File that holds the voxels and the place of the first one in it; None for `data`.
    behind
        Least and largest number of bytes behind the last voxel: other volumes, and what MGH files
        have after them.
    volumes
        Number of volumes in the image, of which this is one.
    data
        Voxels of an image in memory, shape as in `grid`; None for a file.
    flags
        What was unusual: `affines_disagree`, `affine_missing`, `sheared_grid`, `grid_not_in_mm`.
    """

    name: str
    grid: Grid
    dtype: np.dtype[Any]
    slope: float = 1.0
    intercept: float = 0.0
    path: Path | None = None
    offset: int = 0
    behind: tuple[int, int] = (0, 0)
    volumes: int = 1
    data: npt.NDArray[Any] | None = None
    flags: tuple[str, ...] = ()

    @property
    def scaled(self) -> bool:
        """Whether stored values differ from the values they mean."""
        return self.slope != 1.0 or self.intercept != 0.0

    def values(self, stored: npt.NDArray[Any]) -> Floats:
        """Return the values, in double precision, that stored values mean."""
        values = stored.astype(np.float64)
        return values * self.slope + self.intercept if self.scaled else values


def image_error(name: str, problem: str) -> ImageError:
    """Return the error that says what is wrong with the image called `name`."""
    return ImageError([Problem(table=name, problem=problem)])


def open_volume(source: ImageSource, role: str, volume: int | None = None) -> Volume:
    """Read and check the header of an image.

    Parameters
    ----------
    source
        Path of a NIfTI or MGH file, or a nibabel image.
    role
        What the image is, for the messages about images without a file.
    volume
        Number, from 0, of the volume to read of an image of several.

    Raises
    ------
    ImageError
        If there is no such file, it is not a regular file, it cannot be read as NIfTI or MGH, it
        does not hold real numbers, has several volumes of which none is named, or has not the one
        that is; or if its affine is unusable.
    """
    if isinstance(source, str | os.PathLike):
        image, name = _load(Path(source)), str(source)
    else:
        image, name = source, source.get_filename() or f"{role} (image in memory)"
    grid, flags = _grid(image, name)
    number, volumes = _volume_number(image, name, volume)
    proxy = image.dataobj
    dtype = np.dtype(proxy.dtype)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise image_error(
            name,
            f"stores voxels of type {dtype}; convert it to real numbers of at most 64 bits",
        )
    if not _in_file(image):
        data = np.asanyarray(proxy).reshape(*grid.shape, volumes, order="F")[..., number]
        return Volume(
            name=name, grid=grid, dtype=data.dtype, data=data, volumes=volumes, flags=flags
        )
    path, size = Path(proxy.file_like), grid.size * dtype.itemsize
    expected, there = volumes * size, path.stat().st_size
    # Damaged dimensions must be found before memory of that size is requested.
    if expected > there * _DEFLATE_LIMIT:
        shape = grid.shape if volumes == 1 else (*grid.shape, volumes)
        raise image_error(
            name,
            f"is truncated: {_times(shape)} voxels of {dtype} take {expected} bytes, and "
            f"a file of {there} bytes cannot hold them; copy or write it again",
        )
    behind = (volumes - 1 - number) * size
    return Volume(
        name=name,
        grid=grid,
        dtype=dtype,
        slope=float(proxy.slope),
        intercept=float(proxy.inter),
        path=path,
        offset=int(proxy.offset) + number * size,
        behind=(behind, behind + (_HEADER_LIMIT if isinstance(image, nib.MGHImage) else 0)),
        volumes=volumes,
        flags=flags,
    )


def _volume_number(image: Any, name: str, wanted: int | None) -> tuple[int, int]:
    """Return the number of the volume to read, and how many there are."""
    volumes = math.prod(map(int, image.shape[3:]))
    if wanted is None and volumes > 1:
        text = (
            f"has shape {_times(image.shape)}: {volumes} volumes; name one of them in study.toml "
            "(volume = 0 is the first), or extract one volume of three dimensions"
        )
        raise image_error(name, text)
    if wanted is not None and wanted >= volumes:
        held = (
            f"its {volumes} volumes have the numbers 0 to {volumes - 1}; correct the number"
            if volumes > 1
            else f"it is a single volume; remove volume = {wanted}"
        )
        raise image_error(name, f"has no volume {wanted}: {held} in study.toml")
    return wanted or 0, volumes


def on_same_grid(reference: Volume, other: Volume) -> bool:
    """Return whether two volumes lie on one grid (`qsmstats.voxels.grids`)."""
    same_shape = other.grid.shape == reference.grid.shape
    return same_shape and reference.grid.placed_by(other.grid.affine)


def require_same_grid(reference: Volume, other: Volume) -> None:
    """Raise unless two volumes lie on one grid; nothing is ever resampled.

    Raises
    ------
    ImageError
        If the shapes differ, or a corner of the volume lies more than 0.01 voxel away.
    """
    if other.grid.shape != reference.grid.shape:
        raise image_error(
            other.name,
            f"has shape {_times(other.grid.shape)} where {reference.name} has "
            f"{_times(reference.grid.shape)}; resample one to the other beforehand",
        )
    if not on_same_grid(reference, other):
        distance = reference.grid.corner_displacement(other.grid.affine)
        raise image_error(
            other.name,
            f"lies on another grid than {reference.name}: corners are up to {distance:.3g} voxels "
            f"apart (of {_times(reference.grid.spacing.round(3))} mm; up to {GRID_TOLERANCE:g} "
            "voxel is allowed); resample one to the other beforehand, as images are never "
            "resampled here",
        )


def _times(numbers: Any) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def _load(path: Path) -> Any:
    for part in _files(path):
        problem = _no_image(part)
        if problem:
            raise image_error(str(part), problem)
    try:
        if path.suffix.lower() in (".mgh", ".mgz"):
            # The header alone: nibabel would decompress the whole file for what is behind.
            with nib.openers.ImageOpener(str(path)) as file:
                raw = file.read(_MGH_HEADER)
            mgh: Any = nib.freesurfer.mghformat
            header = mgh.MGHHeader(raw)
            spec = (header.get_data_shape(), header.get_data_dtype(), _MGH_HEADER)
            image = mgh.MGHImage(mgh.ArrayProxy(str(path), spec), header.get_affine(), header)
            # nibabel sets it where it is not set, and makes an affine up.
            image.header["goodRASFlag"] = int.from_bytes(raw[_MGH_AFFINE : _MGH_AFFINE + 2], "big")
        else:
            _require_short_header(_files(path)[0])
            image = nib.load(path)
    except ImageError:
        raise
    except Exception as error:  # a damaged header breaks nibabel in many places and ways
        raise image_error(
            str(path),
            f"cannot be read as an image ({error}): it is damaged or not NIfTI; copy or write it "
            "again as NIfTI",
        ) from error
    if not _in_file(image):
        kind = type(image).__name__
        raise image_error(str(path), f"is a {kind}; convert it to NIfTI (.nii or .nii.gz)")
    return image


def _no_image(path: Path) -> str | None:
    """Return why a file cannot be an image before anything is read from it."""
    if path.is_dir():
        return "is a folder; name the image file in it"
    if not path.exists():
        return "no such file; check the pattern in study.toml or the path"
    if not path.is_file():  # a pipe or a device may never end
        return "is not a regular file but a pipe or device; replace it with the image"
    if not os.access(path, os.R_OK):
        return "cannot be read: permission denied; ask its owner for access"
    return None if path.stat().st_size else "is empty (0 bytes); copy or write it again"


def _require_short_header(path: Path) -> None:
    """Raise where nibabel would read too much before the voxels, all of which it keeps."""
    with nib.openers.ImageOpener(str(path)) as file:
        raw = file.read(540).ljust(540, b"\0")
    for order in "<>":
        (size,) = struct.unpack_from(f"{order}i", raw)
        if size not in _OFFSETS:
            continue
        place, kind = _OFFSETS[size]
        (offset,) = struct.unpack_from(order + kind, raw, place)
        if not offset <= _HEADER_LIMIT:  # nor is NaN
            raise image_error(
                str(path),
                f"is damaged: by its header the voxels begin at byte {offset:.3g}, beyond the "
                f"{_HEADER_LIMIT} that a header may take; copy or write it again",
            )


def _files(path: Path) -> list[Path]:
    """Return the files of an image: the .hdr and .img of a pair, or itself."""
    if not {".hdr", ".img"} & set(path.suffixes[-2:]):
        return [path]
    holders = nib.Nifti1Pair.filespec_to_file_map(path)
    return [Path(str(holders[part].filename)) for part in ("header", "image")]


def _in_file(image: Any) -> bool:
    proxy = image.dataobj
    return isinstance(image, nib.Nifti1Pair | nib.MGHImage) and isinstance(
        getattr(proxy, "file_like", None), str | os.PathLike
    )


def _grid(image: Any, name: str) -> tuple[Grid, tuple[str, ...]]:
    shape = tuple(map(int, image.shape))
    if len(shape) < 3:
        text = f"has shape {_times(shape)}; write a volume of three dimensions"
        raise image_error(name, text)
    if min(shape) < 1:
        raise image_error(name, f"has shape {_times(shape)}: it has no voxels; write it again")
    if image.affine is None:
        raise image_error(name, "has no affine, and its voxels no positions; write one")
    affine = np.array(image.affine, dtype=np.float64)
    usable = np.abs(affine).max() < _FARTHEST and abs(np.linalg.det(affine[:3, :3])) > 1e-12
    if not usable:  # NaN compares as false
        text = f"has an unusable affine: {affine[:3].tolist()}; correct it"
        raise image_error(name, text)
    grid, flags = Grid(shape=(shape[0], shape[1], shape[2]), affine=affine), list[str]()
    if isinstance(image, nib.MGHImage):
        flags = [] if image.header["goodRASFlag"] else ["affine_missing"]
    elif isinstance(image, nib.Nifti1Pair):
        grid, flags = _in_millimetres(image.header, grid, name)
    return grid, (*flags, *(["sheared_grid"] if grid.sheared else []))


def _in_millimetres(header: Any, grid: Grid, name: str) -> tuple[Grid, list[str]]:
    """Return the grid in mm, its affine compared with the others that a NIfTI header holds."""
    has_sform, has_qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    flags = ["affine_missing"]
    if has_sform or has_qform:
        rescaled = grid.affine.copy()
        rescaled[:3, :3] *= header["pixdim"][1:4] / grid.spacing
        agree = grid.placed_by(rescaled)
        if has_sform and has_qform:
            try:
                agree = agree and grid.placed_by(header.get_qform())
            except (ValueError, nib.spatialimages.HeaderDataError):
                agree = False  # the quaternion is not a rotation
        flags = [] if agree else ["affines_disagree"]
    try:
        factor = _MILLIMETRES[header.get_xyzt_units()[0]]
    except KeyError as error:
        code = int(header["xyzt_units"])
        text = f"xyzt_units holds {code}, which is not a NIfTI code; correct it"
        raise image_error(name, text) from error
    if factor == 1.0:
        return grid, flags
    affine = grid.affine.copy()
    affine[:3] *= factor
    return replace(grid, affine=affine), [*flags, "grid_not_in_mm"]
