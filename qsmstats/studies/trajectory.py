"""How each lesion type changes over time.

One linear mixed model per map (this project's default; study.toml may state another):

outcome ~ lesion_type * years + age + sex
          + (1 + years | participant_id) + (0 + years | participant_id:lesion_type)
          + (1 + years | participant_id:lesion_id), residual variance by type

Participants with one session are left out and counted. A lesion keeps the type of its first
session, so that a change of type is not mistaken for one of the outcome; a lesion seen once (new or
gone) stays in, as the model allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from qsmstats.errors import NoDataError, NotIdentifiedError, require_columns
from qsmstats.method_names import Adjustment, DfMethod
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.inference.linear_functions import compared, estimated
from qsmstats.settings import ModelSettings, Weights
from qsmstats.studies.answers import (
    ModelAnswer,
    answer_fields,
    left_out,
    number_of,
    observed_types,
    require_levels,
    require_values,
    used_rows,
)
from qsmstats.studies.confounded import refuse_unanswered, withheld, without_means
from qsmstats.studies.default_models import fit_study_model, without_weights
from qsmstats.studies.effects import with_units
from qsmstats.studies.model_checks import model_checks
from qsmstats.tables.tidy import followed_lesions

__all__ = ["ALL_TYPES", "Trajectories", "followed_types", "trajectories"]

DEFAULTS = ModelSettings()
HORIZON_YEARS = 2.0
ALL_TYPES = "the mean change of all types"
FROM_TO: dict[str, Any] = {
    "by": "lesion_type",
    "at": {"years": [0.0, HORIZON_YEARS]},
    "method": "consecutive",
}
"""The changes of the types as contrasts between years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectories(ModelAnswer):
    """Change of one map over time, per lesion type.

    `means` are those at 0, 1 and 2 years, as far as the follow-up reaches, and at its end.

    Attributes
    ----------
    slopes, slope_contrasts
        Change per year of each type, and its pairwise differences (adjusted).
    changes
        Change of each type from 0 to 2 years (a ratio where the formula takes logarithms of the
        outcome). Slopes and changes are tested once per type; p and intervals are adjusted for
        the number of types.
    """

    opened = ("slopes", "slope_contrasts", "changes")

    slopes: pd.DataFrame
    slope_contrasts: pd.DataFrame
    changes: pd.DataFrame


def trajectories(
    lesions: pd.DataFrame,
    outcome: str = "mwf_percent",
    *,
    settings: ModelSettings = DEFAULTS,
    formula: str | None = None,
    weights: Weights | None = None,
    df: DfMethod | None = None,
) -> Trajectories:
    """Estimate the change over time of each lesion type.

    Parameters
    ----------
    lesions
        One row per participant, session and lesion, as `tidy_lesions` makes it.
    outcome, settings, formula, weights, df
        As in `baseline_differences`; the formula of the settings is `settings.trajectory`.

    Returns
    -------
    Trajectories

    Raises
    ------
    UsageError
        If a column is missing.
    NoDataError
        If no participant has two sessions, no lesion of theirs has a type, or all have the same.
    ModelError
        If no participant has values at two sessions, or the model cannot be fitted.

    Examples
    --------
    >>> lesions = qs.example_lesions()
    >>> formula = "{outcome} ~ lesion_type * years + (1 | participant_id/lesion_id)"
    >>> answer = qs.trajectories(lesions, "mwf_percent", formula=formula)
    >>> qs.show(answer.slopes)
    lesion_type       estimate  conf_low_adjusted  conf_high_adjusted  p_adjusted
    isointense          0.3738             0.2306              0.5169      <0.001
    hypointense         0.1509           0.007713              0.2940       0.034
    hyperintense       -0.1498            -0.2930           -0.006684       0.036
    hypointense_rim    -0.3321            -0.4752             -0.1889      <0.001
    paramagnetic_rim   -0.4762            -0.6194             -0.3331      <0.001
    """
    types = "lesion_type"
    require_columns(lesions.columns, ("participant_id", "lesion_id", "years", types), "lesions")
    settings = settings.changed("trajectory", formula, weights, df)
    followed = followed_lesions(lesions)
    typed = followed_types(followed, outcome)
    require_levels(typed, outcome, types)
    fit, model_notes = fit_study_model("trajectory", settings, typed, outcome)
    adjust: Adjustment = "mvt" if settings.adjust == "tukey" else settings.adjust
    asked: dict[str, Any] = {"df": settings.df, "level": settings.level, "type": "response"}
    # Means over the study's own follow-up, and no further.
    last = float(used_rows(fit, typed)["years"].max())
    times = {"years": [*(year for year in (0.0, 1.0, HORIZON_YEARS) if year < last), last]}

    def change_rates(fit: MixedFit) -> tuple[pd.DataFrame, pd.DataFrame]:
        return (
            fit.slopes("years", by=types, adjust=adjust, **asked),
            fit.slope_contrasts("years", by=types, adjust=settings.adjust, **asked),
        )

    def together(slopes: pd.DataFrame, contrasts: pd.DataFrame) -> pd.DataFrame:
        each = slopes.assign(contrast=slopes[types].astype("str"))
        both = pd.concat([each, contrasts])
        return both.assign(contrast="slope of " + both["contrast"])

    slopes, slope_contrasts = change_rates(fit)
    changes = fit.contrasts("years", **FROM_TO, family="across", adjust=adjust, **asked)
    means = fit.marginal_means([types, "years"], at=times, **asked)
    (slopes, slope_contrasts, changes), confounded = _known(fit, slopes, slope_contrasts, changes)
    return Trajectories(
        slopes=with_units(slopes, fit, typed, " per year"),
        slope_contrasts=with_units(slope_contrasts, fit, typed, " per year"),
        changes=with_units(changes.replace({"quantity": {"difference": "change"}}), fit, typed),
        checks=model_checks(
            fit,
            used_rows(fit, typed),
            types,
            together(slopes, slope_contrasts).dropna(subset=["estimate"]),
            lambda other: together(*change_rates(other)),
            level=settings.level,
        ),
        means=with_units(without_means(means, means[types], slopes), fit, typed),
        **answer_fields(
            fit,
            {"lesions at any session": lesions, "followed": followed, "with a type": typed},
            outcome=outcome,
            factor=types,
            what="lesion observation",
            settings=settings,
            kinds=("mean", "contrast", "slope"),
            notes=without_weights("trajectory", settings)
            + _notes(lesions, followed, typed, used_rows(fit, typed))
            + confounded,
            model_notes=model_notes,
        ),
    )


def _known(
    fit: MixedFit, slopes: pd.DataFrame, slope_contrasts: pd.DataFrame, changes: pd.DataFrame
) -> tuple[list[pd.DataFrame], tuple[str, ...]]:
    """Return the tables without what lies between scanners, and notes on it."""
    types = "lesion_type"
    asked = (
        (slopes, [estimated(fit, None, "years", by=types)], slopes[types], ALL_TYPES),
        (slope_contrasts, compared(fit, types, "years"), slope_contrasts["contrast"], ""),
        (changes, compared(fit, "years", **FROM_TO), changes[types], ALL_TYPES),
    )
    found = [
        withheld(
            fit,
            table,
            families,
            names=[f"change of {one}" for one in names],
            variables=["years"] if mean else [types, "years"],
            mean=mean,
        )
        for table, families, names, mean in asked
    ]
    tables = [table for table, _ in found]
    return tables, refuse_unanswered([reason for _, reason in found], *tables)


def followed_types(followed: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Return the rows that have a type, of which some participants have values at two sessions.

    Parameters
    ----------
    followed
        What `followed_lesions` returns.
    outcome
        Column to analyse.

    Raises
    ------
    NoDataError
        If there is no row, or none with a type.
    NotIdentifiedError
        If no participant has values at two sessions.
    """
    if followed.empty:
        message = (
            "no participant has lesions at two sessions: a change cannot be estimated from one"
            " visit; add follow-up sessions"
        )
        raise NoDataError(message)
    typed = observed_types(followed)
    if typed.empty:
        message = (
            f"no lesion of the {number_of(followed['participant_id'].nunique(), 'participant')} "
            "with follow-up has a type; enter types in the lesions table to compare their changes"
        )
        raise NoDataError(message)
    measured = require_values(typed, outcome)
    if measured.groupby("participant_id", observed=True)["years"].nunique().max() < 2:
        message = (
            f"no participant has values of {outcome} at two sessions: a change cannot be "
            "estimated; check the images of this map"
        )
        raise NotIdentifiedError(message)
    return typed


def _notes(
    lesions: pd.DataFrame, followed: pd.DataFrame, typed: pd.DataFrame, used: pd.DataFrame
) -> tuple[str, ...]:
    # Participants whose every image failed have no row; `tidy_lesions` counted them.
    everyone = lesions["participant_id"].nunique() + lesions.attrs.get("n_unmeasured", 0)
    people = followed["participant_id"].nunique()
    visits = used.groupby(["participant_id", "lesion_id"], observed=True)["years"].nunique()
    once = int((visits < 2).sum())
    notes = [
        f"{people} of {everyone} participants with lesions have lesions measured at two or more"
        f" sessions{'; the others are left out' if people < everyone else ''}.",
        *left_out(len(followed) - len(typed), "observation", "of lesions without a type"),
    ]
    if once:
        notes.append(
            f"{once} of {len(visits)} lesions in the model were measured at one session only (new,"
            " gone or not measured at the other); they contribute to the means and little to the"
            " slopes."
        )
    matches = lesions.attrs.get("matches")
    if matches:
        notes.append(
            "Sessions were labelled independently; lesions were matched between sessions by their"
            f" voxels ({matches}; matching.tsv lists them)."
        )
    kept = lesions[lesions["participant_id"].isin(followed["participant_id"].unique())]
    types = kept.groupby(["participant_id", "lesion_id"], observed=True)["lesion_type"].nunique()
    if (types > 1).any():
        notes.append(
            "Lesions that changed type, analysed with the type of their first session:"
            f" {int((types > 1).sum())}."
        )
    return tuple(notes)
