"""How many lesions and clusters a sensitivity or specificity of given precision needs.

Buderer 1996: to estimate a proportion p within +-e, z^2 p (1 - p)/e^2 lesions of the reference
group are needed, and that number over the group's share of all lesions in all. Lesions of
one cluster resemble one another: the number is multiplied by the design effect
1 + (m - 1) r, with r the intracluster correlation and m the lesions of the reference group per
cluster (Kish 1965). The numbers are rounded up at each step.

References
----------
Buderer NMF (1996) Acad Emerg Med 3:895-900.
Kish L (1965) Survey Sampling, Wiley.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qsmstats.accuracy.intervals import critical_value
from qsmstats.accuracy.proportions import SMALL_NUMBER_OF_CLUSTERS
from qsmstats.display import Displayed
from qsmstats.errors import UsageError, check_option

__all__ = ["SampleSize", "accuracy_sample_size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize(Displayed):
    """Numbers needed for one sensitivity or specificity.

    Attributes
    ----------
    reference_group, lesions, clusters
        Lesions of the reference group (with the class for sensitivity, without it for
        specificity), lesions in all, clusters.
    unrounded_lesions
        Lesions in all by the formula without rounding.
    design_effect
        Factor applied to the number for independent lesions.
    note
        Limitations of the result, or empty.
    """

    reference_group: int
    lesions: int
    clusters: int
    unrounded_lesions: float
    design_effect: float
    note: str


def accuracy_sample_size(
    expected: float,
    margin: float,
    prevalence: float,
    *,
    measure: str = "sensitivity",
    correlation: float = 0.0,
    lesions_per_cluster: float = 1.0,
    level: float = 0.95,
) -> SampleSize:
    """Lesions and clusters for an interval of half-width `margin`.

    Parameters
    ----------
    expected
        Expected sensitivity or specificity, between 0 and 1.
    margin
        Half-width of the confidence interval, between 0 and 1.
    prevalence
        Share of lesions with the class by the reference standard.
    measure
        "sensitivity" or "specificity".
    correlation
        Intracluster correlation of correct readings, 0 to 1.
    lesions_per_cluster
        Mean lesions per cluster, at least 1.
    level
        Confidence level.

    Raises
    ------
    UsageError
        If an argument is out of its range.

    Examples
    --------
    >>> size = qs.accuracy_sample_size(0.9, 0.05, 0.4, correlation=0.1, lesions_per_cluster=8)
    >>> size
    SampleSize
      reference_group: 169
      lesions: 423
      clusters: 53
      unrounded_lesions: 421.792
      design_effect: 1.22
      note:
    """
    for name, value in (("expected", expected), ("margin", margin), ("prevalence", prevalence)):
        if not 0.0 < value < 1.0:
            raise UsageError(f"{name} must be between 0 and 1, not {value!r}")
    if not 0.0 <= correlation <= 1.0 or not lesions_per_cluster >= 1.0:
        raise UsageError(
            f"correlation must be 0 to 1, not {correlation!r}; lesions_per_cluster at least 1, not"
            f" {lesions_per_cluster!r}"
        )
    check_option("measure", measure, ("sensitivity", "specificity"))
    share = prevalence if measure == "sensitivity" else 1.0 - prevalence
    effect = 1.0 + (max(lesions_per_cluster * share, 1.0) - 1.0) * correlation
    needed = critical_value(level) ** 2 * expected * (1.0 - expected) / margin**2 * effect
    group = _ceiling(needed)
    lesions = _ceiling(group / share)
    clusters = _ceiling(lesions / lesions_per_cluster)
    few = lesions_per_cluster > 1 and clusters < SMALL_NUMBER_OF_CLUSTERS
    return SampleSize(
        reference_group=group,
        lesions=lesions,
        clusters=clusters,
        unrounded_lesions=needed / share,
        design_effect=effect,
        note=f"fewer than {SMALL_NUMBER_OF_CLUSTERS} clusters: the interval will be wider than"
        " planned, since t has few degrees of freedom"
        if few
        else "",
    )


def _ceiling(value: float) -> int:
    """Round up, except for a whole number that rounding error made slightly too large."""
    return math.ceil(value - 1e-9)
