"""Residuals and random effects among those of simulated outcomes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from qsmstats import MixedModel
from qsmstats.mixed.resampling.normality import _parts, normality_tests

from ..reference_cases import fitted


@pytest.mark.parametrize("name", ["sleep_rs", "machines_ri_nested"])
def test_linear_maps_are_the_residuals_and_modes_of_the_fit(name: str) -> None:
    fit = fitted(name)
    residuals, modes = _parts(fit, np.column_stack([fit.response, 2 * fit.response]))
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


def test_outcomes_stand_in_memory_once() -> None:
    fit = MixedModel("y ~ x + (1 | g)").fit(
        table(np.random.default_rng(2), 1000, "normal", "normal")
    )
    fit.random_effects()  # what a fit keeps of its own
    tracemalloc.start()
    normality_tests(fit, 249, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Beside them stand the modes, an eighth of their size, and blocks.
    assert peak < 2.5 * 250 * 8000 * 8


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
    rows = table(np.random.default_rng(3), 60, effects, noise)
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
