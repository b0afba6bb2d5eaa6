"""One participant, from a seed to image files and table rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from qsmstats.simulate.anatomy import load_anatomy
from qsmstats.simulate.clinical import draw_clinical
from qsmstats.simulate.common_space import write_session
from qsmstats.simulate.parameters import Parameters
from qsmstats.simulate.participants import (
    SimulatedParticipant,
    draw_participant,
    draw_person,
    with_later_types,
)
from qsmstats.simulate.ratings import draw_ratings
from qsmstats.simulate.scanners import Scanners
from qsmstats.simulate.sessions import write_participant

__all__ = ["Enrolment", "ParticipantRecord", "Row", "simulate_participant"]

Row = dict[str, Any]
Enrolment: TypeAlias = tuple[np.random.SeedSequence, str, str, tuple[str, ...]]
"""Source of a participant's random numbers; identifier; MS or HC; scanner of each session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRecord:
    """The rows of one participant in the tables and in the truth.

    Attributes
    ----------
    participant
        Row of participants.tsv.
    lesions, ratings
        Rows of lesions.tsv and ratings.tsv.
    regions
        True values of each region at each session, with log volumes (mm³) of lesions.
    sessions, left_out, lifted
        Numbers of sessions, of lesions without room, and of values raised to the minimum.
    """

    participant: Row
    lesions: list[Row]
    ratings: list[Row]
    regions: list[Row]
    sessions: int
    left_out: int
    lifted: int


def simulate_participant(
    study: tuple[Path, Parameters, Scanners, float, bool], enrolment: Enrolment
) -> ParticipantRecord:
    """Draw a participant and write the files.

    Parameters
    ----------
    study
        Study folder, truth, effects of the scanners, voxel size in mm, and whether there are images
        in a common space.
    enrolment
        The participant.
    """
    folder, parameters, scanners, resolution, voxelwise = study
    seed, participant_id, group, sessions = enrolment
    rng = np.random.default_rng(seed)
    anatomy = load_anatomy(resolution)
    person = draw_person(rng, parameters, participant_id, group, sessions)
    participant = draw_participant(rng, anatomy, parameters, scanners, person)
    # What was planted later has numbers of its own, so that images and ratings stay as they were.
    apart = np.random.default_rng(seed.spawn(1)[0])
    participant = with_later_types(apart, parameters, participant)
    lesions, ratings, regions = _session_rows(
        rng, apart, parameters, participant, anatomy.resolution
    )
    write_participant(folder, rng, anatomy, parameters, participant)
    if voxelwise:
        write_session(
            folder,
            np.random.default_rng(seed.spawn(1)[0]),
            list(zip(person.session_ids, person.years, strict=True)),
            participant=participant_id,
            patient=group == "MS",
        )
    return ParticipantRecord(
        participant={
            "participant_id": person.participant_id,
            "group": person.group,
            "age": person.age,
            "sex": person.sex,
            "disease_duration": person.disease_duration,
            **_clinical(apart, parameters, scanners, participant),
        },
        lesions=lesions,
        ratings=ratings,
        regions=regions,
        sessions=len(person.years),
        left_out=participant.left_out,
        lifted=sum(values.lifted for values in participant.values.values()),
    )


def _session_rows(
    rng: np.random.Generator,
    apart: np.random.Generator,
    parameters: Parameters,
    participant: SimulatedParticipant,
    resolution: float,
) -> tuple[list[Row], list[Row], list[Row]]:
    """Return the rows of lesions and ratings, and the true values of each region and session."""
    lesions: list[Row] = []
    ratings: list[Row] = []
    regions: list[Row] = []
    person, true = participant.person, participant.values
    for session, session_id in enumerate(person.session_ids):
        visit = {"participant_id": person.participant_id, "session_id": session_id}
        on = {"scanner": person.scanners[session]} if person.scanners[session] else {}
        white = {name: float(values.white_matter[session]) for name, values in true.items()}
        regions.append({**visit, **on, "region": "white_matter", **white})
        for label, (k, lesion) in enumerate(participant.shown(session), start=1):
            key = {**visit, "lesion_id": lesion.lesion_id}
            now = lesion.types[session]
            lesions.append({**key, "label": label, "lesion_type": now})
            drawn = draw_ratings(rng, parameters.raters, lesion.lesion_type)
            if now != lesion.lesion_type:
                drawn = draw_ratings(apart, parameters.raters, now)
            ratings += [
                {**key, "rater_id": rater, "lesion_type": lesion_type}
                for rater, lesion_type in drawn.items()
            ]
            volume = len(lesion.first.voxels) * resolution**3
            region: Row = {"region": lesion.lesion_id, "lesion_type": lesion.lesion_type}
            region["log_volume"] = float(np.log(volume))
            region |= {name: float(values.lesions[k, session]) for name, values in true.items()}
            regions.append({**visit, **on, **region})
    return lesions, ratings, regions


def _clinical(
    apart: np.random.Generator,
    parameters: Parameters,
    scanners: Scanners,
    participant: SimulatedParticipant,
) -> Row:
    """Return EDSS and NfL of a patient; None of a control."""
    person, mwf = participant.person, participant.values["mwf_percent"]
    if person.disability is None:
        return {"edss": None, "nfl": None}
    shown = participant.shown(0)
    # Disability does not depend on what the scanner adds to the lesions.
    shift = float(scanners.of("mwf_percent", person.scanners[:1])[0][0])
    edss, nfl = draw_clinical(
        apart,
        parameters.clinical,
        disability=person.disability,
        age=person.age,
        types=[lesion.lesion_type for _, lesion in shown],
        mwf=[float(mwf.lesions[k, 0]) - shift for k, _ in shown],
    )
    return {"edss": edss, "nfl": nfl}
