"""The optima of many outcomes: where their descents start, the minima, and what they are worth.

Outcomes are reduced by their regression on the fixed part first, so that differences of squares
keep their digits. Every outcome descends by itself; where a covariance matrix comes out singular,
the further starts of `optimum.boundary` are tried as well, all of them side by side; where rows are
shared and one term has two columns, those at random give way to `boundary_scan`. What did not
converge, or has hardly any residual variance left, is not vouched for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.mixed.batch.boundary_scan import boundary_starts
from qsmstats.mixed.batch.criterion import Evaluations, evaluate_together
from qsmstats.mixed.batch.design import BatchDesign, IndependentGroups
from qsmstats.mixed.batch.products import (
    BlockArrays,
    GroupProducts,
    OutcomeProducts,
    group_products,
)
from qsmstats.mixed.batch.result import BatchFit
from qsmstats.mixed.batch.shared_rows import SharedProducts, SharedRows, shared_products
from qsmstats.mixed.batch.single_factor import evaluate_shared
from qsmstats.mixed.criterion.covariance import factor_elements, factors_of
from qsmstats.mixed.criterion.profiled import deviance_uncertainty
from qsmstats.mixed.design.assembly import NOTHING_LEFT
from qsmstats.mixed.optimum.boundary import (
    SUSPICIOUS,
    best_minima,
)
from qsmstats.mixed.optimum.estimate import criterion_offset, free_parameters, relative_factors
from qsmstats.mixed.optimum.principal_axes import InAxes, is_singular
from qsmstats.mixed.optimum.starting_values import start_from_moments
from qsmstats.mixed.optimum.trust_region import Descents

__all__ = ["prepare", "prepare_shared", "solve_outcomes"]

Products: TypeAlias = OutcomeProducts | SharedProducts


def prepare(
    design: BatchDesign,
    grouped: IndependentGroups,
    stack: BlockArrays,
    index: Places,
    values: Floats,
    start: Floats | None,
) -> tuple[GroupProducts, Floats]:
    """Reduce outcomes, multiply them with their design, and say where to start.

    Parameters
    ----------
    design, grouped
        The design.
    stack, index
        The blocks, and the block of each outcome and group, shape (m, G).
    values
        The outcomes, shape (m, n_obs); NaN where a row is missing.
    start
        theta to start from in the user's units, or None for one from moments.

    Returns
    -------
    GroupProducts, start
        The outcomes' own products by group; free parameters, shape (m, k).
    """
    values = values - design.layout.offset
    parts = group_products(stack, index, *_reduced(grouped, stack, index, values))
    if start is not None:
        return parts, np.tile(_given_start(design, grouped, start), (len(values), 1))
    q1, q2 = grouped.rows.inner.shape[1], grouped.rows.width
    squares = np.square(parts.outer[..., :q2].sum(axis=2)).sum(axis=1)
    squares = squares @ grouped.rows.coarsest.column_places().T
    if q1:
        columns, lower = np.triu_indices(q1)
        inner = parts.cell_squares.sum(axis=(1, 2))[:, columns == lower]
        squares = np.concatenate([inner, squares], axis=1)
    return parts, start_from_moments(
        grouped.parametrisation,
        grouped.between,
        grouped.trace,
        squares,
        parts.square.sum(axis=(1, 2)),
        stack.rows[index].sum(axis=(1, 2)),
    )


def prepare_shared(
    design: BatchDesign,
    grouped: IndependentGroups,
    shared: SharedRows,
    values: Floats,
    start: Floats | None,
) -> tuple[SharedProducts, Floats]:
    """Do the same for outcomes without holes under one grouping factor.

    Parameters
    ----------
    design, grouped, shared
        The design.
    values
        The outcomes, shape (m, n_obs).
    start
        As of `prepare`.
    """
    rows, n = grouped.rows, design.n_obs
    y = (values - design.layout.offset).T[rows.order]
    if rows.row_scale is not None:
        y *= rows.row_scale[:, None]
    size = np.sqrt(np.einsum("nm,nm->m", y, y) / n)
    fixed = rows.outer[:, rows.width :]
    projection = np.zeros((fixed.shape[1], len(values)))
    # The second round takes what rounding left of a large mean.
    for _ in range(2):
        step = np.linalg.solve(shared.total, fixed.T @ y)
        projection += step
        y -= fixed @ step
    y, scale = _in_own_units(y, size, np.einsum("nm,nm->m", y, y) / n)
    products, squares = shared_products(shared, y, scale, projection.T)
    if start is not None:
        return products, np.tile(_given_start(design, grouped, start), (len(values), 1))
    return products, start_from_moments(
        grouped.parametrisation,
        grouped.between,
        grouped.trace,
        squares @ rows.coarsest.column_places().T,
        products.square,
        products.rows[:, 0],
    )


def _given_start(design: BatchDesign, grouped: IndependentGroups, start: Floats) -> Floats:
    """Free parameters of a theta in the user's units, with equal residual variances."""
    whiteners = [part.whitener for part in design.layout.random]
    return free_parameters(
        grouped.parametrisation,
        design.elimination.order,
        whiteners,
        factors_of(start, [len(whitener) for whitener in whiteners]),
        np.zeros(grouped.parametrisation.strata),
    )


def _in_own_units(residuals: Floats, size: Floats, square: Floats) -> tuple[Floats, Floats]:
    """Residuals (the outcome last) in units of their root mean square, and these units.

    An outcome of this size that the fixed part reproduces is zero here; its criterion falls without
    end.
    """
    scale = np.sqrt(square)
    held = scale > NOTHING_LEFT * size
    scale = np.where(held, scale, 1.0)
    return residuals * (held / scale), scale


def _reduced(
    grouped: IndependentGroups, stack: BlockArrays, index: Places, values: Floats
) -> tuple[Floats, Floats, Floats]:
    """Residuals of the sorted, weighted outcomes in units of their size; units; projections.

    Shapes (m, n), (m,) and (m, p).
    """
    rows = grouped.rows
    y = values[:, rows.order]
    if rows.row_scale is not None:
        y = y * rows.row_scale
    absent = np.isnan(y)
    y = np.where(absent, 0.0, y)
    q2 = rows.width
    size = np.sqrt(np.square(y).mean(axis=1))
    fixed = rows.outer[:, q2:]
    gram = stack.whole[..., q2:, q2:][index].sum(axis=(1, 2))
    projection = np.zeros((len(y), fixed.shape[1]))
    # The second round takes what rounding left of a large mean.
    for _ in range(2):
        step = np.linalg.solve(gram, (y @ fixed)[:, :, None])[:, :, 0]
        projection += step
        y = np.where(absent, 0.0, y - step @ fixed.T)
    count = stack.rows[index].sum(axis=(1, 2))
    y, scale = _in_own_units(y.T, size, np.square(y).sum(axis=1) / count)
    return y.T, scale, projection


def solve_outcomes(
    design: BatchDesign, grouped: IndependentGroups, products: Products, start: Floats
) -> tuple[BatchFit, Flags]:
    """Minimise, and translate into the user's units; which outcomes can be vouched for."""
    found = _minimise(grouped, products, start)
    values = _evaluate(grouped, products, found.theta)
    good = np.isfinite(values.value) & found.converged
    good &= values.rss > SUSPICIOUS * values.degrees
    scale, m = products.scale, len(start)
    variance = values.rss / values.degrees
    units = (variance * scale**2)[:, None, None]
    inverse = values.inverse
    moved = -(inverse[:, None] @ values.slopes @ inverse[:, None])
    layout = design.layout
    local = products.projection + scale[:, None] * values.estimates
    factors = relative_factors(
        grouped.parametrisation,
        design.elimination.order,
        [part.whitener for part in layout.random],
        found.theta,
    )
    offset = criterion_offset(
        layout.root, values.degrees, scale, products.log_weight, reml=grouped.reml
    )
    made = BatchFit(
        design=design,
        estimates=np.asarray(np.linalg.solve(layout.root, local[:, :, None])[:, :, 0]),
        theta=factor_elements(factors),
        log_ratios=found.theta[:, : grouped.parametrisation.strata],
        sigma2=variance * scale**2,
        criterion=values.value + offset,
        converged=found.converged,
        singular=is_singular(grouped.parametrisation, found.theta),
        n_obs=products.rows.sum(axis=1).astype(np.int64),
        iterations=found.iterations,
        refitted_singly=np.zeros(m, dtype=bool),
        problems=("",) * m,
        covariance=inverse * units,
        slopes=moved * units[:, None],
        uncertainty=deviance_uncertainty(
            values.curve_hessian, values.rss_slope, values.rss, variance
        ),
        seen=None,
    )
    return made, good


def _minimise(grouped: IndependentGroups, products: Products, start: Floats) -> Descents:
    """Minimise the criteria of m outcomes from starts of their own, shape (m, k)."""
    part, inside = products, np.arange(len(start))

    def evaluate(axes: InAxes, which: Places, theta: Floats) -> tuple[Floats, Floats, Floats]:
        nonlocal part, inside
        if not np.array_equal(which, inside):
            at = np.minimum(np.searchsorted(inside, which), len(inside) - 1)
            # Those left are taken from those left before, which are fewer.
            held = len(which) < len(inside) and np.array_equal(inside[at], which)
            part, inside = part.take(at) if held else products.take(which), which
        values = _evaluate(replace(grouped, parametrisation=axes), part, theta)
        return values.value, values.gradient, values.hessian

    def scan(which: Places, theta: Floats) -> tuple[Places, Floats]:
        assert isinstance(products, SharedProducts)  # noqa: S101
        return boundary_starts(products.take(which), theta, reml=grouped.reml)

    two = isinstance(products, SharedProducts) and grouped.parametrisation.widths == (2,)
    return best_minima(evaluate, grouped.parametrisation, start, scan if two else None)


def _evaluate(grouped: IndependentGroups, products: Products, theta: Floats) -> Evaluations:
    if isinstance(products, OutcomeProducts):
        return evaluate_together(grouped, products, theta)
    return evaluate_shared(grouped.parametrisation, products, theta, reml=grouped.reml)
