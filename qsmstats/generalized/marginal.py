r"""Marginal means, contrasts and slopes of a generalised fit.

On the scale of the link they are the linear functions of the linear model
(`qsmstats.mixed.inference.marginal`) at random effects of zero: of a typical group. A mean holds
the offset at its mean over the rows, as in emmeans. On the scale of the response,

* a mean is :math:`\mu = g^{-1}(L\beta + \bar o)`, with the limits transformed and the standard
  error by the delta method;
* a comparison is the ratio :math:`e^{L\beta}` (of odds, hazards or rates), or the difference
  :math:`\sum_k w_k \mu_k`, with the standard error and limits of its linearisation in
  :math:`\beta` (Lenth 2016, J Stat Softw 69(1)).

Null values and margins are numbers on the scale that is shown: of a ratio, `null` is a ratio, and a
`margin` the factor by which it may be exceeded either way, so that ``margin=1.25`` with the null
ratio 1 means 0.8 to 1.25. They are tested as differences of logarithms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from qsmstats.errors import UsageError, check_option
from qsmstats.generalized.coefficients import ASYMPTOTIC, ratio_name
from qsmstats.generalized.family import inverse_link
from qsmstats.generalized.fitted import GeneralizedFitted
from qsmstats.mixed.inference.alternative import Alternative, Side
from qsmstats.mixed.inference.joint import joint_tests as joint_wald_tests
from qsmstats.mixed.inference.linear_functions import (
    Comparison,
    Family,
    Interaction,
    Names,
    combined,
    compared,
    estimated,
)
from qsmstats.mixed.inference.marginal import (
    FamilyKind,
    contrast_table,
    estimates_table,
)
from qsmstats.mixed.inference.reference_grid import Weights

__all__ = ["contrasts", "joint_tests", "marginal_means", "slope_contrasts", "slopes"]

_LIMITS = (
    "estimate",
    "conf_low",
    "conf_high",
    "conf_low_adjusted",
    "conf_high_adjusted",
    "null",
    "margin_low",
    "margin_high",
)


def marginal_means(
    fit: GeneralizedFitted,
    factors: str | Sequence[str],
    *,
    by: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    level: float = 0.95,
    type: Literal["link", "response"] = "link",  # noqa: A002
) -> pd.DataFrame:
    """Estimate the mean of each level at random effects of zero.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    factors, by, at, weights, level
        As for `MixedFit.marginal_means`.
    type
        'link', or 'response' for probabilities or mean counts.

    Returns
    -------
    DataFrame
        As of `MixedFit.marginal_means`; df is infinite.

    Raises
    ------
    UsageError
        If a name is not a predictor of the fixed part, or an option or level cannot be used.
    """
    check_option("type", type, ("link", "response"))
    asked = estimated(fit, factors, by=by, at=at, weights=weights)
    table = estimates_table(fit, asked, "normal", level)
    table = table[["estimate", "std_error", "df", "conf_low", "conf_high", "note"]]
    if type == "response":
        mean, slope = inverse_link(fit.model.link_name)
        eta = table["estimate"].to_numpy()
        table = _with_limits(table, mean).assign(std_error=table["std_error"] * slope(eta))
    return pd.concat([asked.keys, table], axis=1)


def contrasts(
    fit: GeneralizedFitted,
    factors: str | Sequence[str],
    *,
    method: Comparison = "pairwise",
    interaction: Interaction = None,
    by: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    family: FamilyKind = "within",
    adjust: str | None = None,
    null: float | None = None,
    margin: float | None = None,
    side: Side = "two-sided",
    level: float = 0.95,
    type: Literal["link", "ratio", "difference"] = "link",  # noqa: A002
) -> pd.DataFrame:
    """Compare marginal means.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    factors, method, interaction, by, at, weights, family, adjust, level
        As for `MixedFit.contrasts`.
    null, margin, side
        As for `MixedFit.contrasts`, on the scale of `type`; of a ratio, the null ratio (1 if not
        given) and the factor that is tolerated.
    type
        'link' for differences on the scale of the link; 'ratio' for their exponentials (ratios of
        odds, hazards or rates); 'difference' for differences of probabilities or mean counts.

    Returns
    -------
    DataFrame
        As of `MixedFit.contrasts`, df infinite, then test; for a ratio also quantity, with the
        tests of the link.

    Raises
    ------
    UsageError
        As `MixedFit.contrasts`, and if ratios are asked for and the link has none, or `null` or
        `margin` is no ratio.
    """
    check_option("type", type, ("link", "ratio", "difference"))
    alternative = _alternative(null, margin, side, ratio=type == "ratio")
    families = compared(
        fit, factors, method=method, interaction=interaction, by=by, at=at, weights=weights
    )
    if type == "difference":
        families = [_differences(fit, one) for one in families]
    table = contrast_table(fit, families, family, adjust, "normal", level, alternative)
    return _compared(fit, table, ratio=type == "ratio")


def slopes(
    fit: GeneralizedFitted,
    variable: str,
    *,
    by: Names = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    null: float | None = None,
    margin: float | None = None,
    side: Side = "two-sided",
    level: float = 0.95,
    type: Literal["link", "ratio"] = "link",  # noqa: A002
) -> pd.DataFrame:
    """Estimate the slope of the linear predictor in a number, at each level of `by`.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    variable, by, at, weights, level
        As for `MixedFit.slopes`.
    null, margin, side
        As in `contrasts`, per unit of `variable`.
    type
        'link', or 'ratio' for the ratio of odds, hazards or rates per unit of `variable`.

    Returns
    -------
    DataFrame
        Columns of `by`, then estimate, std_error, df (infinite), statistic, p_value, conf_low,
        conf_high, note, test; for a ratio also quantity.

    Raises
    ------
    UsageError
        If `variable` is not numeric or another name or option is unknown.
    """
    check_option("type", type, ("link", "ratio"))
    alternative = _alternative(null, margin, side, ratio=type == "ratio")
    asked = estimated(fit, None, variable, by=by, at=at, weights=weights)
    table = estimates_table(fit, asked, "normal", level, alternative)
    table = pd.concat([asked.keys, table], axis=1)
    return _compared(fit, table, ratio=type == "ratio")


def slope_contrasts(
    fit: GeneralizedFitted,
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
    null: float | None = None,
    margin: float | None = None,
    side: Side = "two-sided",
    level: float = 0.95,
    type: Literal["link", "ratio"] = "link",  # noqa: A002
) -> pd.DataFrame:
    """Compare slopes between the levels of `by`.

    Parameters
    ----------
    fit, variable, null, margin, side, type
        As in `slopes`.
    by, method, interaction, within, at, weights, family, adjust, level
        As for `MixedFit.slope_contrasts`.

    Returns
    -------
    DataFrame
        As `contrasts`, per unit of `variable`.

    Raises
    ------
    UsageError
        As `slopes` and `contrasts`.
    """
    check_option("type", type, ("link", "ratio"))
    alternative = _alternative(null, margin, side, ratio=type == "ratio")
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
    table = contrast_table(fit, families, family, adjust, "normal", level, alternative)
    return _compared(fit, table, ratio=type == "ratio")


def joint_tests(
    fit: GeneralizedFitted,
    by: Names = None,
    *,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
) -> pd.DataFrame:
    """Wald tests of factors, slopes and interactions, within each combination of `by`.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    by, at, weights
        As for `MixedFit.joint_tests`.

    Returns
    -------
    DataFrame
        As of `MixedFit.joint_tests`, then test; den_df is infinite, and the statistic chi-squared
        over num_df.

    Raises
    ------
    UsageError
        If a name is not a predictor of the fixed part, or an option cannot be used.
    """
    table = joint_wald_tests(fit, by, at=at, weights=weights, df="normal")
    return table.assign(test="Wald chi2, asymptotic")


def _alternative(
    null: float | None, margin: float | None, side: Side, *, ratio: bool
) -> Alternative:
    if not ratio:
        return Alternative(null=null or 0.0, margin=margin, side=side)
    null = 1.0 if null is None else null
    if not null > 0.0:
        raise UsageError(f"null={null!r} is no ratio; give a number above 0 (1 for no difference)")
    if margin is not None:
        if not margin > 1.0:
            raise UsageError(
                f"margin={margin!r} is no factor by which a ratio may be exceeded; give a number "
                "above 1, such as 1.25 for ratios from 0.8 to 1.25"
            )
        margin = float(np.log(margin))
    return Alternative(null=float(np.log(null)), margin=margin, side=side)


def _differences(fit: GeneralizedFitted, family: Family) -> Family:
    """Return differences of means on the response scale, linear in b near its estimate."""
    assert family.means is not None  # noqa: S101
    assert family.weights is not None  # noqa: S101
    reduced, _ = fit.fixed.reduce(family.means)
    eta = reduced @ fit.estimates + fit.offset.mean()
    mean, slope = inverse_link(fit.model.link_name)
    matrix = combined(family.weights, slope(eta)[:, None] * family.means)
    linear = fit.fixed.reduce(matrix)[0] @ fit.estimates
    differences = combined(family.weights, mean(eta)[:, None])[:, 0]
    return replace(family, matrix=matrix, shift=differences - linear)


def _compared(fit: GeneralizedFitted, table: pd.DataFrame, *, ratio: bool) -> pd.DataFrame:
    table = table.assign(test=ASYMPTOTIC)
    if not ratio:
        return table
    made = _with_limits(table, np.exp)
    made = made.assign(std_error=table["std_error"] * made["estimate"], quantity=ratio_name(fit))
    if "contrast" in made:
        named = made["first"] + " / " + made["second"]
        made["contrast"] = made["contrast"].where(made["first"] == "", named)
    return made


def _with_limits(table: pd.DataFrame, function: Any) -> pd.DataFrame:
    columns = [name for name in _LIMITS if name in table]
    return table.assign(**{name: function(table[name].to_numpy(float)) for name in columns})
