"""The criterion of two correlated random columns along the boundary of their covariance matrices.

For outcomes that share all rows under one grouping factor. Singular matrices of two columns are
T = r^2 u u' with u = (cos f, sin f), and there (Sherman & Morrison 1950, Ann Math Stat 21, 124-127)

  M_s = r^2 u u' / (1 + r^2 u'A_s u),     log det(I + A_s T) = log(1 + r^2 u'A_s u),

so that F_XX and l are the same for all outcomes at each (f, r), and an outcome's own part is one
product with a shared matrix: a point costs a hundredth of an evaluation with derivatives. A minimum
on the boundary other than the one that is known shows as a minimum of this grid.
"""

from __future__ import annotations

import numpy as np

from qsmstats.arrays import Floats, Places
from qsmstats.mixed.batch.shared_rows import SharedProducts
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.profiled import LEAST_RESIDUAL

__all__ = ["boundary_starts"]


# Directions of the half circle, and lengths in units of the whitened columns.
_ANGLES = np.arange(24) * np.pi / 24
_LENGTHS = np.geomspace(0.1, 100.0, 13)
# Minima of the grid closer to the known minimum than this (in its steps) are that minimum.
_CLOSE = 1.6


def boundary_starts(
    products: SharedProducts, theta: Floats, *, reml: bool
) -> tuple[Places, Floats]:
    """Return where else than at a singular optimum the boundary has minima.

    Parameters
    ----------
    products
        Cross-products of m outcomes.
    theta
        Their optima, shape (m, 3).
    reml
        REML or ML.

    Returns
    -------
    which, starts
        The outcome of each minimum of the grid, ascending, and theta there, shape (.., 3).
    """
    angles, lengths = len(_ANGLES), len(_LENGTHS)
    values = np.stack([_along(products, angle, reml=reml) for angle in _ANGLES])
    # Directions are periodic; beyond the lengths lies nothing.
    around = np.pad(values[np.arange(-1, angles + 1) % angles], ((0, 0), (1, 1), (0, 0)))
    around[:, [0, -1]] = np.inf
    least = np.isfinite(values)
    for a in range(3):
        for b in range(3):
            least &= values <= around[a : a + angles, b : b + lengths]
    # The shortest are near T = 0, which descents from the known optimum have seen.
    least[:, 0] = False
    factor = np.zeros((len(theta), 2, 2))
    factor[:, 0, 0], factor[:, 1, 0], factor[:, 1, 1] = theta.T
    axes, sizes, _ = np.linalg.svd(factor)
    turn = np.abs(_ANGLES[:, None] - np.arctan2(axes[:, 1, 0], axes[:, 0, 0])) % np.pi
    turn = np.minimum(turn, np.pi - turn) / _ANGLES[1]
    stretch = np.log(_LENGTHS)[:, None] - np.log(np.maximum(sizes[:, 0], 1e-6))
    stretch = np.abs(stretch) / np.log(_LENGTHS[1] / _LENGTHS[0])
    least &= (turn[:, None] > _CLOSE) | (stretch > _CLOSE)
    which, f, r = np.nonzero(np.moveaxis(least, -1, 0))
    u = np.stack([np.cos(_ANGLES[f]), np.sin(_ANGLES[f]), np.zeros(len(f))], axis=1)
    return which, _LENGTHS[r][:, None] * u


def _along(products: SharedProducts, angle: float, *, reml: bool) -> Floats:
    """Criteria at all lengths in one direction but for a constant, shape (lengths, m)."""
    shared = products.shared
    p, m = products.cross.shape
    u = np.array([np.cos(angle), np.sin(angle)])
    rows, columns = lower_triangle(2)
    squares = _LENGTHS[:, None] ** 2
    stretched = squares * np.einsum("a,b,abs->s", u, u, shared.shapes)
    swept = (u[rows] * u[columns])[:, None] * (squares / (1.0 + stretched))[:, None]
    swept = swept.reshape(len(_LENGTHS), -1)
    fixed = shared.total - (swept @ shared.sides).reshape(-1, p, p)
    cross = products.cross - (swept @ products.sides.reshape(-1, p * m)).reshape(-1, p, m)
    size, axes = np.linalg.eigh(fixed)
    size = np.maximum(size, np.finfo(np.float64).tiny)
    held = (axes.swapaxes(1, 2) @ cross) / np.sqrt(size)[:, :, None]
    rss = products.square - swept @ products.squares - np.square(held).sum(axis=1)
    degrees = len(shared.rows.order) - (p if reml else 0)
    good = rss > LEAST_RESIDUAL * degrees
    shared_part = np.log1p(stretched) @ shared.counts
    if reml:
        shared_part += np.log(size).sum(axis=1)
    value = shared_part[:, None] + degrees * np.log(np.where(good, rss, 1.0))
    return np.where(good, value, np.inf)
