r"""Disability by the share of each lesion type among a patient's lesions.

Disability scales such as EDSS are ordinal. With K levels,

.. math:: \log \frac{P(y_i > k)}{P(y_i \le k)} = \beta x_i + \gamma' z_i - \theta_k, \quad k < K

by maximum likelihood (statsmodels OrderedModel; McCullagh 1980, J R Stat Soc B 42:109-142):
:math:`e^\beta` is the odds ratio of more disability, here per ten percentage points of the share.
That it is the same at each k is tested as by Brant (1990, Biometrics 46:1171-1178): one logistic
regression for each of up to three k with enough patients on either side, stacked, with a covariance
that is robust to the patients being the same (Huber-White by patient, statsmodels); the
Wald test of equal coefficients of x is the check.

The partial correlation of Spearman, given the covariates, is pingouin's; categorical covariates are
columns of zeros and ones. Its interval is Fisher's on n less the number of covariates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.settings import PatientSettings, column_of
from qsmstats.studies.patients.rows import (
    LEAST,
    PER_COEFFICIENT,
    Found,
    Row,
    complete,
    design,
    fitted,
    ratios,
    require_patients,
)

__all__ = ["ordinal_regression", "partial_spearman"]

STEP = 0.1
MOST_LEVELS, MOST_CUTS = 20, 3


def ordinal_regression(
    patients: pd.DataFrame, kind: str, variable: str, *, settings: PatientSettings, level: float
) -> Found:
    """Regress disability on the share of a type; arguments and result as `count_regression`.

    Raises
    ------
    ModelError
        If the scale has two levels or very many, or there are too few patients.
    """
    scale, share = column_of(variable), f"share_{kind}"
    rows, others = complete(patients, scale, share, settings.covariates)
    levels = rows[scale].nunique()
    if not 3 <= levels <= MOST_LEVELS:
        text = f"{scale} has {levels} values, and an ordinal model needs 3 to {MOST_LEVELS}"
        raise ModelError(f"{text}; name another scale as disability")
    columns, factors = design(rows, share, others, step=STEP)
    require_patients(len(rows), columns.shape[1] + 1)
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    outcome = pd.Series(pd.Categorical(rows[scale], ordered=True), rows.index)
    result = fitted(OrderedModel(outcome, columns, distr="logit"), method="bfgs", maxiter=1000)
    about: Row = {
        "analysis": "proportional odds regression",
        "n_participants": len(rows),
        "covariates": ", ".join(others),
        "note": f"{scale} has {levels} levels in these patients",
    }
    found = [about | row for row in ratios(result, factors, "odds ratio", level)]
    return found, [_proportional_odds(rows[scale], columns)]


def _proportional_odds(scale: pd.Series, columns: pd.DataFrame) -> Row:
    """Compare the coefficients of the first column between binary splits of the scale."""
    from statsmodels.discrete.discrete_model import Logit

    check: Row = {"check": "proportional odds", "test": "none"}
    needed = PER_COEFFICIENT * columns.shape[1]
    sides = {k: min(int((scale > k).sum()), int((scale <= k).sum())) for k in scale.unique()}
    usable = sorted(k for k, side in sides.items() if side >= needed)
    if len(usable) < 2:
        text = f"fewer than two splits of the scale have {needed} patients on either side"
        return check | {"note": text}
    places = np.linspace(0, len(usable) - 1, min(MOST_CUTS, len(usable))).round().astype(int)
    cuts = [usable[place] for place in places]
    parts, outcomes = [], []
    for k in cuts:
        block = columns.assign(const=1.0)
        parts.append(block.add_suffix(f" > {k:g}"))
        outcomes.append((scale > k).astype(float))
    stacked = pd.concat(parts).fillna(0.0)
    people = np.tile(np.arange(len(scale)), len(cuts))
    try:
        result = fitted(
            Logit(pd.concat(outcomes).to_numpy(), stacked.reset_index(drop=True)),
            maxiter=200,
            cov_type="cluster",
            cov_kwds={"groups": people, "use_correction": False},
        )
    except ModelError as error:
        return check | {"note": str(error)}
    first = [f"{columns.columns[0]} > {k:g}" for k in cuts]
    columns_of = [result.params.index.get_loc(name) for name in first]
    contrasts = np.zeros((len(cuts) - 1, len(result.params)))
    contrasts[:, columns_of[0]] = 1.0
    contrasts[np.arange(len(cuts) - 1), columns_of[1:]] = -1.0
    found = result.wald_test(contrasts, use_f=False, scalar=True)
    return check | {
        "statistic": float(found.statistic),
        "df": float(len(cuts) - 1),
        "p_value": float(found.pvalue),
        "test": f"Wald, splits above {', '.join(f'{k:g}' for k in cuts)}",
    }


def partial_spearman(
    patients: pd.DataFrame, kind: str, variable: str, *, settings: PatientSettings, level: float
) -> Found:
    """Correlate disability with the share of a type; arguments as `ordinal_regression`.

    Raises
    ------
    ModelError
        If there are too few patients.
    """
    scale, share = column_of(variable), f"share_{kind}"
    rows, others = complete(patients, scale, share, settings.covariates)
    columns, _ = design(rows, share, others)
    given = list(columns.columns[1:])
    require_patients(len(rows), max(LEAST // PER_COEFFICIENT, columns.shape[1]))
    import pingouin

    values = columns.assign(**{scale: rows[scale].astype(float)})
    found = pingouin.partial_corr(values, x=share, y=scale, covar=given or None, method="spearman")
    estimate, size = float(found["r"].iloc[0]), len(rows) - len(given)
    low, high = pingouin.compute_esci(
        stat=estimate, nx=size, ny=size, eftype="r", confidence=level, decimals=10
    )
    p_value = found.filter(regex="p.val").iloc[0, 0]
    row: Row = {
        "analysis": "partial Spearman correlation" if given else "Spearman correlation",
        "estimate": estimate,
        "p_value": float(p_value),
        "conf_low": float(low),
        "conf_high": float(high),
        "quantity": "correlation",
        "null": 0.0,
        "n_participants": len(rows),
        "covariates": ", ".join(others),
        "test": "t approximation",
    }
    return [row], []
