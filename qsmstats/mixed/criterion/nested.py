"""Sweeping the levels of a nested design: F, log det and their exact derivatives.

With V = s2 (W^-1 + Z T Z'), all that the likelihood needs are two functions of the model
parameters x (the strata's precisions w and the elements t of the relative covariances T)

  F(x) = U' (W^-1 + Z T Z')^-1 U,    l(x) = log det(I + W^1/2 Z T Z' W^1/2).

One level with blocks A = Z'WZ and C = Z'W [coarser Z | U] per group is swept out by

  M = T (I + A T)^-1,   H = (I + T A)^-1,   N = A H,
  [coarser blocks; F] -= C' M C summed over groups,     l += log det(I + A T),

which never inverts T and so holds for singular T as well. T is linear in x, A and C are functions
of the parameters of finer levels, and

  dM = H dT H' - M dA M,     dH = -H dT N - M dA H,     dN = H' dA H - N dT N,
  d2M_ij = X_ij + X_ij' - M d2A_ij M,     X_ij = dH_j dT_i H' - dM_j dA_i M,
  dl = tr(N dT) + tr(M dA),     d2l_ij = tr(dN_j dT_i) + tr(dM_j dA_i) + tr(M d2A_ij).

(The criterion is that of Lindstrom & Bates 1988, J Am Stat Assoc 83, 1014-1022, and Bates et al.
2015; the derivatives follow by differentiating M.) Parameters are ordered from the finest level
up, so a level sees a prefix of them: first those of finer levels (A and C move), then its own (T
moves).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import accumulate, pairwise

import numpy as np

from qsmstats.arrays import Floats, Places
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.criterion.crossproducts import Bins, CrossProducts, LevelProducts
from qsmstats.mixed.criterion.derivatives import Jet, constant, product, weighted

__all__ = [
    "Inverses",
    "Swept",
    "blocks_of_groups",
    "evaluate",
    "inverse_and_logdet",
    "inverses",
    "invert",
    "multiply",
    "sweep",
    "transpose",
]

Starts = Sequence[Places]

# Bytes of one work array of a sweep; larger levels are swept in blocks of groups.
_BLOCK_BYTES = 1 << 24
# Inner dimension up to which products of small matrices are written out.
_SMALL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """All levels swept out.

    Attributes
    ----------
    total, logdet
        F, shape (k, k), and l, shape ().
    blocks
        The blocks of each level when its turn came; nothing for a level in bins.
    ratios, own
        Precisions of all strata but the first, and elements of T of each level.
    """

    total: Jet
    logdet: Jet
    blocks: list[Jet]
    ratios: Floats
    own: list[Floats]


def evaluate(products: CrossProducts, x: Floats) -> tuple[Jet, Jet]:
    """F, shape (k, k), and l, shape (), at the model parameters x = (w, t).

    Parameters
    ----------
    products
        Cross-products of the data.
    x
        Precisions of all strata but the first, then the elements of T level by level.
    """
    made = sweep(products, x)
    return made.total, made.logdet


def sweep(products: CrossProducts, x: Floats, *, second: bool = True) -> Swept:
    """Sweep all levels; arguments as of `evaluate`, and whether second derivatives are needed."""
    strata = len(products.total) - 1
    ends = accumulate((len(level.basis) for level in products.levels), initial=strata)
    ratios, own = x[:strata], [x[start:end] for start, end in pairwise(ends)]
    total = weighted(products.total, ratios, second=second)
    logdet = weighted(np.zeros(strata + 1), ratios, second=second)
    # The blocks of a level in bins are not looked at.
    first = 0 if products.bins is None else 1
    blocks = [constant(np.empty(0))] * first
    blocks += [weighted(level.blocks, ratios, second=second) for level in products.levels[first:]]
    for index, level in enumerate(products.levels):
        coarser = products.levels[index + 1 :]
        if index == 0 and products.bins is not None:
            parts, sides, added = _sweep_bins(products.bins, level, ratios, own[0], second=second)
        else:
            swept = partial(_sweep_groups, second=second)
            parts, sides, added = _sweep_level(swept, level, blocks[index], own[index], coarser)
        blocks[index + 1 :] = [
            block.minus(part) for block, part in zip(blocks[index + 1 :], parts, strict=True)
        ]
        total, logdet = total.minus(sides), logdet.plus(added)
    return Swept(total=total, logdet=logdet, blocks=blocks, ratios=ratios, own=own)


def _sweep_bins(
    bins: Bins, level: LevelProducts, ratios: Floats, t: Floats, *, second: bool
) -> tuple[list[Jet], Jet, Jet]:
    """Sweep the finest level by its bins: in stratum s, A = w_s Z'Z, and C'MC has the factor w_s^2.

    No other parameters have moved it before.
    """
    rows, columns = lower_triangle(level.columns)
    a = constant(bins.shapes)
    if len(ratios):
        weight = weighted(np.eye(len(ratios) + 1), ratios, second=second)
        weight = weight.map(lambda w: w[..., bins.strata])
        a = weight.map(lambda w: w[..., None, None, :] * bins.shapes)
    m, each = invert(a, t[:, None], level.basis, second=second)
    m = m.map(lambda a: a[..., rows, columns, :])
    if len(ratios):
        square = product(weight, weight, np.multiply)
        m = product(square, m, lambda w, inverse: w[..., None, :] * inverse)
    logdet = each.map(lambda a: a @ bins.counts)
    sides = m.map(partial(_weighed, parts=bins.total))

    def total(m: Floats, cells: Floats, starts: Places) -> Floats:
        """Sum of M times products over the cells of each parent, (..., q_up, r_up, parents)."""
        if m.ndim > 2:  # derivatives one by one: all of them would be a multiple of the result
            made = np.empty((len(m), *cells.shape[1:3], len(starts)))
            for one, place in zip(m, made, strict=True):
                place[:] = total(one, cells, starts)
            return made
        spread = m[:, bins.cell_shapes]
        each = sum(spread[h] * cells[h] for h in range(len(cells)))
        return np.add.reduceat(each, starts, axis=-1)

    parts = [
        m.map(partial(total, cells=cells, starts=starts))
        for cells, starts in zip(bins.cells, bins.cell_starts, strict=True)
    ]
    return parts, sides, logdet


def _weighed(weights: Floats, parts: Floats) -> Floats:
    """Return weighted sums of the parts: (.., h, s), (h, s, k, k) -> (.., k, k)."""
    outer, flat = weights.shape[:-2], parts.reshape(-1, parts.shape[-2] * parts.shape[-1])
    made: Floats = weights.reshape(*outer, len(flat)) @ flat
    return made.reshape(*outer, *parts.shape[-2:])


def _sweep_level(
    swept: Callable[..., tuple[list[Jet], Jet, Jet]],
    level: LevelProducts,
    block: Jet,
    t: Floats,
    coarser: Sequence[LevelProducts],
) -> tuple[list[Jet], Jet, Jet]:
    """Sweep a level group by group, in blocks of groups that bound the memory."""
    pieces = [
        swept(level, _part(block, slice(None), inside), t, coarser, starts)
        for inside, starts in blocks_of_groups(level, block, len(t))
    ]
    parts = [_join(column) for column in zip(*(piece[0] for piece in pieces), strict=True)]
    sides = reduce(Jet.plus, (piece[1] for piece in pieces))
    return parts, sides, reduce(Jet.plus, (piece[2] for piece in pieces))


def _sweep_groups(
    level: LevelProducts,
    block: Jet,
    t: Floats,
    coarser: Sequence[LevelProducts],
    starts: Starts,
    *,
    second: bool,
) -> tuple[list[Jet], Jet, Jet]:
    right = _part(block, slice(level.columns, None))
    a = _part(block, slice(level.columns))
    m, logdets = invert(a, t[:, None], level.basis, second=second)
    logdet = logdets.map(lambda a: a.sum(axis=-1))
    swept = product(m, right, multiply)
    parts, offset = [], 0
    for upper, first in zip(coarser, starts, strict=True):
        # C'MC for the columns of one coarser level, summed over the groups of each parent.
        rows = _part(right, slice(offset, offset + upper.columns))
        each = product(
            rows, _part(swept, slice(offset, None)), lambda a, b: multiply(transpose(a), b)
        )
        parts.append(each.map(partial(np.add.reduceat, indices=first, axis=-1)))
        offset += upper.columns
    rest = slice(offset, None)
    sides = product(
        _part(right, rest),
        _part(swept, rest),
        lambda a, b: (a @ b.swapaxes(-1, -2)).sum(axis=-3),
    )
    return parts, sides, logdet


def _part(jet: Jet, columns: slice, groups: slice = slice(None)) -> Jet:
    return jet.map(lambda a: a[..., columns, groups])


def _join(pieces: Sequence[Jet]) -> Jet:
    if len(pieces) == 1:
        return pieces[0]
    return Jet(
        value=np.concatenate([piece.value for piece in pieces], axis=-1),
        first=np.concatenate([piece.first for piece in pieces], axis=-1),
        second=np.concatenate([piece.second for piece in pieces], axis=-1),
    )


def blocks_of_groups(level: LevelProducts, block: Jet, own: int) -> Iterator[tuple[slice, Starts]]:
    """Slices of groups that break only between parents of every coarser level.

    The coarsest level's parents contain those of all others, so a break between them is one
    between all.
    """
    m = len(block.first) + own
    per_group = 8 * block.value.shape[0] * block.value.shape[1] * (m * (m + 1) // 2 + 1)
    most = max(int(_BLOCK_BYTES / per_group), 1)
    if level.size <= most:
        yield slice(None), level.starts
        return
    breaks = level.starts[-1] if level.starts else np.arange(level.size)
    start = 0
    while start < level.size:
        later = breaks[(breaks > start) & (breaks <= start + most)]
        following = breaks[breaks > start]
        stop = int(later[-1] if len(later) else following[0] if len(following) else level.size)
        if start + most >= level.size:
            stop = level.size
        yield (
            slice(start, stop),
            [s[(s >= start) & (s < stop)] - start for s in level.starts],
        )
        start = stop


def invert(a: Jet, t: Floats, basis: Floats, *, second: bool = True) -> tuple[Jet, Jet]:
    """M = T (I + A T)^-1, shape (q, q, G), and log det(I + A T), shape (G,), of every group.

    Parameters
    ----------
    a
        A, shape (q, q, G), as a function of the parameters of finer levels.
    t, basis
        T = sum_k t_k basis[k]; shapes (own, 1), or (own, G) where groups differ in T, and
        (own, q, q).
    second
        Whether second derivatives are needed.
    """
    if basis.size == 1 and not len(a.first):
        return _invert_numbers(a.value, t, second=second)
    made = inverses(a.value, a.first, t, basis)
    m, h, n, first_m = made.m, made.h, made.n, made.first
    steps, lower = basis[..., None], len(a.first)

    def bent_by(j: int) -> tuple[Floats, Floats]:
        """Second derivatives of M and of log det for the pairs (i, j), i <= j."""
        below = a.first[: min(j + 1, lower)]
        x = -multiply(multiply(first_m[j], below), m)
        bent = _trace(first_m[j], below)
        if j < lower:
            start = j * (j + 1) // 2
            curved = a.second[start : start + j + 1]
            made = x + transpose(x) - multiply(multiply(m, curved), m)
            return made, bent + _trace(m, curved)
        step, own = steps[j - lower], steps[: j - lower + 1]
        moved = -multiply(multiply(h, step), n)
        x = np.concatenate([x, multiply(multiply(moved, own), transpose(h))])
        turned = -multiply(multiply(n, step), n)
        return x + transpose(x), np.concatenate([bent, _trace(turned, own)])

    found = [bent_by(j) for j in range(len(first_m) if second else 0)]
    second_m = np.concatenate([np.empty((0, *m.shape)), *(pair[0] for pair in found)])
    second_l = np.concatenate([np.empty((0, m.shape[-1])), *(pair[1] for pair in found)])
    return (
        Jet(value=m, first=first_m, second=second_m),
        Jet(value=made.logdet, first=made.logdet_first, second=second_l),
    )


def _invert_numbers(a: Floats, t: Floats, *, second: bool) -> tuple[Jet, Jet]:
    """`invert` where T is one number and no parameter moves A: all of it is arithmetic."""
    grown = 1.0 + a * t
    h = 1.0 / grown
    n, slope = a * h, h * h
    last = 1 if second else 0
    return (
        Jet(value=t * h, first=slope[None], second=(-2.0 * n * slope)[None][:last]),
        Jet(value=np.log(grown[0, 0]), first=n[0], second=-(n * n)[0][:last]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverses:
    """What a sweep needs of A and T, group by group.

    Attributes
    ----------
    m, h, n
        M, H and N, shape (q, q, G).
    first
        Derivatives of M, shape (parameters, q, q, G).
    logdet, logdet_first
        log det(I + A T) and its derivatives, shapes (G,) and (parameters, G).
    """

    m: Floats
    h: Floats
    n: Floats
    first: Floats
    logdet: Floats
    logdet_first: Floats


def inverses(a: Floats, a_first: Floats, t: Floats, basis: Floats) -> Inverses:
    """Return M, H, N and log det with first derivatives.

    Parameters
    ----------
    a, a_first
        A, shape (q, q, G), and its derivatives in the parameters of finer levels.
    t, basis
        As in `invert`.
    """
    relative = np.einsum("kij,kg->ijg", basis, t)
    h, logdet = inverse_and_logdet(np.eye(len(relative))[..., None] + multiply(relative, a))
    m, n, steps = multiply(h, relative), multiply(a, h), basis[..., None]
    own = multiply(multiply(h, steps), transpose(h))
    return Inverses(
        m=m,
        h=h,
        n=n,
        first=np.concatenate([-multiply(multiply(m, a_first), m), own]),
        logdet=logdet,
        logdet_first=np.concatenate([_trace(m, a_first), _trace(n, steps)]),
    )


def multiply(a: Floats, b: Floats) -> Floats:
    """Products of small matrices, group by group: (.., q, s, G) x (.., s, r, G)."""
    inner = a.shape[-2]
    if inner == 1:
        return a * b
    if inner <= _SMALL:
        made = a[..., :, 0, None, :] * b[..., None, 0, :, :]
        for s in range(1, inner):
            made += a[..., :, s, None, :] * b[..., None, s, :, :]
        return made
    made = np.moveaxis(a, -1, -3) @ np.moveaxis(b, -1, -3)
    return np.ascontiguousarray(np.moveaxis(made, -3, -1))


def transpose(a: Floats) -> Floats:
    """Transposes of small matrices, group by group."""
    return a.swapaxes(-3, -2)


def _trace(a: Floats, b: Floats) -> Floats:
    """tr(ab) of every group: (.., q, s, G), (.., s, q, G) -> (.., G)."""
    trace: Floats = np.einsum("...ijg,...jig->...g", a, b)
    return trace


def inverse_and_logdet(b: Floats) -> tuple[Floats, Floats]:
    """Inverse, shape (q, q, G), and log determinant, shape (G,), of I + T A."""
    if len(b) == 1:
        return 1.0 / b, np.log(b[0, 0])
    if len(b) == 2:
        determinant = b[0, 0] * b[1, 1] - b[0, 1] * b[1, 0]
        adjugate = np.array([[b[1, 1], -b[0, 1]], [-b[1, 0], b[0, 0]]])
        return adjugate / determinant, np.log(determinant)
    stacked = np.moveaxis(b, -1, 0)
    inverse = np.ascontiguousarray(np.moveaxis(np.linalg.inv(stacked), 0, -1))
    return inverse, np.linalg.slogdet(stacked)[1]
