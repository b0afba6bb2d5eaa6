"""The rows and columns a model uses, brought into one of two forms: numbers or categories.

Numbers are float64. Categories are pandas categoricals without unused levels; a categorical
column keeps its own order, plain strings are sorted by code point (as R does in the C locale and
formulaic everywhere), booleans run False, True. Rows with a missing value in any used column are
dropped and counted per column; an infinite value is an error, because no estimate can use it and
none should hide it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats, Places
from qsmstats.errors import FormulaError, InvalidDataError, did_you_mean, nearest
from qsmstats.mixed.design.grouping import sorted_codes

__all__ = ["ModelFrame", "Variable", "model_frame"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What a model knows of one column of its data.

    Attributes
    ----------
    name
        Name of the column.
    levels
        The categories in their order (the first is the reference), or None for a number.
    mean
        Mean over the rows of the fit, NaN for categories.
    """

    name: str
    levels: tuple[object, ...] | None
    mean: float = float("nan")

    def coerce(self, column: pd.Series) -> Floats | pd.Categorical:
        """Bring a column of new data into the form it had in the fit.

        Raises
        ------
        InvalidDataError
            If it holds a category that the fit did not, or text where numbers are needed.
        """
        if self.levels is None:
            return _numeric(column, self.name)
        values = _plain_categories(column)
        unknown = [value for value in pd.unique(values.dropna()) if value not in self.levels]
        if unknown:
            known = ", ".join(map(str, self.levels))
            raise InvalidDataError(
                f"column '{self.name}' holds '{unknown[0]}', which is not in the data of the fit; "
                f"use one of its levels {known}"
            )
        return pd.Categorical(values, categories=pd.Index(self.levels))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFrame:
    """The rows a fit uses.

    Attributes
    ----------
    columns
        The used rows of each column, numbers as float64 and categories as categoricals.
    variables
        Name -> `Variable`, for every column of the fixed part and of the random expressions.
    kept
        Positions of the used rows in the data as given, shape (n,).
    dropped
        Column -> number of rows in which it is missing (columns without missing values left out).
    empty_levels
        Column -> categories dropped because no used row has them.
    """

    columns: Mapping[str, Any]
    variables: Mapping[str, Variable]
    kept: Places
    dropped: Mapping[str, int] = field(default_factory=dict)
    empty_levels: Mapping[str, tuple[object, ...]] = field(default_factory=dict)

    @property
    def data(self) -> pd.DataFrame:
        """The columns as a table."""
        return pd.DataFrame(self.columns, copy=False)


def model_frame(
    data: pd.DataFrame, names: Collection[str], groups: Collection[str], factors: Collection[str]
) -> ModelFrame:
    """Select, convert and complete the columns of a model.

    Parameters
    ----------
    data
        One row per observation.
    names
        Columns of the outcome, the fixed part, the random expressions and numeric weights.
    groups
        Columns that only group rows; their values may be of any hashable type.
    factors
        Those of `names` that are categories although they hold numbers (``C(x)``).

    Raises
    ------
    FormulaError
        If a column does not exist.
    InvalidDataError
        If a column cannot be a number or category, holds an infinite value, or no row is left.
    """
    _require(data, [*names, *groups])
    # Arrays, because pandas would align columns of their own index.
    columns = {
        name: _column(data[name], name, name in factors) for name in dict.fromkeys(names)
    } | {name: _labels(data[name]) for name in groups if name not in names}
    missing = {name: np.asarray(pd.isna(column)) for name, column in columns.items()}
    dropped = {name: int(mask.sum()) for name, mask in missing.items() if mask.any()}
    incomplete = np.zeros(len(data), dtype=bool)
    for name in dropped:
        incomplete |= missing[name]
    kept = np.flatnonzero(~incomplete)
    if not kept.size:
        counts = ", ".join(f"{name}: {count}" for name, count in dropped.items()) or "nothing"
        raise InvalidDataError(
            f"none of the {len(data)} rows is complete (missing: {counts}); fill in these values, "
            "or remove the columns from the formula"
        )
    used = {
        name: _used(column.take(kept) if dropped else column) for name, column in columns.items()
    }
    variables, empty = {}, {}
    for name in dict.fromkeys(names):
        column = used[name]
        if not isinstance(column, pd.Categorical):
            variables[name] = Variable(name=name, levels=None, mean=float(column.mean()))
            continue
        levels, given = column.categories, columns[name].categories
        variables[name] = Variable(name=name, levels=tuple(levels.tolist()))
        if len(levels) < len(given):
            empty[name] = tuple(given.difference(levels, sort=False).tolist())
    return ModelFrame(
        columns=used,
        variables=variables,
        kept=kept,
        dropped=dropped,
        empty_levels=empty,
    )


def _require(data: pd.DataFrame, names: Collection[str]) -> None:
    counts = Counter(data.columns)
    for name in names:
        if name not in counts:
            hint = did_you_mean(nearest(name, data.columns)) or "; correct the name"
            raise FormulaError(f"the data have no column '{name}'{hint}")
        if counts[name] > 1:
            raise InvalidDataError(f"the data hold two columns named '{name}'; keep one")


def _column(column: pd.Series, name: str, is_factor: bool) -> Floats | pd.Categorical:  # noqa: FBT001
    """Return a copy of a column as float64 or as a categorical."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        made: pd.Categorical = column.array.copy()
        return made
    if dtype == np.float64 and not is_factor:  # the most common, and pandas' questions take time
        return _numeric(column, name)
    if pd.api.types.is_bool_dtype(dtype) or is_factor:
        return _sorted_categories(_plain_categories(column))
    kinds = pd.api.types
    if kinds.is_complex_dtype(dtype):
        raise InvalidDataError(f"column '{name}' holds complex numbers; use their real part")
    numbers = {"integer", "floating", "mixed-integer-float", "decimal", "empty"}
    is_object = column.dtype == object
    if kinds.is_numeric_dtype(dtype) or (
        is_object and kinds.infer_dtype(column, skipna=True) in numbers
    ):
        return _numeric(column, name)
    if (
        kinds.is_datetime64_any_dtype(column)
        or kinds.is_timedelta64_dtype(column)
        or isinstance(dtype, pd.PeriodDtype)
    ):
        raise InvalidDataError(
            f"column '{name}' holds dates or durations ({dtype}); convert it to a number "
            "first, for example years since the first visit"
        )
    return _sorted_categories(_plain_categories(column))


def _labels(column: pd.Series) -> Any:
    """Return a copy of a column that only groups rows."""
    made = column.array.copy()
    # pandas takes text among objects for text, but looks through all of them each time.
    return pd.Series(made, copy=False).array if column.dtype == object else made


def _numeric(column: pd.Series, name: str) -> Floats:
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidDataError(f"column '{name}' must hold numbers: {error}; correct it") from None
    if infinite := np.flatnonzero(np.isinf(values)).tolist():
        raise InvalidDataError(
            f"column '{name}' is infinite in {len(infinite)} rows (first: row position "
            f"{infinite[0]}); correct these values or mark them as missing"
        )
    return values


def _plain_categories(column: pd.Series) -> pd.Series:
    """Nullable and Arrow values as Python objects, so that equal categories compare equal."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    return column


def _sorted_categories(column: pd.Series) -> pd.Categorical:
    try:
        codes, values = sorted_codes(column)
    except TypeError:
        raise InvalidDataError(
            f"column '{column.name}' mixes types that cannot be ordered; make it text or an "
            "ordered categorical"
        ) from None
    # Nullable and Arrow values become Python objects.
    levels = values if values.dtype == "str" else pd.Index(values.tolist())
    dtype = pd.CategoricalDtype(levels)
    made: pd.Categorical = pd.Categorical.from_codes(codes, dtype=dtype, validate=False)
    return made


def _used(column: Any) -> Any:
    """Return an array without categories that no longer occur (as R's model.frame)."""
    if isinstance(column, pd.Categorical):
        counts = np.bincount(column.codes, minlength=len(column.categories))
        return column if counts.all() else column.remove_unused_categories()
    return column
