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

import pandas as pd

from qsmstats.errors import NotIdentifiedError
from qsmstats.settings import ModelSettings
from qsmstats.studies.answers import (
    ModelAnswer,
    fit_record,
    fit_study_model,
    model_residuals,
    observed_types,
)
from qsmstats.studies.baseline import count_levels

__all__ = ["Trajectories", "trajectories"]

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
        Change of each type from 0 to 2 years. Slopes and changes are tested once per type, and
        adjusted for the number of types.
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
    notes = _notes(lesions, followed)
    fit = fit_study_model(settings.trajectory, followed, outcome)
    df, level = settings.df, settings.level
    # One test per type; Tukey's method is for pairs only.
    over_types = "mvt" if settings.adjust == "tukey" else settings.adjust
    return Trajectories(
        outcome=outcome,
        fit=fit,
        counts=count_levels(followed[followed[outcome].notna()], outcome, "lesion_type"),
        slopes=fit.slopes("years", by="lesion_type", adjust=over_types, df=df, level=level),
        slope_contrasts=fit.slope_contrasts(
            "years", by="lesion_type", adjust=settings.adjust, df=df, level=level
        ),
        changes=fit.contrasts(
            "years",
            by="lesion_type",
            at={"years": [0.0, HORIZON_YEARS]},
            method="consecutive",
            family="across",
            adjust=over_types,
            df=df,
            level=level,
        ),
        means=fit.marginal_means(
            ["lesion_type", "years"], at={"years": [0.0, 1.0, HORIZON_YEARS]}, df=df, level=level
        ),
        anova=fit.anova(df=df),
        coefficients=fit.coefficients(df=df, level=level),
        variances=fit.variances,
        models=fit_record(fit),
        residuals=model_residuals(fit, followed, "lesion_type"),
        random_effects=fit.random_effects(),
        methods=fit.methods_text(df=df),
        notes=notes,
    )


def followed_lesions(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return the lesions of participants with two sessions or more, typed by their first session.

    Raises
    ------
    NotIdentifiedError
        If there is no such participant.
    """
    sessions = lesions.groupby("participant_id", observed=True)["years"].transform("nunique")
    followed = lesions[sessions >= 2].sort_values(["participant_id", "lesion_id", "years"])
    if followed.empty:
        message = (
            "no participant has lesions at two sessions: one visit cannot tell a change; add "
            "follow-up"
        )
        raise NotIdentifiedError(message)
    keys = ["participant_id", "lesion_id"]
    first_type = followed.groupby(keys, observed=True)["lesion_type"].transform("first")
    return observed_types(followed.assign(lesion_type=first_type))


def _notes(lesions: pd.DataFrame, followed: pd.DataFrame) -> tuple[str, ...]:
    everyone = lesions["participant_id"].nunique()
    used = followed["participant_id"].nunique()
    visits = followed.groupby(["participant_id", "lesion_id"], observed=True)["years"].nunique()
    notes = [
        f"{used} of {everyone} participants with lesions have two sessions or more; the others are"
        " left out.",
        f"{int((visits < 2).sum())} of {len(visits)} lesions were seen at one session only (new or"
        " gone); they inform the means and not the slopes.",
    ]
    matches = lesions.attrs.get("matches")
    if matches:
        notes.append(
            "Sessions were labelled independently; which lesion is which was told by their voxels"
            f" (from session to session: {matches}; matching.tsv lists them)."
        )
    retyped = _retyped(lesions, followed)
    if retyped:
        notes.append(f"{retyped} lesions changed type; they keep that of their first session.")
    return tuple(notes)


def _retyped(lesions: pd.DataFrame, followed: pd.DataFrame) -> int:
    keys = ["participant_id", "lesion_id"]
    kept = lesions[lesions["participant_id"].isin(followed["participant_id"].unique())]
    return int(kept.drop_duplicates([*keys, "lesion_type"]).duplicated(keys).sum())
