"""Fits against glmmTMB (Laplace's approximation) and against plain grids (the exact likelihood)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.generalized.cases import CASES, EXACT, fit, std_devs, std_errors

# A square root has two predictors for each mean; see `qsmstats.generalized.family`.
LEFT_OUT = {"epil_sqrt"}
SLOW = {"prlong", "guimmun", "grouseticks_poisson", "verbagg_crossed"}

LAPLACE = [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
    for name in CASES
    if name not in LEFT_OUT
]


@pytest.mark.parametrize("name", LAPLACE)
def test_laplace_is_that_of_glmmtmb(name):
    expected, made = CASES[name]["laplace"], fit(name, "laplace")
    assert made.info.converged
    assert made.info.singular == expected["singular"]
    assert made.info.log_likelihood == pytest.approx(expected["log_likelihood"], abs=1e-6)
    errors = np.array(list(expected["se"].values()))
    away = (made.estimates - np.array(list(expected["estimates"].values()))) / errors
    assert np.abs(away).max() < 1e-4
    assert std_errors(made) == pytest.approx(errors, rel=1e-4)
    if not expected["singular"]:
        found = [value for values in std_devs(made).values() for value in values]
        known = [value for one in expected["random"] for value in one["sd"]]
        assert found == pytest.approx(known, rel=1e-4)


@pytest.mark.parametrize("name", EXACT)
def test_nested_quadrature_is_that_of_a_grid(name):
    expected, made = EXACT[name], fit(name)
    assert made.info.integration == "nested"
    assert made.info.converged
    # 1e-6 on the scale of the criterion is what doubling the nodes may move.
    assert made.info.log_likelihood == pytest.approx(expected["log_likelihood"], abs=1e-6)
    errors = np.array(list(expected["se"].values()))
    away = (made.estimates - np.array(list(expected["estimates"].values()))) / errors
    assert np.abs(away).max() < 1e-4
    assert std_errors(made) == pytest.approx(errors, rel=1e-4)
    found = {group: values[0] for group, values in std_devs(made).items()}
    assert found == pytest.approx(expected["sd"], rel=1e-4)


def test_a_variance_of_zero():
    made = fit("nested_zero")
    assert made.info.singular
    assert "singular" in made.info.messages[-1]
    expected = CASES["nested_zero"]["quadrature"]["log_likelihood"]
    assert made.info.log_likelihood == pytest.approx(expected, abs=1e-8)


@pytest.mark.slow
def test_nested_quadrature_of_lesions_in_patients():
    made = fit("prlong")
    assert made.info.log_likelihood == pytest.approx(-6255.0274, abs=1e-3)
    assert std_devs(made) == pytest.approx({"pid": [1.2975], "lid": [1.9356]}, abs=1e-3)
