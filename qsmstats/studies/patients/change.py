r"""The change of a map in a patient's lesions by the patient's disability.

The trajectory model of the study with the main effect of disability and its interaction with time
added, ``years * edss``. The coefficient of ``years:edss`` is the difference in the change per year
between patients one unit of disability apart. In one model the changes keep their uncertainty,
which a regression of estimated changes would leave out. Where disability was recorded at several
sessions, its change per year is asked about too, in a model of its own.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.settings import ModelSettings
from qsmstats.studies.answers import require_values, used_rows
from qsmstats.studies.confounded import refuse_if_confounded
from qsmstats.studies.default_models import fit_study_model
from qsmstats.studies.patients.rows import Found, Row, complete, require_patients

__all__ = ["change_regression"]


def change_regression(
    followed: pd.DataFrame, outcome: str, variable: str, *, models: ModelSettings
) -> Found:
    """Add the interaction of a clinical variable with time to the trajectory model.

    Parameters
    ----------
    followed
        Rows of `followed_lesions` that have a type, with one value of `variable` per patient.
    outcome
        Map.
    variable
        Column of `followed`.
    models
        Formula of the trajectory, degrees of freedom and level.

    Raises
    ------
    ModelError
        If there is no such map, too few patients were followed, or the model cannot be fitted.
    """
    require_patients(followed["participant_id"].nunique(), 2, "patients with two sessions")
    require_values(followed, outcome)
    rows, _ = complete(followed, outcome, variable, ())
    require_patients(rows["participant_id"].nunique(), 2, "such patients with all values")
    also = f"years * {variable}"
    fit, left_out = fit_study_model("trajectory", models, followed, outcome, also=also)
    if not fit.info.converged:
        raise ModelError("the fit did not converge; simplify the formula of the trajectory")
    table = fit.coefficients(df=models.df, level=models.level).set_index("term")
    terms = [name for name in table.index if {*name.split(":")} == {"years", variable}]
    if not terms:
        raise ModelError(f"years:{variable} is determined by other terms; simplify the formula")
    every = np.eye(len(fit.fixed.names) + len(fit.fixed.dropped))
    refuse_if_confounded(fit, every[[fit.fixed.kept[fit.fixed.names.index(terms[0])]]], terms[:1])
    used = used_rows(fit, followed)
    columns = ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high")
    row: Row = {
        "analysis": "linear mixed model",
        **{name: table.loc[terms[0], name] for name in columns},
        "quantity": "difference in change",
        "null": 0.0,
        "n_participants": used["participant_id"].nunique(),
        "n_lesions": len(used[["participant_id", "lesion_id"]].drop_duplicates()),
        "test": f"t, {models.df}",
        "note": "; ".join((*left_out, *fit.info.messages)),
    }
    if not fit.response_scale().is_plain:
        scale = models.trajectory.replace("{outcome}", outcome).partition("~")[0].strip()
        row["unit"] = f"per year, on the scale of {scale}"
    return [row], []
