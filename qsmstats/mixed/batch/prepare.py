"""Outcomes as the optimiser wants them, and its optima as the user does.

Outcomes are reduced by their regression on the fixed part first, so that differences of squares
keep their digits. Optima are judged: what did not converge, or has hardly any residual variance
left, is not vouched for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.mixed.batch.blocks import Block
from qsmstats.mixed.batch.criterion import Values, evaluate_together
from qsmstats.mixed.batch.design import BatchDesign, Grouped
from qsmstats.mixed.batch.minima import minimise_together
from qsmstats.mixed.batch.products import Bundle, OutcomeParts, Stack, bundle, outcome_parts
from qsmstats.mixed.batch.result import BatchFit
from qsmstats.mixed.criterion.covariance import lower_factor
from qsmstats.mixed.design.assembly import NOTHING_LEFT
from qsmstats.mixed.optimum.boundary import SUSPICIOUS
from qsmstats.mixed.optimum.starting_values import moment_roots

__all__ = ["Lists", "Prepared", "prepare", "solve_prepared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """The blocks that outcomes are made of.

    Attributes
    ----------
    blocks, stack
        The blocks, one by one and as arrays.
    index
        Block of each outcome and group, shape (m, G).
    """

    blocks: tuple[Block, ...]
    stack: Stack
    index: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Outcomes ready for the optimiser.

    Attributes
    ----------
    products
        Their cross-products.
    start
        Free parameters to start from, shape (m, k).
    scale, projection
        Unit of each outcome, shape (m,), and its regression on the basis, shape (m, p).
    log_weight
        Sum of the logarithms of the prior weights of its rows, shape (m,).
    """

    products: Bundle
    start: Floats
    scale: Floats
    projection: Floats
    log_weight: Floats


def prepare(
    design: BatchDesign, grouped: Grouped, lists: Lists, values: Floats, start: Floats | None
) -> tuple[Prepared, OutcomeParts]:
    """Reduce outcomes, shape (m, n_obs), and multiply them with their design.

    Parameters
    ----------
    design, grouped
        The design.
    lists
        Blocks of each outcome.
    values
        The outcomes; NaN where a row is missing.
    start
        theta to start from in the user's units, or None for one from moments.

    Returns
    -------
    Prepared, OutcomeParts
        What the optimiser needs, and the outcomes' own part of it by group.
    """
    stack, index = lists.stack, lists.index
    y, projection, scale = _reduced(grouped, lists, values)
    parts = outcome_parts(lists.blocks, index, y, stack.cells.shape[1])
    count = stack.rows[index].sum(axis=1)
    prepared = Prepared(
        products=bundle(stack, index, parts),
        start=_start(design, grouped, parts, count, start),
        scale=scale,
        projection=projection,
        log_weight=stack.log_weight[index].sum(axis=1),
    )
    return prepared, parts


def _reduced(grouped: Grouped, lists: Lists, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Residuals of the sorted, weighted outcomes in units of their size, with what was taken off.

    Shapes (m, n), (m, p) and (m,).
    """
    rows, stack, index = grouped.rows, lists.stack, lists.index
    y = values[:, rows.order]
    if rows.row_scale is not None:
        y = y * rows.row_scale
    absent = np.isnan(y)
    y = np.where(absent, 0.0, y)
    q2 = rows.width
    size = np.sqrt(np.square(y).mean(axis=1))
    fixed = rows.outer[:, q2:]
    gram = stack.whole[:, q2:, q2:][index].sum(axis=1)
    projection = np.zeros((len(y), fixed.shape[1]))
    # The second round takes what rounding left of a large mean.
    for _ in range(2):
        step = np.linalg.solve(gram, (y @ fixed)[:, :, None])[:, :, 0]
        projection += step
        y = np.where(absent, 0.0, y - step @ fixed.T)
    count = stack.rows[index].sum(axis=1)
    scale = np.sqrt(np.square(y).sum(axis=1) / count)
    # An outcome that the fixed part reproduces is zero here; its criterion falls without end.
    held = scale > NOTHING_LEFT * size
    scale = np.where(held, scale, 1.0)
    return y * (held / scale)[:, None], projection, scale


def _free_parameters(design: BatchDesign, theta: Floats) -> Floats:
    """Free parameters of the engine for theta in the user's units, shape (k,)."""
    parametrisation, layout = design.structure.parametrisation, design.layout
    factors, at = {}, 0
    for term, part in enumerate(layout.random):
        width = part.columns.shape[1]
        size = width * (width + 1) // 2
        factor = np.zeros((width, width))
        columns, rows = np.triu_indices(width)
        factor[rows, columns] = theta[at : at + size]
        factors[term] = lower_factor(part.whitener @ factor)
        at += size
    ordered = [factors[term] for term in design.structure.order]
    return parametrisation.join(np.zeros(parametrisation.strata), ordered)


def _start(
    design: BatchDesign,
    grouped: Grouped,
    parts: OutcomeParts,
    rows: Floats,
    start: Floats | None,
) -> Floats:
    m = len(rows)
    if start is not None:
        return np.tile(_free_parameters(design, start), (m, 1))
    q1, q2 = grouped.rows.inner.shape[1], grouped.rows.width
    squares = np.square(parts.outer[..., :q2]).sum(axis=1)
    if q1:
        columns, lower = np.triu_indices(q1)
        own = parts.cell_squares.sum(axis=(1, 2))[:, columns == lower]
        squares = np.concatenate([own, squares], axis=1)
    total = parts.square.sum(axis=1)
    roots = moment_roots(grouped.between, grouped.trace, squares, total, rows)
    parametrisation = design.structure.parametrisation
    unit = parametrisation.join(np.zeros(0), [np.eye(width) for width in parametrisation.widths])
    made = np.zeros((m, len(unit)))
    made[:, unit > 0] = roots
    return made


def solve_prepared(
    design: BatchDesign, grouped: Grouped, prepared: Prepared
) -> tuple[BatchFit, Flags]:
    """Minimise, and translate into the user's units; which outcomes can be vouched for."""
    products = prepared.products
    found = minimise_together(products, prepared.start, grouped.form)
    values = evaluate_together(products, found.theta, grouped.form)
    good = np.isfinite(values.value) & found.converged
    good &= values.rss > SUSPICIOUS * values.degrees
    scale, m = prepared.scale, len(prepared.scale)
    variance = values.rss / values.degrees
    units = (variance * scale**2)[:, None, None]
    inverse = values.inverse
    moved = -(inverse[:, None] @ values.slopes @ inverse[:, None])
    root = design.layout.root
    local = prepared.projection + scale[:, None] * values.estimates
    made = BatchFit(
        design=design,
        estimates=np.asarray(np.linalg.solve(root, local[:, :, None])[:, :, 0], dtype=np.float64),
        theta=_user_theta(design, found.theta),
        log_ratios=np.zeros((m, 0)),
        sigma2=variance * scale**2,
        criterion=values.value + _offsets(design, prepared, values),
        converged=found.converged,
        singular=found.singular,
        n_obs=products.rows.astype(np.int64),
        iterations=found.iterations,
        refitted_singly=np.zeros(m, dtype=bool),
        problems=("",) * m,
        covariance=inverse * units,
        slopes=moved * units[:, None],
        uncertainty=_uncertainty(values, variance),
        seen=None,
    )
    return made, good


def _offsets(design: BatchDesign, prepared: Prepared, values: Values) -> Floats:
    """Return what units and prior weights add to -2 log likelihood, shape (m,)."""
    made = 2.0 * values.degrees * np.log(prepared.scale) - prepared.log_weight
    if design.method == "reml":
        made = made + 2.0 * np.log(np.abs(np.diag(design.layout.root))).sum()
    return np.asarray(made)


def _user_theta(design: BatchDesign, theta: Floats) -> Floats:
    """Relative Cholesky elements in the user's units, terms in the order of the formula."""
    structure, at = design.structure, design.structure.parametrisation.strata
    parts: dict[int, Floats] = {}
    for term, width in zip(structure.order, structure.parametrisation.widths, strict=True):
        columns, rows = np.triu_indices(width)
        factor = np.zeros((len(theta), width, width))
        factor[:, rows, columns] = theta[:, at : at + len(rows)]
        at += len(rows)
        whitener = design.layout.random[term].whitener
        made = np.asarray(np.linalg.solve(whitener, factor), dtype=np.float64)
        parts[term] = lower_factor(made)[:, rows, columns]
    return np.concatenate([parts[term] for term in range(len(parts))], axis=1)


def _uncertainty(values: Values, variance: Floats) -> Floats:
    """2 H^-1 over the directions in which the deviance in (theta, log sigma) curves upwards."""
    m, k = values.gradient.shape
    whole = np.empty((m, k + 1, k + 1))
    whole[:, :k, :k] = values.curve_hessian
    whole[:, :k, k] = whole[:, k, :k] = values.rss_slope * (-2.0 / variance)[:, None]
    whole[:, k, k] = 4.0 * values.rss / variance
    size, axes = np.linalg.eigh(np.where(np.isfinite(whole), whole, 0.0))
    curved = size > 1e-9 * np.maximum(size[:, -1:], 1.0)
    shares = np.where(curved, 2.0 / np.where(curved, size, 1.0), 0.0)
    made: Floats = (axes * shares[:, None]) @ axes.swapaxes(1, 2)
    return made
