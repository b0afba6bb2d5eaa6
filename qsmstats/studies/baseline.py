"""How lesion types differ at the first session.

Two questions, each answered by one linear mixed model per map (this project's defaults; study.toml
may state others):

- lesion types against one another:
  outcome ~ lesion_type + age + sex + log(volume_mm3)
            + (1 | participant_id) + (1 | participant_id:lesion_type), residual variance by type
- lesion types against normal-appearing white matter and the white matter of controls:
  outcome ~ tissue + age + sex + (1 | participant_id)

Pairwise contrasts of marginal means are adjusted over all pairs of one map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from qsmstats.errors import ModelError, NoDataError, require_columns
from qsmstats.method_names import DfMethod
from qsmstats.mixed.inference.linear_functions import compared
from qsmstats.settings import ModelSettings, StudyModel, Weights
from qsmstats.studies.answers import (
    ModelAnswer,
    answer_fields,
    left_out,
    observed_types,
    require_levels,
    used_rows,
)
from qsmstats.studies.confounded import refuse_unanswered, withheld, without_means
from qsmstats.studies.default_models import fit_study_model, without_weights
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

    opened = ("means", "contrasts")

    factor: str
    contrasts: pd.DataFrame


def baseline_differences(
    lesions: pd.DataFrame,
    outcome: str = "mwf_percent",
    *,
    settings: ModelSettings = DEFAULTS,
    formula: str | None = None,
    weights: Weights | None = None,
    df: DfMethod | None = None,
) -> GroupDifferences:
    """Compare lesion types at the first session of each participant.

    Parameters
    ----------
    lesions
        One row per participant, session and lesion, as `tidy_lesions` makes it.
    outcome
        Column to compare.
    settings
        Formula (`settings.baseline`), weights, degrees of freedom, adjustment and level.
    formula, weights, df
        Instead of those of the settings: a formula, in which ``{outcome}`` stands for the outcome,
        the columns by which residual variances differ (``()``: they do not), and how the degrees of
        freedom are found ("satterthwaite", "kenward-roger", "normal" or "residual").

    Returns
    -------
    GroupDifferences

    Raises
    ------
    UsageError
        If a column is missing.
    NoDataError
        If no lesion has a type, or all have the same.
    ModelError
        If fewer than two types have values, or the model cannot be fitted.

    Examples
    --------
    >>> lesions = qs.example_lesions()
    >>> answer = qs.baseline_differences(lesions, "mwf_percent",
    ...     formula="{outcome} ~ lesion_type + age + (1 | participant_id)", df="kenward-roger")
    >>> qs.show(answer.contrasts.head(2))
    contrast                   estimate  conf_low_adjusted  conf_high_adjusted  p_adjusted
    isointense - hypointense      1.629             0.9371               2.320      <0.001
    isointense - hyperintense     3.084              2.392               3.776      <0.001
    """
    require_columns(lesions.columns, ("participant_id", "years", "lesion_type"), "lesions")
    settings = settings.changed("baseline", formula, weights, df)
    return _differences(lesions, outcome, "lesion_type", "baseline", settings)


def tissue_differences(
    tissue: pd.DataFrame,
    outcome: str = "mwf_percent",
    *,
    settings: ModelSettings = DEFAULTS,
    formula: str | None = None,
    weights: Weights | None = None,
    df: DfMethod | None = None,
) -> GroupDifferences:
    """Compare lesion types with normal-appearing white matter and controls' white matter.

    Parameters
    ----------
    tissue
        One row per participant, session and tissue, as `tissue_table` makes it.
    outcome, settings, formula, weights, df
        As in `baseline_differences`; the formula of the settings is `settings.tissue`.

    Returns
    -------
    GroupDifferences

    Raises
    ------
    UsageError
        If a column is missing.
    NoDataError
        If no white matter was measured, or nothing but one tissue.
    ModelError
        If fewer than two tissues have values, or the model cannot be fitted.

    Examples
    --------
    >>> tissue = qs.example_lesions().rename(columns={"lesion_type": "tissue"})
    >>> white = tissue[tissue["lesion_id"] == "L1"].assign(lesion_id=None, tissue="nawm")
    >>> white["mwf_percent"] += 4
    >>> answer = qs.tissue_differences(pd.concat([tissue, white]), "mwf_percent",
    ...     formula="{outcome} ~ tissue + (1 | participant_id)")
    >>> qs.show(answer.means.head(1))
    level  estimate  conf_low  conf_high
    nawm      12.91     12.42      13.40
    """
    needed = ("participant_id", "lesion_id", "years", "tissue")
    require_columns(tissue.columns, needed, "tissue")
    settings = settings.changed("tissue", formula, weights, df)
    if tissue["lesion_id"].notna().all():
        message = (
            "no white matter was measured, with which to compare lesions; name its images in "
            "study.toml ([tissue])"
        )
        raise NoDataError(message)
    return _differences(tissue, outcome, "tissue", "tissue", settings)


def _differences(
    table: pd.DataFrame, outcome: str, factor: str, model: StudyModel, settings: ModelSettings
) -> GroupDifferences:
    first = first_sessions(table)
    rows = _comparable(first, outcome, factor)
    fit, model_notes = fit_study_model(model, settings, rows, outcome)
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
    df, level = settings.df, settings.level
    asked: dict[str, Any] = {"adjust": settings.adjust, "df": df, "level": level}
    contrasts = fit.contrasts(factor, **asked)
    contrasts, reason = withheld(
        fit, contrasts, compared(fit, factor), names=contrasts["contrast"], variables=[factor]
    )
    confounded = refuse_unanswered([reason], contrasts)
    fields = answer_fields(
        fit,
        {f"{what}s at the first session": first, "with a type": rows},
        outcome=outcome,
        factor=factor,
        what=what,
        settings=settings,
        kinds=("mean", "contrast"),
        notes=without_weights(model, settings) + notes + confounded,
        model_notes=model_notes,
    )
    effects = hedges_g(contrasts, fit, fields["counts"].set_index("level")["n"])
    response = fit.response_scale().converted(contrasts, "contrast")
    means = fit.marginal_means(factor, df=df, level=level, type="response")
    return GroupDifferences(
        factor=factor,
        means=with_units(without_means(means, means["level"], contrasts), fit, rows),
        contrasts=with_units(response, fit, rows).join(effects),
        checks=model_checks(
            fit,
            used_rows(fit, rows),
            factor,
            response.dropna(subset=["estimate"]),
            lambda other: other.contrasts(factor, type="response", **asked),
            level=level,
        ),
        **fields,
    )


def _comparable(first: pd.DataFrame, outcome: str, factor: str) -> pd.DataFrame:
    """Return the rows that have a level of the factor; refuse what leaves nothing to compare."""
    rows = observed_types(first, factor)
    if first.empty:
        message = (
            "nothing was measured at a first session (years 0); correct what failures.tsv says of "
            "these sessions"
        )
        raise ModelError(message)
    if rows.empty:
        message = (
            f"none of {len(first)} lesions has a type; enter types in the lesions table to compare "
            "them"
        )
        raise NoDataError(message)
    require_levels(rows, outcome, factor)
    return rows
