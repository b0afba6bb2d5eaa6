"""Tables with a row per visit, or without one: what belongs to participants, what to sessions.

A table that study.toml names for participants and for sessions is one clinical table with a row
per visit. What is constant within every participant belongs to the participants, all else to the
sessions; a column of the participants' schema that changes is an error, unless `baseline` says that
the value of the first session counts. Its values per session are kept as ``{column}_at_session``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.schemas import load_schema, word_key
from qsmstats.study import TableSpec
from qsmstats.tables.raw_table import RawTable, take_rows, toml_problem
from qsmstats.tables.typed import parse_number

__all__ = ["AT_SESSION", "for_each_session", "refuse_visits", "split_visits", "stated_visits"]

ID, SESSION = "participant_id", "session_id"
AT_SESSION = "_at_session"


def split_visits(
    people: RawTable, visits: RawTable, baseline: tuple[str, ...]
) -> tuple[RawTable, RawTable, list[Problem]]:
    """Make participants and sessions of one table with a row per visit.

    Parameters
    ----------
    people, visits
        The table with the columns of either schema; the same rows in both.
    baseline
        Columns of which the participant gets the value at the first session.

    Returns
    -------
    people
        One row per participant, that of the first session.
    visits
        Every row, without the columns of the participants.
    problems
        Columns that should be constant and are not.
    """
    if not {ID, SESSION} <= set(visits.cells.columns) or ID not in people.cells.columns:
        return people, visits, []  # reported as missing columns
    years = visits.cells.get("years", pd.Series("", visits.cells.index)).map(parse_number)
    first = years.astype(float).sort_values(kind="stable").index
    chosen = sorted(people.cells[ID].loc[first].drop_duplicates().index)
    ours = [item.name for item in load_schema("participants").fields]
    own = [item.name for item in load_schema("sessions").fields if item.name in visits.cells]
    theirs = {visits.file_column(name) for name in own}
    kept, problems, new_names = [ID], [], {}
    cells = take_rows(people, chosen).cells
    for column in people.cells.columns.drop(ID):
        # A column that either table may have, as the scanner, is that of the sessions.
        shared = column in own or column not in ours
        if shared and (column in theirs or people.file_column(column) in theirs):
            continue
        filled, changing = _constant(people, column)
        file = people.file_column(column)
        if column in baseline:
            kept.append(column)
            new_names[file] = f"{column}{AT_SESSION}"
            if not len(changing):
                text = f"{file} is the same at every session of {people.file}; remove it"
                problems.append(toml_problem(people, "baseline", text))
        elif not len(changing):
            kept.append(column)
            cells[column] = cells[ID].map(filled).fillna("")
        elif column in ours:
            kept.append(column)
            problems += [_changing(people, column, name) for name in changing]
    problems += [
        toml_problem(people, "baseline", f"{people.file} has no column '{name}'; correct the name")
        for name in baseline
        if name not in people.cells.columns
    ]
    gone = {people.file_column(name) for name in kept} - {*new_names, people.file_column(ID)}
    gone -= {ID, SESSION, "years"}
    rest = [name for name in visits.cells.columns if name not in gone]
    people = take_rows(people, chosen)
    faults = {at: text for at, text in people.faults.items() if at[1] in kept}
    people = replace(people, cells=cells[kept], faults=faults)
    visits = replace(
        visits,
        cells=visits.cells[rest].rename(columns=new_names),
        columns={**visits.columns, **{name: file for file, name in new_names.items()}},
        faults={
            (at, new_names.get(name, name)): text
            for (at, name), text in visits.faults.items()
            if name in rest
        },
    )
    return people, visits, problems


def refuse_visits(people: RawTable, spec: TableSpec) -> None:
    """Raise where a table that is only the participants' has a row per visit.

    Parameters
    ----------
    people
        The table of participants, which is not the one of sessions too.
    spec
        What study.toml says of it.

    Raises
    ------
    InvalidDataError
        If participants have several rows that a column of sessions tells apart; or, without such
        a column, if most participants do. A row or two too many are keys that stand twice.
    """
    if ID not in people.cells.columns:
        return
    ids = people.cells[ID]
    column = load_schema("sessions").column(SESSION)
    names = {word_key(name) for name in (column.name, column.title, *column.names)}
    visit = next((name for name in people.cells.columns if word_key(name) in names), None)
    if visit is not None:
        several = ids.duplicated().any() and not people.cells.duplicated([ID, visit]).any()
    else:
        several = 2 * ids[ids.duplicated()].nunique() > ids.nunique()
    if not several:
        return
    file = people.file_column(visit or SESSION)
    entry = f"file = {json.dumps(spec.files[0] if len(spec.files) == 1 else spec.files)}"
    entry += f', sheet = "{spec.sheet}"' if spec.sheet else ""
    entry += "" if file == SESSION else f', columns = {{ session_id = "{file}" }}'
    stated = f"sessions = {{ {entry} }} below [tables]"
    add = "" if visit else "add a column session_id with the name of the visit, and "
    text = f"has several rows of {ids[ids.duplicated()].iloc[0]}, so it is a table with a row per "
    text += f"visit; {add}name it for the sessions too: {stated}"
    raise InvalidDataError([Problem(table=people.file, problem=text)])


def _constant(raw: RawTable, column: str) -> tuple[pd.Series, pd.Index]:
    """Return participant -> first value of a column, and the participants in whom it changes."""
    words = raw.cells[column]
    filled = words[~words.isin(raw.schema.missing_values)]
    people = raw.cells[ID].loc[filled.index]
    # 34 and 34.0 are one number.
    values = filled.map(lambda word: word if (number := parse_number(word)) is None else number)
    several = values.groupby(people).nunique()
    return filled.groupby(people).first(), several.index[several > 1]


def _changing(raw: RawTable, column: str, name: str) -> Problem:
    words = raw.cells.loc[raw.cells[ID] == name, column]
    values = [word for word in dict.fromkeys(words) if word not in ("", "n/a")]
    row = raw.places["row"].loc[words.index[words == values[1]][0]]
    text = (
        f"{name} has {' and '.join(values)}, and a participant has one value; correct it, or take "
        f'that of the first session: baseline = ["{column}"] below [tables.participants]'
    )
    file = str(raw.places["file"].loc[words.index[0]])
    return Problem(table=file, row=int(row), column=raw.file_column(column), problem=text)


def stated_visits(
    visits: Mapping[str, float], people: Iterable[str], imaged: Collection[tuple[str, str]]
) -> RawTable:
    """Make the table of sessions from the years that study.toml states.

    Parameters
    ----------
    visits
        Session -> years since the first one.
    people
        The participants.
    imaged
        Participant and session of every map that is there.

    Raises
    ------
    InvalidDataError
        If a session has no image of any participant, or a participant none of the first session.
    """
    order = sorted(visits, key=lambda name: visits[name])
    there = {name: [one for one in order if (name, one) in imaged] for name in people}
    where = "tables.sessions.visits"
    found = {one for own in there.values() for one in own}
    problems = [
        Problem(table="study.toml", column=f"{where}.{one}", problem=f"{text}; correct its name")
        for one in order
        if one not in found
        for text in ["no participant has a map of this session"]
    ]
    late = [name for name, own in there.items() if own and own[0] != order[0]]
    if late and not problems:
        text = (
            f"{', '.join(late)} {'has' if len(late) == 1 else 'have'} no map of the first session, "
            f"'{order[0]}'; add it, or give the sessions in a table"
        )
        problems.append(Problem(table="study.toml", column=where, problem=text))
    if problems:
        raise InvalidDataError(problems)
    rows = [(name, one, f"{visits[one]:.10g}") for name, own in there.items() for one in own]
    cells = pd.DataFrame(rows, columns=[ID, SESSION, "years"], dtype="str")
    places = pd.DataFrame({"file": "study.toml", "row": 1}, index=cells.index)
    columns = {"years": where}
    return RawTable(name="sessions", file="study.toml", cells=cells, places=places, columns=columns)


def for_each_session(raw: RawTable, sessions: RawTable) -> RawTable:
    """Repeat every row of lesions for each session of its participant.

    Ratings are not repeated: a lesion that was rated once has one rating, which stands at the
    first session. Twice the same rating would count as two lesions.

    Parameters
    ----------
    raw
        A table without `session_id`.
    sessions
        The table of sessions, with years.

    Raises
    ------
    InvalidDataError
        If the table has sessions of its own.
    """
    if SESSION in raw.cells.columns:
        text = f"{raw.file} has a column '{raw.file_column(SESSION)}'; remove each_session"
        raise InvalidDataError([toml_problem(raw, "each_session", text)])
    if ID not in raw.cells.columns:
        return raw
    years = sessions.cells["years"].map(parse_number).astype(float)
    ordered = sessions.cells.loc[years.sort_values(kind="stable").index]
    own = ordered.groupby(ID)[SESSION].agg(list).to_dict()
    if raw.name == "ratings":
        own = {name: visits[:1] for name, visits in own.items()}
    rows = [(at, one) for at, name in enumerate(raw.cells[ID]) for one in own.get(name) or [""]]
    raw = take_rows(raw, [at for at, _ in rows])
    cells = raw.cells.copy()
    cells.insert(1, SESSION, pd.Series([one for _, one in rows], dtype="str"))
    lacking = {
        (at, SESSION): f"{sessions.file} has no session of '{name}'; add one, or correct the row"
        for at, (name, one) in enumerate(zip(cells[ID], cells[SESSION], strict=True))
        if not one
    }
    return replace(raw, cells=cells, faults={**raw.faults, **lacking})
