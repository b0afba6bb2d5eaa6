"""What inference needs of an optimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.mixed.criterion.covariance import Parametrisation
from qsmstats.mixed.criterion.profiled import Profile

__all__ = ["Moments", "wald_statistic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The optimum with all derivatives, in the basis and on the scale of the cross-products.

    Attributes
    ----------
    profile
        The profiled criterion at the optimum.
    parametrisation, theta
        Free parameters of the optimum.
    basis
        Upper triangular R with X = Q R, shape (p, p).
    scale
        Length of the outcome's unit in the user's.
    stratum_sizes
        Rows of each residual stratum, shape (strata,).
    """

    profile: Profile
    parametrisation: Parametrisation
    theta: Floats
    basis: Floats
    scale: float
    stratum_sizes: Floats

    @property
    def variance(self) -> float:
        """Residual variance on the scale of the cross-products."""
        return self.profile.rss / self.profile.degrees


def wald_statistic(rows: Floats, effects: Floats, covariance: Floats) -> float:
    """Wald statistic over its number of rows."""
    return float(effects @ np.linalg.solve(rows @ covariance @ rows.T, effects)) / len(rows)
