"""Draw what each region of a participant shows on one map: the model of `maps`, term by term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.simulate.maps import AGE_REFERENCE, VOLUME_REFERENCE, MapParameters

__all__ = ["Region", "draw_values", "expected_value", "least_value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """What the fixed effects of a region need.

    Attributes
    ----------
    tissue
        Key of `MapParameters.means`: a lesion type, or one of the two white matters.
    volume
        Volume in mm³ at the first session that shows the lesion; None for white matter.
    """

    tissue: str
    volume: float | None = None


def expected_value(
    truth: MapParameters, region: Region, *, age: float, sex: str, years: float
) -> float:
    """Return the fixed part of a region's value, in the map's canonical unit."""
    value = truth.means[region.tissue] + truth.slopes[region.tissue] * years
    value += truth.age * (age - AGE_REFERENCE) + truth.male * (sex == "M")
    if region.volume is not None:
        value += truth.log_volume * float(np.log(region.volume / VOLUME_REFERENCE))
    return value


def draw_values(
    rng: np.random.Generator,
    truth: MapParameters,
    regions: Sequence[Region],
    *,
    age: float,
    sex: str,
    years: Sequence[float],
    shift: Floats | float = 0.0,
    scale: Floats | float = 1.0,
) -> Floats:
    """Draw the values of all regions of one participant, shape (regions, sessions).

    All sessions of all regions are drawn, also where a lesion is not there. `shift` and `scale` are
    those of each session's scanner, shape (sessions,).
    """
    fixed = [
        [expected_value(truth, region, age=age, sex=sex, years=t) for t in years]
        for region in regions
    ]
    intercept, slope = rng.normal(size=2)
    slope = truth.correlation * intercept + np.sqrt(1.0 - truth.correlation**2) * slope
    participant = truth.participant_sd * intercept + truth.slope_sd * slope * np.asarray(years)
    region = rng.normal(scale=truth.region_sd, size=(len(regions), 1))
    session = rng.normal(scale=truth.session_sd, size=(len(regions), len(years)))
    values: Floats = np.asarray(fixed) + participant + region + scale * session + shift
    return values


def least_value(truth: MapParameters) -> float:
    """Return the least mean that a region may have: 20 stored steps where values are positive.

    With the defaults of `Parameters` one draw in thousands lies below it; the number of values that
    were raised is written to the truth.
    """
    return 20.0 * truth.step if truth.relative else -np.inf
