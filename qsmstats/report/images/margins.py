"""Which voxels of a participant a report may show: none that could show a face.

A report is passed on more readily than its study, and a map of the whole head shows the face. Only
voxels within `MARGIN_MM` of a lesion or of the white-matter mask are embedded. The cortex is 2 to
4 mm thick (Fischl and Dale 2000, PNAS 97:11050), so that 5 mm beyond white matter include the
cortex and cannot reach the skin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.errors import ImageError
from qsmstats.study import Study
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.images import open_volume, require_same_grid
from qsmstats.voxels.labels import (
    LesionReader,
    TissueFile,
    labels_of,
    open_labels,
    open_tissue,
    read_lesions,
    read_tissue,
)
from qsmstats.voxels.stream import LabelVoxels, gather

__all__ = ["MARGIN_MM", "ShownSession", "read_shown", "within_margin"]

MARGIN_MM = 5.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShownSession:
    """The images of one session, as far as a report may show them.

    Attributes
    ----------
    grid
        Grid of the label image, on which the maps lie.
    labels
        Its lesions.
    brain
        Shape (n_voxels,), in Fortran order: lesions and, where there is such a mask, white matter.
    index
        Shape (n,); voxels of a box around all that may be shown.
    values
        Map -> its values there in its canonical unit.
    """

    grid: Grid
    labels: LabelVoxels
    brain: Flags
    index: Integers
    values: Mapping[str, Floats]

    def volume(self, name: str) -> Floats:
        """Return a map, shape (i, j, k), which is zero outside the box."""
        whole = np.zeros(self.grid.size)
        whole[self.index] = self.values[name]
        return whole.reshape(self.grid.shape, order="F")


def read_shown(study: Study, who: tuple[str, str], kept: LesionReader) -> ShownSession:
    """Read the images of one session, each once.

    Parameters
    ----------
    study
        Where the images are.
    who
        Participant and session.
    kept
        What knows the lesions that were read from label images before.

    Raises
    ------
    ImageError
        If an image is missing or damaged, or not on the grid of the lesions. Its message names
        files from the study folder on: where that lies is nothing for a report's readers.
    """
    try:
        files = kept.read(labels_of(study, *who))
        reference, *_ = volumes = open_labels(files)
        grid, labels = reference.grid, read_lesions(files, volumes)
        brain = np.zeros(grid.size, dtype=np.bool_)
        if spec := study.tissue.get("white_matter"):
            tissue = TissueFile(file=study.image(spec.pattern, *who), spec=spec)
            mask = open_tissue(tissue)
            require_same_grid(reference, mask)
            brain |= read_tissue(tissue, mask)[0]
        brain[labels.index] = True
        index, values = _box(brain, grid), {}
        for one in study.maps:
            volume = open_volume(study.image(one.pattern, *who), one.name, one.volume)
            require_same_grid(reference, volume)
            values[one.name] = gather(volume, index) * one.factor
    except ImageError as error:
        raise ImageError(str(error).replace(f"{study.folder}/", "")) from error
    return ShownSession(grid=grid, labels=labels, brain=brain, index=index, values=values)


def _box(inside: Flags, grid: Grid) -> Integers:
    """Return the voxels of the smallest box that holds all at most `MARGIN_MM` from `inside`."""
    filled = np.flatnonzero(inside)
    if not len(filled):
        return filled
    places = grid.coordinates(filled)
    reach = np.ceil(MARGIN_MM / grid.spacing).astype(np.int64)
    first = np.maximum(places.min(axis=0) - reach, 0)
    last = np.minimum(places.max(axis=0) + reach + 1, grid.shape)
    return grid.box_index(first, last).ravel(order="F")


def within_margin(inside: Flags, spacing: Floats) -> Flags:
    """Return the voxels at most `MARGIN_MM` away from one that is `inside`.

    Parameters
    ----------
    inside
        A volume or a plane.
    spacing
        Sides of a voxel in mm, one per axis.
    """
    if not inside.any():
        return inside
    return np.asarray(distance_transform_edt(~inside, sampling=spacing) <= MARGIN_MM)
