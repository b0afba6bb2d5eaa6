r"""Which lesions change their type: by age, volume and a map at the beginning of the interval.

.. math:: \log(-\log(1 - P(\text{change}))) =
   \beta_0 + \beta' x + \log t + u_i, \quad u_i \sim N(0, \tau^2)

with :math:`t` the years of the interval and :math:`u_i` the patient, by
`qsmstats.GeneralizedMixedModel` (adaptive Gauss-Hermite quadrature). This is the proportional
hazards model of an event that is only known to lie between two visits (Prentice & Gloeckler 1978,
Biometrics 34:57-67): :math:`e^\beta` is a hazard ratio, whatever the lengths of the intervals.
"""

from __future__ import annotations

import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.generalized.fit import GeneralizedFit
from qsmstats.generalized.model import GeneralizedMixedModel
from qsmstats.settings import column_of
from qsmstats.studies.patients.rows import complete, require_patients

__all__ = ["changed_rows", "fit_changes"]

PREDICTORS = ("age", "log(volume_mm3)")


def changed_rows(
    typed: pd.DataFrame, lesions: pd.DataFrame, outcome: str | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the intervals with what the lesion was at their beginning, and the predictors.

    Parameters
    ----------
    typed
        Rows of `lesion_intervals` with a type at both ends.
    lesions
        The tidy lesions.
    outcome
        Column of a map; None for none.
    """
    names = tuple(
        name
        for name in (*PREDICTORS, *((outcome,) if outcome else ()))
        if column_of(name) in lesions and len(lesions[column_of(name)].dropna().unique()) > 1
    )
    keys = ["participant_id", "session_id", "lesion_id"]
    rows = typed.merge(
        lesions[[*keys, *map(column_of, names)]], on=keys, how="left", validate="many_to_one"
    )
    return rows.assign(changed=(rows["from_type"] != rows["to_type"]).astype(float)), names


def fit_changes(rows: pd.DataFrame, names: tuple[str, ...]) -> GeneralizedFit:
    """Fit whether a lesion changes.

    Parameters
    ----------
    rows, names
        As `changed_rows` returns them.

    Raises
    ------
    ModelError
        If fewer patients have a change than `require_patients` asks for, or the model cannot be
        fitted.
    """
    if not names:
        raise ModelError("age, volume and map have one value each; add lesions that differ")
    # Rows that a logarithm or a missing value leaves out must not count as changes.
    kept = complete(rows, "changed", names[0], names[1:])[0]
    changed = kept.loc[kept["changed"] == 1.0, "participant_id"].nunique()
    require_patients(changed, len(names), "patients with a change of type")
    terms = " + ".join([*names, "offset(log(interval_years))", "(1 | participant_id)"])
    model = GeneralizedMixedModel(f"changed ~ {terms}", family="binomial", link="cloglog")
    fit = model.fit(rows)
    if not fit.info.converged:
        raise ModelError("the fit did not converge, so that its estimates are not shown")
    return fit
