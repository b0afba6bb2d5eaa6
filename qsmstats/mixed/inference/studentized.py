r"""Upper tail of the studentized range, for many statistics at once.

With :math:`k` independent standard normals of range :math:`R` and an independent
:math:`s = \chi_\nu / \sqrt\nu`, the studentized range is :math:`Q = R / s` and (Lund & Lund 1983,
Appl Stat 32:204-210)

.. math::

    P(Q > q) &= \int f_\nu(s)\, P(R > q s)\, ds \\
    P(R > w) &= k \int \varphi(z) \left[\Phi(z)^{k-1} - \{\Phi(z) - \Phi(z - w)\}^{k-1}\right] dz

The bracket is taken as :math:`-\Phi(z)^{k-1}\,\mathrm{expm1}\{(k-1)\,\mathrm{log1p}(-\Phi(z - w) /
\Phi(z))\}`, so small tails keep their relative accuracy. Both integrals run over analytic functions
that vanish at both ends (the outer one in :math:`\log s`), for which the trapezoidal rule
converges geometrically (Trefethen & Weideman 2014, SIAM Rev 56:385-458). scipy's
``studentized_range`` is the reference in the tests; it takes some 10 ms for each value, which a
table of contrasts with one df in each row cannot afford.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qsmstats.arrays import Floats

__all__ = ["upper_tail"]


# Integrands are cut where they have fallen by exp(-40).
_DEPTH = 40.0
# Steps of a fifth of the normal's standard deviation.
_INNER = np.linspace(-9.0, 9.0, 91)


def upper_tail(q: ArrayLike, k: int, df: ArrayLike) -> Floats:
    """P(Q > q) for k means.

    Parameters
    ----------
    q
        Statistics, shape (m,), not negative.
    k
        Number of means, at least 2.
    df
        Degrees of freedom, shape (m,) or one number; may be infinite.

    Returns
    -------
    ndarray of shape (m,)
    """
    q, nu = np.broadcast_arrays(np.asarray(q, float), np.asarray(df, float))
    return np.array(
        [_tail(float(one), k, float(d)) for one, d in zip(q.ravel(), nu.ravel(), strict=True)]
    ).reshape(q.shape)


def _tail(q: float, k: int, nu: float) -> float:
    if np.isinf(nu):
        return float(_range_tail(np.array([q]), k)[0])
    depth = _DEPTH / nu
    left = -0.5 * np.log1p(q**2 / (2.0 * nu)) - np.sqrt(depth) - depth
    right = min(np.sqrt(depth), 0.5 + 0.5 * np.log(2.0 * depth + 3.0))
    # Few degrees of freedom stretch the range of log s; below one its left end decays slowly.
    log_s = np.linspace(left, right, 120 if nu >= 4.0 else 400)
    # The constant of the density cancels: its own sum over the nodes is one.
    density = np.exp(nu * (log_s - 0.5 * np.expm1(2.0 * log_s)))
    return float(density @ _range_tail(q * np.exp(log_s), k) / density.sum())


def _range_tail(w: Floats, k: int) -> Floats:
    """P(R > w); its integrand is centred near w / 2 once w is large."""
    z = w[:, None] / 2.0 + _INNER
    log_phi = special.log_ndtr(z)
    share = np.exp(np.minimum(special.log_ndtr(z - w[:, None]) - log_phi, 0.0))
    with np.errstate(divide="ignore"):
        bracket = -np.expm1((k - 1) * np.log1p(-share))
    height = np.exp(-0.5 * z**2 + (k - 1) * log_phi) / np.sqrt(2.0 * np.pi)
    tail = k * (height * bracket).sum(axis=1) * (_INNER[1] - _INNER[0])
    return np.asarray(np.minimum(tail, 1.0), float)
