"""What a fit can be asked beyond its coefficients: short ways to the modules that answer.

Each method hands over to the function of the same name, whose docstring says what it does, which
errors it raises and where its formulas come from. The modules are imported when asked, so that a
fit alone loads none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from qsmstats.mixed.batchfit import BatchFit
    from qsmstats.mixed.booted import Bootstrap
    from qsmstats.mixed.bootstrap import BootstrapKind
    from qsmstats.mixed.bootstrap_test import BootstrapTest
    from qsmstats.mixed.fit import MixedFit
    from qsmstats.mixed.inference import Method
    from qsmstats.mixed.influence import Influence
    from qsmstats.mixed.intervals import IntervalKind
    from qsmstats.mixed.response_scale import ResponseScale, ScaleType
    from qsmstats.mixed.statistic import Statistic
    from qsmstats.mixed.variance import RSquared

__all__ = ["Questions"]

Names = str | Sequence[str]
Weights = Literal["equal", "proportional"]


class Questions:
    """Methods of a fit that other modules answer."""

    __slots__ = ()

    def _fit(self) -> MixedFit:
        return cast("MixedFit", self)

    def marginal_means(
        self,
        factors: Names,
        *,
        by: Names | None = None,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
        df: Method = "satterthwaite",
        level: float = 0.95,
        type: ScaleType = "link",  # noqa: A002
    ) -> pd.DataFrame:
        """Mean outcome of each level over a reference grid; see `marginal.marginal_means`."""
        from qsmstats.mixed.marginal import marginal_means

        return marginal_means(
            self._fit(), factors, by=by, at=at, weights=weights, df=df, level=level, type=type
        )

    def contrasts(
        self,
        factors: Names,
        *,
        method: Any = "pairwise",
        by: Names | None = None,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
        family: Literal["within", "across"] = "within",
        adjust: str | None = None,
        df: Method = "satterthwaite",
        level: float = 0.95,
        type: ScaleType = "link",  # noqa: A002
    ) -> pd.DataFrame:
        """Differences between marginal means, adjusted; see `marginal.contrasts`."""
        from qsmstats.mixed.marginal import contrasts

        return contrasts(
            self._fit(),
            factors,
            method=method,
            by=by,
            at=at,
            weights=weights,
            family=family,
            adjust=adjust,
            df=df,
            level=level,
            type=type,
        )

    def slopes(
        self,
        variable: str,
        *,
        by: Names | None = None,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
        adjust: str | None = None,
        df: Method = "satterthwaite",
        level: float = 0.95,
        type: ScaleType = "link",  # noqa: A002
    ) -> pd.DataFrame:
        """Change of the outcome per unit of a number; see `marginal.slopes`."""
        from qsmstats.mixed.marginal import slopes

        return slopes(
            self._fit(),
            variable,
            by=by,
            at=at,
            weights=weights,
            adjust=adjust,
            df=df,
            level=level,
            type=type,
        )

    def slope_contrasts(
        self,
        variable: str,
        by: Names,
        *,
        method: Any = "pairwise",
        within: Names | None = None,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
        family: Literal["within", "across"] = "within",
        adjust: str | None = None,
        df: Method = "satterthwaite",
        level: float = 0.95,
        type: ScaleType = "link",  # noqa: A002
    ) -> pd.DataFrame:
        """Differences between slopes, adjusted; see `marginal.slope_contrasts`."""
        from qsmstats.mixed.marginal import slope_contrasts

        return slope_contrasts(
            self._fit(),
            variable,
            by,
            method=method,
            within=within,
            at=at,
            weights=weights,
            family=family,
            adjust=adjust,
            df=df,
            level=level,
            type=type,
        )

    def response_scale(self) -> ResponseScale:
        """Return what the formula's left side is; see `response_scale.response_scale`."""
        from qsmstats.mixed.formula import parse_formula
        from qsmstats.mixed.response_scale import response_scale

        fit = self._fit()
        return response_scale(parse_formula(fit.model.formula).response, fit.frame.data.columns)

    @property
    def variances(self) -> pd.DataFrame:
        """Variances, standard deviations and correlations; see `variance.variance_table`."""
        return self.variance_table()

    def variance_table(
        self, *, interval: Literal["delta", "profile"] | None = None, level: float = 0.95
    ) -> pd.DataFrame:
        """`variances` with confidence limits; see `variance.variance_table`."""
        from qsmstats.mixed.variance import variance_table

        return variance_table(self._fit(), interval=interval, level=level)

    def icc(self) -> pd.DataFrame:
        """Share of the variance between groups; see `variance.icc`."""
        from qsmstats.mixed.variance import icc

        return icc(self._fit())

    def r_squared(self) -> RSquared:
        """Marginal and conditional R squared; see `variance.r_squared`."""
        from qsmstats.mixed.variance import r_squared

        return r_squared(self._fit())

    def random_effects(self, *, level: float = 0.95) -> pd.DataFrame:
        """Conditional modes of the random effects; see `effects.random_effects`."""
        from qsmstats.mixed.effects import random_effects

        return random_effects(self._fit(), level=level)

    def predict(
        self,
        new: pd.DataFrame | None = None,
        *,
        level: Literal["population", "conditional"] = "population",
        interval: bool = False,
        confidence: float = 0.95,
        df: Method = "satterthwaite",
    ) -> pd.DataFrame:
        """Mean outcome of new rows; see `effects.predict`."""
        from qsmstats.mixed.effects import predict

        return predict(
            self._fit(), new, level=level, interval=interval, confidence=confidence, df=df
        )

    def residuals(
        self, kind: Literal["conditional", "marginal", "pearson"] = "conditional"
    ) -> pd.Series:
        """Residuals of the rows used; see `effects.residuals`."""
        from qsmstats.mixed.effects import residuals

        return residuals(self._fit(), kind=kind)

    def influence(self, by: str) -> Influence:
        """Return what leaving each group out does to the estimates; see `influence.influence`."""
        from qsmstats.mixed.influence import influence

        return influence(self._fit(), by)

    def likelihood_ratio(self, other: MixedFit) -> pd.DataFrame:
        """Test of nested models; see `compare.likelihood_ratio`."""
        from qsmstats.mixed.compare import likelihood_ratio

        return likelihood_ratio(self._fit(), other)

    def random_term_tests(self, *, reduce: bool = True) -> pd.DataFrame:
        """Likelihood-ratio test of each random term; see `compare.random_term_tests`."""
        from qsmstats.mixed.compare import random_term_tests

        return random_term_tests(self._fit(), reduce=reduce)

    def residual_variance_test(self) -> pd.DataFrame:
        """Test of equal residual variances; see `compare.residual_variance_test`."""
        from qsmstats.mixed.compare import residual_variance_test

        return residual_variance_test(self._fit())

    def summary(self, *, df: Method = "satterthwaite", level: float = 0.95) -> str:
        """Return the fit as text; see `describe.summary`."""
        from qsmstats.mixed.describe import summary

        return summary(self._fit(), df=df, level=level)

    def methods_text(self, *, df: Method = "satterthwaite") -> str:
        """Return what a methods section should say of this fit; see `describe.methods_text`."""
        from qsmstats.mixed.describe import methods_text

        return methods_text(self._fit(), df=df)

    @overload
    def refit(self, outcomes: pd.Series, **options: Any) -> MixedFit: ...

    @overload
    def refit(self, outcomes: pd.DataFrame, **options: Any) -> BatchFit: ...

    @overload
    def refit(
        self, outcomes: Sequence[float] | NDArray[np.float64], **options: Any
    ) -> MixedFit | BatchFit: ...

    def refit(
        self,
        outcomes: pd.DataFrame | pd.Series | Sequence[float] | NDArray[np.float64],
        **options: Any,
    ) -> MixedFit | BatchFit:
        """Fit the model to another outcome, or to many at once; see `refit.refit`."""
        from qsmstats.mixed.refit import refit

        return refit(self._fit(), outcomes, **options)

    def simulate(self, n: int = 1, *, seed: int | None = None) -> pd.DataFrame:
        """Draw outcomes from the model, with new random effects; see `resample.simulate`."""
        from qsmstats.mixed.resample import simulate

        return simulate(self._fit(), n, seed=seed)

    def bootstrap(
        self,
        n: int = 1000,
        *,
        kind: BootstrapKind = "parametric",
        seed: int | None = None,
        level: float = 0.95,
        interval: IntervalKind = "percentile",
        statistic: Statistic | None = None,
        strata: str | None = None,
        **options: Any,
    ) -> Bootstrap:
        """Refit the model to simulated outcomes or resampled groups; see `bootstrap.bootstrap`."""
        from qsmstats.mixed.bootstrap import bootstrap

        return bootstrap(
            self._fit(),
            n,
            kind=kind,
            seed=seed,
            level=level,
            interval=interval,
            statistic=statistic,
            strata=strata,
            **options,
        )

    def bootstrap_test(
        self, other: MixedFit, n: int = 1000, *, seed: int | None = None, **options: Any
    ) -> BootstrapTest:
        """Likelihood-ratio test by simulated outcomes; see `bootstrap_test.bootstrap_test`."""
        from qsmstats.mixed.bootstrap_test import bootstrap_test

        return bootstrap_test(self._fit(), other, n, seed=seed, **options)
