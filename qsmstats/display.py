"""How records and tables of results look at a prompt and in a notebook.

A record is shown by its fields, one line each, and by rows of its tables: arrays by their shape,
tables of results by label, estimate, interval and p-value. `Displayed` gives this to every class
below it; `show` prints a whole table in the same way.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from html import escape
from typing import ClassVar

import numpy as np
import pandas as pd

from qsmstats.errors import UsageError

__all__ = ["Displayed", "cell_text", "show"]

WIDTH = 100
LINES = 40
# The levels that `contrast` already names.
_ASIDE = {"first", "second"}
_RESULTS = ("estimate", "conf_low", "conf_high", "p_value")
_ADJUSTED = ("estimate", "conf_low_adjusted", "conf_high_adjusted", "p_adjusted")
# A proportion has several intervals, which only their role tells apart.
_PROPORTION = ("numerator", "denominator", "role")


class Displayed:
    """Base of a record: a short text at the prompt, a table in a notebook."""

    __slots__ = ()

    opened: ClassVar[tuple[str, ...]] = ()
    """Tables whose rows are shown, in this order, as far as there is room; () for all."""
    whole: ClassVar[tuple[str, ...]] = ()
    """Fields whose text is wrapped where others are cut: the answer in words."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # dataclass writes a __repr__ of its own into a class that has none.
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Displayed.__repr__  # type: ignore[method-assign]

    def displayed(self) -> Mapping[str, object]:
        """Return what is shown, by name; the fields of a dataclass."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields}

    def __repr__(self) -> str:
        values = self.displayed()
        lines = [type(self).__name__]
        for name, value in values.items():
            text = f"  {name}: {_in_words(value)}".rstrip()
            whole = name in self.whole
            lines += textwrap.wrap(text, WIDTH, subsequent_indent="    ") if whole else [_cut(text)]
        for name, table in self._opened(values):
            room = LINES - len(lines) - 3  # for a blank line, the name and the heads
            if room < 1:
                break
            fits = len(table) <= room
            shown = table_text(table if fits else table.head(room - 1))
            more = [] if fits else [f"... {len(table) - room + 1} more rows"]
            lines += ["", f"{name}:", *shown, *more]
        return "\n".join(lines[:LINES])

    def _repr_html_(self) -> str:
        values = self.displayed()
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(text if name in self.whole else _cut(text))}"
            "</td></tr>"
            for name, text in zip(values, map(_in_words, values.values()), strict=True)
        )
        parts = [f"<p><b>{type(self).__name__}</b></p><table>{rows}</table>"]
        for name, table in self._opened(values):
            body = _brief(table.head(LINES)).to_html(index=False, border=0)
            more = f" (the first {LINES} of {len(table)} rows)" if len(table) > LINES else ""
            parts.append(f"<p>{escape(name)}{more}</p>{body}{escape(_common_note(table))}")
        return "".join(parts)

    def _opened(self, values: Mapping[str, object]) -> list[tuple[str, pd.DataFrame]]:
        tables = {name: one for name, one in values.items() if isinstance(one, pd.DataFrame)}
        return [(name, tables[name]) for name in self.opened or tables if len(tables[name])]


def show(table: pd.DataFrame) -> None:
    """Print what one reads of a table of results: label, estimate, interval and p-value.

    Parameters
    ----------
    table
        A table with a column ``estimate``, as `contrasts`, `slopes` or `coefficients` return it.
        Where p-values or limits are adjusted, the adjusted ones are printed, below their names.
        Below stands what the column ``note`` says of all rows alike. Of other tables the first
        columns are printed, as many as there is room for in 100 characters.

    Raises
    ------
    UsageError
        If it is no table.

    Examples
    --------
    >>> qs.show(pd.DataFrame({"term": ["age"], "estimate": [-0.1234567], "std_error": [0.05],
    ...     "df": [57.3], "p_value": [0.0166], "conf_low": [-0.2236], "conf_high": [-0.0233]}))
    term  estimate  conf_low  conf_high  p_value
    age    -0.1235   -0.2236   -0.02330    0.017
    """
    if not isinstance(table, pd.DataFrame):
        message = f"show prints a DataFrame, not {type(table).__name__}; print(...) shows others"
        raise UsageError(message)
    print("\n".join(table_text(table)))  # noqa: T201


def table_text(table: pd.DataFrame) -> list[str]:
    """Lay the main columns of a table out, heads first, within the width of a page."""
    brief = _brief(table)
    numeric = {str(name) for name, one in table.items() if pd.api.types.is_numeric_dtype(one)}
    numbers = [name in numeric for name in brief]
    columns = [[name, *brief[name]] for name in brief]
    widths = [max(map(len, column)) for column in columns]
    # Long labels are cut, the longest first; the full table has them.
    over = sum(widths) + 2 * len(widths) - 2 - WIDTH
    while over > 0:
        longest = int(np.argmax(widths))
        widths[longest] -= 1
        over -= 1
    lines = [
        "  ".join(
            f"{text:>{width}}" if number else f"{_cut(text, width):<{width}}"
            for text, width, number in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
    return [*lines, *textwrap.wrap("" if "note" in brief else _common_note(table), WIDTH)]


def _common_note(table: pd.DataFrame) -> str:
    """Return what is noted of all rows alike, such as whose intervals they are."""
    notes = set(table["note"]) if "note" in table else set()
    return "" if len(notes) != 1 else str(notes.pop() or "")


def _brief(table: pd.DataFrame) -> pd.DataFrame:
    """Return the main columns of a table, as text."""
    if table.index.name is not None:  # as that of `params` and `conf_int`
        table = table.reset_index()
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    names = list(table.columns)
    if "estimate" in names:
        labels = [name for name in names[: names.index("estimate")] if name not in _ASIDE]
        adjusted = "conf_low_adjusted" in names and table["conf_low_adjusted"].notna().any()
        main = list(_ADJUSTED if adjusted else _RESULTS)
        if not adjusted and "p_adjusted" in names:
            main[-1] = "p_adjusted"
        names = [*labels, *(name for name in (*main, *_PROPORTION) if name in names)]
    texts = {name: [cell_text(value, name) for value in table[name]] for name in names}
    if "estimate" not in names:
        widths = [max(map(len, [name, *column])) + 2 for name, column in texts.items()]
        fit = int(np.searchsorted(np.cumsum(widths), WIDTH + 2, side="right"))
        names = names[: max(fit, 1)]
    return pd.DataFrame({name: texts[name] for name in names})


def cell_text(value: object, column: str = "", digits: int = 4) -> str:
    """Return a value of a table as text; "" where it is missing.

    Parameters
    ----------
    value
        A number, word or anything else.
    column
        Its column: p-values, test statistics and degrees of freedom have formats of their own.
    digits
        Significant digits of other numbers.
    """
    if not isinstance(value, float | np.floating):
        return "" if value is None or value is pd.NA else str(value)
    if np.isnan(value):
        return ""
    if column in {"p_value", "p_adjusted", "p_bootstrap"}:
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if column in {"statistic", "correlation"}:
        return f"{value:.3f}"
    if column == "df":
        return f"{value:.1f}"
    return f"{value:#.{digits}g}"


def _in_words(value: object) -> str:
    """Return a field of a record in one line."""
    if isinstance(value, pd.DataFrame):
        return f"table, {len(value)} rows: {', '.join(map(str, value.columns))}"
    if isinstance(value, np.ndarray | pd.Series):
        return f"array, shape {value.shape}"
    if isinstance(value, Displayed):
        fields = {k: v for k, v in value.displayed().items() if not isinstance(v, pd.DataFrame)}
        inside = ", ".join(f"{name}: {_in_words(one)}" for name, one in fields.items())
        return f"{type(value).__name__}({inside})"
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None or isinstance(value, str | int):
        return str(value)
    if isinstance(value, Mapping):
        pairs = (f"{name}: {_in_words(one)}" for name, one in value.items())
        return "; ".join(pairs) or "none"
    if isinstance(value, tuple | list | set | frozenset):
        return "; ".join(map(_in_words, value)) or "none"
    return type(value).__name__


def _cut(text: str, width: int = WIDTH) -> str:
    line = " ".join(text.split()) if "\n" in text else text
    return line if len(line) <= width else f"{line[: max(width - 3, 0)]}..."
