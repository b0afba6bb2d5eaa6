"""Bootstrap intervals against scipy's and against what they must be by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qsmstats.errors import UsageError
from qsmstats.mixed.resampling.bootstrap_intervals import check_interval, limits, refits_needed


@pytest.fixture(scope="module")
def sample():
    """A skewed sample, the refits of its mean, and its jackknife."""
    rng = np.random.default_rng(5)
    values = rng.exponential(size=40)
    refits = rng.choice(values, size=(4000, 40)).mean(axis=1)
    jackknife = np.array([np.delete(values, one).mean() for one in range(40)])
    return values, refits[:, None], jackknife[:, None]


@pytest.mark.parametrize("kind", ["percentile", "basic", "bca"])
def test_limits_agree_with_scipy(sample, kind):
    values, refits, jackknife = sample
    found, notes = limits(np.array([values.mean()]), refits, kind, level=0.9, jackknife=jackknife)
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=0,
        bootstrap_result=_Result(refits[:, 0]),
        method={"bca": "BCa"}.get(kind, kind),
        confidence_level=0.9,
    ).confidence_interval
    # scipy interpolates quantiles by another rule; of 4000 refits neighbours lie 1e-4 apart.
    np.testing.assert_allclose(found[0], [theirs.low, theirs.high], atol=2e-3)
    assert notes == [""]


class _Result:
    """What scipy needs of an earlier bootstrap to make intervals of its distribution."""

    def __init__(self, distribution: np.ndarray) -> None:
        self.bootstrap_distribution = distribution
        self.standard_error = 0.0


def test_symmetric_refits_without_skewness_give_the_same_interval_in_all_kinds():
    refits = np.linspace(-3, 3, 1999)[:, None]
    jackknife = np.array([[-1.0], [0.0], [1.0]])
    found = [
        limits(np.zeros(1), refits, kind, level=0.95, jackknife=jackknife)[0]
        for kind in ("percentile", "basic", "bca")
    ]
    # Rank (n + 1) * 0.025 = 50 of 1999 equally spaced values.
    np.testing.assert_allclose(found, [[[refits[49, 0], refits[1949, 0]]]] * 3, atol=1e-9)


def test_limits_stay_within_the_range_of_the_parameter():
    refits = np.abs(np.random.default_rng(1).normal(0.1, 1.0, (500, 1)))
    found, _ = limits(
        np.array([0.1]), refits, "basic", level=0.95, ranges=np.array([[0.0, np.inf]])
    )
    assert found[0, 0] == 0.0


def test_undefined_refits_are_counted_and_limits_that_cannot_be_are_missing():
    refits = np.random.default_rng(2).normal(size=(400, 2))
    refits[:100, 0] = np.nan
    found, notes = limits(np.array([0.0, 10.0]), refits, "bca", level=0.9, jackknife=refits[-9:])
    assert notes[0] == "undefined in 100 of 400 refits"
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()
    assert "one side" in notes[1]
    _, few = limits(np.zeros(1), refits[:10, 1:], "percentile", level=0.95)
    assert "most extreme of 10" in few[0]


def test_impossible_intervals_are_refused():
    with pytest.raises(UsageError, match="not 'wald'"):
        check_interval("wald", 0.95, 1000)
    with pytest.raises(UsageError, match="level must lie between"):
        check_interval("basic", 95, 1000)
    with pytest.raises(UsageError, match="at least 200"):
        check_interval("bca", 0.95, 199)
    check_interval("bca", 0.95, refits_needed("bca", 0.95))
