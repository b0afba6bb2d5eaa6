"""Turn wide tables long: raters, visits or lesion types that each have a column.

A cell without a value gives no row: the rater did not rate, the lesion was not there at that visit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.schemas import load_schema
from qsmstats.study_schemas import word_problems
from qsmstats.tables.raw_table import RawTable, take_rows
from qsmstats.tables.spelling import known_spellings, unknown_level, word_key

__all__ = ["raw_to_long", "to_long"]

TYPE_COLUMN = "lesion_type"


def to_long(
    frame: pd.DataFrame,
    wide: Sequence[str],
    *,
    names_to: str,
    values_to: str,
    lesion_types: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Turn a wide table long.

    Parameters
    ----------
    frame
        Any table; the columns that are not `wide` are repeated on each of their rows.
    wide
        Columns that hold one rater, visit or lesion type each.
    names_to, values_to
        Columns of the result for the names and the values of `wide`. The one called
        ``lesion_type`` becomes categorical, in the order of the schema.
    lesion_types
        Spellings of lesion types beside those of the schema: word -> lesion type.

    Returns
    -------
    DataFrame
        One row per row of `frame` and wide column with a value, in the order of `frame`; the
        index is new.

    Raises
    ------
    InvalidDataError
        If a column is missing or would stand twice, or a lesion type is unknown; every problem
        is listed.

    Examples
    --------
    >>> counts = pd.DataFrame({"participant_id": ["sub-01"], "iso": [12], "PRL": [2]})
    >>> qs.to_long(counts, ["iso", "PRL"], names_to="lesion_type", values_to="n_lesions")
      participant_id       lesion_type  n_lesions
    0         sub-01        isointense         12
    1         sub-01  paramagnetic_rim          2
    """
    kept = [column for column in frame.columns if column not in wide]
    missing = [name for name in wide if name not in frame.columns]
    twice = [name for name in (names_to, values_to) if name in kept]
    said = [(name, "is not a column of the table; correct the name") for name in missing]
    said += [(name, "is already a column; choose another name") for name in twice]
    if names_to == values_to:
        said.append((names_to, "cannot hold both the names and the values; name two columns"))
    if said:
        raise InvalidDataError(
            [Problem(table="table", column=name, problem=text) for name, text in said]
        )
    long = _melt(frame, wide, names_to, values_to)
    long = long[long[values_to].notna()].reset_index(drop=True)
    if TYPE_COLUMN in (names_to, values_to):
        own, column = lesion_types or {}, load_schema("lesions").column(TYPE_COLUMN)
        known, words = known_spellings(column, own), list(map(str, long[TYPE_COLUMN]))
        problems = [
            Problem(table="lesion_types", column=word, problem=text)
            for word, text in word_problems(own, column.levels)
        ]
        problems += [
            Problem(table="table", column=TYPE_COLUMN, problem=unknown_level(word, column, known))
            for word in dict.fromkeys(words)
            if word_key(word) not in known
        ]
        if problems:
            raise InvalidDataError(problems)
        levels = [known[word_key(word)] for word in words]
        long[TYPE_COLUMN] = pd.Categorical(levels, categories=list(column.levels))
    return long


def raw_to_long(raw: RawTable, wide: Sequence[str], names_to: str, values_to: str) -> RawTable:
    """Turn a raw table long; every cell keeps the row and the column it had in its file."""
    missing = raw.schema.missing_values
    long = _melt(raw.cells, wide, names_to, values_to)
    long = long[~long[values_to].isin(missing)]
    taken = take_rows(raw, list(long.index))
    places = taken.places.assign(column=list(long[names_to].map(raw.file_column)))
    return replace(
        taken,
        cells=long.reset_index(drop=True),
        places=places,
        value_columns=(names_to, values_to),
    )


def _melt(frame: pd.DataFrame, wide: Sequence[str], names_to: str, values_to: str) -> pd.DataFrame:
    """Melt, row by row; the index of the result is the position in `frame`."""
    frame = frame.reset_index(drop=True)
    long = frame.melt(
        id_vars=[column for column in frame.columns if column not in wide],
        value_vars=list(wide),
        var_name=names_to,
        value_name=values_to,
        ignore_index=False,
    )
    return long.sort_index(kind="stable")
