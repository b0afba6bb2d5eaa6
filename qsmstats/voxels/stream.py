"""Reads voxels in one pass, in bounded pieces, and keeps only those that are asked for.

A compressed file is decompressed piece by piece by isal (zlib where isal is not available) into
one buffer; most of the time is spent there. An uncompressed file is mapped into memory. Every file
is read to its end, because the checksum of a gzip stream stands after its data, and because a file
that is longer or shorter than its header says must be refused; of a longer one nothing is
decompressed beyond what the header says.

An image whose voxels take more bytes than are available to this process
(`qsmstats.voxels.memory`) is refused before it is decompressed, and a label image or mask as soon
as it has more voxels than could be measured.

Source: RFC 1952 (gzip file format), section 2.3.1: CRC32 and ISIZE.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.schemas import LAST_PARCEL, parcel_words
from qsmstats.voxels.images import Volume, image_error
from qsmstats.voxels.memory import MORE_MEMORY, gigabytes, memory_at_hand

try:
    from isal import igzip, isal_zlib

    _inflate: Callable[..., Any] = igzip.open
    _INFLATE_ERROR: Any = isal_zlib.error
except ImportError:  # a platform for which isal has no wheel
    _inflate = gzip.open
    _INFLATE_ERROR = zlib.error

__all__ = ["LabelVoxels", "gather", "read_labels", "read_mask", "read_parcels"]

# Bytes per piece: larger than what the processor's cache would favour gains nothing, smaller costs
# calls; a multiple of every item size.
PIECE = 1 << 20

# Labels are whole numbers. Scaling (scl_slope) stores them with an error of half a step at most;
# without scaling there is no error to allow for, and a fraction means an interpolated image.
SCALED_RESIDUAL = 0.25
UNSCALED_RESIDUAL = 1e-3

# Peak bytes that the full features take per voxel of a lesion and of the mask, as measured on
# volumes of 200 x 200 x 200 voxels.
LESION_VOXEL = 200
MASK_VOXEL = 100

_Piece: TypeAlias = tuple[int, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelVoxels:
    """The labelled voxels of a label image.

    Attributes
    ----------
    index
        Shape (n,); flat indices in Fortran order, ascending.
    label
        Shape (n,); label of each, at least 1.
    flags
        `labels_rounded` where stored values were not whole numbers, `labels_empty` where there are
        none, `small_components` where some were left out.
    names
        Label -> lesion type or lesion in the name of the file that holds it; empty where one file
        holds all.
    left_out
        Voxels of each component that is too small to count as a lesion; None where components
        were not asked for.
    """

    index: Integers
    label: Integers
    flags: tuple[str, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    left_out: Integers | None = None


def gather(volume: Volume, index: Integers) -> Floats:
    """Read the values of some voxels.

    Parameters
    ----------
    volume
        Image to read, in one pass.
    index
        Shape (n,); flat indices in Fortran order, ascending.

    Returns
    -------
    ndarray
        Shape (n,); values after slope and intercept, in double precision.

    Raises
    ------
    ImageError
        If the file is damaged, truncated, longer than its header says, or does not fit into
        memory.
    """
    _room(volume)
    stored = np.empty(len(index), dtype=volume.dtype)
    for start, piece in _pieces(volume):
        first, last = np.searchsorted(index, (start, start + len(piece)))
        # Every index is in the piece; "clip" spares the buffer that "raise" fills first.
        np.take(piece, index[first:last] - start, out=stored[first:last], mode="clip")
    return volume.values(stored)


def read_labels(volume: Volume) -> LabelVoxels:
    """Read the labelled voxels of a label image.

    Raises
    ------
    ImageError
        As `gather`, and if a label is negative, not finite, not a whole number, or beyond 64 bits.
    """
    indices, stored, found = [], [], 0
    room = _room(volume)
    for start, piece in _pieces(volume):
        filled = piece != 0 if volume.intercept == 0 else np.rint(volume.values(piece)) != 0
        index = np.flatnonzero(filled)
        found += len(index)
        _require_room(volume, found, LESION_VOXEL, room)
        indices.append(index + start)
        stored.append(piece[index])
    label, flags = _whole_numbers(volume, np.concatenate(stored))
    index = np.concatenate(indices)
    if label.size and label.min() < 0:
        place = tuple(map(int, volume.grid.coordinates(index[label.argmin(), None])[0]))
        raise image_error(
            volume.name,
            f"holds the negative label {label.min()} (voxel {place}); "
            "labels must be whole numbers from 1, and 0 outside lesions: correct them",
        )
    kept = label != 0
    if not kept.any():
        flags = (*flags, "labels_empty")
    return LabelVoxels(index=index[kept].astype(np.int64), label=label[kept], flags=flags)


def read_mask(volume: Volume, *, must_hold: str | None = "the white matter") -> Flags:
    """Read a mask: 0 and one other value, or probabilities, which count from above one half.

    Parameters
    ----------
    volume
        The mask.
    must_hold
        What an empty mask lacks, for its message; None where a mask may be empty.

    Returns
    -------
    ndarray
        Shape (n_voxels,), in Fortran order.

    Raises
    ------
    ImageError
        As `gather`, and if the image holds neither, or no voxel belongs to the mask.
    """
    room = _room(volume)
    mask = np.zeros(volume.grid.size, dtype=np.bool_)
    low, high, found = np.inf, -np.inf, 0
    for start, piece in _pieces(volume):
        values = volume.values(piece) if volume.scaled else piece
        filled = values[values != 0]
        if filled.size:
            low, high = np.minimum(low, filled.min()), np.maximum(high, filled.max())
            inside = values > 0.5
            mask[start : start + len(piece)] = inside
            found += int(np.count_nonzero(inside))
            _require_room(volume, found, MASK_VOXEL, room)
    if not (low > high or 0 <= low <= high <= 1 or 0 < low == high < np.inf):
        raise image_error(
            volume.name,
            f"is not a mask: its values range from {low:g} to {high:g}; a mask must hold 0 and "
            "one other value, or probabilities from 0 to 1: correct it, or say in study.toml what "
            'the values are (of tissue: labels = [2, 41]; of lesions: instances = "labels")',
        )
    if not found and must_hold is not None:
        raise image_error(volume.name, f"is an empty mask; it must contain {must_hold}: correct it")
    return mask


def read_parcels(volume: Volume, labels: Sequence[tuple[int, int]]) -> tuple[Flags, Integers]:
    """Read the voxels of a parcellation that have one of some labels.

    Parameters
    ----------
    volume
        The parcellation.
    labels
        First and last value of each range, from 1.

    Returns
    -------
    mask
        Shape (n_voxels,), in Fortran order.
    there
        The labels that the image has, ascending.

    Raises
    ------
    ImageError
        As `read_labels`, and if no voxel has one of the labels.
    """
    room = _room(volume)
    mask = np.zeros(volume.grid.size, dtype=np.bool_)
    wanted = np.zeros(LAST_PARCEL + 2, dtype=np.bool_)  # the last stands for all above
    there = wanted.copy()
    for first, last in labels:
        wanted[first : last + 1] = True
    found = 0
    for start, piece in _pieces(volume):
        numbers, _ = _whole_numbers(volume, piece)
        numbers = np.clip(numbers, 0, len(wanted) - 1)
        there[numbers] = True
        inside = wanted[numbers]
        mask[start : start + len(piece)] = inside
        found += int(np.count_nonzero(inside))
        _require_room(volume, found, MASK_VOXEL, room)
    present = np.flatnonzero(there[1:-1]) + 1
    if not found:
        held = parcel_words([(label, label) for label in present.tolist()]) or "no label"
        raise image_error(
            volume.name,
            f"has no voxel of the labels {parcel_words(labels)} that study.toml names; it holds "
            f"{held}: correct the labels in study.toml",
        )
    return mask, present


def _whole_numbers(volume: Volume, stored: npt.NDArray[Any]) -> tuple[Integers, tuple[str, ...]]:
    kind = stored.dtype.kind
    fits = kind in "bi" or (kind == "u" and stored.max(initial=0) < 2**63)
    if fits and not volume.scaled:
        return stored.astype(np.int64), ()
    values = volume.values(stored)
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) >= 2**63:
        bad = values[~np.isfinite(values) | (np.abs(values) >= 2**63)][0]
        raise image_error(
            volume.name, f"holds the label {bad}; labels must be whole numbers from 1: correct it"
        )
    rounded = np.rint(values)
    residual = np.abs(values - rounded)
    allowed = SCALED_RESIDUAL if volume.scaled else UNSCALED_RESIDUAL
    if residual.max(initial=0) > allowed:
        worst = values[residual.argmax()]
        share = (residual > allowed).mean()
        raise image_error(
            volume.name,
            f"holds the label {worst:.4g}, and {share:.0%} of its labelled voxels are not whole "
            "numbers: the labels were interpolated or wrongly scaled; resample label images "
            "with nearest-neighbour interpolation",
        )
    # Rounding within double precision (slope 1/255, say) is expected; more than that is flagged.
    flags = ("labels_rounded",) if residual.max(initial=0) > 1e-6 else ()
    return rounded.astype(np.int64), flags


def _pieces(volume: Volume) -> Iterator[_Piece]:
    """Yield (flat index of the first voxel, stored values), in Fortran order, over all voxels."""
    data, path = volume.data, volume.path
    if data is not None:
        # Plane by plane: flattening the whole of a C-ordered array would copy it.
        plane = data.shape[0] * data.shape[1]
        for k in range(data.shape[2]):
            yield k * plane, data[:, :, k].ravel(order="F")
    if path is None:
        return
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"\x1f\x8b":
        yield from _pieces_inflated(volume, path)
    elif path.suffix not in (".nii", ".img", ".mgh"):
        raise image_error(
            volume.name,
            f"is named {path.suffix} but begins with {magic.hex()}, not with 1f8b as gzip files "
            "do; write it as .nii or .nii.gz",
        )
    else:
        _require_size(volume, path.stat().st_size - volume.offset)
        stored = np.memmap(
            path, dtype=volume.dtype, mode="r", offset=volume.offset, shape=volume.grid.size
        )
        step = PIECE // volume.dtype.itemsize
        for start in range(0, volume.grid.size, step):
            yield start, stored[start : start + step]


def _pieces_inflated(volume: Volume, path: Path) -> Iterator[_Piece]:
    item = volume.dtype.itemsize
    buffer = memoryview(bytearray(PIECE))
    done, end = 0, volume.grid.size * item
    try:
        with _inflate(path, "rb") as file:
            file.seek(volume.offset)
            while done < end:
                view = buffer[: end - done]
                got = _fill(file, view)
                yield done // item, np.frombuffer(view, dtype=volume.dtype, count=got // item)
                done += got
                if got < len(view):
                    break
            # One byte too many shows whether there are more, and has the checksum compared.
            end += volume.behind[1] + 1
            while got := _fill(file, buffer[: max(end - done, 0)]):
                done += got
    except (OSError, EOFError, _INFLATE_ERROR) as error:
        raise image_error(
            volume.name, f"is damaged: {error}; copy it again from an intact source"
        ) from error
    _require_size(volume, done)


def _fill(file: BufferedIOBase, view: memoryview) -> int:
    """Fill `view` as far as the file goes; a single read may stop short."""
    got = 0
    while got < len(view) and (more := file.readinto(view[got:])):
        got += more
    return got


def _require_size(volume: Volume, size: int) -> None:
    """Raise unless a file has so many bytes from the first voxel on as its header says."""
    least, most = (volume.grid.size * volume.dtype.itemsize + more for more in volume.behind)
    if not least <= size <= most:
        shape = " x ".join(map(str, volume.grid.shape))
        short, expected = size < least, least if size < least else most
        raise image_error(
            volume.name,
            f"is {'truncated' if short else 'longer than its header says'}: {shape} voxels of "
            f"{volume.dtype} take {expected} bytes, the file holds "
            f"{max(size, 0) if short else 'more'}; copy or write it again",
        )


def _room(volume: Volume) -> float:
    """Return the bytes of memory that are available; the voxels of a file must fit into them."""
    size, room = volume.grid.size * volume.dtype.itemsize, memory_at_hand()
    if size > room and volume.path is not None:
        shape = " x ".join(map(str, volume.grid.shape))
        raise image_error(
            volume.name,
            f"does not fit into memory: {shape} voxels of {volume.dtype} take {gigabytes(size)}, "
            f"and {gigabytes(room)} are available to each process; correct the header if it is "
            f"wrong, or {MORE_MEMORY}",
        )
    return room


def _require_room(volume: Volume, found: int, each: int, room: float) -> None:
    if found * each > room:
        raise image_error(
            volume.name,
            f"has at least {found} of {volume.grid.size} voxels that are not 0; to measure them "
            f"takes {gigabytes(found * each)} of memory, and {gigabytes(room)} are available to "
            f"each process; set voxels outside the regions to 0, or {MORE_MEMORY}",
        )
