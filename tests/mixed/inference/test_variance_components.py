"""Variances, their intervals, R squared and ICC against lme4, numDeriv and hand sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qsmstats.errors import UsageError
from qsmstats.mixed.inference.components import components, gradient
from qsmstats.mixed.inference.profile_likelihood import Deviance
from qsmstats.mixed.model import MixedModel
from tests.mixed.designs import random_data
from tests.mixed.reference_cases import case, data, fitted, more, names


@pytest.mark.parametrize("name", names())
def test_table_equals_varcorr(name: str) -> None:
    table = fitted(name).variances.set_index(["group", "term", "other_term"])
    largest = table["variance"].max()
    for row in case(name)["reml"]["varcomp"]:
        terms = [
            "" if v is None else "Intercept" if v == "(Intercept)" else _level(v)
            for v in (row["var1"], row["var2"])
        ]
        # lme4 numbers a second term on the same grouping: Subject.1.
        ours = table.loc[(row["grp"].removesuffix(".1"), *terms)]
        # Polished theta is good to about 1e-7; a singular covariance is rounding on both sides.
        assert ours["variance"] == pytest.approx(row["vcov"], rel=1e-5, abs=1e-9 * largest)
        column = "correlation" if terms[1] else "std_dev"
        assert ours[column] == pytest.approx(row["sdcor"], rel=1e-5, abs=1e-4 * largest**0.5)


def _level(name: str) -> str:
    return f"Machine[{name[-1]}]" if name.startswith("Machine") else name


@pytest.mark.parametrize("name", names())
def test_r_squared_equals_nakagawas(name: str) -> None:
    r, ours = case(name)["r2_nakagawa"], fitted(name).r_squared()
    assert ours.marginal == pytest.approx(r["marginal"], abs=1e-6)
    assert ours.conditional == pytest.approx(r["conditional"], abs=1e-6)
    total = r["var_fixed"] + r["var_random"] + r["var_resid"]
    for mine, theirs in (("fixed", "fixed"), ("random", "random"), ("residual", "resid")):
        assert getattr(ours, mine) == pytest.approx(r[f"var_{theirs}"], rel=1e-5, abs=1e-9 * total)


def test_r_squared_with_weights_takes_the_mean_residual_variance() -> None:
    table = random_data(3)
    fit = MixedModel("y ~ x + (1 | g)").fit(table, weights="w")
    made = fit.r_squared()
    assert made.residual == pytest.approx(np.mean(fit.sigma**2 / table["w"]), rel=1e-12)
    assert made.residual != pytest.approx(fit.sigma**2, rel=0.01)  # which MuMIn takes


@pytest.mark.parametrize("name", list(more("profile_intervals")))
def test_profile_intervals_equal_lme4s(name: str) -> None:
    r = more("profile_intervals")[name]
    limits = {row: (r["low"][i], r["high"][i]) for i, row in enumerate(r["row"])}
    table = fitted(name).variance_table(interval="profile")
    assert (table["note"] == "").all()
    for row in table.itertuples():
        low, high = limits[_their_name(row)]
        # lme4 interpolates its profile by splines; where it is steep that costs four digits.
        size = 1.0 if row.other_term else row.std_dev
        assert row.conf_low / size == pytest.approx(low / size, abs=2e-4)
        assert row.conf_high / size == pytest.approx(high / size, abs=2e-4)


def _their_name(row: object) -> str:
    if row.group == "Residual":
        return "sigma"
    first = "(Intercept)" if row.term == "Intercept" else row.term
    if row.other_term:
        return f"cor_{row.other_term}.{first}|{row.group}"
    return f"sd_{first}|{row.group}"


def test_delta_intervals_equal_the_numerical_hessian_of_lme4s_deviance() -> None:
    r = more("wald_intervals")["sleep_rs"]
    table = fitted("sleep_rs", "ml").variance_table(interval="delta")
    np.testing.assert_allclose(table["conf_low"], r["low"], rtol=2e-4)
    np.testing.assert_allclose(table["conf_high"], r["high"], rtol=2e-4)


def test_profile_ends_are_where_the_likelihood_ratio_says() -> None:
    """The lowest deviance with the batch deviation held at an end is 3.84 above the minimum."""
    fit = fitted("dyestuff_ri", "ml")
    deviance = Deviance.of(fit)
    batch = fit.variance_table(interval="profile", level=0.9).iloc[0]
    allowed = stats.chi2.ppf(0.9, 1)
    for end in (batch["conf_low"], batch["conf_high"]):
        grid = np.linspace(*np.log(np.array([35.0, 80.0]) / deviance.unit), 20_001)
        theta = end / (deviance.unit * np.exp(grid))
        whitener = deviance.engine.whiteners[0][0, 0]
        lowest = min(
            deviance.at(np.array([t * whitener, s]))[0]
            for t, s in zip(theta[::20], grid[::20], strict=True)
        )
        assert lowest - deviance.lowest == pytest.approx(allowed, abs=1e-3)


def test_deviance_gradient_equals_differences() -> None:
    for name, weights in (("sleep_rs", None), ("orthodont_rs", "Sex")):
        fit = MixedModel(case(name)["formula"]).fit(data(name), method="ml", weights=weights)
        deviance = Deviance.of(fit)
        place = deviance.best + 0.1
        numeric = gradient(lambda z, d=deviance: d.at(z)[0], place)
        np.testing.assert_allclose(deviance.at(place)[1], numeric, rtol=1e-6, atol=1e-5)
        np.testing.assert_allclose(deviance.at(deviance.best)[1], 0, atol=1e-4)


def test_components_by_parameters_equal_those_of_the_fit() -> None:
    fit = MixedModel(case("orthodont_rs")["formula"]).fit(data("orthodont_rs"), weights="Sex")
    engine, moments = fit.engine(), fit.moments
    best = np.append(moments.theta, 0.5 * np.log(moments.variance))
    for component in components(fit):
        at = component.at(engine, best, moments.scale)
        assert at == pytest.approx(component.value(fit), rel=1e-9)


def test_a_zero_variance_has_an_upper_end_and_no_delta_interval() -> None:
    fit = fitted("dyestuff2_singular")
    table = fit.variance_table(interval="profile")
    # R 4.2.2, lme4 1.1-31: confint(lmer(Yield ~ 1 + (1 | Batch), Dyestuff2, REML = FALSE)).
    assert table["conf_low"].tolist() == [0.0, pytest.approx(2.892831, rel=1e-4)]
    np.testing.assert_allclose(table["conf_high"], [2.084043, 4.815833], rtol=1e-4)
    delta = fit.variance_table(interval="delta")
    assert np.isnan(delta["conf_low"].iloc[0])
    assert "singular" in delta["note"].iloc[0]
    assert delta["conf_low"].iloc[1] < fit.sigma < delta["conf_high"].iloc[1]


def test_unequal_residual_variances_have_a_row_each() -> None:
    fit = MixedModel(case("orthodont_ri")["formula"]).fit(data("orthodont_ri"), weights="Sex")
    table = fit.variance_table(interval="profile")
    rows = table[table["group"] == "Residual"]
    assert rows["term"].tolist() == ["Female", "Male"]
    # nlme: sigma 0.78130070, Male 2.1372347 times as large.
    np.testing.assert_allclose(rows["std_dev"], [0.78130070, 0.78130070 * 2.1372347], rtol=1e-6)
    assert (rows["conf_low"] < rows["std_dev"]).all()
    assert (rows["std_dev"] < rows["conf_high"]).all()


def test_shares_add_up_and_are_the_correlation_of_two_rows() -> None:
    table = fitted("pastes_nested").icc().set_index("group")["icc"]
    assert table.sum() == pytest.approx(1.0)
    variance = fitted("pastes_nested").variances.set_index("group")["variance"]
    share = variance["batch"] / variance.sum()
    assert table["batch"] == pytest.approx(share)


def test_unknown_interval_is_refused() -> None:
    with pytest.raises(UsageError, match='must be "delta", "profile" or None'):
        fitted("rail_ri").variance_table(interval="wald")
