"""From a table of results to a table that people read.

Columns are recognised by the names that every estimate of this project carries: conf_low and
conf_high become one interval beside the estimate, p-values are written as p, levels and contrasts
by their titles. A text that is the same in every row is said once, below the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from qsmstats.report import numbers
from qsmstats.report.blocks import Cell, TableBlock
from qsmstats.report.names import contrast_title, outcome_title, title

__all__ = ["display"]

# More rows than this are no reading matter; the TSV has them.
MOST_ROWS = 400

_TITLES = {
    "adjust": "adjusted by",
    "class_": "class",
    "conf": "CI",
    "den_df": "denominator df",
    "file": "file",
    "hedges_g": "Hedges' g",
    "num_df": "numerator df",
    "p_adjusted": "adjusted p",
    "p_value": "p",
    "sd": "SD",
    "std_dev": "SD",
    "std_error": "SE",
}
_LEVELS = {
    "category",
    "class",
    "class_",
    "index_test",
    "lesion_type",
    "level",
    "predicted",
    "reference_standard",
    "tissue",
}
# Units that column names end with.
_UNITS = {"mm3": "mm³", "mm": "mm", "ppb": "ppb", "percent": "%"}
# Columns of one estimate, which share their decimals.
_OF_ESTIMATE = ("estimate", "conf_low", "conf_low_adjusted", "std_error")
# Decimals of columns whose size says nothing of their precision.
_DECIMALS = {"statistic": 2, "df": 1, "den_df": 1, "num_df": 0}

Write = Callable[[object], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    title: str
    numeric: bool
    cell: Callable[[pd.Series], Cell]


def display(
    frame: pd.DataFrame,
    *,
    slug: str,
    caption: str,
    file: str = "",
    titles: Mapping[str, str] | None = None,
    only: Sequence[str] | None = None,
    ci: str = "95 % CI",
    note: str = "",
) -> TableBlock:
    """Turn a frame into a table of the page.

    Parameters
    ----------
    frame
        Estimates, counts or records.
    slug
        Identifier on the page.
    caption
        What the table shows, with its unit.
    file
        Path of its TSV below the output folder.
    titles
        Column -> title, where the usual one does not say enough.
    only
        Columns to show, in this order (an interval by the name of its lower end); all by default.
    ci
        Title of the interval.
    note
        Text below the caption.

    Returns
    -------
    TableBlock
    """
    given = {"conf": ci, **(titles or {})}
    names = _order(
        list(frame.columns) if only is None else [name for name in only if name in frame]
    )
    names = [name for name in names if not _is_empty(frame[name])] or names
    constant = _constant(frame, names[1:])
    said = [f"{_heading(name, given).capitalize()}: {value}." for name, value in constant.items()]
    columns = [_column(frame, name, given) for name in names if name not in constant]
    if len(frame) > MOST_ROWS:
        said.append(f"The first {MOST_ROWS} of {len(frame):,} rows; the file has all.")
    return TableBlock(
        slug=slug,
        caption=caption,
        columns=tuple((column.title, column.numeric) for column in columns),
        rows=tuple(
            tuple(column.cell(row) for column in columns)
            for _, row in frame.head(MOST_ROWS).iterrows()
        ),
        file=file,
        note=" ".join([note, *said]).strip(),
    )


def _is_empty(values: pd.Series) -> bool:
    return bool((values.isna() | (values.astype("str") == "")).all())


def _order(names: list[str]) -> list[str]:
    """Drop upper ends, which stand with their lower ends; put intervals after their estimates."""
    kept = [
        name for name in names if "_high" not in name or name.replace("_high", "_low") not in names
    ]
    for end, estimate in (("conf_low", "estimate"), ("hedges_g_low", "hedges_g")):
        if end in kept and estimate in kept:
            kept.remove(end)
            kept.insert(kept.index(estimate) + 1, end)
    return kept


def _constant(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Return the texts that are the same in every row, where there are rows to tell."""
    if len(frame) < 2:
        return {}
    texts = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
    return {
        name: _text(frame[name].iloc[0])
        for name in texts
        if (frame[name] == frame[name].iloc[0]).all() and name not in _LEVELS
    }


def _heading(name: str, titles: Mapping[str, str]) -> str:
    ends = {
        "hedges_g_low": f"{titles['conf']} of g",
        "conf_low_adjusted": f"{titles['conf']}, adjusted",
        "threshold_range_low": "range of thresholds",
    }
    if name in ends:
        return ends[name]
    stem = name.removesuffix("_low")
    known = titles.get(stem) or titles.get(name) or _TITLES.get(stem)
    if known:
        return known
    words = stem.removeprefix("n_").replace("_", " ")
    for suffix, unit in _UNITS.items():
        if words.endswith(f" {suffix}"):
            return f"{words.removesuffix(suffix)}({unit})"
    return words


def _column(frame: pd.DataFrame, name: str, titles: Mapping[str, str]) -> _Column:
    heading = _heading(name, titles)
    high = name.replace("_low", "_high")
    if high != name and high in frame:
        cell = _interval_cell(name, high, _decimals(frame, name))
        return _Column(title=heading, numeric=True, cell=cell)
    numeric = pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool
    write = _number_writer(frame, name) if numeric else _text_writer(name)
    return _Column(title=heading, numeric=numeric, cell=_plain_cell(name, write))


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
    if name.startswith("p_"):
        return numbers.p_value
    if name == "share":
        return numbers.percent
    if pd.api.types.is_integer_dtype(frame[name]) or (name[:2] in {"n", "n_"}):
        return numbers.count
    sizes = values[values != 0].abs()
    if name not in {*_OF_ESTIMATE, *_DECIMALS} and not _of_one_size(sizes):
        return numbers.number
    decimals = _decimals(frame, name)
    return lambda value: numbers.fixed(value, decimals)


def _of_one_size(sizes: pd.Series) -> bool:
    """Return whether one number of decimals suits all of some positive numbers."""
    return sizes.empty or bool(sizes.max() <= 1e3 * sizes.min() and sizes.min() >= 1e-5)


def _text_writer(name: str) -> Write:
    if name in {"outcome", "feature"}:
        return lambda value: outcome_title(str(value))
    if name == "contrast":
        return lambda value: contrast_title(str(value))
    if name in {"coefficient", "method", "role", "step"}:
        return _words
    if name in _LEVELS:
        return lambda value: title(str(value))
    return _text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _words(value: object) -> str:
    return str(value).replace("_", " ")


def _plain_cell(name: str, write: Write) -> Callable[[pd.Series], Cell]:
    def cell(row: pd.Series) -> Cell:
        value = row[name]
        if pd.isna(value):
            return Cell(text=numbers.MISSING, sort="")
        value = value.item() if hasattr(value, "item") else value
        sort = float(value) if isinstance(value, int | float) else write(value)
        return Cell(text=write(value), sort=sort)

    return cell


def _interval_cell(low: str, high: str, decimals: int) -> Callable[[pd.Series], Cell]:
    def cell(row: pd.Series) -> Cell:
        if pd.isna(row[low]) and pd.isna(row[high]):
            return Cell(text=numbers.MISSING, sort="")
        return Cell(
            text=numbers.interval(float(row[low]), float(row[high]), decimals),
            sort=float(row[low]),
        )

    return cell
