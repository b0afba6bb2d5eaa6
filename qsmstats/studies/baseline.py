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
from typing import Any

import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.settings import ModelSettings
from qsmstats.studies.answers import (
    ModelAnswer,
    answer_fields,
    fit_study_model,
    left_out,
    observed_types,
    used_rows,
)
from qsmstats.studies.effects import hedges_g, with_units
from qsmstats.studies.model_checks import model_checks
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
    return _differences(lesions, outcome, "lesion_type", settings.baseline, settings)


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
    outcome, settings
        As in `baseline_differences`; the formula is `settings.tissue`.

    Returns
    -------
    GroupDifferences

    Raises
    ------
    ModelError
        If fewer than two tissues are there, or the model cannot be fitted.
    """
    return _differences(tissue, outcome, "tissue", settings.tissue, settings)


def _differences(
    table: pd.DataFrame, outcome: str, factor: str, formula: str, settings: ModelSettings
) -> GroupDifferences:
    first = first_sessions(table)
    rows = observed_types(first, factor)
    if rows[factor].nunique() < 2:
        found = ", ".join(map(str, rows[factor].unique())) or "none"
        message = (
            f"{outcome}: a comparison needs two levels of {factor}; found: {found}; add lesions of "
            "another"
        )
        raise ModelError(message)
    fit = fit_study_model(formula, rows, outcome)
    what, measured = ("lesion", "a lesion") if factor == "lesion_type" else ("region", "tissue")
    # Participants whose every image failed have no row; `tables.tidy` counted them.
    late = table["participant_id"].nunique() - first["participant_id"].nunique()
    late += table.attrs.get("n_unmeasured", 0)
    notes = left_out(late, "participant", f"without {measured} measured at the first session")
    notes += left_out(
        table.attrs.get("n_lesion_free", 0),
        "patient",
        "without lesions, for whom normal-appearing white matter (at a distance from lesions) is"
        " not defined,",
    )
    notes += left_out(len(first) - len(rows), "lesion", "without a type")
    fields = answer_fields(
        fit,
        {f"{what}s at the first session": first, "with a type": rows},
        outcome=outcome,
        factor=factor,
        what=what,
        settings=settings,
        kinds=("mean", "contrast"),
        notes=notes,
    )
    df, level = settings.df, settings.level
    asked: dict[str, Any] = {"adjust": settings.adjust, "df": df, "level": level}
    contrasts = fit.contrasts(factor, **asked)
    effects = hedges_g(contrasts, fit, fields["counts"].set_index("level")["n"])
    response = fit.response_scale().converted(contrasts, "contrast")
    return GroupDifferences(
        factor=factor,
        means=with_units(
            fit.marginal_means(factor, df=df, level=level, type="response"), fit, rows
        ),
        contrasts=with_units(response, fit, rows).join(effects),
        checks=model_checks(
            fit,
            used_rows(fit, rows),
            factor,
            response,
            lambda other: other.contrasts(factor, type="response", **asked),
            level=level,
        ),
        **fields,
    )
