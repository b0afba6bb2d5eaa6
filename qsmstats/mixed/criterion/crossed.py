"""Sweeping large crossed factors: one factor sparsely, all others in one dense block.

Where the grouping factors cross (students and lecturers, items and raters), eliminating one
links the groups of the others. The factor with most effects is swept group by group as in
`nested`; its cross-products with the others, C = Z1'W [Z2 | U], are sparse. What is left is one
dense block of all other effects, bordered by U,

  [D E; E' F] = [Z2 | U]'W [Z2 | U] - C' M C,

from which the last sweep takes M2 = T2 (I + D T2)^-1, H = (I + T2 D)^-1, N = D H:

  F -= E' M2 E,    l += log det(I + D T2).

Derivatives are those of `nested`, arranged so that each costs a product with the k columns of U or
a sum over elements; only D_i H (for the parameters of the swept factor) takes a product of two
dense matrices. Bates et al. 2015, section 3, treat the same case with a sparse Cholesky factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse import bsr_array, csr_array, hstack

from qsmstats.arrays import Floats, Integers
from qsmstats.errors import ModelError
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.crossproducts import level_basis
from qsmstats.mixed.criterion.derivatives import Jet, weighted
from qsmstats.mixed.criterion.elimination_order import Factor, own_level
from qsmstats.mixed.criterion.nested import invert

__all__ = ["CrossedProducts", "crossed_products", "evaluate_crossed"]


# Work memory of one evaluation above which a design is refused.
_MOST_BYTES = 6e9


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossedProducts:
    """Cross-products of a crossed design.

    Attributes
    ----------
    own
        Z1'WZ1 of every group of the swept factor, shape (strata, q, q, G).
    basis
        T1 = sum_k t_k basis[k], shape (own, q, q).
    side
        Per stratum, Z1'W [Z2 | U], group by group, shape (G q, dense + k).
    border
        Per stratum, [Z2 | U]'W [Z2 | U], shape (strata, dense + k, dense + k).
    dense_basis
        T2 = sum_k t_k dense_basis[k], sparse, shape (dense, dense).
    """

    own: Floats
    basis: Floats
    side: tuple[csr_array, ...]
    border: Floats
    dense_basis: tuple[csr_array, ...]


def crossed_products(
    swept: Factor,
    others: Sequence[Factor],
    terms: Sequence[Floats],
    both: Floats,
    *,
    row_scale: Floats | None = None,
    strata: tuple[Integers, int] | None = None,
) -> CrossedProducts:
    """Collect the cross-products of a crossed design.

    Parameters
    ----------
    swept, others
        The factor to sweep, and the factors of the dense block.
    terms
        Columns of each random term, shape (n, q) each.
    both
        [X | y], shape (n, k).
    row_scale
        Root of the prior weights, shape (n,).
    strata
        Residual stratum of each row, and the number of strata.

    Raises
    ------
    ModelError
        If the dense block would not fit into memory.
    """
    width = sum(swept.widths)
    dense = sum(factor.size * sum(factor.widths) for factor in others)
    _check_memory(dense + both.shape[1], width * (width + 1) // 2)
    scale = np.ones(len(both)) if row_scale is None else row_scale
    own = _incidence(swept, terms, scale)
    right = hstack(
        [*(_incidence(factor, terms, scale) for factor in others), both * scale[:, None]],
        format="csr",
    )
    rows = (
        [slice(None)]
        if strata is None
        else [np.flatnonzero(strata[0] == stratum) for stratum in range(strata[1])]
    )
    # Groups without rows keep zeros.
    blocks = np.zeros((len(rows), width, width, swept.size))
    for stratum, part in enumerate(rows):
        found = (own[part].T @ own[part]).tobsr(blocksize=(width, width))
        blocks[stratum][:, :, found.indices] = found.data.transpose(1, 2, 0)
    return CrossedProducts(
        own=blocks,
        basis=level_basis(own_level(swept)),
        side=tuple(csr_array(own[part].T @ right[part]) for part in rows),
        border=np.stack([(right[part].T @ right[part]).toarray() for part in rows]),
        dense_basis=tuple(_dense_basis(others, dense)),
    )


def _check_memory(size: int, parameters: int) -> None:
    needed = 8.0 * size**2 * (6 + parameters + parameters * (parameters + 1) // 2)
    if needed > _MOST_BYTES:
        raise ModelError(
            f"the crossed grouping factors leave a dense block of {size} effects, which takes "
            f"{needed / 1e9:.0f} GB; drop a random term or slope of the smaller factors"
        )


def _incidence(factor: Factor, terms: Sequence[Floats], scale: Floats) -> csr_array:
    """Z of a factor, its columns group by group, shape (n, G q)."""
    values = np.concatenate([terms[term] for term in factor.terms], axis=1) * scale[:, None]
    n, width = values.shape
    columns = factor.codes[:, None] * width + np.arange(width)
    starts = np.arange(0, n * width + 1, width)
    shape = (n, factor.size * width)
    return csr_array((values.ravel(), columns.ravel(), starts), shape=shape)


def _dense_basis(factors: Sequence[Factor], dense: int) -> list[csr_array]:
    made, start = [], 0
    for factor in factors:
        groups = start + np.arange(factor.size) * sum(factor.widths)
        for width in factor.widths:
            for r, c in zip(*lower_triangle(width), strict=True):
                pairs = {(int(r), int(c)), (int(c), int(r))}
                rows = np.concatenate([groups + a for a, _ in pairs])
                columns = np.concatenate([groups + b for _, b in pairs])
                ones = np.ones(len(rows))
                made.append(csr_array((ones, (rows, columns)), shape=(dense, dense)))
            groups = groups + width
        start += factor.size * sum(factor.widths)
    return made


def evaluate_crossed(products: CrossedProducts, x: Floats) -> tuple[Jet, Jet]:
    """F, shape (k, k), and l, shape (), at the model parameters x = (w, t), as `nested.evaluate`.

    Parameters
    ----------
    products
        Cross-products of the data.
    x
        Precisions of all strata but the first, the elements of T1, those of T2.
    """
    strata, own = len(products.border) - 1, len(products.basis)
    ratios, t1, t2 = np.split(x, [strata, strata + own])
    a = weighted(products.own, ratios)
    m, each = invert(a, t1[:, None], products.basis)
    logdet = each.map(lambda a: a.sum(axis=-1))
    border = weighted(products.border, ratios).minus(_contracted(products.side, m, ratios))
    block = _DenseBlock(border, t2, products.dense_basis)
    size = products.dense_basis[0].shape[0]
    total = border.map(lambda a: a[..., size:, size:]).minus(block.sides())
    return total, logdet.plus(block.logdet())


def _contracted(side: Sequence[csr_array], m: Jet, ratios: Floats) -> Jet:
    """C'MC, where C is linear in the strata's precisions and M depends on all parameters so far."""
    value = side[0]
    for ratio, part in zip(ratios, side[1:], strict=True):
        value = value + ratio * part
    moving = list(side[1:])
    blocks = _Blocks(m)
    first = []
    second = []
    for j in range(len(m.first)):
        first.append(_quadratic(value, blocks.first(j), value))
        if j < len(moving):
            first[j] += _both_ways(moving[j], blocks.value, value)
        for i in range(j + 1):
            bent = _quadratic(value, blocks.second(i, j), value)
            if i < len(moving):
                bent += _both_ways(moving[i], blocks.first(j), value)
            if j < len(moving):
                bent += _both_ways(moving[j], blocks.first(i), value)
                bent += _both_ways(moving[i], blocks.value, moving[j])
            second.append(bent)
    return Jet(
        value=_quadratic(value, blocks.value, value), first=np.array(first), second=np.array(second)
    )


class _Blocks:
    """M and its derivatives as block-diagonal sparse matrices."""

    def __init__(self, m: Jet) -> None:
        self.m = m
        self.value = _block_diagonal(m.value)

    def first(self, i: int) -> bsr_array:
        """First derivative."""
        return _block_diagonal(self.m.first[i])

    def second(self, i: int, j: int) -> bsr_array:
        """Second derivative, i <= j."""
        return _block_diagonal(self.m.second[j * (j + 1) // 2 + i])


def _block_diagonal(blocks: Floats) -> bsr_array:
    size = blocks.shape[-1]
    data = np.ascontiguousarray(np.moveaxis(blocks, -1, 0))
    return bsr_array((data, np.arange(size), np.arange(size + 1)))


def _quadratic(left: csr_array, middle: bsr_array, right: csr_array) -> Floats:
    made: Floats = (left.T @ (middle @ right)).toarray()
    return made


def _both_ways(left: csr_array, middle: bsr_array, right: csr_array) -> Floats:
    made = _quadratic(left, middle, right)
    return made + made.T


class _DenseBlock:
    """The last sweep: D, E and the sparse T2 at one point."""

    def __init__(self, border: Jet, t: Floats, basis: Sequence[csr_array]) -> None:
        size = basis[0].shape[0]
        d, e = border.value[:size, :size], border.value[:size, size:]
        relative = csr_array(sum(value * unit for value, unit in zip(t, basis, strict=True)))
        factored = lu_factor(np.eye(size) + relative @ d, check_finite=False)
        self.value = float(np.log(np.abs(np.diag(factored[0]))).sum())
        self.h = lu_solve(factored, np.eye(size), check_finite=False)
        self.m = (relative @ self.h.T).T
        self.n = d @ self.h
        self.basis, self.relative = basis, relative
        self.d = border.map(lambda a: a[..., :size, :size])
        self.e = border.map(lambda a: a[..., :size, size:])
        self.lower, self.own = len(border.first), len(basis)
        self.k = [step @ self.h for step in self.d.first]
        self.v, self.he = self.m @ e, self.h.T @ e

    def logdet(self) -> Jet:
        """Return log det(I + D T2) with derivatives."""
        # M2 D_i = T2 (D_i H)'.
        w = [self.relative @ k.T for k in self.k]
        ne = [(unit @ self.n.T).T for unit in self.basis]
        first = [np.vdot(self.m, step) for step in self.d.first]
        first += [unit.multiply(self.n).sum() for unit in self.basis]
        second = []
        for j in range(self.lower + self.own):
            for i in range(j + 1):
                if j < self.lower:
                    curved = self.d.second[j * (j + 1) // 2 + i]
                    second.append(np.vdot(self.m, curved) - np.vdot(w[i], w[j].T))
                elif i < self.lower:
                    # tr(E H'D_i H), from the elements of H'D_i H that E picks.
                    rows, columns = self.basis[j - self.lower].nonzero()
                    second.append(float(np.vdot(self.h[:, rows], self.k[i][:, columns])))
                else:
                    second.append(-np.vdot(ne[i - self.lower], ne[j - self.lower].T))
        return Jet(value=np.array(self.value), first=np.array(first), second=np.array(second))

    def sides(self) -> Jet:
        """Return E'M2E with derivatives."""
        e, v = self.e, self.v
        first = [_symmetric(step.T @ v) for step in e.first]
        dv = [step @ v for step in self.d.first]
        first = [a - v.T @ b for a, b in zip(first, dv, strict=True)]
        eh = [unit @ self.he for unit in self.basis]
        first += [self.he.T @ a for a in eh]
        # H'(dE_i - dD_i v): how H'E moves with a parameter of the swept factor.
        gap = [step - b for step, b in zip(e.first, dv, strict=True)]
        moved = [self.h.T @ a for a in gap]
        pushed = [self.m @ a for a in gap]
        second = []
        for j in range(self.lower + self.own):
            for i in range(j + 1):
                if j < self.lower:
                    place = j * (j + 1) // 2 + i
                    curved = _symmetric(e.second[place].T @ v) - v.T @ self.d.second[place] @ v
                    second.append(curved + _symmetric(gap[i].T @ pushed[j]))
                elif i < self.lower:
                    second.append(_symmetric(moved[i].T @ eh[j - self.lower]))
                else:
                    one, two = eh[i - self.lower], eh[j - self.lower]
                    second.append(-_symmetric(one.T @ self.n @ two))
        return Jet(value=e.value.T @ v, first=np.array(first), second=np.array(second))


def _symmetric(a: Floats) -> Floats:
    return a + a.T
