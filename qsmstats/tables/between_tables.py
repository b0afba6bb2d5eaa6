"""Rules between rows and tables that no schema can state.

- Controls (the first level of `group`) have no lesions.
- Years count from the participant's first session: the smallest is 0, and no two sessions of a
  participant share theirs, or the order of the sessions could not be told.
- The tables that are joined (participants, sessions, lesions) share no column but their keys, and
  none of them has a column that the features bring. Participants and sessions may both have the
  scanner; where a session has none of its own, that of its participant counts, and two that differ
  are a problem.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import pandas as pd

from qsmstats.errors import Problem
from qsmstats.schemas import load_schema
from qsmstats.settings import SCANNER
from qsmstats.tables.raw_table import RawTable, place_problem

__all__ = ["control_group", "controls", "rule_problems", "with_one_scanner"]

JOINED = ("participants", "sessions", "lesions")


def control_group() -> str:
    """Return the level of `group` that stands for healthy controls."""
    return load_schema("participants").column("group").levels[0]


def controls(participants: pd.DataFrame) -> set[str]:
    """Return the identifiers of the controls."""
    if not {"participant_id", "group"} <= set(participants.columns):
        return set()
    is_control = participants["group"] == control_group()
    return set(participants.loc[is_control, "participant_id"].dropna())


def rule_problems(
    raw: Mapping[str, RawTable],
    frames: Mapping[str, pd.DataFrame],
    reserved: Collection[str] = (),
) -> list[Problem]:
    """Return every broken rule.

    Parameters
    ----------
    raw, frames
        The tables that could be read, as text and typed; rules without their tables or columns
        are passed over, since what is missing is a problem already.
    reserved
        Columns that the features bring to the tidy table.
    """
    problems = []
    owners = dict.fromkeys(reserved, "the features of the lesions")
    for table in (raw[name] for name in JOINED if name in raw):
        keys = {*table.schema.primary_key, "participant_id"}
        for column in table.cells.columns:
            if column in owners:
                name = table.file_column(column)
                text = (
                    f"{owners[column]} have this column too; rename one of the two, as with "
                    f'columns = {{ {table.name}_{column} = "{name}" }} below [tables.{table.name}]'
                )
                problems.append(Problem(table=table.file, row=1, column=name, problem=text))
            elif column not in keys and (column, table.name) != (SCANNER, "participants"):
                owners[column] = f"the rows of {table.file}"
    if {"participants", "lesions"} <= raw.keys():
        lesions = frames["lesions"].get("participant_id", pd.Series(dtype="str"))
        of_controls = lesions.isin(controls(frames["participants"]))
        for position in of_controls.to_numpy().nonzero()[0]:
            text = (
                f"'{lesions.iloc[position]}' is a control (group {control_group()}), and controls "
                "have no lesions; correct the group or remove the row"
            )
            problems.append(place_problem(raw["lesions"], int(position), "participant_id", text))
    if "sessions" in raw:
        problems += _years(raw["sessions"], frames["sessions"])
    return problems + list(_scanners(raw, frames))


def with_one_scanner(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the tables, of which only that of sessions has the scanner where both had it."""
    people, sessions = (frames.get(name, pd.DataFrame()) for name in JOINED[:2])
    if not all({"participant_id", SCANNER} <= {*table} for table in (sessions, people)):
        return dict(frames)
    own = _scanner_of_participants(sessions, people)
    sessions = sessions.assign(**{SCANNER: sessions[SCANNER].fillna(own)})
    return {**frames, "participants": people.drop(columns=SCANNER), "sessions": sessions}


def _scanner_of_participants(sessions: pd.DataFrame, people: pd.DataFrame) -> pd.Series:
    """Return what the table of participants says of the scanner of each session."""
    told = people.drop_duplicates("participant_id").set_index("participant_id")[SCANNER]
    return sessions["participant_id"].map(told)


def _scanners(raw: Mapping[str, RawTable], frames: Mapping[str, pd.DataFrame]) -> Iterator[Problem]:
    people, sessions = (frames.get(name, pd.DataFrame()) for name in JOINED[:2])
    if not all({"participant_id", SCANNER} <= {*table} for table in (sessions, people)):
        return
    own, told = sessions[SCANNER], _scanner_of_participants(sessions, people)
    for position in ((own != told) & own.notna() & told.notna()).to_numpy().nonzero()[0]:
        text = (
            f"'{own.iloc[position]}' is the scanner of this session, and the participants table "
            f"has '{told.iloc[position]}' for {sessions['participant_id'].iloc[position]}; correct "
            "one of the two, or remove the column from the participants table"
        )
        yield place_problem(raw["sessions"], int(position), SCANNER, text)


def _years(raw: RawTable, sessions: pd.DataFrame) -> Iterator[Problem]:
    if not {"participant_id", "session_id", "years"} <= set(sessions.columns):
        return
    first = sessions.groupby("participant_id")["years"].transform("min")
    faulty = (first != 0) | sessions.duplicated(["participant_id", "years"], keep=False)
    named = sessions.loc[faulty, "participant_id"].unique()
    # One by one only where something is wrong: a large study has thousands.
    some = sessions[sessions["participant_id"].isin(named)]
    for _, rows in some.groupby("participant_id", sort=False):
        if rows["years"].isna().any():
            continue  # reported by the schema; which session is first is not known yet
        rows = rows.sort_values("years", kind="stable")
        first = rows.iloc[0]
        if first["years"] != 0:
            text = (
                f"{first['years']:g} is the smallest of {first['participant_id']}; count years"
                " from the first session, which has 0"
            )
            yield place_problem(raw, int(rows.index[0]), "years", text)
        for position, before in zip(rows.index[1:], rows.iterrows(), strict=False):
            if rows.loc[position, "years"] == before[1]["years"]:
                text = (
                    f"{before[1]['years']:g} is also that of {before[1]['session_id']}; give"
                    " each session its own time, so that their order is known"
                )
                yield place_problem(raw, int(position), "years", text)
