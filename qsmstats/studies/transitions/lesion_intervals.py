"""Each lesion at one visit beside itself at the patient's next visit.

Visits are the measured sessions of a patient in time; one that could not be measured is passed
over, and the interval is the longer. A lesion that is not there at a measured visit is absent: new
where the visit before does not have it, vanished where the next does not. What is absent from
the labels may also have fallen below their least size, or have joined another lesion.
"""

from __future__ import annotations

import pandas as pd

__all__ = ["NEW", "UNTYPED", "VANISHED", "lesion_intervals", "visit_intervals"]

NEW, VANISHED, UNTYPED = "new", "vanished", "untyped"
LESION = ["participant_id", "lesion_id"]


def visit_intervals(visits: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals between consecutive visits.

    Parameters
    ----------
    visits
        One row per measured session: participant_id, session_id, years.

    Returns
    -------
    DataFrame
        participant_id, session_id, next_session_id, interval_years.
    """
    ordered = visits.sort_values(["participant_id", "years"], kind="stable")
    own = ordered.groupby("participant_id", observed=True)
    intervals = ordered[["participant_id", "session_id"]].assign(
        next_session_id=own["session_id"].shift(-1),
        interval_years=own["years"].shift(-1) - ordered["years"],
    )
    return intervals.dropna(subset="next_session_id").reset_index(drop=True)


def lesion_intervals(lesions: pd.DataFrame, intervals: pd.DataFrame) -> pd.DataFrame:
    """Return what each lesion is at both ends of each interval of its patient.

    Parameters
    ----------
    lesions
        One row per lesion and session: participant_id, session_id, lesion_id, lesion_type.
    intervals
        What `visit_intervals` returns.

    Returns
    -------
    DataFrame
        One row per lesion and interval at one end of which it is there: participant_id, lesion_id,
        session_id, next_session_id, interval_years, from_type and to_type. They are lesion types,
        "untyped" where the lesion has none, "new" (at the beginning) and "vanished" (at the end)
        where it is not there.
    """
    kinds = lesions["lesion_type"].astype("object")
    state = lesions[[*LESION, "session_id"]].assign(state=kinds.where(kinds.notna(), UNTYPED))
    pairs = lesions[LESION].drop_duplicates().merge(intervals, on="participant_id")
    for column, session, absent in (
        ("from_type", "session_id", NEW),
        ("to_type", "next_session_id", VANISHED),
    ):
        there = state.rename(columns={"state": column, "session_id": session})
        pairs = pairs.merge(there, on=[*LESION, session], how="left", validate="many_to_one")
        pairs[column] = pairs[column].astype("object").fillna(absent)
    nowhere = (pairs["from_type"] == NEW) & (pairs["to_type"] == VANISHED)
    return pairs[~nowhere].reset_index(drop=True)
