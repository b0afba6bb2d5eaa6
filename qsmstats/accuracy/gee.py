"""Population-averaged logit of one proportion by generalised estimating equations.

With a single mean the equations of Liang & Zeger (1986) have a closed form. For a working
correlation a (0: independence) let w_g = 1 / (1 + (n_g - 1) a). Then
p = sum w_g x_g / sum w_g n_g, the logit's bread is B = p(1-p) sum w_g n_g, the leverage of a
cluster is h_g = w_g n_g / sum w_g n_g, and the covariance is sum s_g^2 / B^2 with
s_g = w_g (x_g - n_g p) divided by

robust            1
kauermann_carroll (1 - h_g)^(1/2), nearly unbiased (Kauermann & Carroll 2001)
mancl_derouen     1 - h_g, "bias reduced", errs on the large side (Mancl & DeRouen 2001)

The exchangeable correlation is the moment estimate: the mean over pairs of products of
Pearson residuals, over the mean squared residual. It is iterated with p.

Intervals are on the logit scale with Student's t on G - 1 degrees of freedom, or with the
Satterthwaite degrees of freedom of the Kauermann-Carroll covariance under independence
(Bell & McCaffrey 2002; Pustejovsky & Tipton 2018).

References
----------
Bell RM, McCaffrey DF (2002) Surv Methodol 28:169-181.
Kauermann G, Carroll RJ (2001) J Am Stat Assoc 96:1387-1396.
Liang KY, Zeger SL (1986) Biometrika 73:13-22.
Mancl LA, DeRouen TA (2001) Biometrics 57:126-134.
Pustejovsky JE, Tipton E (2018) J Bus Econ Stat 36:672-683.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from qsmstats.accuracy.clustered import ClusteredCounts
from qsmstats.accuracy.intervals import Limits, critical_value
from qsmstats.errors import ConvergenceError, NotIdentifiedError, UsageError

__all__ = ["GEE_COVARIANCES", "GeeFit", "fit_gee"]

GEE_COVARIANCES = ("robust", "kauermann_carroll", "mancl_derouen")
_POWERS = dict(zip(GEE_COVARIANCES, (0.0, 0.5, 1.0), strict=True))
_MAX_ITERATIONS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class GeeFit:
    """Logit of a proportion with its sandwich standard error.

    Attributes
    ----------
    logit, std_error
        On the logit scale.
    correlation
        Working correlation (0 under independence).
    df
        Degrees of freedom G - 1.
    satterthwaite_df
        Of the Kauermann-Carroll covariance under independence.
    """

    logit: float
    std_error: float
    correlation: float
    df: float
    satterthwaite_df: float

    @property
    def proportion(self) -> float:
        """The fitted proportion."""
        return float(special.expit(self.logit))

    def interval(self, *, level: float = 0.95) -> Limits:
        """Limits of the proportion, from the logit with t on `df`."""
        half = critical_value(level, self.df) * self.std_error
        return float(special.expit(self.logit - half)), float(special.expit(self.logit + half))


def _weighted_proportion(counts: ClusteredCounts, correlation: float) -> float:
    weights = 1.0 / (1.0 + (counts.trials - 1.0) * correlation)
    return float(weights @ counts.successes) / float(weights @ counts.trials)


def _moment_correlation(counts: ClusteredCounts, p: float) -> float:
    x, n = counts.successes, counts.trials
    squares = x * (1.0 - p) ** 2 + (n - x) * p**2
    pairs = float(np.sum(n * (n - 1.0)))
    if pairs == 0.0:
        raise NotIdentifiedError(
            "no cluster holds more than one trial: an exchangeable correlation cannot be"
            " estimated; use the independence working correlation"
        )
    products = float(np.sum((x - n * p) ** 2 - squares))
    return (products / pairs) / (float(squares.sum()) / counts.total)


def _exchangeable(counts: ClusteredCounts) -> float:
    correlation = 0.0
    for _ in range(_MAX_ITERATIONS):
        updated = _moment_correlation(counts, _weighted_proportion(counts, correlation))
        if abs(updated - correlation) < 1e-12:
            return updated
        correlation = updated
    raise ConvergenceError(
        f"the exchangeable correlation still moved after {_MAX_ITERATIONS} iterations; use the"
        " independence working correlation"
    )


def _satterthwaite(counts: ClusteredCounts) -> float:
    """Degrees of freedom 2 / cv^2 of the Kauermann-Carroll sum, from its quadratic form."""
    leverage = counts.trials / counts.total
    residual_maker = np.eye(counts.n_clusters) - np.outer(leverage, np.ones(counts.n_clusters))
    spread = residual_maker * np.sqrt(counts.trials) / np.sqrt(1.0 - leverage)[:, None]
    products = spread @ spread.T
    return float(np.trace(products) ** 2 / np.sum(products**2))


def fit_gee(
    counts: ClusteredCounts,
    *,
    working: str = "independence",
    covariance: str = "mancl_derouen",
) -> GeeFit:
    """Fit one population-averaged proportion.

    Parameters
    ----------
    counts
        Counts per cluster.
    working
        "independence" or "exchangeable".
    covariance
        One of `GEE_COVARIANCES`.

    Raises
    ------
    UsageError
        If an option is unknown.
    NotIdentifiedError
        With a single cluster, or when all trials agree, since the logit is then infinite.
    ConvergenceError
        If the exchangeable correlation does not settle.
    """
    if working not in ("independence", "exchangeable") or covariance not in GEE_COVARIANCES:
        raise UsageError(
            f"working correlation {working!r} with covariance {covariance!r}; choose"
            f" 'independence' or 'exchangeable', and one of {GEE_COVARIANCES}"
        )
    if counts.n_clusters < 2:
        raise NotIdentifiedError("one cluster only: a robust standard error needs two; add some")
    if counts.unanimous:
        raise NotIdentifiedError("GEE refused: all trials agree, the logit is infinite; use wilson")
    correlation = 0.0 if working == "independence" else _exchangeable(counts)
    p = _weighted_proportion(counts, correlation)
    weights = 1.0 / (1.0 + (counts.trials - 1.0) * correlation)
    leverage = weights * counts.trials / float(weights @ counts.trials)
    scores = weights * (counts.successes - counts.trials * p)
    scores = scores / (1.0 - leverage) ** _POWERS[covariance]
    bread = p * (1.0 - p) * float(weights @ counts.trials)
    return GeeFit(
        logit=float(special.logit(p)),
        std_error=math.sqrt(float(scores @ scores)) / bread,
        correlation=correlation,
        df=counts.n_clusters - 1.0,
        satterthwaite_df=_satterthwaite(counts),
    )
