"""Outcomes one by one: what a batch could not do, in the form of its results."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from qsmstats.errors import ModelError
from qsmstats.mixed.batch.result import BatchFit
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.design.assembly import attach_outcome
from qsmstats.mixed.design.layout import Layout
from qsmstats.mixed.design.row_subset import take_rows
from qsmstats.mixed.formula.language import parse_formula
from qsmstats.mixed.inference.satterthwaite import Satterthwaite
from qsmstats.mixed.optimum.estimate import Engine, Solution, build_engine, solve

if TYPE_CHECKING:
    from qsmstats.mixed.batch.design import OutcomeDesign

__all__ = ["blank", "engine_of", "fit_singly", "put"]

Matrix = NDArray[np.float64]
Places = NDArray[np.intp]


def blank(design: OutcomeDesign, m: int) -> BatchFit:
    """Return the result of m outcomes of which nothing is known yet."""
    k, p = design.structure.parametrisation.size, len(design.layout.fixed.names)
    strata = design.structure.parametrisation.strata
    return BatchFit(
        design=design,
        estimates=np.full((m, p), np.nan),
        theta=np.full((m, k - strata), np.nan),
        log_ratios=np.full((m, strata), np.nan),
        sigma2=np.full(m, np.nan),
        criterion=np.full(m, np.nan),
        converged=np.zeros(m, dtype=bool),
        singular=np.zeros(m, dtype=bool),
        n_obs=np.full(m, design.n_obs, dtype=np.int64),
        iterations=np.zeros(m, dtype=np.int64),
        refitted_singly=np.zeros(m, dtype=bool),
        problems=("",) * m,
        covariance=np.full((m, p, p), np.nan),
        slopes=np.full((m, k, p, p), np.nan),
        uncertainty=np.full((m, k + 1, k + 1), np.nan),
        seen=None,
    )


def put(
    whole: BatchFit, places: Places, part: BatchFit, which: NDArray[np.bool_] | None = None
) -> BatchFit:
    """Put outcomes of one result (all, or those of `which`) at places of another."""
    chosen = np.arange(len(part)) if which is None else np.flatnonzero(which)
    arrays = {}
    for field in fields(BatchFit):
        if field.name not in ("design", "problems", "seen"):
            arrays[field.name] = getattr(whole, field.name).copy()
            arrays[field.name][places] = getattr(part, field.name)[chosen]
    problems = list(whole.problems)
    for place, one in zip(places, chosen, strict=True):
        problems[place] = part.problems[one]
    return BatchFit(design=whole.design, problems=tuple(problems), seen=whole.seen, **arrays)


def engine_of(
    design: OutcomeDesign, outcome: Matrix, rows: Places | None, copies: Places | None = None
) -> Engine:
    """Criterion of one outcome, shape (n_obs,), on some of the rows (or all).

    Raises
    ------
    NotIdentifiedError
        If the rows cannot tell the parameters apart.
    """
    layout: Layout = design.layout
    if rows is not None:
        layout = take_rows(layout, rows, copies)
        outcome = outcome[rows]
    problem = attach_outcome(layout, outcome, parse_formula(design.model.formula))
    structure = design.structure if rows is None else None
    return build_engine(problem, reml=design.method == "reml", structure=structure)


def fit_singly(
    design: OutcomeDesign, outcome: Matrix, rows: Places | None, copies: Places | None = None
) -> BatchFit:
    """Fit one outcome by the ordinary search; what keeps it from being fitted is in `problems`."""
    made = blank(design, 1)
    made.refitted_singly[:] = True
    made.n_obs[:] = design.n_obs if rows is None else len(rows)
    try:
        engine = engine_of(design, outcome, rows, copies)
        solution = solve(engine)
    except ModelError as error:
        return put(made, np.array([0]), _failed(made, str(error)))
    return _translated(made, solution, design.layout.root)


def _failed(made: BatchFit, message: str) -> BatchFit:
    return replace(made, problems=(message,))


def _translated(made: BatchFit, solution: Solution, root: Matrix) -> BatchFit:
    moments = solution.moments
    inference = Satterthwaite(moments)
    # From the basis of the rows used to that of the whole design.
    turn = root @ solve_triangular(moments.basis, np.eye(len(root)))
    turned = turn * moments.scale
    return replace(
        made,
        estimates=solution.estimates[None],
        theta=np.concatenate([f[lower_triangle(len(f))] for f in solution.factors])[None],
        log_ratios=np.log(solution.ratios[1:])[None],
        sigma2=np.array([solution.sigma**2]),
        criterion=np.array([solution.criterion]),
        converged=np.array([solution.record.converged]),
        singular=np.array([solution.singular]),
        iterations=np.array([solution.record.iterations]),
        covariance=(turned @ inference.covariance @ turned.T)[None],
        slopes=(turned @ inference.slopes[:-1] @ turned.T)[None],
        uncertainty=inference.uncertainty[None],
    )
