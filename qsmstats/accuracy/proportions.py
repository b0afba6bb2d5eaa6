"""Every interval of one clustered proportion, each with the role it may play.

With G clusters:

- an interval for independent trials, labelled as such; never what one should quote;
- Bayes under the beta-binomial model with the correlation uniform on (0, 0.9): the
  recommended interval; with the correlation Beta(1, 4) beside it;
- Rao-Scott Wilson with t on G - 1: the conservative bound below 10 clusters; from 10 on a
  comparison, as it then covers a little too little where correlation is strong;
- profile likelihood of the beta-binomial model, for comparison;
- GEE with the bias-reduced covariance and t, and the cluster bootstraps, from 10 clusters on:
  below, a sandwich or a resampling distribution of so few clusters says little of its own
  error (Cameron, Gelbach & Miller 2008; Li & Redden 2015), so they are refused with the
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
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qsmstats.accuracy.betabinomial import fit_beta_binomial, posterior
from qsmstats.accuracy.clustered import (
    ClusteredCounts,
    anova_correlation,
    clustered_counts,
    rao_scott_interval,
)
from qsmstats.accuracy.gee import gee_interval
from qsmstats.accuracy.intervals import Limits, proportion_interval
from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError, check_option

__all__ = [
    "ROLES",
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
ROLES = (INDEPENDENT, RECOMMENDED, SECOND, BOUND, COMPARISON, REFUSED)

_WEBB = np.array([-math.sqrt(1.5), -1.0, -math.sqrt(0.5), math.sqrt(0.5), 1.0, math.sqrt(1.5)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One estimate with limits, the method behind them and the role they may play."""

    estimate: float
    conf_low: float
    conf_high: float
    method: str
    role: str
    note: str = ""


def refused_estimate(estimate: float, method: str, reason: str) -> Estimate:
    """Estimate without limits, and why it has none."""
    return Estimate(
        estimate=estimate,
        conf_low=math.nan,
        conf_high=math.nan,
        method=method,
        role=REFUSED,
        note=reason,
    )


def refuse_few_clusters(n_clusters: int, method: str) -> None:
    """Refuse a method that needs many clusters.

    Raises
    ------
    NotIdentifiedError
        Below 10 clusters, with the reason.
    """
    if n_clusters < SMALL_NUMBER_OF_CLUSTERS:
        raise NotIdentifiedError(
            f"{method} refused: {n_clusters} clusters, and below {SMALL_NUMBER_OF_CLUSTERS} its"
            " own standard error cannot be trusted; read the Bayesian interval and the"
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
    UsageError
        If `kind` is unknown.
    """
    check_option("kind", kind, ("percentile", "wild"))
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
            "wild bootstrap refused: no cluster departs from the mean; use another"
        )
    low, high = np.quantile(_wild_statistics(counts, n_resamples, random), tails)
    p, error = counts.proportion, counts.std_error
    return max(0.0, float(p - high * error)), min(1.0, float(p - low * error))


def _wild_statistics(
    counts: ClusteredCounts, n_resamples: int, random: np.random.Generator
) -> Floats:
    residuals = (counts.successes - counts.trials * counts.proportion) / counts.total
    weighted = random.choice(_WEBB, size=(n_resamples, counts.n_clusters)) * residuals
    shift = weighted.sum(axis=1)
    centred = weighted - np.outer(shift, counts.trials / counts.total)
    scale = counts.n_clusters / (counts.n_clusters - 1)
    return np.asarray(shift / np.sqrt(scale * np.sum(centred**2, axis=1)), dtype=np.float64)


def independent_estimate(x: float, n: float, *, method: str, level: float) -> Estimate:
    """Estimate with an interval that takes the trials as independent."""
    low, high = proportion_interval(x, n, method=method, level=level)
    return Estimate(estimate=x / n, conf_low=low, conf_high=high, method=method, role=INDEPENDENT)


def _bayes(counts: ClusteredCounts, prior: str, role: str, level: float) -> Estimate:
    found = posterior(counts, prior=prior, level=level)
    note = "estimate is the posterior median"
    if counts.n_clusters == 1:
        note += "; one cluster: the correlation comes from its prior alone"
    return Estimate(
        estimate=found.median,
        conf_low=found.conf_low,
        conf_high=found.conf_high,
        method=f"bayes_{prior}",
        role=role,
        note=note,
    )


def _profile(counts: ClusteredCounts, level: float) -> Estimate:
    fit = fit_beta_binomial(counts, level=level)
    note = "correlation at its bound 0" if fit.correlation == 0.0 else ""
    return Estimate(
        estimate=fit.proportion,
        conf_low=fit.conf_low,
        conf_high=fit.conf_high,
        method="beta_binomial_profile",
        role=COMPARISON,
        note=note,
    )


def _or_refused(
    method: str, role: str, estimate: float, limits: Callable[[], tuple[float, Limits]]
) -> Estimate:
    """Turn a refusal into a row without limits that carries its reason."""
    try:
        value, (low, high) = limits()
    except NotIdentifiedError as refusal:
        return refused_estimate(estimate, method, str(refusal))
    return Estimate(estimate=value, conf_low=low, conf_high=high, method=method, role=role)


def clustered_estimates(
    counts: ClusteredCounts, *, level: float = 0.95, seed: int = 0
) -> list[Estimate]:
    """All intervals of one proportion that use the clusters, with their roles."""
    p, clusters = counts.proportion, counts.n_clusters
    few = clusters < SMALL_NUMBER_OF_CLUSTERS

    def gee() -> tuple[float, Limits]:
        refuse_few_clusters(clusters, "GEE with the bias-reduced covariance")
        return p, gee_interval(counts, level=level)

    def bootstrap(kind: str) -> tuple[float, Limits]:
        return p, cluster_bootstrap(counts, kind=kind, seed=seed, level=level)

    return [
        _bayes(counts, "uniform", RECOMMENDED, level),
        _bayes(counts, "beta_1_4", SECOND, level),
        _or_refused(
            "rao_scott_wilson_t",
            BOUND if few else COMPARISON,
            p,
            lambda: (p, rao_scott_interval(counts, level=level)),
        ),
        _profile(counts, level),
        _or_refused("gee_mancl_derouen_t", COMPARISON, p, gee),
        _or_refused(
            "cluster_bootstrap_percentile", COMPARISON, p, partial(bootstrap, "percentile")
        ),
        _or_refused("cluster_bootstrap_wild", COMPARISON, p, partial(bootstrap, "wild")),
    ]


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
    """
    counts = clustered_counts(successes, trials)
    x, n = float(counts.successes.sum()), counts.total
    rows = [
        independent_estimate(x, n, method=interval, level=level),
        *clustered_estimates(counts, level=level, seed=seed),
    ]
    correlation = anova_correlation(counts)
    frame = pd.DataFrame(
        [{name: getattr(row, name) for name in Estimate.__slots__} for row in rows]
    )
    return frame.assign(
        numerator=int(x),
        denominator=int(n),
        n_clusters=counts.n_clusters,
        design_effect=counts.design_effect,
        effective_n=counts.effective_n,
        correlation=correlation.estimate,
        correlation_note=correlation.note,
    )
