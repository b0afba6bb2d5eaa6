"""What a trial is planned from: variances, slopes and numbers of lesions, and where they come from.

Either stated, or taken from a fitted trajectory model (`TrialAssumptions.from_fit`), which brings
confidence limits along. A plan is no better than these numbers: forty patients determine a
variance of slopes to within a factor of two at best, so the limits are kept with the values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.errors import NotIdentifiedError, UsageError
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.inference.variance_components import Interval
from qsmstats.studies.planning.assumptions_from_fit import fitted_assumptions
from qsmstats.studies.planning.design import TrialDesign, check_counts

__all__ = ["TrialAssumptions"]

STATED = "stated"
VARIANCES = ("patient_sd", "slope_sd", "correlation", "lesion_sd", "residual_sd")

Limits = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAssumptions(Displayed):
    """The truth that a trial is planned under.

    Attributes
    ----------
    patient_sd, slope_sd, correlation
        Standard deviations of patients' intercepts (units of the outcome) and slopes (units per
        year) given age and sex, and their correlation.
    lesion_sd, residual_sd
        Standard deviations between lesions of one patient and type, and of one measurement, in
        units of the outcome.
    lesions
        Numbers of lesions: one row per patient and one column per type; or type -> number, the
        same in every patient.
    slopes, means
        Type -> change per year without treatment, and mean at baseline; zero where not given. They
        do not touch power (the analysis has both as free parameters) unless the effect is stated
        as a fraction of a slope.
    outcome, unit
        What is measured, and its unit.
    intervals
        Quantity, as `table` names it -> confidence limits; none for what was stated.
    source
        Where the numbers come from, in words.

    Raises
    ------
    UsageError
        If a standard deviation is negative, a correlation outside -1 to 1, a number of lesions no
        whole number, or a slope of a type without lesions.

    Examples
    --------
    >>> assumptions = qs.TrialAssumptions(patient_sd=1.0, slope_sd=0.2, lesion_sd=1.0,
    ...     residual_sd=0.5, lesions={"isointense": 2, "hypointense": 2})
    >>> assumptions.counts
       isointense  hypointense
    0           2            2
    """

    patient_sd: float
    slope_sd: float
    correlation: float = 0.0
    lesion_sd: float
    residual_sd: float
    lesions: pd.DataFrame | Mapping[str, int]
    slopes: Mapping[str, float] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    outcome: str = "mwf_percent"
    unit: str = "percent"
    intervals: Mapping[str, Limits] = field(default_factory=dict)
    source: str = STATED

    def __post_init__(self) -> None:
        for name in ("patient_sd", "slope_sd", "lesion_sd", "residual_sd"):
            value = getattr(self, name)
            if not (value >= 0.0 and math.isfinite(value)):
                raise UsageError(f"assumptions: {name}={value}; a standard deviation is >= 0")
        if self.residual_sd == 0.0:
            raise UsageError(
                "assumptions: residual_sd=0; the error of measurement must be positive"
            )
        if not -1.0 <= self.correlation <= 1.0:
            raise UsageError(
                f"assumptions: correlation={self.correlation}; a correlation lies from -1 to 1"
            )
        _check_lesions(self.counts)
        for name in (*self.slopes, *self.means):
            if name not in self.counts:
                raise UsageError(
                    f"assumptions: '{name}' has a slope or mean, but lesions has the types "
                    f"{', '.join(map(str, self.counts))} only; add its numbers of lesions"
                )

    @classmethod
    def from_fit(
        cls,
        fit: MixedFit,
        *,
        interval: Interval | None = "profile",
        level: float = 0.95,
    ) -> TrialAssumptions:
        """Take the assumptions from a trajectory model.

        Parameters
        ----------
        fit
            A model with ``lesion_type`` and ``years`` in its fixed part and the random terms
            ``(1 + years | participant_id)`` and ``(1 | participant_id:lesion_id)``.
        interval
            How the limits of variances are found ("profile", "delta"), or None for none.
        level
            Confidence level of all limits.

        Raises
        ------
        ModelError
            If the model lacks one of these parts.
        """
        return cls(**fitted_assumptions(fit, interval=interval, level=level))

    @property
    def counts(self) -> pd.DataFrame:
        """Numbers of lesions, one row per patient to draw from and one column per type."""
        if isinstance(self.lesions, pd.DataFrame):
            return self.lesions
        return pd.DataFrame([dict(self.lesions)])

    @property
    def patient_covariance(self) -> Floats:
        """Covariance of patients' intercepts and slopes, shape (2, 2)."""
        between = self.correlation * self.patient_sd * self.slope_sd
        return np.array([[self.patient_sd**2, between], [between, self.slope_sd**2]])

    def counts_for(self, design: TrialDesign) -> pd.DataFrame:
        """Return the numbers of lesions a design draws from.

        Raises
        ------
        NotIdentifiedError
            If no patient has a lesion of a type that the contrast needs.
        """
        counts = self.counts if design.lesions is None else pd.DataFrame([dict(design.lesions)])
        groups = [design.group(str(name)) for name in counts]
        totals = counts.sum().groupby(groups).sum()
        for group, weight in design.weights.items():
            if weight and not totals.get(group, 0):
                types = design.target if group not in design.target else (group,)
                found = ", ".join(str(name) for name, total in counts.sum().items() if total)
                raise NotIdentifiedError(
                    f"the effect on {' and '.join(types)} cannot be estimated: no patient to draw "
                    f"from has such a lesion (types with lesions: {found or 'none'}); choose "
                    "another target, or state `lesions`"
                )
        return counts

    def target_slope(self, design: TrialDesign) -> float:
        """Return the slope without treatment of the types that the contrast tests.

        The mean over the target types that have one, each weighted by its lesions; with stated
        weights, their weighted sum. Zero where no slope is known.
        """
        slopes = {str(name): self.slopes.get(str(name), 0.0) for name in self.counts}
        if isinstance(design.target, Mapping):
            return sum(weight * slopes.get(name, 0.0) for name, weight in design.weights.items())
        totals = {str(name): int(total) for name, total in self.counts_for(design).sum().items()}
        lesions = {name: totals.get(name, 0) for name in design.target if name in self.slopes}
        shared = sum(count * slopes[name] for name, count in lesions.items())
        return float(shared / max(sum(lesions.values()), 1))

    def table(self) -> pd.DataFrame:
        """Return every number with its limits, unit and source.

        Returns
        -------
        DataFrame
            quantity, estimate, conf_low, conf_high, unit, source.
        """
        units = {"correlation": "1", "slope_sd": f"{self.unit} per year"}
        values = {name: (float(getattr(self, name)), units.get(name)) for name in VARIANCES}
        values |= {f"mean {name}": (float(value), None) for name, value in self.means.items()}
        values |= {
            f"slope {name}": (float(value), f"{self.unit} per year")
            for name, value in self.slopes.items()
        }
        values |= {
            f"lesions per patient {name}": (float(column.mean()), "1")
            for name, column in self.counts.items()
        }
        nothing = (np.nan, np.nan)
        rows: list[dict[str, Any]] = [
            {
                "quantity": name,
                "estimate": value,
                "conf_low": self.intervals.get(name, nothing)[0],
                "conf_high": self.intervals.get(name, nothing)[1],
                "unit": self.unit if unit is None else unit,
                "source": self.source,
            }
            for name, (value, unit) in values.items()
        ]
        return pd.DataFrame(rows)


def _check_lesions(counts: pd.DataFrame) -> None:
    if counts.empty:
        raise UsageError(
            "assumptions: lesions is empty; give one row per patient or type -> number"
        )
    for position, row in enumerate(counts.to_dict("records")):
        if any(row.values()):
            place = f"assumptions: lesions row {position}"
            check_counts({str(name): count for name, count in row.items()}, place)
    if not counts.to_numpy().any():
        raise UsageError("assumptions: lesions: no patient has a lesion; a trial needs some")
