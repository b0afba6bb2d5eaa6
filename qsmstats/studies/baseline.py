"""How lesion types differ at the first session.

Two questions, each answered by one linear mixed model per map (this project's defaults; study.toml
may state others):

- lesion types against one another:
  outcome ~ lesion_type + age + sex + log(volume_mm3) + (1 | participant_id)
- lesion types against normal-appearing white matter and the white matter of controls:
  outcome ~ tissue + age + sex + (1 | participant_id)

Pairwise contrasts of marginal means are adjusted over all pairs of one map.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.settings import ModelSettings
from qsmstats.studies.answers import (
    ModelAnswer,
    fit_record,
    fit_study_model,
    hedges_g,
    model_residuals,
    observed_types,
)

__all__ = ["GroupDifferences", "baseline_differences", "tissue_differences"]

DEFAULTS = ModelSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDifferences(ModelAnswer):
    """Differences of one map between the levels of one factor.

    Attributes
    ----------
    factor
        Column whose levels are compared.
    contrasts
        Pairwise differences, unadjusted and adjusted p side by side, Hedges' g.
    """

    factor: str
    contrasts: pd.DataFrame


def baseline_differences(
    lesions: pd.DataFrame,
    outcome: str = "mwf_percent",
    *,
    settings: ModelSettings = DEFAULTS,
) -> GroupDifferences:
    """Compare lesion types at the first session of each participant.

    Parameters
    ----------
    lesions
        One row per participant, session and lesion, as `tidy_lesions` makes it.
    outcome
        Column to compare.
    settings
        Formula (`settings.baseline`), degrees of freedom, adjustment and level.

    Returns
    -------
    GroupDifferences

    Raises
    ------
    ModelError
        If fewer than two types have lesions, or the model cannot be fitted.
    """
    first = first_sessions(lesions)
    typed = observed_types(first)
    late = lesions["participant_id"].nunique() - first["participant_id"].nunique()
    notes = _dropped(late, "participants without a lesion measured at the first session")
    notes += _dropped(len(first) - len(typed), "lesions without a type")
    return _differences(typed, outcome, "lesion_type", settings.baseline, settings, notes)


def tissue_differences(
    tissue: pd.DataFrame,
    outcome: str = "mwf_percent",
    *,
    settings: ModelSettings = DEFAULTS,
) -> GroupDifferences:
    """Compare lesion types with normal-appearing white matter and controls' white matter.

    Parameters
    ----------
    tissue
        One row per participant, session and tissue, as `tissue_table` makes it.
    outcome
        Column to compare.
    settings
        Formula (`settings.tissue`), degrees of freedom, adjustment and level.

    Raises
    ------
    ModelError
        If fewer than two tissues are there, or the model cannot be fitted.
    """
    first = observed_types(first_sessions(tissue), "tissue")
    return _differences(first, outcome, "tissue", settings.tissue, settings, ())


def first_sessions(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of first sessions, those with years 0.

    A participant whose first session could not be measured is left out: a later session is not a
    baseline. (The smallest `years` of the rows left would take it for one.)
    """
    return rows[rows["years"] == 0]


def _dropped(count: int, what: str) -> tuple[str, ...]:
    return (f"{count} {what} were left out.",) if count else ()


def _differences(
    rows: pd.DataFrame,
    outcome: str,
    factor: str,
    formula: str,
    settings: ModelSettings,
    notes: tuple[str, ...],
) -> GroupDifferences:
    if rows[factor].nunique() < 2:
        found = ", ".join(map(str, rows[factor].unique())) or "none"
        message = (
            f"{outcome}: a comparison needs two levels of {factor}; found: {found}; add lesions of "
            "another"
        )
        raise ModelError(message)
    fit = fit_study_model(formula, rows, outcome)
    df, level = settings.df, settings.level
    used = rows[rows[outcome].notna()]
    contrasts = fit.contrasts(factor, adjust=settings.adjust, df=df, level=level)
    return GroupDifferences(
        outcome=outcome,
        factor=factor,
        fit=fit,
        counts=count_levels(used, outcome, factor),
        means=fit.marginal_means(factor, df=df, level=level),
        contrasts=hedges_g(contrasts, fit, used[factor].value_counts()),
        anova=fit.anova(df=df),
        coefficients=fit.coefficients(df=df, level=level),
        variances=fit.variances,
        models=fit_record(fit),
        residuals=model_residuals(fit, rows, factor),
        random_effects=fit.random_effects(),
        methods=fit.methods_text(df=df),
        notes=notes,
    )


def count_levels(rows: pd.DataFrame, outcome: str, factor: str) -> pd.DataFrame:
    """Count rows and participants per level, with the raw mean and SD beside the model's."""
    table = rows.groupby(factor, observed=True).agg(
        n=(outcome, "size"),
        n_participants=("participant_id", "nunique"),
        mean=(outcome, "mean"),
        sd=(outcome, "std"),
    )
    return table.reset_index().rename(columns={factor: "level"})
