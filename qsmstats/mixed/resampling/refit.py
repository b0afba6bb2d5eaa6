"""Other outcomes for a fitted model: one, as a fit of its own, or many together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, overload

import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError
from qsmstats.mixed.batch.outcomes import OutcomeDesign, as_numbers, outcome_design
from qsmstats.mixed.batch.result import BatchFit
from qsmstats.mixed.fitted import AnyFit, Fitted, fit_rows
from qsmstats.mixed.formula.specification import Specification
from qsmstats.parallel import Progress

__all__ = ["design_of_fit", "endings", "refit", "start_of", "with_outcome"]


OUTCOME = "refitted_outcome"


@overload
def refit(
    fit: AnyFit,
    outcomes: pd.Series,
    *,
    batch: int = ...,
    jobs: int = ...,
    progress: Progress | None = ...,
) -> AnyFit: ...


@overload
def refit(
    fit: Fitted,
    outcomes: pd.DataFrame,
    *,
    batch: int = ...,
    jobs: int = ...,
    progress: Progress | None = ...,
) -> BatchFit: ...


@overload
def refit(
    fit: AnyFit,
    outcomes: Sequence[float] | Floats,
    *,
    batch: int = ...,
    jobs: int = ...,
    progress: Progress | None = ...,
) -> AnyFit | BatchFit: ...


def refit(
    fit: AnyFit,
    outcomes: pd.DataFrame | pd.Series | Sequence[float] | Floats,
    *,
    batch: int = 512,
    jobs: int = 1,
    progress: Progress | None = None,
) -> AnyFit | BatchFit:
    """Fit a model to another outcome of the same rows, or to many.

    Parameters
    ----------
    fit
        A fitted mixed model.
    outcomes
        On the scale of the formula's left side, in the order of the rows of the fit: shape
        (n_obs,), or (n_obs, m) for m outcomes. NaN: the row is missing for that outcome.
        Columns made by transforms with a state (`scale`, splines) stay those of the fit's rows
        where many outcomes are given.
    batch, jobs, progress
        For many outcomes; as in `OutcomeDesign.fit_outcomes`.

    Returns
    -------
    MixedFit
        For one outcome.
    BatchFit
        For many.

    Raises
    ------
    UsageError
        If the shape does not fit.
    InvalidDataError
        If a value is infinite.
    """
    values = as_numbers(outcomes)
    if values.ndim == 2:
        return design_of_fit(fit).fit_outcomes(
            values, start=start_of(fit), batch=batch, jobs=jobs, progress=progress
        )
    if values.shape != (fit.info.n_obs,):
        msg = (
            f"the outcome has shape {values.shape}; the fit uses {fit.info.n_obs} rows, so give "
            f"({fit.info.n_obs},) numbers, or ({fit.info.n_obs}, m) for m outcomes"
        )
        raise UsageError(msg)
    model, data = with_outcome(fit.model, fit.frame.data, values)
    return fit_rows(type(fit), model, data, method=fit.method, weights=fit.residual.columns)


def design_of_fit(fit: Fitted) -> OutcomeDesign:
    """Prepare the rows of a fit for many outcomes."""
    return outcome_design(
        fit.model, fit.frame.data, method=fit.method, weights=fit.residual.columns
    )


def start_of(fit: Fitted) -> Floats | None:
    """Return theta to start refits from: the fit's own, unless it lies on the boundary."""
    return None if fit.info.singular else fit.theta


def endings(ends: pd.DataFrame) -> tuple[pd.Series, dict[str, Any]]:
    """Return which refits are used, shape (m,), and how many are not or are singular, and why.

    Parameters
    ----------
    ends
        One row for each refit: failed, converged, singular, problem.
    """
    used = ~ends["failed"] & ends["converged"]
    return used, {
        "n_failed": int(ends["failed"].sum()),
        "n_unconverged": int((~ends["failed"] & ~ends["converged"]).sum()),
        "n_singular": int((used & ends["singular"]).sum()),
        "problems": dict(Counter(filter(None, ends["problem"]))),
    }


def with_outcome(
    model: Specification, data: pd.DataFrame, outcome: Floats
) -> tuple[Specification, pd.DataFrame]:
    """Put an outcome on the left side of a model and into its data."""
    left, right = model.formula.split("~", 1)
    name = left.strip().strip("`")
    # A transform of a column, as log(y), is on the scale of the outcome already.
    if name in data.columns:
        return model, data.assign(**{name: outcome})
    formula = f"{OUTCOME} ~ {right}"
    return replace(model, formula=formula), data.assign(**{OUTCOME: outcome})
