r"""Likelihood-ratio tests between fits of the same rows.

Where the fixed parts differ both fits are compared by ML, because REML likelihoods of different
fixed parts are not of the same data (Pinheiro & Bates 2000, section 2.4.1); where they are the
same, by the likelihood they were fitted with.

A variance of zero lies on the edge of the parameter space, so the null distribution is a mixture
(Self & Liang 1987, J Am Stat Assoc 82:605-610; Stram & Lee 1994, Biometrics 50:1171-1177). One new
random column that brings :math:`k` covariances with columns already there gives

.. math:: \tfrac12 \chi^2_{k} + \tfrac12 \chi^2_{k+1}

(:math:`\chi^2_0` being zero), plus as many degrees of freedom as there are other parameters. For
several new random columns the weights depend on the information matrix; the plain chi-squared
distribution is used, which is conservative, and the table says so. R's anova and ranova always use
the plain one; it stands beside ours as `p_value_chi2`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError
from qsmstats.mixed.criterion.profiled import Point
from qsmstats.mixed.fitted import Fitted, Likelihood, RandomEffects, engine_of_fit, refitted
from qsmstats.mixed.formula.language import ParsedFormula, RandomTerm, parse_formula
from qsmstats.mixed.formula.terms import quoted, read_terms
from qsmstats.mixed.optimum.trust_region import minimise

__all__ = [
    "columns_by_group",
    "design_rank",
    "likelihood_ratio",
    "nested_pair",
    "random_term_tests",
    "ratio_test",
    "residual_variance_test",
]


def likelihood_ratio(fit: Fitted, other: Fitted) -> pd.DataFrame:
    """Test two nested fits against each other, in either order.

    Parameters
    ----------
    fit, other
        Fits of the same rows and outcome.

    Returns
    -------
    DataFrame
        Two rows, the smaller model first: formula, method (the likelihood compared),
        n_parameters, log_likelihood, and in the second row statistic, df, p_value, p_value_chi2,
        null_distribution.

    Raises
    ------
    UsageError
        If the fits are not of the same rows and outcome, or neither model is part of the other.
    """
    small, large = nested_pair(fit, other)
    return _two_rows(small, large, new_columns=_random_columns(large, small))


def nested_pair(fit: Fitted, other: Fitted) -> tuple[Fitted, Fitted]:
    """Return the smaller and the larger of two nested fits, both by the likelihood to compare.

    Raises
    ------
    UsageError
        As `likelihood_ratio`.
    """
    if not (
        np.array_equal(fit.response, other.response) and np.array_equal(fit.offset, other.offset)
    ):
        msg = (
            f"the fits use different rows, outcomes or offsets ({fit.info.n_obs} and "
            f"{other.info.n_obs} rows); fit both to the rows that are complete for both"
        )
        raise UsageError(msg)
    small, large = sorted((fit, other), key=lambda one: one.info.n_parameters)
    rank = design_rank(np.hstack([one.fixed.matrix(one.frame.data) for one in (small, large)]))
    same_fixed = rank == len(small.estimates) == len(large.estimates)
    method: Likelihood = "reml" if same_fixed and small.method == large.method == "reml" else "ml"
    small, large = (
        one if one.method == method else refitted(one, method=method) for one in (small, large)
    )
    held, needed = columns_by_group(large.random), columns_by_group(small.random)
    within = [names <= held.get(group, set()) for group, names in needed.items()]
    failures = {
        "its fixed part is not part of the other's": rank > len(large.estimates),
        "its random terms are not part of the other's": not all(within),
        "its residual weights are not part of the other's": not set(small.residual.columns)
        <= set(large.residual.columns),
        "both have the same number of parameters": small.info.n_parameters
        == large.info.n_parameters,
    }
    if any(failures.values()):
        msg = (
            f"'{small.model.formula}' is not nested in '{large.model.formula}': "
            f"{'; '.join(reason for reason, failed in failures.items() if failed)}. Compare such "
            "models by an information criterion"
        )
        raise UsageError(msg)
    return small, large


def random_term_tests(fit: Fitted, *, reduce: bool = True) -> pd.DataFrame:
    """Test each random term by leaving it out, at the likelihood of the fit.

    Parameters
    ----------
    fit
        A fitted mixed model.
    reduce
        Whether a term of several summands, as ``(1 + x | g)``, is tested summand by summand (``x``
        first gives way to ``(1 | g)``), as lmerTest's ranova does; otherwise as a whole. A term of
        one summand, as ``(0 + x | g)``, is always left out as a whole: ranova would put
        ``(1 | g)`` in its place, which is no part of it.

    Returns
    -------
    DataFrame
        One row for each test: term (what is left out), formula (of what stays), n_parameters,
        log_likelihood, statistic, df, p_value, p_value_chi2, null_distribution.
    """
    parsed = parse_formula(fit.model.formula)
    offsets = [f"offset({one})" for one in parsed.offsets]
    rows = []
    for label, random in _reductions(parsed, fit, reduce=reduce):
        terms = [f"({term.expression} | {':'.join(map(quoted, term.group))})" for term in random]
        formula = f"{parsed.response} ~ {' + '.join([parsed.fixed, *offsets, *terms])}"
        if random:
            smaller = refitted(fit, formula=formula)
            log_likelihood, parameters = smaller.info.log_likelihood, smaller.info.n_parameters
            columns = _random_columns(fit, smaller)
        else:
            log_likelihood, parameters = _without_random(fit)
            columns = sum(len(term.design.names) for term in fit.random)
        test = ratio_test(
            log_likelihood,
            fit.info.log_likelihood,
            df=fit.info.n_parameters - parameters,
            new_columns=columns,
        )
        rows.append(
            {
                "term": label,
                "formula": formula,
                "n_parameters": parameters,
                "log_likelihood": log_likelihood,
            }
            | test
        )
    return pd.DataFrame(rows)


def residual_variance_test(fit: Fitted) -> pd.DataFrame:
    """Test whether the residual variance is the same in all strata.

    Parameters
    ----------
    fit
        A model fitted with a residual variance for each level of a column (``weights``).

    Returns
    -------
    DataFrame
        As `likelihood_ratio`; the model of equal variances first.

    Raises
    ------
    UsageError
        If the fit has one residual variance only.
    """
    if fit.residual.column is None:
        msg = "the fit has one residual variance; fit it with weights='<column>' to compare"
        raise UsageError(msg)
    equal = refitted(fit, weights=fit.residual.weight_column)
    names = (" (one residual variance)", f" (residual variance by {fit.residual.column})")
    return _two_rows(equal, fit, names, new_columns=0)


def _two_rows(
    small: Fitted, large: Fitted, names: tuple[str, str] = ("", ""), *, new_columns: int
) -> pd.DataFrame:
    rows: list[dict[str, object]] = [
        {
            "formula": fit.model.formula + name,
            "method": fit.method,
            "n_parameters": fit.info.n_parameters,
            "log_likelihood": fit.info.log_likelihood,
        }
        for fit, name in zip((small, large), names, strict=True)
    ]
    rows[1] |= ratio_test(
        small.info.log_likelihood,
        large.info.log_likelihood,
        df=large.info.n_parameters - small.info.n_parameters,
        new_columns=new_columns,
    )
    return pd.DataFrame(rows)


def ratio_test(small: float, large: float, *, df: int, new_columns: int) -> dict[str, object]:
    """Test two log-likelihoods whose models differ by `df` parameters and some random columns."""
    statistic = max(0.0, 2.0 * (large - small))
    plain = float(stats.chi2.sf(statistic, df))
    p_value, name = plain, f"chi2({df})"
    if new_columns == 1:
        below = float(stats.chi2.sf(statistic, df - 1)) if df > 1 else float(statistic <= 0)
        p_value, name = 0.5 * below + 0.5 * plain, f"0.5 chi2({df - 1}) + 0.5 chi2({df})"
    elif new_columns:
        name = f"{name}, conservative"
    return {
        "statistic": statistic,
        "df": df,
        "p_value": p_value,
        "p_value_chi2": plain,
        "null_distribution": name,
    }


def design_rank(matrix: Floats) -> int:
    """Return the rank of a matrix, whatever the units of its columns."""
    scale = np.sqrt(np.square(matrix).mean(axis=0))
    return int(np.linalg.matrix_rank(matrix / np.where(scale > 0, scale, 1.0), tol=None))


def columns_by_group(random: Sequence[RandomEffects]) -> dict[frozenset[str], set[str]]:
    """Return the columns that vary between the groups of each grouping."""
    found: dict[frozenset[str], set[str]] = {}
    for term in random:
        group = frozenset(term.design.grouping.names)
        found.setdefault(group, set()).update(term.design.names)
    return found


def _random_columns(large: Fitted, small: Fitted) -> int:
    """Return how many random columns the larger model has beyond the smaller one."""
    return sum(len(term.design.names) for term in large.random) - sum(
        len(term.design.names) for term in small.random
    )


def _reductions(
    parsed: ParsedFormula, fit: Fitted, *, reduce: bool
) -> Iterator[tuple[str, tuple[RandomTerm, ...]]]:
    """Yield what is left out, and the random terms that stay."""
    columns, transforms = list(fit.frame.data), fit.model.transforms
    for place, term in enumerate(parsed.random):
        others = parsed.random[:place], parsed.random[place + 1 :]
        read = read_terms(term.expression, columns, transforms=transforms)
        summands = [str(one) for one in read.formula]
        removable = [one for one in summands if one != "1"] if reduce else []
        if len(summands) < 2 or not removable:
            yield term.label, (*others[0], *others[1])
            continue
        for gone in removable:
            left = [one for one in summands if one != gone]
            expression = " + ".join(left if "1" in left else ["0", *left])
            kept = replace(term, expression=expression)
            yield f"{gone} in {term.label}", (*others[0], kept, *others[1])


def _without_random(fit: Fitted) -> tuple[float, int]:
    """Log-likelihood and number of parameters of the linear model without random terms.

    It is the mixed model with all covariances at zero; variances of residual strata stay free.
    """
    engine = engine_of_fit(fit)
    objective = engine.objective
    strata, parameters = objective.parametrisation.strata, objective.parametrisation.size
    nothing = np.zeros(parameters - strata)

    def at(log_ratios: Floats) -> Point:
        point = objective.at(np.concatenate([log_ratios, nothing]))
        return replace(
            point,
            theta=log_ratios,
            gradient=point.gradient[:strata],
            hessian=point.hessian[:strata, :strata],
        )

    start = np.zeros(strata)
    point = minimise(at, start).point if strata else at(start)
    return -0.5 * engine.criterion(point), len(fit.estimates) + 1 + strata
