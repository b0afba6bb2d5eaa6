"""Many outcomes of the same rows, fitted together.

The design is brought onto its rows once. Outcomes then go through in chunks whose size depends on
the design alone: what a fit comes out as depends on the outcome, on its place in its chunk and on
the other members of it, never on the batch, on the number of processes or on how many outcomes
follow. Designs without independent groups, and single outcomes that the batch could not bring to
an optimum, are fitted one by one by the ordinary search and counted; so are outcomes whose missing
rows may cost the design its rank or a term its groups.

Rows in which an outcome is NaN are missing for that outcome alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.errors import InvalidDataError, ModelError, UsageError, check_option
from qsmstats.mixed.batch.design import (
    BatchDesign,
    IndependentGroups,
    blocks_seen,
    independent_groups,
    outcome_engine,
)
from qsmstats.mixed.batch.optimum import prepare, prepare_shared, solve_outcomes
from qsmstats.mixed.batch.products import BlockArrays, GroupProducts, outcome_products
from qsmstats.mixed.batch.result import BatchFit, blank, joined, put
from qsmstats.mixed.criterion.covariance import factor_elements, factors_of
from qsmstats.mixed.design.assembly import lay_out
from qsmstats.mixed.fitted import Likelihood, Weights, weight_columns
from qsmstats.mixed.formula.specification import Specification
from qsmstats.mixed.inference.degrees_of_freedom import Satterthwaite
from qsmstats.mixed.optimum.estimate import elimination_of, solve
from qsmstats.parallel import Progress, one_thread, run_tasks

__all__ = [
    "OutcomeDesign",
    "as_numbers",
    "fit_singly",
    "fit_task",
    "fit_together",
    "outcome_design",
]


# Smallest eigenvalue of a matrix of cross-products in correlation form, below which a single fit
# has to judge its rank.
_DOUBTFUL = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeDesign(BatchDesign):
    """A model on its rows, ready for any number of outcomes."""

    def fit_outcomes(
        self,
        outcomes: Floats | pd.DataFrame,
        *,
        start: Floats | None = None,
        batch: int = 512,
        jobs: int = 1,
        progress: Progress | None = None,
    ) -> BatchFit:
        """Fit the model to each column.

        Parameters
        ----------
        outcomes
            Shape (n_obs, m), on the scale of the formula's left side, in the order of the rows
            used (``layout.frame.kept``). NaN: this row is missing for this outcome.
        start
            theta to start from, as `MixedFit.theta`, shape (k,), with equal residual variances;
            found from moments if not given.
        batch
            Outcomes per task, and so held in memory by one process beyond the outcomes as given.
        jobs
            Processes.
        progress
            Called with (tasks done, tasks).

        Raises
        ------
        UsageError
            If the shape does not fit or an option makes no sense.
        InvalidDataError
            If an outcome holds an infinite value.
        """
        values = self._checked(outcomes)
        if start is not None:
            start = self._checked_start(start)
        step = self.batch_size(batch)
        tasks = [values[:, at : at + step].T for at in range(0, values.shape[1], step)]
        return self.fit_tasks(tasks, start=start, jobs=jobs, progress=progress)

    def batch_size(self, batch: int) -> int:
        """Return the next number of outcomes that is made of whole chunks."""
        if batch < 1:
            msg = f"batch={batch}; it must be at least 1"
            raise UsageError(msg)
        return -(-batch // self.chunk) * self.chunk

    def fit_tasks(
        self,
        tasks: Sequence[Any],
        *,
        make: Callable[[Any], Any] | None = None,
        start: Floats | None = None,
        jobs: int = 1,
        progress: Progress | None = None,
    ) -> BatchFit:
        """Fit outcomes that are made when their turn comes.

        Parameters
        ----------
        tasks
            One argument of `make` for each batch, or the batches themselves, shape (m, n_obs).
        make
            Makes the outcomes of a task, shape (m, n_obs), a whole number of chunks but for the
            last task; must be importable by other processes.
        start, jobs, progress
            As in `fit_outcomes`.
        """
        call = run_tasks(fit_task, (self, make, start), tasks, jobs=jobs, progress=progress)
        # A piece from another process holds a copy of the design; one is enough.
        return joined([replace(piece, design=self) for piece in call])

    def _checked_start(self, start: Floats) -> Floats:
        size = self.elimination.parametrisation.size - self.elimination.parametrisation.strata
        made = as_numbers(start)
        if made.shape != (size,) or not np.isfinite(made).all():
            msg = (
                f"start={start!r}; theta of this model has {size} elements: give that of a fit of "
                "the same formula"
            )
            raise UsageError(msg)
        return made

    def _checked(self, outcomes: Floats | pd.DataFrame) -> Floats:
        values = as_numbers(outcomes)
        if values.ndim != 2 or len(values) != self.n_obs or not values.shape[1]:
            msg = (
                f"outcomes have shape {values.shape}; the model uses {self.n_obs} rows, so give "
                f"an array of shape ({self.n_obs}, m) with one column for each outcome"
            )
            raise UsageError(msg)
        if np.isinf(values).any():
            row, column = np.argwhere(np.isinf(values))[0]
            msg = f"outcome {column} is infinite in row {row}; use NaN where a value is missing"
            raise InvalidDataError(msg)
        return values


def as_numbers(outcomes: Any) -> Floats:
    """Return outcomes as an array of numbers.

    Raises
    ------
    InvalidDataError
        If they are something else.
    """
    try:
        return np.asarray(outcomes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"outcomes must be numbers (NaN where one is missing): {error}"
        raise InvalidDataError(msg) from None


@one_thread()
def outcome_design(
    model: Specification,
    data: pd.DataFrame,
    *,
    method: Likelihood = "reml",
    weights: Weights = None,
) -> OutcomeDesign:
    """Prepare the model's rows for many outcomes; the outcome itself is not looked at.

    Parameters
    ----------
    model
        The model.
    data
        One row per observation; the columns of the formula's left side need not be there.
    method, weights
        As in `MixedModel.fit`.

    Returns
    -------
    OutcomeDesign
        Its `fit_outcomes` fits any number of outcomes at once.

    Raises
    ------
    UsageError, FormulaError, InvalidDataError, NotIdentifiedError
        As `MixedModel.fit`.
    """
    check_option("method", method, get_args(Likelihood))
    layout = lay_out(
        model.parsed,
        data,
        model.contrasts,
        weight_columns(weights),
        model.transforms,
    )
    elimination = elimination_of(layout)
    grouped = independent_groups(layout, elimination, reml=method == "reml")
    reason = grouped if isinstance(grouped, str) else ""
    return OutcomeDesign(
        model=model,
        method=method,
        layout=layout,
        elimination=elimination,
        grouped=None if isinstance(grouped, str) else grouped,
        reason=reason,
    )


@one_thread()
def fit_task(
    shared: tuple[BatchDesign, Callable[[Any], Floats] | None, Floats | None], task: Any
) -> BatchFit:
    """Fit the outcomes of one task, chunk by chunk; for `parallel.run_tasks`."""
    design, make, start = shared
    values = task if make is None else make(task)
    step = design.chunk
    return joined(
        [
            _fit_chunk(design, np.ascontiguousarray(values[at : at + step]), start)
            for at in range(0, len(values), step)
        ]
    )


def _fit_chunk(design: BatchDesign, values: Floats, start: Floats | None) -> BatchFit:
    """Fit one chunk of outcomes, shape (m, n_obs)."""
    seen = ~np.isnan(values)
    made, done = blank(design, len(values)), np.zeros(len(values), dtype=bool)
    if design.grouped is not None:
        for part, found, solved in _fit_groups(design, design.grouped, values, seen, start):
            made = put(made, part[solved], found, solved)
            done[part[solved]] = True
    for one in np.flatnonzero(~done):
        rows = None if seen[one].all() else np.flatnonzero(seen[one])
        made = put(made, np.array([one]), fit_singly(design, values[one], rows, start=start))
    if seen.all():
        return made
    return replace(made, n_obs=seen.sum(axis=1).astype(np.int64), seen=np.packbits(seen, axis=1))


def _fit_groups(
    design: BatchDesign,
    grouped: IndependentGroups,
    values: Floats,
    seen: Flags,
    start: Floats | None,
) -> Iterator[tuple[Places, BatchFit, Flags]]:
    """Fit those of a chunk that share their rows, then the others: which, and which are fitted."""
    left = np.arange(len(values))
    if grouped.shared is not None:
        whole: Flags = np.asarray(seen.all(axis=1))
        if whole.any():
            products, starts = prepare_shared(design, grouped, grouped.shared, values[whole], start)
            yield left[whole], *solve_outcomes(design, grouped, products, starts)
        left = left[~whole]
    for at in range(0, len(left), design.small_chunk):
        part = left[at : at + design.small_chunk]
        stack, index = blocks_seen(grouped, seen[part])

        def prepared(
            which: Places, part: Places = part, stack: BlockArrays = stack, index: Places = index
        ) -> tuple[GroupProducts, Floats]:
            return prepare(design, grouped, stack, index[which], values[part[which]], start)

        judge = not seen[part].all()
        yield part, *fit_together(design, grouped, stack, index, prepared, judge=judge)


def fit_together(
    design: BatchDesign,
    grouped: IndependentGroups,
    stack: BlockArrays,
    index: Places,
    prepared: Callable[[Places], tuple[GroupProducts, Floats]],
    *,
    judge: bool = True,
) -> tuple[BatchFit, Flags]:
    """Fit lists of blocks; which are fitted, shape (m,). The others are left to single fits.

    Parameters
    ----------
    design, grouped
        The design, and its independent groups.
    stack, index
        The blocks, and the blocks of each list, shape (m, G).
    prepared
        Which lists -> their outcomes' products, and free parameters to start from.
    judge
        Whether rows are missing, so that a list may not identify the model.
    """
    made = blank(design, len(index))
    done = _sound(design, grouped, stack, index) if judge else np.ones(len(index), dtype=bool)
    places = np.flatnonzero(done)
    if len(places):
        parts, starts = prepared(places)
        products = outcome_products(stack, index[places], parts)
        found, solved = solve_outcomes(design, grouped, products, starts)
        made = put(made, places[solved], found, solved)
        done[places[~solved]] = False
    return made, done


def _sound(
    design: BatchDesign, grouped: IndependentGroups, stack: BlockArrays, index: Places
) -> Flags:
    """Return whether lists of blocks, shape (m, G), surely identify the model, shape (m,)."""
    of_strata = stack.rows[index].sum(axis=1)
    rows = of_strata.sum(axis=1)
    whole = stack.whole[index].sum(axis=(1, 2))
    q2 = stack.width
    good: Flags = (of_strata > 1).all(axis=1)
    good &= (rows > whole.shape[1] - q2) & _well_conditioned(whole[:, q2:, q2:])
    levels = design.elimination.levels
    counts = {m.term: stack.subgroups[index].sum(axis=1) for m in levels[0].members}
    for member in grouped.rows.coarsest.members:
        copies = [whole[:, place[:, None], place] for place in member.place]
        good &= _well_conditioned(np.sum(copies, axis=0))
        there = np.einsum("bsqq->bq", stack.whole)[:, member.place].any(axis=-1).sum(axis=-1)
        counts[member.term] = there[index].sum(axis=1)
    for term, count in counts.items():
        width = design.layout.random[term].columns.shape[1]
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
    design: BatchDesign,
    outcome: Floats,
    rows: Places | None,
    copies: Places | None = None,
    *,
    start: Floats | None = None,
) -> BatchFit:
    """Fit one outcome by the ordinary search; what keeps it from being fitted is in `problems`."""
    made = blank(design, 1)
    made.refitted_singly[:] = True
    made.n_obs[:] = design.n_obs if rows is None else len(rows)
    try:
        engine = outcome_engine(design, outcome, rows, copies)
        if start is not None:
            factors = factors_of(start, [len(whitener) for whitener in engine.whiteners])
            equal = np.zeros(engine.objective.parametrisation.strata)
            engine = replace(engine, start=engine.from_factors(factors, equal))
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
        slopes=(turned @ inference.slopes @ turned.T)[None],
        uncertainty=inference.uncertainty[None],
    )
