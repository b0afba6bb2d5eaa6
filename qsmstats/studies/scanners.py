"""Who was measured on which scanner."""

from __future__ import annotations

import pandas as pd

from qsmstats.settings import SCANNER
from qsmstats.tables.read import StudyTables

__all__ = ["scanner_counts"]


def scanner_counts(tables: StudyTables) -> pd.DataFrame:
    """Count participants and sessions by scanner and group.

    Parameters
    ----------
    tables
        The study's tables as read.

    Returns
    -------
    DataFrame
        scanner, group, n_participants, n_sessions and n_later_sessions (after the participant's
        first); no row where the tables have no scanner.
    """
    rows = tables.sessions.merge(tables.participants, on="participant_id", validate="many_to_one")
    rows = rows.reindex(columns=[SCANNER, "group", "participant_id", "years"]).dropna()
    counts = rows.groupby([SCANNER, "group"], observed=True).agg(
        n_participants=("participant_id", "nunique"),
        n_sessions=("years", "size"),
        n_later_sessions=("years", lambda years: int((years > 0).sum())),
    )
    return counts.reset_index()
