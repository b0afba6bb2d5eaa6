"""The same model for many columns: every feature, every layer of a profile.

Columns go through the batch (`batch`) together; where a column has missing values only its own
rows are left out. p-values are adjusted over the outcomes: the family is one term (or contrast)
over all outcomes, because the question asked of many is in which of them this effect is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.errors import FormulaError, InvalidDataError, UsageError, check_option
from qsmstats.method_names import Adjustment, DfMethod
from qsmstats.mixed.batch.result import BatchFit
from qsmstats.mixed.fitted import Likelihood
from qsmstats.mixed.formula.language import parse_formula
from qsmstats.mixed.formula.terms import Transforms, evaluate, read_terms
from qsmstats.mixed.inference.alternative import check_level
from qsmstats.mixed.inference.multiplicity import adjust_p_values, check_adjustment
from qsmstats.mixed.inference.wald import RowInference, tidy
from qsmstats.mixed.model import MixedModel
from qsmstats.parallel import Progress

__all__ = ["PLACEHOLDER", "ManyFits", "fit_many"]


PLACEHOLDER = "outcome"
"""Stands for the column in turn on the left side of a formula."""

_COLUMNS = [
    *("outcome", "term", "estimate", "std_error", "df", "statistic", "p_value", "p_adjusted"),
    *("conf_low", "conf_high", "adjust", "df_method", "n_obs", "converged", "singular", "note"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyFits(Displayed):
    """One model fitted to many columns.

    Attributes
    ----------
    coefficients
        One row for each outcome and term: outcome, term, estimate, std_error, df, statistic,
        p_value, p_adjusted, conf_low, conf_high, adjust, df_method, n_obs, converged, singular,
        note (why an outcome could not be fitted).
    outcomes
        One row for each outcome: outcome, n_obs, criterion, sigma, converged, singular,
        refitted_singly, note.
    variances
        Standard deviations and correlations: outcome and one column each.
    fits
        The fits themselves.
    """

    coefficients: pd.DataFrame
    outcomes: pd.DataFrame
    variances: pd.DataFrame
    fits: BatchFit


def fit_many(
    formula: str,
    data: pd.DataFrame,
    outcomes: Sequence[str],
    *,
    method: Likelihood = "reml",
    weights: str | Sequence[str] | None = None,
    contrasts: Mapping[str, str] | None = None,
    transforms: Transforms | None = None,
    df: DfMethod = "satterthwaite",
    adjust: Adjustment = "fdr_bh",
    level: float = 0.95,
    jobs: int = 1,
    progress: Progress | None = None,
) -> ManyFits:
    """Fit one model to many columns of a data frame.

    Parameters
    ----------
    formula
        ``"~ treatment * years + (1 | tree)"``, or with a left side in which ``outcome``
        stands for the column in turn: ``"log(outcome) ~ ..."``.
    data
        One row per observation. Rows with a missing predictor, group or weight are left out for
        all outcomes; a row in which an outcome is missing is left out for that outcome.
    outcomes
        Names of the columns.
    method, weights, contrasts, transforms
        As in `MixedModel`.
    df
        How degrees of freedom are found; Kenward and Roger's take some milliseconds an outcome.
    adjust
        "fdr_bh" (Benjamini-Hochberg), "holm", "bonferroni" or "none". The family is one term over
        all outcomes; different terms are different questions and are not adjusted for each other.
    level
        Confidence level of the (unadjusted) limits.
    jobs, progress
        Processes; called with (tasks done, tasks in all).

    Returns
    -------
    ManyFits

    Raises
    ------
    UsageError
        If an option is unknown or no outcome is named.
    FormulaError
        If a column does not exist or the left side does not hold ``outcome``.
    InvalidDataError
        If an outcome holds something else than numbers, or infinite values.
    NotIdentifiedError
        If the design cannot tell the parameters apart for any outcome.

    Examples
    --------
    >>> lesions = qs.example_lesions().assign(half=lambda rows: rows["mwf_percent"] / 2)
    >>> many = qs.fit_many("~ years + (1 | participant_id)", lesions, ["mwf_percent", "half"])
    >>> many.coefficients.loc[many.coefficients["term"] == "years", "estimate"].round(4).tolist()
    [-0.0867, -0.0433]
    """
    _check_outcomes(outcomes)
    check_option("df", df, get_args(DfMethod))
    if check_adjustment(adjust) in ("mvt", "tukey"):
        msg = f"adjust={adjust!r} is for one fit only; use 'fdr_bh', 'holm' or 'bonferroni'"
        raise UsageError(msg)
    check_level(level)
    left, right = _sides(formula, transforms)
    model = MixedModel(f"{left} ~ {right}", contrasts or {}, transforms or {})
    design = model.design(data, method=method, weights=weights)
    values = np.column_stack(
        [_outcome(left, data, name, transforms)[design.layout.frame.kept] for name in outcomes]
    )
    fits = design.fit_outcomes(values, jobs=jobs, progress=progress)
    names = list(map(str, outcomes))
    variances = fits.variances
    variances.insert(0, "outcome", names)
    table = pd.DataFrame(
        {
            "outcome": names,
            "n_obs": fits.n_obs,
            "criterion": fits.criterion,
            "sigma": np.sqrt(fits.sigma2),
            "converged": fits.converged,
            "singular": fits.singular,
            "refitted_singly": fits.refitted_singly,
            "note": fits.problems,
        }
    )
    tests, p = fits.wald(df=df), len(fits.terms)
    families = zip(tests.statistic.T, tests.df.T, strict=True)
    adjusted = np.column_stack([adjust_p_values(t, nu, method=adjust) for t, nu in families])
    flat = RowInference(
        estimate=tests.estimate.ravel(), std_error=tests.std_error.ravel(), df=tests.df.ravel()
    )
    coefficients = tidy(flat, level).assign(
        p_adjusted=adjusted.ravel(),
        adjust=adjust,
        df_method=df,
        outcome=np.repeat(np.asarray(names, dtype=object), p),
        term=list(fits.terms) * len(names),
        n_obs=np.repeat(fits.n_obs, p),
        converged=np.repeat(fits.converged, p),
        singular=np.repeat(fits.singular, p),
        note=np.repeat(np.asarray(fits.problems, dtype=object), p),
    )
    coefficients = coefficients[_COLUMNS]
    return ManyFits(coefficients=coefficients, outcomes=table, variances=variances, fits=fits)


def _check_outcomes(outcomes: Sequence[str]) -> None:
    if isinstance(outcomes, str) or not len(outcomes):
        msg = f"outcomes={outcomes!r}; give a list of one or more columns"
        raise UsageError(msg)
    if len(set(outcomes)) < len(outcomes):
        msg = "an outcome is named twice, so its p-value would count twice; name each once"
        raise UsageError(msg)


def _sides(formula: str, transforms: Transforms | None) -> tuple[str, str]:
    left, tilde, right = formula.partition("~")
    if not tilde:
        msg = f"'{formula}' has no '~'; write '~ predictors + (1 | group)'"
        raise FormulaError(msg)
    left = left.strip() or PLACEHOLDER
    parsed = parse_formula(f"{left} ~ {right}")
    outcome = read_terms(parsed.response, [PLACEHOLDER], None, transforms, intercept=False)
    if PLACEHOLDER not in outcome.variables:
        msg = (
            f"the left side '{left}' names one column; write '~ {right.strip()}', or use "
            f"'{PLACEHOLDER}' in its place, as in 'log({PLACEHOLDER}) ~ ...'"
        )
        raise FormulaError(msg)
    return left, right


def _outcome(left: str, data: pd.DataFrame, name: str, transforms: Transforms | None) -> Floats:
    if name not in data.columns:
        msg = f"the data have no column '{name}' to use as an outcome; correct the name"
        raise FormulaError(msg)
    column = data[name]
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype == bool:
        msg = f"the outcome '{name}' must be numeric, but holds {column.dtype}; choose another"
        raise InvalidDataError(msg)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        msg = f"the outcome '{name}' is infinite in row {row}; correct it or mark it as missing"
        raise InvalidDataError(msg)
    known = ~np.isnan(values)
    frame = pd.DataFrame({PLACEHOLDER: values[known]})
    terms = read_terms(left, [PLACEHOLDER], None, transforms, intercept=False)
    try:
        made = values[known]
        if known.any():
            made = evaluate(terms.formula, frame, transforms).matrix[:, 0]
    except InvalidDataError as error:
        msg = f"the outcome '{name}' as {PLACEHOLDER}: {error}"
        raise InvalidDataError(msg) from None
    whole = np.full(len(values), np.nan)
    whole[known] = made
    return whole
