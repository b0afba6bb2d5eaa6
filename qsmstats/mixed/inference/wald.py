"""Standard errors, t tests and F tests of linear functions of the fixed effects.

The degrees of freedom are those of `degrees_of_freedom`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import solve_triangular

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError
from qsmstats.method_names import DfMethod
from qsmstats.mixed.criterion.profiled import InferenceOf, LargeSample, Moments
from qsmstats.mixed.fitted import FixedEffects
from qsmstats.mixed.inference.degrees_of_freedom import approximation, in_basis

__all__ = [
    "JointTest",
    "RowInference",
    "adjusted_covariance",
    "check_level",
    "coefficients",
    "joint_test",
    "row_inference",
    "tidy",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowInference:
    """Estimate, standard error and degrees of freedom of each row of L, shapes (k,)."""

    estimate: Floats
    std_error: Floats
    df: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTest:
    """F test of L b = 0 over the rows of L together."""

    num_df: float
    den_df: float
    statistic: float
    p_value: float


def check_level(level: float) -> None:
    """Refuse a confidence level that is not between 0 and 1.

    Raises
    ------
    UsageError
        If it is not.
    """
    if not 0.0 < level < 1.0:
        raise UsageError(f"level must lie between 0 and 1 (0.95 for 95 %), not {level!r}")


def coefficients(
    fit: FixedEffects, df: DfMethod = "satterthwaite", level: float = 0.95
) -> pd.DataFrame:
    """Return fixed effects with tests and confidence limits.

    Parameters
    ----------
    fit
        A fitted mixed model.
    df
        "satterthwaite", "kenward-roger", "normal" or "residual".
    level
        Confidence level.

    Returns
    -------
    DataFrame
        term, estimate, std_error, df, statistic, p_value, conf_low, conf_high.
    """
    table = tidy(row_inference(fit, np.eye(len(fit.estimates)), df), level)
    table.insert(0, "term", list(fit.fixed.names))
    return table


def row_inference(fit: FixedEffects, rows: Floats, df: DfMethod = "satterthwaite") -> RowInference:
    """Inference for each linear function of the fixed effects.

    Parameters
    ----------
    fit
        A fitted model.
    rows
        L, shape (k, p), in the kept columns of the fixed part.
    df
        How the degrees of freedom are found.
    """
    rows = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    method = approximation(fit.moments, df)
    local = in_basis(rows, fit.moments.basis)
    variance, degrees = method.rows(local)
    return RowInference(
        estimate=rows @ fit.estimates,
        std_error=np.sqrt(np.maximum(variance, 0.0)) * fit.moments.scale,
        df=degrees,
    )


def joint_test(fit: FixedEffects, rows: Floats, df: DfMethod = "satterthwaite") -> JointTest:
    """F test that all linear functions are zero; dependent rows count once.

    Parameters
    ----------
    fit
        A fitted model.
    rows
        L, shape (k, p).
    df
        How the denominator degrees of freedom are found. "normal" tests by chi-squared over its
        degrees of freedom.
    """
    rows = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    method = approximation(fit.moments, df)
    rows = _independent_rows(rows, method.covariance, fit.moments)
    if not len(rows):
        return JointTest(num_df=0.0, den_df=np.nan, statistic=np.nan, p_value=np.nan)
    effects = rows @ fit.estimates / fit.moments.scale
    statistic, den_df = method.joint(in_basis(rows, fit.moments.basis), effects)
    num_df = len(rows)
    p_value = (
        stats.chi2.sf(statistic * num_df, num_df)
        if np.isinf(den_df)
        else stats.f.sf(statistic, num_df, den_df)
    )
    return JointTest(
        num_df=float(num_df), den_df=den_df, statistic=statistic, p_value=float(p_value)
    )


def adjusted_covariance(fit: FixedEffects, df: DfMethod = "satterthwaite") -> Floats:
    """Covariance of the fixed effects, shape (p, p): Kenward-Roger's, or the usual one."""
    moments = fit.moments
    inverse = solve_triangular(moments.basis, np.eye(len(moments.basis)))
    local = approximation(moments, df).covariance
    made: Floats = inverse @ local @ inverse.T * moments.scale**2
    return made


def tidy(inference: RowInference, level: float = 0.95) -> pd.DataFrame:
    """Return estimates with t tests and confidence limits, one row each.

    Raises
    ------
    UsageError
        If `level` does not lie between 0 and 1.
    """
    check_level(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = inference.estimate / inference.std_error
    half = stats.t.ppf(0.5 + level / 2.0, inference.df) * inference.std_error
    return pd.DataFrame(
        {
            "estimate": inference.estimate,
            "std_error": inference.std_error,
            "df": inference.df,
            "statistic": statistic,
            "p_value": 2.0 * stats.t.sf(np.abs(statistic), inference.df),
            "conf_low": inference.estimate - half,
            "conf_high": inference.estimate + half,
        }
    )


def _independent_rows(
    rows: Floats, covariance: Floats, moments: Moments | LargeSample | InferenceOf
) -> Floats:
    """Return the rows as they are if they are independent, else their leading principal components.

    Satterthwaite's joint df depend on the basis of the rows, so it is left alone where possible.
    Independence is judged on correlations, which units do not touch.
    """
    local = in_basis(rows, moments.basis)
    whole = local @ covariance @ local.T
    size = np.sqrt(np.diag(whole))
    rows, whole, size = rows[size > 0], whole[size > 0][:, size > 0], size[size > 0]
    if not len(rows):
        return rows
    if np.linalg.eigvalsh(whole / np.outer(size, size))[0] > 1e-10:
        return rows
    values, axes = np.linalg.eigh(whole)
    turned: Floats = axes[:, values > 1e-8 * values[-1]].T @ rows
    return turned
