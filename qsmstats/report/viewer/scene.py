"""The lesion viewer: one participant's maps and lesions, for NiiVue in the page.

NiiVue (https://github.com/niivue/niivue, BSD 2-Clause) travels inside nilearn, which this project
needs anyway; the page carries a compressed copy of it, so that it opens without a network. Images
are written as NIfTI-1 of one byte per voxel (two for lesions), zero beyond the margin around
lesions and white matter (`margins`), and thinned to `MOST_VOXELS` at most, so that they stay small.
Where there is no WebGL, and on paper, the same participant is shown as a mosaic of axial planes
with the lesions' contours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qsmstats.arrays import Floats
from qsmstats.errors import ImageError
from qsmstats.plot.look import colour
from qsmstats.report.images.margins import ShownSession, within_margin
from qsmstats.report.viewer.packing import Whole, nifti_bytes, packed
from qsmstats.report.viewer.still import still_png
from qsmstats.voxels.grids import Grid
from qsmstats.wording.names import lesion_types, outcome_short, unit_text
from qsmstats.wording.numbers import number

__all__ = ["Scene", "build_scene", "exemplary_participant"]

# Voxels shown of all maps and sessions together; of noise, a little over a byte each in the page.
MOST_VOXELS = 1_200_000
LEVEL = 4

Bytes = NDArray[np.uint8]
Windows = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the viewer shows.

    Attributes
    ----------
    participant_id, sessions
        Whose images.
    left_out
        Why a later session is not shown, by its name.
    lesions
        Rows of the tidy table of these sessions, and the number that each has in the images.
    data
        JSON for the script: the images of each session, their windows and colours.
    still
        PNG of the mosaic of the first session, which stands where the script cannot draw.
    step
        1 where every voxel is shown, 2 where blocks of 2 x 2 x 2 are shown as one, and so on.
    spacing_mm
        Sides of a shown voxel.
    """

    participant_id: str
    sessions: tuple[str, ...]
    left_out: dict[str, str]
    lesions: pd.DataFrame
    data: str
    still: bytes
    step: int
    spacing_mm: tuple[float, float, float]


def exemplary_participant(lesions: pd.DataFrame, followed: Collection[str] = ()) -> pd.DataFrame:
    """Return the lesions of the session that shows the most types, and then is nearest the median.

    Where participants were followed it is one of them, so that the viewer can show a change.

    Parameters
    ----------
    lesions
        Tidy lesions of first sessions: participant_id, session_id, lesion_type.
    followed
        Participants with several sessions.
    """
    if lesions.empty:
        return lesions
    counts = lesions.groupby(["participant_id", "session_id"])["lesion_type"].agg(
        ["nunique", "size"]
    )
    counts["away"] = (counts["size"] - counts["size"].median()).abs()
    counts["once"] = ~counts.index.get_level_values("participant_id").isin(list(followed))
    best = counts.sort_values(["once", "nunique", "away"], ascending=[True, False, True]).head(1)
    return lesions.merge(best.reset_index()[["participant_id", "session_id"]])


def build_scene(
    read: Callable[[tuple[str, str]], ShownSession], lesions: pd.DataFrame, maps: Sequence[str]
) -> Scene:
    """Read the images of one participant's sessions and pack them for the viewer.

    Every session has the grey levels of the first, so that a change is seen as one.

    Parameters
    ----------
    read
        What reads the images of a participant and session (`read_shown`).
    lesions
        Tidy lesions of one participant, with label and lesion_type, sessions in their order.
    maps
        The maps to show, the first of them at first.

    Raises
    ------
    ImageError
        If an image of the first session is missing or damaged.
    """
    lesions = lesions.assign(number=range(1, len(lesions) + 1))
    who = str(lesions["participant_id"].iloc[0])
    windows: Windows = {}
    heads: dict[str, tuple[Whole, Floats]] = {}
    left_out = {}
    for session, rows in lesions.groupby("session_id", sort=False):
        try:
            heads[str(session)] = _head(read((who, str(session))), rows, maps, windows)
        except ImageError as error:
            if not heads:
                raise
            left_out[str(session)] = str(error)
    shown = sum(int(np.count_nonzero(stack[:-1])) for stack, _ in heads.values())
    step = 1
    while shown / step**3 > MOST_VOXELS:
        step += 1
    sessions = [
        {"name": f"{who} {name}", **_session(*head, windows, step)} for name, head in heads.items()
    ]
    stack, affine = next(iter(heads.values()))
    types = {level: place for place, level in enumerate(lesion_types(), start=1)}
    kinds = np.array([0, *(types.get(str(kind), 0) for kind in lesions["lesion_type"])])
    sides = np.linalg.norm(affine[:3, :3], axis=0) * step
    return Scene(
        participant_id=who,
        sessions=tuple(heads),
        left_out=left_out,
        lesions=lesions[lesions["session_id"].astype("str").isin(heads)],
        data=json.dumps({"colours": _colours(lesions), "sessions": sessions}),
        still=still_png(stack[0].astype(np.uint8), kinds[stack[-1]].astype(np.uint8), affine),
        step=step,
        spacing_mm=(float(sides[0]), float(sides[1]), float(sides[2])),
    )


def _head(
    session: ShownSession, lesions: pd.DataFrame, maps: Sequence[str], windows: Windows
) -> tuple[Whole, Floats]:
    """Return the maps of one session as grey levels and the lesions' numbers, cut to what is shown.

    Parameters
    ----------
    session
        The images.
    lesions
        Its lesions, with the number of each.
    maps
        The maps to show.
    windows
        What the darkest and the brightest level of a map stand for; maps of the first session,
        which have none, are given one.

    Returns
    -------
    tuple
        The maps with the numbers last, shape (maps + 1, i, j, k), and their affine.
    """
    grid, labels = session.grid, session.labels
    near = within_margin(session.brain.reshape(grid.shape, order="F"), grid.spacing)
    stack = []
    for name in maps:
        grey, windows[name] = _windowed(session.volume(name), near, windows.get(name))
        stack.append(grey.astype(np.uint16))
    numbers = dict(zip(lesions["label"].astype(int), lesions["number"], strict=True))
    each = np.zeros(grid.size, dtype=np.uint16)
    each[labels.index] = [numbers.get(int(label), 0) for label in labels.label]
    return _cropped(np.stack([*stack, each.reshape(grid.shape, order="F")]), grid)


def _session(stack: Whole, affine: Floats, windows: Windows, step: int) -> dict[str, Any]:
    """Pack the images of a session, each with its name and the values at the ends of its bar."""
    # From the index of a block to that of a voxel: a block's centre lies between its voxels.
    blocks = np.diag([step, step, step, 1.0])
    blocks[:3, 3] = (step - 1) / 2
    packed_maps = []
    for (name, window), volume in zip(windows.items(), stack[:-1], strict=True):
        ends = (f"{number(end)} {unit_text(name)}".strip() for end in window)
        grey = _pooled(volume, step, np.mean).astype(np.uint8)
        packed_maps.append(
            {
                "name": outcome_short(name),
                **dict(zip(("low", "high"), ends, strict=True)),
                "image": packed(nifti_bytes(grey, affine @ blocks)),
            }
        )
    # The largest number of a block: no lesion is lost between the voxels shown.
    numbers = _pooled(stack[-1], step, np.max)
    return {"maps": packed_maps, "lesions": packed(nifti_bytes(numbers, affine @ blocks))}


def _windowed(
    values: Floats, near: NDArray[np.bool_], window: tuple[float, float] | None
) -> tuple[Bytes, tuple[float, float]]:
    """Return a map as grey levels 1 to 255, 0 where it is not shown, and what 1 and 255 stand for.

    Parameters
    ----------
    values
        Shape (i, j, k).
    near
        Same shape; whether a voxel is near enough to lesions and white matter to be shown.
    window
        What 1 and 255 are to stand for; None for the 1st and 99th percentile of what is shown.
    """
    shown = near & (values != 0)
    if window is None:
        window = tuple(np.nanpercentile(values[shown], [1, 99])) if shown.any() else (0.0, 1.0)
    low, high = window
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
