"""Log densities against scipy's distributions, and their derivatives against differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qsmstats.generalized.family import LINKS, Outcome, inverse_link, link_function

ETA = np.linspace(-6.0, 4.0, 21)
KAPPA = 0.4
PAIRS = [(family, link) for family, links in LINKS.items() for link in links]


def outcome(family, link, y=2.0, trials=5.0, prior=1.0):
    n = len(ETA)
    return Outcome(
        family=family,
        link=link,
        y=np.full(n, y),
        trials=np.full(n, trials),
        prior=np.full(n, prior),
    )


@pytest.mark.parametrize(("family", "link"), PAIRS)
@pytest.mark.parametrize("y", [0.0, 2.0, 5.0])
def test_log_densities(family, link, y):
    rows = outcome(family, link, y)
    mean = inverse_link(link)[0](ETA)
    k = np.exp(KAPPA)
    expected = {
        "binomial": lambda: stats.binom.logpmf(y, 5, mean),
        "poisson": lambda: stats.poisson.logpmf(y, mean),
        "negative_binomial": lambda: stats.nbinom.logpmf(y, k, k / (k + mean)),
    }[family]()
    made = rows.value(ETA, KAPPA) + rows.constant / len(ETA)
    # Beyond it scipy's densities lose the digits of 1 - p that cloglog has.
    near = ETA < 2.0
    assert made[near] == pytest.approx(expected[near], rel=1e-9, abs=1e-12)
    assert rows.at(ETA, KAPPA).value == pytest.approx(rows.value(ETA, KAPPA), rel=1e-13, abs=1e-13)


@pytest.mark.parametrize(("family", "link"), PAIRS)
@pytest.mark.parametrize("y", [0.0, 2.0, 5.0])
def test_derivatives(family, link, y):
    rows, step = outcome(family, link, y, prior=1.5), 1e-5

    def slope(name, value=lambda eta, kappa: rows.at(eta, kappa, third=True)):
        up, down = (getattr(value(ETA + sign * step, KAPPA), name) for sign in (1, -1))
        return (up - down) / (2.0 * step)

    made = rows.at(ETA, KAPPA, third=True)
    # Central differences are good to about 1e-10 of the values, which reach 1e3 here.
    assert made.first == pytest.approx(slope("value"), abs=1e-6)
    assert -made.curve == pytest.approx(slope("first"), abs=1e-6)
    assert made.third == pytest.approx(slope("curve"), abs=1e-6)
    if rows.has_shape:
        up, down = (rows.at(ETA, KAPPA + sign * step) for sign in (1, -1))
        shape = rows.shape_slopes(ETA, KAPPA)
        for name in ("value", "first", "curve"):
            difference = (getattr(up, name) - getattr(down, name)) / (2.0 * step)
            assert getattr(shape, name) == pytest.approx(difference, abs=1e-6)
        ends = [rows.shape_slopes(ETA, KAPPA + sign * step).value for sign in (1, -1)]
        assert shape.third == pytest.approx((ends[0] - ends[1]) / (2.0 * step), abs=1e-6)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_far_predictors_stay_finite(family, link):
    rows = outcome(family, link)
    made = rows.at(np.where(ETA > 0, 30.0, -30.0) if link != "logit" else 1e3 * ETA, KAPPA)
    for part in (made.value, made.first, made.curve):
        assert np.isfinite(part).all()
    assert (made.curve >= 0.0).all()


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "log"])
def test_links_and_their_inverses(link):
    mean, slope = inverse_link(link)
    eta = np.linspace(-3.0, 2.0, 11)
    assert link_function(link)(mean(eta)) == pytest.approx(eta, abs=1e-10)
    difference = (mean(eta + 1e-6) - mean(eta - 1e-6)) / 2e-6
    assert slope(eta) == pytest.approx(difference, rel=1e-7)


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_draws_have_the_mean_and_variance_of_the_family(family, link):
    n = 40_000
    rows = Outcome(
        family=family, link=link, y=np.zeros(n), trials=np.full(n, 5.0), prior=np.ones(n)
    )
    eta = np.full(n, -0.3)
    drawn = rows.draw(eta, KAPPA, np.random.default_rng(1))
    mean = rows.mean(eta)
    scale = 5.0 if family == "binomial" else 1.0
    variance = float(rows.variance(mean, KAPPA)[0])
    # Four standard errors of the mean; 5 % of the variance is four of its own, or more.
    assert drawn.mean() == pytest.approx(scale * mean[0], abs=4.0 * np.sqrt(variance / n))
    assert drawn.var() == pytest.approx(variance, rel=0.05)
