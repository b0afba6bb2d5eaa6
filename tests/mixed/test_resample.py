from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats import MixedModel
from qsmstats.errors import UsageError


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(8)
    patients, visits = 12, 4
    data = pd.DataFrame(
        {
            "patient": np.repeat([f"p{k:02}" for k in range(patients)], visits),
            "years": np.tile(np.arange(visits, dtype=float), patients),
        }
    )
    intercept = rng.normal(0, 1.0, patients).repeat(visits)
    slope = rng.normal(0, 0.5, patients).repeat(visits)
    noise = rng.normal(0, 0.4, len(data))
    data["y"] = 2 + intercept + (0.7 + slope) * data["years"] + noise
    return MixedModel("y ~ years + (1 + years | patient)").fit(data)


def test_simulated_outcomes_have_the_mean_and_covariance_of_the_model(fit):
    n = 20_000
    draws = fit.simulate(n, seed=1).to_numpy()
    data = fit.frame.data
    Z = np.column_stack([np.ones(len(data)), data["years"]])
    same = data["patient"].to_numpy()[:, None] == data["patient"].to_numpy()
    V = same * (Z @ fit.random[0].covariance @ Z.T) + fit.sigma**2 * np.eye(len(data))
    mean = fit.fixed.matrix(data) @ fit.estimates
    # Five standard errors of a mean and of a covariance (Isserlis) over n draws; 48 x 48 entries.
    assert (abs(draws.mean(axis=1) - mean) < 5 * np.sqrt(np.diag(V) / n)).all()
    error = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / n)
    assert (abs(np.cov(draws) - V) < 5 * error).all()


def test_the_same_seed_gives_the_same_outcomes(fit):
    pd.testing.assert_frame_equal(fit.simulate(3, seed=4), fit.simulate(3, seed=4))
    assert not fit.simulate(3, seed=4).equals(fit.simulate(3, seed=5))


def test_weights_and_transforms_are_those_of_the_fit():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(list("abcdefgh"), 6), "w": np.tile([1.0, 4.0, 16.0], 16)})
    data["y"] = np.exp(rng.normal(0, 0.5, 8).repeat(6) + rng.normal(0, 1, 48) / np.sqrt(data["w"]))
    fit = MixedModel("log(y) ~ 1 + (1 | g)").fit(data, weights="w")
    draws = fit.simulate(20_000, seed=3).to_numpy()
    expected = fit.random[0].covariance[0, 0] + fit.sigma**2 / data["w"]
    # The error of a variance over 20,000 normal draws is 1 %.
    np.testing.assert_allclose(draws.var(axis=1), expected, rtol=0.05)


def test_bootstrap_errors_are_those_of_the_model(fit):
    found = fit.bootstrap(200, seed=6)
    assert (found.n_failed, len(found.estimates)) == (0, 200 - found.n_unconverged)
    model = np.sqrt(np.diag(fit.covariance))
    # A standard deviation over 200 refits is known to 5 %; three of these.
    np.testing.assert_allclose(found.intervals["std_error"], model, rtol=0.15)
    inside = found.intervals["conf_low"] < found.intervals["estimate"]
    assert (inside & (found.intervals["estimate"] < found.intervals["conf_high"])).all()


def test_wrong_arguments_are_named(fit):
    with pytest.raises(UsageError, match="n=0"):
        fit.simulate(0)
    with pytest.raises(UsageError, match="level=95"):
        fit.bootstrap(5, level=95)
