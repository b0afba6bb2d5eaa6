r"""Laplace's approximation of the likelihood, for any design.

With standard normal effects a, loadings :math:`\Lambda` (blocks L), and
:math:`h(a) = \sum_i l_i(\eta_i) - |a|^2 / 2` at its maximum :math:`\hat a`,

.. math:: -2 \log L \approx -2 h(\hat a) + \log\det H, \qquad H = \Lambda' Z' W Z \Lambda + I,

W the observed curvature, as in glmmTMB (Kristensen et al. 2016, J Stat Softw 70(5)); the expected
one would not be Laplace's approximation where the link is not canonical.

*Gradient.* With leverages :math:`v_i = c_i' H^{-1} c_i`, :math:`c_i` row i of :math:`Z\Lambda`, and
:math:`t_i = dw_i/d\eta_i`,

.. math:: r = H^{-1} \Lambda' Z' (v t), \quad \rho = Z \Lambda r, \quad
   \frac{d \log\det H}{d\phi} = \sum_i (v_i t_i - w_i \rho_i) \frac{\partial\eta_i}{\partial\phi}
   + \sum_i z_i \frac{\partial\Lambda}{\partial\phi} (s_i r + 2 w_i H^{-1} c_i),

the implicit function theorem giving :math:`\partial\hat a/\partial\phi`. The Hessian is taken from
central differences of this gradient.

*Elimination.* One grouping is swept out group by group; what is left, H of the other groupings less
its share, is one dense block, as for the crossed designs of linear models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from qsmstats.arrays import Floats, Integers, Places
from qsmstats.errors import NotIdentifiedError
from qsmstats.generalized.family import Outcome
from qsmstats.generalized.parameters import Parameters

__all__ = ["Laplace"]

_MOST_STEPS = 200
# Length of the Newton steps at which the modes are found: the next one would be its square.
_MODE = 1e-6
# Relative length of the steps of the differences of the gradient.
_STEP = 1e-4
# Numbers in the dense block, and in its products with the swept grouping.
_MOST_NUMBERS = 2**27


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    """H at given effects: the swept blocks, the dense rest, and what joins them.

    Attributes
    ----------
    swept
        Inverse of the swept blocks, shape (groups, d, d).
    joined
        F = H11^-1 H12, shape (groups * d, rest).
    rest
        Inverse of the Schur complement, shape (rest, rest).
    logdet
        log det H.
    """

    swept: Floats
    joined: sparse.csr_array
    rest: Floats
    logdet: float

    def solve(self, right: Floats) -> Floats:
        """H^-1 times a vector."""
        groups, width, _ = self.swept.shape
        first, second = right[: groups * width], right[groups * width :]
        inner = (self.swept @ first.reshape(groups, width, 1)).ravel()
        outer = self.rest @ (second - self.joined.T @ first)
        return np.concatenate([inner - self.joined @ outer, outer])


class Laplace:
    """The log likelihood of a design by Laplace's approximation.

    Parameters
    ----------
    outcome, fixed, offset
        The rows: outcomes, fixed columns, shape (n, p), and offset, shape (n,).
    columns, codes
        Of each grouping, that to sweep first: whitened columns, (n, d), and groups, (n,).
    parameters
        Of the model, its groupings in the same order.
    """

    def __init__(
        self,
        outcome: Outcome,
        fixed: Floats,
        offset: Floats,
        columns: Sequence[Floats],
        codes: Sequence[Integers],
        parameters: Parameters,
    ) -> None:
        self.outcome, self.fixed, self.offset = outcome, fixed, offset
        self.columns, self.codes, self.parameters = tuple(columns), tuple(codes), parameters
        self.sizes = [int(code.max()) + 1 for code in codes]
        self.widths = [part.shape[1] for part in columns]
        starts = np.cumsum([0, *np.multiply(self.sizes, self.widths)])
        self.count, self.first = int(starts[-1]), int(starts[1])
        rest = self.count - self.first
        if rest * max(rest, self.first) > _MOST_NUMBERS:
            raise NotIdentifiedError(
                f"integration='laplace' cannot hold {self.first} effects beside {rest} of the "
                "other groupings; use integration='nested' if the groupings are nested, or fewer "
                "random terms"
            )
        # Place of each row's own effects among all, shape (n, D).
        self.own: Places = np.column_stack(
            [
                start + code[:, None] * width + np.arange(width)
                for start, code, width in zip(starts[:-1], codes, self.widths, strict=True)
            ]
        )
        self.constant = outcome.constant
        self.modes = np.zeros(self.count)

    def at(self, phi: Floats) -> tuple[float, Floats, Floats]:
        """Return the log likelihood, its gradient and its Hessian."""
        value, gradient = self.slope(phi)
        found = self.modes
        hessian = np.empty((len(phi), len(phi)))
        for place in range(len(phi)):
            move = np.zeros(len(phi))
            move[place] = _STEP * max(1.0, abs(phi[place]))
            sides = []
            for sign in (1.0, -1.0):
                self.modes = found
                sides.append(self.slope(phi + sign * move)[1])
            hessian[place] = (sides[0] - sides[1]) / (2.0 * move[place])
        self.modes = found
        return value, gradient, 0.5 * (hessian + hessian.T)

    def slope(self, phi: Floats) -> tuple[float, Floats]:
        """Return the log likelihood and its gradient; the search for modes starts at the last."""
        beta, factors, kappa = self.parameters.split(phi)
        loaded = np.column_stack(
            [part @ factor for part, factor in zip(self.columns, factors, strict=True)]
        )
        system, value = self._modes(self.offset + self.fixed @ beta, loaded, kappa)
        eta = self.offset + self.fixed @ beta + (loaded * self.modes[self.own]).sum(axis=1)
        rows = self.outcome.at(eta, kappa, third=True)
        pulled = self._pulled(system, loaded)
        leverage = (loaded * pulled).sum(axis=1)
        push = leverage * rows.third
        moved = system.solve(self._transposed(loaded, push))[self.own]
        shift = (loaded * moved).sum(axis=1)
        by_row = rows.first - 0.5 * (push - rows.curve * shift)
        base = np.column_stack([self.fixed, *self.columns])
        columns, effects = self.parameters.places()
        gradient = np.empty(len(phi))
        gradient[: len(beta)] = self.fixed.T @ by_row
        own = (
            by_row[:, None] * self.modes[self.own]
            - 0.5 * rows.first[:, None] * moved
            - rows.curve[:, None] * pulled
        )
        random = slice(len(beta), len(columns))
        gradient[random] = np.einsum(
            "it,it->t", base[:, columns[random]], own[:, effects[random] - 1]
        )
        if self.parameters.has_shape:
            shape = self.outcome.shape_slopes(eta, kappa)
            logdet = leverage @ shape.curve + shift @ shape.first
            gradient[-1] = shape.value.sum() - 0.5 * logdet
        return value - 0.5 * system.logdet + self.constant, gradient

    def posterior(self, phi: Floats) -> list[tuple[Floats, Floats]]:
        """Return modes, (groups, d), and inverse curvatures of the effects of each grouping."""
        self.slope(phi)
        beta, factors, kappa = self.parameters.split(phi)
        loaded = np.column_stack(
            [part @ factor for part, factor in zip(self.columns, factors, strict=True)]
        )
        eta = self.offset + self.fixed @ beta + (loaded * self.modes[self.own]).sum(axis=1)
        system = self._system(loaded, self.outcome.at(eta, kappa).curve)
        joined = system.joined @ system.rest
        made = [self._swept_covariance(system, joined)]
        start = 0
        for size, width in zip(self.sizes[1:], self.widths[1:], strict=True):
            place = start + np.arange(size * width).reshape(size, width)
            made.append(system.rest[place[:, :, None], place[:, None, :]])
            start += size * width
        modes = np.split(self.modes, np.cumsum(np.multiply(self.sizes, self.widths))[:-1])
        return [
            (mode.reshape(part.shape[:2]), part) for mode, part in zip(modes, made, strict=True)
        ]

    def _modes(self, eta: Floats, loaded: Floats, kappa: float) -> tuple[_System, float]:
        """Move `modes` to the maximum of h; return H and h there."""
        best = -np.inf
        at, step = self.modes, np.zeros(self.count)
        for number in range(_MOST_STEPS):
            trial = at + step
            rows = self.outcome.at(eta + (loaded * trial[self.own]).sum(axis=1), kappa)
            value = float(rows.value.sum() - 0.5 * trial @ trial)
            if value < best - 1e-10 * (1.0 + abs(best)):
                step = 0.5 * step
                continue
            at, best = trial, value
            system = self._system(loaded, rows.curve)
            taken, step = step, system.solve(self._transposed(loaded, rows.first) - at)
            if number and max(np.abs(taken).max(), np.abs(step).max()) < _MODE:
                break
        self.modes = at
        return system, best

    def _transposed(self, loaded: Floats, values: Floats) -> Floats:
        """Return (Z Lambda)' times a vector over the rows."""
        weights = (loaded * values[:, None]).ravel()
        sums = np.bincount(self.own.ravel(), weights=weights, minlength=self.count)
        return np.asarray(sums, dtype=np.float64)

    def _system(self, loaded: Floats, curve: Floats) -> _System:
        size, width = self.sizes[0], self.widths[0]
        first, others = loaded[:, :width], loaded[:, width:]
        weighted = first * curve[:, None]
        blocks = np.tile(np.eye(width), (size, 1, 1))
        for row in range(width):
            for column in range(width):
                blocks[:, row, column] += np.bincount(
                    self.codes[0], weights=weighted[:, row] * first[:, column], minlength=size
                )
        inverse = np.asarray(1.0 / blocks if width == 1 else np.linalg.inv(blocks))
        logdet = float(np.log(blocks).sum() if width == 1 else np.linalg.slogdet(blocks)[1].sum())
        rest = self.count - self.first
        if not rest:
            empty = sparse.csr_array((self.first, 0))
            return _System(swept=inverse, joined=empty, rest=np.zeros((0, 0)), logdet=logdet)
        place = self.own[:, width:] - self.first
        # The first factor by the others: products of each row of the data, summed by effects.
        products = (weighted[:, :, None] * others[:, None, :]).ravel()
        at = np.broadcast_arrays(self.own[:, :width, None], place[:, None, :])
        joined = sparse.csr_array(
            (products, (at[0].ravel(), at[1].ravel())), shape=(self.first, rest)
        )
        cells = (place[:, :, None] * rest + place[:, None, :]).ravel()
        pairs = (others * curve[:, None])[:, :, None] * others[:, None, :]
        sums = np.bincount(cells, weights=pairs.ravel(), minlength=rest**2)
        inner = np.eye(rest) + sums.reshape(rest, rest)
        folded = _block_diagonal(inverse) @ joined
        factor = cho_factor(inner - (joined.T @ folded).toarray(), lower=True, check_finite=False)
        logdet += 2.0 * float(np.log(np.diag(factor[0])).sum())
        return _System(
            swept=inverse,
            joined=sparse.csr_array(folded),
            rest=cho_solve(factor, np.eye(rest), check_finite=False),
            logdet=logdet,
        )

    def _pulled(self, system: _System, loaded: Floats) -> Floats:
        """Return H^-1 c_i at row i's own effects, shape (n, D)."""
        width = self.widths[0]
        first, others = loaded[:, :width], loaded[:, width:]
        if not others.shape[1]:
            return np.asarray(np.einsum("ide,ie->id", system.swept[self.codes[0]], first))
        joined = system.joined @ system.rest
        covariance = self._swept_covariance(system, joined)
        place = self.own[:, width:] - self.first
        cross = joined[self.own[:, :width][:, :, None], place[:, None, :]]
        rest = system.rest[place[:, :, None], place[:, None, :]]
        inner = np.einsum("ide,ie->id", covariance[self.codes[0]], first)
        return np.column_stack(
            [
                inner - np.einsum("ide,ie->id", cross, others),
                np.einsum("ide,ie->id", rest, others) - np.einsum("ide,id->ie", cross, first),
            ]
        )

    def _swept_covariance(self, system: _System, joined: Floats) -> Floats:
        """Return the blocks of H^-1 of the swept groups, shape (groups, d, d)."""
        size, width = self.sizes[0], self.widths[0]
        made = system.swept.copy()
        places = np.arange(size) * width
        for row in range(width):
            rows = sparse.csr_array(system.joined[places + row])
            for column in range(width):
                made[:, row, column] += rows.multiply(joined[places + column]).sum(axis=1)
        return made


def _block_diagonal(blocks: Floats) -> sparse.csr_array:
    groups, width, _ = blocks.shape
    columns = (np.arange(groups)[:, None, None] * width + np.arange(width)).repeat(width, axis=1)
    starts = np.arange(groups * width + 1) * width
    return sparse.csr_array(
        (blocks.ravel(), columns.ravel(), starts), shape=(groups * width, groups * width)
    )
