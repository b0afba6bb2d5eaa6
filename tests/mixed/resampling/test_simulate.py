from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats import MixedModel
from qsmstats.errors import UsageError
from qsmstats.mixed.resampling.simulate import drawn, reused


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


def moments(fit):
    """Mean and covariance of the rows under the model."""
    data = fit.frame.data
    Z = np.column_stack([np.ones(len(data)), data["years"]])
    same = data["patient"].to_numpy()[:, None] == data["patient"].to_numpy()
    V = same * (Z @ fit.random[0].covariance @ Z.T) + fit.sigma**2 * np.eye(len(data))
    return fit.fixed.matrix(data) @ fit.estimates, V


def test_simulated_outcomes_have_the_mean_and_covariance_of_the_model(fit):
    n = 20_000
    draws = fit.simulate(n, seed=1).to_numpy()
    mean, V = moments(fit)
    # Five standard errors of a mean and of a covariance (Isserlis) over n draws; 48 x 48 entries.
    assert (abs(draws.mean(axis=1) - mean) < 5 * np.sqrt(np.diag(V) / n)).all()
    error = np.sqrt((np.outer(np.diag(V), np.diag(V)) + V**2) / n)
    assert (abs(np.cov(draws) - V) < 5 * error).all()


def test_reused_effects_and_residuals_are_reflated_to_the_covariance_of_the_model(fit):
    source = reused(fit, seed=1)
    effects, residuals = source.terms[0].pool, source.pool
    np.testing.assert_allclose(effects.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(effects.T @ effects / len(effects), fit.random[0].covariance)
    assert residuals.mean() == pytest.approx(0.0, abs=1e-12)
    assert np.square(residuals).mean() == pytest.approx(1.0)
    n = 20_000
    draws = source((0, n)).T
    mean, V = moments(fit)
    assert (abs(draws.mean(axis=1) - mean) < 5 * np.sqrt(np.diag(V) / n)).all()
    # Two rows of a patient share its effects; kurtosis of the pools is not normal, so 10 %.
    np.testing.assert_allclose(np.cov(draws)[:4, :4], V[:4, :4], atol=0.1 * V.max())


def test_effects_of_a_variance_of_zero_stay_zero():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(10), 4), "y": rng.normal(size=40)})
    data["y"] -= data.groupby("g")["y"].transform("mean")
    fit = MixedModel("y ~ 1 + (1 | g)").fit(data)
    assert fit.info.singular
    np.testing.assert_allclose(reused(fit, 0).terms[0].pool, np.zeros((10, 1)), atol=1e-9)


def test_an_outcome_depends_on_the_seed_and_its_number_alone(fit):
    ten = fit.simulate(10, seed=4)
    pd.testing.assert_frame_equal(ten.iloc[:, :3], fit.simulate(3, seed=4))
    np.testing.assert_array_equal(drawn(fit, 4)((7, 9)).T, ten.to_numpy()[:, 7:9])
    assert not ten.equals(fit.simulate(10, seed=5))
    assert not np.array_equal(ten[0], ten[1])


def test_weights_and_transforms_are_those_of_the_fit():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(list("abcdefgh"), 6), "w": np.tile([1.0, 4.0, 16.0], 16)})
    data["y"] = np.exp(rng.normal(0, 0.5, 8).repeat(6) + rng.normal(0, 1, 48) / np.sqrt(data["w"]))
    fit = MixedModel("log(y) ~ 1 + (1 | g)").fit(data, weights="w")
    draws = fit.simulate(20_000, seed=3).to_numpy()
    expected = fit.random[0].covariance[0, 0] + fit.sigma**2 / data["w"]
    # The error of a variance over 20,000 normal draws is 1 %.
    np.testing.assert_allclose(draws.var(axis=1), expected, rtol=0.05)


def test_wrong_arguments_are_named(fit):
    with pytest.raises(UsageError, match="n must be at least 1"):
        fit.simulate(0)
    with pytest.raises(UsageError, match="seed must be"):
        fit.simulate(1, seed=-1)
