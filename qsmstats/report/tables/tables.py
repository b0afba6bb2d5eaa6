"""From a table of results to a table that people read.

Columns are recognised by the names that every estimate of this project carries: conf_low and
conf_high become an interval in the estimate's cell, p-values are written as p, levels, contrasts
and terms in words. A text that is the same in every row is said once, below the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from qsmstats.report.blocks import Cell, Column, TableBlock
from qsmstats.report.tables.cells import LEVELS, cell_writer, written
from qsmstats.report.tables.headings import ASIDE, column_head, heading
from qsmstats.wording.names import adjustment, capitalised

__all__ = ["display", "turned"]

# More rows than this are no reading matter; the TSV has them.
MOST_ROWS = 400


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
        Columns to show, in this order (an interval by the name of its lower end; that of an
        estimate comes with it); all by default.
    ci
        Title of the interval.
    note
        Text below the caption.

    Returns
    -------
    TableBlock
    """
    given = {"conf": ci, **(titles or {})}
    frame = frame.reset_index(drop=True)
    names = list(frame.columns) if only is None else [name for name in only if name in frame]
    if {"p_value", "p_adjusted"} <= set(names):
        # What counts comes first: phones show fewer columns at once.
        names.remove("p_adjusted")
        names.insert(names.index("p_value"), "p_adjusted")
    # Upper ends stand with their lower ends, and intervals with their estimates.
    aside = {f"{ASIDE[name]}_low" for name in names if name in ASIDE}
    lower = {*names, *aside}
    names = [
        name
        for name in names
        if name not in aside and ("_high" not in name or name.replace("_high", "_low") not in lower)
    ]
    filled = [name for name in names if not (frame[name].isna() | (frame[name] == "")).all()]
    names = filled or names
    # Texts that are the same in every row, where there are rows to tell.
    constant = {
        name: written(frame[name].iloc[0])
        for name in (names[1:] if len(frame) > 1 else ())
        if not pd.api.types.is_numeric_dtype(frame[name])
        and (frame[name] == frame[name].iloc[0]).all()
        and name not in LEVELS
    }
    said = [
        f"{capitalised(adjustment(value))}."
        if name == "adjust"
        else f"{capitalised(heading(name, given))}: {value}."
        for name, value in constant.items()
    ]
    columns = [name for name in names if name not in constant]
    writers = [cell_writer(frame, name) for name in columns]
    if len(frame) > MOST_ROWS:
        said.append(f"The first {MOST_ROWS} of {len(frame):,} rows; the file has all.")
    return TableBlock(
        slug=slug,
        caption=caption,
        columns=tuple(column_head(frame, name, given) for name in columns),
        rows=tuple(
            tuple(write(row) for write in writers) for _, row in frame.head(MOST_ROWS).iterrows()
        ),
        file=file,
        note=" ".join([note, *said]).strip(),
    )


def turned(block: TableBlock) -> TableBlock:
    """Return a table of one row as a list of its cells, headed by the titles of their columns."""
    heads = (Column(title="item", numeric=False), Column(title="value", numeric=False))
    cells = (
        (Cell(text=column.full or column.title, sort=column.title), cell)
        for column, cell in zip(block.columns, block.rows[0], strict=True)
    )
    return replace(block, columns=heads, rows=tuple(cells))
