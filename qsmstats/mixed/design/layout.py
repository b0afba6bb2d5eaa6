"""A model on its rows: what the formula and the data frame have become."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Floats, Integers
from qsmstats.mixed.design.frame import ModelFrame
from qsmstats.mixed.design.matrices import FixedDesign, RandomDesign
from qsmstats.mixed.formula.terms import Terms

__all__ = ["Layout", "OutcomeLayout", "RandomColumns", "Residuals", "any_outcome"]


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
    codes: Integers
    columns: Floats
    whitener: Floats


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
    codes: Integers | None
    weight_column: str | None
    prior: Floats | None

    @property
    def row_scale(self) -> Floats | None:
        """Root of the prior weights, shape (n,), or None."""
        return None if self.prior is None else np.sqrt(self.prior)

    @property
    def strata(self) -> tuple[Integers, int] | None:
        """Level of each row and the number of levels, or None where there is one variance."""
        return None if self.codes is None else (self.codes, len(self.levels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A model on its rows, without an outcome: fixed basis, random columns, residual strata.

    Attributes
    ----------
    frame, fixed, random, residuals
        Rows, fixed part, random terms and residual variances.
    offset, offset_terms
        What is added to the linear predictor, shape (n,), and the expressions it is the sum of.
    basis, root
        Q, shape (n, p), and R, shape (p, p): X = Q R.
    notes
        What a reader of the fit should know of the data and the design.
    """

    frame: ModelFrame
    fixed: FixedDesign
    random: tuple[RandomColumns, ...]
    residuals: Residuals
    offset: Floats
    offset_terms: tuple[Terms, ...]
    basis: Floats
    root: Floats
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeLayout(Layout):
    """A model on its rows, with an outcome.

    Attributes
    ----------
    response
        The outcome, shape (n,).
    reduced, scale, projection
        (y - offset - Q projection) / scale, shape (n,); the scale; the projection, shape (p,).
    """

    response: Floats
    reduced: Floats
    scale: float
    projection: Floats


def any_outcome(layout: Layout) -> Floats:
    """Return an outcome, shape (n,), for questions about a design whose answer depends on none."""
    return np.random.default_rng(0).standard_normal(len(layout.basis))
