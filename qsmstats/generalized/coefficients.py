"""Coefficients, tests of terms and likelihood ratios of a generalised fit.

Tests are Wald's: the estimate over its standard error as standard normal, which holds for many
groups. With few groups (patients, say) they reject too often, and nothing like Satterthwaite's
degrees of freedom is known for these models; the tables say so in the column `test`. The standard
errors are from the observed information of all parameters together, not at known variances.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError, check_option
from qsmstats.generalized.fitted import AnyFit, GeneralizedFitted
from qsmstats.generalized.profile import profile_limits
from qsmstats.mixed.inference import hypotheses
from qsmstats.mixed.inference import wald as wald_tests
from qsmstats.mixed.inference.likelihood_ratio import columns_by_group, design_rank, ratio_test

__all__ = [
    "RATIOS",
    "anova",
    "coefficients",
    "likelihood_ratio",
    "nested_pair",
    "ratio_name",
    "wald",
]

ASYMPTOTIC = "Wald z, asymptotic"

RATIOS = {"logit": "odds ratio", "cloglog": "hazard ratio", "log": "rate ratio"}
"""Link -> what the exponential of a difference on its scale is."""


def ratio_name(fit: GeneralizedFitted) -> str:
    """Return what the exponential of a coefficient is.

    Raises
    ------
    UsageError
        If it has no meaning.
    """
    link = fit.model.link_name
    if link not in RATIOS:
        raise UsageError(
            f"link='{link}' has no ratios: its coefficients are not logarithms; use marginal means "
            "with type='response', or link='logit'"
        )
    return RATIOS[link]


def coefficients(
    fit: GeneralizedFitted,
    *,
    level: float = 0.95,
    interval: Literal["wald", "profile"] = "wald",
    exponentiate: bool = False,
) -> pd.DataFrame:
    """Return fixed effects with tests and confidence limits.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    level
        Confidence level.
    interval
        'wald', or 'profile' for profile-likelihood limits; the p-values are Wald's in either case.
    exponentiate
        Whether to give odds ratios (logit), hazard ratios (cloglog) or rate ratios (log), with
        standard errors by the delta method; that of the intercept is an odds, hazard or rate.

    Returns
    -------
    DataFrame
        term, estimate, std_error, df (infinite), statistic, p_value, conf_low, conf_high, test;
        with `exponentiate` also quantity.

    Raises
    ------
    UsageError
        If an option is unknown, or ratios are asked for and the link has none.
    """
    check_option("interval", interval, ("wald", "profile"))
    table = wald_tests.coefficients(fit, "normal", level).assign(test=ASYMPTOTIC)
    if interval == "profile":
        table[["conf_low", "conf_high"]] = profile_limits(fit, level)
    if not exponentiate:
        return table
    quantity = ratio_name(fit)
    made = table.assign(
        **{name: np.exp(table[name]) for name in ("estimate", "conf_low", "conf_high")},
        quantity=quantity,
    )
    return made.assign(std_error=table["std_error"] * made["estimate"])


def anova(
    fit: GeneralizedFitted,
    *,
    type: Literal[1, 2, 3] = 3,  # noqa: A002
) -> pd.DataFrame:
    """Wald tests of the terms of the fixed part.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    type
        As for `MixedFit.anova`.

    Returns
    -------
    DataFrame
        term, num_df, den_df (infinite), statistic (chi-squared over num_df), p_value, test.
    """
    return hypotheses.anova(fit, type=type, df="normal").assign(test="Wald chi2, asymptotic")


def wald(
    fit: GeneralizedFitted,
    contrasts: str | Floats | Mapping[str, float] | Mapping[str, Mapping[str, float]],
    *,
    level: float = 0.95,
) -> hypotheses.WaldTest:
    """Test linear functions of the fixed effects; arguments and result as of `MixedFit.wald`."""
    return hypotheses.wald(fit, contrasts, df="normal", level=level)


def likelihood_ratio(fit: GeneralizedFitted, other: GeneralizedFitted) -> pd.DataFrame:
    """Test two nested fits against each other, in either order.

    A variance of zero in the smaller model has the mixture of `mixed.inference.likelihood_ratio`.

    Parameters
    ----------
    fit, other
        Fits of the same rows, outcome, family and link, integrated in the same way.

    Returns
    -------
    DataFrame
        Two rows, the smaller model first: formula, family, integration, n_parameters,
        log_likelihood, and in the second row statistic, df, p_value, p_value_chi2,
        null_distribution.

    Raises
    ------
    UsageError
        If the fits are not comparable, or neither model is part of the other.
    """
    small, large = nested_pair(fit, other)
    rows: list[dict[str, object]] = [
        {
            "formula": one.model.formula,
            "family": one.model.family,
            "integration": one.info.integration,
            "n_parameters": one.info.n_parameters,
            "log_likelihood": one.info.log_likelihood,
        }
        for one in (small, large)
    ]
    columns = [sum(len(term.design.names) for term in one.random) for one in (small, large)]
    rows[1] |= ratio_test(
        small.info.log_likelihood,
        large.info.log_likelihood,
        df=large.info.n_parameters - small.info.n_parameters,
        new_columns=columns[1] - columns[0],
    )
    return pd.DataFrame(rows)


def nested_pair(fit: AnyFit, other: AnyFit) -> tuple[AnyFit, AnyFit]:
    """Return the smaller and the larger of two nested fits; errors as of `likelihood_ratio`."""
    small, large = sorted((fit, other), key=lambda one: one.info.n_parameters)
    _check_comparable(small, large)
    held, needed = columns_by_group(large.random), columns_by_group(small.random)
    rank = design_rank(np.hstack([one.fixed.matrix(one.frame.data) for one in (small, large)]))
    failures = {
        "its fixed part is not part of the other's": rank > len(large.estimates),
        "its random terms are not part of the other's": not all(
            names <= held.get(group, set()) for group, names in needed.items()
        ),
        "both have the same number of parameters": small.info.n_parameters
        == large.info.n_parameters,
    }
    if any(failures.values()):
        raise UsageError(
            f"'{small.model.formula}' is not nested in '{large.model.formula}': "
            f"{'; '.join(reason for reason, failed in failures.items() if failed)}. Compare such "
            "models by an information criterion"
        )
    return small, large


def _check_comparable(one: GeneralizedFitted, other: GeneralizedFitted) -> None:
    differing = [
        name
        for name, same in {
            "rows or outcomes": np.array_equal(one.outcome.y, other.outcome.y)
            and np.array_equal(one.outcome.trials, other.outcome.trials),
            "families or links": (one.model.family, one.model.link_name)
            == (other.model.family, other.model.link_name),
            "offsets or weights": np.array_equal(one.offset, other.offset)
            and np.array_equal(one.outcome.prior, other.outcome.prior),
            "integrations": one.info.integration == other.info.integration,
        }.items()
        if not same
    ]
    if differing:
        raise UsageError(
            f"the fits have different {' and '.join(differing)}, so their likelihoods cannot be "
            "compared; fit both to the same rows with the same options"
        )
