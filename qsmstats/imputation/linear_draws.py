r"""Draws of a linear mixed model whose rows have one of several values of a category.

Gibbs sampler of the model :math:`y = X\beta + \sum_t Z_t b_t + e`, :math:`b_t \sim N(0, G_t)` in
each group, :math:`e_i \sim N(0, \sigma^2 / w_i)` (Gelman et al. 2013, Bayesian Data Analysis, 3rd
edition, chapters 11 and 15):

* :math:`(\beta, b)` together, from a normal distribution of precision :math:`M = C'WC + D`,
  :math:`C = (X, Z)`: with independent standard normal :math:`\epsilon_1, \epsilon_2`, the solution
  of :math:`M x = C'Wy + D\mu + C'W^{1/2}\epsilon_1 + D^{1/2}\epsilon_2` is such a draw
  (Papandreou & Yuille 2010, NIPS 23);
* :math:`G_t` from an inverse Wishart distribution with :math:`q + 1 + J` degrees of freedom and
  scale :math:`(q + 1) \hat G_t + \sum_j b_j b_j'`, for J groups of q effects;
* :math:`\sigma^2` of each stratum from a scaled inverse chi-squared distribution.

Priors are weak and centred at the fit that is given: they weigh as much as one average row for
:math:`\beta` (unit information; Kass & Wasserman 1995, J Am Stat Assoc 90:928-934), as q + 1 groups
for :math:`G_t` (its estimate plus a hundredth of the residual variance, so that it can be zero),
and as one row for each :math:`\sigma^2`.

An outcome that is missing is drawn from the model at the drawn parameters and effects.

Every row is laid out once for each value of the category. The density of the rows of a unit (a
lesion) under each value is taken without the effects of groups that lie within the unit, which are
integrated out: with these held fast, a lesion would hardly ever change its type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.sparse.linalg import splu

from qsmstats.arrays import Floats, Integers
from qsmstats.mixed.design.assembly import assemble
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.formula.language import parse_formula

__all__ = ["Alternatives", "LinearDraws", "alternatives"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """The n rows of a model under each of the K values of a category.

    Attributes
    ----------
    kept
        Places of the rows among those given, shape (n,).
    response, offset, prior
        Outcome without the offset, the offset, and residual weights, shape (n,); a weight of zero
        leaves the outcome out.
    fixed
        X, shape (K, n, p).
    random
        Of each random term Z, shape (K, n, q), and the group of each row, shape (K, n).
    strata
        Residual stratum of each row, shape (K, n).
    names
        Names of the columns of X.
    """

    kept: Integers
    response: Floats
    offset: Floats
    prior: Floats
    fixed: Floats
    random: tuple[tuple[Floats, Integers], ...]
    strata: Integers
    names: tuple[str, ...]


def alternatives(fit: MixedFit, versions: Sequence[pd.DataFrame]) -> Alternatives:
    """Lay rows out in each of K versions, which differ in the value of a category.

    Parameters
    ----------
    fit
        A fit of the model.
    versions
        One row per observation, the same in all; those with a missing value are left out.
    """
    stacked = pd.concat(versions, ignore_index=True)
    layout = assemble(
        parse_formula(fit.model.formula),
        stacked,
        fit.model.contrasts,
        fit.residual.columns,
        fit.model.transforms,
    )
    k, total = len(versions), len(layout.response)
    n, residuals = total // k, layout.residuals
    strata = np.zeros(total, np.int64) if residuals.codes is None else residuals.codes
    prior = np.ones(total) if residuals.prior is None else residuals.prior
    return Alternatives(
        kept=np.asarray(layout.frame.kept)[:n],
        response=(layout.response - layout.offset)[:n],
        offset=layout.offset[:n],
        prior=prior[:n],
        fixed=(layout.basis @ layout.root).reshape(k, n, -1),
        random=tuple(
            ((part.columns @ part.whitener).reshape(k, n, -1), part.codes.reshape(k, n))
            for part in layout.random
        ),
        strata=strata.reshape(k, n),
        names=layout.fixed.names,
    )


class LinearDraws:
    """A state of the sampler: coefficients, random effects and variances.

    Parameters
    ----------
    fit
        The fit that the priors are centred at.
    rows
        The rows under each value.
    unit
        Unit of each row, shape (n,); all rows of a unit have one value of the category.
    """

    def __init__(self, fit: MixedFit, rows: Alternatives, unit: Integers) -> None:
        self.rows = rows
        k, n, p = rows.fixed.shape
        self.sizes = [int(codes.max()) + 1 for _, codes in rows.random]
        every = rows.fixed.reshape(k * n, p)
        self.precision = every.T @ every / (k * n * fit.sigma**2)
        told = dict(zip(fit.fixed.names, fit.estimates, strict=True))
        self.centre = np.array([told.get(name, 0.0) for name in rows.names])
        self.beta = self.centre
        self.scales = []
        for term, (z, _) in zip(fit.random, rows.random, strict=True):
            floor = 0.01 * fit.sigma**2 / np.maximum(np.square(z).mean(axis=(0, 1)), 1e-12)
            self.scales.append(term.covariance + np.diag(floor))
        self.covariances = list(self.scales)
        self.variances = (fit.sigma * np.r_[fit.residual.ratios]) ** 2
        self.start = self.variances
        self.effects = [np.zeros((j, len(g))) for j, g in zip(self.sizes, self.scales, strict=True)]
        # Columns in the order in which they are eliminated: terms of many groups, whose columns few
        # others meet, come first and leave little behind; the fixed columns meet all.
        self.order = np.argsort(np.negative(self.sizes), kind="stable")
        self.starts, self.columns = np.zeros(len(self.sizes), dtype=np.int64), 0
        # D is block diagonal: where its entries stand, row by row.
        places, pointers = [], [np.zeros(1, dtype=np.int64)]
        blocks = [*((self.sizes[t], len(self.scales[t])) for t in self.order), (1, p)]
        for t, (size, q) in zip([*self.order, None], blocks, strict=True):
            if t is not None:
                self.starts[t] = self.columns
            own = self.columns + np.arange(size * q).reshape(size, 1, q)
            places.append(np.broadcast_to(own, (size, q, q)).ravel())
            pointers.append(pointers[-1][-1] + q * np.arange(1, size * q + 1))
            self.columns += size * q
        self.blocks = np.concatenate(places), np.concatenate(pointers)
        order = np.argsort(unit, kind="stable")
        counts = np.bincount(unit)
        self.members = np.full((len(counts), counts.max()), -1)
        place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        self.members[unit[order], place] = order
        self.inside = [self._lies_within(codes, unit) for _, codes in rows.random]

    @staticmethod
    def _lies_within(codes: Integers, unit: Integers) -> bool:
        """Whether every group holds the rows of one unit."""
        owner = np.empty(codes.max() + 1, dtype=np.int64)
        owner[codes] = unit
        return bool((owner[codes] == unit).all())

    def draw(self, values: Integers, random: np.random.Generator) -> None:
        """Draw all parameters given the value of each row, shape (n,)."""
        rows, (_, n, p) = self.rows, self.rows.fixed.shape
        at = (values, np.arange(n))
        strata = rows.strata[at]
        weights = rows.prior / self.variances[strata]
        entries, columns = [rows.fixed[at]], [np.tile(np.arange(self.columns)[-p:], (n, 1))]
        for (z, codes), start in zip(rows.random, self.starts, strict=True):
            q = z.shape[2]
            entries.append(z[at])
            columns.append(start + codes[at][:, None] * q + np.arange(q))
        table, column = np.hstack(entries), np.hstack(columns)
        pointers = np.arange(0, table.size + 1, table.shape[1])
        design = sparse.csr_array(
            (table.ravel(), column.ravel(), pointers), shape=(n, self.columns)
        )
        solution = self._coefficients(design, weights, random)
        self.beta = solution[-p:]
        for t, (size, start) in enumerate(zip(self.sizes, self.starts, strict=True)):
            q = len(self.scales[t])
            self.effects[t] = effects = solution[start : start + size * q].reshape(size, q)
            scale = (q + 1) * self.scales[t] + effects.T @ effects
            found = stats.invwishart.rvs(q + 1 + size, scale, random_state=random)
            self.covariances[t] = np.reshape(found, (q, q))
        squares = rows.prior * np.square(rows.response - design @ solution)
        count = np.bincount(strata[rows.prior > 0], minlength=len(self.start))
        total = np.bincount(strata, squares, minlength=len(self.start)) + self.start
        self.variances = total / random.chisquare(count + 1)

    def _coefficients(
        self, design: sparse.csr_array, weights: Floats, random: np.random.Generator
    ) -> Floats:
        """Draw beta and b together, in the order of the columns of the design."""
        p, noise = len(self.beta), random.normal(size=len(weights))
        right = design.T @ (weights * self.rows.response + np.sqrt(weights) * noise)
        drawn, data = [], []
        for t in self.order:
            inverse = np.linalg.inv(self.covariances[t])
            effects = random.normal(size=(self.sizes[t], len(inverse)))
            drawn.append((effects @ np.linalg.cholesky(inverse).T).ravel())
            data.append(np.tile(inverse.ravel(), self.sizes[t]))
        drawn.append(np.linalg.cholesky(self.precision) @ random.normal(size=p))
        data.append(self.precision.ravel())
        right += np.concatenate(drawn)
        right[-p:] += self.precision @ self.centre
        prior = sparse.csr_array((np.concatenate(data), *self.blocks), shape=(self.columns,) * 2)
        weighted = design.copy()
        weighted.data *= np.repeat(weights, np.diff(design.indptr))
        solver = splu(
            sparse.csc_array(design.T @ weighted + prior),
            permc_spec="NATURAL",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        return np.asarray(solver.solve(right))

    def outcomes(self, places: Integers, random: np.random.Generator) -> Floats:
        """Draw outcomes of rows in their first version, all of weight one, shape (places,)."""
        rows = self.rows
        mean = rows.fixed[0, places] @ self.beta
        for (z, codes), effects in zip(rows.random, self.effects, strict=True):
            mean = mean + (z[0, places] * effects[codes[0, places]]).sum(axis=1)
        spread = np.sqrt(self.variances[rows.strata[0, places]])
        drawn: Floats = mean + rows.offset[places] + spread * random.normal(size=len(places))
        return drawn

    def log_densities(self, units: Integers) -> Callable[[], Floats]:
        """Return what gives the log density of each unit's rows under each value: (units, K).

        It is that of the present state, up to a constant.
        """
        rows = self.rows
        # The rows of a unit in the first axis, the units in the last one.
        members = self.members[units].T
        there = members >= 0
        width = len(members)
        inside = [
            (
                t,
                [np.moveaxis(z[:, one], -1, 0) for one in members],
                [codes[:, one] for one in members],
            )
            for t, (z, codes) in enumerate(rows.random)
            if self.inside[t]
        ]

        def covariance(a: int, b: int) -> Floats:
            """Covariance of the a-th and b-th row of each unit, shape (K, units)."""
            made = np.zeros((len(rows.fixed), len(units)))
            for t, z, codes in inside:
                both = there[a] & there[b] & (codes[a] == codes[b])
                made += both * (np.tensordot(self.covariances[t], z[a], axes=1) * z[b]).sum(axis=0)
            return made

        def densities() -> Floats:
            mean = rows.fixed @ self.beta
            for (z, codes), effects, own in zip(
                rows.random, self.effects, self.inside, strict=True
            ):
                if not own:
                    mean = mean + (z * effects[codes]).sum(axis=2)
            rest = rows.response - mean
            variance = self.variances[rows.strata] / rows.prior
            # Cholesky's factor column by column, of all units at once.
            factor: dict[tuple[int, int], Floats] = {}
            scaled: list[Floats] = []
            made = np.zeros((len(rows.fixed), len(units)))
            for j in range(width):
                known = [factor[j, k] for k in range(j)]
                square = np.where(there[j], variance[:, members[j]] + covariance(j, j), 1.0)
                root = np.sqrt(square - sum(one**2 for one in known))
                value = np.where(there[j], rest[:, members[j]], 0.0)
                value -= sum(one * x for one, x in zip(known, scaled, strict=True))
                scaled.append(value / root)
                for i in range(j + 1, width):
                    cross = sum(factor[i, k] * one for k, one in enumerate(known))
                    factor[i, j] = (covariance(i, j) - cross) / root
                made -= np.log(root) + 0.5 * scaled[j] ** 2
            return np.asarray(made.T)

        return densities
