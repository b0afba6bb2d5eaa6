"""Cells of tables: how a value of a column is written, and what it is sorted by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from qsmstats.report.blocks import Cell
from qsmstats.report.tables.headings import ASIDE
from qsmstats.wording import numbers
from qsmstats.wording.names import (
    coefficient_title,
    in_words,
    method_title,
    outcome_title,
    title,
)
from qsmstats.wording.terms import group_title, groups_in_words, term_titler

__all__ = ["LEVELS", "cell_writer", "written"]

LEVELS = {
    "category",
    "class",
    "class_",
    "index_test",
    "lesion_type",
    "level",
    "predicted",
    "reference_standard",
    "suggested_type",
    "tissue",
}
# Columns of one estimate, which share their decimals.
_OF_ESTIMATE = ("estimate", "plain_estimate", "conf_low", "conf_low_adjusted", "std_error")
# Decimals of columns whose size says nothing of their precision.
_DECIMALS = {"statistic": 2, "num_df": 0, "standardised_difference": 2}
# Counts, which missing values have made decimal numbers.
_COUNTS = {"denominator", "n", "numerator"}

# Standard errors that differ by more have no decimals in common.
ONE_SIZE = 20

Write = Callable[[object], str]
WriteCell = Callable[[pd.Series], Cell]

# Column -> what writes its texts, where they are not written as they are.
_TEXT_WRITERS: dict[str, Write] = {
    "group": lambda value: group_title(str(value)),
    "n_groups": lambda value: groups_in_words(str(value)),
    "method": lambda value: method_title(str(value)),
    **dict.fromkeys(("note", "text", "meaning"), lambda value: in_words(str(value))),
    **dict.fromkeys(("outcome", "feature"), lambda value: outcome_title(str(value))),
    "coefficient": lambda value: coefficient_title(str(value)),
    **dict.fromkeys(("role", "step", "stage"), lambda value: str(value).replace("_", " ")),
    **dict.fromkeys(LEVELS, lambda value: title(str(value))),
}


def cell_writer(frame: pd.DataFrame, name: str) -> WriteCell:
    """Return what writes the cells of one column.

    Parameters
    ----------
    frame
        The whole column and those that it is read with: errors, ends of intervals. Its index is
        unique.
    name
        Name of the column; an interval by the name of its lower end.
    """
    errors = frame.get("std_error", pd.Series(dtype="float64"))
    errors = errors[errors > 0]
    mixed = not {"term", "analysis"}.isdisjoint(frame.columns)
    uneven = mixed and len(errors) and errors.max() > ONE_SIZE * errors.min()
    if name in _OF_ESTIMATE and uneven:
        # Coefficients and answers of several models are of different kinds: each row as if alone.
        each = {row: _cell_writer(frame.loc[[row]], name) for row in frame.index}
        return lambda row: each[row.name](row)
    return _cell_writer(frame, name)


def _cell_writer(frame: pd.DataFrame, name: str) -> WriteCell:
    high = name.replace("_low", "_high")
    if high != name and high in frame:
        return _interval_cell(name, high, _decimals(frame, name))
    if pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool:
        write = _number_writer(frame, name)
    elif name in {"term", "other_term"}:
        write = term_titler(frame["term"])
    else:
        write = _TEXT_WRITERS.get(name, written)

    def cell(row: pd.Series) -> Cell:
        value = row[name]
        if pd.isna(value):
            return Cell(text=numbers.MISSING, sort="")
        value = value.item() if hasattr(value, "item") else value
        sort = float(value) if isinstance(value, int | float) else write(value)
        return Cell(text=write(value), sort=sort)

    low, high = f"{ASIDE.get(name, '')}_low", f"{ASIDE.get(name, '')}_high"
    if name not in ASIDE or not {low, high} <= set(frame.columns):
        return cell
    aside = _interval_cell(low, high, _decimals(frame, name))

    def both(row: pd.Series) -> Cell:
        between = aside(row).text
        return replace(cell(row), aside="" if between == numbers.MISSING else f"({between})")

    return both


def _decimals(frame: pd.DataFrame, name: str) -> int:
    if name in _DECIMALS:
        return _DECIMALS[name]
    if name in _OF_ESTIMATE and "std_error" in frame:
        return numbers.decimals_of_errors(frame["std_error"])
    high = name.replace("_low", "_high")
    if high != name and high in frame:
        widths = frame[high] - frame[name]
        return numbers.decimals_of_errors(widths / 4)
    return numbers.decimals_of_values(frame[name])


def _number_writer(frame: pd.DataFrame, name: str) -> Write:
    values = frame[name].dropna()
    if name.removeprefix("plain_").startswith("p_"):
        return numbers.p_value
    if name in {"df", "den_df"}:
        return numbers.degrees
    if name == "share":
        return numbers.percent
    whole = pd.api.types.is_integer_dtype(frame[name]) or name in _COUNTS
    if whole or name.startswith("n_"):
        return numbers.count
    sizes = values[values != 0].abs()
    # One number of decimals does not suit values of very different size.
    uneven = not sizes.empty and (sizes.max() > 1e3 * sizes.min() or sizes.min() < 1e-5)
    if uneven and name not in {*_OF_ESTIMATE, *_DECIMALS}:
        return numbers.number
    decimals = _decimals(frame, name)
    return lambda value: numbers.fixed(value, decimals)


def written(value: object) -> str:
    """Return the text of a value that is no number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _interval_cell(low: str, high: str, decimals: int) -> WriteCell:
    def cell(row: pd.Series) -> Cell:
        if pd.isna(row[low]) and pd.isna(row[high]):
            return Cell(text=numbers.MISSING, sort="")
        return Cell(
            text=numbers.interval(float(row[low]), float(row[high]), decimals),
            sort=float(row[low]),
        )

    return cell
