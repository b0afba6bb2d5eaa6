"""How each lesion type changes over time.

One linear mixed model per map (this project's default; study.toml may state another):

outcome ~ lesion_type * years + age + sex
          + (1 + years | participant_id) + (1 | participant_id:lesion_id)

Participants with one session say nothing about change and are left out, with their count. A lesion
keeps the type of its first session, so that a change of type is not mistaken for one of the
outcome; a lesion seen once (new or gone) stays in, as the model allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from qsmstats.errors import NotIdentifiedError
from qsmstats.method_names import Adjustment
from qsmstats.mixed.fit import MixedFit
from qsmstats.settings import ModelSettings
from qsmstats.studies.answers import (
    ModelAnswer,
    analysis_flow,
    count_levels,
    fit_record,
    fit_study_model,
    left_out,
    model_residuals,
    observed_types,
    scale_sentence,
    used_rows,
    with_units,
)
from qsmstats.tables.tidy import followed_lesions

__all__ = ["Trajectories", "fit_trajectory", "trajectories"]

DEFAULTS = ModelSettings()
HORIZON_YEARS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectories(ModelAnswer):
    """Change of one map over time, per lesion type; `means` are those at 0, 1 and 2 years.

    Attributes
    ----------
    slopes, slope_contrasts
        Change per year of each type, and its pairwise differences (adjusted).
    changes
        Change of each type from 0 to 2 years (a ratio where the formula takes logarithms of the
        outcome). Slopes and changes are tested once per type; p and intervals are adjusted for
        the number of types.
    """

    slopes: pd.DataFrame
    slope_contrasts: pd.DataFrame
    changes: pd.DataFrame


def trajectories(
    lesions: pd.DataFrame,
    outcome: str = "mwf_percent",
    *,
    settings: ModelSettings = DEFAULTS,
) -> Trajectories:
    """Estimate the change over time of each lesion type.

    Parameters
    ----------
    lesions
        One row per participant, session and lesion, as `tidy_lesions` makes it.
    outcome
        Column to analyse.
    settings
        Formula (`settings.trajectory`), degrees of freedom, adjustment and level.

    Raises
    ------
    NotIdentifiedError
        If no participant has two sessions: one visit cannot tell a change.
    ModelError
        If the model cannot be fitted.
    """
    followed = followed_lesions(lesions)
    typed = observed_types(followed)
    fit = fit_trajectory(typed, outcome, settings)
    stages = {"lesions at any session": lesions, "followed": followed, "with a type": typed}
    flow, missing = analysis_flow(stages, fit, "lesion observation")
    used = used_rows(fit, typed)
    adjust: Adjustment = "mvt" if settings.adjust == "tukey" else settings.adjust
    asked: dict[str, Any] = {"df": settings.df, "level": settings.level, "type": "response"}
    times = {"years": [0.0, 1.0, HORIZON_YEARS]}
    types = "lesion_type"
    slopes = fit.slopes("years", by=types, adjust=adjust, **asked)
    slope_contrasts = fit.slope_contrasts("years", by=types, adjust=settings.adjust, **asked)
    changes = fit.contrasts(
        "years",
        by=types,
        at={"years": [0.0, HORIZON_YEARS]},
        method="consecutive",
        family="across",
        adjust=adjust,
        **asked,
    )
    return Trajectories(
        outcome=outcome,
        fit=fit,
        flow=flow,
        counts=count_levels(used, outcome, types),
        slopes=with_units(slopes, fit, " per year"),
        slope_contrasts=with_units(slope_contrasts, fit, " per year"),
        changes=with_units(changes.replace({"quantity": {"difference": "change"}}), fit),
        means=with_units(fit.marginal_means([types, "years"], at=times, **asked), fit),
        anova=fit.anova(df=settings.df),
        coefficients=fit.coefficients(df=settings.df, level=settings.level),
        variances=fit.variances,
        models=fit_record(fit),
        residuals=model_residuals(fit, typed, types, outcome),
        random_effects=fit.random_effects(),
        methods=fit.methods_text(df=settings.df)
        + scale_sentence(fit, ("mean", "contrast", "slope")),
        notes=_notes(lesions, followed, typed, used) + missing,
    )


def fit_trajectory(followed: pd.DataFrame, outcome: str, settings: ModelSettings) -> MixedFit:
    """Fit the trajectory model to followed lesions.

    Parameters
    ----------
    followed
        Rows of `followed_lesions` that have a type.
    outcome
        Column to analyse.
    settings
        Formula (`settings.trajectory`).

    Raises
    ------
    NotIdentifiedError
        If there is no such row.
    ModelError
        If the model cannot be fitted.
    """
    if followed.empty:
        message = (
            "no participant has lesions at two sessions: one visit cannot tell a change; add "
            "follow-up"
        )
        raise NotIdentifiedError(message)
    return fit_study_model(settings.trajectory, followed, outcome)


def _notes(
    lesions: pd.DataFrame, followed: pd.DataFrame, typed: pd.DataFrame, used: pd.DataFrame
) -> tuple[str, ...]:
    # Participants whose every image failed have no row; `tidy_lesions` counted them.
    everyone = lesions["participant_id"].nunique() + lesions.attrs.get("n_unmeasured", 0)
    people = followed["participant_id"].nunique()
    visits = used.groupby(["participant_id", "lesion_id"], observed=True)["years"].nunique()
    notes = [
        f"{people} of {everyone} participants with lesions have them measured at two sessions or"
        " more; the others are left out.",
        *left_out(len(followed) - len(typed), "observation", "of lesions without a type"),
        f"{int((visits < 2).sum())} of {len(visits)} lesions of the model have one session only"
        " (new, gone or not measured at the other); they inform the means and not the slopes.",
    ]
    matches = lesions.attrs.get("matches")
    if matches:
        notes.append(
            "Sessions were labelled independently; which lesion is which was told by their voxels"
            f" (from session to session: {matches}; matching.tsv lists them)."
        )
    retyped = _retyped(lesions, followed)
    if retyped:
        notes.append(f"Lesions that changed type and keep that of their first session: {retyped}.")
    return tuple(notes)


def _retyped(lesions: pd.DataFrame, followed: pd.DataFrame) -> int:
    keys = ["participant_id", "lesion_id"]
    kept = lesions[lesions["participant_id"].isin(followed["participant_id"].unique())]
    types = kept.groupby(keys, observed=True)["lesion_type"].nunique()
    return int((types > 1).sum())
