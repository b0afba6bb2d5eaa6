"""The table of features: its columns, as data_schemas/features.schema.json has them, and its flags.

A row's `flags` column holds the names of `FLAGS`, joined by semicolons in alphabetical order, where
something was unusual; empty elsewhere. A flag never changes a number.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # has no stubs
from pyarrow import csv

from qsmstats.arrays import Flags
from qsmstats.schemas import load_schema

__all__ = ["FLAGS", "MISSING", "RowFlags", "feature_types", "read_features"]

MISSING = "n/a"

PIECE = 1 << 24
"""Bytes of tables that are parsed at a time."""

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


def read_features(tables: Iterable[bytes]) -> pd.DataFrame:
    """Read tables of features as they were written, to the last digit, into one below the other.

    Parameters
    ----------
    tables
        The bytes of each; they are parsed together, as far as their columns are the same.
    """
    parsed: list[pa.Table] = []
    held: list[bytes] = []
    header, size = b"", 0
    for table in tables:
        first, _, rows = table.partition(b"\n")
        if held and (first != header or size > PIECE):
            parsed.append(_parsed(header, held))
            held, size = [], 0
        header = first
        held.append(rows)
        size += len(rows)
    if held:
        parsed.append(_parsed(header, held))
    kinds = feature_types()
    if not parsed:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
    joined = pa.concat_tables(parsed, promote_options="default")
    del parsed
    # Whole numbers and truth values may be missing; numbers are then NaN, as everywhere.
    types = {
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(na_value=np.nan),
    }
    names = [name for name in kinds if name in joined.column_names]
    joined = joined.select(names)
    # Column by column, each let go as it is copied: a large cohort is in memory once.
    frame: pd.DataFrame = joined.to_pandas(
        types_mapper=types.get, split_blocks=True, self_destruct=True
    )
    return frame


def _parsed(header: bytes, rows: list[bytes]) -> pa.Table:
    """Parse the rows of tables that have one header."""
    arrow = {
        "Int64": pa.int64(),
        "float64": pa.float64(),
        "boolean": pa.bool_(),
        "str": pa.string(),
    }
    kinds = feature_types()
    names = header.decode().split("\t")
    return csv.read_csv(
        pa.BufferReader(b"\n".join([header, b"".join(rows)])),
        read_options=csv.ReadOptions(use_threads=False),
        parse_options=csv.ParseOptions(delimiter="\t"),
        convert_options=csv.ConvertOptions(
            column_types={name: arrow[kind] for name, kind in kinds.items()},
            include_columns=[name for name in names if name in kinds],
            null_values=[MISSING],
            true_values=["TRUE"],
            false_values=["FALSE"],
        ),
    )


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
