"""Names that users of statsmodels and lme4 type, for what a fit answers.

Where statsmodels' name means the same it is here, of the fixed effects: `params`, `bse`, `tvalues`,
`pvalues`, `conf_int`, `cov_params`, `llf` and `nobs`, with the degrees of freedom that
`coefficients` takes by default. R's functions are no methods, and their results have forms of their
own: asking for one names what answers it here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, Protocol

import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.mixed.design.matrices import FixedDesign

__all__ = ["FamiliarNames"]

OF_R = {
    "fixef": "params or coefficients()",
    "ranef": "random_effects()",
    "coef": "params for the fixed and random_effects() for the random effects",
    "vcov": "cov_params()",
    "VarCorr": "variance_table()",
    "emmeans": "marginal_means() and contrasts()",
    "emtrends": "slopes() and slope_contrasts()",
    "confint": "conf_int()",
    "fitted": "fittedvalues",
    "logLik": "llf",
    "AIC": "aic",
    "BIC": "bic",
    "isSingular": "info.singular",
}
"""Function of lme4, lmerTest or emmeans -> what answers it."""


class _Info(Protocol):
    @property
    def log_likelihood(self) -> float: ...

    @property
    def n_obs(self) -> int: ...


class _Fit(Protocol):
    """What the names need of a fit."""

    @property
    def info(self) -> _Info: ...

    @property
    def fixed(self) -> FixedDesign: ...

    @property
    def covariance(self) -> Floats: ...

    @property
    def coefficients(self) -> Callable[..., pd.DataFrame]: ...


class FamiliarNames(Displayed):
    """Base of a fit that answers to names of other software."""

    __slots__ = ()

    def __getattr__(self, name: str) -> NoReturn:
        message = f"'{type(self).__name__}' object has no attribute '{name}'"
        raise AttributeError(f"{message}; here it is {OF_R[name]}" if name in OF_R else message)

    @property
    def params(self: _Fit) -> pd.Series[float]:
        """Fixed effects by term: `estimate` of `coefficients`."""
        return _column(self, "estimate", "params")

    @property
    def bse(self: _Fit) -> pd.Series[float]:
        """Standard errors of the fixed effects: `std_error` of `coefficients`."""
        return _column(self, "std_error", "bse")

    @property
    def tvalues(self: _Fit) -> pd.Series[float]:
        """Fixed effects over their standard errors: `statistic` of `coefficients`."""
        return _column(self, "statistic", "tvalues")

    @property
    def pvalues(self: _Fit) -> pd.Series[float]:
        """p-values of the fixed effects: `p_value` of `coefficients`."""
        return _column(self, "p_value", "pvalues")

    def conf_int(self: _Fit, alpha: float = 0.05) -> pd.DataFrame:
        """Return confidence limits of the fixed effects, in columns 0 and 1, one row per term.

        Parameters
        ----------
        alpha
            One minus the confidence level.
        """
        table = self.coefficients(level=1.0 - alpha).set_index("term")
        return table[["conf_low", "conf_high"]].set_axis([0, 1], axis=1)

    def cov_params(self: _Fit) -> pd.DataFrame:
        """Return the covariance of the fixed effects, with terms as rows and columns."""
        names = list(self.fixed.names)
        return pd.DataFrame(self.covariance, index=names, columns=names)

    @property
    def llf(self: _Fit) -> float:
        """Log-likelihood of the fit: `info.log_likelihood`."""
        return self.info.log_likelihood

    @property
    def nobs(self: _Fit) -> int:
        """Rows used: `info.n_obs`."""
        return self.info.n_obs


def _column(fit: _Fit, name: str, shown: str) -> pd.Series[float]:
    return fit.coefficients().set_index("term")[name].rename(shown)
