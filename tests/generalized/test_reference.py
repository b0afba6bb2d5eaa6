"""Fits against glmmTMB (Laplace's approximation) and against plain grids (the exact likelihood)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.generalized.model import GeneralizedMixedModel
from tests.generalized.cases import CASES, EXACT, fit, std_devs, std_errors

# A square root has two predictors for each mean; see `qsmstats.generalized.family`.
LEFT_OUT = {"epil_sqrt"}
SLOW = {"prlong", "guimmun", "grouseticks_poisson"}
# Laplace's approximation of what others in the list try too: a family, a link, a kind of design.
REPEATS = {
    *("bacteria_weights", "cbpp_probit", "cbpp_rows", "contraception", "contraception_nested"),
    *("contraception_slope", "epil_weights", "nested_cloglog", "nested_nb", "nested_poisson"),
    *("nested_probit", "prl", "salamanders_nb", "salamanders_poisson", "toenail_slope"),
    "verbagg_crossed",
}


def marked(names, slow):
    kept = [name for name in names if name not in LEFT_OUT]
    return [pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in kept]


@pytest.mark.parametrize("name", marked(CASES, SLOW | REPEATS))
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


@pytest.mark.parametrize("name", marked(EXACT, SLOW))
def test_nested_quadrature_is_that_of_a_grid(name):
    expected, made = EXACT[name], fit(name)
    assert made.info.integration == "nested"
    assert made.info.converged
    # 1e-6 on the scale of the criterion is what doubling the nodes may move. A grid of 41 plain
    # nodes has 3e-4 left: ours moves by less than 1e-7 from 14 adaptive ones to 40.
    coarse = min(expected["nodes"]) < 61
    near = 1e-3 if coarse else 1e-6
    assert made.info.log_likelihood == pytest.approx(expected["log_likelihood"], abs=near)
    errors = np.array(list(expected["se"].values()))
    away = (made.estimates - np.array(list(expected["estimates"].values()))) / errors
    close = 1e-2 if coarse else 1e-4
    assert np.abs(away).max() < close
    assert std_errors(made) == pytest.approx(errors, rel=close)
    found = std_devs(made)
    known: dict[str, list[float]] = {}
    for label, value in expected["sd"].items():  # of a slope: "visit | subject"
        known.setdefault(label.rpartition(" | ")[2], []).append(value)
    assert found == {group: pytest.approx(values, rel=close) for group, values in known.items()}


def test_a_variance_of_zero():
    made = fit("nested_zero")
    assert made.info.singular
    assert "singular" in made.info.messages[-1]
    expected = CASES["nested_zero"]["quadrature"]["log_likelihood"]
    assert made.info.log_likelihood == pytest.approx(expected, abs=1e-8)


def test_a_correlated_slope_without_variance_is_singular_and_no_worse_than_without_it():
    """Counts without differences between groups; the search goes on from an opened optimum."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 6), "x": rng.normal(size=72)})
    data["y"] = rng.poisson(3.0, 72)
    wide = GeneralizedMixedModel("y ~ x + (1 + x | g)", family="poisson").fit(data)
    narrow = GeneralizedMixedModel("y ~ x + (1 | g)", family="poisson").fit(data)
    assert wide.info.singular
    assert wide.info.log_likelihood >= narrow.info.log_likelihood - 1e-6


@pytest.mark.slow
def test_an_integral_that_does_not_settle_is_said_in_words():
    made = fit("toenail_slope")
    assert made.info.converged
    assert "56 nodes, the most that are used, do not settle the integral" in made.info.messages[0]
    # 112 nodes give -549.1625; Laplace's approximation -491.3.
    assert made.info.log_likelihood == pytest.approx(-549.16, abs=0.01)
