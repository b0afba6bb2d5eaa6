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
from qsmstats.mixed.design.layout import Layout

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
    random = []
    for part in layout.random:
        groups = part.codes[rows]
        if copies is not None:
            groups = np.unique(copies * (part.codes.max() + 1) + groups, return_inverse=True)[1]
        basis = whiten(part.design, part.columns[rows])
        whitener = basis.r @ part.whitener
        random.append(replace(part, codes=groups, columns=basis.q, whitener=whitener))
    residuals = layout.residuals
    codes = None if residuals.codes is None else residuals.codes[rows]
    if codes is not None and len(np.unique(codes)) < len(residuals.levels):
        raise NotIdentifiedError(
            f"no row is left for a level of '{residuals.column}', so its residual variance cannot "
            "be estimated; omit weights, or give each level more rows"
        )
    prior = None if residuals.prior is None else residuals.prior[rows]
    made = replace(
        layout,
        random=tuple(random),
        residuals=replace(residuals, codes=codes, prior=prior),
        offset=layout.offset[rows],
        basis=fixed.q,
        root=fixed.r @ layout.root,
    )
    check_rows(made.fixed, len(rows))
    check_groups(made.random)
    check_residual(made.random, len(rows))
    check_absorbed(made.random, made.basis)
    return made
