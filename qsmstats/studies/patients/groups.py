r"""Patients with no, few or many lesions of one type, by clinical variables.

``logistic``: having at least `cuts[0]` of them, by maximum likelihood (statsmodels Logit); the
exponential of a coefficient is an odds ratio. ``exact``: of a categorical variable Fisher's test of
its levels against the groups (scipy; of more than two by two cells, as Freeman & Halton 1951,
Biometrika 38:141-149, with the p-value from random tables of the same margins); of a numeric one
the Kruskal-Wallis test of the groups, with the p-value from random permutations of the patients,
which holds for any number of them. Where there are two groups and two levels, the odds ratio is the
conditional one with its exact interval. Shares of patients have Wilson's intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from qsmstats.accuracy.intervals import proportion_interval
from qsmstats.arrays import Floats
from qsmstats.errors import ModelError
from qsmstats.settings import PatientSettings
from qsmstats.studies.patients.rows import (
    Found,
    Row,
    complete,
    design,
    fitted,
    levels,
    ratios,
    require_patients,
)

__all__ = ["any_lesion", "exact_test", "group_names", "grouped", "groups_of_patients"]

RESAMPLES = 9999
SEED = 20221
"""Random tables and permutations are the same at every run."""


def group_names(cuts: Sequence[int]) -> list[str]:
    """Return the names of the groups of patients.

    >>> group_names([1, 4])
    ['0', '1-3', '4 or more']
    """
    names = []
    for low, high in zip([0, *cuts], cuts, strict=False):
        names.append(str(low) if high == low + 1 else f"{low}-{high - 1}")
    return [*names, f"{cuts[-1]} or more"]


def grouped(counts: pd.Series, cuts: Sequence[int]) -> pd.Series:
    """Return the group of each patient, in the order of the groups.

    Parameters
    ----------
    counts
        Number of lesions of each patient.
    cuts
        Least number of each group above the first, ascending.
    """
    bins = [-np.inf, *(cut - 0.5 for cut in cuts), np.inf]
    return pd.Series(pd.cut(counts.astype(float), bins, labels=group_names(cuts)), counts.index)


def groups_of_patients(
    patients: pd.DataFrame, kind: str, cuts: Sequence[int], level: float
) -> pd.DataFrame:
    """Count the patients of each group.

    Parameters
    ----------
    patients, kind
        One row per patient; lesion type.
    cuts, level
        As for `grouped`; confidence level of the shares.

    Returns
    -------
    DataFrame
        lesion_type, group, n_participants, share, conf_low, conf_high; no row without a `kind`.
    """
    columns = ["lesion_type", "group", "n_participants", "share", "conf_low", "conf_high"]
    if not kind:
        return pd.DataFrame(columns=columns)
    counts = grouped(patients[f"n_{kind}"], cuts).value_counts(sort=False)
    rows = []
    for name, count in counts.items():
        low, high = proportion_interval(int(count), len(patients), level=level)
        share = count / len(patients)
        rows.append((kind, name, int(count), share, low, high))
    return pd.DataFrame(rows, columns=columns)


def any_lesion(
    patients: pd.DataFrame, kind: str, variable: str, *, settings: PatientSettings, level: float
) -> Found:
    """Regress having a lesion of a type on a clinical variable; arguments as `count_regression`.

    Raises
    ------
    ModelError
        If too few patients have one or have none, or the variable separates them.
    """
    rows, others = complete(patients, f"n_{kind}", variable, settings.covariates)
    having = (rows[f"n_{kind}"] >= settings.cuts[0]).astype(float)
    columns, factors = design(rows, variable, others)
    columns.insert(0, "const", 1.0)
    rarer = int(min(having.sum(), (1 - having).sum()))
    require_patients(rarer, columns.shape[1] - 1, "patients with or without such a lesion")
    from statsmodels.discrete.discrete_model import Logit

    result = fitted(Logit(having, columns), maxiter=200)
    about: Row = {
        "analysis": "logistic regression",
        "n_participants": len(rows),
        "covariates": ", ".join(others),
    }
    return [about | row for row in ratios(result, factors, "odds ratio", level)], []


def exact_test(
    patients: pd.DataFrame, kind: str, variable: str, *, settings: PatientSettings, level: float
) -> Found:
    """Test whether a clinical variable differs between the groups; arguments as `any_lesion`.

    Raises
    ------
    ModelError
        If all patients are in one group.
    """
    rows, _ = complete(patients, f"n_{kind}", variable, ())
    group = grouped(rows[f"n_{kind}"], settings.cuts).cat.remove_unused_categories()
    if len(group.cat.categories) < 2:
        only = group.cat.categories[0]
        raise ModelError(f"all patients have {only} such lesions; set other cuts")
    random = np.random.default_rng(SEED)
    estimate: Row = {}
    if pd.api.types.is_numeric_dtype(rows[variable]):
        values = rows[variable].astype(float)
        samples = [values[group == name] for name in group.cat.categories]
        statistic = float(stats.kruskal(*samples).statistic)
        members = pd.get_dummies(group).to_numpy(float)
        sizes = members.sum(axis=0)

        def spread(ranks: Floats, axis: int) -> Floats:
            # Of all that the statistic is made of, only this depends on who has which rank.
            return np.asarray((np.square(ranks @ members) / sizes).sum(axis=axis))

        p_value = stats.permutation_test(
            (stats.rankdata(values),),
            spread,
            permutation_type="pairings",
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=500,
            alternative="greater",
            rng=random,
        ).pvalue
        analysis, test = "Kruskal-Wallis test", "permutation"
    else:
        names = levels(rows[variable])
        table = pd.crosstab(group, rows[variable].astype(str))[names].to_numpy()
        analysis, test = "Fisher's exact test", "exact, by random tables"
        method = stats.MonteCarloMethod(n_resamples=RESAMPLES, rng=random)
        if table.shape == (2, 2):
            test, method = "exact", None
            estimate = _odds_ratio(table, level) | {"level": f"{names[1]} / {names[0]}"}
        found = stats.fisher_exact(table, method=method)
        statistic, p_value = float(found.statistic), found.pvalue
    row: Row = {
        "analysis": analysis,
        "statistic": statistic,
        "p_value": float(p_value),
        "n_participants": len(rows),
        "test": test,
    }
    return [row | estimate], []


def _odds_ratio(table: NDArray[np.int64], level: float) -> Row:
    """Return the conditional odds ratio of two by two cells with its exact interval."""
    found = stats.contingency.odds_ratio(table, kind="conditional")
    low, high = found.confidence_interval(level)
    return {
        "estimate": float(found.statistic),
        "conf_low": float(low),
        "conf_high": float(high),
        "quantity": "odds ratio",
        "null": 1.0,
    }
