"""Adjusted features, held to R's longCombat and to neuroCombat, and to what defines them."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats import MixedModel, combat, longcombat

REFERENCE = Path(__file__).parents[1] / "reference/harmonise"
MEASURED = [f"f{place}" for place in range(1, 51)]
FEW = MEASURED[:3]
LONG = {"scanner": "sc", "preserve": "age + g * t", "random": "(1 | id)"}


@cache
def visits():
    return pd.read_csv(REFERENCE / "longitudinal.csv.gz")


@cache
def neurocombat():
    stored = json.loads((REFERENCE / "neurocombat.json").read_text())
    return pd.DataFrame(stored["data"]), stored["cases"]


def numbers(table, features):
    return table[list(features)].to_numpy()


def test_longcombat_is_that_of_r():
    """R's lmer stops a little before the optimum; 30 rounds of empirical Bayes do not show."""
    made = longcombat(visits(), MEASURED, **LONG)
    theirs = pd.read_csv(REFERENCE / "longcombat.csv.gz")
    assert list(made.table.columns) == list(visits().columns)
    expected = numbers(theirs, [f"{name}.combat" for name in MEASURED])
    np.testing.assert_allclose(numbers(made.table, MEASURED), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("case", "options", "tolerance"),
    [
        ("pooled", {}, 1e-9),
        ("reference", {"reference": "B"}, 1e-9),
        ("no empirical Bayes", {"empirical_bayes": False}, 1e-9),
        # As it comes, neuroCombat stops where shifts and variances change by less than 1e-4.
        ("default", {}, 5e-6),
    ],
)
def test_combat_is_neurocombat(case, options, tolerance):
    data, cases = neurocombat()
    features = data.columns[3:]
    made = combat(data, features, preserve="age + group", **options)
    assert np.ptp(numbers(data, features) - numbers(made.table, features)) > 1
    np.testing.assert_allclose(numbers(made.table, features), cases[case], rtol=0, atol=tolerance)
    if "reference" in options:
        home = data["scanner"] == "B"
        np.testing.assert_allclose(made.table.loc[home, features], data.loc[home, features])
        stay = made.effects.query("scanner == 'B'")
        assert (stay["shift"] == 0).all()
        assert (stay["scale"] == 1).all()


def test_after_combat_without_shrinkage_scanners_do_not_differ():
    """The mean of what covariates leave is that of all, and its spread too, unless only shifted."""
    data, _ = neurocombat()
    options = {"preserve": "age + group", "empirical_bayes": False}
    for scale in (True, False):
        made = combat(data, ["f1", "f2"], scale=scale, **options)
        codes = data["scanner"].map({"A": 0, "B": 1, "C": 2}).to_numpy()
        centre = made.model.centre(data, numbers(data, ["f1", "f2"]), codes)
        left = (numbers(made.table, ["f1", "f2"]) - centre)[:, 0]
        by_scanner = pd.Series(left).groupby(codes).agg(["mean", "std"])
        np.testing.assert_allclose(by_scanner["mean"], 0, atol=1e-12)
        assert (np.ptp(by_scanner["std"]) < 1e-12) == scale
        assert (made.effects["scale"] == 1).all() != scale


def test_shrinkage_of_a_shift_alone_weighs_the_rows():
    """The posterior mean of a normal mean with known variance, by hand."""
    data, _ = neurocombat()
    made = combat(data, data.columns[3:], preserve="age + group", scale=False).effects
    raw = combat(data, data.columns[3:], preserve="age + group", empirical_bayes=False, scale=False)
    left = numbers(raw.table, data.columns[3:])
    x = np.column_stack([np.ones(72), data["age"], data["group"] == "patient"])
    scanners = pd.get_dummies(data["scanner"]).to_numpy(float)[:, 1:]
    x = np.column_stack([x, scanners])
    sigma = np.sqrt(np.mean((left - x @ np.linalg.lstsq(x, left)[0]) ** 2, axis=0))
    own = made[made["scanner"] == "C"]
    z, n = own["shift_raw"].to_numpy() / sigma, own["n_obs"].to_numpy()
    weight = n * z.var(ddof=1) / (n * z.var(ddof=1) + 1)
    expected = (weight * z + (1 - weight) * z.mean()) * sigma
    np.testing.assert_allclose(own["shift"], expected, rtol=1e-9)


def test_new_rows_are_adjusted_as_those_of_the_fit():
    """Participants are known by their rows, not by their names."""
    rows = pd.Categorical(visits()["sc"], categories=[0, 4, 3, 2, 1])  # there is no scanner 0
    made = longcombat(visits().assign(sc=rows).set_index(visits().index + 7), FEW, **LONG)
    assert made.effects["scanner"].tolist() == [4, 3, 2, 1] * 3
    made = replace(made, table=made.table.set_index(made.table.index - 7))
    some = visits().query("id > 40").assign(id=lambda d: d["id"] + 1000, f50="not used")
    expected = made.table.loc[some.index]
    np.testing.assert_allclose(numbers(made.apply(some), FEW), numbers(expected, FEW), rtol=1e-12)


@pytest.mark.parametrize("adjust", [combat, longcombat])
def test_effects_of_controls_are_applied_to_patients(adjust):
    options = LONG if adjust is longcombat else {"scanner": "sc"}
    options = options | {"preserve": "age + t", "reference": 2}
    control = (visits()["g"] == 0).to_numpy()
    made = adjust(visits(), FEW, fit_on=control, **options)
    alone = adjust(visits()[control], FEW, **options)
    pd.testing.assert_frame_equal(made.effects, alone.effects)
    assert made.effects["n_obs"].sum() == 3 * control.sum()
    np.testing.assert_allclose(numbers(made.table, FEW), numbers(alone.apply(visits()), FEW))
    home = visits()["sc"] == 2
    np.testing.assert_allclose(made.table.loc[home, FEW], visits().loc[home, FEW])


@pytest.mark.parametrize("adjust", [combat, longcombat])
def test_a_missing_value_costs_its_feature_alone(adjust):
    options = LONG if adjust is longcombat else {"scanner": "sc", "preserve": "age + g * t"}
    lost = [3, 4, 50, 111]
    holes = visits().copy()
    holes.loc[lost, "f2"] = np.nan
    made = adjust(holes, FEW, empirical_bayes=False, **options).table
    whole = adjust(visits(), FEW, empirical_bayes=False, **options).table
    fewer = adjust(visits().drop(lost), FEW, empirical_bayes=False, **options).table
    assert np.flatnonzero(made["f2"].isna()).tolist() == lost
    np.testing.assert_allclose(made["f1"], whole["f1"], rtol=1e-9)
    np.testing.assert_allclose(made["f2"].drop(lost), fewer["f2"], rtol=1e-7)
    assert np.abs(made["f2"] - whole["f2"]).max() > 1e-4


@pytest.mark.parametrize("random", ["(1 + t | id)", "(1 | id) + (1 | ward)", "(1 | town / id)"])
def test_random_effects_are_those_of_the_single_fit(random):
    """Slopes, crossed and nested groups, with unequal numbers of visits."""
    data = visits().query("t < 2 or id < 30")
    data = data.assign(ward=(7 * data["id"] + data["t"]) % 5, town=data["id"] % 4)
    made = longcombat(data, ["f1"], **LONG | {"random": random}, empirical_bayes=False)
    fit = MixedModel(f"f1 ~ age + g * t + C(sc) + {random}").fit(data)
    values, codes = numbers(data, ["f1"]), data["sc"].to_numpy() - 1
    found = values - made.model.centre(data, values, codes) - made.model.own.T[codes]
    np.testing.assert_allclose(found[:, 0], fit.residuals(), atol=1e-5)
