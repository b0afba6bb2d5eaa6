"""Rates against statsmodels' Poisson GLM with clusters, and what has no rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.studies.transitions.lesion_intervals import lesion_intervals, visit_intervals
from qsmstats.studies.transitions.rates import at_risk, changes, rate_row

from .made import HYPER, ISO, PRL, made

TYPES = (ISO, HYPER, PRL)


def row_of(patients, start, end, level=0.95, **options):
    lesions, visits = made(patients, **options)
    intervals = visit_intervals(visits)
    pairs = lesion_intervals(lesions, intervals)
    (change,) = (one for one in changes(TYPES, (PRL,)) if (one.source, one.target) == (start, end))
    risk = at_risk(change, pairs, TYPES)
    years = intervals.groupby("participant_id")["interval_years"].sum()
    return rate_row(change, risk, years, level), risk


def test_a_rate_is_that_of_a_poisson_glm_of_statsmodels_with_clusters():
    """`GLM(..., exposure=).fit(cov_type="cluster", use_t=True)`, one row per lesion."""
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    rng = np.random.default_rng(2)
    patients = [
        ["ih" if rng.random() < share else "ii" for _ in range(rng.integers(2, 25))]
        for share in rng.beta(0.3, 1.5, size=14)
    ]
    row, risk = row_of(patients, ISO, HYPER)
    happened = (risk["to_type"] == HYPER).astype(float)
    model = GLM(
        happened, np.ones((len(risk), 1)), family=Poisson(), exposure=risk["interval_years"]
    )
    groups = pd.factorize(risk["participant_id"])[0]
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert fit.bse.iloc[0] ** 2 > 1 / row["n_events"]  # else the floor would be given
    expected = 100 * np.exp([fit.params.iloc[0], *fit.conf_int().iloc[0]])
    found = [row[name] for name in ("estimate", "conf_low", "conf_high")]
    # Both are exact up to rounding and the tolerance of statsmodels' iterations.
    assert found == pytest.approx(expected, rel=1e-7)
    assert row["df"] == 13
    assert row["std_error"] == pytest.approx(expected[0] * fit.bse.iloc[0], rel=1e-7)


def test_patients_who_are_all_alike_give_no_interval_of_no_width():
    row, _ = row_of([["i-", "i-", "ii", "ii"]] * 6, ISO, "vanished")
    assert row["estimate"] == pytest.approx(100 * 12 / 48)
    reach = stats.t.ppf(0.975, 5) / np.sqrt(12)
    assert row["conf_high"] / row["estimate"] == pytest.approx(np.exp(reach))


def test_without_a_change_only_patients_count():
    """At 95 % the rule of three: 3.0 in 8 patients of 2 years, however many lesions they have."""
    few, _ = row_of([["ii"]] * 8, ISO, "other_type")
    many, _ = row_of([["ii"] * 30] * 8, ISO, "other_type")
    assert few["estimate"] == many["estimate"] == few["conf_low"] == 0
    assert few["conf_high"] == many["conf_high"] == pytest.approx(100 * -np.log(0.05) / 16)
    assert "no such change" in many["note"]


def test_new_lesions_are_counted_per_patient_year_also_of_patients_who_got_none():
    row, _ = row_of([["ii"]] * 6 + [["ii", "-p", "-i"]] * 4, "new", "any_type")
    assert row["n_events"] == 8
    assert (row["n_participants"], row["n_changed_participants"]) == (10, 4)
    assert row["estimate"] == pytest.approx(8 / 20)
    assert row["unit"] == "per patient-year"


def test_a_rim_is_lost_and_gained():
    patients = [["ph", "pi", "pp", "ip", "hi"]] * 5
    lost, risk = row_of(patients, PRL, "no_rim")
    assert (lost["n_events"], len(risk)) == (10, 15)
    gained, risk = row_of(patients, "no_rim", PRL)
    assert (gained["n_events"], len(risk)) == (5, 10)


def test_few_patients_have_a_rate_and_no_interval():
    row, _ = row_of([["ih", "ii"]], ISO, HYPER)
    assert row["estimate"] == 25
    assert not {"conf_low", "conf_high", "std_error"} & row.keys()
    assert "fewer than 5 patients" in row["note"]
