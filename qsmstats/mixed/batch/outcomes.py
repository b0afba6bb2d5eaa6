"""Many outcomes of the same rows, fitted together.

The design is brought onto its rows once. Outcomes then go through in chunks whose size depends on
the design alone: what a fit comes out as depends on the outcome, on its place in its chunk and on
the other members of it, never on the batch, on the number of processes or on how many outcomes
follow. Designs without independent groups, and single outcomes that the batch could not bring to
an optimum, are fitted one by one by the ordinary search and counted.

Rows in which an outcome is NaN are missing for that outcome alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import InvalidDataError, UsageError, check_option
from qsmstats.mixed.batch.chunk import fit_task
from qsmstats.mixed.batch.design import BatchDesign, independent_groups
from qsmstats.mixed.batch.result import BatchFit, joined
from qsmstats.mixed.design.assembly import lay_out
from qsmstats.mixed.fitted import Likelihood, Weights, weight_columns
from qsmstats.mixed.formula.language import parse_formula
from qsmstats.mixed.formula.specification import Specification
from qsmstats.mixed.optimum.estimate import elimination_of
from qsmstats.parallel import Progress, run_tasks

__all__ = ["OutcomeDesign", "as_numbers", "outcome_design"]


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
            theta to start from, as `MixedFit.theta`, shape (k,); found from moments if not given.
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
        parse_formula(model.formula),
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
