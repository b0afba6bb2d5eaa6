"""Model checks: normal quantile plots and residuals against fitted values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.stats import norm

from qsmstats.report.figures.style import INK, colour

__all__ = ["normal_quantiles", "residuals_fitted"]

BINS = 10
# Fewer residuals per bin than this, and the line of means would show noise.
FEWEST = 20


def normal_quantiles(values: ArrayLike, axes: Axes) -> Axes:
    """Draw sorted values, standardised, against the quantiles of the normal distribution.

    Plotting positions (i - 1/2) / n; the line is the identity.

    Parameters
    ----------
    values
        Residuals or predicted random effects, shape (n,).
    axes
        Axes to draw on.

    Returns
    -------
    Axes
    """
    sample = np.sort(np.asarray(values, dtype=np.float64))
    sample = sample[np.isfinite(sample)]
    spread = sample.std(ddof=1) if len(sample) > 1 else 0.0
    if spread == 0:
        axes.text(0.5, 0.5, "all values are equal", transform=axes.transAxes, ha="center")
        return axes
    expected = norm.ppf((np.arange(len(sample)) + 0.5) / len(sample))
    scaled = (sample - sample.mean()) / spread
    ends = [expected[0], expected[-1]]
    axes.plot(ends, ends, color="#999999", linewidth=1)
    axes.scatter(expected, scaled, s=5, color=INK, alpha=0.6, linewidth=0, rasterized=True)
    axes.set_xlabel("normal quantile")
    axes.set_ylabel("standardised value")
    return axes


def residuals_fitted(frame: pd.DataFrame, axes: Axes, *, level: str) -> Axes:
    """Draw residuals against fitted values, with the mean of each tenth of the fitted values.

    Parameters
    ----------
    frame
        Columns fitted and residual.
    axes
        Axes to draw on.
    level
        Level that gives the colour.

    Returns
    -------
    Axes
    """
    rows = frame[["fitted", "residual"]].dropna().sort_values("fitted")
    axes.axhline(0, color="#999999", linewidth=1)
    axes.scatter(
        rows["fitted"],
        rows["residual"],
        s=4,
        color=colour(level),
        alpha=float(np.clip(150 / max(len(rows), 1), 0.2, 0.8)),
        linewidth=0,
        rasterized=True,
    )
    if len(rows) >= FEWEST * BINS:
        tenths = [rows.iloc[part].mean() for part in np.array_split(np.arange(len(rows)), BINS)]
        middle = pd.DataFrame(tenths)
        axes.plot(middle["fitted"], middle["residual"], color=INK, linewidth=1.5)
    return axes
