"""The files of an answer: its tables, notes and methods in one folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # has no stubs
import pyarrow.compute as pc  # type: ignore[import-untyped]

from qsmstats.arrays import Floats
from qsmstats.dictionaries import result_dictionary
from qsmstats.own_schemas import Schemas
from qsmstats.records import renewed
from qsmstats.spreadsheets import with_truth, write_guarded
from qsmstats.writing import written_whole

__all__ = ["result_tables", "write_answer", "write_table"]

DIGITS, POWERS = 10, 10.0 ** np.arange(15)
"""Significant digits of a number, and powers of ten, all of which a float64 holds exactly."""
MISSING, ROWS = "n/a", 10_000
QUOTED = frozenset('\t"\r\n')


def result_tables(answer: object) -> dict[str, pd.DataFrame]:
    """Return the tables of an answer (its fields that are DataFrames) by name."""
    values = ((item.name, getattr(answer, item.name)) for item in dataclasses.fields(answer))  # type: ignore[arg-type]  # any answer is a dataclass
    return {name: value for name, value in values if isinstance(value, pd.DataFrame)}


def write_table(table: pd.DataFrame, path: Path, schemas: Schemas | None = None) -> None:
    """Write a TSV whole or not at all: tabs, UTF-8, n/a for missing, ten significant digits.

    Text that a spreadsheet would run as a formula has an apostrophe before it. What the columns
    hold stands in the JSON file beside it.

    Parameters
    ----------
    table
        The table.
    path
        The .tsv file.
    schemas
        Those of the study, for a table that holds columns of its tables.
    """
    described = result_dictionary(path.stem, map(str, table.columns), schemas)
    with written_whole(path.with_suffix(".json")) as unfinished:
        text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
        unfinished.write_text(text, encoding="utf-8")
    with (
        written_whole(path) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
    ):
        table = with_truth(table)
        file.write("\t".join(map(_quoted, write_guarded(table.iloc[:0]).columns)) + "\n")
        # Piece by piece: as text, a table takes many times the memory that its numbers take.
        for start in range(0, len(table), ROWS):
            rows = write_guarded(table.iloc[start : start + ROWS])
            texts = [_texts(rows.iloc[:, place]) for place in range(rows.shape[1])]
            lines = [""] * len(rows)
            if texts:  # Arrow joins columns of which there is one at least
                lines = pc.binary_join_element_wise(*texts, "\t").to_pylist()
            file.writelines(f"{line}\n" for line in lines)


def _texts(column: pd.Series) -> pa.Array:
    """Return the cells of a column as text, none of them missing."""
    if pd.api.types.is_float_dtype(column):
        return _decimals(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if pd.api.types.is_integer_dtype(column):
        return pc.fill_null(pa.array(column).cast(pa.string()), MISSING)
    if column.dtype != "object":
        # A long table has few different texts.
        codes, found = pd.factorize(column)
        texts = pa.array([*(_quoted(str(one)) for one in found), MISSING], pa.string())
        return texts.take(pa.array(np.where(codes < 0, len(found), codes)))
    known = column.notna()
    cells = (_quoted(str(cell)) for cell in column)
    texts = [cell if there else MISSING for cell, there in zip(cells, known, strict=True)]
    return pa.array(texts, pa.string())


def _decimals(numbers: Floats) -> pa.Array:
    """Return numbers as ``%.10g`` writes them.

    The shortest text from which the nearest float64 of ten digits is read back has these digits.
    That float64 is a whole number of at most ten digits over a power of ten, both exact, so that
    their quotient is rounded correctly (IEEE 754, section 4.3). What `%` writes with an exponent,
    and what lies so near to half of a digit that the product here may have been rounded across it,
    is left to `%`, which takes three times as long.
    """
    size = np.abs(numbers)
    plain = (size >= 1e-4) & (size < 10.0 ** (DIGITS - 1))
    size = np.where(plain, size, 1.0)
    power = POWERS[DIGITS - 1 - np.floor(np.log10(size)).astype(np.int64)]
    scaled = size * power
    whole = np.rint(scaled)
    plain &= np.abs(np.abs(scaled - whole) - 0.5) > 1e-4
    texts = pa.array(np.copysign(whole / power, numbers)).cast(pa.string())
    others = [
        MISSING if np.isnan(number) else f"%.{DIGITS}g" % number for number in numbers[~plain]
    ]
    return pc.replace_with_mask(texts, ~plain, pa.array(others, pa.string()))


def _quoted(text: str) -> str:
    """Return a cell, quoted as RFC 4180 (section 2) says where it holds a tab or a line break."""
    return '"' + text.replace('"', '""') + '"' if QUOTED.intersection(text) else text


def write_answer(
    answers: object | Sequence[object],
    folder: str | Path,
    *,
    refusals: Sequence[tuple[str, str]] = (),
    source: str = "",
) -> list[Path]:
    """Write the tables, the notes and the methods text of one study.

    What an earlier call wrote to the folder, and this one does not, is removed.

    Parameters
    ----------
    answers
        One answer, or the answers of one study for several outcomes: their tables are stacked, the
        outcome in the first column.
    folder
        Folder to write to; it is made where it is missing.
    refusals
        Outcome and reason, where the data could not answer; they are written to the notes.
    source
        sha256 of all that the answers were made from; kept beside them in ``made_from.json``.

    Returns
    -------
    list of Path
        The files written.

    Examples
    --------
    >>> lesions = qs.example_lesions()
    >>> answer = qs.baseline_differences(lesions, "mwf_percent",
    ...     formula="{outcome} ~ lesion_type + (1 | participant_id)")
    >>> files = qs.write_answer(answer, "results/baseline")
    >>> "contrasts.tsv" in [file.name for file in files]
    True
    """
    folder = Path(folder)
    several: list[Any] = list(answers) if isinstance(answers, Sequence) else [answers]
    stacked: dict[str, list[pd.DataFrame]] = {}
    for answer in several:
        for name, table in result_tables(answer).items():
            labelled = table.copy()
            if hasattr(answer, "outcome"):
                labelled.insert(0, "outcome", answer.outcome)
            stacked.setdefault(name, []).append(labelled)
    tables = {name: pd.concat(parts, ignore_index=True) for name, parts in stacked.items()}
    notes = [
        (getattr(answer, "outcome", None), note) for answer in several for note in answer.notes
    ]
    tables["notes"] = pd.DataFrame([*notes, *refusals], columns=["outcome", "note"])
    methods = folder / "methods.txt"
    written = [folder / f"{name}{suffix}" for name in tables for suffix in (".tsv", ".json")]
    with renewed(folder, [path.name for path in (*written, methods)], source):
        for name, table in tables.items():
            write_table(table, folder / f"{name}.tsv")
        with written_whole(methods) as unfinished:
            text = "\n\n".join(answer.methods for answer in several) + "\n"
            unfinished.write_text(text, encoding="utf-8")
    return [*written, methods]
