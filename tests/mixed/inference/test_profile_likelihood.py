"""Profile intervals of random slopes against a profile by brute force over a grid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.mixed.inference.components import components, gradient
from qsmstats.mixed.inference.profile_likelihood import Deviance, coordinates_of
from qsmstats.mixed.model import MixedModel
from tests.mixed.designs import random_data

GROUPS, VISITS = 10, 4
X = np.arange(VISITS) - 1.0
ALLOWED = stats.chi2.ppf(0.95, 1)


def slopes_data(seed: int) -> pd.DataFrame:
    """Ten groups of four visits; intercepts and slopes of any size and correlation."""
    rng = np.random.default_rng(seed)
    deviations = 10 ** rng.uniform(-0.3, 0.7, 2)
    correlation = rng.uniform(-0.95, 0.95)
    covariance = np.outer(deviations, deviations)
    covariance[0, 1] = covariance[1, 0] = covariance[0, 1] * correlation
    effects = rng.multivariate_normal(np.zeros(2), covariance, GROUPS)
    y = effects[:, :1] + effects[:, 1:] * X + rng.normal(size=(GROUPS, VISITS))
    return pd.DataFrame(
        {"y": y.ravel(), "x": np.tile(X, GROUPS), "g": np.repeat(np.arange(GROUPS), VISITS)}
    )


def brute(data: pd.DataFrame, correlation: float) -> float:
    """Lowest ML deviance of y ~ x + (1 + x | g) with this correlation, by grids alone.

    Dense 4 x 4 matrices, fixed effects and sigma solved for; both log standard deviations (over
    sigma) by a grid of 15 x 15 that is narrowed ten times around its best point.
    """
    y = data["y"].to_numpy().reshape(GROUPS, VISITS)
    z = np.column_stack([np.ones(VISITS), X])

    def deviance(logs: np.ndarray) -> np.ndarray:
        a, b = np.exp(logs.T)
        covariance = np.array([[a * a, correlation * a * b], [correlation * a * b, b * b]])
        v = np.eye(VISITS) + z @ covariance.transpose(2, 0, 1) @ z.T
        inverse = np.linalg.inv(v)
        fixed = np.linalg.solve(z.T @ inverse @ z, z.T @ inverse @ y.mean(axis=0)[:, None])
        rest = y - (z @ fixed)[..., 0][:, None, :]
        rss = np.einsum("kgi,kij,kgj->k", rest, inverse, rest)
        n = y.size
        return GROUPS * np.linalg.slogdet(v)[1] + n * (1 + np.log(2 * np.pi * rss / n))

    centre, reach, lowest = np.zeros(2), 6.0, np.inf
    for _ in range(11):
        line = np.linspace(-reach, reach, 15)
        grid = centre + np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        values = deviance(grid)
        if values.min() < lowest:
            lowest, centre = float(values.min()), grid[values.argmin()]
        reach /= 3.0
    return lowest


def correlation_row(data: pd.DataFrame) -> pd.Series:
    table = MixedModel("y ~ x + (1 + x | g)").fit(data).variance_table(interval="profile")
    return table[table["other_term"] != ""].iloc[0]


def check(seed: int) -> None:
    """Compare the interval of one data set, and of its rows shuffled, with the brute profile."""
    data = slopes_data(seed)
    row = correlation_row(data)
    shuffled = correlation_row(data.sample(frac=1, random_state=seed))
    limits = ["conf_low", "conf_high"]
    np.testing.assert_allclose(shuffled[limits].astype(float), row[limits].astype(float), atol=1e-5)
    fit = MixedModel("y ~ x + (1 + x | g)").fit(data, method="ml")
    low, high = row["conf_low"], row["conf_high"]
    assert low <= fit.variances["correlation"].iloc[2] <= high
    lowest = fit.info.criterion
    assert brute(data, 0.5 * (low + high)) - lowest < ALLOWED
    for end, edge in ((low, -1.0), (high, 1.0)):
        if end == edge:
            assert brute(data, edge) - lowest < ALLOWED
        else:
            # The grid ends within 1e-4 of the best point; near it the deviance is flat.
            assert brute(data, end) - lowest == pytest.approx(ALLOWED, abs=1e-3)
            assert brute(data, 0.5 * (end + edge)) - lowest > ALLOWED
            assert brute(data, edge) - lowest > ALLOWED


def test_coordinates_hold_their_component_and_have_exact_slopes() -> None:
    """Three columns, another term and two residual variances; against central differences."""
    model = MixedModel("y ~ x + (1 + x + z | g) + (1 | k)")
    fit = model.fit(random_data(5), method="ml", weights="r")
    deviance = Deviance.of(fit)
    kinds = set()
    for component in components(fit):
        made = coordinates_of(deviance, component)
        kinds.add(type(made).__name__)
        at_best = made.at(made.best, made.others)[0]
        assert at_best == pytest.approx(deviance.lowest, abs=1e-6)
        place = np.append(made.others + 0.2, made.best + 0.1)
        _, own, others = made.at(place[-1], place[:-1])
        numeric = gradient(lambda z, made=made: made.at(z[-1], z[:-1])[0], place)
        np.testing.assert_allclose(np.append(others, own), numeric, rtol=1e-5, atol=1e-4)
    assert kinds == {"_Residual", "_Deviation", "_Correlation"}


@pytest.mark.parametrize("seed", [3, 7])
def test_limits_of_a_correlation_are_those_of_a_dense_profile(seed: int) -> None:
    """An estimate of 1 whose lower limit is .55, and limits on both sides of zero."""
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_limits_of_a_correlation_are_those_of_a_dense_profile_in_many_data_sets(seed: int) -> None:
    check(seed)
