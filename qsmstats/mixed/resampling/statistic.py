"""Any function of a fit, for refits that were never made into fits.

A refit of the batch is turned into a `MixedFit` at the optimum that the batch has found: one
evaluation of the criterion and no search, some milliseconds each. A resample of groups has another
frame of data; there the model is fitted anew by the ordinary way (some tens of milliseconds).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats, Places
from qsmstats.errors import ModelError, UsageError
from qsmstats.mixed.batch.design import outcome_engine
from qsmstats.mixed.batch.result import BatchFit
from qsmstats.mixed.fitted import Fitted, fit_rows, join
from qsmstats.mixed.optimum.estimate import optimum_at
from qsmstats.mixed.optimum.trust_region import Minimum
from qsmstats.mixed.resampling.cluster_resamples import Clusters
from qsmstats.mixed.resampling.refit import with_outcome

__all__ = ["Statistic", "as_numbers", "of_clusters", "of_outcomes", "regrouped"]

Statistic = (
    Callable[[Any], float | Sequence[float] | Mapping[str, float] | pd.Series]
    | Mapping[str, Callable[[Any], float]]
)


def as_numbers(statistic: Statistic, fit: Any) -> dict[str, float]:
    """Return the named numbers that a statistic gives for a fit.

    Raises
    ------
    UsageError
        If it gives anything else.
    """
    if isinstance(statistic, Mapping):
        return {str(name): _number(call(fit), str(name)) for name, call in statistic.items()}
    found = statistic(fit)
    if isinstance(found, (pd.Series, Mapping)):
        return {str(name): _number(value, str(name)) for name, value in found.items()}
    name = getattr(statistic, "__name__", "statistic")
    name = "statistic" if name == "<lambda>" else name
    values = np.asarray(found, dtype=object)
    if values.ndim == 0:
        return {name: _number(found, name)}
    return {f"{name} {place}": _number(value, name) for place, value in enumerate(values.ravel())}


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        msg = (
            f"the statistic '{name}' gives {type(value).__name__}; a statistic takes a fit and "
            "returns a number, several numbers, or a mapping from names to numbers"
        )
        raise UsageError(msg) from None


def of_outcomes(
    statistic: Statistic, fit: Fitted, fits: BatchFit, outcomes: Floats
) -> list[dict[str, float]]:
    """Work a statistic out for each outcome, shape (m, n_obs), of a batch; {} where it failed."""
    design, factors = fits.design, fits.factors()
    made: list[dict[str, float]] = []
    for one, outcome in enumerate(outcomes):
        if fits.problems[one]:
            made.append({})
            continue
        engine = outcome_engine(design, outcome, None)
        model, data = with_outcome(design.model, design.layout.frame.data, outcome)
        columns = {str(name): column.array for name, column in data.items()}
        layout = engine.layout
        frame = replace(layout.frame, columns=columns)
        engine = replace(engine, layout=replace(layout, frame=frame))
        theta = engine.from_factors([factor[one] for factor in factors], fits.log_ratios[one])
        point = engine.objective.at(theta)
        minimum = Minimum(
            point=point,
            converged=bool(fits.converged[one]),
            iterations=int(fits.iterations[one]),
            evaluations=int(fits.iterations[one]) + 1,
            gradient_norm=float(np.linalg.norm(point.gradient)),
        )
        light = join(type(fit), model, design.method, engine, optimum_at(engine, minimum))
        made.append(as_numbers(statistic, light))
    return made


def of_clusters(
    statistic: Statistic, fit: Fitted, clusters: Clusters, index: Places
) -> list[dict[str, float]]:
    """Work a statistic out for lists of groups, shape (m, G); {} where the model cannot be fitted.

    Raises
    ------
    UsageError
        If a grouping column is a predictor too, so that copies of a group cannot be renamed.
    """
    made: list[dict[str, float]] = []
    for groups in index:
        data = regrouped(fit, clusters, groups)
        try:
            refitted = fit_rows(
                type(fit), fit.model, data, method=fit.method, weights=fit.residual.columns
            )
        except ModelError:
            made.append({})
        else:
            made.append(as_numbers(statistic, refitted))
    return made


def regrouped(fit: Fitted, clusters: Clusters, groups: Places) -> pd.DataFrame:
    """Return the rows of a list of groups, copies of a group as different groups."""
    names = dict.fromkeys(name for term in fit.random for name in term.design.grouping.names)
    used = set(fit.fixed.variables) | {n for term in fit.random for n in term.design.variables}
    both = [name for name in names if name in used]
    if both:
        msg = (
            f"column '{both[0]}' is both a grouping factor and a predictor, so copies of a group "
            "cannot be told apart: use kind='parametric' for this statistic"
        )
        raise UsageError(msg)
    rows, copies = clusters.rows(groups)
    data = fit.frame.data.iloc[rows].reset_index(drop=True)
    marks = pd.Series(copies).astype(str) + "/"
    return data.assign(**{name: marks + data[name].astype(str) for name in names})
