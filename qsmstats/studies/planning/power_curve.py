r"""Where a power curve through simulated sizes reaches a power.

.. math:: \Phi^{-1}(\mathrm{power}) = a + b \sqrt{n}

is fitted by maximum likelihood (probit regression); the power of a z test has this form, with b > 0
and a its critical value. The size follows by solving for n, its interval by the delta method for
:math:`\sqrt{n}`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats

__all__ = ["size_on_curve"]


# Fisher scoring from the line through the probits is at its fixed point long before.
SCORING_STEPS = 25


def size_on_curve(
    table: pd.DataFrame, power: float, level: float
) -> tuple[float, float, float] | None:
    """Return where the probit curve through simulated sizes reaches a power, with its interval.

    Parameters
    ----------
    table
        patients, power and effective_simulations of every size.
    power
        The target.
    level
        Confidence level.

    Returns
    -------
    tuple or None
        Size, lower and upper limit; None where power does not rise with size.
    """
    sizes, weights = (
        table[name].to_numpy(np.float64) for name in ("patients", "effective_simulations")
    )
    # Half a success and half a failure more keep a share of one within the curve's reach.
    shares = (table["power"].to_numpy(np.float64) * weights + 0.5) / (weights + 1.0)
    (intercept, rise), covariance = _probit(np.sqrt(sizes), shares, weights)
    if not rise > 0.0:
        return None
    root = (float(stats.norm.ppf(power)) - intercept) / rise
    slope = np.array([-1.0 / rise, -root / rise])
    half = float(stats.norm.isf((1.0 - level) / 2.0) * np.sqrt(slope @ covariance @ slope))
    return float(root**2), max(root - half, 0.0) ** 2, float((root + half) ** 2)


def _probit(x: Floats, shares: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Fit a line to probits of shares by Fisher scoring; return coefficients and covariance."""
    design = np.column_stack([np.ones_like(x), x])
    found = np.polynomial.polynomial.polyfit(x, stats.norm.ppf(shares), 1)
    for _ in range(SCORING_STEPS):
        line = design @ found
        fitted, density = stats.norm.cdf(line), stats.norm.pdf(line)
        size = weights * density / (fitted * (1.0 - fitted))
        information = design.T @ (design * (size * density)[:, None])
        found = found + np.linalg.solve(information, design.T @ (size * (shares - fitted)))
    return found, np.linalg.inv(information)
