"""Every interval of one clustered proportion, each with its role.

With G clusters:

- an interval for independent trials, labelled as such; not to be reported alone;
- Bayes under the beta-binomial model with the correlation uniform on (0, 0.9): the
  recommended interval; with the correlation Beta(1, 4) beside it;
- Rao-Scott Wilson with t on G - 1: the conservative bound below 10 clusters; from 10 on a
  comparison, as it then covers a little too little where correlation is strong;
- profile likelihood of the beta-binomial model, for comparison;
- GEE with the bias-reduced covariance and t, and the cluster bootstraps, from 10 clusters on:
  below, a sandwich or a resampling distribution of so few clusters estimates its own error
  poorly (Cameron, Gelbach & Miller 2008; Li & Redden 2015), so they are refused with the
  reason, and the rows are printed without limits. At 10 clusters the bootstraps still cover
  too little, so that they are never more than a comparison.

`benchmarks/coverage.py` prints the coverage and width behind these roles.

Cluster bootstrap: clusters are drawn with replacement. "percentile" takes quantiles of the
proportion; "wild" is the bootstrap-t with Webb's six-point weights put on the clusters'
residuals (x_g - n_g p)/N, which keeps the cluster sizes.

References
----------
Cameron AC, Gelbach JB, Miller DL (2008) Rev Econ Stat 90:414-427.
Li P, Redden DT (2015) Stat Med 34:281-296.
Webb MD (2023) Can J Econ 56:839-858.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qsmstats.accuracy.betabinomial import fit_beta_binomial, posterior
from qsmstats.accuracy.clustered import (
    ClusteredCounts,
    anova_correlation,
    clustered_counts,
    gee_interval,
    rao_scott_interval,
)
from qsmstats.accuracy.intervals import Limits, proportion_interval
from qsmstats.errors import NotIdentifiedError

__all__ = [
    "SMALL_NUMBER_OF_CLUSTERS",
    "Estimate",
    "cluster_bootstrap",
    "clustered_estimates",
    "clustered_proportion",
    "independent_estimate",
    "refuse_few_clusters",
    "refused_estimate",
]

SMALL_NUMBER_OF_CLUSTERS = 10

INDEPENDENT = "lesions assumed independent"
RECOMMENDED = "recommended"
SECOND = "sensitivity analysis"
BOUND = "conservative bound"
COMPARISON = "comparison"
REFUSED = "refused"

_WEBB = np.array([-math.sqrt(1.5), -1.0, -math.sqrt(0.5), math.sqrt(0.5), 1.0, math.sqrt(1.5)])


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimate with limits, their method and their role."""

    estimate: float
    conf_low: float
    conf_high: float
    method: str
    role: str
    note: str = ""


def refused_estimate(estimate: float, method: str, reason: str) -> Estimate:
    """Estimate without limits, and why it has none."""
    return Estimate(estimate, math.nan, math.nan, method, REFUSED, reason)


def refuse_few_clusters(n_clusters: int, method: str) -> None:
    """Refuse a method that needs many clusters.

    Raises
    ------
    NotIdentifiedError
        Below 10 clusters, with the reason.
    """
    if n_clusters < SMALL_NUMBER_OF_CLUSTERS:
        raise NotIdentifiedError(
            f"{method} refused: with {n_clusters} clusters, fewer than {SMALL_NUMBER_OF_CLUSTERS},"
            " its own standard error cannot be trusted; use the Bayesian interval and the"
            " Rao-Scott Wilson t bound"
        )


def cluster_bootstrap(
    counts: ClusteredCounts,
    *,
    kind: str = "percentile",
    n_resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Limits:
    """Interval of a proportion by resampling clusters.

    Parameters
    ----------
    counts
        Counts of at least 10 clusters.
    kind
        "percentile" or "wild".
    n_resamples, seed
        Number of resamples and seed of the generator.
    level
        Confidence level.

    Raises
    ------
    NotIdentifiedError
        Below 10 clusters; and for "wild" when all trials agree.
    """
    refuse_few_clusters(counts.n_clusters, f"{kind} cluster bootstrap")
    tails = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    random = np.random.default_rng(seed)
    if kind == "percentile":
        draws = random.multinomial(
            counts.n_clusters, np.full(counts.n_clusters, 1.0 / counts.n_clusters), n_resamples
        )
        low, high = np.quantile(draws @ counts.successes / (draws @ counts.trials), tails)
        return float(low), float(high)
    if counts.std_error == 0.0:
        raise NotIdentifiedError(
            "wild bootstrap refused: all clusters have the same proportion; use another interval"
        )
    # The bootstrap-t: the shift of each resample over its own standard error.
    residuals = (counts.successes - counts.trials * counts.proportion) / counts.total
    weighted = random.choice(_WEBB, size=(n_resamples, counts.n_clusters)) * residuals
    shift = weighted.sum(axis=1)
    centred = weighted - np.outer(shift, counts.trials / counts.total)
    scale = counts.n_clusters / (counts.n_clusters - 1)
    low, high = np.quantile(shift / np.sqrt(scale * np.sum(centred**2, axis=1)), tails)
    p, error = counts.proportion, counts.std_error
    return max(0.0, float(p - high * error)), min(1.0, float(p - low * error))


def independent_estimate(x: float, n: float, *, method: str, level: float) -> Estimate:
    """Estimate with an interval that treats the trials as independent."""
    limits = proportion_interval(x, n, method=method, level=level)
    return Estimate(x / n, *limits, method, INDEPENDENT)


def _or_refused(method: str, role: str, p: float, limits: Callable[[], Limits]) -> Estimate:
    """Turn a refusal into a row without limits that carries its reason."""
    try:
        return Estimate(p, *limits(), method, role)
    except NotIdentifiedError as refusal:
        return refused_estimate(p, method, str(refusal))


# Policies for missing readings often leave the counts unchanged; one call takes 20 ms.
@lru_cache(maxsize=512)
def clustered_estimates(
    successes: tuple[float, ...], trials: tuple[float, ...], *, level: float, seed: int
) -> tuple[Estimate, ...]:
    """All intervals of one proportion that use the clusters, with their roles."""
    counts = clustered_counts(successes, trials)
    p, clusters = counts.proportion, counts.n_clusters
    bound = BOUND if clusters < SMALL_NUMBER_OF_CLUSTERS else COMPARISON
    note = "estimate is the posterior median"
    if clusters == 1:
        note += "; one cluster: the correlation comes from its prior alone"
    (median, limits), (second, others) = (
        posterior(counts, prior=prior, level=level) for prior in ("uniform", "beta_1_4")
    )
    fit = fit_beta_binomial(counts, level=level)
    fitted = (fit.proportion, fit.conf_low, fit.conf_high, "beta_binomial_profile", COMPARISON)

    def gee() -> Limits:
        refuse_few_clusters(clusters, "GEE with the bias-reduced covariance")
        return gee_interval(counts, level=level)

    def bootstrap(kind: str) -> Estimate:
        return _or_refused(
            f"cluster_bootstrap_{kind}",
            COMPARISON,
            p,
            lambda: cluster_bootstrap(counts, kind=kind, seed=seed, level=level),
        )

    return (
        Estimate(median, *limits, "bayes_uniform", RECOMMENDED, note),
        Estimate(second, *others, "bayes_beta_1_4", SECOND, note),
        _or_refused(
            "rao_scott_wilson_t", bound, p, lambda: rao_scott_interval(counts, level=level)
        ),
        Estimate(*fitted, "correlation at its bound 0" if fit.correlation == 0.0 else ""),
        _or_refused("gee_mancl_derouen_t", COMPARISON, p, gee),
        bootstrap("percentile"),
        bootstrap("wild"),
    )


def clustered_proportion(
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    interval: str = "wilson",
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Every interval of one clustered proportion in a tidy frame.

    Parameters
    ----------
    successes, trials
        Counts per cluster, shape (G,).
    interval
        Interval for the row that assumes independence.
    level
        Confidence level.
    seed
        Seed of the bootstraps.

    Returns
    -------
    DataFrame
        Columns estimate, conf_low, conf_high, method, role, note, numerator, denominator,
        n_clusters, design_effect (as estimated), effective_n, correlation (analysis of
        variance; NaN where not identifiable), correlation_note.

    Examples
    --------
    >>> table = qs.clustered_proportion([3, 4, 5, 2, 6], [5, 5, 6, 4, 6])
    >>> qs.show(table.head(2))
    estimate  conf_low  conf_high  numerator  denominator  role
      0.7692    0.5795     0.8897         20           26  lesions assumed independent
      0.7183    0.4866     0.9037         20           26  recommended
    """
    counts = clustered_counts(successes, trials)
    x, n = float(counts.successes.sum()), counts.total
    cells = (tuple(part.tolist()) for part in (counts.successes, counts.trials))
    rows = [
        independent_estimate(x, n, method=interval, level=level),
        *clustered_estimates(*cells, level=level, seed=seed),
    ]
    correlation, note = anova_correlation(counts)
    frame = pd.DataFrame([asdict(row) for row in rows])
    return frame.assign(
        numerator=int(x),
        denominator=int(n),
        n_clusters=counts.n_clusters,
        design_effect=counts.design_effect,
        effective_n=counts.effective_n,
        correlation=correlation,
        correlation_note=note,
    )
