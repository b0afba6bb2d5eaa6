"""One participant: covariates, sessions, lesions, and the true value of every region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.simulate.anatomy import Anatomy
from qsmstats.simulate.later_types import draw_later_types
from qsmstats.simulate.lesions import Lesion, draw_lesions
from qsmstats.simulate.maps import CONTROL_TISSUE, PATIENT_TISSUE
from qsmstats.simulate.parameters import Parameters
from qsmstats.simulate.scanners import Scanners
from qsmstats.simulate.values import Region, draw_values, least_value

__all__ = [
    "Person",
    "RegionValues",
    "SimulatedParticipant",
    "draw_participant",
    "draw_person",
    "with_later_types",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A participant's values in the tables.

    Attributes
    ----------
    participant_id, group, sex
        As in participants.tsv.
    age, disease_duration
        Years, at the first session; controls have no duration.
    disability
        Part of EDSS that does not depend on lesions; None for controls.
    years
        Time of each session since the first.
    scanners
        Name of each session's scanner.
    """

    participant_id: str
    group: str
    sex: str
    age: float
    disease_duration: float | None
    disability: float | None
    years: tuple[float, ...]
    scanners: tuple[str, ...]

    @property
    def session_ids(self) -> tuple[str, ...]:
        """Identifiers of the sessions, in time."""
        return tuple(f"ses-{i + 1:02d}" for i in range(len(self.years)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionValues:
    """True means of one map over the regions of a participant, in the canonical unit.

    Attributes
    ----------
    white_matter
        Shape (sessions,); white matter far from lesions, or all of a control's.
    lesions
        Shape (lesions, sessions); also where the lesion is not there.
    lifted
        Number of values raised to the minimum of the map.
    """

    white_matter: Floats
    lesions: Floats
    lifted: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedParticipant:
    """A person, the lesions over all sessions, and the true values of every map.

    Attributes
    ----------
    person, lesions, values
        Covariates; lesions; map -> values.
    left_out
        Number of lesions for which there was no room.
    """

    person: Person
    lesions: tuple[Lesion, ...]
    values: Mapping[str, RegionValues]
    left_out: int

    def shown(self, session: int) -> list[tuple[int, Lesion]]:
        """Return the lesions of a session and their rows in `values`; label i is the i-th."""
        return [
            (k, lesion)
            for k, lesion in enumerate(self.lesions)
            if lesion.shapes[session] is not None
        ]


def draw_participant(
    rng: np.random.Generator,
    anatomy: Anatomy,
    parameters: Parameters,
    scanners: Scanners,
    person: Person,
) -> SimulatedParticipant:
    """Draw the lesions of a person and what every region shows; controls have no lesions.

    Types at the second session are those of the first; `with_later_types` changes them.
    """
    lesions: list[Lesion] = []
    left_out = 0
    if person.group == "MS":
        lesions, left_out = draw_lesions(rng, anatomy, parameters.lesions, person.years)
    regions = [Region(tissue=PATIENT_TISSUE if person.group == "MS" else CONTROL_TISSUE)]
    regions += [
        Region(tissue=lesion.lesion_type, volume=len(lesion.first.voxels) * anatomy.resolution**3)
        for lesion in lesions
    ]
    values = {}
    for name, truth in parameters.maps.items():
        shift, scale = scanners.of(name, person.scanners)
        drawn = draw_values(
            rng,
            truth,
            regions,
            age=person.age,
            sex=person.sex,
            years=person.years,
            shift=shift,
            scale=scale,
        )
        least = least_value(truth)
        lifted = np.maximum(drawn, least)
        values[name] = RegionValues(
            white_matter=lifted[0], lesions=lifted[1:], lifted=int((drawn < least).sum())
        )
    return SimulatedParticipant(
        person=person, lesions=tuple(lesions), values=values, left_out=left_out
    )


def with_later_types(
    rng: np.random.Generator, parameters: Parameters, participant: SimulatedParticipant
) -> SimulatedParticipant:
    """Return a participant whose lesions of both sessions may have changed their type."""
    years = participant.person.years
    if len(years) < 2:
        return participant
    types = [lesion.lesion_type for lesion in participant.lesions]
    later = draw_later_types(rng, parameters.lesions.transitions, types, years[1])
    lesions = [
        replace(lesion, types=(lesion.lesion_type, name)) if all(lesion.shapes) else lesion
        for lesion, name in zip(participant.lesions, later, strict=True)
    ]
    return replace(participant, lesions=tuple(lesions))


def draw_person(
    rng: np.random.Generator,
    parameters: Parameters,
    participant_id: str,
    group: str,
    scanners: tuple[str, ...],
) -> Person:
    """Draw the covariates and the times of the sessions, which are as many as scanners.

    Values are rounded as the tables write them, so that the tables hold what made the images.
    """
    age = _within(rng, parameters.age_mean[group], parameters.age_sd, parameters.age_limits)
    years: tuple[float, ...] = (0.0,)
    sex = "F" if rng.random() < parameters.female[group] else "M"
    if len(scanners) > 1:
        interval = (parameters.interval_mean, parameters.interval_sd, parameters.interval_limits)
        years = (0.0, round(_within(rng, *interval), 2))
    duration = disability = None
    if group == "MS":
        # Assumptions that no map depends on.
        drawn = min(float(rng.gamma(2.0, 6.0)), age - 15.0)
        disability = float(rng.gamma(2.0, 0.8) + 0.06 * drawn)
        duration = round(drawn, 1)
    return Person(
        participant_id=participant_id,
        group=group,
        sex=sex,
        age=round(age, 1),
        disease_duration=duration,
        disability=disability,
        years=years,
        scanners=scanners,
    )


def _within(rng: np.random.Generator, mean: float, sd: float, limits: tuple[float, float]) -> float:
    while True:
        value = float(rng.normal(mean, sd))
        if limits[0] <= value <= limits[1]:
            return value
