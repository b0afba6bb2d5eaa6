"""How many lesions a patient has, of which type and size, and which come and go.

Numbers follow `LesionParameters`; where the lesions lie is drawn by `qsmstats.simulate.lesions`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.simulate.parameters import RIM_TYPES, LesionParameters

__all__ = ["Plan", "draw_plans"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A lesion that is to be placed.

    Attributes
    ----------
    lesion_type
        The same at every session.
    volumes
        Volume in mm³ at each session; None where the lesion is not there.
    """

    lesion_type: str
    volumes: tuple[float | None, ...]

    @property
    def largest(self) -> float:
        """Largest volume over the sessions, mm³."""
        return max(volume for volume in self.volumes if volume is not None)


def draw_plans(
    rng: np.random.Generator, parameters: LesionParameters, years: tuple[float, ...]
) -> list[Plan]:
    """Draw type, volume and presence of every lesion of one patient.

    Parameters
    ----------
    rng
        Random numbers of this patient.
    parameters
        The truth.
    years
        Time of each session; one or two of them.

    Returns
    -------
    list of Plan
        Lesions of the first session, then those that are new at the second. The first of them is
        there at both, so that no session of a patient is without any.
    """
    types = list(parameters.shares)
    shares = rng.dirichlet([parameters.concentration * s for s in parameters.shares.values()])
    old = _count(rng, parameters)
    new = int(rng.poisson(parameters.new)) if len(years) > 1 else 0
    plans = []
    for i in range(old + new):
        lesion_type = types[rng.choice(len(types), p=shares)]
        low, high = parameters.diameter_limits
        if lesion_type in RIM_TYPES:
            low = parameters.rim_diameter_minimum
        mean = np.log(parameters.diameter[lesion_type]) - parameters.diameter_log_sd**2 / 2.0
        diameter = np.nan
        while not low <= diameter <= high:
            diameter = float(np.exp(rng.normal(mean, parameters.diameter_log_sd)))
        volume = np.pi / 6.0 * diameter**3
        change = rng.normal(scale=parameters.log_volume_change_sd)
        gone = rng.random() < parameters.vanished and i > 0
        volumes: list[float | None] = [volume if i < old else None]
        if len(years) > 1:
            change += parameters.log_volume_change[lesion_type] * years[1]
            later = volume * np.exp(change) if i < old else volume
            volumes.append(None if gone and i < old else later)
        plans.append(Plan(lesion_type=lesion_type, volumes=tuple(volumes)))
    return plans


def _count(rng: np.random.Generator, parameters: LesionParameters) -> int:
    size = parameters.count_size
    probability = size / (size + parameters.count_mean)
    while True:
        count = int(rng.negative_binomial(size, probability))
        if 1 <= count <= parameters.count_max:
            return count
