"""The rows of the table before any map is read: the regions, their places and their shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from qsmstats.arrays import Floats, Integers
from qsmstats.voxels.feature_table import RowFlags
from qsmstats.voxels.geometry import describe_shapes, place
from qsmstats.voxels.grids import Columns
from qsmstats.voxels.kernels import Groups
from qsmstats.voxels.regions import Regions

__all__ = ["RegionRows", "padded", "region_rows"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionRows:
    """One row per region: lesions by label, then NAWM and white matter where they are measured.

    Attributes
    ----------
    positions
        Shape (n_values,); positions in `Regions.kept` of the voxels, row after row.
    counts
        Shape (n_rows,); voxels of each row.
    lesions
        Number of rows that are lesions.
    nawm_row
        Number of the row of NAWM, or None.
    columns
        Column -> one value per row, NaN where a region has none.
    flags
        What was unusual, whatever the map.
    """

    positions: Integers
    counts: Integers
    lesions: int
    nawm_row: int | None
    columns: dict[str, Any]
    flags: RowFlags


def region_rows(regions: Regions) -> RegionRows:
    """Lay out the rows of one session's table."""
    groups, one = regions.groups, np.array([0], dtype=np.int64)
    names, parts = ["lesion"] * len(groups.labels), [regions.lesion]
    counts, places = [groups.counts], [place(groups, regions.grid)]
    for name, part in (("nawm", regions.nawm), ("white_matter", regions.white_matter)):
        if part is not None:
            names.append(name)
            parts.append(part)
            counts.append(np.array([len(part)]))
            # Without a name of its own, the index of a million voxels is freed at once.
            places.append(
                place(
                    Groups(labels=one, counts=counts[-1], starts=one, index=regions.kept[part]),
                    regions.grid,
                )
            )
    lesions = len(groups.labels)
    # Labels are whole numbers of 64 bits, which floats would round.
    labels = np.append(groups.labels, np.zeros(len(names) - lesions, dtype=np.int64))
    columns: dict[str, Any] = {
        "region": np.array(names, dtype=object),
        "label": pd.arrays.IntegerArray(labels, np.arange(len(names)) >= lesions),
        **{name: np.concatenate([part[name] for part in places]) for name in places[0]},
    }
    if regions.left_out is not None:
        columns["n_left_out"] = np.full(len(names), len(regions.left_out))
        volume = float(regions.left_out.sum()) * regions.grid.voxel_volume
        columns["left_out_mm3"] = np.full(len(names), volume)
    shapes = {} if regions.layers is None else describe_shapes(groups, regions.grid)
    return RegionRows(
        positions=np.concatenate(parts),
        counts=np.concatenate(counts),
        lesions=lesions,
        nawm_row=names.index("nawm") if "nawm" in names else None,
        columns=columns | {name: padded(values, len(names)) for name, values in shapes.items()},
        flags=_flags(regions, shapes, len(names)),
    )


def padded(values: npt.NDArray[Any], rows: int) -> Floats:
    """Return the values of lesions as a column that is NaN for the regions after them."""
    column = np.full(rows, np.nan)
    column[: len(values)] = values
    return column


def _flags(regions: Regions, shapes: Columns, rows: int) -> RowFlags:
    groups, layers = regions.groups, regions.layers
    flags = RowFlags(rows, regions.flags)
    flags.add("one_voxel", groups.counts == 1)
    if layers is None:
        return flags
    for name in ("touches_border", "touches_lesion"):
        flags.add(name, shapes[name] > 0)
    every = np.ones(len(groups.labels), dtype=np.bool_)
    cores = np.bincount(groups.number[~layers.shell], minlength=len(every))
    rings = np.bincount(layers.ring_number, minlength=len(every))
    flags.add("no_core", cores == 0)
    flags.add("no_ring", rings == 0)
    flags.add(
        "deeper_than_profile",
        np.bincount(groups.number[layers.number < 0], minlength=len(every)) > 0,
    )
    flags.add("cut_by_mask", (layers.in_tissue > 0) & (layers.in_tissue < 1))
    flags.add("outside_mask", layers.in_tissue == 0)
    flags.add("mask_missing", every & (regions.white_matter is None))
    flags.add("shell_widened", every & layers.shell_widened)
    flags.add("ring_widened", every & layers.ring_widened)
    return flags
