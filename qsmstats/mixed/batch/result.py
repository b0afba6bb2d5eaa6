"""The result of fitting one model to many outcomes: arrays with the outcome first.

Tests are those of `inference`, done for all outcomes at once. Kenward and Roger's need second
derivatives of X'V^-1 X and of log det V at each outcome's parameters. These depend on the design
and on the rows that an outcome has alone, and come from one more evaluation of all outcomes of a
chunk; of outcomes that were fitted singly, from one of the ordinary criterion with any outcome in
its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from qsmstats.arrays import Flags, Floats, Integers, Places
from qsmstats.display import Displayed
from qsmstats.errors import check_option
from qsmstats.method_names import DfMethod
from qsmstats.mixed.batch.design import BatchDesign, outcome_engine
from qsmstats.mixed.batch.kenward_roger import kenward_roger_rows
from qsmstats.mixed.criterion.covariance import factors_of
from qsmstats.mixed.design.layout import any_outcome
from qsmstats.mixed.inference.components import component_values, components_of
from qsmstats.mixed.inference.degrees_of_freedom import (
    KenwardRoger,
    in_basis,
    quadratic_forms,
    satterthwaite,
)
from qsmstats.mixed.inference.hypotheses import named_contrasts
from qsmstats.mixed.optimum.estimate import free_parameters
from qsmstats.parallel import one_thread

__all__ = ["BatchFit", "BatchWald", "blank", "joined", "put"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchWald(Displayed):
    """Tests of linear functions of the fixed effects, for m outcomes and k functions.

    Attributes
    ----------
    labels
        Names of the functions.
    estimate, std_error, df, statistic, p_value
        Shapes (m, k); NaN where the outcome could not be fitted.
    """

    labels: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    df: Floats
    statistic: Floats
    p_value: Floats

    def table(self) -> pd.DataFrame:
        """Return one row for each outcome and function: outcome (its number), contrast, ..."""
        m, k = self.estimate.shape
        columns = ("estimate", "std_error", "df", "statistic", "p_value")
        values = {name: getattr(self, name).ravel() for name in columns}
        return pd.DataFrame(
            {"outcome": np.repeat(np.arange(m), k), "contrast": list(self.labels) * m, **values}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFit(Displayed):
    """One model fitted to m outcomes of the same rows.

    Attributes
    ----------
    design
        The model on its rows.
    estimates
        Fixed effects, shape (m, p); NaN where an outcome could not be fitted.
    theta
        Relative Cholesky elements as `MixedFit.theta`, shape (m, k).
    log_ratios
        Logarithms of the residual deviations of all strata but the first over its own,
        shape (m, strata - 1).
    sigma2
        Residual variance (of the first stratum, at weight one), shape (m,).
    criterion
        -2 log likelihood with all constants, shape (m,).
    converged, singular
        As in `FitInfo`, shapes (m,).
    n_obs
        Rows that an outcome has, shape (m,).
    iterations
        Steps of the optimiser, shape (m,).
    refitted_singly
        Outcomes that were fitted one by one, shape (m,).
    problems
        Why an outcome could not be fitted; "" for those that were.
    covariance
        Covariance of the fixed effects in the basis of the design, shape (m, p, p).
    slopes, uncertainty
        Its derivatives in theta, shape (m, k, p, p), and the covariance of (theta, log sigma),
        shape (m, k + 1, k + 1), in the design's own parameters: what Satterthwaite's method needs.
    seen
        Bits of the rows that each outcome has, shape (m, n / 8), or None where all have all.
    """

    design: BatchDesign
    estimates: Floats
    theta: Floats
    log_ratios: Floats
    sigma2: Floats
    criterion: Floats
    converged: Flags
    singular: Flags
    n_obs: Integers
    iterations: Integers
    refitted_singly: Flags
    problems: tuple[str, ...]
    covariance: Floats
    slopes: Floats
    uncertainty: Floats
    seen: NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.criterion)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the fixed effects."""
        return self.design.layout.fixed.names

    @property
    def coefficients(self) -> pd.DataFrame:
        """Fixed effects: one row for each outcome, one column for each term."""
        return pd.DataFrame(self.estimates, columns=list(self.terms))

    @property
    def failed(self) -> Flags:
        """Outcomes that could not be fitted, shape (m,); `problems` says why."""
        return np.array([bool(problem) for problem in self.problems], dtype=bool)

    @property
    def counts(self) -> dict[str, int]:
        """How many outcomes there are, and how many failed, did not converge, are singular, ..."""
        fitted = ~self.failed
        return {
            "n_outcomes": len(self),
            "n_failed": int(self.failed.sum()),
            "n_unconverged": int((fitted & ~self.converged).sum()),
            "n_singular": int((fitted & self.singular).sum()),
            "n_refitted_singly": self.n_refitted_singly,
        }

    @property
    def n_refitted_singly(self) -> int:
        """Outcomes that were fitted one by one."""
        return int(self.refitted_singly.sum())

    @property
    def variances(self) -> pd.DataFrame:
        """Standard deviations and correlations: one row an outcome, one column a component."""
        layout = self.design.layout
        found = components_of([part.design for part in layout.random], layout.residuals.levels)
        sigma = np.sqrt(self.sigma2)
        ratios = np.exp(np.concatenate([np.zeros((len(self), 1)), self.log_ratios], axis=1))
        covariances = [
            self.sigma2[:, None, None] * (factor @ factor.swapaxes(1, 2))
            for factor in self.factors()
        ]
        return pd.DataFrame(
            {one.label: component_values(one, covariances, sigma, ratios) for one in found}
        )

    def factors(self) -> list[Floats]:
        """Relative Cholesky factors of each random term, shapes (m, q, q)."""
        return factors_of(self.theta, [len(part.whitener) for part in self.design.layout.random])

    @one_thread()
    def wald(
        self,
        contrasts: Floats | Mapping[str, float] | Mapping[str, Mapping[str, float]] | None = None,
        *,
        df: DfMethod = "satterthwaite",
        null: float | Sequence[float] = 0.0,
    ) -> BatchWald:
        """Test linear functions of the fixed effects in every outcome.

        Parameters
        ----------
        contrasts
            As in `MixedFit.wald`; every coefficient by itself if not given.
        df
            "satterthwaite", "kenward-roger", "normal" or "residual".
        null
            Value of each function under the null hypothesis.

        Raises
        ------
        UsageError
            If a name is no coefficient, the shape does not fit, or `df` is unknown.
        """
        check_option("df", df, get_args(DfMethod))
        labels, rows = (
            (list(self.terms), np.eye(len(self.terms)))
            if contrasts is None
            else named_contrasts(contrasts, self.terms)
        )
        local = in_basis(rows, self.design.layout.root)
        variance, nu = self._spread(local, df)
        estimate, std_error = self.estimates @ rows.T, np.sqrt(np.maximum(variance, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = (estimate - np.asarray(null)) / std_error
        return BatchWald(
            labels=tuple(labels),
            estimate=estimate,
            std_error=std_error,
            df=nu,
            statistic=statistic,
            p_value=2.0 * stats.t.sf(np.abs(statistic), nu),
        )

    def _spread(self, rows: Floats, df: DfMethod) -> tuple[Floats, Floats]:
        """Variance and degrees of freedom of each function, shapes (m, k)."""
        if df == "kenward-roger":
            return _kenward_roger(self, rows)
        if df == "satterthwaite":
            return satterthwaite(rows, self.covariance, self.slopes, self.uncertainty)
        variance = quadratic_forms(rows, self.covariance)
        left = self.n_obs[:, None] - len(self.terms) if df == "residual" else np.inf
        return variance, np.where(np.isnan(variance), np.nan, left)

    def rows_of(self, outcome: int) -> Places | None:
        """Rows that an outcome has, or None where it has all."""
        if self.seen is None:
            return None
        n = len(self.design.layout.basis)
        rows = np.flatnonzero(np.unpackbits(self.seen[outcome], count=n))
        return None if len(rows) == n else rows


def joined(pieces: Sequence[BatchFit]) -> BatchFit:
    """Put the outcomes of several fits of one design behind one another."""
    if len(pieces) == 1:
        return pieces[0]
    arrays = {
        field.name: np.concatenate([getattr(piece, field.name) for piece in pieces])
        for field in fields(BatchFit)
        if field.name not in ("design", "problems", "seen")
    }
    n = len(pieces[0].design.layout.basis)
    full = np.packbits(np.ones(n, dtype=bool))
    seen = None
    if any(piece.seen is not None for piece in pieces):
        seen = np.concatenate(
            [np.tile(full, (len(one), 1)) if one.seen is None else one.seen for one in pieces]
        )
    problems = tuple(problem for piece in pieces for problem in piece.problems)
    return BatchFit(design=pieces[0].design, problems=problems, seen=seen, **arrays)


def blank(design: BatchDesign, m: int) -> BatchFit:
    """Return the result of m outcomes of which nothing is known yet."""
    k, p = design.elimination.parametrisation.size, len(design.layout.fixed.names)
    strata = design.elimination.parametrisation.strata
    return BatchFit(
        design=design,
        estimates=np.full((m, p), np.nan),
        theta=np.full((m, k - strata), np.nan),
        log_ratios=np.full((m, strata), np.nan),
        sigma2=np.full(m, np.nan),
        criterion=np.full(m, np.nan),
        converged=np.zeros(m, dtype=bool),
        singular=np.zeros(m, dtype=bool),
        n_obs=np.full(m, design.n_obs, dtype=np.int64),
        iterations=np.zeros(m, dtype=np.int64),
        refitted_singly=np.zeros(m, dtype=bool),
        problems=("",) * m,
        covariance=np.full((m, p, p), np.nan),
        slopes=np.full((m, k, p, p), np.nan),
        uncertainty=np.full((m, k + 1, k + 1), np.nan),
        seen=None,
    )


def put(whole: BatchFit, places: Places, part: BatchFit, which: Flags | None = None) -> BatchFit:
    """Put outcomes of one result (all, or those of `which`) at places of another."""
    chosen = np.arange(len(part)) if which is None else np.flatnonzero(which)
    arrays = {}
    for field in fields(BatchFit):
        if field.name not in ("design", "problems", "seen"):
            arrays[field.name] = getattr(whole, field.name).copy()
            arrays[field.name][places] = getattr(part, field.name)[chosen]
    problems = list(whole.problems)
    for place, one in zip(places, chosen, strict=True):
        problems[place] = part.problems[one]
    return BatchFit(design=whole.design, problems=tuple(problems), seen=whole.seen, **arrays)


def _kenward_roger(fit: BatchFit, rows: Floats) -> tuple[Floats, Floats]:
    """Return adjusted variances and degrees of freedom, shapes (m, k).

    Parameters
    ----------
    fit
        Fits of m outcomes.
    rows
        L in the basis of the design, shape (k, p).
    """
    design, n = fit.design, fit.design.n_obs
    variance, df = np.full((2, len(fit), len(rows)), np.nan)
    factors = fit.factors()
    if (grouped := design.grouped) is not None:
        together = np.flatnonzero(~fit.failed & ~fit.refitted_singly)
        for at in range(0, len(together), design.small_chunk):
            some = together[at : at + design.small_chunk]
            seen = np.ones((len(some), n), dtype=bool)
            if fit.seen is not None:
                seen = np.unpackbits(fit.seen[some], axis=1, count=n).astype(bool)
            theta = free_parameters(
                grouped.parametrisation,
                design.elimination.order,
                [part.whitener for part in design.layout.random],
                [factor[some] for factor in factors],
                fit.log_ratios[some],
            )
            found, df[some] = kenward_roger_rows(grouped, seen, theta, rows)
            variance[some] = found * fit.sigma2[some, None]
    for outcome in np.flatnonzero(~fit.failed & fit.refitted_singly):
        engine = outcome_engine(design, any_outcome(design.layout), fit.rows_of(int(outcome)))
        theta = engine.from_factors([one[outcome] for one in factors], fit.log_ratios[outcome])
        moments = engine.moments(engine.objective.at(theta))
        # The residual variance is the outcome's own.
        rss = float(fit.sigma2[outcome]) / moments.scale**2 * moments.profile.degrees
        moments = replace(moments, profile=replace(moments.profile, rss=rss))
        local = in_basis(rows @ design.layout.root, moments.basis)
        found, df[outcome] = KenwardRoger(moments).rows(local)
        variance[outcome] = found * moments.scale**2
    return variance, df
