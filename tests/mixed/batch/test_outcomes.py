"""Many outcomes together against single fits: the same numbers, singular or with holes as well."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats import MixedModel
from qsmstats.errors import InvalidDataError, ModelError, UsageError
from tests.mixed.designs import FORMULAS, random_data

REFERENCE = Path(__file__).parents[2] / "reference"
# Formulas whose groups are independent, which go through the batch.
TOGETHER = FORMULAS[:7]
CROSSED = FORMULAS[8]


def outcomes(data: pd.DataFrame, seed: int) -> np.ndarray:
    """Five outcomes: with groups that differ, without (zero variances), far from zero, with holes
    at random, and with whole groups missing. In one only all groups are alike: every search from
    further starts takes as long as ten fits."""
    rng = np.random.default_rng(seed)
    n = len(data)
    made = rng.normal(size=(n, 5))
    for one in (0, 2, 3, 4):
        made[:, one] += rng.normal(size=9)[data["g"]] + data["x"] * rng.normal(size=9)[data["g"]]
    made[:, 2] += 1e3
    made[rng.random(n) < 0.2, 3] = np.nan
    made[(data["g"] < 3).to_numpy(), 4] = np.nan
    return made


def single(formula: str, data: pd.DataFrame, outcome: np.ndarray, **options):
    try:
        return MixedModel(formula).fit(data.assign(y=outcome), **options)
    except ModelError:
        return None


@pytest.mark.parametrize(
    ("formula", "method", "weights"),
    [(formula, "reml", None) for formula in TOGETHER]
    # Prior weights make every subgroup a cell of its own; the two slow formulas add nothing new.
    + [(formula, "ml", "w") for formula in (*TOGETHER[:3], TOGETHER[4])],
)
def test_every_outcome_is_what_a_single_fit_gives(formula, method, weights):
    seed = TOGETHER.index(formula)
    data = random_data(seed, rows=70)
    values = outcomes(data, seed)
    fits = MixedModel(formula).design(data, method=method, weights=weights).fit_outcomes(values)
    tests = fits.wald()
    assert fits.n_refitted_singly <= 1
    # Outcomes without holes are fitted, so that the comparison below is one.
    assert not any(fits.problems[:3])
    for one in range(5):
        alone = single(formula, data, values[:, one], method=method, weights=weights)
        assert (alone is None) == bool(fits.problems[one])
        if alone is None:
            continue
        # Both stop where less than 1e-11 of -2 log likelihood is to be gained.
        assert fits.criterion[one] == pytest.approx(alone.info.criterion, abs=1e-6)
        assert (fits.singular[one], fits.n_obs[one]) == (alone.info.singular, alone.info.n_obs)
        table = alone.coefficients()
        np.testing.assert_allclose(fits.estimates[one], table["estimate"], atol=1e-5)
        np.testing.assert_allclose(tests.std_error[one], table["std_error"], rtol=1e-4)
        np.testing.assert_allclose(tests.df[one], table["df"], rtol=1e-3)
        np.testing.assert_allclose(fits.sigma2[one], alone.sigma**2, rtol=1e-4)


@pytest.mark.parametrize(
    ("formula", "weights", "reason"),
    [
        (CROSSED, None, "grouping factors are crossed"),
        (TOGETHER[5], "r", "residual variances differ within groups of the finer grouping factor"),
    ],
)
def test_designs_that_cannot_be_grouped_are_fitted_singly_and_counted(formula, weights, reason):
    data = random_data(4)
    values = outcomes(data, 4)[:, [0, 3]]
    design = MixedModel(formula).design(data, weights=weights)
    fits = design.fit_outcomes(values)
    assert fits.counts["n_refitted_singly"] == 2
    assert fits.design.reason == reason
    alone = [single(formula, data, values[:, one], weights=weights) for one in range(2)]
    np.testing.assert_allclose(fits.criterion, [fit.info.criterion for fit in alone], atol=1e-6)


def test_a_start_at_the_optimum_takes_fewer_steps_where_outcomes_are_fitted_singly():
    data = random_data(4)
    values = outcomes(data, 4)[:, :1]
    design = MixedModel(CROSSED).design(data)
    fits = design.fit_outcomes(values)
    again = design.fit_outcomes(values, start=fits.theta[0])
    assert again.criterion[0] == pytest.approx(fits.criterion[0], abs=1e-6)
    assert again.iterations[0] < fits.iterations[0]


@pytest.mark.parametrize(
    ("formula", "weights"),
    [
        (TOGETHER[1], "r"),  # strata that cut across the groups of the only factor
        (TOGETHER[5], ("k", "w")),  # strata of whole subgroups, and prior weights
        ("y ~ x + (1 | s) + (1 | s:r) + (1 | s:r:h)", "r"),  # nested twice
    ],
)
def test_residual_variances_of_strata_are_those_of_single_fits(formula, weights):
    data = random_data(2, rows=120)
    data["k"] = np.where((data["g"] + data["h"]) % 2 == 0, "even", "odd")
    values = outcomes(data, 2)[:, [0, 3]]
    fits = MixedModel(formula).design(data, weights=weights).fit_outcomes(values)
    assert not fits.n_refitted_singly
    tests = fits.wald()
    for one in range(2):
        alone = single(formula, data, values[:, one], weights=weights)
        assert fits.criterion[one] == pytest.approx(alone.info.criterion, abs=1e-6)
        assert fits.n_obs[one] == alone.info.n_obs
        expected = alone.variances.query("group == 'Residual'")["std_dev"]
        found = fits.variances.filter(like="Residual").iloc[one]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        table = alone.coefficients()
        np.testing.assert_allclose(tests.std_error[one], table["std_error"], rtol=1e-4)
        np.testing.assert_allclose(tests.df[one], table["df"], rtol=1e-3)


@pytest.fixture(scope="module")
def nested():
    """A model with a slope and nested groups, and outcomes of which some have holes."""
    data = random_data(11, rows=120)
    return data, outcomes(data, 11)


@pytest.fixture(scope="module")
def together_and_alone(nested):
    """Two outcomes of the nested model, one with holes: fitted together, and each by itself."""
    data, values = nested
    values = values[:, [0, 3]]
    fits = MixedModel(TOGETHER[4]).design(data).fit_outcomes(values)
    return fits, [single(TOGETHER[4], data, values[:, one]) for one in range(2)]


@pytest.mark.parametrize("df", ["kenward-roger", "normal", "residual"])
def test_degrees_of_freedom_are_those_of_single_fits(together_and_alone, df):
    fits, each = together_and_alone
    tests = fits.wald({"difference": {"x": 1.0, "f[T.b]:x": -1.0}}, df=df, null=0.5)
    for one, alone in enumerate(each):
        row = alone.wald({"d": {"x": 1.0, "f[T.b]:x": -1.0}}, df=df).estimates.iloc[0]
        np.testing.assert_allclose(tests.estimate[one], row["estimate"], atol=1e-5)
        np.testing.assert_allclose(tests.std_error[one], row["std_error"], rtol=1e-4)
        np.testing.assert_allclose(tests.df[one], row["df"], rtol=1e-3)
        expected = (row["estimate"] - 0.5) / row["std_error"]
        np.testing.assert_allclose(tests.statistic[one], expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("formula", "weights"),
    [*((formula, None) for formula in TOGETHER), (TOGETHER[1], "r"), (TOGETHER[5], ("k", "w"))],
)
@pytest.mark.parametrize("chosen", [[0, 1], [0, 1, 3]], ids=["same rows", "holes"])
def test_kenward_roger_together_is_that_of_the_ordinary_criterion(formula, weights, chosen):
    """At the same variances, singular ones and outcomes with holes included; ML is no exception."""
    data = random_data(2, rows=120)
    data["k"] = np.where((data["g"] + data["h"]) % 2 == 0, "even", "odd")
    values = outcomes(data, 2)[:, chosen]
    method = "ml" if formula == TOGETHER[0] else "reml"
    design = MixedModel(formula).design(data, weights=weights, method=method)
    fits = design.fit_outcomes(values)
    assert not fits.n_refitted_singly
    singly = replace(fits, refitted_singly=np.ones(len(chosen), dtype=bool))
    found, expected = (one.wald(df="kenward-roger") for one in (fits, singly))
    assert np.isfinite(found.df).all()
    # Both add the same numbers in another order.
    np.testing.assert_allclose(found.std_error, expected.std_error, rtol=1e-9)
    np.testing.assert_allclose(found.df, expected.df, rtol=1e-9)


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_any_pattern_of_missing_rows_gives_the_fit_of_the_rows_left(nested, data):
    frame, values = nested
    formula = TOGETHER[data.draw(st.sampled_from([0, 1, 4]))]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    share = data.draw(st.floats(0.0, 0.6))
    # One outcome whose groups differ, and the one whose groups do not.
    chosen = values[:, [data.draw(st.sampled_from([0, 2])), 1]].copy()
    chosen[rng.random(chosen.shape) < share] = np.nan
    fits = MixedModel(formula).design(frame).fit_outcomes(chosen)
    for one in range(2):
        alone = single(formula, frame, chosen[:, one])
        # Refused together is refused alone, for whatever reason, and nothing else is.
        assert (alone is None) == bool(fits.problems[one])
        if alone is not None:
            assert fits.criterion[one] == pytest.approx(alone.info.criterion, abs=1e-6)
            assert fits.n_obs[one] == alone.info.n_obs


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_outcomes_with_holes_are_fitted(nested, share):
    """A hole is no reason to refuse an outcome of 120 rows in 9 groups."""
    frame, values = nested
    chosen = values[:, :3].copy()
    chosen[np.random.default_rng(1).random(chosen.shape) < share] = np.nan
    fits = MixedModel(TOGETHER[4]).design(frame).fit_outcomes(chosen)
    assert list(fits.problems) == [""] * 3
    assert fits.n_obs.tolist() == np.isfinite(chosen).sum(axis=0).tolist()


def test_lost_rank_is_named_and_nothing_is_made_up(nested):
    frame, values = nested
    lost = values[:, :2].copy()
    lost[(frame["f"] == "c").to_numpy(), 1] = np.nan
    fits = MixedModel(TOGETHER[4]).design(frame).fit_outcomes(lost)
    assert fits.problems[0] == ""
    assert "f[T.c]" in fits.problems[1]
    assert np.isnan(fits.estimates[1]).all()
    assert np.isnan(fits.wald().p_value[1]).all()
    assert fits.counts["n_failed"] == 1
    table = fits.wald({"x": 1.0}).table()
    assert table["outcome"].tolist() == [0, 1]
    assert table["p_value"].isna().tolist() == [False, True]


def test_the_batch_does_not_alter_a_bit(nested):
    frame, values = nested
    many = np.tile(values[:, :4], (1, 35)) * np.linspace(1, 2, 140)
    design = MixedModel("y ~ x + (1 | g) + (1 | g:h)").design(frame)
    assert many.shape[1] > 2 * design.chunk
    whole = design.fit_outcomes(many)
    seen: list[tuple[int, int]] = []
    parts = design.fit_outcomes(
        many, batch=1, progress=lambda done, total: seen.append((done, total))
    )
    for name in ("criterion", "estimates", "theta", "covariance", "uncertainty"):
        assert getattr(whole, name).tobytes() == getattr(parts, name).tobytes()
    assert seen == [(done, len(seen)) for done in range(1, len(seen) + 1)]


def test_a_fit_is_refitted_to_one_outcome_or_to_many(nested):
    frame, values = nested
    fit = MixedModel(TOGETHER[1]).fit(frame)
    many = fit.refit(values[:, :2])
    one = fit.refit(values[:, 0])
    assert one.info.criterion == pytest.approx(many.criterion[0], abs=1e-6)
    assert one.refitted().info.criterion == pytest.approx(one.info.criterion)
    logged = MixedModel("exp(y) ~ x + (1 | g)").fit(frame)
    assert logged.refit(values[:, 0]).estimates == pytest.approx(
        MixedModel("v ~ x + (1 | g)").fit(frame.assign(v=values[:, 0])).estimates
    )


def test_outcomes_of_a_wrong_form_are_refused(nested):
    frame, values = nested
    design = MixedModel(TOGETHER[1]).design(frame)
    with pytest.raises(UsageError, match="120 rows"):
        design.fit_outcomes(values[:-1])
    with pytest.raises(UsageError, match="batch=0"):
        design.fit_outcomes(values, batch=0)
    with pytest.raises(UsageError, match="jobs=0"):
        design.fit_outcomes(values, jobs=0)
    with pytest.raises(UsageError, match="theta of this model has 3"):
        design.fit_outcomes(values, start=np.ones(2))
    with pytest.raises(InvalidDataError, match="must be numbers"):
        design.fit_outcomes([["low"]] * 120)
    infinite = values.copy()
    infinite[3, 1] = np.inf
    with pytest.raises(InvalidDataError, match="outcome 1 is infinite in row 3"):
        design.fit_outcomes(infinite)
    with pytest.raises(UsageError, match="120 rows"):
        MixedModel(TOGETHER[1]).fit(frame).refit(values[:5, 0])


def reference_refits() -> list[dict]:
    return json.loads((REFERENCE / "mixed_refit" / "refit.json").read_text())["cases"]


@pytest.mark.parametrize("case", reference_refits(), ids=lambda case: case["data"])
@pytest.mark.parametrize("method", ["reml", "ml"])
def test_outcomes_agree_with_lmer_refitted_to_each(case, method):
    """tests/reference/mixed_refit/README.md says how they were computed."""
    data = pd.read_csv(REFERENCE / "mixed" / "data" / case["data"], keep_default_na=False)
    which = slice(0, None, 2) if method == "reml" else slice(1, None, 2)
    values = np.array(case["outcomes"], dtype=float).T[:, which]
    fits = MixedModel(case["formula"]).design(data, method=method).fit_outcomes(values)
    tests = fits.wald()
    for one, expected in enumerate(case["fits"][which]):
        # bobyqa stops at 1e-11 in theta, where the criterion is flat to about 1e-8.
        assert fits.criterion[one] == pytest.approx(expected["criterion"], abs=1e-5)
        assert fits.singular[one] == expected["singular"]
        assert fits.n_obs[one] == expected["n"]
        scale = np.atleast_1d(expected["se"])
        np.testing.assert_allclose(
            fits.estimates[one], np.atleast_1d(expected["fixef"]), atol=1e-4 * scale.min()
        )
        np.testing.assert_allclose(tests.std_error[one], scale, rtol=1e-4)
        assert fits.sigma2[one] == pytest.approx(expected["sigma"] ** 2, rel=1e-4)
        if not expected["singular"]:
            # lmerTest differentiates numerically.
            np.testing.assert_allclose(tests.df[one], np.atleast_1d(expected["df"]), rtol=1e-3)
