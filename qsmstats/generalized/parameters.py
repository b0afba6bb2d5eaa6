r"""The free parameters of a generalised mixed model, and which columns each of them multiplies.

The vector is :math:`\phi = (\beta, \theta, \kappa)`: fixed effects in the orthogonal basis of the
design, the elements of the Cholesky factors of all terms (whitened columns, as in
`qsmstats.mixed.criterion.covariance`), and log k of a negative binomial. With :math:`\tilde a =
(1, a)` the constant and all standard normal effects of a row, its linear predictor is

.. math:: \eta_i = o_i + \sum_t \phi_t B_{i,\mathrm{column}(t)} \tilde a_{\mathrm{effect}(t)},

B holding the fixed columns and those of all terms. It is linear in :math:`\phi` at given effects,
so that its slope in parameter t is :math:`B_{i,\mathrm{column}(t)} \tilde a_{\mathrm{effect}(t)}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats, Places
from qsmstats.mixed.criterion.covariance import Parametrisation, lower_triangle

__all__ = ["Parameters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Where the free parameters stand in their vector.

    Attributes
    ----------
    rank
        Number of fixed effects p.
    covariance
        theta -> Cholesky factors of the terms, in the order of elimination.
    levels
        Number of terms on each grouping, finest first; their columns lie side by side.
    has_shape
        Whether kappa is the last parameter.
    """

    rank: int
    covariance: Parametrisation
    levels: tuple[int, ...]
    has_shape: bool

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.rank + self.covariance.size + self.has_shape

    @property
    def theta(self) -> slice:
        """Places of the Cholesky elements."""
        return slice(self.rank, self.rank + self.covariance.size)

    def split(self, phi: Floats) -> tuple[Floats, list[Floats], float]:
        """Return beta, the factor of each level (block diagonal over its terms), and kappa."""
        factors = self.covariance.factors(phi[self.theta])
        made, start = [], 0
        for count in self.levels:
            made.append(_block_diagonal(factors[start : start + count]))
            start += count
        return phi[: self.rank], made, float(phi[-1]) if self.has_shape else 0.0

    def places(self) -> tuple[Places, Places]:
        """Return column and effect of each parameter but kappa, shapes (p + theta,)."""
        columns, effects = [np.arange(self.rank)], [np.zeros(self.rank, dtype=np.intp)]
        start = 0
        for width in self.covariance.widths:
            row, column = lower_triangle(width)
            columns.append(self.rank + start + row)
            effects.append(1 + start + column)
            start += width
        return np.concatenate(columns), np.concatenate(effects)

    def orient(self, phi: Floats) -> Floats:
        """Return the same covariances with every diagonal of L at or above zero."""
        made = phi.copy()
        made[self.theta] = self.covariance.orient(phi[self.theta])
        return made


def _block_diagonal(blocks: Sequence[Floats]) -> Floats:
    width = sum(len(block) for block in blocks)
    made, start = np.zeros((width, width)), 0
    for block in blocks:
        stop = start + len(block)
        made[start:stop, start:stop] = block
        start = stop
    return made
