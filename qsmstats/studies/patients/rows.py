r"""The rows and columns of a regression of patients, its fit, and its estimates.

Numbers are centred and divided by their standard deviation for the fit, so that columns of any size
converge alike, and estimates are turned back: with :math:`\hat\beta` the coefficient of
:math:`(x - \bar x) / s`, that of :math:`x` in steps of :math:`u` is :math:`u \hat\beta / s`.
Categorical columns are compared with their first level, as in ``M / F``.

Coefficients and tests of maximum likelihood hold for many patients. A regression is therefore made
of at least `LEAST` patients, and `PER_COEFFICIENT` for each coefficient; of a binary outcome those
of the rarer kind count (five to nine per coefficient: Vittinghoff & McCulloch 2007, Am J Epidemiol
165:710-718). This is a convention, not a guarantee.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.errors import ModelError
from qsmstats.settings import column_of

__all__ = ["Found", "Row", "complete", "design", "fitted", "levels", "ratios", "require_patients"]

Row = dict[str, object]
Found = tuple[list[Row], list[Row]]
"""Rows of `PatientAssociations.associations`, and of its `goodness_of_fit`."""
LEAST = 10
PER_COEFFICIENT = 5
ASYMPTOTIC = "Wald z, asymptotic"
SMALL_SAMPLE = "Wald t, standard error with n over the residual degrees of freedom"


def complete(
    rows: pd.DataFrame, outcome: str, variable: str, covariates: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows without a missing value, and the covariates to adjust for.

    Parameters
    ----------
    rows
        The columns of the model; logarithms of positive values are computed here.
    outcome, variable
        Its outcome and the clinical variable that is asked about.
    covariates
        Columns to adjust for; `variable` itself and those with one value in these rows are not.

    Raises
    ------
    ModelError
        If the variable has one value, or there is no row.
    """
    others = [name for name in covariates if column_of(name) != column_of(variable)]
    needed = {name: _values(rows, name) for name in (variable, *others)}
    kept = rows.assign(**needed).dropna(subset=[outcome, *needed])
    if len(kept[variable].unique()) < 2:
        raise ModelError(f"{variable} has fewer than two values; add patients with another")
    return kept, [name for name in others if len(kept[name].unique()) > 1]


def _values(rows: pd.DataFrame, name: str) -> pd.Series:
    column = column_of(name)
    if column == name:
        return rows[name]
    if not pd.api.types.is_numeric_dtype(rows[column]):
        raise ModelError(f"{column} is no number and has no logarithm; write {column} without it")
    # Values of zero and below have none and are left out, as missing ones are.
    return pd.Series(np.log(rows[column].where(rows[column] > 0).astype(float)), rows.index)


def require_patients(count: int, coefficients: int, what: str = "patients") -> None:
    """Refuse a regression of too few patients.

    Parameters
    ----------
    count, coefficients
        How many there are, and how many coefficients are to be estimated from them.
    what
        Who is counted.

    Raises
    ------
    ModelError
        With the number that is needed.
    """
    needed = max(LEAST, PER_COEFFICIENT * coefficients)
    if count < needed:
        raise ModelError(
            f"{count} {what}, and {needed} are needed for {coefficients} coefficients; add patients"
            " or name fewer covariates"
        )


def design(
    rows: pd.DataFrame, variable: str, covariates: Sequence[str], *, step: float = 1.0
) -> tuple[pd.DataFrame, pd.Series]:
    """Return the columns of a regression without the intercept, and what turns estimates back.

    Parameters
    ----------
    rows, covariates
        As `complete` returns them.
    variable
        The clinical variable.
    step
        Difference of a numeric variable that its estimate is for.

    Returns
    -------
    columns : DataFrame
        Shape (patients, columns); those of `variable` come first.
    factors : Series
        Column of `variable` -> what its estimate is multiplied with.

    Raises
    ------
    ModelError
        If a column is determined by the others.
    """
    parts, factors = [], {}
    for name in (variable, *covariates):
        values = rows[name]
        if pd.api.types.is_numeric_dtype(values):
            spread = float(values.std())
            part = ((values - values.mean()) / spread).astype(float).to_frame(name)
        else:
            spread = 1.0
            text = pd.Categorical(values.astype(str), categories=levels(values))
            part = pd.get_dummies(text, drop_first=True, dtype=float).set_index(rows.index)
            part = part.add_suffix(f" / {text.categories[0]}")
        if name == variable:
            factor = step / spread if pd.api.types.is_numeric_dtype(values) else 1.0
            factors = dict.fromkeys(part.columns, factor)
        parts.append(part if name == variable else part.add_prefix(f"{name}: "))
    columns = pd.concat(parts, axis=1)
    if np.linalg.matrix_rank(columns.assign(const=1.0).to_numpy()) <= columns.shape[1]:
        names = ", ".join([variable, *covariates])
        raise ModelError(f"{names} determine one another; name fewer covariates")
    # A numeric column has the name of the variable, that of a level the name of the level.
    return columns, pd.Series(factors, name=variable)


def levels(values: pd.Series) -> list[str]:
    """Return the levels of a categorical column that occur, in their order."""
    found = set(values.dropna().astype(str))
    known = (
        values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else sorted(found)
    )
    return [str(name) for name in known if str(name) in found]


def fitted(model: Any, **options: Any) -> Any:
    """Fit a model of statsmodels by maximum likelihood; its warnings are reasons to refuse it.

    Raises
    ------
    ModelError
        If the fit did not converge, or some estimate is infinite (separation).
    """
    from statsmodels.tools.sm_exceptions import ModelWarning, PerfectSeparationError

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = model.fit(disp=0, **options)
    except (PerfectSeparationError, np.linalg.LinAlgError) as error:
        raise ModelError(f"the model cannot be fitted: {error}; name fewer covariates") from error
    said = [str(one.message) for one in caught if issubclass(one.category, ModelWarning)]
    # A coefficient of a standardised column this large has no finite estimate.
    if np.abs(result.params).max() > 1e3 or not np.isfinite(result.bse).all():
        said.append("an estimate is infinite, as columns predict the outcome without error")
    if said or not result.mle_retvals["converged"]:
        reason = said[0] if said else "it did not converge"
        raise ModelError(f"the fit cannot be used: {reason}; name fewer covariates")
    return result


def ratios(
    result: Any, factors: pd.Series, quantity: str, level: float, *, left: float = np.inf
) -> list[Row]:
    """Return the exponentials of the coefficients of a variable, with Wald intervals and tests.

    Parameters
    ----------
    result
        Fit of statsmodels to the columns of `design`.
    factors
        As `design` returns them.
    quantity
        What the exponential of a coefficient is.
    level
        Confidence level.
    left
        Patients less the parameters that were estimated: standard errors are then multiplied by the
        root of n over this number, and Student's t has it as degrees of freedom. If not given, z.
    """
    scale = float(np.sqrt(result.nobs / left)) if np.isfinite(left) else 1.0
    half = stats.t.isf((1.0 - level) / 2.0, left)
    rows: list[Row] = []
    for name in map(str, factors.index):
        factor = float(factors[name])
        effect, error = float(result.params[name]), scale * float(result.bse[name])
        estimate = float(np.exp(factor * effect))
        low, high = np.exp(factor * (effect + np.array([-half, half]) * error))
        rows.append(
            {
                "level": "" if name == factors.name else name,
                "estimate": estimate,
                "std_error": estimate * factor * error,
                "df": left,
                "statistic": effect / error,
                "p_value": float(2.0 * stats.t.sf(abs(effect / error), left)),
                "conf_low": float(low),
                "conf_high": float(high),
                "quantity": quantity,
                "null": 1.0,
                "test": ASYMPTOTIC if np.isinf(left) else SMALL_SAMPLE,
            }
        )
    return rows
