"""Who and what was studied: the flow of participants and the census of lesions.

The flow follows item 13 of STROBE (von Elm et al. 2007, Lancet 370:1453-1457): numbers at each
stage and reasons for leaving. Item 14, Table 1, is `qsmstats.studies.table_one`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.own_schemas import Schemas
from qsmstats.settings import SCANNER
from qsmstats.studies.answers import levels_of, number_of
from qsmstats.tables.read import StudyTables
from qsmstats.tables.tidy import first_sessions

__all__ = ["CohortDescription", "describe_cohort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDescription:
    """The cohort in two tables.

    Attributes
    ----------
    flow
        stage, n_participants, n_sessions, n_lesions, n_lesion_observations, note. A lesion seen in
        two sessions is one lesion and two observations. Lesions are not counted (NA) where each
        session was labelled on its own and they have not been matched yet.
    lesions
        Lesions, participants with one, share and median volume per type at the first session.
    """

    flow: pd.DataFrame
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
            _stage("imaged", sessions, tables.lesions, _imaged(sessions, tables.participants)),
            _stage("images read", read, lesions, failures_note),
            _stage("controls", controls, lesions.iloc[:0]),
            _stage("patients", patients, lesions, "; ".join(lesions_note)),
            _stage("followed", followed, of_followed, followed_note),
        ]
    ).astype({"n_lesions": "Int64"})
    if tables.lesion_ids == "independent":
        rows.loc[rows["stage"].isin(["enrolled", "imaged"]), "n_lesions"] = pd.NA
    return rows


def _imaged(sessions: pd.DataFrame, participants: pd.DataFrame) -> str:
    """Return what is meant by imaged, and on how many scanners."""
    told = sessions if SCANNER in sessions else participants
    count = told[SCANNER].nunique() if SCANNER in told else 0
    return "at least one session" + (f", on {count} scanners" if count > 1 else "")


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
