"""What repeats in the key columns that the caller names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

__all__ = ["repeated_keys"]


def repeated_keys(table: pd.DataFrame, key: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Yield each combination of values of the key columns that is in more than one row."""
    repeated = table.loc[table.duplicated(list(key), keep=False), list(key)].drop_duplicates()
    yield from repeated.itertuples(index=False, name=None)
