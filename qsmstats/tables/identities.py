"""One identifier per lesion over all sessions, where each session was labelled on its own.

`qsmstats.match_visits` says in which lesion of the next session a lesion goes on. A lesion of the
first session keeps its `lesion_id`, and so does its successor; a lesion that continues none gets
an identifier that no lesion of the participant has, ``{session_id}_{lesion_id}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from qsmstats.errors import InvalidDataError, Problem

__all__ = ["IDENTITY_COLUMNS", "describe_matches", "identify_lesions", "matching_table"]

IDENTITY_COLUMNS = ("session_lesion_id", "match")
"""Columns that `identify_lesions` adds."""

_SESSION = ["participant_id", "session_id"]
_LESION = [*_SESSION, "label"]
_FIRST = "first"
_CHAIN = "merged_and_split"
_Key: TypeAlias = tuple[str, str, int | None]
"""Participant, session and label; None where the session lacks the lesion."""


def identify_lesions(tidy: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Give every lesion one identifier over the sessions of its participant.

    Parameters
    ----------
    tidy
        One row per participant, session and lesion: participant_id, session_id, lesion_id, label
        and years among its columns.
    matches
        What `qsmstats.match_visits` returns for the same sessions.

    Returns
    -------
    DataFrame
        `tidy` with `lesion_id` the identifier over sessions and, behind `label`,
        `session_lesion_id` (the identifier in the lesions table) and `match`: "first" at the first
        session, then how the lesion relates to the session before (same, split, merged,
        merged_and_split, new).

    Raises
    ------
    InvalidDataError
        If `matches` lacks a session, or has a label that `tidy` does not.
    """
    _check(tidy, matches)
    keys = _keys(tidy, _LESION)
    earlier, after = _side(matches, "a"), _side(matches, "b")
    going_on = matches["continues"].to_numpy().nonzero()[0]
    before = {after[row]: earlier[row] for row in going_on}
    later = _later(matches)
    ids = tidy["lesion_id"].tolist()
    taken: dict[str, set[str]] = {}
    for key, lesion_id in zip(keys, ids, strict=True):
        taken.setdefault(key[0], set()).add(lesion_id)
    names: dict[_Key, str] = {}
    for row in np.argsort(tidy["years"].to_numpy(), kind="stable"):
        key, lesion_id = keys[row], ids[row]
        name = names[before[key]] if key in before else lesion_id
        if key not in before and key[:2] in later:
            name = f"{key[1]}_{lesion_id}"
            while name in taken[key[0]]:
                name += "+"
            taken[key[0]].add(name)
        names[key] = name
    relations: dict[_Key, list[str]] = {}
    for key, relation in zip(after, matches["relation"].astype("str").tolist(), strict=True):
        if key[-1] is not None:
            relations.setdefault(key, []).append(relation)
    result = tidy.assign(
        lesion_id=pd.Series([names[key] for key in keys], tidy.index, "str"),
        session_lesion_id=tidy["lesion_id"],
        match=pd.Series([_one(relations.get(key, [_FIRST])) for key in keys], tidy.index, "str"),
    )
    return _behind(result, "label", IDENTITY_COLUMNS)


def matching_table(tidy: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Return `matches` with the identifiers of the lesions.

    Parameters
    ----------
    tidy
        As `identify_lesions` returns it.
    matches
        What it was made with.

    Returns
    -------
    DataFrame
        The rows of `matches`; behind session_id_b lesion_id_a and lesion_id_b, the identifiers in
        the lesions table, and lesion_id, that over sessions: of label_b, or of label_a where it is
        gone.
    """
    keys = _keys(tidy, _LESION)
    own = dict(zip(keys, tidy["session_lesion_id"].tolist(), strict=True))
    over = dict(zip(keys, tidy["lesion_id"].tolist(), strict=True))
    before, after = _side(matches, "a"), _side(matches, "b")
    both = [over.get(b, over.get(a)) for a, b in zip(before, after, strict=True)]
    columns = {
        "lesion_id_a": [own.get(key) for key in before],
        "lesion_id_b": [own.get(key) for key in after],
        "lesion_id": both,
    }
    series = {name: pd.Series(ids, matches.index, "str") for name, ids in columns.items()}
    return _behind(matches.assign(**series), "session_id_b", list(columns))


def _behind(frame: pd.DataFrame, column: str, moved: Sequence[str]) -> pd.DataFrame:
    """Return the frame with the columns `moved` right behind another."""
    others = [name for name in frame.columns if name not in moved]
    place = others.index(column) + 1
    return frame[[*others[:place], *moved, *others[place:]]]


def describe_matches(matches: pd.DataFrame) -> str:
    """Count the lesions, or groups of lesions, of each relation: ``80 same, 2 merged, 1 new``."""
    keys = [matches[name] for name in ("participant_id", "session_id_b", "group")]
    relation = matches["relation"].astype("str")
    chained = (relation == _CHAIN).groupby(keys, sort=False).any()
    found = relation.groupby(keys, sort=False).first().mask(chained, _CHAIN)
    order = [str(name) for name in matches["relation"].cat.categories]
    counts = found.value_counts().reindex(order, fill_value=0)
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in order if counts[name])


def _keys(frame: pd.DataFrame, columns: list[str]) -> list[_Key]:
    *names, label = (frame[name] for name in columns)
    numbers = label.astype("object").where(label.notna(), None)
    labels = (None if number is None else int(number) for number in numbers.tolist())
    return list(zip(*(column.tolist() for column in names), labels, strict=True))


def _side(matches: pd.DataFrame, side: str) -> list[_Key]:
    """Return the lesions of the earlier (a) or the later (b) session, row by row."""
    return _keys(matches, ["participant_id", f"session_id_{side}", f"label_{side}"])


def _later(matches: pd.DataFrame) -> set[tuple[str, str]]:
    """Return participant and session of the sessions that are matched with one before them."""
    visits = matches[["participant_id", "session_id_b"]].drop_duplicates()
    return set(visits.itertuples(index=False, name=None))


def _one(relations: list[str]) -> str:
    """Return one word for ties of one lesion, or one group: in a chain they may differ."""
    return _CHAIN if _CHAIN in relations else relations[0]


def _check(tidy: pd.DataFrame, matches: pd.DataFrame) -> None:
    """Raise where matches and lesions are not of the same labels and sessions."""
    known = set(_keys(tidy, _LESION))
    matched = dict.fromkeys(key for side in "ab" for key in _side(matches, side))
    wrong = [
        f"label {label} of {participant} {session} has no row with features"
        for participant, session, label in matched
        if label is not None and (participant, session, label) not in known
    ]
    later = _later(matches)
    visits = tidy.sort_values("years", kind="stable").drop_duplicates(_SESSION)[_SESSION]
    followed = visits[visits.duplicated("participant_id")]
    wrong += [
        f"{' '.join(visit)} is not matched with a session before it"
        for visit in followed.itertuples(index=False, name=None)
        if visit not in later
    ]
    if wrong:
        remedy = "match the visits of these features"
        raise InvalidDataError(
            [Problem(table="matches", problem=f"{text}; {remedy}") for text in wrong]
        )
