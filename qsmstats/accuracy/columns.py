"""Checks of the columns that the caller names, the same for every table of readings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from qsmstats.errors import UsageError

__all__ = ["repeated_keys", "require_columns"]


def require_columns(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names that are not columns of the table.

    Raises
    ------
    UsageError
        With the names and the columns that there are.
    """
    absent = [name for name in names if name not in table.columns]
    if absent:
        raise UsageError(f"no column {absent}; the table has the columns {list(table.columns)}")


def repeated_keys(table: pd.DataFrame, key: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Yield each combination of values of the key columns that is in more than one row."""
    repeated = table.loc[table.duplicated(list(key), keep=False), list(key)].drop_duplicates()
    yield from repeated.itertuples(index=False, name=None)
