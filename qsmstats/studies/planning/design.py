r"""The design of a two-arm trial of the slope of lesion types: what is planned, and its checks.

Patients are randomised to control (a = 0) or treatment (a = 1) and imaged at times
:math:`t_1 = 0 < t_2 < \dots`. With k the type of lesion j of patient i, the analysis is

.. math:: y_{ijt} = \mu_k + \gamma_k t + \delta_{g(k)} a_i t \;[+\, \alpha_k a_i]
   + u_{0i} + u_{1i} t + w_{ij} + e_{ijt},

fitted by REML. The treatment-by-time-by-type effects are the :math:`\delta`; the question is

.. math:: \Delta = \sum_g c_g \delta_g .

By default the target types (hypo- and isointense lesions) share one :math:`\delta`, so that
:math:`\Delta` is that one; types that are not targets have one each, so that an effect on them is
not mistaken for one on the targets. With stated weights every type has its own :math:`\delta_k` and
:math:`\Delta = \sum_k c_k \delta_k`.

Without the term in brackets (``baseline="constrained"``, this project's default) both arms have
the same mean before treatment, as randomisation makes true; it is the constrained longitudinal
data analysis of Liang & Zeger (2000, Sankhya B 62:134-148) and Liu et al. (2009, Stat Med
28:2509-2530), never less precise than ``baseline="free"``.

Dropout is missing at random. Who was seen at visit v - 1 is lost before visit v with probability

.. math:: 1 - \exp\{-\lambda_{iv} (t_v - t_{v-1})\}, \qquad
   \lambda_{iv} = -\log(1 - r)\, h_a^{a_i}\, h_m^{-z_{i,v-1}},

r the annual rate, :math:`h_a` the hazard ratio of the treatment arm, :math:`h_m` the hazard ratio
of a patient whose observed mean at the previous visit lies one standard deviation below what is
expected of the control arm for the lesion types of this patient (z is that deviation). All of this
has been observed when a patient leaves, and likelihood-based analysis of all rows stays valid
(Little & Rubin 2019, Statistical Analysis with Missing Data, section 6.1). Lost patients do not
return.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Real
from typing import Literal, get_args

import numpy as np

from qsmstats.errors import UsageError, check_option
from qsmstats.settings import HistologySettings

__all__ = ["TARGETS", "Dropout", "TrialDesign"]

TARGETS = HistologySettings().mapping["remyelinated"]
TARGET_GROUP = "target"
FEWEST_PER_ARM = 2
Baseline = Literal["constrained", "free"]
TrialDf = Literal["satterthwaite", "kenward-roger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Loss of patients, missing at random.

    Who was seen at one visit is lost before the next, t years later, with the probability
    ``1 - (1 - annual_rate) ** (t * ratio)``, ratio the product of the hazard ratios below.

    Attributes
    ----------
    annual_rate
        Share of patients lost per year, 0 <= rate < 1: of controls whose last observed mean is as
        expected. A share lost over several years is converted: 20 % over two years are
        ``1 - (1 - 0.2) ** (1 / 2)``, 0.106 per year. (With `low_mean_ratio` h more are lost in
        all, about exp(log(h)^2 / 2) times.)
    treatment_ratio
        Hazard in the treatment arm over that in the control arm.
    low_mean_ratio
        Hazard of a patient whose last observed mean lies one standard deviation below what is
        expected without treatment, over that of one at expectation (two below: the square); 1:
        losses have nothing to do with the outcome.

    Raises
    ------
    UsageError
        If a value is outside its range.

    Examples
    --------
    >>> qs.Dropout(annual_rate=0.1)
    Dropout(annual_rate=0.1, treatment_ratio=1.0, low_mean_ratio=1.0)
    """

    annual_rate: float = 0.0
    treatment_ratio: float = 1.0
    low_mean_ratio: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.annual_rate < 1.0:
            raise UsageError(
                f"dropout: annual_rate={self.annual_rate}; give the share of patients lost per "
                "year, from 0 to less than 1 (0.1 for ten percent; 20 % over two years are "
                "1 - 0.8 ** (1 / 2) = 0.106 per year)"
            )
        for name in ("treatment_ratio", "low_mean_ratio"):
            value = getattr(self, name)
            if not (value > 0.0 and math.isfinite(value)):
                raise UsageError(f"dropout: {name}={value}; a hazard ratio is positive, 1 for none")

    @property
    def depends_on_outcome(self) -> bool:
        """Whether losses depend on what was measured."""
        return self.annual_rate > 0.0 and self.low_mean_ratio != 1.0

    def __str__(self) -> str:
        parts = [f"{100 * self.annual_rate:g} % per year"]
        if self.annual_rate and self.treatment_ratio != 1.0:
            parts.append(f"{self.treatment_ratio:g} times under treatment")
        if self.depends_on_outcome:
            parts.append(f"{self.low_mean_ratio:g} times per SD below the expected mean")
        return ", ".join(parts) if self.annual_rate else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDesign:
    """A two-arm trial of the slope of lesion types.

    Its analysis is a linear mixed model, fitted by REML: a mean and a slope for each lesion type,
    what treatment adds to the slopes, random intercepts and slopes of patients, random intercepts
    of lesions, one residual variance. What treatment adds to the slope of the target types is
    tested; an effect is positive where the slope is larger under treatment, so that one of the
    opposite sign of the slope slows a rise or a decline down.

    Attributes
    ----------
    visits
        Times of imaging in years, the first at 0 (before treatment).
    allocation
        Patients under treatment for each control.
    lesions
        Lesion type -> lesions of every patient; None: whole patients, with their numbers of
        lesions of all types together, are drawn from those of the source.
    target
        Type, or types that share one treatment effect, which is tested (isointense and
        hypointense unless stated); or type -> weight: every type has an effect of its own, and
        their weighted sum is tested.
    baseline
        "constrained": one mean per type before treatment in both arms, as randomisation makes true
        (constrained longitudinal data analysis); "free": one per type and arm.
    dropout
        Loss of patients.
    df
        "kenward-roger", which holds its level in small arms too, or "satterthwaite", which is
        a little faster.
    significance
        Two-sided significance level of the test.

    Raises
    ------
    UsageError
        If a value cannot be used.

    Examples
    --------
    >>> design = qs.TrialDesign(visits=(0.0, 0.5, 1.0), dropout=qs.Dropout(annual_rate=0.1))
    >>> str(design.dropout)
    '10 % per year'
    """

    visits: tuple[float, ...] = (0.0, 1.0, 2.0)
    allocation: float = 1.0
    lesions: Mapping[str, int] | None = None
    target: str | tuple[str, ...] | Mapping[str, float] = TARGETS
    baseline: Baseline = "constrained"
    dropout: Dropout = field(default_factory=Dropout)
    df: TrialDf = "kenward-roger"
    significance: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "visits", tuple(map(float, np.atleast_1d(self.visits))))
        if not isinstance(self.target, Mapping):
            object.__setattr__(self, "target", tuple(map(str, np.atleast_1d(self.target))))
        _check_visits(self.visits)
        if not self.target:
            raise UsageError("design: target is empty; name the lesion types whose slope is tested")
        if isinstance(self.target, Mapping):
            weights = list(self.target.values())
            if not all(map(math.isfinite, weights)) or max(weights) <= 0.0:
                raise UsageError(
                    f"design: target weights are {dict(self.target)}; give finite weights, at "
                    "least one positive"
                )
        if self.lesions is not None:
            check_counts(self.lesions, "design: lesions")
        if not (self.allocation > 0.0 and math.isfinite(self.allocation)):
            raise UsageError(
                f"design: allocation={self.allocation}; give patients under treatment for each "
                "control, 1 for equal arms"
            )
        if not 0.0 < self.significance < 1.0:
            raise UsageError(f"design: significance={self.significance} lies outside 0 to 1")
        check_option("design: baseline", self.baseline, get_args(Baseline))
        check_option("design: df", self.df, get_args(TrialDf))

    @property
    def weights(self) -> dict[str, float]:
        """Effect group -> its weight c in the contrast."""
        if isinstance(self.target, Mapping):
            return {name: float(weight) for name, weight in self.target.items()}
        return {TARGET_GROUP: 1.0}

    def group(self, lesion_type: str) -> str:
        """Return the group of types that share their treatment effect with this one."""
        pooled = not isinstance(self.target, Mapping) and lesion_type in self.target
        return TARGET_GROUP if pooled else lesion_type

    def shares_of_effect(self, lesion_type: str) -> float:
        """Return the change of a type's slope for one unit of the contrast.

        The treatment is taken to act alike on all types with a positive weight, and on no other.
        """
        weights = self.weights
        positive = sum(weight for weight in weights.values() if weight > 0.0)
        return 1.0 / positive if weights.get(self.group(lesion_type), 0.0) > 0.0 else 0.0

    def arms(self, patients: int) -> tuple[int, int]:
        """Return the sizes of the control and of the treatment arm.

        Raises
        ------
        UsageError
            If an arm has fewer than two patients.
        """
        treated = round(patients * self.allocation)
        if patients != int(patients) or min(patients, treated) < FEWEST_PER_ARM:
            raise UsageError(
                f"patients={patients}: arms of {patients} and {treated}; give a whole number so "
                f"that each arm has at least {FEWEST_PER_ARM} patients"
            )
        return int(patients), treated


def check_counts(counts: Mapping[str, int], place: str) -> None:
    """Raise unless all are whole numbers, none negative, at least one positive."""
    for name, count in counts.items():
        number = isinstance(count, Real) and count >= 0
        if not (number and float(count).is_integer()):
            raise UsageError(f"{place}: {count} lesions of type '{name}'; give a whole number >= 0")
    if sum(counts.values()) == 0:
        raise UsageError(f"{place}: no lesion at all; give at least one of a target type")


def _check_visits(visits: Sequence[float]) -> None:
    found = ", ".join(f"{time:g}" for time in visits) or "none"
    if len(visits) < 2:
        raise UsageError(
            f"design: visits: {found}; a change needs at least two visits, such as (0, 1, 2)"
        )
    steps = [later - earlier for earlier, later in pairwise(visits)]
    if visits[0] != 0.0 or not all(step > 0.0 and math.isfinite(step) for step in steps):
        raise UsageError(
            f"design: visits: {found}; give years in increasing order, the first at 0 (baseline)"
        )
