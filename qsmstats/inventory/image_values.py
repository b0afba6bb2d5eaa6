"""What a few images show: unit, missing value, size of a voxel, kind of labels.

Nothing is decided here. A unit is declared where a sidecar states it; a unit that the values only
suggest is shown to the user, who declares it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsmstats.arrays import Floats, Integers
from qsmstats.checks.sidecars import Sidecars, canonical_unit
from qsmstats.errors import ImageError
from qsmstats.inventory.images import LABELS, WHITE_MATTER, Candidate
from qsmstats.schemas import map_schemas
from qsmstats.study import LabelSpec, Study
from qsmstats.voxels.images import on_same_grid, open_volume
from qsmstats.voxels.stream import gather, read_labels, read_mask, read_parcels
from qsmstats.voxels.units import map_unit

__all__ = ["LabelFacts", "MapFacts", "label_facts", "map_facts", "parcels_there", "volumes_of"]

IMAGES_READ = 2
# Fewer exact zeros than this share of the voxels may be chance in stored whole numbers.
SHARE_OF_ZEROS = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class MapFacts:
    """What is known of a map's stored values.

    Attributes
    ----------
    unit
        Unit that the sidecars declare, or None.
    sidecar
        File that declares it.
    suggested
        Units that the values do not contradict; empty where no value was read.
    where, median
        Voxels that were read ("white matter", "lesions"), and their median absolute value.
    zeros
        Share of these voxels whose value is exactly 0.
    volumes
        Volumes of a file; of several, the values are those of the first.
    problem
        Why the images could not be read, or empty.
    """

    unit: str | None = None
    sidecar: str = ""
    suggested: tuple[str, ...] = ()
    where: str = ""
    median: float = float("nan")
    zeros: float = 0.0
    volumes: int = 1
    problem: str = ""

    @property
    def zero_is_missing(self) -> bool:
        """Whether 0 seems to stand for "not measured"."""
        return self.volumes == 1 and self.zeros >= SHARE_OF_ZEROS


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFacts:
    """What the label images hold.

    Attributes
    ----------
    labels
        Number of labels in each image that was read; of one with several volumes, none is.
    spacing
        Smallest distance of neighbouring voxels in mm.
    volumes
        Volumes of a file.
    problem
        Why the images could not be read, or empty.
    """

    labels: tuple[int, ...] = ()
    spacing: float = float("nan")
    volumes: int = 1
    problem: str = ""

    @property
    def binary(self) -> bool:
        """Whether every image holds one label: a mask rather than a label per lesion."""
        return bool(self.labels) and max(self.labels) == 1


def map_facts(
    folder: Path,
    candidate: Candidate,
    regions: Mapping[str, Candidate | None],
    kept: dict[Path, Integers],
) -> MapFacts:
    """Read a map in a few sessions.

    Parameters
    ----------
    folder
        The study folder.
    candidate
        The map.
    regions
        `WHITE_MATTER` and `LABELS` -> their images, where they were found.
    kept
        Voxels of the images of regions that were read, for the next map.
    """
    study = Study(
        folder=folder, name="", labels=LabelSpec(pattern=""), maps=(), tissue={}, tables={}
    )
    sidecars, allowed = Sidecars(study), map_schemas()[candidate.role].units
    unit, sidecar = None, ""
    for found in (sidecars.unit(folder / file.path) for file in candidate.files):
        # The first one that holds for the map's images and declares a unit of the map.
        if found and isinstance(found[1], str) and canonical_unit(found[1]) in allowed:
            unit, sidecar = canonical_unit(found[1]), study.name_of(found[0])
            break
    for where, role in (("white matter", WHITE_MATTER), ("lesions", LABELS)):
        region = regions.get(role)
        if region is None:
            continue
        others = {(file.participant, file.session): file.path for file in region.files}
        visits = (((file.participant, file.session), file.path) for file in candidate.files)
        pairs = [(own, others[visit]) for visit, own in visits if visit in others]
        try:
            read = [
                _values(folder / own, folder / other, region, kept)
                for own, other in pairs[:IMAGES_READ]
            ]
        except ImageError as error:
            return MapFacts(unit=unit, sidecar=sidecar, problem=str(error.problems[0]))
        stored = np.concatenate([np.empty(0), *(values for values, _ in read)])
        stored = stored[np.isfinite(stored)]
        if stored.size:
            measured = stored[stored != 0]
            return MapFacts(
                unit=unit,
                sidecar=sidecar,
                suggested=_units(candidate.role, measured, tissue=role == WHITE_MATTER),
                where=where,
                median=float(np.median(np.abs(measured))) if measured.size else 0.0,
                zeros=float((stored == 0).mean()),
                volumes=read[0][1],
            )
    return MapFacts(unit=unit, sidecar=sidecar)


def _values(
    image: Path, region: Path, candidate: Candidate, kept: dict[Path, Integers]
) -> tuple[Floats, int]:
    """Return the stored values of a map within a region, none where the grids differ; volumes."""
    role = candidate.role
    volume, other = open_volume(image, "map", 0), open_volume(region, role, 0)
    if not on_same_grid(other, volume):
        return np.empty(0), volume.volumes
    if region in kept:
        pass
    elif role == LABELS:
        kept[region] = read_labels(other).index
    elif candidate.parcels:
        kept[region] = np.flatnonzero(read_parcels(other, _ranges(candidate.parcels))[0])
    else:
        kept[region] = np.flatnonzero(read_mask(other, must_hold=None))
    return gather(volume, kept[region]), volume.volumes


def volumes_of(image: Path) -> int:
    """Return the number of volumes of an image; 1 where it cannot be read, as `check` tells."""
    try:
        return open_volume(image, "map", 0).volumes
    except ImageError:
        return 1


def _ranges(parcels: Iterable[int | str]) -> list[tuple[int, int]]:
    """Return the first and last label of each range of a parcellation."""
    ranges = [str(one).partition("-") for one in parcels]
    return [(int(low), int(high or low)) for low, _, high in ranges]


def _units(name: str, values: Floats, *, tissue: bool) -> tuple[str, ...]:
    units = (map_unit(name, {name: unit}) for unit in map_schemas()[name].units)
    return tuple(
        unit.unit
        for unit in units
        if unit.contradiction("", values * unit.factor, tissue=tissue) is None
    )


def label_facts(folder: Path, labels: Candidate | None) -> LabelFacts:
    """Read a few label images; nothing is known without any."""
    numbers, spacing, volumes = [], float("nan"), 1
    try:
        for file in labels.files[:IMAGES_READ] if labels else ():
            volume = open_volume(folder / file.path, LABELS, 0)
            spacing, volumes = float(volume.grid.spacing.min()), volume.volumes
            if volumes > 1:
                continue
            found = np.unique(read_labels(volume).label)
            numbers.append(len(found) if len(found) != 1 or found[0] != 1 else 1)
    except ImageError as error:
        return LabelFacts(problem=str(error.problems[0]))
    return LabelFacts(labels=tuple(numbers), spacing=spacing, volumes=volumes)


def parcels_there(folder: Path, tissue: Candidate | None) -> tuple[int | str, ...]:
    """Return the labels of white matter that the first image of a parcellation has."""
    if tissue is None or not tissue.parcels:
        return ()
    try:
        volume = open_volume(folder / tissue.files[0].path, WHITE_MATTER, 0)
        there = np.unique(read_labels(volume).label)
    except ImageError:
        return tissue.parcels  # `check` says what is wrong with the image
    return tuple(
        one
        for one in tissue.parcels
        for first, last in _ranges([one])
        if ((first <= there) & (there <= last)).any()
    )
