"""Tables for figures: out of an answer, or as they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem

__all__ = ["means_of_levels", "one_outcome", "table_of", "with_columns"]


def table_of(answer: Any, *names: str) -> pd.DataFrame:
    """Return a frame as it is, and of an answer the first of these tables that it holds.

    Raises
    ------
    InvalidDataError
        If it is no frame and has none of them.
    """
    if isinstance(answer, pd.DataFrame):
        return answer
    for name in names:
        found = getattr(answer, name, None)
        if isinstance(found, pd.DataFrame):
            outcome = getattr(answer, "outcome", None)
            return found if outcome is None else found.assign(outcome=outcome)
    problem = f"holds no table; give a DataFrame, or an answer with {' or '.join(names)}"
    raise InvalidDataError([Problem(table=type(answer).__name__, problem=problem)])


def with_columns(
    table: pd.DataFrame, *columns: str, name: str = "the table to draw"
) -> pd.DataFrame:
    """Return a table, called `name`, that has these columns.

    Raises
    ------
    InvalidDataError
        If one is missing.
    """
    missing = [column for column in columns if column not in table]
    if missing:
        problem = f"is missing; the table has {', '.join(map(str, table.columns))}"
        raise InvalidDataError(
            [Problem(table=name, column=column, problem=problem) for column in missing]
        )
    return table


def means_of_levels(
    means: pd.DataFrame, column: str, levels: Sequence[str], *columns: str
) -> pd.DataFrame:
    """Return marginal means whose levels, in `column`, are among those of the data as texts.

    Raises
    ------
    InvalidDataError
        If a column is missing, or no mean is of these levels: they are of other data.
    """
    with_columns(means, column, *columns, "estimate", "conf_low", "conf_high", name="means")
    told = means.astype({column: "str"})
    if len(told) and levels and not set(told[column]) & set(levels):
        found, wanted = (", ".join(dict.fromkeys(names)) for names in (told[column], levels))
        problem = f"holds {found}, the data {wanted}; give the means of an answer from these data"
        raise InvalidDataError([Problem(table="means", column=column, problem=problem)])
    return told


def one_outcome(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return a table that has these columns and speaks of one outcome.

    Raises
    ------
    InvalidDataError
        If a column is missing, or the table holds several outcomes.
    """
    with_columns(table, *columns)
    outcomes = list(map(str, table["outcome"].unique())) if "outcome" in table else []
    if len(outcomes) > 1:
        problem = f"holds {', '.join(outcomes)}; choose the rows of one of them"
        raise InvalidDataError(
            [Problem(table="the table to draw", column="outcome", problem=problem)]
        )
    return table
