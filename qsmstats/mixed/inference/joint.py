r"""Joint tests of the terms of the fixed part, overall or within the levels of other predictors.

The hypothesis of a term is that all interaction contrasts of its predictors' marginal means are
zero (emmeans' ``joint_tests``; Lenth 2016, J Stat Softw 69(1)): of one factor all differences
between its levels, of several the differences of differences. A number stands for the difference
between two values beside its mean, so that its slope is tested, and with factors how the slope
differs between levels. Within a level of `by`, a term is tested without the predictors that `by`
fixes.

:math:`F` and its denominator df are those of `wald.joint_test`: Satterthwaite's combined df, or
Kenward and Roger's scaled :math:`F`, as lmerTest's ``contest``. emmeans itself takes the smallest
df of the rotated rows, does not scale and rounds. In a design without empty cells, and without `by`
and `at`, the tests are those of type III (`hypotheses.anova`) with numbers at their means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.method_names import DfMethod
from qsmstats.mixed.fitted import FixedEffects
from qsmstats.mixed.inference.linear_functions import (
    Names,
    compared,
    name_list,
    term_variables,
)
from qsmstats.mixed.inference.marginal import NOT_ESTIMABLE
from qsmstats.mixed.inference.reference_grid import ReferenceGrid, Weights
from qsmstats.mixed.inference.wald import joint_test

__all__ = ["joint_tests"]

PARTLY = "only the contrasts that can be estimated are tested"


def joint_tests(
    fit: FixedEffects,
    by: Names = None,
    *,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    df: DfMethod = "satterthwaite",
) -> pd.DataFrame:
    """F tests of factors, slopes and interactions, within each combination of `by`.

    Parameters
    ----------
    fit
        A fitted mixed model.
    by
        Predictors within whose combinations the others are tested.
    at, weights
        As in `MixedFit.marginal_means`. A predictor that `at` holds at one value is not tested.
    df
        How the denominator degrees of freedom are found.

    Returns
    -------
    DataFrame
        Columns of `by`, then term, num_df, den_df, statistic, p_value, note; one row for each
        combination and term. The p-values are not adjusted.

    Raises
    ------
    UsageError
        If a name is not a predictor of the fixed part, or an option cannot be used.
    """
    groups = name_list(by)
    grid = ReferenceGrid.of(fit.fixed, fit.frame.data).at(at)
    grid.check_names(groups)
    fixed = {*groups, *(name for name in at or {} if len(grid.predictors[name].values) == 1)}
    rows = []
    for names in _tested(fit, fixed):
        # A number takes two values inside its range, evenly on both sides of its mean.
        beside: dict[str, list[float]] = {}
        for name in names:
            if len(grid.predictors[name].values) == 1:
                (mean,), span = grid.predictors[name].values, grid.predictors[name].span
                half = min(mean - span[0], span[1] - mean) if span else np.nan
                beside[name] = [mean - half, mean + half]
        families = compared(
            fit,
            names,
            interaction="reference",
            by=groups,
            at={**(at or {}), **beside},
            weights=weights,
        )
        for family in families:
            reduced, known = fit.fixed.reduce(family.matrix)
            test = joint_test(fit, reduced[known], df)
            note = "" if known.all() else PARTLY if known.any() else NOT_ESTIMABLE
            rows.append(
                {
                    **{name: family.keys.loc[0, name] for name in groups},
                    "term": ":".join(names),
                    "num_df": test.num_df,
                    "den_df": test.den_df,
                    "statistic": test.statistic,
                    "p_value": test.p_value,
                    "note": test.note or note,
                }
            )
    columns = [*groups, "term", "num_df", "den_df", "statistic", "p_value", "note"]
    return pd.DataFrame(rows, columns=columns)


def _tested(fit: FixedEffects, fixed: set[str]) -> Iterator[list[str]]:
    """Yield the predictors of each term, without those that are fixed; each set once."""
    seen: set[frozenset[str]] = {frozenset()}
    for term in fit.fixed.terms:
        names = [name for name in term_variables(fit, term) if name not in fixed]
        if frozenset(names) not in seen:
            seen.add(frozenset(names))
            yield names
