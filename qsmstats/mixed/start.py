"""Where the optimiser starts: variances by the method of moments.

For every column a of every random term let Z_a hold it for all groups. Under the model (weights
in W, residual outcome y) with independent columns of variance v_a,

  E |Z_a'W y|^2 = s2 tr(Z_a'W Z_a) + sum_b v_b |Z_a'W Z_b|^2,
  E y'W y = s2 n + sum_b v_b tr(Z_b'W Z_b),

linear equations in (s2, v) (MINQUE(0), Rao 1971, J Multivar Anal 1, 445-456; the regression on
the fixed part is ignored). Everything in them is a sum of squares of cross-products at hand. The
solution, kept away from zero and infinity, saves Newton's method about half of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qsmstats.mixed.covariance import Parametrisation
from qsmstats.mixed.crossed import CrossedProducts
from qsmstats.mixed.crossproducts import CrossProducts

__all__ = ["start_crossed", "start_nested"]

Matrix = NDArray[np.float64]

# Range of relative variances to start from: a start at zero would be a stationary point.
_LEAST, _MOST = 1e-2, 1e4


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums of squares: of cross-products between columns, with the outcome, and traces."""

    between: Matrix
    outcome: Matrix
    trace: Matrix
    total: float
    rows: int


def start_nested(
    products: CrossProducts, parametrisation: Parametrisation, places: Sequence[Matrix], rows: int
) -> Matrix:
    """Return starting parameters of a nested design.

    Parameters
    ----------
    products
        Its cross-products.
    parametrisation
        Its parameters.
    places
        Per level, for every column of its terms (in the order of the parameters), which of the
        level's columns are its copies: a matrix of zeros and ones, shape (columns, q).
    rows
        Number of rows.
    """
    blocks = [level.blocks.sum(axis=0) for level in products.levels]
    squares = [np.einsum("qrg,qrg->qr", block, block) for block in blocks]
    sizes = [len(place) for place in places]
    first = np.cumsum([0, *sizes])
    between = np.zeros((first[-1], first[-1]))
    for i, place in enumerate(places):
        column = 0
        for j in range(i, len(places)):
            width = places[j].shape[1]
            part = place @ squares[i][:, column : column + width] @ places[j].T
            between[first[i] : first[i + 1], first[j] : first[j + 1]] = part
            between[first[j] : first[j + 1], first[i] : first[i + 1]] = part.T
            column += width
    outcome = np.concatenate([p @ s[:, -1] for p, s in zip(places, squares, strict=True)])
    trace = np.concatenate(
        [
            place @ np.einsum("qqg->q", block[:, : block.shape[0]])
            for place, block in zip(places, blocks, strict=True)
        ]
    )
    total = float(products.total.sum(axis=0)[-1, -1])
    return _solve(_Moments(between, outcome, trace, total, rows), parametrisation)


def start_crossed(products: CrossedProducts, parametrisation: Parametrisation, rows: int) -> Matrix:
    """Return starting parameters of a crossed design, as `start_nested`."""
    own, side = products.own.sum(axis=0), sum(products.side)
    border = products.border.sum(axis=0)
    q, dense = len(own), products.dense_basis[0].shape[0]
    columns = _dense_columns(products, dense)
    square = side.multiply(side).tocsr()
    first = np.stack([np.asarray(square[a::q].sum(axis=0)).ravel() for a in range(q)])
    top = np.einsum("abg,abg->ab", own, own)
    corner = columns @ border[:dense, :dense] ** 2 @ columns.T
    cross = first[:, :dense] @ columns.T
    moments = _Moments(
        between=np.block([[top, cross], [cross.T, corner]]),
        outcome=np.concatenate([first[:, -1], columns @ border[:dense, -1] ** 2]),
        trace=np.concatenate([np.einsum("aag->a", own), columns @ np.diag(border)[:dense]]),
        total=float(border[-1, -1]),
        rows=rows,
    )
    return _solve(moments, parametrisation)


def _dense_columns(products: CrossedProducts, dense: int) -> Matrix:
    """Which effects of the dense block belong to each column, shape (columns, dense)."""
    diagonals = [unit.diagonal() for unit in products.dense_basis]
    return np.array([diagonal for diagonal in diagonals if diagonal.any()]).reshape(-1, dense)


def _solve(moments: _Moments, parametrisation: Parametrisation) -> Matrix:
    """Solve the moment equations and put the variances on the diagonals of the factors."""
    matrix = np.block(
        [
            [np.array([[float(moments.rows)]]), moments.trace[None]],
            [moments.trace[:, None], moments.between],
        ]
    )
    scale = np.sqrt(np.diag(matrix))
    right = np.concatenate([[moments.total], moments.outcome]) / scale
    solution = np.linalg.lstsq(matrix / np.outer(scale, scale), right, rcond=1e-10)[0] / scale
    residual = max(float(solution[0]), 0.05 * moments.total / moments.rows)
    roots = np.sqrt(np.clip(solution[1:] / residual, _LEAST, _MOST))
    ends = np.cumsum(parametrisation.widths)[:-1]
    return parametrisation.join(
        np.zeros(parametrisation.strata), [np.diag(part) for part in np.split(roots, ends)]
    )
