r"""One answer from the fits to m completed data sets: Rubin's rules.

With estimates :math:`Q_j` and their variances :math:`U_j`, each of the same linear function of the
fixed effects in completed data set j (Rubin 1987, Multiple imputation for nonresponse in surveys,
section 3.1),

.. math:: \bar Q = \frac1m \sum_j Q_j, \quad W = \frac1m \sum_j U_j, \quad
   B = \frac1{m - 1} \sum_j (Q_j - \bar Q)^2, \quad T = W + (1 + 1/m) B.

With :math:`\lambda = (1 + 1/m) B / T`, and :math:`\nu` the degrees of freedom that the complete
data would give (the mean over the fits, by Satterthwaite's or another method), those of
:math:`\bar Q / \sqrt T` are (Barnard & Rubin 1999, Biometrika 86:948-955)

.. math:: \tilde\nu = \left(\frac1{\nu_m} + \frac1{\nu_{obs}}\right)^{-1}, \quad
   \nu_m = \frac{m - 1}{\lambda^2}, \quad
   \nu_{obs} = \frac{\nu + 1}{\nu + 3} \nu (1 - \lambda).

Where the imputations agree (:math:`B = 0`) nothing is missing and :math:`\nu` itself is used, as in
R's rbmi. The fraction of missing information is (Rubin 1987, 3.1.10)
:math:`(r + 2 / (\tilde\nu + 3)) / (r + 1)` with :math:`r = \lambda / (1 - \lambda)`, and 0 where
:math:`B = 0`.

Adjusted p-values and intervals use the correlations of T. Several functions are not
tested together: the joint tests in use (D1 to D3) assume one number of degrees of freedom of the
complete data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from qsmstats.arrays import Floats, Places
from qsmstats.display import Displayed
from qsmstats.errors import ModelError, UsageError
from qsmstats.method_names import DfMethod
from qsmstats.mixed.batch.result import BatchFit
from qsmstats.mixed.design.frame import ModelFrame
from qsmstats.mixed.design.matrices import FixedDesign
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.formula.specification import Specification
from qsmstats.mixed.inference import marginal, wald
from qsmstats.mixed.inference.response_scale import scale_of

__all__ = ["PooledFit", "Rubin", "pool_batch", "pool_fits", "rubin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubin:
    """Pooled linear functions, shapes (k,): estimate, variance (T), df and fmi."""

    estimate: Floats
    variance: Floats
    df: Floats
    fmi: Floats


def rubin(estimates: Floats, variances: Floats, df: Floats) -> Rubin:
    """Pool k estimates over m completed data sets.

    Parameters
    ----------
    estimates, variances
        Q and U, shapes (m, k).
    df
        Degrees of freedom of the complete data, shape (k,).
    """
    m = len(estimates)
    # Differences from the first: equal estimates leave exactly nothing.
    moved = estimates - estimates[0]
    between = (1.0 + 1.0 / m) * moved.var(axis=0, ddof=1)
    total = variances[0] + (variances - variances[0]).mean(axis=0) + between
    with np.errstate(divide="ignore", invalid="ignore"):
        share = between / total
        observed = (df + 1.0) / (df + 3.0) * df * (1.0 - share)
        observed = np.where(np.isinf(df), np.inf, observed)
        pooled = 1.0 / (share**2 / (m - 1.0) + 1.0 / observed)
        ratio = share / (1.0 - share)
        fmi = (ratio + 2.0 / (pooled + 3.0)) / (ratio + 1.0)
    same = between == 0.0
    return Rubin(
        estimate=estimates[0] + moved.mean(axis=0),
        variance=total,
        df=np.where(same, df, pooled),
        fmi=np.where(same, 0.0, fmi),
    )


class CompletedFits(Protocol):
    """Fits of one model to m completed data sets."""

    @property
    def estimates(self) -> Floats:
        """Fixed effects, shape (m, p)."""

    def covariance(self, df: DfMethod) -> Floats:
        """Mean covariance of the fixed effects, shape (p, p)."""

    def rows(self, rows: Floats, df: DfMethod) -> tuple[Floats, Floats]:
        """Variances and degrees of freedom of linear functions L, shape (k, p): each (m, k)."""


@dataclass(frozen=True, slots=True)
class _Singly:
    """Fits one by one: the completed data sets differ in their predictors."""

    fits: tuple[MixedFit, ...]

    @property
    def estimates(self) -> Floats:
        return np.array([fit.estimates for fit in self.fits])

    def covariance(self, df: DfMethod) -> Floats:
        return _mean(np.array([wald.adjusted_covariance(fit, df) for fit in self.fits]))

    def rows(self, rows: Floats, df: DfMethod) -> tuple[Floats, Floats]:
        found = [wald.row_inference(fit, rows, df) for fit in self.fits]
        return np.array([one.std_error**2 for one in found]), np.array([one.df for one in found])


@dataclass(frozen=True, slots=True)
class _Together:
    """Outcomes of one batch: the completed data sets differ in the outcome alone."""

    batch: BatchFit
    chosen: Places

    @property
    def estimates(self) -> Floats:
        return self.batch.estimates[self.chosen]

    def covariance(self, df: DfMethod) -> Floats:  # noqa: ARG002  (for correlations only)
        root = self.batch.design.layout.root
        inverse = solve_triangular(root, np.eye(len(root)))
        made: Floats = inverse @ _mean(self.batch.covariance[self.chosen]) @ inverse.T
        return made

    def rows(self, rows: Floats, df: DfMethod) -> tuple[Floats, Floats]:
        found = self.batch.wald(rows, df=df)
        return found.std_error[self.chosen] ** 2, found.df[self.chosen]


@dataclass(frozen=True, slots=True)
class _PooledMoments:
    """The uncertainty of pooled fixed effects."""

    fits: CompletedFits
    within: bool

    @property
    def basis(self) -> Floats:
        return np.eye(self.fits.estimates.shape[1])

    @property
    def scale(self) -> float:
        return 1.0

    def approximation(self, df: DfMethod) -> _PooledInference:
        return _PooledInference(self.fits, df, within=self.within)


class _PooledInference:
    """Rubin's rules on top of a method for complete data."""

    def __init__(self, fits: CompletedFits, df: DfMethod, *, within: bool) -> None:
        self.fits, self.df, self.within = fits, df, within
        estimates = fits.estimates
        m = len(estimates)
        moved = estimates - estimates[0]
        moved = moved - moved.mean(axis=0)
        between = (1.0 + 1.0 / m) * moved.T @ moved / (m - 1.0)
        self.covariance: Floats = fits.covariance(df) + between

    def rows(self, rows: Floats) -> tuple[Floats, Floats]:
        variances, df = self.fits.rows(rows, self.df)
        if self.within:
            return _mean(variances), np.full(len(rows), np.inf)
        made = rubin(self.fits.estimates @ rows.T, variances, _mean(df))
        return made.variance, made.df

    def joint(self, rows: Floats, effects: Floats) -> tuple[float, float]:  # noqa: ARG002
        raise UsageError(
            f"{len(rows)} functions of pooled estimates cannot be tested together; test each by"
            " itself, by `coefficients` or `contrasts`"
        )


def _mean(values: Floats) -> Floats:
    """Mean over the first axis; exactly the value where all are equal, and of infinities."""
    with np.errstate(invalid="ignore"):
        made = values[0] + (values - values[0]).mean(axis=0)
    return np.where(np.isinf(values).any(axis=0), np.inf, made)


def _with_fmi(question: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """Ask a question of pooled estimates, and add the fraction of missing information and m."""

    @wraps(question)
    def asked(fit: PooledFit, *args: Any, **options: Any) -> pd.DataFrame:
        table = question(fit, *args, **options)
        rest = options | ({"adjust": "none"} if "adjust" in options else {})
        within = question(replace(fit, within=True), *args, **rest)
        # A change of scale multiplies both standard errors by the same number.
        share = 1.0 - (within["std_error"] / table["std_error"]) ** 2
        fmi = share + 2.0 * (1.0 - share) / (table["df"] + 3.0)
        agree = share < 1e-12  # rounding of equal variances
        return table.assign(fmi=fmi.mask(agree, 0.0), m=fit.m)

    return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledFit(Displayed):
    """One model over m completed data sets; its questions are those of `MixedFit`.

    Attributes
    ----------
    model, fixed, frame, offset
        The model, and fixed part, rows and offset of the first completed data set.
    estimates
        Pooled fixed effects, shape (p,).
    fits
        Those to the completed data sets.
    within
        Whether the variance between completed data sets is to be left out.

    Notes
    -----
    Tables have two more columns: `fmi`, the fraction of missing information, and `m`.
    """

    model: Specification
    fixed: FixedDesign
    frame: ModelFrame
    offset: Floats
    estimates: Floats
    fits: CompletedFits
    within: bool = False

    coefficients = _with_fmi(wald.coefficients)
    marginal_means = _with_fmi(marginal.marginal_means)
    contrasts = _with_fmi(marginal.contrasts)
    slopes = _with_fmi(marginal.slopes)
    slope_contrasts = _with_fmi(marginal.slope_contrasts)
    response_scale = scale_of

    @property
    def moments(self) -> _PooledMoments:
        """The uncertainty of the fixed effects."""
        return _PooledMoments(self.fits, self.within)

    @property
    def m(self) -> int:
        """Number of imputations."""
        return len(self.fits.estimates)


def pool_fits(fits: Sequence[MixedFit]) -> PooledFit:
    """Pool fits of one model to completed data sets that differ in any column.

    Parameters
    ----------
    fits
        One for each completed data set; the rows and the fixed columns must be the same.

    Returns
    -------
    PooledFit

    Raises
    ------
    UsageError
        If there are fewer than two fits, or their fixed columns differ.

    Examples
    --------
    >>> lesions = qs.example_lesions()
    >>> model = qs.MixedModel("mwf_percent ~ years + (1 | participant_id)")
    >>> shifted = lesions.assign(mwf_percent=lesions["mwf_percent"] + 0.1)
    >>> pooled = qs.pool_fits([model.fit(rows) for rows in (lesions, shifted)])
    >>> pooled.coefficients()["term"].tolist()
    ['Intercept', 'years']
    """
    names = {fit.fixed.names for fit in fits}
    if len(fits) < 2 or len(names) > 1:
        found = f"{len(fits)} fits with {len(names)} different sets of fixed effects"
        raise UsageError(
            f"pooling needs two or more fits with the same fixed effects; found {found}: fit one"
            " model to each completed data set, with the same levels in every one"
        )
    return _pooled(fits[0], _Singly(tuple(fits)))


def pool_batch(fit: MixedFit, batch: BatchFit, chosen: Places) -> PooledFit:
    """Pool outcomes of a batch.

    Parameters
    ----------
    fit
        A fit of the same model, for its fixed part and its rows.
    batch
        Fits of the completed outcomes.
    chosen
        Places of the outcomes in the batch.

    Raises
    ------
    ModelError
        If one of them could not be fitted.
    """
    failed = [batch.problems[place] for place in chosen if batch.problems[place]]
    if failed:
        raise ModelError(
            f"{len(failed)} of {len(chosen)} completed data sets could not be fitted"
            f" ({failed[0]}); simplify the random terms"
        )
    return _pooled(fit, _Together(batch, chosen))


def _pooled(fit: MixedFit, fits: CompletedFits) -> PooledFit:
    return PooledFit(
        model=fit.model,
        fixed=fit.fixed,
        frame=fit.frame,
        offset=fit.offset,
        estimates=_mean(fits.estimates),
        fits=fits,
    )
