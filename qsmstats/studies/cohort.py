"""Who and what was studied: the flow of participants, their description, the census of lesions.

The flow follows items 13 and 14 of STROBE (von Elm et al. 2007, Lancet 370:1453-1457): numbers at
each stage and reasons for leaving. Standardised differences are (patients - controls) divided
by the root mean square of the two SDs, and for a proportion p the same with variance p (1 - p)
(Austin 2009, Stat Med 28:3083-3107, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.schemas import Schemas, load_schema
from qsmstats.studies.answers import levels_of, number_of
from qsmstats.tables.read import StudyTables
from qsmstats.tables.tidy import first_sessions
from qsmstats.tables.visits import AT_SESSION

__all__ = ["CohortDescription", "describe_cohort"]

MOST_LEVELS = 10
"""Levels of a text column of the study's own that Table 1 lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDescription:
    """The cohort in three tables.

    Attributes
    ----------
    flow
        stage, n_participants, n_sessions, n_lesions, n_lesion_observations, note. A lesion seen in
        two sessions is one lesion and two observations. Lesions are not counted (NA) where each
        session was labelled on its own and they have not been matched yet.
    participants
        One row per variable (and level): a column per group, missing counts, the standardised
        difference between the two groups. Further columns of the participants table are
        variables too, and those of the sessions table with their value at the first session;
        text only where it has few levels.
    lesions
        Lesions, participants with one, share and median volume per type at the first session.
    """

    flow: pd.DataFrame
    participants: pd.DataFrame
    lesions: pd.DataFrame


def describe_cohort(
    tables: StudyTables, lesions: pd.DataFrame, failures: pd.DataFrame
) -> CohortDescription:
    """Describe who was studied.

    Parameters
    ----------
    tables
        The study's tables as read.
    lesions
        Tidy lesions: those whose images could be read.
    failures
        One row per session that failed: participant_id, session_id, file, reason.
    """
    return CohortDescription(
        flow=_flow(tables, lesions, failures),
        participants=_participants(tables),
        lesions=_census(lesions),
    )


def _stage(
    stage: str, sessions: pd.DataFrame, lesions: pd.DataFrame, note: str = ""
) -> dict[str, object]:
    return {
        "stage": stage,
        "n_participants": sessions["participant_id"].nunique(),
        "n_sessions": len(sessions),
        "n_lesions": len(lesions[["participant_id", "lesion_id"]].drop_duplicates()),
        "n_lesion_observations": len(lesions),
        "note": note,
    }


def _flow(tables: StudyTables, lesions: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    sessions = tables.sessions.merge(tables.participants[["participant_id", "group"]])
    failed = pd.MultiIndex.from_frame(failures[["participant_id", "session_id"]])
    read = sessions[
        ~pd.MultiIndex.from_frame(sessions[["participant_id", "session_id"]]).isin(failed)
    ]
    controls, patients = read[read["group"] == "HC"], read[read["group"] == "MS"]
    visits = patients.groupby("participant_id", observed=True)["session_id"].transform("nunique")
    followed = patients[visits >= 2]
    of_followed = lesions[lesions["participant_id"].isin(followed["participant_id"])]
    failures_note = "no session failed"
    if len(failed):
        count = number_of(len(failed.unique()), "session")
        failures_note = f"{count} failed; failures.tsv gives the reasons"
    followed_note = "patients with two sessions or more"
    if matches := lesions.attrs.get("matches"):
        followed_note += f"; their lesions from session to session: {matches}"
    lesions_note = []
    touching = lesions["touches_lesion"].fillna(value=False).astype("bool")
    if touching.any():
        share = lesions.loc[touching, "volume_mm3"].sum() / lesions["volume_mm3"].sum()
        lesions_note.append(
            f"{number_of(int(touching.sum()), 'observed lesion')} touch another (confluent), "
            f"{share:.1%} of the lesion volume"
        )
    count, mm3 = lesions.attrs.get("left_out", (0, 0.0))
    if count:
        small = number_of(int(count), "component")
        lesions_note.append(f"{small} too small to be lesions left out, {mm3:.4g} mm³ in all")
    listed_note = ["listed in the table of participants"]
    for name, limit in tables.capped.items():
        if name not in tables.participants:
            continue  # a column of sessions
        count = number_of(int((tables.participants[name] == limit).sum()), "participant")
        listed_note.append(f"{name} of {limit:g} or more entered as {limit:g}: {count}")
    listed = _stage("enrolled", sessions, tables.lesions, "; ".join(listed_note))
    rows = pd.DataFrame(
        [
            listed | {"n_participants": len(tables.participants)},
            _stage("imaged", sessions, tables.lesions, "at least one session"),
            _stage("images read", read, lesions, failures_note),
            _stage("controls", controls, lesions.iloc[:0]),
            _stage("patients", patients, lesions, "; ".join(lesions_note)),
            _stage("followed", followed, of_followed, followed_note),
        ]
    ).astype({"n_lesions": "Int64"})
    if tables.lesion_ids == "independent":
        rows.loc[rows["stage"].isin(["enrolled", "imaged"]), "n_lesions"] = pd.NA
    return rows


def _participants(tables: StudyTables) -> pd.DataFrame:
    schema = tables.schemas.table("participants")
    # With what else the sessions table has of their first session.
    first = first_sessions(tables.sessions).drop(columns=["session_id", "years"])
    # A column that one table for both gave participants is that of the first session already.
    own = [f"{name}{AT_SESSION}" for name in tables.participants]
    first = first.drop(columns=own, errors="ignore")
    names = {name: f"{name}, first session" for name in first.columns.drop("participant_id")}
    people = tables.participants.merge(first.rename(columns=names), on="participant_id", how="left")
    groups = [people[people["group"] == name] for name in schema.column("group").levels]
    rows = [_row("n", "", "count", [str(len(group)) for group in groups], [0, 0], np.nan)]
    known = {column.name: column for column in schema.fields}
    for name in dict.fromkeys([*known, *people.columns]):
        if name in {"participant_id", "group"} or name not in people:
            continue
        values = [group[name] for group in groups]
        missing = [int(value.isna().sum()) for value in values]
        column = known.get(name)
        title = column.title if column else name
        if column is None and not pd.api.types.is_numeric_dtype(people[name]):
            # A column with many levels is free text, which names people.
            counts = people[name].value_counts()
            few = len(counts) <= MOST_LEVELS and len(counts) * 2 <= counts.sum()
            levels = {level: level for level in sorted(map(str, counts.index))} if few else {}
        else:
            levels = (
                {level: column.level_titles[level] for level in column.levels} if column else {}
            )
        for level, level_title in levels.items():
            having = [value.dropna() == level for value in values]
            cells = [f"{int(x.sum())} ({x.mean():.1%})" if len(x) else "n/a" for x in having]
            shares = [float(x.mean()) if len(x) else np.nan for x in having]
            difference = _standardised(*((p, p * (1 - p)) for p in shares))
            rows.append(_row(title, level_title, "n (%)", cells, missing, difference))
        if not levels and pd.api.types.is_numeric_dtype(people[name]):
            unit = column.unit if column and column.unit != "1" else None
            numbers = [value.dropna().astype(float) for value in values]
            cells = [f"{x.mean():.1f} ± {x.std():.1f}" if len(x) > 1 else "n/a" for x in numbers]
            difference = _standardised(*((x.mean(), x.var()) for x in numbers))
            title += f", {unit}" if unit else ""
            rows.append(_row(title, "", "mean ± SD", cells, missing, difference))
    return pd.DataFrame(rows)


def _row(
    variable: str,
    level: str,
    statistic: str,
    cells: list[str],
    missing: list[int],
    difference: float,
) -> dict[str, object]:
    names = load_schema("participants").column("group").levels
    return {
        "variable": variable,
        "level": level,
        "statistic": statistic,
        **dict(zip(names, cells, strict=True)),
        **{f"missing_{name}": count for name, count in zip(names, missing, strict=True)},
        "standardised_difference": difference,
    }


def _standardised(first: tuple[float, float], second: tuple[float, float]) -> float:
    spread = np.sqrt((first[1] + second[1]) / 2)
    return float((second[0] - first[0]) / spread) if spread > 0 else np.nan


def _census(lesions: pd.DataFrame) -> pd.DataFrame:
    first = first_sessions(lesions)
    levels = levels_of(lesions["lesion_type"], Schemas().lesion_types)
    rows = []
    for level in (*levels, None):
        of_type = first[
            first["lesion_type"].isna() if level is None else first["lesion_type"] == level
        ]
        rows.append(
            {
                "lesion_type": "without a type" if level is None else level,
                "n_lesions": len(of_type),
                "share": len(of_type) / len(first) if len(first) else np.nan,
                "n_participants": of_type["participant_id"].nunique(),
                "median_volume_mm3": of_type["volume_mm3"].median(),
            }
        )
    return pd.DataFrame(rows)
