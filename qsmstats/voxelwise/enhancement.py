"""Threshold-free cluster enhancement of a map of statistics.

For a voxel v of a map t (Smith & Nichols 2009, NeuroImage 44:83-98, equation 1)

  TFCE(v) = integral over h from 0 to t(v) of  e(h, v)^E h^H dh,     E = 0.5, H = 2

with e(h, v) the number of voxels of the cluster of voxels above h to which v belongs, as a sum
over h = dh, 2 dh, ... with dh = 0.1. Voxels that share a face hang together. Negative values are
enhanced by themselves, and keep their sign.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from qsmstats.arrays import Floats

__all__ = ["enhance"]

EXTENT, HEIGHT, STEP = 0.5, 2.0, 0.1


def enhance(statistic: NDArray[np.floating]) -> Floats:
    """Return the enhanced map.

    Parameters
    ----------
    statistic
        Shape (x, y, z); 0 outside the mask.
    """
    made = np.zeros(statistic.shape)
    for sign in (1.0, -1.0):
        size = sign * statistic
        for height in STEP * np.arange(1, np.floor(size.max(initial=0.0) / STEP + 1e-9) + 1):
            above = size >= height
            clusters, _ = ndimage.label(above)
            extent = np.bincount(clusters.ravel())[clusters[above]]
            made[above] += sign * STEP * extent**EXTENT * height**HEIGHT
    return made
