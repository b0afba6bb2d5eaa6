"""What a map says along the depth of each lesion: shell, core, ring, layers, and their contrasts.

A rim shows as shell minus core, and as shell minus ring, in the map's unit and in standard
deviations of the NAWM, s = 1.4826 MAD. A layer of the profile holds the depths from (k - 1) to k
layer widths, the upper end included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmstats.arrays import Flags, Floats
from qsmstats.voxels.grids import Columns
from qsmstats.voxels.kernels import group_means
from qsmstats.voxels.regions import N_LAYERS, Regions

__all__ = ["measure_profiles", "standardise"]


def measure_profiles(regions: Regions, values: Floats, valid: Flags) -> Columns:
    """Average a map over the layers of each lesion.

    Parameters
    ----------
    regions
        Regions with layers.
    values, valid
        Shape (n_kept,); the map's values, and which of them count.

    Returns
    -------
    dict
        Column -> shape (n_lesions,): n_shell, shell_mean, n_core, core_mean, n_ring, ring_mean,
        layer_1_mean, ..., shell_core, shell_ring; NaN where no valid voxel lies.
    """
    layers = regions.layers
    if layers is None:
        return {}
    number, n = regions.groups.number, len(regions.groups.labels)
    inside, counts = values[regions.lesion], valid[regions.lesion]
    shell, core = counts & layers.shell, counts & ~layers.shell
    ring = valid[layers.ring]
    columns: Columns = {}
    for name, x, group in (
        ("shell", inside[shell], number[shell]),
        ("core", inside[core], number[core]),
        ("ring", values[layers.ring][ring], layers.ring_number[ring]),
    ):
        columns[f"{name}_mean"], columns[f"n_{name}"] = group_means(x, group, n)
    columns["shell_core"] = columns["shell_mean"] - columns["core_mean"]
    columns["shell_ring"] = columns["shell_mean"] - columns["ring_mean"]
    counts = counts & (layers.number >= 0)
    cell = number[counts] * N_LAYERS + layers.number[counts]
    means = group_means(inside[counts], cell, n * N_LAYERS)[0].reshape(n, N_LAYERS)
    return columns | {f"layer_{k + 1}_mean": means[:, k] for k in range(N_LAYERS)}


def standardise(columns: Mapping[str, npt.NDArray[Any]], median: float, spread: float) -> Columns:
    """Place lesions against NAWM.

    Parameters
    ----------
    columns
        `mean` and what `measure_profiles` returns.
    median, spread
        Median and 1.4826 MAD of NAWM; NaN where they are not known.

    Returns
    -------
    dict
        Column -> shape (n_lesions,): z, shell_z, core_z, ring_z (value minus median, over spread)
        and shell_core_z, shell_ring_z (contrast over spread).
    """
    spread = spread if spread > 0 else np.nan
    result: Columns = {"z": (columns["mean"] - median) / spread}
    for name in ("shell", "core", "ring"):
        result[f"{name}_z"] = (columns[f"{name}_mean"] - median) / spread
    for name in ("shell_core", "shell_ring"):
        result[f"{name}_z"] = columns[name] / spread
    return result
