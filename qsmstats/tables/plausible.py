"""Values that a column may hold, and that are more likely another unit or a slip.

A follow-up of 25.2 years is within what the schema allows; where others have 12 and 24, it is a
follow-up in months. Such values are problems until the study confirms them: `plausible` of a column
in data_schemas/, or of study.toml, which goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from qsmstats.errors import Problem
from qsmstats.tables.raw_table import RawTable, place_problem

__all__ = ["implausible_values"]


def implausible_values(
    raw: RawTable, frame: pd.DataFrame, confirmed: Mapping[str, Sequence[float]]
) -> Iterator[Problem]:
    """Yield the values outside the plausible range of their column.

    Parameters
    ----------
    raw, frame
        One table, as text and typed.
    confirmed
        Column -> lowest and highest value, as study.toml states them.
    """
    for column in raw.schema.fields:
        limits = confirmed.get(column.name, column.plausible)
        if limits is None or column.name not in frame.columns:
            continue
        low, high = limits
        values = frame[column.name]
        outside = (values < low) | (values > high)
        # One text for all of them, so that a column in months is one problem.
        seen = f"{values.min():g} to {values.max():g}"
        wider = f"{column.name} = [{min(values.min(), low):g}, {max(values.max(), high):g}]"
        unit = "" if column.unit in (None, "1") else f" {column.unit}"
        text = (
            f"is outside {low:g} to {high:g}{unit}, the plausible range (the column has "
            f"{seen}); correct the value or its unit, or confirm it in study.toml: "
            f"{wider} below [plausible]"
        )
        for position in outside.to_numpy().nonzero()[0]:
            yield place_problem(raw, int(position), column.name, text)
