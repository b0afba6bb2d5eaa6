"""From a fitted trajectory model to the assumptions of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.fitted import RandomEffects
from qsmstats.mixed.inference.variance_components import Interval
from qsmstats.studies.effects import outcome_unit
from qsmstats.tables.tidy import first_sessions

__all__ = ["fitted_assumptions"]

PATIENT, LESION, TYPE, TIME = "participant_id", "lesion_id", "lesion_type", "years"
NEEDED = (
    f"a trial is planned from a model with {TYPE} and {TIME} in its fixed part and the random terms"
    f" (1 + {TIME} | {PATIENT}) and (1 | {PATIENT}:{LESION}), one residual variance"
)


def fitted_assumptions(fit: MixedFit, *, interval: Interval | None, level: float) -> dict[str, Any]:
    """Return the fields of `TrialAssumptions` as a fit has them; see `TrialAssumptions.from_fit`.

    Raises
    ------
    ModelError
        If the model lacks a part that a plan needs.
    """
    if fit.residual.columns:
        message = f"the fit has residual variances or weights by {fit.residual.columns}; {NEEDED}"
        raise ModelError(message)
    missing = [name for name in (TYPE, TIME) if name not in fit.fixed.variables]
    if missing:
        raise ModelError(f"'{fit.model.formula}' lacks {' and '.join(missing)}; {NEEDED}")
    patient = _random_term(fit, (PATIENT,), ("Intercept", TIME))
    lesion = _random_term(fit, (PATIENT, LESION), ("Intercept",))
    (intercept, between), (_, slope) = patient.covariance
    first = first_sessions(fit.frame.data)
    if first.empty:
        raise ModelError(f"the fit has no row with {TIME} 0, the first session; {NEEDED}")
    counts = pd.crosstab(first[PATIENT].astype(str), first[TYPE].astype(str))
    types = [str(name) for name in fit.fixed.factors[TYPE]]
    slopes = _by_type(fit.slopes(TIME, by=TYPE, level=level))
    means = _by_type(fit.marginal_means([TYPE, TIME], at={TIME: [0.0]}, level=level))
    spread = float(np.sqrt(intercept * slope))
    outcome = fit.response_scale().expression
    groups = fit.info.n_groups[patient.design.grouping.label]
    return {
        "patient_sd": float(np.sqrt(intercept)),
        "slope_sd": float(np.sqrt(slope)),
        "correlation": float(np.clip(between / spread, -1.0, 1.0)) if spread else 0.0,
        "lesion_sd": float(np.sqrt(lesion.covariance[0, 0])),
        "residual_sd": fit.sigma,
        "lesions": counts[[name for name in types if name in counts]],
        "slopes": slopes["estimate"].to_dict(),
        "means": means["estimate"].to_dict(),
        "outcome": outcome,
        "unit": outcome_unit(outcome, fit.frame.data),
        "intervals": _limits(slopes, "slope")
        | _limits(means, "mean")
        | _variance_limits(fit, patient, lesion, interval, level),
        "source": f"estimated from {groups} patients, {100 * level:g} % limits",
    }


def _random_term(fit: MixedFit, group: Sequence[str], columns: Sequence[str]) -> RandomEffects:
    for term in fit.random:
        grouping = set(term.design.grouping.names) == set(group)
        if grouping and tuple(term.design.names) == tuple(columns):
            return term
    wanted = f"({' + '.join(columns)} | {':'.join(group)})".replace("Intercept", "1")
    found = ", ".join(term.design.label for term in fit.random)
    raise ModelError(f"the fit has no random term {wanted} (found: {found}); {NEEDED}")


def _by_type(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by type; a type whose lesions were all seen once has no slope."""
    told = table[table["estimate"].notna()]
    return told.assign(**{TYPE: told[TYPE].astype(str)}).set_index(TYPE)


def _limits(table: pd.DataFrame, what: str) -> dict[str, tuple[float, float]]:
    return {
        f"{what} {name}": (float(row["conf_low"]), float(row["conf_high"]))
        for name, row in table.iterrows()
    }


def _variance_limits(
    fit: MixedFit,
    patient: RandomEffects,
    lesion: RandomEffects,
    interval: Interval | None,
    level: float,
) -> dict[str, tuple[float, float]]:
    if interval is None:
        return {}
    table = fit.variance_table(interval=interval, level=level)
    label, nested = patient.design.grouping.label, lesion.design.grouping.label
    names = {
        (label, "Intercept", ""): "patient_sd",
        (label, TIME, ""): "slope_sd",
        (label, "Intercept", TIME): "correlation",
        (nested, "Intercept", ""): "lesion_sd",
        ("Residual", "", ""): "residual_sd",
    }
    return {
        names[key]: (float(row["conf_low"]), float(row["conf_high"]))
        for _, row in table.iterrows()
        if (key := (row["group"], row["term"], row["other_term"])) in names
    }
