"""Estimates as a reader needs them: with their unit, and as effect sizes.

Where the formula transforms the outcome, means, contrasts and slopes have been brought back
(`mixed.inference.response_scale`); the columns `quantity`, `unit` and `null` say what they are.

Effect sizes divide a contrast (on the model's scale) by the total standard deviation of the model,
which makes it a Cohen's d that does not depend on how the variance splits over levels (Westfall,
Kenny & Judd 2014, J Exp Psychol Gen 143:2020-2045, eq. 2). A random term contributes its variance
averaged over the rows, the mean of z' G z, the residual the mean of its variances (Johnson 2014,
Methods Ecol Evol 5:944-946). pingouin turns d into Hedges' g.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.imputation.pooling import PooledFit
from qsmstats.mixed.fit import MixedFit
from qsmstats.own_schemas import Schemas
from qsmstats.studies.confounded import blanked

__all__ = ["beside", "hedges_g", "outcome_unit", "with_units"]


def outcome_unit(column: str, rows: pd.DataFrame) -> str:
    """Return the unit of an outcome, or its name where none is known.

    Parameters
    ----------
    column
        The outcome.
    rows
        Tidy table that holds it; `tidy_lesions` notes the units of a study's own maps there.
    """
    known = Schemas().outcomes.get(column)
    return str(rows.attrs.get("units", {}).get(column, known.unit if known else column))


def with_units(
    table: pd.DataFrame, fit: MixedFit | PooledFit, rows: pd.DataFrame, per: str = ""
) -> pd.DataFrame:
    """Replace the outcome's column by its unit in `unit`, and say per what a slope is.

    Parameters
    ----------
    table
        Estimates on the response scale, with `unit` as `ResponseScale.converted` gives it.
    fit
        The model.
    rows
        Tidy table that the model was fitted to.
    per
        " per year" for slopes.
    """
    column = fit.response_scale().column
    unit = table["unit"].map(lambda one: outcome_unit(one, rows) if one == column else one)
    return table.assign(unit=unit + per)


def hedges_g(contrasts: pd.DataFrame, fit: MixedFit, counts: pd.Series) -> pd.DataFrame:
    """Return Hedges' g and its interval for a table of pairwise contrasts.

    Parameters
    ----------
    contrasts
        Columns first, second, estimate, conf_low, conf_high, on the scale of the model.
    fit
        Fit that the contrasts come from; its random terms and residual give the total SD.
    counts
        Number of rows of the fit per level, for the small-sample correction.

    Returns
    -------
    DataFrame
        hedges_g, hedges_g_low and hedges_g_high. The interval is that of the contrast on the
        scale of g: the total SD is taken as known.
    """
    import pingouin

    total = float(np.sqrt(fit.icc()["variance"].sum()))
    columns = {"estimate": "hedges_g", "conf_low": "hedges_g_low", "conf_high": "hedges_g_high"}
    return pd.DataFrame(
        {
            target: [
                pingouin.convert_effsize(
                    value / total, "cohen", "hedges", nx=counts[first], ny=counts[second]
                )
                for value, first, second in zip(
                    contrasts[source], contrasts["first"], contrasts["second"], strict=True
                )
            ]
            for source, target in columns.items()
        }
    )


def beside(table: pd.DataFrame, plain: pd.DataFrame) -> pd.DataFrame:
    """Put an answer beside its variant; rows agree by what they compare.

    Parameters
    ----------
    table
        Contrasts or slopes of the variant.
    plain
        Those of the answer. What it does not answer, the variant does not either.

    Returns
    -------
    DataFrame
        The variant, with estimate, intervals and p of the answer in plain_*.
    """
    names = ["estimate", "conf_low", "conf_high", "p_value"]
    names += [f"{name}_adjusted" for name in names[1:3]] + ["p_adjusted"]
    keys = [name for name in ("first", "second", "lesion_type") if name in table]
    told = plain[[*keys, *(name for name in names if name in plain)]].astype(
        dict.fromkeys(keys, str)
    )
    told = told.rename(columns={name: f"plain_{name}" for name in names})
    text = table.astype(dict.fromkeys(keys, str))
    both = text.merge(told, on=keys, how="left", validate="one_to_one")
    unknown = both["plain_estimate"].isna().to_numpy()
    return blanked(both, unknown, "the answer beside it is not known") if unknown.any() else both
