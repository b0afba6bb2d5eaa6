"""Offsets: what is added to the linear predictor of a row with a coefficient of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import InvalidDataError
from qsmstats.mixed.design.grouping import check_new_columns
from qsmstats.mixed.formula.terms import Terms, evaluate

__all__ = ["check_offsets", "offset_of"]


def offset_of(terms: Sequence[Terms], frame: pd.DataFrame) -> Floats:
    """Return the sum of the offsets in the rows of a frame, shape (m,).

    Raises
    ------
    InvalidDataError
        If a column is missing or has missing values, or an offset is not one column of numbers.
    """
    check_new_columns(frame, [name for one in terms for name in one.variables])
    check_offsets(frame, terms)
    made = np.zeros(len(frame))
    for one in terms:
        values = evaluate(one.formula, frame, one.transforms).matrix
        if values.shape[1] != 1:
            raise InvalidDataError(
                f"the offset '{_label(one)}' makes {values.shape[1]} columns; name one of numbers"
            )
        made += values[:, 0]
    return made


def check_offsets(data: pd.DataFrame, offsets: Sequence[Terms]) -> None:
    """Refuse missing offsets: a value that is not known cannot be left out in silence."""
    for terms in offsets:
        for name in set(terms.variables) & set(data.columns):
            if missing := int(np.sum(data[name].isna())):
                raise InvalidDataError(
                    f"the offset column '{name}' is missing in {missing} rows; fill in these "
                    "values, or drop the rows"
                )


def _label(terms: Terms) -> str:
    return ", ".join(map(str, terms.formula))
