"""Lesions and white matter in the forms that labs store them, read into one.

Lesions are labels of one image, connected components of a mask, or either in one file per lesion
type; or one mask per lesion. White matter is a mask, or some labels of a parcellation. Files of one
session lie on one grid and share no voxel.

Components are those of `scipy.ndimage.label`, and keep its numbers, counted in the order of their
first voxels with the last axis fastest: small ones that are left out leave gaps. Of several files,
the numbers of one go on from the last of the file before. Masks of lesions are numbered in the
order of their names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from scipy import ndimage

from qsmstats.arrays import Flags, Integers
from qsmstats.errors import ImageError, Problem
from qsmstats.study import LabelSpec, Study, TissueSpec
from qsmstats.tables.spelling import known_spellings, unknown_level, word_key
from qsmstats.voxels.images import (
    ImageSource,
    Volume,
    image_error,
    open_volume,
    require_same_grid,
)
from qsmstats.voxels.memory import MORE_MEMORY, gigabytes, memory_at_hand
from qsmstats.voxels.stream import LabelVoxels, read_labels, read_mask, read_parcels

__all__ = [
    "LabelFiles",
    "LabelSource",
    "LesionReader",
    "ReadLabels",
    "ReadTissue",
    "TissueFile",
    "TissueSource",
    "labels_of",
    "open_labels",
    "open_tissue",
    "read_lesions",
    "read_tissue",
]

# Steps along the axes between neighbours.
_STEPS = {6: 1, 18: 2, 26: 3}

# Bytes per voxel of the box around all lesions: its copy, and the numbers of its components.
_BOX_VOXEL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFiles:
    """The label images of one session.

    Attributes
    ----------
    files
        Each image, with the lesion type or the lesion that it holds; "" for all lesions.
    spec
        What study.toml says of them.
    """

    files: tuple[tuple[str, ImageSource], ...]
    spec: LabelSpec

    @property
    def paths(self) -> tuple[Path, ...]:
        """The images that are files."""
        return _paths(file for _, file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class TissueFile:
    """The image of a tissue, and what study.toml says of it."""

    file: ImageSource
    spec: TissueSpec

    @property
    def paths(self) -> tuple[Path, ...]:
        """The image, where it is a file."""
        return _paths([self.file])


def _paths(sources: Iterable[ImageSource]) -> tuple[Path, ...]:
    return tuple(Path(one) for one in sources if isinstance(one, str | os.PathLike))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadLabels:
    """The label images of one session, which have been read.

    Attributes
    ----------
    paths
        The images.
    volume
        Header of the first of them: their grid.
    voxels
        Their lesions.
    """

    paths: tuple[Path, ...]
    volume: Volume
    voxels: LabelVoxels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadTissue:
    """The image of a tissue, which has been read.

    Attributes
    ----------
    volume
        Its header.
    mask, there
        What `read_tissue` returns for it.
    """

    volume: Volume
    mask: Flags
    there: Integers | None


class LesionReader(Protocol):
    """What reads label images, or knows what was read from them."""

    def read(self, labels: LabelFiles) -> LabelFiles | ReadLabels:
        """Return the lesions, or the images as they are where they cannot be read."""


LabelSource: TypeAlias = "ImageSource | LabelFiles | ReadLabels"
"""Label images of a session; an image alone has a whole number of its own for each lesion."""

TissueSource: TypeAlias = "ImageSource | TissueFile | ReadTissue"
"""Image of a tissue; an image alone is a mask."""


def _files_of(labels: ImageSource | LabelFiles) -> LabelFiles:
    """Return the files of label images in any form."""
    if isinstance(labels, LabelFiles):
        return labels
    return LabelFiles(files=(("", labels),), spec=LabelSpec(pattern=""))


def labels_of(study: Study, participant_id: str, session_id: str) -> LabelFiles:
    """Find the label images of a session.

    Where the pattern has a name for each lesion type or lesion, they are the files that are there,
    but for the images that study.toml names as something else.

    Raises
    ------
    ImageError
        If a file leads out of the study folder, where that is barred, or is named after no lesion
        type, or after a lesion whose name cannot be an identifier.
    """
    where = {"participant": participant_id, "session": session_id}
    patterns = [spec.pattern for spec in study.maps]
    patterns += [spec.pattern for spec in study.tissue.values()]
    others = {pattern.format(**where) for pattern in patterns}
    column = study.schemas.table("lesions").column(
        "lesion_id" if study.labels.each == "lesion" else "lesion_type"
    )
    known = known_spellings(column) if study.labels.each == "lesion_type" else {}
    files, problems = [], []
    for word, name in study.label_files(participant_id, session_id).items():
        level = known.get(word_key(word), word) if study.labels.each == "lesion_type" else word
        if study.labels.each and name in others:
            continue
        if problem := study.outside(name):
            problems.append(problem)
        elif study.labels.each == "lesion_type" and level not in column.levels:
            problems.append(Problem(table=name, problem=unknown_level(word, column, known)))
        elif study.labels.each == "lesion" and not re.fullmatch(column.pattern, word):
            text = f"'{word}' cannot be a lesion_id; use letters, digits, '-', '_' and '.'"
            problems.append(Problem(table=name, problem=text))
        files.append((level, study.folder / name))
    if problems:
        raise ImageError(problems)
    if study.labels.each == "lesion_type":
        files.sort(key=lambda file: column.levels.index(file[0]))
    return LabelFiles(files=tuple(files), spec=study.labels)


def open_labels(labels: LabelSource, role: str = "label image") -> tuple[Volume, ...]:
    """Read the headers of the label images of a session.

    Raises
    ------
    ImageError
        As `open_volume`, and if they lie on different grids.
    """
    if isinstance(labels, ReadLabels):
        return (labels.volume,)
    labels = _files_of(labels)
    volumes = [open_volume(file, role, labels.spec.volume) for _, file in labels.files]
    for volume in volumes[1:]:
        require_same_grid(volumes[0], volume)
    return tuple(volumes)


def read_lesions(labels: LabelSource, volumes: Sequence[Volume]) -> LabelVoxels:
    """Read the lesions of a session.

    Parameters
    ----------
    labels
        The files.
    volumes
        What `open_labels` returns for them.

    Raises
    ------
    ImageError
        If a file cannot be read in the form that study.toml says, a mask of a lesion is empty, or
        two files share a voxel or a label.
    """
    if isinstance(labels, ReadLabels):
        return labels.voxels
    labels = _files_of(labels)
    parts = []
    for volume in volumes:
        if labels.spec.each == "lesion":
            index = np.flatnonzero(read_mask(volume, must_hold="the voxels of the lesion"))
            parts.append(LabelVoxels(index=index, label=np.ones_like(index)))
        elif labels.spec.instances == "components":
            parts.append(_components(volume, labels.spec))
        else:
            parts.append(read_labels(volume))
    return parts[0] if labels.spec.each is None else _joined(labels, volumes, parts)


def _components(volume: Volume, spec: LabelSpec) -> LabelVoxels:
    index = np.flatnonzero(read_mask(volume, must_hold=None))
    if not len(index):
        return LabelVoxels(index=index, label=index, flags=("labels_empty",), left_out=index)
    places = volume.grid.coordinates(index)
    first, last = places.min(axis=0), places.max(axis=0) + 1
    needed, room = float(np.prod(last - first)) * _BOX_VOXEL, memory_at_hand()
    if needed > room:
        raise image_error(
            volume.name,
            f"does not fit into memory: to find its components takes {gigabytes(needed)}, and "
            f"{gigabytes(room)} are available to each process; set voxels outside lesions to 0, "
            f"or {MORE_MEMORY}",
        )
    box = np.zeros(last - first, dtype=np.bool_)
    inside = tuple((places - first).T)
    box[inside] = True
    neighbours = ndimage.generate_binary_structure(3, _STEPS[spec.connectivity])
    label = ndimage.label(box, neighbours)[0][inside].astype(np.int64)
    counts = np.bincount(label)
    # As many voxels as make up the least volume are enough, however their volume is rounded.
    small = counts * volume.grid.voxel_volume < spec.min_mm3 * (1 - 1e-6)
    kept = ~small[label]
    flags = ("small_components",) if not kept.all() else ()
    return LabelVoxels(
        index=index[kept],
        label=label[kept],
        flags=flags if kept.any() else (*flags, "labels_empty"),
        left_out=counts[1:][small[1:]],
    )


def _joined(
    labels: LabelFiles, volumes: Sequence[Volume], parts: Sequence[LabelVoxels]
) -> LabelVoxels:
    """Put the lesions of several files together."""
    counted = labels.spec.each == "lesion" or labels.spec.instances == "components"
    names: dict[int, str] = {}
    held: dict[int, str] = {}
    numbers, last = [], 0
    for (name, _), volume, part in zip(labels.files, volumes, parts, strict=True):
        label = part.label + last if counted else part.label
        there = np.unique(label).tolist()
        if again := [one for one in there if one in held]:
            raise image_error(
                volume.name,
                f"holds label {again[0]}, and so does {held[again[0]]}; give each lesion of a "
                'session a number of its own, or write instances = "components" for masks',
            )
        names |= dict.fromkeys(there, name)
        held |= dict.fromkeys(there, volume.name)
        numbers.append(label)
        last += len(there) + (0 if part.left_out is None else len(part.left_out))
    index, label = np.concatenate([part.index for part in parts]), np.concatenate(numbers)
    order = np.argsort(index, kind="stable")
    index, label = index[order], label[order]
    shared = np.flatnonzero(index[1:] == index[:-1])
    if len(shared):
        pair = [held[int(label[shared[0] + step])] for step in (0, 1)]
        place = tuple(map(int, volumes[0].grid.coordinates(index[shared[:1]])[0]))
        raise image_error(
            pair[1],
            f"overlaps {pair[0]}: {len(shared)} voxels, such as {place}, are in more than one "
            "file of the session; each belongs to one lesion: correct the files",
        )
    flags = {flag for part in parts for flag in part.flags} - {"labels_empty"}
    left_out = [part.left_out for part in parts if part.left_out is not None]
    return LabelVoxels(
        index=index,
        label=label,
        flags=(*sorted(flags), *(() if len(index) else ("labels_empty",))),
        names=names,
        left_out=np.concatenate(left_out) if left_out else None,
    )


def open_tissue(tissue: TissueSource, role: str = "tissue mask") -> Volume:
    """Read the header of the image of a tissue; errors as of `open_volume`."""
    if isinstance(tissue, ReadTissue):
        return tissue.volume
    if isinstance(tissue, TissueFile):
        return open_volume(tissue.file, role, tissue.spec.volume)
    return open_volume(tissue, role)


def read_tissue(tissue: TissueSource, volume: Volume) -> tuple[Flags, Integers | None]:
    """Read the voxels of a tissue.

    Parameters
    ----------
    tissue
        The file.
    volume
        What `open_tissue` returns for it.

    Returns
    -------
    mask
        Shape (n_voxels,), in Fortran order.
    there
        The labels that a parcellation has, ascending; None for a mask.

    Raises
    ------
    ImageError
        As `read_mask`, or as `read_parcels` where it is a parcellation.
    """
    if isinstance(tissue, ReadTissue):
        return tissue.mask, tissue.there
    labels = tissue.spec.labels if isinstance(tissue, TissueFile) else ()
    return read_parcels(volume, labels) if labels else (read_mask(volume), None)
