"""The table of features: its columns, as data_schemas/features.schema.json has them, and its flags.

A row's `flags` column holds the names of `FLAGS`, joined by semicolons in alphabetical order, where
something was unusual; empty elsewhere. A flag never changes a number.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags
from qsmstats.schemas import load_schema

__all__ = ["FLAGS", "MISSING", "RowFlags", "feature_types", "read_features"]

MISSING = "n/a"

FLAGS = {
    "affine_missing": "header without sform and qform; the grid is pixdim alone",
    "affines_disagree": "sform, qform and pixdim of the header disagree; the affine is used",
    "cut_by_mask": "some voxels of the lesion lie outside the white-matter mask",
    "deeper_than_profile": "some voxels lie deeper than the last layer of the profile",
    "grid_not_in_mm": "the header declares micron or metre; converted to mm",
    "labels_empty": "the label image holds no label",
    "labels_rounded": "stored labels were not whole numbers and were rounded",
    "mask_missing": "no white-matter mask: the ring may hold other tissue, and there is no NAWM",
    "nawm_unusable": "no voxel is far from all lesions, or NAWM has no spread (MAD 0): no z",
    "no_core": "no voxel is deeper than the shell",
    "no_ring": "no voxel around the lesion belongs to its ring",
    "nonfinite_values": "some voxels are NaN or infinite",
    "not_measured": "no valid value",
    "one_voxel": "a single voxel: no standard deviation",
    "other_session_on_another_grid": "lesions of that session are not excluded from NAWM",
    "other_session_unreadable": "lesions of that session are not excluded from NAWM",
    "out_of_range": "some values cannot occur in tissue",
    "outside_mask": "no voxel of the lesion lies in the white-matter mask",
    "partial_coverage": "some voxels have no valid value",
    "ring_widened": "the grid is coarser than ring_mm; the ring is one voxel wide",
    "sheared_grid": "the axes of the grid are not orthogonal",
    "shell_widened": "the grid is coarser than shell_mm; the shell is one voxel thick",
    "small_components": "components smaller than labels.min_mm3 were left out",
    "touches_border": "a voxel lies on a face of the volume: the lesion may extend beyond it",
    "touches_lesion": "the lesion touches another",
}


def feature_types() -> dict[str, str]:
    """Return the type of each column of the table of features, in the schema's order."""
    kinds = {"integer": "Int64", "boolean": "boolean", "number": "float64", "string": "str"}
    return {field.name: kinds[field.type] for field in load_schema("features").fields}


def read_features(path: Path) -> pd.DataFrame:
    """Read a table of features as it was written, to the last digit."""
    text = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    # Python's float reads back the very number that was written; pandas did not always.
    readers: dict[str, Callable[[str], Any]] = {
        "str": str,
        "float64": float,
        "Int64": int,
        "boolean": {"TRUE": True, "FALSE": False}.__getitem__,
    }
    columns = {}
    for name, kind in feature_types().items():
        if name in text:
            words, read = text[name].tolist(), readers[kind]
            gap = {"str": MISSING, "float64": float("nan")}.get(kind, pd.NA)
            values: Any = [gap if word == MISSING else read(word) for word in words]
            columns[name] = values if kind == "float64" else pd.array(values, dtype=kind)
    return pd.DataFrame(columns)


class RowFlags:
    """The flags of a table's rows, collected one condition at a time.

    Parameters
    ----------
    rows
        Number of rows.
    everywhere
        Flags of every row.
    """

    def __init__(self, rows: int, everywhere: tuple[str, ...] = ()) -> None:
        self._rows = [set(everywhere) for _ in range(rows)]

    def add(self, flag: str, where: Flags) -> None:
        """Set a flag in the first ``len(where)`` rows where `where` is true."""
        if flag not in FLAGS:
            raise KeyError(flag)
        for row in np.flatnonzero(where):
            self._rows[row].add(flag)

    def join(self, other: RowFlags) -> list[str]:
        """Return the flags of both, row by row, as text."""
        pairs = zip(self._rows, other._rows, strict=True)
        return [";".join(sorted(mine | theirs)) for mine, theirs in pairs]
