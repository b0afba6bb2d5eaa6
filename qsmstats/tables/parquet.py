"""The columns of a .parquet file as rows of text."""

from __future__ import annotations

import io
import itertools
from functools import partial
from typing import Any

from qsmstats.errors import InvalidDataError
from qsmstats.tables.source import BYTES, CELLS, Row, Source, bounded, cell_text

__all__ = ["read_parquet"]


def read_parquet(source: Source) -> list[Row]:
    """Return the rows of a parquet file, the first being the column names.

    Raises
    ------
    InvalidDataError
        If the file is no parquet file, is larger than any table, has no column, or holds values
        that no cell can hold: lists, bytes, durations, dates that no calendar has.
    """
    try:
        return _rows(source)
    except (InvalidDataError, OSError, MemoryError):
        raise
    except Exception as error:  # a damaged file breaks pyarrow in many places and ways
        raise source.error(f"is not a .parquet file: {error}; write it again") from error


def _rows(source: Source) -> list[Row]:
    from pyarrow import parquet, types  # type: ignore[import-untyped]  # has no stubs

    stored = parquet.read_metadata(io.BytesIO(source.data))
    size = sum(stored.row_group(at).total_byte_size for at in range(stored.num_row_groups))
    if size > BYTES:
        found = f"holds {size / 1e6:.0f} MB when unpacked, and at most {BYTES / 1e6:.0f} are read"
        raise source.too_large(found)
    schema = stored.schema.to_arrow_schema()
    if not schema.names:
        raise source.error("has no column; write the table with its columns")
    if stored.num_rows * len(schema.names) > CELLS:
        found = f"has {stored.num_rows} rows of {len(schema.names)} columns"
        raise source.too_large(f"{found}, and at most {CELLS} cells are read")
    for item in schema:
        _check_type(source, item.name, item.type)
    # As a dictionary a text that stands in many rows is held once.
    names = [item.name for item in schema if types.is_string(item.type)]
    table = parquet.ParquetFile(io.BytesIO(source.data), read_dictionary=names).read()
    columns = [_texts(source, *item) for item in zip(schema.names, table.columns, strict=True)]
    header = (1, [title.strip() for title in schema.names])
    rows = enumerate(map(list, zip(*columns, strict=True)), start=2)
    return list(bounded(source, itertools.chain([header], rows)))


def _check_type(source: Source, name: str, kind: Any) -> None:
    from pyarrow import types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    is_text = (types.is_string, types.is_large_string, types.is_string_view)
    is_number = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
    is_time = (types.is_date, types.is_time, types.is_timestamp, types.is_null)
    if not any(fits(inner) for fits in (*is_text, *is_number, *is_time)):
        text = f"holds values of the type {inner}; store texts, numbers or dates"
        raise source.error(text, column=name)


def _texts(source: Source, name: str, column: Any) -> list[str]:
    """Return a column as texts; a value without one is an error that names its row."""
    as_text = partial(cell_text, decimal=source.spec.decimal or ".")
    try:
        texts: list[str] = []
        for chunk in column.chunks:
            if hasattr(chunk, "dictionary"):
                words = [*map(as_text, chunk.dictionary.to_pylist()), ""]
                texts += [words[-1 if at is None else at] for at in chunk.indices.to_pylist()]
            else:
                texts += map(as_text, chunk.to_pylist())
    except (ValueError, OverflowError) as error:
        row = next(at for at, value in enumerate(column, start=2) if not _has_text(value))
        text = f"holds a value that cannot be read ({error}); correct it, or leave the column out"
        raise source.error(text, row=row, column=name) from error
    return texts


def _has_text(value: Any) -> bool:
    try:
        value.as_py()
    except (ValueError, OverflowError):
        return False
    return True
