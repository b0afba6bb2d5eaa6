"""Which voxels of a participant a report may show: none that could show a face.

A report is passed on more readily than its study, and a map of the whole head shows the face. Only
voxels within `MARGIN_MM` of a lesion or of the white-matter mask are embedded. The cortex is 2 to
4 mm thick (Fischl and Dale 2000, PNAS 97:11050), so that 5 mm beyond white matter include the
cortex and cannot reach the skin.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from qsmstats.arrays import Flags, Floats
from qsmstats.study import Study
from qsmstats.voxels.images import Volume
from qsmstats.voxels.labels import TissueFile, open_tissue, read_tissue
from qsmstats.voxels.stream import LabelVoxels

__all__ = ["MARGIN_MM", "brain_voxels", "within_margin"]

MARGIN_MM = 5.0


def brain_voxels(study: Study, who: tuple[str, str], volume: Volume, labels: LabelVoxels) -> Flags:
    """Return the voxels of the lesions and, where the study has such a mask, of white matter.

    Parameters
    ----------
    study
        Where the mask is.
    who
        Participant and session.
    volume, labels
        The label image of that session and what was read from it.

    Returns
    -------
    ndarray
        Shape (n_voxels,), in Fortran order.

    Raises
    ------
    ImageError
        If the mask is missing or damaged.
    """
    inside = np.zeros(volume.grid.size, dtype=np.bool_)
    if spec := study.tissue.get("white_matter"):
        tissue = TissueFile(file=study.image(spec.pattern, *who), spec=spec)
        inside |= read_tissue(tissue, open_tissue(tissue))[0]
    inside[labels.index] = True
    return inside


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
