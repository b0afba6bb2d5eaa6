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

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.settings import ModelSettings
from qsmstats.studies.answers import (
    ModelAnswer,
    analysis_flow,
    count_levels,
    fit_record,
    fit_study_model,
    hedges_g,
    left_out,
    model_residuals,
    observed_types,
    scale_sentence,
    used_rows,
    with_units,
)
from qsmstats.tables.tidy import first_sessions

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
        Pairwise differences (ratios where the formula takes logarithms of the outcome), p and
        interval unadjusted and adjusted side by side, Hedges' g.
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
    # Participants whose every image failed have no row; `tidy_lesions` counted them.
    late = lesions["participant_id"].nunique() - first["participant_id"].nunique()
    late += lesions.attrs.get("n_unmeasured", 0)
    notes = left_out(late, "participant", "without a lesion measured at the first session")
    notes += left_out(len(first) - len(typed), "lesion", "without a type")
    stages = {"lesions at the first session": first, "with a type": typed}
    return _differences(stages, outcome, "lesion_type", settings.baseline, settings, notes)


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
    first = first_sessions(tissue)
    typed = observed_types(first, "tissue")
    late = tissue["participant_id"].nunique() - first["participant_id"].nunique()
    late += tissue.attrs.get("n_unmeasured", 0)
    notes = left_out(late, "participant", "without tissue measured at the first session")
    notes += left_out(
        tissue.attrs.get("n_lesion_free", 0),
        "patient",
        "without lesions, for whom normal-appearing white matter (at a distance from lesions) is"
        " not defined,",
    )
    notes += left_out(len(first) - len(typed), "lesion", "without a type")
    stages = {"regions at the first session": first, "with a type": typed}
    return _differences(stages, outcome, "tissue", settings.tissue, settings, notes)


def _differences(
    stages: Mapping[str, pd.DataFrame],
    outcome: str,
    factor: str,
    formula: str,
    settings: ModelSettings,
    notes: tuple[str, ...],
) -> GroupDifferences:
    rows = list(stages.values())[-1]
    if rows[factor].nunique() < 2:
        found = ", ".join(map(str, rows[factor].unique())) or "none"
        message = (
            f"{outcome}: a comparison needs two levels of {factor}; found: {found}; add lesions of "
            "another"
        )
        raise ModelError(message)
    fit = fit_study_model(formula, rows, outcome)
    what = "lesion" if factor == "lesion_type" else "region"
    flow, missing = analysis_flow(stages, fit, what)
    used = used_rows(fit, rows)
    df, level = settings.df, settings.level
    contrasts = fit.contrasts(factor, adjust=settings.adjust, df=df, level=level)
    effects = hedges_g(contrasts, fit, used[factor].value_counts())
    response = fit.response_scale()
    return GroupDifferences(
        outcome=outcome,
        factor=factor,
        fit=fit,
        flow=flow,
        counts=count_levels(used, outcome, factor),
        means=with_units(fit.marginal_means(factor, df=df, level=level, type="response"), fit),
        contrasts=with_units(response.converted(contrasts, "contrast"), fit).join(effects),
        anova=fit.anova(df=df),
        coefficients=fit.coefficients(df=df, level=level),
        variances=fit.variances,
        models=fit_record(fit),
        residuals=model_residuals(fit, rows, factor, outcome),
        random_effects=fit.random_effects(),
        methods=fit.methods_text(df=df) + scale_sentence(fit, ("mean", "contrast")),
        notes=notes + missing,
    )
