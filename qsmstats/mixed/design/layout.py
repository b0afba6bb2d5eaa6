"""A model on its rows: what the formula and the data frame have become."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qsmstats.mixed.design.frame import ModelFrame
from qsmstats.mixed.design.matrices import FixedDesign, RandomDesign

__all__ = ["Layout", "Problem", "RandomColumns", "Residuals"]

Matrix = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomColumns:
    """A random term with its rows.

    Attributes
    ----------
    design
        The term.
    codes
        Group of each row, shape (n,).
    columns
        Whitened columns Z S^-1, shape (n, q).
    whitener
        S, upper triangular, shape (q, q).
    """

    design: RandomDesign
    codes: Codes
    columns: Matrix
    whitener: Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """What is known beforehand of the residual variances.

    Attributes
    ----------
    column, levels
        Column whose levels have their own variance, and these levels; None and () where there is
        one variance.
    codes
        Level of each row, shape (n,), or None.
    weight_column
        Column of prior weights, or None.
    prior
        Prior weights, shape (n,), or None.
    """

    column: str | None
    levels: tuple[object, ...]
    codes: Codes | None
    weight_column: str | None
    prior: Matrix | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A model brought onto its rows, without an outcome.

    Attributes
    ----------
    frame, fixed, random, residuals
        Rows, fixed part, random terms and residual variances.
    basis, root
        Q, shape (n, p), and R, shape (p, p): X = Q R.
    notes
        What a reader of the fit should know of the data and the design.
    """

    frame: ModelFrame
    fixed: FixedDesign
    random: tuple[RandomColumns, ...]
    residuals: Residuals
    basis: Matrix
    root: Matrix
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Layout):
    """A model brought onto its data.

    Attributes
    ----------
    response
        The outcome, shape (n,).
    reduced, scale, projection
        (y - Q projection) / scale, shape (n,); the scale; the projection, shape (p,).
    """

    response: Matrix
    reduced: Matrix
    scale: float
    projection: Matrix
