"""Tables of plain lines, read by columns: of millions of rows, without a list of cells for each.

Most tables are UTF-8 lines of as many cells each, none of them quoted. Arrow splits these into
columns in a tenth of the time and a third of the memory that reading them row by row takes, which
lets their limits be higher. A table with anything to be mended or reported is left to the reader of
rows (`qsmstats.tables.files`): quotation marks, lines without a cell or of another length, columns
without a name or two of one name, decimal commas, another encoding.
"""

from __future__ import annotations

import re
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # has no stubs
import pyarrow.compute as pc  # type: ignore[import-untyped]
from pyarrow import csv

from qsmstats.tables.source import COLUMNS, LINE, Source

__all__ = ["PLAIN_BYTES", "PLAIN_CELLS", "plain_cells"]

PLAIN_BYTES = 500_000_000
PLAIN_CELLS = 25_000_000
"""60,000 sessions with 28 lesions, rated by 2 raters, are 3.4 million rows of 5 to 7 cells."""


def plain_cells(source: Source, delimiter: str) -> pd.DataFrame | None:
    """Return the cells of a text file, each below the name of its column.

    Parameters
    ----------
    source
        The file.
    delimiter
        What stands between its cells.

    Returns
    -------
    DataFrame or None
        Row i + 2 of the file, as an editor counts it, is row i here; None where the table is not
        plain, or larger than the limits here.
    """
    data, spec = source.data, source.spec
    if spec.encoding or spec.decimal or b'"' in data or b"\0" in data:
        return None
    first = re.match(rb"[^\r\n]*", data)
    try:  # Arrow does not look at the row that it skips.
        titles = first[0].decode("utf-8-sig").split(delimiter) if first else []
    except UnicodeDecodeError:
        return None
    header = [title.removeprefix("\ufeff").strip() for title in titles]
    if not 1 < len(header) <= COLUMNS or not all(header) or len({*header}) < len(header):
        return None
    places = list(map(str, range(len(header))))
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(
                # A longer line is an error, or nearly: the reader of rows names it.
                use_threads=False,
                block_size=LINE,
                column_names=places,
                skip_rows=1,
            ),
            parse_options=csv.ParseOptions(
                delimiter=delimiter, quote_char=False, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.large_string())
            ),
        )
    except pa.ArrowInvalid:
        return None
    if not 0 < table.num_rows * len(header) <= PLAIN_CELLS:
        return None
    columns = [pc.utf8_trim_whitespace(column.combine_chunks()) for column in table.columns]
    if pc.any(reduce(pc.and_, (pc.equal(column, "") for column in columns))).as_py():
        return None
    kind = pd.StringDtype(na_value=np.nan)
    made = {
        title: pd.Series(column, dtype=kind) for title, column in zip(header, columns, strict=True)
    }
    return pd.DataFrame(made)
