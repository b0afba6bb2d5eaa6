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

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.mixed.criterion.covariance import Parametrisation
from qsmstats.mixed.criterion.crossed import CrossedProducts
from qsmstats.mixed.criterion.crossproducts import CrossProducts, LevelProducts

__all__ = ["design_moments", "start_crossed", "start_from_moments", "start_nested"]


# Range of relative variances to start from: a start at zero would be a stationary point.
_LEAST, _MOST = 1e-2, 1e4


def start_nested(
    products: CrossProducts, parametrisation: Parametrisation, places: Sequence[Floats], rows: int
) -> Floats:
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
    between, trace = design_moments(products.levels, places)
    sums = [level.blocks.sum(axis=0)[:, -1] for level in products.levels]
    outcome = np.concatenate(
        [place @ np.einsum("qg,qg->q", s, s) for place, s in zip(places, sums, strict=True)]
    )
    total = float(products.total.sum(axis=0)[-1, -1])
    made = start_from_moments(
        parametrisation, between, trace, outcome[None], np.array([total]), np.array([float(rows)])
    )
    return made.reshape(-1)


def design_moments(
    levels: Sequence[LevelProducts], places: Sequence[Floats]
) -> tuple[Floats, Floats]:
    """Return |Z_a'W Z_b|^2, shape (columns, columns), and tr(Z_a'W Z_a), shape (columns,).

    Parameters
    ----------
    levels
        Cross-products of the levels; their outcome, if any, is not looked at.
    places
        As in `start_nested`.
    """
    blocks = [level.blocks.sum(axis=0) for level in levels]
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
    trace = np.concatenate(
        [
            place @ np.einsum("qqg->q", block[:, : block.shape[0]])
            for place, block in zip(places, blocks, strict=True)
        ]
    )
    return between, trace


def start_crossed(products: CrossedProducts, parametrisation: Parametrisation, rows: int) -> Floats:
    """Return starting parameters of a crossed design, as `start_nested`."""
    own, side = products.own.sum(axis=0), sum(products.side)
    border = products.border.sum(axis=0)
    q, dense = len(own), products.dense_basis[0].shape[0]
    diagonals = [unit.diagonal() for unit in products.dense_basis]
    # Which effects of the dense block belong to each column, shape (columns, dense).
    columns = np.array([diagonal for diagonal in diagonals if diagonal.any()]).reshape(-1, dense)
    square = side.multiply(side).tocsr()
    first = np.stack([np.asarray(square[a::q].sum(axis=0)).ravel() for a in range(q)])
    top = np.einsum("abg,abg->ab", own, own)
    corner = columns @ border[:dense, :dense] ** 2 @ columns.T
    cross = first[:, :dense] @ columns.T
    made = start_from_moments(
        parametrisation,
        np.block([[top, cross], [cross.T, corner]]),
        np.concatenate([np.einsum("aag->a", own), columns @ np.diag(border)[:dense]]),
        np.concatenate([first[:, -1], columns @ border[:dense, -1] ** 2])[None],
        border[-1:, -1],
        np.array([float(rows)]),
    )
    return made.reshape(-1)


def start_from_moments(
    parametrisation: Parametrisation,
    between: Floats,
    trace: Floats,
    outcome: Floats,
    total: Floats,
    rows: Floats,
) -> Floats:
    """Solve the moment equations of m outcomes, and start from their standard deviations.

    Parameters
    ----------
    parametrisation
        The parameters.
    between, trace
        As from `design_moments`.
    outcome
        |Z_a'W y|^2, shape (m, columns).
    total, rows
        y'W y and the number of rows, shapes (m,).

    Returns
    -------
    ndarray of shape (m, size)
        Free parameters: equal residual variances, and diagonal Cholesky factors.
    """
    m, k = outcome.shape
    # Outcomes of the same rows share their equations.
    sizes = rows[:1] if np.all(rows == rows[0]) else rows
    matrix = np.empty((len(sizes), k + 1, k + 1))
    matrix[:, 0, 0] = sizes
    matrix[:, 0, 1:] = matrix[:, 1:, 0] = trace
    matrix[:, 1:, 1:] = between
    scale = np.sqrt(np.einsum("maa->ma", matrix))
    right = np.concatenate([total[:, None], outcome], axis=1) / scale
    inverse = np.linalg.pinv(matrix / (scale[:, :, None] * scale[:, None]), rcond=1e-10)
    solution = (inverse @ right[:, :, None])[:, :, 0] / scale
    residual = np.maximum(solution[:, 0], 0.05 * total / rows)
    residual = np.maximum(residual, np.finfo(np.float64).tiny)
    made = np.zeros((m, parametrisation.size))
    diagonal = parametrisation.start() > 0.0
    made[:, diagonal] = np.sqrt(np.clip(solution[:, 1:] / residual[:, None], _LEAST, _MOST))
    return made
