r"""The parametric bootstrap of a generalised fit, and likelihood-ratio tests by it.

Outcomes are drawn from the model as it was fitted, with new random effects
(`prediction.simulate`), and the model is fitted to each: the rows, the design and the numbers of
nodes are those of the fit, and the search starts at its maximum. Intervals and tables are those of
`qsmstats.mixed.resampling`. A bootstrap test needs no asymptotic distribution, neither for few
groups nor for a variance of zero; its p-value is that of Davison & Hinkley (1997, Bootstrap Methods
and their Application, section 4.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import ModelError, check_option
from qsmstats.generalized.assembly import with_outcome
from qsmstats.generalized.coefficients import likelihood_ratio, nested_pair
from qsmstats.generalized.fitted import AnyFit, GeneralizedFitted, fit_layout
from qsmstats.generalized.prediction import draw
from qsmstats.generalized.variances import component_value, random_components
from qsmstats.mixed.inference.wald import check_level
from qsmstats.mixed.resampling.bootstrap_result import Bootstrap
from qsmstats.mixed.resampling.parametric_test import BootstrapTest
from qsmstats.mixed.resampling.refit import endings
from qsmstats.mixed.resampling.simulate import check_number, seed_of
from qsmstats.mixed.resampling.statistic import Statistic, as_numbers
from qsmstats.parallel import Progress, run_tasks

__all__ = ["bootstrap", "bootstrap_test", "refit"]

# Outcomes of a task: few enough that processes share them evenly.
_TASK = 16


def refit(fit: AnyFit, outcome: Floats) -> AnyFit:
    """Fit a model to another outcome of the same rows.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    outcome
        Successes or counts in the order of the rows of the fit, shape (n_obs,).

    Returns
    -------
    GeneralizedFit
        Its search starts at the maximum of `fit`, with its numbers of nodes.

    Raises
    ------
    UsageError
        If the shape does not fit.
    InvalidDataError
        If a value is outside the range of the family.
    NotIdentifiedError
        If columns separate the outcome, or it is the same in every row.
    """
    layout = with_outcome(fit.engine.layout, fit.model, np.asarray(outcome, dtype=np.float64))
    # From a variance of zero no search would start: the likelihood has no slope there.
    return fit_layout(type(fit), fit.model, layout, None if fit.info.singular else fit.optimum)


def bootstrap(
    fit: GeneralizedFitted,
    n: int = 1000,
    *,
    seed: int | None = None,
    level: float = 0.95,
    interval: Literal["percentile", "basic"] = "percentile",
    statistic: Statistic | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Bootstrap:
    """Refit a model to outcomes simulated from it.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    n
        Number of refits.
    seed
        Seed of the generators; `jobs` does not alter the numbers.
    level, interval
        Coverage and kind of ``result.intervals``; other intervals of the same refits can be had
        from the result.
    statistic
        A function of a `GeneralizedFit` that returns a number, several numbers, or a mapping from
        names to numbers; or a mapping from names to such functions: a probability, or a ratio.
        With `jobs` it must be importable by other processes.
    jobs
        Processes.
    progress
        Called with (refits done, refits in all).

    Returns
    -------
    Bootstrap
        As of `MixedFit.bootstrap`; coefficients and marginal means are on the scale of the link,
        and ``n_refitted_singly`` is `n`. k of a negative binomial is the parameter "shape".

    Raises
    ------
    UsageError
        If an option is out of range, or the model has prior weights.

    Examples
    --------
    >>> refits = fit.bootstrap(500, seed=1)  # doctest: +SKIP
    >>> refits.contrasts("lesion_type")  # doctest: +SKIP
    """
    check_number(n)
    check_level(level)
    check_option("interval", interval, ("percentile", "basic"))
    seed = seed_of(seed)
    point = {} if statistic is None else as_numbers(statistic, fit)
    refits = _refits(_kept, (fit, statistic), fit, n, seed, jobs, progress)
    used, counts = endings(refits)
    parameters = _parameters(fit, point)
    return Bootstrap(
        fit=fit,
        kind="parametric",
        seed=seed,
        level=level,
        interval=interval,
        parameters=parameters,
        refits=refits.loc[used, list(parameters["term"])].reset_index(drop=True),
        jackknife=None,
        n=n,
        n_refitted_singly=n,
        shift=float(fit.offset.mean()),
        **counts,
    )


def bootstrap_test(
    fit: GeneralizedFitted,
    other: GeneralizedFitted,
    n: int = 1000,
    *,
    seed: int | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> BootstrapTest:
    """Test two nested fits against each other by outcomes simulated from the smaller one.

    Parameters
    ----------
    fit, other
        Fits as for `likelihood_ratio`, in either order.
    n, seed, jobs, progress
        As of `bootstrap`.

    Returns
    -------
    BootstrapTest
        As of `MixedFit.bootstrap_test`.

    Raises
    ------
    UsageError
        As `likelihood_ratio` and `bootstrap`.
    """
    check_number(n)
    small, large = nested_pair(fit, other)
    seed = seed_of(seed)
    refits = _refits(_statistic, (small, large), small, n, seed, jobs, progress)
    return BootstrapTest.of(likelihood_ratio(small, large), refits, seed=seed, n=n)


def _refits(
    what: Callable[[Any, Floats], dict[str, Any]],
    of: tuple[Any, ...],
    source: GeneralizedFitted,
    n: int,
    seed: int,
    jobs: int,
    progress: Progress | None,
) -> pd.DataFrame:
    """Work something out for outcomes drawn from a fit, one row each."""

    def told(done: int, _: int) -> None:
        if progress is not None:
            progress(min(done * _TASK, n), n)

    tasks = [range(at, min(at + _TASK, n)) for at in range(0, n, _TASK)]
    shared = (what, of, source, seed)
    return pd.concat(run_tasks(_task, shared, tasks, jobs=jobs, progress=told), ignore_index=True)


def _task(shared: Any, numbers: range) -> pd.DataFrame:
    what, of, source, seed = shared
    rows = []
    for outcome in draw(source, seed, numbers):
        row = {"failed": False, "converged": True, "singular": False, "problem": ""}
        try:
            row |= what(of, outcome)
        except ModelError as error:
            row |= {"failed": True, "problem": str(error)}
        rows.append(row)
    return pd.DataFrame(rows)


def _kept(of: tuple[GeneralizedFitted, Statistic | None], outcome: Floats) -> dict[str, Any]:
    """Refit a model: its parameters, and how the refit ended."""
    fit, statistic = of
    made = refit(fit, outcome)
    point = {} if statistic is None else as_numbers(statistic, made)
    table = _parameters(made, point)
    return dict(zip(table["term"], table["estimate"], strict=True)) | {
        "converged": made.info.converged,
        "singular": made.info.singular,
    }


def _statistic(of: tuple[GeneralizedFitted, GeneralizedFitted], outcome: Floats) -> dict[str, Any]:
    """Refit two nested models: the likelihood-ratio statistic, and how the refits ended."""
    small, large = (refit(one, outcome) for one in of)
    fall = small.info.criterion - large.info.criterion
    return {
        "statistic": max(fall, 0.0),
        "converged": small.info.converged and large.info.converged,
        "singular": large.info.singular,
    }


def _parameters(fit: GeneralizedFitted, statistics: Mapping[str, float]) -> pd.DataFrame:
    """Return what is refitted: estimates, and the range of possible values of each."""
    whole = (-np.inf, np.inf)
    rows = [
        ("coefficient", name, value, *whole)
        for name, value in zip(fit.fixed.names, fit.estimates, strict=True)
    ]
    covariances = [term.covariance for term in fit.random]
    for one in random_components(fit):
        span = (-1.0, 1.0) if one.is_correlation else (0.0, np.inf)
        rows.append(("variance", one.label, component_value(one, covariances), *span))
    if fit.shape is not None:
        rows.append(("shape", "k", fit.shape, 0.0, np.inf))
    rows += [("statistic", name, value, *whole) for name, value in statistics.items()]
    return pd.DataFrame(rows, columns=["parameter", "term", "estimate", "lowest", "highest"])
