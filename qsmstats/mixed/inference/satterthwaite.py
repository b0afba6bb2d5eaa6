"""Satterthwaite's degrees of freedom from the curvature of the deviance.

As lmerTest (Kuznetsova, Brockhoff & Christensen 2017, J Stat Softw 82(13)): with free parameters
(theta, log sigma), deviance d = l + log det F_XX + nu log(2 pi sigma2) + r2/sigma2 and
A = 2 Hess(d)^-1 over its positive eigenvalues, a function L b with variance v = L C L' has

  df = 2 v^2 / (g'A g),    g = gradient of v in the parameters;

several rows are rotated to independent ones, whose df are combined as the denominator of a sum of
squared t statistics. Log ratios of residual variances are parameters like the others.
"""

from __future__ import annotations

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.mixed.criterion.profiled import Moments, deviance_uncertainty

__all__ = ["Satterthwaite"]


class Satterthwaite:
    """Satterthwaite's approximation from the curvature of the deviance."""

    def __init__(self, moments: Moments) -> None:
        made, inverse = moments.profile, moments.profile.inverse
        variance = moments.variance
        p = len(inverse)
        first, second = moments.parametrisation.derivatives(moments.theta)
        self.covariance = inverse * variance
        slope = made.curve_first + made.rss_first / variance
        curve = made.curve_second + made.rss_second / variance
        self.uncertainty = deviance_uncertainty(
            first.T @ curve @ first + np.tensordot(slope, second, axes=1),
            first.T @ made.rss_first,
            made.rss,
            variance,
        )
        moved = -variance * inverse @ made.total.first[:, :p, :p] @ inverse
        self.slopes = np.concatenate(
            [np.tensordot(first.T, moved, axes=1), 2.0 * self.covariance[None]]
        )

    def rows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Variance and df of each row."""
        variance = np.einsum("ki,ij,kj->k", rows, self.covariance, rows)
        slope = np.einsum("ki,aij,kj->ka", rows, self.slopes, rows)
        spread = np.einsum("ka,ab,kb->k", slope, self.uncertainty, slope)
        with np.errstate(divide="ignore", invalid="ignore"):
            return variance, 2.0 * variance**2 / spread

    def joint(self, rows: Floats, effects: Floats) -> tuple[float, float]:
        """F statistic and denominator df, combined over the principal components."""
        size, axes = np.linalg.eigh(rows @ self.covariance @ rows.T)
        statistic = float(((axes.T @ effects) ** 2 / size).mean())
        return statistic, _combine(self.rows(axes.T @ rows)[1])


def _combine(df: Floats) -> float:
    """Denominator df of a mean of squared independent t statistics."""
    if np.allclose(df, df[0], rtol=1e-8, atol=0.0):
        return float(df.mean())
    if np.any(df <= 2.0):
        return 2.0
    # The expected sum of the squares less their number; infinite df add nothing to it.
    excess = float((2.0 / (df - 2.0)).sum())
    return 2.0 + 2.0 * len(df) / excess
