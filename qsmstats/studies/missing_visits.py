r"""How far the slopes depend on what became of lesions that were lost.

The model of the trajectories takes lost lesions as missing at random: given what the lesion and its
participant showed before, they would have gone on as others do. Lesions that repaired themselves
may have been lost for that very reason. Here the visits that are missing are imputed from the
fitted model, conditional on what the lesion and its participant showed, and shifted by delta
(Rubin 1987, section 6.2; Cro et al. 2020, Stat Med 39:2815-2842; as in R's rbmi with a delta for
missing values at every visit). The model is fitted to each completed data set, all in one batch,
and the fits are pooled by Rubin's rules. With delta 0 the answer is the model's own up to
Monte-Carlo error.

A visit is missing where a participant has other lesions in the model at a session at which a lesion
that was seen earlier has no value. Lesions before their first session were new and are not imputed.
What does not change within a lesion, and its last known values of what does, stand in the imputed
rows. Coefficients, random effects and variances are drawn anew for each imputation
(`imputation.linear_draws`). Delta is in the unit of the model's outcome, the left side of its
formula; the deltas are multiples of the model's total standard deviation (SD).

The tipping point of a type is the delta next to 0 at which its change per year turns from
significant to not, or the other way, by linear interpolation of log p over delta.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.errors import NoDataError, require_columns
from qsmstats.imputation.linear_draws import LinearDraws, alternatives
from qsmstats.imputation.pooling import pool_batch
from qsmstats.method_names import Adjustment
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.fitted import fit_rows
from qsmstats.mixed.model import MixedModel
from qsmstats.mixed.resampling.refit import start_of
from qsmstats.settings import SCANNER, ModelSettings
from qsmstats.studies.answers import number_of, observed_types, rows_of_answer
from qsmstats.studies.default_models import with_strata
from qsmstats.studies.effects import with_units
from qsmstats.studies.trajectory import Trajectories
from qsmstats.tables.tidy import followed_lesions

__all__ = ["NOTHING_LOST", "LostLesions", "lost_lesions"]

# The page knows by it that a study had nothing to ask, and says so.
NOTHING_LOST = "there is no missing visit to vary"

DEFAULTS = ModelSettings()
LESION = ["participant_id", "lesion_id"]
FACTOR = "lesion_type"
SHARES = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
BURN_IN, THIN = 20, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLesions(Displayed):
    """Slopes by type if lost lesions differed from what was expected of them.

    Attributes
    ----------
    outcome
        Column analysed.
    slopes
        As those of `Trajectories`, for each delta: delta (unit of the model's outcome), fmi
        (fraction of missing information), m, and mc_error, the Monte-Carlo standard error of the
        estimate.
    tipping
        One row per type: n_lesions, n_lost, significant (with delta 0), delta (the tipping point;
        missing where there is none), lowest and highest delta tried, unit of delta, and expected
        (mean of the imputed values with delta 0).
    methods
        What was done, for a methods section.
    notes
        What was left out or assumed, and what limits the results.
    """

    opened = ("tipping", "slopes")

    outcome: str
    slopes: pd.DataFrame
    tipping: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


def lost_lesions(
    answer: Trajectories,
    lesions: pd.DataFrame,
    *,
    settings: ModelSettings = DEFAULTS,
    seed: int = 1,
) -> LostLesions:
    """Repeat the slopes of an answer with missing visits imputed and shifted.

    Parameters
    ----------
    answer
        What `trajectories` has given.
    lesions
        The lesions that it was given.
    settings
        Those of the answer; `settings.imputations` is the number of imputations.
    seed
        Of the draws.

    Raises
    ------
    UsageError
        If a column is missing, or the answer was made from another table.
    NoDataError
        If no lesion lacks a later visit.
    ModelError
        If the model cannot be fitted to the completed data.

    Examples
    --------
    >>> lesions = qs.example_lesions(12).drop(index=[2, 5, 8, 20, 35])
    >>> formula = "{outcome} ~ lesion_type * years + (1 | participant_id/lesion_id)"
    >>> answer = qs.trajectories(lesions, "mwf_percent", formula=formula)
    >>> lost = qs.lost_lesions(answer, lesions, settings=qs.ModelSettings(imputations=2))
    >>> lost.tipping["n_lost"].tolist()
    [1, 3, 1, 0, 0]
    """
    require_columns(lesions.columns, (*LESION, "session_id", "years", FACTOR), "lesions")
    fit = answer.fit
    told = answer.slopes.loc[answer.slopes["estimate"].notna(), FACTOR]
    if told.empty:
        raise NoDataError(f"{answer.outcome}: the changes per year are not known; {NOTHING_LOST}")
    seen = rows_of_answer(answer, observed_types(followed_lesions(lesions)))
    missing = _missing_visits(seen)
    if missing.empty:
        raise NoDataError(
            f"{answer.outcome}: every lesion of the model has a value at each later session of its"
            f" participant; {NOTHING_LOST}"
        )
    rows = pd.concat([seen, missing], ignore_index=True)
    rows[FACTOR] = pd.Categorical(
        rows[FACTOR].astype("object"), categories=seen[FACTOR].cat.categories
    )
    rows = with_strata(rows, fit)
    lost = np.arange(len(rows)) >= len(seen)
    laid = alternatives(fit, [rows])
    laid = replace(laid, prior=np.where(lost, 0.0, laid.prior))
    random = np.random.default_rng(seed)
    linear = LinearDraws(fit, laid, np.arange(len(rows)))
    every, drawn = np.zeros(len(rows), dtype=np.int64), []
    for step in range(BURN_IN + settings.imputations * THIN):
        linear.draw(every, random)
        if step >= BURN_IN and (step - BURN_IN) % THIN == THIN - 1:
            drawn.append(linear.outcomes(np.flatnonzero(lost), random))
    values = np.array(drawn)
    deltas = np.array(SHARES) * float(np.sqrt(fit.icc()["variance"].sum()))
    slopes = _slopes(answer, rows, lost, (values, deltas), settings)
    slopes = slopes[slopes[FACTOR].isin(told)]
    return LostLesions(
        outcome=answer.outcome,
        slopes=slopes,
        tipping=_tipping(slopes, rows, lost, values.mean(axis=0), settings.level).assign(
            unit=_unit(answer, seen)
        ),
        methods=_methods(settings.imputations),
        notes=_notes(slopes, missing, seen),
    )


def _missing_visits(seen: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each session after a lesion's first at which it has no value.

    The outcome in them is the lesion's last, to stand where a number must.
    """
    of_session = [name for name in ("session_id", "years", SCANNER) if name in seen]
    visits = seen[["participant_id", *of_session]].drop_duplicates(["participant_id", "session_id"])
    ordered = seen.sort_values("years")
    first = ordered.groupby(LESION, observed=True, sort=False)["years"].first().rename("from")
    pairs = first.reset_index().merge(visits, on="participant_id")
    pairs = pairs[pairs["years"] > pairs["from"]]
    known = pd.MultiIndex.from_frame(seen[[*LESION, "session_id"]])
    absent = ~pd.MultiIndex.from_frame(pairs[[*LESION, "session_id"]]).isin(known)
    pairs = pairs.loc[absent, [*LESION, *of_session]]
    last = ordered.drop_duplicates(LESION, keep="last").drop(columns=of_session)
    made: pd.DataFrame = pairs.merge(last, on=LESION).reindex(columns=seen.columns)
    return made


def _slopes(
    answer: Trajectories,
    rows: pd.DataFrame,
    lost: np.ndarray[Any, Any],
    imputed: tuple[Floats, Floats],
    settings: ModelSettings,
) -> pd.DataFrame:
    """Fit the completed outcomes of all deltas at once, and pool those of each."""
    fit, (values, deltas) = answer.fit, imputed
    m = len(values)
    model = MixedModel(fit.model.formula, fit.model.contrasts, fit.model.transforms)
    design = model.design(rows, weights=fit.residual.columns)
    whole = np.empty((len(rows), m * len(deltas)))
    whole[~lost] = fit.response[:, None]
    whole[lost] = np.hstack([values.T + delta for delta in deltas])
    batch = design.fit_outcomes(whole, start=start_of(fit))
    # The fixed part of the completed rows; the outcome of this fit is not looked at.
    whole_fit = fit_rows(MixedFit, model, rows, weights=fit.residual.columns, like=fit)
    adjust: Adjustment = "mvt" if settings.adjust == "tukey" else settings.adjust
    tables = []
    for place, delta in enumerate(deltas):
        pooled = pool_batch(whole_fit, batch, np.arange(place * m, (place + 1) * m))
        table = pooled.slopes(
            "years",
            by=FACTOR,
            adjust=adjust,
            df=settings.df,
            level=settings.level,
            type="response",
        )
        tables.append(with_units(table, pooled, rows, " per year").assign(delta=delta))
    made = pd.concat(tables, ignore_index=True)
    # fmi is at least the share of the variance that is between imputations.
    return made.assign(mc_error=made["std_error"] * np.sqrt(made["fmi"] / m))


def _tipping(
    slopes: pd.DataFrame, rows: pd.DataFrame, lost: np.ndarray[Any, Any], mean: Floats, level: float
) -> pd.DataFrame:
    counts = rows.assign(lost=lost)
    p = "p_adjusted" if "p_adjusted" in slopes else "p_value"
    found = []
    for kind, table in slopes.groupby(FACTOR, observed=True, sort=False):
        mine = counts[counts[FACTOR] == kind]
        gone = mine[mine["lost"]].drop_duplicates(LESION)
        here = (rows.loc[lost, FACTOR] == kind).to_numpy()
        beyond = np.log(table[p].to_numpy() / (1 - level))
        at = table["delta"].to_numpy()
        found.append(
            {
                FACTOR: kind,
                "n_lesions": len(mine.drop_duplicates(LESION)),
                "n_lost": len(gone),
                "significant": bool(beyond[at == 0][0] < 0),
                "delta": _crossing(at, beyond) if here.any() else np.nan,
                "lowest": at.min(),
                "highest": at.max(),
                "expected": mean[here].mean() if here.any() else np.nan,
            }
        )
    return pd.DataFrame(found)


def _crossing(at: Floats, values: Floats) -> float:
    """Return the place next to 0 at which values change their sign; NaN where they do not."""
    turns = np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1]))
    share = values[turns] / (values[turns] - values[turns + 1])
    places = at[turns] + share * (at[turns + 1] - at[turns])
    return float(places[np.abs(places).argmin()]) if len(places) else np.nan


def _unit(answer: Trajectories, rows: pd.DataFrame) -> str:
    scale = answer.fit.response_scale()
    if not scale.is_plain:
        return scale.expression
    plain = pd.DataFrame({"unit": [scale.column]})
    return str(with_units(plain, answer.fit, rows)["unit"].iloc[0])


def _methods(m: int) -> str:
    return (
        "A sensitivity analysis imputed the visits of lost lesions from the fitted model,"
        " conditional on the other values of the lesion and its participant, and shifted them by"
        f" delta; {m} completed data sets for each delta were analysed by the same model and pooled"
        " by Rubin's rules with the degrees of freedom of Barnard and Rubin (1999)."
    )


def _notes(slopes: pd.DataFrame, missing: pd.DataFrame, seen: pd.DataFrame) -> tuple[str, ...]:
    zero = slopes[slopes["delta"] == 0]
    share = float((zero["mc_error"] / zero["std_error"]).max())
    m = int(zero["m"].iloc[0])
    lesions = len(missing.drop_duplicates(LESION))
    return (
        f"{number_of(len(missing), 'visit')} of {lesions} of"
        f" {number_of(len(seen.drop_duplicates(LESION)), 'lesion')} in the model were imputed.",
        f"The Monte-Carlo error of a change per year is at most {100 * share:.0f} % of its standard"
        f" error; about {max(2, int(np.ceil(m * (share / 0.05) ** 2)))} imputations would make it"
        " 5 %.",
    )
