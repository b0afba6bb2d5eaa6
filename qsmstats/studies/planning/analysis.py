r"""The analysis of simulated trials, and what can be said of it without simulating.

A simulated trial is analysed as the real one would be: REML, and the t test of the contrast with
Satterthwaite's or Kenward and Roger's degrees of freedom. Adding :math:`X\beta` to an outcome adds
:math:`\beta` to the estimates of REML and moves no variance, standard error or degrees of freedom
(the criterion sees residuals only), so that one fit answers for every effect size, zero included,
as long as who is missing does not depend on the effect.

Without simulation: under the alternative the t statistic is close to Student's t with the expected
degrees of freedom and the noncentrality :math:`\Delta / \mathrm{SE}`, both from
`mixed.inference.expected_precision`; power is the probability that it lies beyond the critical
values. This takes the variances' estimates as independent of the effect's and ignores that a
variance estimated as zero cannot go lower. In balanced designs with more than one measurement to
spare it is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qsmstats.arrays import Flags, Floats
from qsmstats.errors import ModelError
from qsmstats.mixed.criterion.covariance import lower_triangle
from qsmstats.mixed.inference.expected_precision import (
    ExpectedDesign,
    ExpectedInference,
    expected_design,
)
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.patients import OUTCOME, Trial

__all__ = [
    "PlannedTest",
    "Refits",
    "analyse",
    "average_power",
    "plan_test",
    "power_limits",
    "power_of_t",
    "rejections",
]

# Least eigenvalue over trace of a covariance that an optimiser can start from.
SINGULAR = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Refits:
    """The contrast in every simulation, shape (simulations,) each; NaN where it was not estimable.

    Attributes
    ----------
    estimate, std_error, df
        The contrast and its test.
    converged, singular, refitted_singly
        How the fits ended, and which the batch left to the ordinary search.
    n_rows, completed
        Rows seen, and the share of patients seen at the last visit.
    """

    estimate: Floats
    std_error: Floats
    df: Floats
    converged: Flags
    singular: Flags
    refitted_singly: Flags
    n_rows: Floats
    completed: Floats


def analyse(trial: Trial, values: Floats) -> Refits:
    """Fit the model of the analysis to outcomes of one trial.

    Parameters
    ----------
    trial
        The patients.
    values
        Outcomes, shape (rows, simulations); NaN where not seen.
    """
    frame, truth = trial.frame(), trial.assumptions
    covariances = trial.covariances(truth)
    # The search starts at the assumed variances as theta, unless one of them is zero, from which
    # no search moves.
    start = None
    if all(np.linalg.eigvalsh(one)[0] > SINGULAR * np.trace(one) for one in covariances):
        factors = [np.linalg.cholesky(one) / truth.residual_sd for one in covariances]
        start = np.concatenate([factor[lower_triangle(len(factor))] for factor in factors])
    fits = trial.model.design(frame).fit_outcomes(values, start=start)
    test = np.full((values.shape[1], 3), np.nan)
    if set(trial.contrast) <= set(fits.terms):
        found = fits.wald(trial.contrast, df=trial.design.df)
        test = np.column_stack([found.estimate, found.std_error, found.df])
    converged, singular = fits.converged.copy(), fits.singular.copy()
    # Losses can leave a rare type in one arm, or in none. The batch keeps all columns of the
    # design; the single fit drops those that the rows left cannot identify, as an analyst would,
    # and the contrast may not need them.
    for number in np.flatnonzero(fits.failed):
        try:
            fit = trial.model.fit(frame.assign(**{OUTCOME: values[:, number]}))
        except ModelError:
            continue
        converged[number], singular[number] = fit.info.converged, fit.info.singular
        if set(trial.contrast) <= set(fit.fixed.names):
            row = fit.wald(trial.contrast, df=trial.design.df).estimates.iloc[0]
            test[number] = row[["estimate", "std_error", "df"]].to_numpy(np.float64)
    last = values.reshape(len(trial.patient), len(trial.times), -1)[trial.first_lesions, -1]
    return Refits(
        estimate=test[:, 0],
        std_error=test[:, 1],
        df=test[:, 2],
        converged=converged,
        singular=singular,
        refitted_singly=fits.refitted_singly,
        n_rows=fits.n_obs.astype(np.float64),
        completed=np.isfinite(last).mean(axis=0),
    )


def rejections(refits: Refits, significance: float, shift: float = 0.0) -> Flags:
    """Return which simulations reject, shape (simulations,).

    A fit without a test, or one that did not converge, counts as not significant.

    Parameters
    ----------
    refits
        The fits.
    significance
        Two-sided level.
    shift
        Effect to add to the estimates, where the outcomes were simulated without it.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.abs(refits.estimate + shift) / refits.std_error
        found: Flags = 2.0 * stats.t.sf(statistic, refits.df) < significance
    return found & refits.converged


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTest:
    """The test of one trial before any outcome; its precision can be had under several truths."""

    trial: Trial
    design: ExpectedDesign

    def under(self, truth: TrialAssumptions) -> ExpectedInference:
        """Return the precision of the contrast under a truth."""
        return self.design.inference(self.trial.covariances(truth), truth.residual_sd)


def plan_test(trial: Trial, seen: Flags | None = None) -> PlannedTest:
    """Prepare the test of a trial.

    Parameters
    ----------
    trial
        The patients.
    seen
        Which rows are seen, shape (rows,); None for all.

    Raises
    ------
    NotIdentifiedError
        If these rows cannot identify the contrast.
    """
    frame = trial.frame()
    rows = frame if seen is None else frame[seen]
    return PlannedTest(trial=trial, design=expected_design(trial.model, rows, trial.contrast))


def power_of_t(effect: ArrayLike, std_error: float, df: float, significance: float) -> Floats:
    """Return the power of a two-sided t test; the noncentral t distribution.

    Parameters
    ----------
    effect
        True value(s) of what is tested.
    std_error, df
        Its standard error and degrees of freedom.
    significance
        Two-sided level.
    """
    critical = stats.t.isf(significance / 2.0, df)
    centre = np.abs(np.asarray(effect, dtype=np.float64)) / std_error
    # Where a tail is one or zero to rounding, scipy's noncentral t may give NaN.
    upper = np.nan_to_num(stats.nct.sf(critical, df, centre), nan=1.0)
    lower = np.nan_to_num(stats.nct.cdf(-critical, df, centre), nan=0.0)
    made: Floats = np.clip(upper + lower, 0.0, 1.0)
    return made


def average_power(
    tests: Sequence[ExpectedInference | None],
    effect: float,
    significance: float,
    growth: float = 1.0,
) -> float:
    """Return the mean power over draws of patients; a draw that cannot be tested has none.

    Parameters
    ----------
    tests
        Precision in each draw; None where there is no test.
    effect, significance
        As in `power_of_t`.
    growth
        How many times as many patients there are: variances fall and degrees of freedom rise in
        proportion, up to the fixed effects' share of them.
    """
    return float(np.mean(_powers(tests, effect, significance, growth)))


def power_limits(
    tests: Sequence[ExpectedInference | None], effect: float, significance: float, level: float
) -> tuple[float, float]:
    """Return the t interval of the mean power over draws; NaN for one draw, which is exact.

    Parameters
    ----------
    tests, effect, significance
        As in `average_power`.
    level
        Confidence level.
    """
    found = _powers(tests, effect, significance)
    if len(found) == 1:
        return np.nan, np.nan
    half = stats.t.isf((1.0 - level) / 2.0, len(found) - 1) * stats.sem(found)
    low, high = np.clip(np.mean(found) + half * np.array([-1.0, 1.0]), 0.0, 1.0)
    return float(low), float(high)


def _powers(
    tests: Sequence[ExpectedInference | None],
    effect: float,
    significance: float,
    growth: float = 1.0,
) -> list[float]:
    return [
        float(power_of_t(effect, test.std_error / growth**0.5, test.df * growth, significance))
        if test is not None
        else 0.0
        for test in tests
    ]
