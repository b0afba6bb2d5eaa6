"""Independent columns of a matrix, an orthonormal basis for them, and the null space.

One pass over the rows gives the Gram matrix of the scaled columns; the diagonal of its Cholesky
factor tells how much of each column does not depend on earlier ones. Squaring loses half of the
digits, so where one of these is small the columns are orthogonalised themselves
(Gram-Schmidt, twice: Giraud et al. 2005, Comput Math Appl 50) and judged by R's rule: a column
depends on the earlier ones if less than 1e-7 of its length is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from qsmstats.arrays import Floats, Places

__all__ = ["Basis", "independent_columns"]


# Share of a squared length below which the Gram matrix is not trusted.
_SUSPICIOUS = 1e-9
# Share of a length below which a column depends on the earlier ones (R's default).
_DEPENDENT = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Independent columns: X[:, kept] = q r and X null_space = 0.

    Attributes
    ----------
    kept, dropped
        Positions of the independent and of the dependent columns.
    q
        Basis with q'q / n close to the identity, shape (n, p).
    r
        Upper triangular, shape (p, p).
    null_space
        Shape (columns, dropped).
    """

    kept: Places
    dropped: Places
    q: Floats
    r: Floats
    null_space: Floats


def independent_columns(matrix: Floats) -> Basis:
    """Find the columns that do not depend on earlier ones, shape (n, k) -> `Basis`."""
    n = len(matrix)
    gram = matrix.T @ matrix / n
    scale: Floats = np.sqrt(gram.diagonal())
    scale[scale == 0.0] = 1.0
    gram /= scale[:, None] * scale
    try:
        factor = np.linalg.cholesky(gram).T
    except np.linalg.LinAlgError:
        return _orthogonalise(matrix, scale)
    if np.all(factor.diagonal() ** 2 > _SUSPICIOUS * gram.diagonal()):
        r = factor * scale
        q = matrix @ np.linalg.inv(r)
        kept = np.arange(matrix.shape[1])
        empty = np.empty(0, dtype=np.intp)
        null = np.empty((len(kept), 0))
        return Basis(kept=kept, dropped=empty, q=q, r=r, null_space=null)
    return _orthogonalise(matrix, scale)


def _orthogonalise(matrix: Floats, scale: Floats) -> Basis:
    n, k = matrix.shape
    columns: list[Floats] = []
    kept: list[int] = []
    coefficients = np.zeros((k, k))
    for j in range(k):
        column = matrix[:, j] / scale[j]
        length = np.linalg.norm(column)
        basis = np.column_stack(columns) if columns else np.empty((n, 0))
        for _ in range(2):
            part = basis.T @ column / n
            column = column - basis @ part
            coefficients[: len(part), j] += part * scale[j]
        rest = np.linalg.norm(column)
        if length == 0.0 or rest <= _DEPENDENT * length:
            continue
        coefficients[len(columns), j] = rest / np.sqrt(n) * scale[j]
        columns.append(column / rest * np.sqrt(n))
        kept.append(j)
    dropped = np.setdiff1d(np.arange(k), kept)
    r = coefficients[: len(kept)][:, kept]
    null = np.zeros((k, len(dropped)))
    null[dropped, np.arange(len(dropped))] = 1.0
    if len(dropped) and kept:
        made = -solve_triangular(r, coefficients[: len(kept)][:, dropped])
        # What is zero but for rounding must be zero: estimability compares with the entries' size.
        share = np.abs(made) * scale[kept][:, None] / scale[dropped]
        null[kept] = np.where(share < 1e-10, 0.0, made)
    return Basis(
        kept=np.asarray(kept, dtype=np.intp),
        dropped=dropped,
        q=np.column_stack(columns) if columns else np.empty((n, 0)),
        r=r,
        null_space=null,
    )
