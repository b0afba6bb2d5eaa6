"""Which sessions are rescans, and the regions that were measured at both.

Two sessions of a participant that are at most `within` years apart are a rescan. Of all such pairs
the closest come first, and each session stands in one pair of any two scanners. A comparison
"A - B" holds the pairs of scanners A and B, "same scanner" those of the earlier and the later
session on any one scanner.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
import pandas as pd

from qsmstats.errors import InvalidDataError, NotIdentifiedError

__all__ = ["SAME", "paired", "session_pairs"]

SAME = "same scanner"
PAIR = [
    *("participant_id", "comparison", "session_first", "session_second"),
    *("scanner_first", "scanner_second", "apart"),
]


def session_pairs(rows: pd.DataFrame, within: float) -> pd.DataFrame:
    """Return the rescans, one row for each pair of sessions.

    Parameters
    ----------
    rows
        participant_id, session_id, region, time, scanner and value; one row per region and session.
    within
        Most time between the two.

    Returns
    -------
    DataFrame
        participant_id, comparison, session_first, session_second, scanner_first, scanner_second,
        apart (time of the second less that of the first).

    Raises
    ------
    InvalidDataError
        If a session has no or several times or scanners, or a region several rows.
    NotIdentifiedError
        If no two sessions are that close.
    """
    keys = ["participant_id", "session_id"]
    _refuse_unclear(rows, keys)
    visits = rows.drop_duplicates(keys).sort_values("time", kind="stable")
    found, gaps = [], [np.inf]
    for person, own in visits.groupby("participant_id", sort=True, observed=True):
        sessions = own[["session_id", "scanner", "time"]].itertuples(index=False, name=None)
        apart = sorted(
            ((two[2] - one[2], one, two) for one, two in combinations(sessions, 2)),
            key=lambda pair: pair[0],
        )
        used: dict[str, set[object]] = defaultdict(set)
        for gap, *pair in apart:
            gaps.append(gap)
            one, two = sorted(pair, key=lambda end: str(end[1]))  # of one scanner: as in time
            comparison = SAME if one[1] == two[1] else f"{one[1]} - {two[1]}"
            if gap <= within and not used[comparison] & {one[0], two[0]}:
                used[comparison] |= {one[0], two[0]}
                found.append((person, comparison, one[0], two[0], one[1], two[1], two[2] - one[2]))
    if not found:
        nearest = f"the nearest are {min(gaps):.3g} apart" if len(gaps) > 1 else "each has one"
        raise NotIdentifiedError(
            f"no participant has two sessions within {within:.3g} of one another ({nearest}); give"
            " a larger value of within if these are rescans"
        )
    return pd.DataFrame(found, columns=PAIR).sort_values("comparison", kind="stable")


def _refuse_unclear(rows: pd.DataFrame, keys: list[str]) -> None:
    for name in (*keys, "time", "scanner"):
        if rows[name].isna().any():
            raise InvalidDataError(
                f"the {name.removesuffix('_id')} is missing in row position"
                f" {int(rows[name].isna().argmax())}; fill it in or leave the row out"
            )
    for name in ("time", "scanner"):
        several = rows.groupby(keys, observed=True)[name].nunique()
        if (several > 1).any():
            person, session = several.index[int(several.argmax())]
            raise InvalidDataError(
                f"session '{session}' of participant '{person}' has {several.max()} values of"
                f" {name}; a session has one"
            )
    twice = rows.duplicated([*keys, "region"])
    if twice.any():
        person, session, region = rows[[*keys, "region"]].iloc[int(twice.argmax())]
        raise InvalidDataError(
            f"session '{session}' of participant '{person}' has several rows of region '{region}';"
            " keep one, or name the column of regions"
        )


def paired(rows: pd.DataFrame, close: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Return the regions measured at both sessions, and the number of others by comparison.

    Parameters
    ----------
    rows, close
        As given to, and made by, `session_pairs`.

    Returns
    -------
    pairs
        The columns of `close`, region, first and second (the values), mean and difference.
    incomplete
        Comparison -> regions that were measured at one of the two sessions only.
    """
    values = rows[["participant_id", "session_id", "region", "value"]]
    ends = [
        close.merge(
            values.rename(columns={"session_id": f"session_{end}", "value": end}),
            on=["participant_id", f"session_{end}"],
        )
        for end in ("first", "second")
    ]
    both = ends[0].merge(ends[1], on=[*PAIR, "region"], how="outer", sort=False)
    known = both[["first", "second"]].notna().all(axis=1)
    pairs = both[known].sort_values(["comparison", "participant_id", "region"], kind="stable")
    pairs = pairs.assign(
        mean=(pairs["first"] + pairs["second"]) / 2, difference=pairs["first"] - pairs["second"]
    )
    return pairs.reset_index(drop=True), both.loc[~known, "comparison"].value_counts()
