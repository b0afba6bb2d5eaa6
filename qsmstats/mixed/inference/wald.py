"""Standard errors, t tests and F tests of linear functions of the fixed effects.

The degrees of freedom are those of `degrees_of_freedom`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import solve_triangular

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.method_names import DfMethod
from qsmstats.mixed.fitted import FixedEffects, Uncertainty
from qsmstats.mixed.inference.alternative import TWO_SIDED, Alternative, check_level
from qsmstats.mixed.inference.degrees_of_freedom import approximation, in_basis
from qsmstats.mixed.inference.sandwich import LEAST_CLUSTERS, ClusterRobust

__all__ = [
    "FEW_CLUSTERS",
    "WITHHELD",
    "JointTest",
    "RowInference",
    "adjusted_covariance",
    "coefficients",
    "joint_test",
    "row_inference",
    "tidy",
]

WITHHELD = f"withheld: depends on a level that occurs in fewer than {LEAST_CLUSTERS} clusters"
FEW_CLUSTERS = "withheld: too few clusters to test so many contrasts together"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowInference:
    """Estimate, standard error and degrees of freedom of each row of L, shapes (k,).

    `note` says of each row why it has no standard error; None where all have one.
    """

    estimate: Floats
    std_error: Floats
    df: Floats
    note: NDArray[np.str_] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTest(Displayed):
    """F test of L b = 0 over the rows of L together.

    Attributes
    ----------
    num_df, den_df
        Independent rows of L, and denominator degrees of freedom.
    statistic, p_value
        F and its p-value.
    note
        Why there is no test.
    """

    num_df: float
    den_df: float
    statistic: float
    p_value: float
    note: str = ""


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
        term, estimate, std_error, df, statistic, p_value, conf_low, conf_high; with cluster-robust
        standard errors also note.
    """
    inference = row_inference(fit, np.eye(len(fit.estimates)), df)
    return tidy(inference, level, labels={"term": fit.fixed.names})


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
    note = None
    if isinstance(fit.moments, ClusterRobust):
        note = np.where(fit.moments.withheld(local), WITHHELD, "")
    return RowInference(
        estimate=rows @ fit.estimates,
        std_error=np.sqrt(np.maximum(variance, 0.0)) * fit.moments.scale,
        df=degrees,
        note=note,
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
    # The sandwich of few clusters is singular where the model's covariance is not.
    spread = method.bread if isinstance(method, ClusterRobust) else method.covariance
    rows = _independent_rows(rows, spread, fit.moments)
    if not len(rows):
        return JointTest(num_df=0.0, den_df=np.nan, statistic=np.nan, p_value=np.nan)
    effects = rows @ fit.estimates / fit.moments.scale
    local, num_df, note = in_basis(rows, fit.moments.basis), len(rows), ""
    statistic, den_df = method.joint(local, effects)
    if isinstance(method, ClusterRobust) and np.isnan(statistic):
        note = WITHHELD if method.withheld(local).any() else FEW_CLUSTERS
    p_value = (
        stats.chi2.sf(statistic * num_df, num_df)
        if np.isinf(den_df)
        else stats.f.sf(statistic, num_df, den_df)
    )
    return JointTest(
        num_df=float(num_df), den_df=den_df, statistic=statistic, p_value=float(p_value), note=note
    )


def adjusted_covariance(fit: FixedEffects, df: DfMethod = "satterthwaite") -> Floats:
    """Covariance of the fixed effects, shape (p, p): Kenward-Roger's, or the usual one."""
    moments = fit.moments
    inverse = solve_triangular(moments.basis, np.eye(len(moments.basis)))
    local = approximation(moments, df).covariance
    made: Floats = inverse @ local @ inverse.T * moments.scale**2
    return made


def tidy(
    inference: RowInference,
    level: float = 0.95,
    alternative: Alternative = TWO_SIDED,
    *,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Return estimates with t tests and confidence limits, one row each.

    Parameters
    ----------
    inference
        The estimates.
    level
        Confidence level.
    alternative
        What the tests are against.
    labels
        Columns that come first: what each row is an estimate of.

    Raises
    ------
    UsageError
        If `level` does not lie between 0 and 1.
    """
    check_level(level, alternative.tails)
    statistic = alternative.statistic(inference.estimate, inference.std_error)
    half = alternative.half_widths(level, inference.df) * inference.std_error
    made = pd.DataFrame(
        {
            **{name: list(label) for name, label in (labels or {}).items()},
            "estimate": inference.estimate,
            "std_error": inference.std_error,
            "df": inference.df,
            "statistic": statistic,
            "p_value": alternative.p_values(statistic, inference.df),
            "conf_low": inference.estimate - half,
            "conf_high": inference.estimate + half,
        }
    )
    return made if inference.note is None else made.assign(note=inference.note)


def _independent_rows(rows: Floats, covariance: Floats, moments: Uncertainty) -> Floats:
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
