r"""The random effects given the data: one sparse system, eliminated from the finest grouping up.

With :math:`b = \Lambda u`, :math:`u \sim N(0, \sigma^2 I)` and residual weights :math:`W`, the
modes of the random effects solve (Bates et al. 2015, J Stat Softw 67(1), equations 10-17; Henderson
1975, Biometrics 31:423-447)

.. math:: K u = (Z\Lambda)' W (y - X\beta), \qquad K = (Z\Lambda)' W Z\Lambda + I

and :math:`\mathrm{Var}(u \mid y) = \sigma^2 K^{-1}` for known :math:`\beta` and :math:`\theta`.
:math:`K` has one row for each random effect, never one for each observation. Its block of the
grouping with most levels is block diagonal (:math:`A`, one small block a group) and is eliminated
first; what is left, :math:`S = D - C'A^{-1}C`, falls apart into one block for each connected set
of groups (each school, when classes are nested in schools; one block when factors are crossed).
It works at singular :math:`\Lambda`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.mixed.fitted import Fitted

__all__ = ["ConditionalSystem", "conditional_system", "spherical_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalSystem:
    """The matrix K of one fit, eliminated.

    Attributes
    ----------
    inner
        Columns of the grouping eliminated first, group by group, shape (J q,).
    outer
        The other columns, shape (m,).
    blocks
        Inverse blocks of the eliminated grouping as a sparse matrix, shape (J q, J q).
    coupling
        Inverse blocks times C, shape (J q, m).
    remainder
        Inverse of S, block diagonal, shape (m, m).
    """

    inner: Integers
    outer: Integers
    blocks: sparse.csr_array
    coupling: sparse.csr_array
    remainder: sparse.csr_array

    def solve(self, right: Floats) -> Floats:
        """Solve K x = right, shapes (columns, k)."""
        solution = np.empty_like(right)
        above = self.remainder @ (right[self.outer] - self.coupling.T @ right[self.inner])
        solution[self.outer] = above
        solution[self.inner] = self.blocks @ right[self.inner] - self.coupling @ above
        return solution

    def inverse_form(self, rows: sparse.csr_array) -> Floats:
        """Diagonal of rows K^-1 rows', shape (k,), for sparse rows, shape (k, columns)."""
        own, left = self._split(rows)
        return np.asarray(
            (own @ self.blocks).multiply(own).sum(axis=1)
            + (left @ self.remainder).multiply(left).sum(axis=1),
            float,
        ).ravel()

    def inverse_block(self, columns: Integers) -> Floats:
        """K^-1 for the given rows and columns, dense, shape (k, k)."""
        k, size = len(columns), len(self.inner) + len(self.outer)
        unit = sparse.csr_array((np.ones(k), (np.arange(k), columns)), shape=(k, size))
        own, left = self._split(unit)
        block = own @ self.blocks @ own.T + left @ self.remainder @ left.T
        return np.asarray(block.todense(), float)

    def _split(self, rows: sparse.csr_array) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Rows in the eliminated columns, and what elimination leaves of them in the others."""
        own = rows[:, self.inner]
        return own, rows[:, self.outer] - own @ self.coupling


def spherical_rows(fit: Fitted, frame: pd.DataFrame) -> tuple[sparse.csr_array, Floats, Flags]:
    r"""Rows of Z Lambda for any frame of predictors and groups.

    Returns
    -------
    rows, variance, seen
        The rows, shape (m, columns); groups that the fit has not seen have zeros there. The
        relative variance z'Tz of the terms whose group is unseen, summed, shape (m,). Whether the
        group of each term was seen, shape (m, terms).
    """
    pieces: list[sparse.csr_array] = []
    variance = np.zeros(len(frame))
    seen = np.zeros((len(frame), len(fit.random)), dtype=bool)
    for place, (term, factor) in enumerate(zip(fit.random, fit.factors(), strict=True)):
        values = term.design.matrix(frame) @ factor
        codes = term.design.grouping.codes(frame)
        known = codes >= 0
        q, size = values.shape[1], term.design.grouping.size
        columns = codes[known, None] * q + np.arange(q)
        rows = np.repeat(np.flatnonzero(known), q)
        pieces.append(
            sparse.csr_array(
                (values[known].ravel(), (rows, columns.ravel())), shape=(len(frame), size * q)
            )
        )
        variance += np.where(known, 0.0, np.square(values).sum(axis=1))
        seen[:, place] = known
    return sparse.csr_array(sparse.hstack(pieces, format="csr")), variance, seen


def conditional_system(
    fit: Fitted, rows: sparse.csr_array, weights: Floats | None
) -> ConditionalSystem:
    """Build and eliminate K for the rows of a fit.

    Parameters
    ----------
    fit
        The fit that `rows` belong to.
    rows
        Z Lambda, shape (n, columns), from `spherical_rows`.
    weights
        Residual weights, shape (n,), or None where all are one.
    """
    weighted = rows if weights is None else rows.multiply(weights[:, None]).tocsr()
    k = sparse.csr_array(rows.T @ weighted + sparse.eye_array(rows.shape[1], format="csr"))
    # Columns of all terms on each grouping, group by group; the one with most groups goes first.
    found: dict[tuple[str, ...], list[Integers]] = {}
    start = 0
    for term in fit.random:
        size, q = term.design.grouping.size, len(term.design.names)
        place = start + np.arange(size * q).reshape(size, q)
        found.setdefault(term.design.grouping.names, []).append(place)
        start += size * q
    finest = max(found.values(), key=lambda places: len(places[0]))
    joined = np.hstack(finest)
    inner, width = joined.ravel(), joined.shape[1]
    outer = np.setdiff1d(np.arange(rows.shape[1]), inner)
    blocks = _inverse_blocks(k[inner][:, inner], np.arange(len(inner)) // width)
    couplings = k[inner][:, outer]
    coupling = sparse.csr_array(blocks @ couplings)
    rest = sparse.csr_array(k[outer][:, outer] - couplings.T @ coupling)
    label = connected_components(rest, directed=False)[1] if len(outer) else np.zeros(0, int)
    return ConditionalSystem(
        inner=inner,
        outer=outer,
        blocks=blocks,
        coupling=coupling,
        remainder=_inverse_blocks(rest, label),
    )


def _inverse_blocks(matrix: sparse.csr_array, label: Integers) -> sparse.csr_array:
    """Invert a matrix that is block diagonal by `label`, all blocks of one size at once."""
    count = np.bincount(label) if len(label) else np.zeros(0, int)
    order = np.argsort(label, kind="stable")
    first = np.concatenate([[0], np.cumsum(count)])
    local = np.empty(len(label), int)
    local[order] = np.arange(len(label)) - np.repeat(first[:-1], count)
    entries = sparse.coo_array(matrix)
    row, column = entries.coords
    block = label[row]
    data, rows, columns = [], [], []
    for size in np.unique(count):
        chosen = np.flatnonzero(count == size)
        number = np.full(len(count), -1)
        number[chosen] = np.arange(len(chosen))
        here = number[block] >= 0
        dense = np.zeros((len(chosen), size, size))
        dense[number[block[here]], local[row[here]], local[column[here]]] = entries.data[here]
        members = order[first[chosen][:, None] + np.arange(size)]
        data.append(np.linalg.inv(dense).ravel())
        rows.append(np.repeat(members, size, axis=1).ravel())
        columns.append(np.tile(members, (1, size)).ravel())
    if not data:
        return sparse.csr_array(matrix.shape)
    place = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array((np.concatenate(data), place), shape=matrix.shape)
