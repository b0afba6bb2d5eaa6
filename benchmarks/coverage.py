"""Coverage and width of every interval of a clustered proportion.

Lesions come in clusters (brains, participants); the probability of a correct reading varies
between clusters by a beta law with the stated mean and intracluster correlation, or, with
``--law two_point``, takes two values only (perfect clusters and others), a law that none of the
methods assumes.

- 3 clusters: every possible data set is enumerated, so that coverage and width are exact.
  Two designs: the lesions of a sensitivity (5, 5, 4) and of a specificity (18, 15, 11).
- 10 and 40 clusters of 2 to 12 lesions: simulated; the Monte Carlo error is printed.

Coverage is the probability that the 95 % interval holds the mean; width its mean width. A
method that is refused for some data (all lesions read correctly, say) is judged on the rest,
and the share refused is printed. Below 10 clusters GEE and the bootstraps are refused by the
package; here GEE and the percentile bootstrap are computed all the same at 3 clusters, to
show why.

Run: python benchmarks/coverage.py [--replicates 300] [--seed 1] [--law beta] [--clusters 10 40]
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.accuracy.betabinomial import fit_beta_binomial, posterior
from qsmstats.accuracy.clustered import (
    ClusteredCounts,
    anova_correlation,
    clustered_counts,
    design_effect_of,
    gee_interval,
    rao_scott_interval,
)
from qsmstats.accuracy.intervals import Limits, proportion_interval, wilson_limits
from qsmstats.accuracy.proportions import cluster_bootstrap
from qsmstats.errors import NotIdentifiedError

PROPORTIONS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
CORRELATIONS = (0.0, 0.1, 0.3)
SMALL_DESIGNS = {"sensitivity": (5, 5, 4), "specificity": (18, 15, 11)}
SIZES = (2, 3, 5, 8, 12)
TARGET = 0.93

Method = Callable[[ClusteredCounts], Limits]


def wilson(counts: ClusteredCounts) -> Limits:
    return proportion_interval(float(counts.successes.sum()), counts.total)


def saha_wilson(counts: ClusteredCounts) -> Limits:
    """Wilson's interval with the design effect of the estimated correlation, at least 1."""
    correlation, _ = anova_correlation(counts)
    effect = 1.0 if math.isnan(correlation) else max(1.0, design_effect_of(counts, correlation))
    low, high = wilson_limits(counts.proportion, counts.total / effect, stats.norm.isf(0.025))
    return float(low), float(high)


def bayes(counts: ClusteredCounts, prior: str) -> Limits:
    _, limits = posterior(counts, prior=prior)
    return limits


def profile(counts: ClusteredCounts) -> Limits:
    found = fit_beta_binomial(counts)
    return found.conf_low, found.conf_high


def percentile_of_all_resamples(counts: ClusteredCounts) -> Limits:
    """Percentile bootstrap of a few clusters, from all their resamples (27 of three)."""
    draws = np.array(list(itertools.product(range(counts.n_clusters), repeat=counts.n_clusters)))
    shares = counts.successes[draws].sum(axis=1) / counts.trials[draws].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


COMMON: dict[str, Method] = {
    "wilson (lesions independent)": wilson,
    "saha wilson z": saha_wilson,
    "bayes, correlation U(0, 0.9)": partial(bayes, prior="uniform"),
    "bayes, correlation Beta(1, 4)": partial(bayes, prior="beta_1_4"),
    "rao-scott wilson t": rao_scott_interval,
    "beta-binomial profile": profile,
    "gee, bias reduced, t": gee_interval,
}
SMALL: dict[str, Method] = COMMON | {
    "percentile cluster bootstrap": percentile_of_all_resamples,
}
LARGE: dict[str, Method] = COMMON | {
    "percentile cluster bootstrap": partial(cluster_bootstrap, n_resamples=1000),
    "wild cluster bootstrap": partial(cluster_bootstrap, kind="wild", n_resamples=1000),
}


def limits_or_none(method: Method, counts: ClusteredCounts) -> Limits:
    """Limits, or not-a-number where the method is refused."""
    try:
        return method(counts)
    except NotIdentifiedError:
        return math.nan, math.nan


def cluster_pmf(name: str, p: float, correlation: float, size: int) -> np.ndarray:
    """Probability of 0 .. size correct readings in one cluster."""
    x = np.arange(size + 1)
    if correlation == 0.0:
        return stats.binom.pmf(x, size, p)
    if name == "beta":
        scale = (1.0 - correlation) / correlation
        return stats.betabinom.pmf(x, size, p * scale, (1.0 - p) * scale)
    # Two kinds of clusters with the same mean and correlation: perfect ones and others.
    others = (1.0 - p) / (1.0 - p + correlation * p)
    return others * stats.binom.pmf(x, size, p * (1.0 - correlation)) + (1.0 - others) * (x == size)


@lru_cache(maxsize=200_000)
def _all_limits(x: tuple[int, ...], n: tuple[int, ...], *, large: bool) -> np.ndarray:
    counts = clustered_counts(x, n)
    methods = LARGE if large else SMALL
    return np.array([limits_or_none(method, counts) for method in methods.values()])


def judged(limits: np.ndarray, weights: np.ndarray, p: float) -> pd.DataFrame:
    """Coverage, width and share refused of each method; limits (data, methods, 2)."""
    low, high = limits[..., 0], limits[..., 1]
    given = ~np.isnan(low)
    mass = weights @ given
    held = given & (low <= p) & (p <= high)
    width = np.where(given, high - low, 0.0)
    return pd.DataFrame(
        {"coverage": weights @ held / mass, "width": weights @ width / mass, "refused": 1 - mass}
    )


def exact(design: tuple[int, ...], name: str) -> Iterator[pd.DataFrame]:
    data = list(itertools.product(*(range(n + 1) for n in design)))
    limits = np.array([_all_limits(x, design, large=False) for x in data])
    for p, correlation in itertools.product(PROPORTIONS, CORRELATIONS):
        laws = [cluster_pmf(name, p, correlation, n) for n in design]
        weights = np.array([math.prod(f[k] for f, k in zip(laws, x, strict=True)) for x in data])
        frame = judged(limits, weights, p).assign(method=list(SMALL), p=p, correlation=correlation)
        yield frame.assign(clusters=len(design))


def simulated(clusters: int, replicates: int, seed: int, name: str) -> Iterator[pd.DataFrame]:
    random = np.random.default_rng(seed)
    sizes = tuple(SIZES[k % len(SIZES)] for k in range(clusters))
    for p, correlation in itertools.product((0.8, 0.95), CORRELATIONS):
        draws = np.column_stack(
            [
                random.choice(n + 1, size=replicates, p=cluster_pmf(name, p, correlation, n))
                for n in sizes
            ]
        )
        limits = np.array([_all_limits(tuple(map(int, x)), sizes, large=True) for x in draws])
        frame = judged(limits, np.full(replicates, 1.0 / replicates), p)
        yield frame.assign(method=list(LARGE), p=p, correlation=correlation, clusters=clusters)


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Per method and correlation the lowest coverage over p and the mean width."""
    grouped = frame.groupby(["method", "correlation"], sort=False)
    table = pd.DataFrame(
        {
            "lowest coverage": grouped["coverage"].min(),
            "mean coverage": grouped["coverage"].mean(),
            "mean width": grouped["width"].mean(),
            "refused": grouped["refused"].mean().abs(),
        }
    ).reset_index()
    wide = table.pivot_table(index="method", columns="correlation", sort=False)
    return wide[["lowest coverage", "mean coverage", "mean width", "refused"]].round(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--law", choices=("beta", "two_point"), default="beta")
    parser.add_argument("--clusters", type=int, nargs="*", default=(10, 40))
    arguments = parser.parse_args()
    pd.set_option("display.width", 220, "display.max_columns", 40, "display.max_rows", 200)
    start = time.perf_counter()
    for name, design in SMALL_DESIGNS.items():
        frame = pd.concat(exact(design, arguments.law), ignore_index=True)
        print(f"\n3 clusters, {name}, lesions {design}; exact; p in {PROPORTIONS}")
        print(summary(frame).to_string())
        lowest = frame.groupby("method", sort=False)["coverage"].min()
        print(f"\nlowest coverage over p and correlation (target {TARGET}):")
        print(lowest.round(4).to_string())
    for clusters in arguments.clusters:
        frames = simulated(clusters, arguments.replicates, arguments.seed, arguments.law)
        frame = pd.concat(frames, ignore_index=True)
        error = math.sqrt(0.95 * 0.05 / arguments.replicates)
        print(f"\n{clusters} clusters of 2 to 12 lesions; p in (0.8, 0.95);", end=" ")
        print(f"{arguments.replicates} replicates each, Monte Carlo error {error:.3f}")
        print(summary(frame).to_string())
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
