"""Patients with no, few or many lesions, beside direct calls of statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from qsmstats.errors import ModelError
from qsmstats.settings import PatientSettings
from qsmstats.studies.patients.groups import (
    any_lesion,
    exact_test,
    group_names,
    grouped,
    groups_of_patients,
)

from .test_counts import PRL, SETTINGS, first, same_as  # noqa: F401


def test_groups_are_those_of_the_cuts():
    assert group_names([2, 3, 7]) == ["0-1", "2", "3-6", "7 or more"]
    counts = pd.Series([0, 1, 3, 4, 20])
    assert list(grouped(counts, [1, 4])) == ["0", "1-3", "1-3", "4 or more", "4 or more"]
    table = groups_of_patients(pd.DataFrame({"n_x": counts}), "x", [1, 4], 0.95)
    assert list(table["n_participants"]) == [1, 2, 2]
    assert table["share"].sum() == 1.0
    assert groups_of_patients(pd.DataFrame(), "", [1], 0.95).empty


def test_logistic_regression_is_that_of_statsmodels(first):  # noqa: F811
    rows, _ = any_lesion(first, PRL, "edss", settings=SETTINGS, level=0.95)
    frame = first.assign(y=(first[f"n_{PRL}"] > 0).astype(float))
    same_as(rows, smf.logit("y ~ edss + age + sex", frame).fit(disp=0), "edss", 1e-6)


def test_exact_tests_are_those_of_scipy(first):  # noqa: F811
    two = PatientSettings(cuts=(1,))
    (row,), _ = exact_test(first, PRL, "site", settings=two, level=0.9)
    table = pd.crosstab(first[f"n_{PRL}"] > 0, first["site"])
    assert row["p_value"] == pytest.approx(stats.fisher_exact(table).pvalue)
    odds = stats.contingency.odds_ratio(table)
    assert row["estimate"] == pytest.approx(odds.statistic)
    assert row["conf_low"] == pytest.approx(odds.confidence_interval(0.9).low)
    assert (row["test"], row["level"]) == ("exact", "bern / basel")

    (row,), _ = exact_test(first, PRL, "edss", settings=SETTINGS, level=0.95)
    counts = first[f"n_{PRL}"]
    parts = [first.loc[counts.between(*ends), "edss"] for ends in ((0, 0), (1, 3), (4, 999))]
    direct = stats.kruskal(*parts)
    assert row["statistic"] == pytest.approx(direct.statistic)
    # EDSS was made to rise with the count: hardly a permutation of 9999 is as extreme.
    assert direct.pvalue < 1e-3
    assert row["p_value"] < 1e-3
    lone = first.assign(edss=np.arange(len(first)) % 7)
    lone[f"n_{PRL}"] = [9, *[0] * 30, *[2] * (len(first) - 31)]
    (one,), _ = exact_test(lone, PRL, "edss", settings=SETTINGS, level=0.95)
    parts = [lone.loc[lone[f"n_{PRL}"] == count, "edss"] for count in (0, 2, 9)]
    # Also with a patient alone; the chi-squared approximation is close in the two larger groups.
    assert one["p_value"] == pytest.approx(stats.kruskal(*parts).pvalue, abs=0.03)
    again, _ = exact_test(first, PRL, "edss", settings=SETTINGS, level=0.95)
    assert again == [row]

    (row,), _ = exact_test(first, PRL, "site", settings=SETTINGS, level=0.95)
    chi2 = stats.chi2_contingency(pd.crosstab(grouped(counts, (1, 4)), first["site"])).pvalue
    # Another test of the same table with as many patients as make the two alike.
    assert row["p_value"] == pytest.approx(chi2, abs=0.1)


def test_what_groups_cannot_say_is_said(first):  # noqa: F811
    arm = first.assign(arm=np.where(first[f"n_{PRL}"] > 0, "a", "b"))
    with pytest.raises(ModelError, match=r"cannot be used: .*fewer covariates"):
        any_lesion(arm, PRL, "arm", settings=SETTINGS, level=0.95)
    with pytest.raises(ModelError, match="0 patients with or without such a lesion"):
        any_lesion(first, "isointense", "age", settings=SETTINGS, level=0.95)
    with pytest.raises(ModelError, match="all patients have 0 such lesions; set other cuts"):
        exact_test(first, "hypointense", "age", settings=SETTINGS, level=0.95)
