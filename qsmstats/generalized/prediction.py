"""Random effects, predictions, residuals and simulated outcomes of a generalised fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats, Integers
from qsmstats.errors import UsageError, check_option
from qsmstats.generalized.assembly import offset_of
from qsmstats.generalized.family import inverse_link
from qsmstats.generalized.fitted import GeneralizedFitted
from qsmstats.mixed.inference.components import square_root
from qsmstats.mixed.inference.wald import RowInference, check_level, row_inference, tidy
from qsmstats.mixed.prediction.simulated_residuals import SimulatedResiduals
from qsmstats.mixed.resampling.simulate import check_number, seed_of, stream

__all__ = [
    "draw",
    "predict",
    "predictor_variance",
    "random_effects",
    "residuals",
    "simulate",
    "simulated_residuals",
]


def random_effects(fit: GeneralizedFitted, *, level: float = 0.95) -> pd.DataFrame:
    """Predict the random effects of every group.

    With nested integration they are posterior means with posterior standard deviations; with
    Laplace's approximation modes with those of the curvature, as in lme4. Both are at the estimated
    parameters, whose uncertainty is not in them (glmmTMB adds it).

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    level
        Coverage of the normal interval.

    Returns
    -------
    DataFrame
        group (the grouping factor), level (the group), term, estimate, std_error, conf_low,
        conf_high, on the scale of the link.
    """
    check_level(level)
    tables = []
    for term, (mean, covariance) in zip(fit.random, fit.effects, strict=True):
        names, groups = term.design.names, term.design.grouping
        tables.append(
            pd.DataFrame(
                {
                    "group": groups.label,
                    "level": np.repeat(np.asarray(groups.levels, object), len(names)),
                    "term": np.tile(np.asarray(names, object), groups.size),
                    "estimate": mean.ravel(),
                    "std_error": np.sqrt(np.einsum("gqq->gq", covariance)).ravel(),
                }
            )
        )
    made = pd.concat(tables, ignore_index=True)
    half = stats.norm.isf((1.0 - level) / 2.0) * made["std_error"]
    return made.assign(conf_low=made["estimate"] - half, conf_high=made["estimate"] + half)


def predict(
    fit: GeneralizedFitted,
    new: pd.DataFrame | None = None,
    *,
    level: Literal["population", "conditional"] = "population",
    type: Literal["link", "response"] = "link",  # noqa: A002
    interval: bool = False,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Predict the linear predictor or the mean of new rows.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    new
        Predictors, columns of the offset and, for 'conditional', groups; the rows of the fit if not
        given.
    level
        'population' holds the random effects at zero, which is a typical group and not the mean of
        all (see `population_means`); 'conditional' adds those of the row's groups, zero for a group
        that the fit has not seen.
    type
        'link', or 'response' for the probability of one trial or the mean count.
    interval
        Whether to give standard error and interval, for 'population' only.
    confidence
        Coverage of the interval.

    Returns
    -------
    DataFrame
        Index of `new`; estimate, for 'conditional' also unseen_groups (their number), with
        `interval` std_error, df (infinite), conf_low, conf_high. A row that is not estimable is
        NaN.

    Raises
    ------
    UsageError
        If an option is unknown, or an interval is asked for conditional predictions.
    InvalidDataError
        If a column is missing, or holds an unseen category or a missing value.
    """
    check_option("level", level, ("population", "conditional"))
    check_option("type", type, ("link", "response"))
    if level == "conditional":
        check_option("interval of conditional predictions", interval, [False])
    frame = fit.frame.data if new is None else new
    rows, known = fit.fixed.reduce(fit.fixed.full_matrix(frame))
    offset = fit.offset if new is None else offset_of(fit.offset_terms, frame)
    made = row_inference(fit, rows, "normal")
    made = RowInference(
        estimate=np.where(known, made.estimate + offset, np.nan),
        std_error=made.std_error,
        df=made.df,
    )
    columns = ["estimate", "std_error", "df", "conf_low", "conf_high"] if interval else ["estimate"]
    table = tidy(made, confidence)[columns].set_axis(frame.index)
    if level == "conditional":
        shift, unseen = _group_effects(fit, frame)
        table = table.assign(estimate=table["estimate"] + shift, unseen_groups=unseen)
    if type == "response":
        mean, slope = inverse_link(fit.model.link_name)
        eta = table["estimate"].to_numpy()
        ends = [name for name in ("estimate", "conf_low", "conf_high") if name in table]
        if interval:
            table = table.assign(std_error=table["std_error"] * slope(eta))
        table = table.assign(**{name: mean(table[name].to_numpy()) for name in ends})
    return table


def residuals(
    fit: GeneralizedFitted, kind: Literal["pearson", "response"] = "pearson"
) -> pd.Series:
    """Differences between outcome and mean at the random effects, on the rows of the fit.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    kind
        'response' (of a number of successes, or of a count), or 'pearson': over the standard
        deviation that the family gives.

    Returns
    -------
    Series
        Indexed by the position of the row in the data given to the fit.

    Raises
    ------
    UsageError
        If `kind` is unknown.
    """
    check_option("kind", kind, ("pearson", "response"))
    mean = predict(fit, level="conditional", type="response")["estimate"].to_numpy()
    values = fit.outcome.y - fit.outcome.trials * mean
    if kind == "pearson":
        kappa = 0.0 if fit.shape is None else float(np.log(fit.shape))
        values = values / np.sqrt(fit.outcome.variance(mean, kappa))
    return pd.Series(values, index=pd.Index(fit.frame.kept, name="row"), name=f"{kind}_residual")


def simulate(fit: GeneralizedFitted, n: int = 1, *, seed: int | None = None) -> pd.DataFrame:
    """Draw outcomes from a fitted model, with new random effects.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    n
        Number of outcomes.
    seed
        Seed of the generators; outcome k of a seed is the same however many are drawn.

    Returns
    -------
    DataFrame
        Shape (rows of the fit, n): successes or counts, indexed by the position of the row in the
        data given to the fit.

    Raises
    ------
    UsageError
        If `n` is less than 1, the seed negative, or the model has prior weights.
    """
    check_number(n)
    made = draw(fit, seed_of(seed), range(n))
    return pd.DataFrame(made.T, index=pd.Index(fit.frame.kept, name="row"))


def draw(fit: GeneralizedFitted, seed: int, numbers: Sequence[int]) -> Floats:
    """Draw the outcomes of a seed with these numbers, shape (m, n).

    Raises
    ------
    UsageError
        If the model has prior weights.
    """
    if fit.model.weights is not None:
        raise UsageError(
            f"weights='{fit.model.weights}': no outcomes can be drawn from a likelihood with prior "
            "weights; repeat rows that were counted several times, or name trials="
        )
    frame = fit.frame.data
    fixed = fit.fixed.matrix(frame) @ fit.estimates + fit.offset
    terms = [
        (
            term.design.matrix(frame) @ square_root(term.covariance),
            term.design.grouping.codes(frame),
            term.design.grouping.size,
        )
        for term in fit.random
    ]
    kappa = 0.0 if fit.shape is None else float(np.log(fit.shape))
    made = np.empty((len(numbers), len(frame)))
    for outcome, number in zip(made, numbers, strict=True):
        random = stream(seed, number)
        eta = fixed.copy()
        for columns, codes, size in terms:
            effects = random.standard_normal((size, columns.shape[1]))
            eta += (columns * effects[codes]).sum(axis=1)
        outcome[:] = fit.outcome.draw(eta, kappa, random)
    return made


def simulated_residuals(
    fit: GeneralizedFitted, n: int = 250, *, seed: int | None = None
) -> SimulatedResiduals:
    """Compare the outcome of every row with outcomes simulated from the model.

    Ordinary residuals of zeros, ones and small counts look wrong even where the model is right;
    these are uniform on (0, 1) then, whatever the family.

    Parameters
    ----------
    fit
        A fitted generalised mixed model.
    n
        Number of simulated outcomes, with new random effects.
    seed
        Seed of the generators.

    Returns
    -------
    SimulatedResiduals
        The residuals, and tests of uniformity, dispersion and outliers that allow for rows which
        share random effects.

    Raises
    ------
    UsageError
        If `n` is less than 19, the seed negative, or the model has prior weights.

    Examples
    --------
    >>> fit.simulated_residuals(seed=1).tests  # doctest: +SKIP
    """
    check_number(n)
    seed = seed_of(seed)
    drawn = draw(fit, seed, range(n)).T
    index = pd.Index(fit.frame.kept, name="row")
    return SimulatedResiduals.of(fit.outcome.y, drawn, index, seed=seed)


def predictor_variance(
    fit: GeneralizedFitted, frame: pd.DataFrame, covariances: Sequence[Floats]
) -> Floats:
    """Variance of the random part of the linear predictors of rows, shape (m,)."""
    made = np.zeros(len(frame))
    for term, covariance in zip(fit.random, covariances, strict=True):
        z = term.design.matrix(frame)
        made += np.einsum("ij,jk,ik->i", z, covariance, z)
    return made


def _group_effects(fit: GeneralizedFitted, frame: pd.DataFrame) -> tuple[Floats, Integers]:
    """Random part of the linear predictors, and how many groups of a row are unseen."""
    made, unseen = np.zeros(len(frame)), np.zeros(len(frame), dtype=np.int64)
    for term, (mean, _) in zip(fit.random, fit.effects, strict=True):
        codes = term.design.grouping.codes(frame)
        values = (term.design.matrix(frame) * mean[codes]).sum(axis=1)
        made += np.where(codes >= 0, values, 0.0)
        unseen += codes < 0
    return made, unseen
