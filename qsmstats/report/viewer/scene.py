"""The lesion viewer: one participant's maps and lesions, for NiiVue in the page.

NiiVue (https://github.com/niivue/niivue, BSD 2-Clause) travels inside nilearn, which this project
needs anyway; the page carries a compressed copy of it, so that it opens without a network. Images
are written as NIfTI-1 of one byte per voxel (two for lesions), zero beyond the margin around
lesions and white matter (`margins`), and thinned to `MOST_VOXELS` at most, so that they stay small.
Where there is no WebGL, and on paper, the same participant is shown as a mosaic of axial planes
with the lesions' contours.
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qsmstats.arrays import Floats
from qsmstats.plot.look import colour
from qsmstats.report.images.margins import brain_voxels, within_margin
from qsmstats.report.viewer.still import still_png
from qsmstats.study import MapSpec, Study
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.images import open_volume
from qsmstats.voxels.labels import labels_of, open_labels, read_lesions
from qsmstats.voxels.stream import gather
from qsmstats.wording.names import lesion_types, outcome_short, unit_text
from qsmstats.wording.numbers import number

__all__ = ["Scene", "build_scene", "exemplary_participant", "nifti_bytes", "packed_niivue"]

# Of all maps together, one byte each; about a megabyte in the page.
MOST_VOXELS = 2_000_000
NIIVUE = "_assets/js/niivue.umd.js"
HEADER_SIZE, DATA_OFFSET = 348, 352
UINT8, UINT16 = 2, 512
LABEL = 1002  # intent
LEVEL = 4
MILLIMETRES = 2
SCANNER = 1

Bytes = NDArray[np.uint8]
Whole = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the viewer shows.

    Attributes
    ----------
    participant_id, session_id
        Whose images.
    lesions
        Rows of the tidy table of that session, and the number that each has in the image.
    data
        JSON for the script: the images, their windows and colours.
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


def build_scene(study: Study, lesions: pd.DataFrame, specs: Sequence[MapSpec]) -> Scene:
    """Read one session's images and pack them for the viewer.

    Parameters
    ----------
    study
        Where the images are.
    lesions
        Tidy lesions of one session, with label and lesion_type.
    specs
        The maps to show, the first of them at first; one on another grid than the first is left
        out.

    Raises
    ------
    ImageError
        If an image is missing or damaged.
    """
    first = lesions.iloc[0]
    who = str(first["participant_id"]), str(first["session_id"])
    files = labels_of(study, *who)
    volumes = open_labels(files)
    volume, labels = volumes[0], read_lesions(files, volumes)
    shape, affine = volume.grid.shape, volume.grid.affine
    brain = brain_voxels(study, who, volume, labels).reshape(shape, order="F")
    near = within_margin(brain, volume.grid.spacing)
    maps = [
        (spec, image)
        for spec in specs
        if (
            image := open_volume(study.image(spec.pattern, *who), spec.name, spec.volume)
        ).grid.shape
        == shape
        and np.allclose(image.grid.affine, affine, atol=1e-3)
    ]
    greys, windows = [], []
    for spec, image in maps:
        values = gather(image, np.arange(image.grid.size)) * spec.factor
        grey, window = _windowed(values.reshape(shape, order="F"), near)
        greys.append(grey)
        windows.append((spec, window))
    # The number of each lesion's voxels: 1 for the first row, 0 for no lesion.
    numbers = {int(label): row for row, label in enumerate(lesions["label"], start=1)}
    each = np.zeros(volume.grid.size, dtype=np.uint16)
    each[labels.index] = [numbers.get(int(label), 0) for label in labels.label]
    stack = np.stack([*greys, each.reshape(shape, order="F")]).astype(np.uint16)
    head, affine = _cropped(stack, volume.grid)
    step = 1
    while head[0].size / step**3 > MOST_VOXELS / len(maps):
        step += 1
    # From the index of a block to that of a voxel: a block's centre lies between its voxels.
    blocks = np.diag([step, step, step, 1.0])
    blocks[:3, 3] = (step - 1) / 2
    thin = affine @ blocks
    scene = {
        "maps": [
            {
                "name": outcome_short(spec.name),
                "low": f"{number(window[0])} {unit_text(spec.name)}".strip(),
                "high": f"{number(window[1])} {unit_text(spec.name)}".strip(),
                "image": _packed(nifti_bytes(_pooled(grey, step, np.mean).astype(np.uint8), thin)),
            }
            for (spec, window), grey in zip(windows, head, strict=False)
        ],
        # The largest number of a block: no lesion is lost between the voxels shown.
        "lesions": _packed(nifti_bytes(_pooled(head[-1], step, np.max), thin)),
        "colours": _colours(lesions),
    }
    types = {level: place for place, level in enumerate(lesion_types(), start=1)}
    kinds = np.array([0, *(types.get(str(kind), 0) for kind in lesions["lesion_type"])])
    sides = np.linalg.norm(thin[:3, :3], axis=0)
    return Scene(
        participant_id=who[0],
        session_id=who[1],
        lesions=lesions.assign(number=range(1, len(lesions) + 1)),
        data=json.dumps(scene),
        still=still_png(head[0].astype(np.uint8), kinds[head[-1]].astype(np.uint8), affine),
        step=step,
        spacing_mm=(float(sides[0]), float(sides[1]), float(sides[2])),
    )


def _windowed(values: Floats, near: NDArray[np.bool_]) -> tuple[Bytes, tuple[float, float]]:
    """Return a map as grey levels 1 to 255, 0 where it is not shown, and what 1 and 255 stand for.

    Parameters
    ----------
    values
        Shape (i, j, k).
    near
        Same shape; whether a voxel is near enough to lesions and white matter to be shown.
    """
    shown = near & (values != 0)
    low, high = np.nanpercentile(values[shown], [1, 99]) if shown.any() else (0.0, 1.0)
    grey = 1 + np.clip((np.nan_to_num(values) - low) / ((high - low) or 1.0), 0, 1) * 254
    # 64 levels: no eye tells more, and the page is smaller by a third of its images.
    level = 1 + np.rint((grey - 1) / LEVEL) * LEVEL
    level[~shown] = 0
    return np.minimum(level, 255).astype(np.uint8), (float(low), float(high))


def _cropped(volumes: Whole, grid: Grid) -> tuple[Whole, Floats]:
    """Cut volumes on one grid, shape (n, i, j, k), to what is not empty; and return the affine."""
    filled = np.argwhere(volumes.any(axis=0))
    if not len(filled):
        return volumes, grid.affine
    low, high = filled.min(axis=0), filled.max(axis=0) + 1
    cut = volumes[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    affine = grid.affine.copy()
    affine[:3, 3] += grid.affine[:3, :3] @ low
    return cut, affine


def _pooled(volume: Whole, step: int, pool: Callable[..., Any]) -> Whole:
    """Take blocks of `step` voxels along each axis as one; a block cut by the edge repeats it."""
    wide = np.pad(volume, [(0, -size % step) for size in volume.shape], mode="edge")
    i, j, k = (size // step for size in wide.shape)
    blocks = wide.reshape(i, step, j, step, k, step)
    pooled: Whole = np.rint(pool(blocks, axis=(1, 3, 5))).astype(volume.dtype)
    return pooled


def _colours(lesions: pd.DataFrame) -> dict[str, Any]:
    """Return NiiVue's table of labels: each lesion in the colour of its type."""
    hues = [colour(str(kind)) for kind in lesions["lesion_type"]]
    red, green, blue = (
        [0, *(int(hue[place : place + 2], 16) for hue in hues)] for place in (1, 3, 5)
    )
    return {
        "R": red,
        "G": green,
        "B": blue,
        "A": [0] + [255] * len(hues),
        "I": list(range(len(hues) + 1)),
    }


def nifti_bytes(volume: Whole, affine: Floats) -> bytes:
    """Write a volume of whole numbers as a NIfTI-1 file.

    Parameters
    ----------
    volume
        Shape (i, j, k); grey levels as uint8, labels as uint16.
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
    kind = UINT8 if volume.dtype == np.uint8 else UINT16
    if kind == UINT16:
        # NiiVue draws the outlines of labels, and nothing for 0.
        struct.pack_into("<h", header, 68, LABEL)
    struct.pack_into("<2h", header, 70, kind, 8 * volume.dtype.itemsize)
    struct.pack_into("<8f", header, 76, 1.0, *spacing, 1.0, 1.0, 1.0, 1.0)
    struct.pack_into("<3f", header, 108, DATA_OFFSET, 1.0, 0.0)
    struct.pack_into("<b", header, 123, MILLIMETRES)
    struct.pack_into("<2h", header, 252, 0, SCANNER)
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    struct.pack_into("<4s", header, 344, b"n+1\0")
    return bytes(header) + b"\0" * (DATA_OFFSET - HEADER_SIZE) + volume.tobytes(order="F")
