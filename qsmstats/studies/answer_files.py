"""The files of an answer: its tables, notes and methods in one folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.dictionaries import result_dictionary
from qsmstats.own_schemas import Schemas
from qsmstats.records import renewed
from qsmstats.spreadsheets import with_truth, write_guarded
from qsmstats.writing import written_whole

__all__ = ["result_tables", "write_answer", "write_table"]

DECIMALS = "%.10g"
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
        file.write(_lines(write_guarded(table.iloc[:0]).columns.to_frame().T))
        # Piece by piece: as text, a table takes many times the memory that its numbers take.
        for start in range(0, len(table), ROWS):
            file.write(_lines(write_guarded(table.iloc[start : start + ROWS])))


def _lines(rows: pd.DataFrame) -> str:
    """Return rows as text; all numbers are formatted at once, where pandas goes one by one.

    Cells are quoted as RFC 4180 (section 2) says, where they hold a tab, a quote or a line break.
    """
    formats, columns = [], []
    for place in range(rows.shape[1]):
        column = rows.iloc[:, place]
        known = column.notna()
        cells: list[Any] = column.astype("object").tolist()
        number = isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"
        if number and known.all():
            formats.append(DECIMALS)
        else:
            form = DECIMALS if number else "%s"
            texts = {cell: _quoted(cell) for cell in {c for c in cells if isinstance(c, str)}}
            cells = [
                MISSING if not there else texts[cell] if isinstance(cell, str) else form % (cell,)
                for cell, there in zip(cells, known, strict=True)
            ]
            formats.append("%s")
        columns.append(cells)
    line = "\t".join(formats) + "\n"
    return line * len(rows) % tuple(chain.from_iterable(zip(*columns, strict=True)))


def _quoted(text: str) -> str:
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
