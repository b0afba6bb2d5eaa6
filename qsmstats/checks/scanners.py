"""Scanners that the tables leave open: no problem, but to be checked."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from qsmstats.errors import Problem
from qsmstats.settings import SCANNER
from qsmstats.tables.read import LoadedTables

__all__ = ["scanner_notes"]

SHOWN = 3


def scanner_notes(loaded: LoadedTables) -> Iterator[Problem]:
    """Yield one note of the sessions without a scanner, and one of each scanner with one session.

    Parameters
    ----------
    loaded
        The tables of a study, as far as they can be read.
    """
    sessions = loaded.frames.get("sessions", pd.DataFrame())
    people = loaded.frames.get("participants", pd.DataFrame())
    key = ["participant_id", "session_id"]
    owner = "sessions" if SCANNER in sessions else "participants"
    if not {*key} <= {*sessions} or SCANNER not in (sessions if owner == "sessions" else people):
        return
    if owner == "participants":
        sessions = sessions.merge(people[["participant_id", SCANNER]], on="participant_id")
    raw = loaded.raw[owner]
    column = raw.file_column(SCANNER)

    def note(rows: pd.DataFrame, text: str) -> Problem:
        first = rows.iloc[0]
        keys = key if owner == "sessions" else key[:1]
        same = loaded.frames[owner][keys] == first[keys]
        place = raw.places.iloc[int(same.all(axis=1).to_numpy().argmax())]
        return Problem(table=str(place["file"]), row=int(place["row"]), column=column, problem=text)

    missing = sessions[sessions[SCANNER].isna()]
    if 0 < len(missing) < len(sessions):
        named = ", ".join(" ".join(who) for who in missing[key].head(SHOWN).itertuples(index=False))
        text = (
            f"is missing for {len(missing)} of {len(sessions)} sessions ({named}"
            f"{', ...' * (len(missing) > SHOWN)}); models with the scanner leave them out: enter it"
        )
        yield note(missing, text)
    counts = sessions[SCANNER].value_counts(sort=False)
    for name in counts.index[counts == 1] if len(counts) > 1 else ():
        text = (
            f"'{name}' has one session only, from which its effect cannot be told; correct its"
            " spelling, or give it the name of a scanner of the same model"
        )
        yield note(sessions[sessions[SCANNER] == name], text)
