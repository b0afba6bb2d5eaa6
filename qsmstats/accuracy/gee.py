"""Population-averaged logit of one proportion by generalised estimating equations.

With a single mean and the working correlation of independence the equations of Liang & Zeger
(1986) have a closed form. With N = sum n_g, p = sum x_g / N, the logit's bread B = p(1 - p) N and
the leverage of a cluster h_g = n_g / N, the covariance is sum s_g^2 / B^2 with
s_g = (x_g - n_g p) / (1 - h_g), "bias reduced", which is conservative (Mancl & DeRouen
2001). The interval is on the logit scale with Student's t on G - 1 degrees of freedom.

References
----------
Liang KY, Zeger SL (1986) Biometrika 73:13-22.
Mancl LA, DeRouen TA (2001) Biometrics 57:126-134.
"""

from __future__ import annotations

import math

from qsmstats.accuracy.clustered import ClusteredCounts
from qsmstats.accuracy.intervals import Limits, critical_value, logit_limits
from qsmstats.errors import NotIdentifiedError

__all__ = ["gee_interval", "gee_std_error"]


def gee_std_error(counts: ClusteredCounts) -> float:
    """Bias-reduced sandwich standard error of the logit of the proportion.

    Raises
    ------
    NotIdentifiedError
        With a single cluster, or when all trials agree, since the logit is then infinite.
    """
    if counts.n_clusters < 2:
        raise NotIdentifiedError("one cluster only: a robust standard error needs two or more")
    if counts.unanimous:
        raise NotIdentifiedError(
            "GEE refused: all trials agree, the logit is infinite; use another interval"
        )
    p = counts.proportion
    scores = (counts.successes - counts.trials * p) / (1.0 - counts.trials / counts.total)
    return math.sqrt(float(scores @ scores)) / (p * (1.0 - p) * counts.total)


def gee_interval(counts: ClusteredCounts, *, level: float = 0.95) -> Limits:
    """Limits of the proportion, from the logit with t on G - 1 degrees of freedom.

    Raises
    ------
    NotIdentifiedError
        As `gee_std_error`.
    """
    half = gee_std_error(counts) * critical_value(level, counts.n_clusters - 1.0)
    return logit_limits(counts.proportion, half)
