"""One chunk of outcomes: which rows each has, what the batch fits and what is left to single fits.

Left to single fits are outcomes whose missing rows may cost the design its rank or a term its
groups, and those whose optimum the batch cannot vouch for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.errors import ModelError
from qsmstats.mixed.batch.blocks import block_of
from qsmstats.mixed.batch.design import BatchDesign, IndependentGroups, outcome_engine
from qsmstats.mixed.batch.prepare import prepare, solve_outcomes
from qsmstats.mixed.batch.products import BlockArrays, outcome_products, stack_blocks
from qsmstats.mixed.batch.result import BatchFit, blank, joined, put
from qsmstats.mixed.criterion.covariance import factor_elements
from qsmstats.mixed.inference.degrees_of_freedom import Satterthwaite
from qsmstats.mixed.optimum.estimate import solve

__all__ = ["fit_chunk", "fit_singly", "fit_task", "sound"]


# Smallest eigenvalue of a matrix of cross-products in correlation form, below which a single fit
# has to judge its rank.
_DOUBTFUL = 1e-9


def fit_task(
    shared: tuple[BatchDesign, Callable[[Any], Floats] | None, Floats | None], task: Any
) -> BatchFit:
    """Fit the outcomes of one task, chunk by chunk; for `parallel.run_tasks`."""
    design, make, start = shared
    values = task if make is None else make(task)
    step = design.chunk
    return joined(
        [
            fit_chunk(design, np.ascontiguousarray(values[at : at + step]), start)
            for at in range(0, len(values), step)
        ]
    )


def fit_chunk(design: BatchDesign, values: Floats, start: Floats | None = None) -> BatchFit:
    """Fit one chunk of outcomes, shape (m, n_obs)."""
    seen = ~np.isnan(values)
    missing = not seen.all()
    made = blank(design, len(values))
    left = np.arange(len(values))
    if (grouped := design.grouped) is not None:
        stack, index = _blocks_seen(grouped, seen)
        good = sound(design, stack, index) if missing else np.ones(len(values), dtype=bool)
        places = np.flatnonzero(good)
        if len(places):
            used = index[places]
            parts, starts = prepare(design, grouped, stack, used, values[places], start)
            products = outcome_products(stack, used, parts)
            found, solved = solve_outcomes(design, grouped, products, starts)
            made = put(made, places[solved], found, solved)
            good[places[~solved]] = False
        left = np.flatnonzero(~good)
    for one in left:
        rows = None if seen[one].all() else np.flatnonzero(seen[one])
        made = put(made, np.array([one]), fit_singly(design, values[one], rows))
    if not missing:
        return made
    return replace(made, n_obs=seen.sum(axis=1).astype(np.int64), seen=np.packbits(seen, axis=1))


def _blocks_seen(grouped: IndependentGroups, seen: Flags) -> tuple[BlockArrays, Places]:
    """Blocks for the patterns of missing rows, and that of each outcome and group, shape (m, G)."""
    rows = grouped.rows
    index = np.tile(np.arange(rows.size), (len(seen), 1))
    if seen.all():
        return grouped.stack, index
    blocks = list(grouped.stack.blocks)
    ordered = seen[:, rows.order]
    for group in range(rows.size):
        own = ordered[:, rows.starts[group] : rows.starts[group + 1]]
        holes = np.flatnonzero(~own.all(axis=1))
        if not len(holes):
            continue
        patterns, number = np.unique(own[holes], axis=0, return_inverse=True)
        index[holes, group] = len(blocks) + number.ravel()
        blocks.extend(block_of(rows, group, pattern) for pattern in patterns)
    used, index = np.unique(index, return_inverse=True)
    stack = stack_blocks(rows, [blocks[number] for number in used])
    return stack, index.reshape(len(seen), rows.size)


def sound(design: BatchDesign, stack: BlockArrays, index: Places) -> Flags:
    """Return whether lists of blocks, shape (m, G), surely identify the model, shape (m,)."""
    rows = stack.rows[index].sum(axis=1)
    whole = stack.whole[index].sum(axis=1)
    q2 = stack.width
    good: Flags = (rows > whole.shape[1] - q2) & _well_conditioned(whole[:, q2:, q2:])
    good &= _well_conditioned(whole[:, :q2, :q2])
    groups = {0: stack.subgroups[index].sum(axis=1), -1: (stack.rows[index] > 0).sum(axis=1)}
    levels = design.elimination.levels
    for place in {0, -1} if len(levels) > 1 else {-1}:
        for member in levels[place].members:
            width = design.layout.random[member.term].columns.shape[1]
            count = groups[place]
            good &= (count >= 2) & (count * width < rows)
            # Few effects may lie within the fixed part; that takes the rows to find out.
            good &= count * width > whole.shape[1] - q2
    if len(levels) > 1:
        # Z'Z of the finer factor over all rows of each outcome, shape (m, q1, q1).
        each = np.einsum("bk,bkij->bij", stack.cell_count, stack.shapes[stack.cell_shape])
        good &= _well_conditioned(each[index].sum(axis=1))
    return good


def _well_conditioned(matrix: Floats) -> Flags:
    scale = np.sqrt(np.einsum("nii->ni", matrix))
    held = (scale > 0).all(axis=1)
    safe = np.where(scale > 0, scale, 1.0)
    least = np.linalg.eigvalsh(matrix / (safe[:, :, None] * safe[:, None]))[:, 0]
    made: Flags = held & (least > _DOUBTFUL)
    return made


def fit_singly(
    design: BatchDesign, outcome: Floats, rows: Places | None, copies: Places | None = None
) -> BatchFit:
    """Fit one outcome by the ordinary search; what keeps it from being fitted is in `problems`."""
    made = blank(design, 1)
    made.refitted_singly[:] = True
    made.n_obs[:] = design.n_obs if rows is None else len(rows)
    try:
        engine = outcome_engine(design, outcome, rows, copies)
        optimum = solve(engine)
    except ModelError as error:
        return put(made, np.array([0]), replace(made, problems=(str(error),)))
    moments, root = optimum.moments, design.layout.root
    inference = Satterthwaite(moments)
    # From the basis of the rows used to that of the whole design.
    turned = moments.scale * root @ solve_triangular(moments.basis, np.eye(len(root)))
    return replace(
        made,
        estimates=optimum.estimates[None],
        theta=factor_elements(optimum.factors)[None],
        log_ratios=np.log(optimum.ratios[1:])[None],
        sigma2=np.array([optimum.sigma**2]),
        criterion=np.array([optimum.criterion]),
        converged=np.array([optimum.minimum.converged]),
        singular=np.array([optimum.singular]),
        iterations=np.array([optimum.minimum.iterations]),
        covariance=(turned @ inference.covariance @ turned.T)[None],
        slopes=(turned @ inference.slopes[:-1] @ turned.T)[None],
        uncertainty=inference.uncertainty[None],
    )
