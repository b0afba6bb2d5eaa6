"""Lesions that the label images list: a whole table, or the column that the names of files say.

Where components are lesions, or files are named after lesions or their types, the images say which
lesions there are. A lesions table is not needed then; one that is there need not say again what the
names of the files say: the label, where they are named after lesions, and the type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.schemas import load_schema
from qsmstats.study import LabelSpec, Study
from qsmstats.tables.between_tables import controls
from qsmstats.tables.raw_table import RawTable, broken_rows, place_problem
from qsmstats.tables.typed import parse_integer, typed_frame

__all__ = ["ListLesions", "lesions_of_images", "provided_column"]

ListLesions: TypeAlias = Callable[[Study, Sequence[tuple[str, str]]], pd.DataFrame]
"""`qsmstats.voxels.lesion_rows.lesions_in_images`: tables are read without opening images."""

_VISIT = ["participant_id", "session_id"]


def provided_column(labels: LabelSpec) -> str | None:
    """Return the column of the lesions table that the names of label files fill."""
    return {"lesion": "label", "lesion_type": "lesion_type", None: None}[labels.each]


def lesions_of_images(
    study: Study,
    participants: RawTable,
    sessions: RawTable,
    lesions: RawTable | None,
    listing: ListLesions | None,
) -> tuple[RawTable, list[Problem]]:
    """Return the lesions table of a study whose images list the lesions.

    Parameters
    ----------
    study
        The study.
    participants, sessions
        Prepared tables; controls have no lesions, and none are looked for.
    lesions
        The prepared lesions table, or None where study.toml names none.
    listing
        What lists the lesions of the images.

    Returns
    -------
    table
        As a table of text that was read from files: the label images.
    problems
        What contradicts the images, or is not in them.

    Raises
    ------
    InvalidDataError
        If there is no `listing`.
    """
    if listing is None:
        text = "is not named: read such a study with qsmstats.read_tables, and give its tables"
        raise InvalidDataError([Problem(table="study.toml", column="tables.lesions", problem=text)])
    known = typed_frame(sessions).reindex(columns=_VISIT).dropna().drop_duplicates()
    known = known[~known["participant_id"].isin(controls(typed_frame(participants)))]
    visits = list(known.itertuples(index=False, name=None))
    rows = listing(study, visits)
    if lesions is not None:
        return _completed(study, lesions, rows)
    places = pd.DataFrame({"file": rows["file"], "row": rows["label"].map(int)})
    pattern = study.labels.pattern
    table = RawTable(
        name="lesions",
        file=pattern,
        cells=rows.drop(columns="file"),
        places=places,
        schemas=study.schemas,
    )
    problems = []
    if rows.empty and visits:
        text = "no lesion was found in any of these images; correct [labels] in study.toml"
        problems.append(Problem(table=pattern, problem=text))
    several = known["participant_id"][known["participant_id"].duplicated()]
    counted = study.labels.instances == "components" and study.labels.each != "lesion"
    if counted and len(several) and study.matching.lesion_ids == "consistent":
        text = (
            'is "consistent", but components are numbered session by session, and '
            f'{several.iloc[0]} has more than one; write lesion_ids = "independent" in [matching]'
        )
        problems.append(Problem(table="study.toml", column="matching.lesion_ids", problem=text))
    return table, problems


def _completed(study: Study, raw: RawTable, rows: pd.DataFrame) -> tuple[RawTable, list[Problem]]:
    """Fill the column of a table that the names of the files say."""
    column = provided_column(study.labels)
    key = [*_VISIT, "lesion_id" if column == "label" else "label"]
    if column is None or not set(key) <= set(raw.cells.columns):
        return raw, []
    if column == "label" and column in raw.cells.columns:
        text = "files for each lesion (labels.pattern) need no labels; remove this column"
        title = raw.file_column(column)
        return raw, [Problem(table=raw.file, row=1, column=title, problem=text)]
    columns = [*key, column, "file"]
    said = {tuple(row[:3]): row[3:] for row in rows[columns].to_numpy().tolist()}
    read = set(rows[_VISIT].itertuples(index=False, name=None))
    missing = load_schema("lesions").missing_values
    own = raw.cells[column] if column in raw.cells else [""] * len(raw.cells)
    values, problems, met, broken = [], [], set(), dict(raw.broken)
    cells = raw.cells[key].itertuples(index=False, name=None)
    for position, ((who, session, word), mine) in enumerate(zip(cells, own, strict=True)):
        number = None if column == "label" else parse_integer(word)
        name = (who, session, word if number is None else str(number))
        value, file = said.get(name, ("", ""))
        met.add(name)
        if not file and ((who, session) in read or not study.label_files(who, session)):
            text = f"{key[2]} {word} is in no file of {study.labels.pattern}; correct the row"
            broken.setdefault(position, text)
        elif file and mine not in (*missing, value):
            text = f"'{mine}' here, and '{value}' by the name of {file}; correct one of the two"
            problems.append(place_problem(raw, position, column, text))
        values.append(value or mine)
    if column == "label":
        problems += [
            Problem(table=file, problem=f"has no row for {who} {session} in {raw.file}; add it")
            for (who, session, word), (_, file) in said.items()
            if (who, session, word) not in met
        ]
    filled = pd.Series(values, index=raw.cells.index, dtype="str")
    table = replace(raw, cells=raw.cells.assign(**{column: filled}), broken=broken)
    new = {position: text for position, text in broken.items() if position not in raw.broken}
    return table, [*broken_rows(replace(table, broken=new)), *problems]
