"""Some of the rows of a model, with their groups once or in several copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qsmstats.arrays import Integers
from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.design.identifiability import (
    check_absorbed,
    check_groups,
    check_residual,
    check_rows,
    whiten,
)
from qsmstats.mixed.design.independent_columns import independent_columns
from qsmstats.mixed.design.layout import Layout, RandomColumns, Residuals

__all__ = ["take_rows"]


def take_rows(layout: Layout, rows: Integers, copies: Integers | None = None) -> Layout:
    """Return the layout of some of the rows, as if the model had been given these alone.

    Parameters
    ----------
    layout
        A layout of n rows.
    rows
        Positions of the rows, shape (m,); a row may come several times.
    copies
        Which copy of its groups each of these rows belongs to, shape (m,): groups of different
        copies are different groups.

    Raises
    ------
    NotIdentifiedError
        If these rows cannot tell the parameters apart.
    """
    fixed = independent_columns(layout.basis[rows])
    if len(fixed.dropped):
        names = ", ".join(layout.fixed.names[index] for index in fixed.dropped)
        raise NotIdentifiedError(
            f"{names} cannot be estimated from the {len(rows)} remaining rows: fit this outcome "
            "separately, or remove these terms from the model"
        )
    made = replace(
        layout,
        random=tuple(_take_random(part, rows, copies) for part in layout.random),
        residuals=_take_residuals(layout.residuals, rows),
        basis=fixed.q,
        root=fixed.r @ layout.root,
    )
    check_rows(made.fixed, len(rows))
    check_groups(made.random)
    check_residual(made.random, len(rows))
    check_absorbed(made.random, made.basis)
    return made


def _take_random(part: RandomColumns, rows: Integers, copies: Integers | None) -> RandomColumns:
    codes = part.codes[rows]
    if copies is not None:
        codes = np.unique(copies * (part.codes.max() + 1) + codes, return_inverse=True)[1]
    basis = whiten(part.design, part.columns[rows])
    return replace(part, codes=codes, columns=basis.q, whitener=basis.r @ part.whitener)


def _take_residuals(residuals: Residuals, rows: Integers) -> Residuals:
    codes, prior = residuals.codes, residuals.prior
    if codes is not None and len(np.unique(codes[rows])) < len(residuals.levels):
        raise NotIdentifiedError(
            f"no row is left for a level of '{residuals.column}', so its residual variance cannot "
            "be estimated; omit weights, or give each level more rows"
        )
    return replace(
        residuals,
        codes=None if codes is None else codes[rows],
        prior=None if prior is None else prior[rows],
    )
