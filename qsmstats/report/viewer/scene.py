"""The lesion viewer: one participant's map and lesions, for NiiVue in the page.

NiiVue (https://github.com/niivue/niivue, BSD 2-Clause) travels inside nilearn, which this project
needs anyway; the page carries a compressed copy of it, so that it opens without a network. Images
are written as NIfTI-1 of one byte per voxel, zero beyond the margin around lesions and white matter
(`margins`), and thinned to at most `MOST_VOXELS`, so that they stay small. Where there is no WebGL,
and on paper, the same participant is shown as a mosaic of axial planes with the lesions' contours.
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qsmstats.arrays import Floats
from qsmstats.report.figures.style import colour
from qsmstats.report.images.margins import brain_voxels, within_margin
from qsmstats.report.viewer.still import still_png
from qsmstats.report.wording.names import lesion_types, outcome_short, short_title
from qsmstats.study import MapSpec, Study
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.images import open_volume
from qsmstats.voxels.labels import labels_of, open_labels, read_lesions
from qsmstats.voxels.stream import gather

__all__ = ["Scene", "build_scene", "exemplary_participant", "nifti_bytes", "packed_niivue"]

# One byte each; about half a megabyte in the page.
MOST_VOXELS = 1_200_000
NIIVUE = "_assets/js/niivue.umd.js"
HEADER_SIZE, DATA_OFFSET = 348, 352
UINT8 = 2
MILLIMETRES = 2
SCANNER = 1

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the viewer shows.

    Attributes
    ----------
    participant_id, session_id
        Whose images.
    lesions
        Rows of the tidy table of that session.
    data
        JSON for the script: both images, their windows and colours.
    still
        PNG of the mosaic that stands where the script cannot draw.
    step
        1 where every voxel is shown, 2 where blocks of 2 x 2 x 2 are shown as one, and so on.
    spacing_mm
        Sides of a shown voxel.
    """

    participant_id: str
    session_id: str
    lesions: pd.DataFrame
    data: str
    still: bytes
    step: int
    spacing_mm: tuple[float, float, float]


def packed_niivue() -> str:
    """Return NiiVue's script as gzip in base64; empty where nilearn does not carry it."""
    path = files("nilearn") / NIIVUE
    return _packed(path.read_bytes()) if path.is_file() else ""


def _packed(content: bytes) -> str:
    # No file name and no time in the gzip header: the same content gives the same page.
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")


def exemplary_participant(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return the lesions of the session that shows the most types, and then is nearest the median.

    Parameters
    ----------
    lesions
        Tidy lesions of first sessions: participant_id, session_id, lesion_type.
    """
    if lesions.empty:
        return lesions
    counts = lesions.groupby(["participant_id", "session_id"])["lesion_type"].agg(
        ["nunique", "size"]
    )
    counts["away"] = (counts["size"] - counts["size"].median()).abs()
    best = counts.sort_values(["nunique", "away"], ascending=[False, True]).head(1)
    return lesions.merge(best.reset_index()[["participant_id", "session_id"]])


def build_scene(study: Study, lesions: pd.DataFrame, spec: MapSpec) -> Scene:
    """Read one session's images and pack them for the viewer.

    Parameters
    ----------
    study
        Where the images are.
    lesions
        Tidy lesions of one session, with label and lesion_type.
    spec
        The map to show.

    Raises
    ------
    ImageError
        If an image is missing or damaged.
    """
    first = lesions.iloc[0]
    who = str(first["participant_id"]), str(first["session_id"])
    image = open_volume(study.image(spec.pattern, *who), spec.name, spec.volume)
    values = gather(image, np.arange(image.grid.size)) * spec.factor
    files = labels_of(study, *who)
    volumes = open_labels(files)
    volume, labels = volumes[0], read_lesions(files, volumes)
    brain = brain_voxels(study, who, volume, labels).reshape(volume.grid.shape, order="F")
    shown = within_margin(brain, volume.grid.spacing).ravel(order="F") & (values != 0)
    low, high = np.nanpercentile(values[shown], [1, 99])
    grey = 1 + np.clip((np.nan_to_num(values) - low) / (high - low), 0, 1) * 254
    grey[~shown] = 0
    kinds = np.zeros(image.grid.size, dtype=np.uint8)
    # The number of the type of each lesion's voxels: 1 for the schema's first, 0 for no type.
    number = {level: place for place, level in enumerate(lesion_types(), start=1)}
    of_label = {
        int(label): number.get(str(kind), 0)
        for label, kind in zip(lesions["label"], lesions["lesion_type"], strict=True)
    }
    kinds[labels.index] = [of_label.get(int(label), 0) for label in labels.label]
    shape = image.grid.shape
    head, affine = _cropped(
        np.stack([np.rint(grey).astype(np.uint8), kinds]).reshape(2, *shape, order="F"), image.grid
    )
    step = 1
    while head[0].size / step**3 > MOST_VOXELS:
        step += 1
    # From the index of a block to that of a voxel: a block's centre lies between its voxels.
    blocks = np.diag([step, step, step, 1.0])
    blocks[:3, 3] = (step - 1) / 2
    thin = affine @ blocks
    scene = {
        "map": _packed(nifti_bytes(_pooled(head[0], step, np.mean), thin)),
        "mapName": outcome_short(spec.name),
        # The largest number of a block: no lesion is lost between the voxels shown.
        "lesions": _packed(nifti_bytes(_pooled(head[1], step, np.max), thin)),
        "colours": _colours(),
    }
    sides = np.linalg.norm(thin[:3, :3], axis=0)
    return Scene(
        participant_id=who[0],
        session_id=who[1],
        lesions=lesions,
        data=json.dumps(scene),
        still=still_png(head[0], head[1], affine),
        step=step,
        spacing_mm=(float(sides[0]), float(sides[1]), float(sides[2])),
    )


def _cropped(volumes: Bytes, grid: Grid) -> tuple[Bytes, Floats]:
    """Cut volumes on one grid, shape (n, i, j, k), to what is not empty; and return the affine."""
    filled = np.argwhere(volumes.any(axis=0))
    if not len(filled):
        return volumes, grid.affine
    low, high = filled.min(axis=0), filled.max(axis=0) + 1
    cut = volumes[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    affine = grid.affine.copy()
    affine[:3, 3] += grid.affine[:3, :3] @ low
    return cut, affine


def _pooled(volume: Bytes, step: int, pool: Callable[..., Any]) -> Bytes:
    """Take blocks of `step` voxels along each axis as one; a block cut by the edge repeats it."""
    wide = np.pad(volume, [(0, -size % step) for size in volume.shape], mode="edge")
    i, j, k = (size // step for size in wide.shape)
    blocks = wide.reshape(i, step, j, step, k, step)
    pooled: Bytes = np.rint(pool(blocks, axis=(1, 3, 5))).astype(np.uint8)
    return pooled


def _colours() -> dict[str, Any]:
    channels = [
        [int(colour(level)[place : place + 2], 16) for level in lesion_types()]
        for place in (1, 3, 5)
    ]
    red, green, blue = ([0, *channel] for channel in channels)
    names = ["", *map(short_title, lesion_types())]
    return {
        "R": red,
        "G": green,
        "B": blue,
        "A": [0] + [255] * len(lesion_types()),
        "I": list(range(len(names))),
        "labels": names,
    }


def nifti_bytes(volume: Bytes, affine: Floats) -> bytes:
    """Write a volume of bytes as a NIfTI-1 file.

    Parameters
    ----------
    volume
        Shape (i, j, k).
    affine
        Voxel index to mm; stored as sform.

    Returns
    -------
    bytes
        The file, not compressed. Source: nifti1.h (https://nifti.nimh.nih.gov).
    """
    header = bytearray(HEADER_SIZE)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    struct.pack_into("<i", header, 0, HEADER_SIZE)
    struct.pack_into("<8h", header, 40, 3, *volume.shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, UINT8, 8)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 1.0, 1.0, 1.0, 1.0)
    struct.pack_into("<3f", header, 108, DATA_OFFSET, 1.0, 0.0)
    struct.pack_into("<b", header, 123, MILLIMETRES)
    struct.pack_into("<2h", header, 252, 0, SCANNER)
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    struct.pack_into("<4s", header, 344, b"n+1\0")
    return bytes(header) + b"\0" * (DATA_OFFSET - HEADER_SIZE) + volume.tobytes(order="F")
