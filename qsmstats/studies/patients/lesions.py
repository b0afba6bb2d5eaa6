r"""The type of a lesion by the disability of its patient.

.. math:: \mathrm{logit}\, P(\text{lesion } j \text{ of patient } i \text{ has the type}) =
   \beta_0 + \beta x_i + \gamma' z_i + u_i, \quad u_i \sim N(0, \tau^2)

one type against all others, by `qsmstats.GeneralizedMixedModel` (adaptive Gauss-Hermite
quadrature). :math:`e^\beta` is the odds ratio between patients of equal :math:`u_i`. Lesions
without a type are left out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.generalized.model import GeneralizedMixedModel
from qsmstats.settings import PatientSettings
from qsmstats.studies.patients.rows import Found, Row, complete, require_patients

__all__ = ["lesion_regression"]


def lesion_regression(
    lesions: pd.DataFrame, kind: str, variable: str, *, settings: PatientSettings, level: float
) -> Found:
    """Regress having a type on disability, lesions nested in patients.

    Parameters
    ----------
    lesions
        One row per lesion of one session of each patient, with the columns of the patients.
    kind
        Lesion type.
    variable
        Clinical variable, a number.
    settings
        Covariates.
    level
        Confidence level.

    Raises
    ------
    ModelError
        If there are too few patients, with or without such a lesion, or the model cannot be fitted.
    """
    rows, others = complete(lesions, "lesion_type", variable, settings.covariates)
    rows = rows.assign(of_type=(rows["lesion_type"] == kind).astype(float))
    formula = " + ".join([f"of_type ~ {variable}", *others, "(1 | participant_id)"])
    people = rows.groupby("participant_id", observed=True)["of_type"].agg(["max", "min"])
    rarer = int(min((people["max"] == 1).sum(), (people["min"] == 0).sum()))
    require_patients(rarer, 1 + len(others), "patients with or without such a lesion")
    fit = GeneralizedMixedModel(formula, family="binomial").fit(rows)
    if not fit.info.converged:
        raise ModelError("the fit did not converge; name fewer covariates")
    table = fit.coefficients(exponentiate=True, level=level)
    found = table[table["term"] == variable].iloc[0]
    columns = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high", "quantity")
    row: Row = {
        "analysis": "logistic mixed model",
        **{name: found[name] for name in columns},
        "df": np.inf,
        "null": 1.0,
        "n_participants": len(people),
        "n_lesions": len(rows),
        "covariates": ", ".join(others),
        "test": found["test"],
        "note": "; ".join(fit.info.messages),
    }
    return [row], []
