"""The lesion mosaic: one representative lesion of each type, cut from the study's images.

The representative lesion of a type is the one whose shell and core lie nearest the medians of its
type on the susceptibility map (or on the first map of the study), among the largest quarter of
those lesions, where shapes can be seen; where there are any, among those so far from the midline
that a tile does not reach it. The midline is taken as the median left-right place of all lesions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.report.images.margins import ShownSession, within_margin
from qsmstats.voxels.grids import Grid
from qsmstats.wording.names import present_levels

__all__ = ["PLACE", "Tile", "TileCutter", "cut_tile", "exemplary_lesions"]

PLACE = ("centroid_x", "centroid_y", "centroid_z")
REACH_MM = 18.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """The surroundings of one lesion in an axial plane.

    Attributes
    ----------
    maps
        Map -> values in its canonical unit, shape (rows, columns); rows from front to back, columns
        from the participant's left to right; NaN outside the image, where all maps are zero, and
        beyond the margin around lesions and white matter.
    lesion
        Same shape: True within the lesion.
    extent
        Left, right, back and front end in mm from the lesion's centre.
    """

    maps: dict[str, Floats]
    lesion: Flags
    extent: tuple[float, float, float, float]


def exemplary_lesions(lesions: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Choose one lesion of each type.

    Parameters
    ----------
    lesions
        Tidy lesions with the columns of `outcome`: its mean, ``<outcome>_shell`` and
        ``<outcome>_core``.
    outcome
        The map that types are told by.

    Returns
    -------
    DataFrame
        One row per type that has lesions with a core, in the schema's order.
    """
    names = [f"{outcome}_shell", f"{outcome}_core"]
    if not set(names) <= set(lesions.columns):
        return lesions.iloc[:0]
    usable = lesions.dropna(subset=[*names, *PLACE, "lesion_type"])
    lateral = (usable[PLACE[0]] - usable[PLACE[0]].median()).abs() >= REACH_MM
    chosen = []
    for level in present_levels(usable["lesion_type"]):
        rows = usable[usable["lesion_type"] == level]
        rows = rows[rows["volume_mm3"] >= rows["volume_mm3"].quantile(0.75)]
        distance = (rows[names] - rows[names].median()).abs().sum(axis=1)
        rows = rows.assign(distance=distance)
        aside = rows[lateral[rows.index]]
        chosen.append((rows if aside.empty else aside).nsmallest(1, "distance"))
    return pd.concat(chosen) if chosen else usable


def cut_tile(session: ShownSession, lesion: pd.Series) -> Tile:
    """Cut the plane through one lesion out of the images of its session.

    Parameters
    ----------
    session
        The images.
    lesion
        label and the centroid in mm.
    """
    grid, labels = session.grid, session.labels
    mask = np.zeros(grid.size)
    mask[labels.index[labels.label == int(lesion["label"])]] = 1.0
    centre = np.array([lesion[name] for name in PLACE], dtype=np.float64)
    shape, extent = _plane(mask.reshape(grid.shape, order="F"), grid, centre)
    brain, _ = _plane(session.brain.reshape(grid.shape, order="F"), grid, centre)
    sides = np.array([extent[3] - extent[2], extent[1] - extent[0]]) / shape.shape
    shown = within_margin(np.nan_to_num(brain) > 0.5, sides)
    planes = {name: _plane(session.volume(name), grid, centre)[0] for name in session.values}
    # Outside the brain every map is zero; one alone may be so within, as the MWF is of lesions.
    inside = np.nan_to_num(shape) > 0.5
    shown &= inside | np.any([np.nan_to_num(plane) != 0 for plane in planes.values()], axis=0)
    return Tile(
        maps={name: np.where(shown, plane, np.nan) for name, plane in planes.items()},
        lesion=inside,
        extent=extent,
    )


class TileCutter:
    """Reads the images of sessions, and cuts the tiles of some lesions out of each as it passes.

    The viewer and the mosaic may show one session, and one session may have several of the lesions:
    its images are inflated once, and no two sessions are in memory.

    Parameters
    ----------
    read
        What reads the images of a participant and session (`read_shown`).
    lesions
        The lesions, as `cut_tile` takes them, with participant_id and session_id; kept as
        attribute `lesions`.
    """

    def __init__(
        self, read: Callable[[tuple[str, str]], ShownSession], lesions: pd.DataFrame
    ) -> None:
        self.lesions = lesions
        self._read = read
        self._tiles: dict[int, Tile] = {}
        people, sessions = lesions["participant_id"].astype("str"), lesions["session_id"]
        self._sessions = list(zip(people, sessions.astype("str"), strict=True))

    def read(self, who: tuple[str, str]) -> ShownSession:
        """Return the images of a participant and session."""
        session = self._read(who)
        for number, where in enumerate(self._sessions):
            if where == who:
                self._tiles[number] = cut_tile(session, self.lesions.iloc[number])
        return session

    def tiles(self) -> list[Tile]:
        """Return the tile of each lesion; raises what reading its session raises."""
        for number, where in enumerate(self._sessions):
            if number not in self._tiles:
                self.read(where)
        return [self._tiles[number] for number in range(len(self._sessions))]


def _plane(
    volume: Floats | Flags, grid: Grid, centre: Floats
) -> tuple[Floats, tuple[float, float, float, float]]:
    """Cut the axial plane through `centre`, without interpolation."""
    # The voxel axis nearest to each world axis; oblique images are shown on their own axes.
    axes = [int(axis) for axis in np.abs(grid.matrix / grid.spacing).argmax(axis=1)]
    if len(set(axes)) < 3:
        axes = [0, 1, 2]
    place = np.linalg.solve(grid.matrix, centre - grid.affine[:3, 3])
    volume, place = volume.transpose(axes), place[axes]
    signs = [float(np.sign(grid.matrix[world, axis])) for world, axis in enumerate(axes)]
    steps = grid.spacing[axes]
    flat = volume[:, :, int(np.clip(round(place[2]), 0, volume.shape[2] - 1))]
    columns = _window(place[0], steps[0], signs[0])
    rows = _window(place[1], steps[1], -signs[1])
    cut = np.full((len(rows), len(columns)), np.nan)
    inside = np.ix_(
        (rows >= 0) & (rows < flat.shape[1]), (columns >= 0) & (columns < flat.shape[0])
    )
    cut[inside] = flat[np.ix_(columns[inside[1][0]], rows[inside[0][:, 0]])].T
    half_x, half_y = len(columns) * steps[0] / 2, len(rows) * steps[1] / 2
    return cut, (-half_x, half_x, -half_y, half_y)


def _window(place: float, step: float, sign: float) -> Integers:
    """Return the indices from one end of the window to the other along one axis."""
    reach = int(REACH_MM / step)
    indices = round(place) + np.arange(-reach, reach + 1)
    return indices if sign > 0 else indices[::-1]
