r"""Empirical Bayes estimates of the shift and the scale of scanners.

For feature f and scanner i, z are the standardised values, n their number, :math:`\hat\gamma` their
mean and :math:`\hat\delta^2` their variance (divisor n - 1). Over the features of one scanner

.. math:: \gamma \sim N(\bar\gamma, \tau^2), \qquad
   \delta^2 \sim \text{Inverse gamma}(\lambda, \theta)

with the moments of :math:`\hat\gamma` and :math:`\hat\delta^2`. The estimates solve (Johnson, Li &
Rabinovic 2007, Biostatistics 8:118-127, equations 3.1 to 3.3)

.. math:: \gamma^* = \frac{n\tau^2\hat\gamma + \delta^{2*}\bar\gamma}{n\tau^2 + \delta^{2*}}, \qquad
   \delta^{2*} = \frac{\theta + \frac12 \sum (z - \gamma^*)^2}{n/2 + \lambda - 1}.

With mean D and variance S of :math:`\hat\delta^2` over the features, :math:`\lambda - 1 = (D^2 + S)
/ S` and :math:`\theta = D (\lambda - 1)`; the second equation is multiplied by :math:`w = S / (D^2
+ S)`, so that it also holds for S = 0, and the sum is :math:`(n - 1)\hat\delta^2 + n (\hat\gamma -
\gamma^*)^2`. The two are iterated until neither changes by more than `TOLERANCE`: other programs
stop at a relative change of 1e-4 (sva, neuroCombat) or after 30 rounds (longCombat).
"""

from __future__ import annotations

import numpy as np

from qsmstats.arrays import Floats

__all__ = ["TOLERANCE", "shrunken"]

TOLERANCE = 1e-10
"""Change of a standardised shift, and relative change of a variance, at which iteration stops."""


def shrunken(shift: Floats, variance: Floats, n: Floats, *, scale: bool) -> tuple[Floats, Floats]:
    """Return the empirical Bayes estimates for one scanner.

    Parameters
    ----------
    shift, variance, n
        Mean and variance of the standardised values and their number, shapes (features,).
    scale
        Whether the variance is estimated; otherwise it is kept as given.

    Returns
    -------
    shift, variance
        Shapes (features,).

    Examples
    --------
    >>> n = np.full(3, 10.0)
    >>> shift, variance = shrunken(np.array([0.0, 1, 2]), np.array([0.5, 1, 1.5]), n, scale=True)
    >>> shift.round(2), variance.round(2)
    (array([0.06, 1.  , 1.92]), array([0.61, 0.97, 1.35]))
    """
    mean, tau2 = shift.mean(), shift.var(ddof=1)
    centre, spread = variance.mean(), variance.var(ddof=1)
    weight = spread / (centre**2 + spread)
    gamma, delta2 = shift, variance
    while True:
        before = gamma, delta2
        gamma = (n * tau2 * shift + delta2 * mean) / (n * tau2 + delta2)
        if not scale:
            return gamma, delta2
        squares = (n - 1) * variance + n * (shift - gamma) ** 2
        delta2 = (centre + 0.5 * weight * squares) / (1 + 0.5 * weight * n)
        moved = max(np.abs(gamma - before[0]).max(), np.abs(delta2 / before[1] - 1).max())
        if not moved > TOLERANCE:
            return gamma, delta2
