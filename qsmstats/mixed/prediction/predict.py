r"""Random effects, predictions and residuals of a fit.

The random effects are their conditional modes given the data (best linear unbiased predictions);
their standard error is the conditional standard deviation at the estimated variances and fixed
effects, :math:`\sigma (\Lambda K^{-1} \Lambda')^{1/2}`, as lme4's ``ranef(condVar = TRUE)`` gives.

A prediction for a row :math:`(x, z)` is :math:`x\hat\beta` (population) or :math:`x\hat\beta +
z\hat b` (conditional), plus the row's offset. With :math:`G = K^{-1} (Z\Lambda)' W X` and
:math:`v = \Lambda' z` the error of the latter has variance (Henderson 1975, Biometrics 31:423-447;
the mixed-model equations' inverse in parts)

.. math:: (x - G'v)' \mathrm{Var}(\hat\beta) (x - G'v) + \sigma^2 v'K^{-1}v + \sigma^2 z'Tz

where the last term stands for groups that the fit has not seen; their own effect is predicted as
zero. A confidence interval is for the mean outcome of such a row, without residual error: of all
groups together (population), or of the row's own (conditional). A prediction interval is for one
new row: of new groups (population: :math:`x \mathrm{Var}(\hat\beta) x' + \sigma^2 z'Tz +
\sigma^2/w`), or of the row's own (conditional: the variance above :math:`+ \sigma^2/w`).

The population's intervals use t with the degrees of freedom of :math:`x\hat\beta`, as emmeans does
for both kinds. Where a variance between groups prevails they are few, and the prediction interval
is cautious. The conditional ones use the normal distribution, since no accepted degrees of freedom
exist; the uncertainty of the variances is not in them.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse, stats

from qsmstats.arrays import Floats
from qsmstats.errors import InvalidDataError, check_option
from qsmstats.method_names import DfMethod
from qsmstats.mixed.design.matrices import new_frame
from qsmstats.mixed.design.offset import offset_of
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.inference.alternative import check_level
from qsmstats.mixed.inference.wald import row_inference
from qsmstats.mixed.prediction.conditional_modes import (
    ConditionalSystem,
    conditional_system,
    spherical_rows,
)

__all__ = [
    "IntervalKind",
    "PredictionLevel",
    "ResidualKind",
    "predict",
    "random_effects",
    "residuals",
]

PredictionLevel = Literal["population", "conditional"]
IntervalKind = Literal["confidence", "prediction"]
ResidualKind = Literal["conditional", "marginal", "pearson"]


def random_effects(fit: Fitted, *, level: float = 0.95) -> pd.DataFrame:
    """Conditional modes of the random effects.

    Parameters
    ----------
    fit
        A fitted mixed model.
    level
        Coverage of the normal interval.

    Returns
    -------
    DataFrame
        One row for each random term, group and column: group (the grouping factor), level (the
        group), term (the column), estimate, std_error (conditional standard deviation, at known
        fixed effects and variances), conf_low, conf_high. Units are those of the coefficient.
    """
    rows, system = _system(fit)
    modes = _spherical_modes(fit, rows, system)
    sizes = [term.design.grouping.size for term in fit.random]
    transform = sparse.block_diag(
        [
            sparse.kron(sparse.eye_array(size), factor)
            for size, factor in zip(sizes, fit.factors(), strict=True)
        ],
        format="csr",
    )
    estimate = transform @ modes
    std_error = fit.sigma * np.sqrt(system.inverse_form(sparse.csr_array(transform)))
    width = stats.norm.isf((1 - level) / 2) * std_error
    labels = [
        pd.DataFrame(
            {
                "group": term.design.grouping.label,
                "level": np.repeat(
                    np.asarray(term.design.grouping.levels, object), len(term.design.names)
                ),
                "term": np.tile(np.asarray(term.design.names, object), size),
            }
        )
        for term, size in zip(fit.random, sizes, strict=True)
    ]
    return pd.concat(labels, ignore_index=True).assign(
        estimate=estimate,
        std_error=std_error,
        conf_low=estimate - width,
        conf_high=estimate + width,
    )


def predict(
    fit: Fitted,
    new: pd.DataFrame | None = None,
    *,
    level: PredictionLevel = "population",
    interval: bool | IntervalKind = False,
    confidence: float = 0.95,
    df: DfMethod = "satterthwaite",
) -> pd.DataFrame:
    """Predict the mean outcome of new rows.

    Parameters
    ----------
    fit
        A fitted mixed model.
    new
        Predictors, columns of the offset and, for 'conditional', grouping columns; the rows of the
        fit if not given.
    level
        'population' leaves the random effects out; 'conditional' adds those of the row's groups,
        zero for a group that the fit has not seen.
    interval
        'confidence' (or True) for standard error and interval of the mean outcome; 'prediction' for
        those of one new row, with its residual and, for 'population', the random effects of new
        groups. A model whose residual variances have weights needs their columns in `new`.
    confidence
        Coverage of the interval.
    df
        Method for degrees of freedom of the population interval; the conditional one is normal.

    Returns
    -------
    DataFrame
        Index of `new`; estimate, for 'conditional' also unseen_groups (their number), and with
        `interval` std_error, df, conf_low, conf_high. A row that is not estimable is NaN.

    Raises
    ------
    UsageError
        If `level` or `interval` is unknown.
    InvalidDataError
        If a column is missing, or holds an unseen category or a missing value.
    """
    check_option("level", level, get_args(PredictionLevel))
    check_option("interval", interval, [False, True, *get_args(IntervalKind)])
    check_level(confidence)
    frame = fit.frame.data if new is None else new
    fixed, known = fit.fixed.reduce(fit.fixed.full_matrix(frame))
    fixed = np.where(known[:, None], fixed, np.nan)
    offset = offset_of(fit.offset_terms, frame)
    table = pd.DataFrame({"estimate": fixed @ fit.estimates + offset}, index=frame.index)
    variance, nu = np.full((2, len(fixed)), np.nan)
    if level == "conditional":
        rows, system = _system(fit)
        new_rows, unseen_variance, seen = spherical_rows(fit, frame)
        table["estimate"] += new_rows @ _spherical_modes(fit, rows, system)
        table["unseen_groups"] = (~seen).sum(axis=1)
        if interval:
            design = fit.fixed.matrix(fit.frame.data)
            shared = fixed - new_rows @ system.solve(rows.T @ _weighted(fit, design))
            variance = np.einsum("ij,jk,ik->i", shared, fit.covariance, shared)
            variance += fit.sigma**2 * (system.inverse_form(new_rows) + unseen_variance)
            nu = np.where(known, np.inf, np.nan)
    elif interval:
        # Rows repeat (every leaf of a day, say); inference is done once for each kind.
        distinct, place = np.unique(fixed[known], axis=0, return_inverse=True)
        if len(distinct):
            inference = row_inference(fit, distinct, df)
            variance[known] = inference.std_error[place.ravel()] ** 2
            nu[known] = inference.df[place.ravel()]
        if interval == "prediction":
            variance += fit.sigma**2 * _group_variance(fit, frame)
    if not interval:
        return table
    if interval == "prediction":
        variance += _residual_variance(fit, frame)
    table = table.assign(std_error=np.sqrt(variance), df=nu)
    width = stats.t.isf((1 - confidence) / 2, table["df"]) * table["std_error"]
    return table.assign(conf_low=table["estimate"] - width, conf_high=table["estimate"] + width)


def _group_variance(fit: Fitted, frame: pd.DataFrame) -> Floats:
    """Relative variance z'Tz of all random terms in each row, shape (m,)."""
    effects = [
        term.design.matrix(frame) @ factor
        for term, factor in zip(fit.random, fit.factors(), strict=True)
    ]
    return np.asarray(sum(np.square(values).sum(axis=1) for values in effects), float)


def _residual_variance(fit: Fitted, frame: pd.DataFrame) -> Floats:
    """Residual variance of each row, shape (m,)."""
    known, residual = fit.frame.variables, fit.residual
    columns = new_frame(frame, {name: known[name] for name in residual.columns})
    made = np.full(len(frame), fit.sigma**2)
    if residual.column is not None:
        made *= residual.ratios[columns[residual.column].cat.codes] ** 2
    if residual.weight_column is not None:
        weights = columns[residual.weight_column].to_numpy()
        if not np.all(weights > 0.0):
            raise InvalidDataError(
                f"column '{residual.weight_column}' of the new data holds weights at or below zero "
                f"({weights[weights <= 0.0][0]:g}); a weight is a positive precision: correct it"
            )
        made /= weights
    return made


def residuals(fit: Fitted, kind: ResidualKind = "conditional") -> pd.Series:
    r"""Differences between outcome and prediction on the rows of the fit.

    Parameters
    ----------
    fit
        A fitted mixed model.
    kind
        'conditional' (:math:`y - X\hat\beta - Z\hat b`), 'marginal' (:math:`y - X\hat\beta`), or
        'pearson', the conditional residual divided by its residual standard deviation
        :math:`\sigma / \sqrt{w}` (prior weights and the variance of its stratum).

    Returns
    -------
    Series
        Indexed by the position of the row in the data given to the fit.

    Raises
    ------
    UsageError
        If `kind` is unknown.
    """
    check_option("kind", kind, get_args(ResidualKind))
    values = _marginal_residuals(fit)
    if kind != "marginal":
        rows, system = _system(fit)
        values = values - rows @ _spherical_modes(fit, rows, system)
    if kind == "pearson":
        values = values / fit.sigma * (1.0 if fit.weights is None else np.sqrt(fit.weights))
    return pd.Series(values, index=pd.Index(fit.frame.kept, name="row"), name=f"{kind}_residual")


def _system(fit: Fitted) -> tuple[sparse.csr_array, ConditionalSystem]:
    rows, _, _ = spherical_rows(fit, fit.frame.data)
    return rows, conditional_system(fit, rows, fit.weights)


def _spherical_modes(fit: Fitted, rows: sparse.csr_array, system: ConditionalSystem) -> Floats:
    return system.solve(rows.T @ _weighted(fit, _marginal_residuals(fit)[:, None]))[:, 0]


def _marginal_residuals(fit: Fitted) -> Floats:
    """Outcomes less offset and fixed part, shape (n,)."""
    return fit.response - fit.offset - fit.fixed.matrix(fit.frame.data) @ fit.estimates


def _weighted(fit: Fitted, values: Floats) -> Floats:
    return values if fit.weights is None else values * fit.weights[:, None]
