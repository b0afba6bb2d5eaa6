r"""Marginal means, contrasts between them, slopes, and contrasts between slopes.

All are linear functions :math:`L\beta` of the fixed effects with :math:`L` from the reference grid
(`reference_grid`), never from the names of coefficients; so they do not depend on how the
factors are coded. Variance and degrees of freedom of :math:`L\hat\beta` are those of the fit's own
inference (Satterthwaite, Kenward-Roger, ...), row by row, as in emmeans (Lenth 2016, J Stat Softw
69(1)). A combination that cannot be estimated (an empty cell, say) is NaN and the column `note`
says so, as it does where a predictor interacts with another that is averaged over.

Contrasts form one family within each combination of `by`, or one family in all
(``family="across"``); p-values and intervals are adjusted within the family and given beside the
unadjusted ones (`multiplicity`).

Tests are of a difference from zero unless `null`, `margin` and `side` say otherwise
(`alternative`).

Where the formula transforms the outcome, ``type="response"`` brings the estimates back from the
model's scale (`qsmstats.mixed.inference.response_scale`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from qsmstats.errors import UsageError, check_option
from qsmstats.method_names import DfMethod
from qsmstats.mixed.fitted import FixedEffects
from qsmstats.mixed.inference.alternative import TWO_SIDED, Alternative, Side
from qsmstats.mixed.inference.linear_functions import (
    Comparison,
    Family,
    Interaction,
    Names,
    compared,
    estimated,
)
from qsmstats.mixed.inference.multiplicity import (
    NO_DUNNETT,
    NO_TUKEY,
    adjust_family,
    check_adjustment,
)
from qsmstats.mixed.inference.reference_grid import Weights
from qsmstats.mixed.inference.response_scale import Kind, ScaleType, scale_of
from qsmstats.mixed.inference.wald import RowInference, adjusted_covariance, row_inference, tidy

__all__ = [
    "FamilyKind",
    "contrast_table",
    "contrasts",
    "estimates_table",
    "marginal_means",
    "slope_contrasts",
    "slopes",
]

FamilyKind = Literal["within", "across"]

NOT_ESTIMABLE = "not estimable: the data hold no information on this combination"
HOLM_INTERVAL = (
    "the adjusted interval is Bonferroni's, as Holm's method has none; it can contain 0 where"
    " the adjusted p-value is significant"
)


def marginal_means(
    fit: FixedEffects,
    factors: str | Sequence[str],
    *,
    by: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    null: float | None = None,
    margin: float | None = None,
    side: Side = "two-sided",
    df: DfMethod = "satterthwaite",
    level: float = 0.95,
    type: ScaleType = "link",  # noqa: A002
) -> pd.DataFrame:
    """Estimate the mean outcome of each level, averaged over the other predictors.

    Parameters
    ----------
    fit
        A fitted mixed model.
    factors
        The predictor or predictors whose combinations get a mean each.
    by
        Further predictors; their columns come first and `contrasts` takes each of their
        combinations as a family of its own.
    at
        Values for single predictors in place of their own: ``{"age": 40, "sex": "F"}``.
    weights
        'equal' gives each level averaged over the same weight; 'proportional' the frequency of
        the combinations averaged over, 'outer' the product of the factors' own frequencies, and
        'cells' the frequency within the levels asked for (`reference_grid`).
    null, margin, side
        Test the means against the value `null` as in `contrasts`; no test if `null` is not given.
    df
        Method for degrees of freedom, as in `MixedFit.coefficients`.
    level
        Coverage of the interval.
    type
        'link' for the scale of the model; 'response' for that of the outcome where the formula
        transforms it, with the further columns of `ResponseScale.converted`.

    Returns
    -------
    DataFrame
        Columns of `by` (and of `factors`, if more than one), then level, estimate, std_error, df,
        conf_low, conf_high, note; with `null` also statistic and p_value, and what was tested, as
        in `contrasts`. Units are those of the formula's left side.

    Raises
    ------
    UsageError
        If a name is not a predictor of the fixed part, or an option or level cannot be used.
    """
    if null is None and (margin is not None or side != "two-sided"):
        raise UsageError("margin= and side= test a mean against a value; give it as null=")
    alternative = Alternative(null=null or 0.0, margin=margin, side=side)
    asked = estimated(fit, factors, by=by, at=at, weights=weights)
    table = estimates_table(fit, asked, df, level, alternative)
    if null is None:
        table = table.drop(columns=["statistic", "p_value"])
    return _on_scale(fit, pd.concat([asked.keys, table], axis=1), "mean", type)


def contrasts(
    fit: FixedEffects,
    factors: str | Sequence[str],
    *,
    method: Comparison = "pairwise",
    interaction: Interaction = None,
    by: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    family: FamilyKind = "within",
    adjust: str | None = None,
    null: float = 0.0,
    margin: float | None = None,
    side: Side = "two-sided",
    df: DfMethod = "satterthwaite",
    level: float = 0.95,
    type: ScaleType = "link",  # noqa: A002
) -> pd.DataFrame:
    """Compare marginal means.

    Parameters
    ----------
    fit, factors, by, at, weights, df, level, type
        As in `marginal_means`.
    method
        'pairwise' (each level minus each later one), 'reference' (each level minus the first),
        'consecutive' (each level minus the one before), a matrix with one contrast in each row and
        one column for each mean, or a mapping from a label to such a row; a row may itself be a
        mapping from level to weight.
    interaction
        Contrasts of contrasts of two factors or more, in place of `method`: how each factor is
        compared, as one word for all ("pairwise": differences of differences) or one method for
        each.
    family
        'within' takes the contrasts of each combination of `by` as a family of its own, 'across'
        all contrasts of the table as one.
    adjust
        'mvt' (single-step multivariate t, the default), 'tukey' (pairs), 'dunnett' (differences to
        a reference), 'sidak', 'holm', 'bonferroni' (the default of side 'equivalence', where 'mvt'
        does not exist), 'fdr_bh' or 'none'; see `multiplicity`.
    null, margin, side
        The null value (on the model's scale), the margin, and what is shown: 'two-sided' (a
        difference from `null`), 'greater' or 'less' (than `null`), and with a margin 'equivalence'
        (closer to `null` than it), 'noninferiority' (above `null` - `margin`) or 'nonsuperiority'
        (below `null` + `margin`). One-sided tests at 1 - `level` come with the interval at
        2 `level` - 1 (90 % for 0.95), which decides as they do (`alternative`).

    Returns
    -------
    DataFrame
        Columns of `by`, then contrast, first and second (the two levels compared, as in the column
        level of `marginal_means`; empty for a matrix or mapping), estimate, std_error, df,
        statistic, p_value, p_adjusted, conf_low, conf_high, conf_low_adjusted, conf_high_adjusted,
        adjust, note. `p_value`, `conf_low` and `conf_high` are unadjusted. Where it is not a
        difference from zero that is tested, also side, null, conf_level (of the interval) and, with
        a margin, margin_low and margin_high (its ends).

    Raises
    ------
    UsageError
        If a name, level or option is unknown, 'tukey' is asked for contrasts that are not all
        pairwise differences of one family, 'dunnett' for others than differences to a reference, or
        options contradict each other.
    """
    families = compared(
        fit, factors, method=method, interaction=interaction, by=by, at=at, weights=weights
    )
    alternative = Alternative(null=null, margin=margin, side=side)
    table = contrast_table(fit, families, family, adjust, df, level, alternative)
    return _on_scale(fit, table, "contrast", type)


def slopes(
    fit: FixedEffects,
    variable: str,
    *,
    by: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    adjust: str | None = None,
    null: float = 0.0,
    margin: float | None = None,
    side: Side = "two-sided",
    df: DfMethod = "satterthwaite",
    level: float = 0.95,
    type: ScaleType = "link",  # noqa: A002
) -> pd.DataFrame:
    """Estimate the slope of the mean outcome in a number, at each level of `by`.

    Parameters
    ----------
    fit, at, weights, df, level, type
        As in `marginal_means`. Where the mean is not linear in `variable` (a polynomial, spline
        or logarithm) the slope is taken at the mean of `variable`, or at ``at={variable: value}``.
    variable
        Name of a numeric predictor.
    by
        Predictors whose combinations get a slope each.
    adjust
        Method that adjusts for the number of slopes, as in `contrasts` but 'tukey' and 'dunnett';
        if not given, nothing is adjusted.
    null, margin, side
        As in `contrasts`, per unit of `variable`.

    Returns
    -------
    DataFrame
        Columns of `by`, then estimate, std_error, df, statistic, p_value, conf_low, conf_high,
        note; with `adjust` also the adjusted columns of `contrasts`, and with `null` or `side` what
        was tested, as there. Units are those of the formula's left side per unit of `variable`.

    Raises
    ------
    UsageError
        If `variable` is not numeric or another name or option is unknown.
    """
    alternative = Alternative(null=null, margin=margin, side=side)
    asked = estimated(fit, None, variable, by=by, at=at, weights=weights)
    table = (
        estimates_table(fit, asked, df, level, alternative)
        if adjust is None
        else _adjusted(fit, asked, adjust, df, level, alternative)
    )
    return _on_scale(fit, pd.concat([asked.keys, table], axis=1), "slope", type)


def slope_contrasts(
    fit: FixedEffects,
    variable: str,
    by: str | Sequence[str],
    *,
    method: Comparison = "pairwise",
    interaction: Interaction = None,
    within: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    family: FamilyKind = "within",
    adjust: str | None = None,
    null: float = 0.0,
    margin: float | None = None,
    side: Side = "two-sided",
    df: DfMethod = "satterthwaite",
    level: float = 0.95,
    type: ScaleType = "link",  # noqa: A002
) -> pd.DataFrame:
    """Compare slopes between the levels of `by`.

    Parameters
    ----------
    fit, variable, by, at, weights, null, margin, side, df, level, type
        As in `slopes`.
    within
        Further predictors; slopes are compared within each of their combinations.
    method, interaction, family, adjust
        As in `contrasts`, `family` for the combinations of `within`.

    Returns
    -------
    DataFrame
        As `contrasts`, per unit of `variable`.

    Raises
    ------
    UsageError
        As `slopes` and `contrasts`.
    """
    families = compared(
        fit,
        by,
        variable,
        method=method,
        interaction=interaction,
        by=within,
        at=at,
        weights=weights,
    )
    alternative = Alternative(null=null, margin=margin, side=side)
    table = contrast_table(fit, families, family, adjust, df, level, alternative)
    return _on_scale(fit, table, "slope_contrast", type)


def _on_scale(fit: FixedEffects, table: pd.DataFrame, kind: Kind, name: str) -> pd.DataFrame:
    check_option("type", name, get_args(ScaleType))
    return table if name == "link" else scale_of(fit).converted(table, kind)


def contrast_table(
    fit: FixedEffects,
    families: Sequence[Family],
    family: FamilyKind,
    adjust: str | None,
    df: DfMethod,
    level: float,
    alternative: Alternative = TWO_SIDED,
) -> pd.DataFrame:
    """Estimate families of comparisons with adjusted p-values and intervals; see `contrasts`."""
    check_option("family", family, get_args(FamilyKind))
    if family == "across" and len(families) > 1:
        keys = pd.concat([one.keys for one in families], ignore_index=True)
        matrix = np.concatenate([one.matrix for one in families])
        shift = np.concatenate([np.broadcast_to(one.shift, len(one.matrix)) for one in families])
        note = families[0].note
        families = [Family(keys=keys, matrix=matrix, note=note, shift=shift)]
    tables = [
        pd.concat([one.keys, _adjusted(fit, one, adjust, df, level, alternative)], axis=1)
        for one in families
    ]
    return pd.concat(tables, ignore_index=True)


def estimates_table(
    fit: FixedEffects,
    asked: Family,
    df: DfMethod,
    level: float,
    alternative: Alternative = TWO_SIDED,
) -> pd.DataFrame:
    """Estimate functions of the whole design's columns; NaN where that cannot be done."""
    reduced, known = fit.fixed.reduce(asked.matrix)
    estimate, std_error, nu = np.full((3, len(asked.matrix)), np.nan)
    note = np.full(len(known), NOT_ESTIMABLE, dtype=object)
    if known.any():
        rows = row_inference(fit, reduced[known], df)
        estimate[known], std_error[known], nu[known] = rows.estimate, rows.std_error, rows.df
        said = [""] * len(rows.df) if rows.note is None else rows.note
        note[known] = ["; ".join(filter(None, (one, asked.note))) for one in said]
    estimate = estimate + asked.shift
    table = tidy(RowInference(estimate=estimate, std_error=std_error, df=nu), level, alternative)
    for name, value in alternative.columns(level).items():
        table[name] = value
    return table.assign(note=note)


def _adjusted(
    fit: FixedEffects,
    family: Family,
    adjust: str | None,
    df: DfMethod,
    level: float,
    alternative: Alternative,
) -> pd.DataFrame:
    """Estimate one family with adjusted p-values and intervals."""
    default = "bonferroni" if alternative.side == "equivalence" else "mvt"
    method = check_adjustment(default if adjust is None else adjust)
    if method == "tukey" and family.comparison != "pairwise":
        raise UsageError(NO_TUKEY)
    if method == "dunnett" and family.comparison != "reference":
        raise UsageError(NO_DUNNETT)
    table = estimates_table(fit, family, df, level, alternative)
    correlation = n_means = None
    if method in {"mvt", "dunnett"}:
        reduced, _ = fit.fixed.reduce(family.matrix)
        size = table["std_error"].to_numpy()
        # NaN without a standard error.
        correlation = reduced @ adjusted_covariance(fit, df) @ reduced.T / np.outer(size, size)
    elif method == "tukey":
        assert family.weights is not None  # noqa: S101
        pairs = np.array(list(combinations(range(family.weights.shape[1]), 2)))
        # The means of which a difference can be estimated.
        n_means = np.unique(pairs[table["std_error"].notna()]).size
    made = adjust_family(
        table["estimate"],
        table["std_error"],
        table["df"],
        method=method,
        level=level,
        correlation=correlation,
        n_means=n_means,
        alternative=alternative,
    )
    table.insert(list(table).index("p_value") + 1, "p_adjusted", made.pop("p_adjusted"))
    note, tested = table.pop("note"), [table.pop(name) for name in alternative.columns(level)]
    if method == "holm" and table["std_error"].count() > 1:
        both = f"{family.note}; {HOLM_INTERVAL}" if family.note else HOLM_INTERVAL
        note = note.where(table["std_error"].isna(), both)
    return pd.concat([table, made, *tested], axis=1).assign(adjust=method, note=note)
