"""One participant, from a seed to image files and table rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qsmstats.simulate.anatomy import load_anatomy
from qsmstats.simulate.parameters import Parameters
from qsmstats.simulate.participants import SimulatedParticipant, draw_participant, draw_person
from qsmstats.simulate.ratings import draw_ratings
from qsmstats.simulate.sessions import write_participant

__all__ = ["Record", "Row", "Task", "simulate_participant"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One participant to simulate.

    Attributes
    ----------
    folder
        Study folder.
    seed
        Source of all random numbers of this participant.
    parameters, resolution
        Truth, and voxel size in mm.
    participant_id, group, followed
        Identifier; MS or HC; whether there is a second session.
    """

    folder: Path
    seed: np.random.SeedSequence
    parameters: Parameters
    resolution: float
    participant_id: str
    group: str
    followed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the tables and the truth keep of one participant.

    Attributes
    ----------
    participant
        Row of participants.tsv.
    lesions, ratings
        Rows of lesions.tsv and ratings.tsv.
    regions
        True values of each region at each session, with log volumes (mm³) of lesions.
    sessions, left_out, lifted
        Numbers of sessions, of lesions without room, and of values lifted to the least.
    """

    participant: Row
    lesions: list[Row]
    ratings: list[Row]
    regions: list[Row]
    sessions: int
    left_out: int
    lifted: int


def simulate_participant(task: Task) -> Record:
    """Draw a participant and write the files."""
    rng = np.random.default_rng(task.seed)
    anatomy = load_anatomy(task.resolution)
    person = draw_person(
        rng, task.parameters, task.participant_id, task.group, followed=task.followed
    )
    participant = draw_participant(rng, anatomy, task.parameters, person)
    lesions, ratings = _lesion_rows(rng, task.parameters, participant)
    write_participant(task.folder, rng, anatomy, task.parameters, participant)
    return Record(
        participant={
            "participant_id": person.participant_id,
            "group": person.group,
            "age": person.age,
            "sex": person.sex,
            "disease_duration": person.disease_duration,
            "edss": person.edss,
        },
        lesions=lesions,
        ratings=ratings,
        regions=_regions(participant, anatomy.resolution**3),
        sessions=len(person.years),
        left_out=participant.left_out,
        lifted=sum(values.lifted for values in participant.values.values()),
    )


def _lesion_rows(
    rng: np.random.Generator, parameters: Parameters, participant: SimulatedParticipant
) -> tuple[list[Row], list[Row]]:
    lesions, ratings = [], []
    for session, session_id in enumerate(participant.person.session_ids):
        for label, (_, lesion) in enumerate(participant.shown(session), start=1):
            key = {
                "participant_id": participant.person.participant_id,
                "session_id": session_id,
                "lesion_id": lesion.lesion_id,
            }
            lesions.append({**key, "label": label, "lesion_type": lesion.lesion_type})
            drawn = draw_ratings(rng, parameters.raters, lesion.lesion_type)
            ratings += [
                {**key, "rater_id": rater, "lesion_type": lesion_type}
                for rater, lesion_type in drawn.items()
            ]
    return lesions, ratings


def _regions(participant: SimulatedParticipant, voxel: float) -> list[Row]:
    rows = []
    for session, session_id in enumerate(participant.person.session_ids):
        key = {"participant_id": participant.person.participant_id, "session_id": session_id}
        white = {
            name: float(values.white_matter[session]) for name, values in participant.values.items()
        }
        rows.append({**key, "region": "white_matter", **white})
        for k, lesion in participant.shown(session):
            rows.append(
                {
                    **key,
                    "region": lesion.lesion_id,
                    "lesion_type": lesion.lesion_type,
                    "log_volume": float(np.log(len(lesion.first.voxels) * voxel)),
                    **{
                        name: float(values.lesions[k, session])
                        for name, values in participant.values.items()
                    },
                }
            )
    return rows
