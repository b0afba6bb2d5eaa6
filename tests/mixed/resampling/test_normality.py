"""Residuals and random effects among those of simulated outcomes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from qsmstats import MixedModel
from qsmstats.mixed.resampling.normality import _LinearParts, normality_tests

from ..reference_cases import fitted


@pytest.mark.parametrize("name", ["sleep_rs", "machines_ri_nested"])
def test_linear_maps_are_the_residuals_and_modes_of_the_fit(name: str) -> None:
    fit = fitted(name)
    outcome = fit.response / fit.sigma
    residuals, modes = (
        fit.sigma * part for part in _LinearParts.of(fit)(np.column_stack([outcome, 2 * outcome]))
    )
    # Rounding only: the same equations, solved for several outcomes.
    np.testing.assert_allclose(residuals[:, 0], fit.residuals(), atol=1e-8)
    np.testing.assert_allclose(residuals[:, 1], 2 * residuals[:, 0], atol=1e-8)
    start, found = 0, []
    for term, factor in zip(fit.random, fit.factors(), strict=True):
        q = len(term.design.names)
        own = modes[start : start + term.design.grouping.size * q, 0].reshape(-1, q)
        start += own.size
        found.append((own @ factor.T).ravel())
    np.testing.assert_allclose(np.concatenate(found), fit.random_effects()["estimate"], atol=1e-8)


def test_an_offset_is_no_residual() -> None:
    data = table(np.random.default_rng(5), 12, "normal", "normal")
    known = np.linspace(0.0, 40.0, len(data))
    plain = MixedModel("y ~ x + (1 | g)").fit(data)
    moved = data.assign(y=data["y"] + known, known=known)
    other = MixedModel("y ~ x + offset(known) + (1 | g)").fit(moved)
    told = normality_tests(plain, 49, seed=1), normality_tests(other, 49, seed=1)
    # The fits agree to the tolerance of their optimum.
    pd.testing.assert_frame_equal(*told, rtol=1e-4)


@pytest.mark.parametrize("name", ["sleep_rs", "machines_ri_nested"])
def test_spread_is_that_of_the_residuals_by_dense_matrices(name: str) -> None:
    fit = fitted(name)
    parts = _LinearParts.of(fit)
    x, z = parts.fixed, parts.rows.toarray()
    covariance = np.diag(parts.noise[:, 0] ** 2) + z @ z.T
    inverse = np.linalg.inv(covariance)
    projection = inverse - inverse @ x @ np.linalg.inv(x.T @ inverse @ x) @ x.T @ inverse
    errors = np.diag(parts.noise[:, 0] ** 2)
    expected = np.sqrt(np.diag(errors @ projection @ errors))
    np.testing.assert_allclose(parts.residual_spread(), expected, rtol=1e-9)


def test_memory_does_not_grow_with_the_outcomes() -> None:
    fit = MixedModel("y ~ x + (1 | g)").fit(
        table(np.random.default_rng(2), 10_000, "normal", "normal")
    )
    fit.random_effects()  # what a fit keeps of its own
    peaks = []
    for n in (19, 249):
        tracemalloc.start()
        normality_tests(fit, n, seed=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # What is ranked: 10,000 of 80,000 residuals, and of 10,000 effects, of each outcome.
    assert peaks[1] - peaks[0] < 2.5 * 230 * 20_000 * 8


def test_one_gross_value_is_found_among_rows_that_are_not_ranked() -> None:
    rows = table(np.random.default_rng(4), 5000, "normal", "normal")
    spoiled = rows.assign(y=rows["y"].where(rows.index != 39_123, rows["y"] + 9))
    for data, failing in ((rows, False), (spoiled, True)):
        tests = normality_tests(MixedModel("y ~ x + (1 | g)").fit(data), 99, seed=1)
        told = tests.set_index(["part", "check"])
        assert told.loc[("residual", "uniformity"), "n"] == 10_000
        assert told.loc[("residual", "largest"), "n"] == 40_000
        assert told.loc[("g", "uniformity"), "n"] == 5000
        assert (told.loc[("residual", "largest"), "p_value"] < 0.02) == failing
        assert told.loc[("residual", "uniformity"), "p_value"] > 0.02


def table(random: np.random.Generator, groups: int, effects: str, noise: str) -> pd.DataFrame:
    draw = {
        "normal": lambda n: random.normal(size=n),
        "skewed": lambda n: random.exponential(size=n) ** 1.5 - 1.33,
    }
    group = np.repeat(np.arange(groups), 8)
    y = 2 * draw[effects](groups)[group] + draw[noise](len(group))
    return pd.DataFrame({"y": y, "x": random.normal(size=len(group)), "g": group.astype(str)})


@pytest.mark.parametrize(
    ("effects", "noise", "failing"),
    [
        ("normal", "normal", set()),
        ("skewed", "normal", {("g", "uniformity")}),
        ("normal", "skewed", {("residual", "uniformity"), ("residual", "largest")}),
    ],
)
def test_what_is_not_normal_is_found_and_nothing_else(
    effects: str, noise: str, failing: set[tuple[str, str]]
) -> None:
    rows = table(np.random.default_rng(7), 60, effects, noise)
    tests = normality_tests(MixedModel("y ~ x + (1 | g)").fit(rows), seed=1)
    found = tests[tests["p_value"] < 0.02]
    assert set(zip(found["part"], found["check"], strict=True)) == failing
    assert tests["n"].tolist() == [480, 480, 60]


def test_a_variance_of_zero_has_no_effects_to_test() -> None:
    tests = normality_tests(fitted("dyestuff2_singular"), 19, seed=1)
    assert tests["p_value"].isna().tolist() == [False, False, True]


@pytest.mark.slow
def test_p_values_hold_their_level_where_the_model_holds() -> None:
    p = [
        normality_tests(
            MixedModel("y ~ x + (1 | g)").fit(
                table(np.random.default_rng(seed), 20, "normal", "normal")
            ),
            99,
            seed=seed,
        )["p_value"]
        for seed in range(400)
    ]
    # Four standard errors of a share of 5 % in 400.
    assert ((np.array(p) < 0.051).mean(axis=0) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 400)).all()
    assert ((np.array(p) < 0.051).mean(axis=0) > 0.01).all()
