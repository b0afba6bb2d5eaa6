from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from qsmstats.imputation.linear_draws import LinearDraws, alternatives
from qsmstats.mixed.model import MixedModel

N = 150


@pytest.fixture(scope="module")
def drawn():
    """Draws of a random-slope model whose last visits of five groups are missing."""
    rng = np.random.default_rng(1)
    group, x = np.repeat(np.arange(30), 5), np.tile(np.arange(5.0), 30)
    b = rng.normal(size=(30, 2)) * (1.0, 0.4)
    y = 3 + 0.5 * x + b[group, 0] + b[group, 1] * x + 0.5 * rng.normal(size=N)
    data = pd.DataFrame({"g": group, "x": x, "y": y})
    missing = (x == 4) & (group < 5)
    fit = MixedModel("y ~ x + (1 + x | g)").fit(data[~missing])
    laid = alternatives(fit, [data.assign(y=data["y"].where(~missing, -50.0))])
    laid = replace(laid, prior=np.where(missing, 0.0, 1.0))
    draws = LinearDraws(fit, laid, np.arange(N))
    random, states = np.random.default_rng(2), []
    for step in range(420):
        draws.draw(np.zeros(N, int), random)
        if step >= 20:
            values = draws.outcomes(np.flatnonzero(missing), random)
            states.append([*draws.beta, draws.variances[0], draws.covariances[0][1, 1], *values])
    return fit, data[missing], np.array(states)


def test_draws_have_the_centre_and_spread_of_the_fit(drawn):
    """400 independent draws: 0.15 SE of the mean and 10 % of the SD are three errors.

    Twice that, as one draw depends on the last.
    """
    fit, _, states = drawn
    table = fit.coefficients(df="normal")
    beta = states[:, :2]
    error = (beta.mean(axis=0) - table["estimate"]) / table["std_error"]
    np.testing.assert_allclose(error, 0.0, atol=0.3)
    np.testing.assert_allclose(beta.std(axis=0) / table["std_error"], 1.0, atol=0.2)
    np.testing.assert_allclose(states[:, 2].mean(), fit.sigma**2, rtol=0.1)
    np.testing.assert_allclose(states[:, 3].mean(), fit.random[0].covariance[1, 1], rtol=0.25)


def test_missing_outcomes_are_drawn_around_their_conditional_predictions(drawn):
    """The placeholder of -50 plays no part; predictions are checked against lme4 elsewhere."""
    fit, missing, states = drawn
    expected = fit.predict(missing, level="conditional", interval=True)
    spread = np.sqrt(expected["std_error"] ** 2 + fit.sigma**2)
    values = states[:, 4:]
    np.testing.assert_allclose((values.mean(axis=0) - expected["estimate"]) / spread, 0, atol=0.25)
    np.testing.assert_allclose(values.std(axis=0) / spread, 1.0, atol=0.2)


def test_densities_of_a_unit_integrate_out_what_lies_within_it():
    """Against the normal density of each unit, written out."""
    rng = np.random.default_rng(3)
    unit, x = np.repeat(np.arange(20), 3), np.tile([0.0, 1.0, 2.0], 20)
    patient = unit // 5
    kind = np.where(unit % 2 == 0, "a", "b")
    y = rng.normal(size=20)[unit] + rng.normal(size=4)[patient] + rng.normal(size=60)
    data = pd.DataFrame({"u": unit, "p": patient, "x": x, "kind": kind, "y": y}).drop(index=[0, 4])
    data["kind"] = pd.Categorical(data["kind"])
    fit = MixedModel("y ~ kind * x + (1 | p) + (1 | p:u)").fit(data, weights="kind")
    versions = [data.assign(kind=pd.Categorical([one] * 58, ["a", "b"])) for one in ("a", "b")]
    codes = data.groupby("u").ngroup().to_numpy()
    draws = LinearDraws(fit, alternatives(fit, versions), codes)
    draws.draw(data["kind"].cat.codes.to_numpy(), np.random.default_rng(4))
    found = draws.log_densities(np.arange(20))()
    wanted = np.empty((20, 2))
    for k, version in enumerate(versions):
        mean = fit.fixed.matrix(version) @ draws.beta + draws.effects[0][data["p"], 0]
        for u in range(20):
            rest = (data["y"].to_numpy() - mean)[codes == u]
            v = draws.variances[k] * np.eye(len(rest)) + draws.covariances[1][0, 0]
            sign, size = np.linalg.slogdet(v)
            wanted[u, k] = -0.5 * (size + rest @ np.linalg.solve(v, rest))
            assert sign == 1
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_an_offset_is_known_and_no_part_of_what_is_drawn():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 5), "x": rng.normal(size=30)})
    data = data.assign(y=data["x"] + rng.normal(size=30), known=rng.uniform(5, 9, 30))
    moved = data.assign(y=data["y"] + data["known"])
    outcomes = []
    for formula, frame in (("y ~ x + (1 | g)", data), ("y ~ x + offset(known) + (1 | g)", moved)):
        fit = MixedModel(formula).fit(frame)
        draws, random = LinearDraws(fit, alternatives(fit, [frame]), np.arange(30)), 7
        draws.draw(np.zeros(30, int), np.random.default_rng(random))
        outcomes.append(draws.outcomes(np.arange(30), np.random.default_rng(random)))
    # The fits agree to the tolerance of their optimum.
    np.testing.assert_allclose(outcomes[1], outcomes[0] + data["known"], rtol=1e-4)
