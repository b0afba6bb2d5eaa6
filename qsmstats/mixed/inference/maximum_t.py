r"""Distribution of the largest of several correlated t statistics.

With :math:`(T_1, \dots, T_m)` multivariate t with correlation :math:`R` of rank :math:`r` and
:math:`\nu` degrees of freedom, a single-step adjustment needs (Genz & Bretz 2009, Computation of
Multivariate Normal and t Probabilities, chapters 4 and 6)

.. math:: p(t) = P(\max_j |T_j| > t)

Let :math:`R = A A'` with rows :math:`a_j`. Then :math:`T_j = \rho\, a_j'u` with :math:`u` uniform
on the unit sphere of :math:`r` dimensions and, independently, :math:`\rho^2 / r \sim F_{r, \nu}`
(spherical-radial decomposition). The radial part is integrated exactly:

.. math:: p(t) = E_u\left[ P\left\{ F_{r, \nu} > \frac{t^2}{r\, c(u)^2} \right\} \right],
          \qquad c(u) = \max_j |a_j'u| \in (0, 1]

so that one sample of :math:`c`, which depends on :math:`R` alone, gives :math:`p` as a smooth and
strictly decreasing function of t for any degrees of freedom. The p-value of a statistic and the
critical value of an interval are this one function and its inverse: they cannot contradict each
other. A singular R (pairwise differences) needs no special care. The directions u are a randomly
shifted Sobol sequence with a fixed seed (quasi-Monte Carlo, 2^16 points); the result is the same at
every call. With rank one, c is one and p exactly Student's.

Against the exact studentized range (3 to 12 equal means, t from 0.5 to 9), p is off by less than
2e-4 (7e-5 for five means) everywhere and by less than 4e-5 near .05, and by less than 1 % of itself
where it is small.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.stats import qmc

from qsmstats.arrays import Floats

__all__ = ["MaximumT"]


_LOG2_POINTS = 16
_BLOCKS = 32
_BINS = 128


class MaximumT:
    """The largest absolute value of a multivariate t with given correlation.

    Parameters
    ----------
    correlation
        R, shape (m, m); may be singular.
    """

    def __init__(self, correlation: ArrayLike) -> None:
        values, vectors = np.linalg.eigh(np.asarray(correlation, float))
        used = values > 1e-10 * values[-1]
        rows = vectors[:, used] * np.sqrt(values[used])
        # Eigenvectors of equal eigenvalues turn with rounding; a triangular factor does not.
        upper = np.asarray(np.linalg.qr(rows.T, mode="r"))
        rows = (upper * np.where(np.diag(upper) < 0.0, -1.0, 1.0)[:, None]).T
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        self.rank = rows.shape[1]
        # Block by block, so that no array grows with points times statistics.
        reach = np.concatenate(
            [np.abs(rows @ block).max(axis=0) for block in _directions(self.rank)]
        )
        # p is smooth in c: means of narrow bins, weighted by their counts, stand for the sample.
        count, edges = np.histogram(reach, _BINS)
        total, _ = np.histogram(reach, edges, weights=reach)
        self.reach = total[count > 0] / count[count > 0]
        self.share = count[count > 0] / len(reach)

    def upper_tail(self, t: ArrayLike, df: ArrayLike) -> Floats:
        """P(max |T_j| > t), shape (k,), for statistics and degrees of freedom of shape (k,)."""
        t, df = np.broadcast_arrays(np.asarray(t, float), np.asarray(df, float))
        square = (t[:, None] / self.reach) ** 2
        tail = np.empty(square.shape)
        normal = np.isinf(df)
        tail[normal] = special.chdtrc(self.rank, square[normal])
        tail[~normal] = special.fdtrc(self.rank, df[~normal, None], square[~normal] / self.rank)
        return np.asarray(tail @ self.share, float)


@lru_cache(maxsize=8)
def _directions(rank: int) -> tuple[Floats, ...]:
    """Points spread evenly over the unit sphere, blocks of shape (rank, points)."""
    if rank == 1:
        return (np.ones((1, 1)),)
    points = qmc.Sobol(rank, rng=0).random_base2(_LOG2_POINTS)
    # A coordinate of exactly zero would be minus infinity.
    normal = special.ndtri(np.maximum(points.T, 1e-12))
    return tuple(np.split(normal / np.linalg.norm(normal, axis=0), _BLOCKS, axis=1))
