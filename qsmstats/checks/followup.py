"""Lesions that only one session has: no problem, but to be checked."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from qsmstats.errors import Problem
from qsmstats.study import Study
from qsmstats.tables.read import LoadedTables

__all__ = ["seen_once"]

SHOWN = 3


def seen_once(study: Study, loaded: LoadedTables) -> Iterator[Problem]:
    """Yield one note of the lesions that only one of their participant's sessions has.

    A new lesion and one that has gone look the same as one whose `lesion_id` was mistyped. Where
    each session was labelled on its own, equal identifiers mean nothing and none is looked at.
    """
    key = ["participant_id", "session_id", "lesion_id"]
    lesions = loaded.frames.get("lesions", pd.DataFrame())
    sessions = loaded.frames.get("sessions", pd.DataFrame())
    if study.matching.lesion_ids != "consistent" or "participant_id" not in sessions:
        return
    if not {*key} <= {*lesions} or lesions[key].isna().any(axis=None):
        return  # reported already; which lesions go on is not known yet
    visits = sessions["participant_id"].value_counts()
    followed = lesions[lesions["participant_id"].isin(visits.index[visits > 1])]
    times = followed.groupby(["participant_id", "lesion_id"], sort=False).size()
    once = list(times.index[times == 1])
    if once:
        named = ", ".join(" ".join(who) for who in once[:SHOWN]) + ", ..." * (len(once) > SHOWN)
        text = (
            f"{len(once)} of {len(times)} lesions of participants with several sessions are in one "
            f"session only ({named}); check whether they are new, gone, or have another lesion_id"
        )
        yield Problem(table=loaded.raw["lesions"].file, column="lesion_id", problem=text)
