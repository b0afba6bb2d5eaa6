"""Clustered proportions: limits of the formulas, what cannot be identified, refusals."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_estimating_equations import GEE

from qsmstats.accuracy.betabinomial import fit_beta_binomial, posterior
from qsmstats.accuracy.clustered import (
    anova_correlation,
    clustered_counts,
    correlation_curve,
    design_effect_of,
    gee_interval,
    gee_std_error,
    leave_one_out,
    rao_scott_interval,
)
from qsmstats.accuracy.intervals import proportion_interval
from qsmstats.accuracy.proportions import cluster_bootstrap, clustered_proportion
from qsmstats.errors import ModelError, NotIdentifiedError, UsageError

RATS = (
    [13, 12, 9, 9, 8, 8, 12, 11, 9, 9, 8, 11, 4, 5, 7, 7],
    [13, 12, 9, 9, 8, 8, 13, 12, 10, 10, 9, 13, 5, 7, 10, 10],
)


@st.composite
def clusters(draw, smallest=2, largest=6):
    n = draw(st.lists(st.integers(1, 9), min_size=smallest, max_size=largest))
    x = [draw(st.integers(0, size)) for size in n]
    return x, n


@settings(deadline=None)
@given(clusters())
def test_ratio_variance_is_the_naive_sum(data):
    x, n = data
    counts = clustered_counts(x, n)
    p = sum(x) / sum(n)
    squares = sum((a - b * p) ** 2 for a, b in zip(x, n, strict=True))
    expected = math.sqrt(len(n) / (len(n) - 1) * squares) / sum(n)
    assert counts.std_error == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(clusters())
def test_analysis_of_variance_from_single_trials(data):
    counts = clustered_counts(*data)
    estimate, note = anova_correlation(counts)
    if note:
        assert "not identifiable" in note
        assert math.isnan(estimate)
        return
    trials = [[1] * x + [0] * (n - x) for x, n in zip(*data, strict=True)]
    everything = np.concatenate(trials)
    between = sum(len(t) * (np.mean(t) - everything.mean()) ** 2 for t in trials)
    between /= len(trials) - 1
    within = sum(np.sum((np.array(t) - np.mean(t)) ** 2) for t in trials)
    within /= everything.size - len(trials)
    sizes = np.array(data[1])
    balanced = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (sizes.size - 1)
    expected = (between - within) / (between + (balanced - 1) * within)
    assert estimate == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(clusters())
def test_rao_scott_wilson_t_is_never_inside_the_independent_interval(data):
    counts = clustered_counts(*data)
    low, high = rao_scott_interval(counts)
    inner_low, inner_high = proportion_interval(sum(data[0]), sum(data[1]))
    assert 0.0 <= low <= inner_low + 1e-12
    assert inner_high - 1e-12 <= high <= 1.0
    assert low < high


def test_all_correct_has_no_zero_width():
    low, high = rao_scott_interval(clustered_counts([5, 5, 4], [5, 5, 4]))
    assert high == 1.0
    assert low < 0.95


def test_many_unit_clusters_give_wilson():
    # With clusters of one trial the design effect is n/(n - 1), and t is near the normal.
    x = [1] * 700 + [0] * 300
    found = rao_scott_interval(clustered_counts(x, [1] * 1000))
    assert found == pytest.approx(proportion_interval(700, 1000), abs=1e-3)


def test_correlation_curve_starts_at_wilson_and_widens():
    counts = clustered_counts([5, 5, 3], [5, 5, 4])
    curve = correlation_curve(counts, correlations=[0.0, 0.05, 0.2, 0.5, 0.9], level=0.95)
    first = tuple(curve.loc[0, ["conf_low", "conf_high"]])
    assert first == pytest.approx(proportion_interval(13, 14))
    assert (np.diff(curve["conf_high"] - curve["conf_low"]) > 0).all()
    whole = correlation_curve(counts, correlations=[1.0], level=0.95).iloc[0]
    met = (25 + 25 + 16) / 14
    assert whole["effective_n"] == pytest.approx(14 / met)
    assert design_effect_of(counts, 0.5) == pytest.approx(1 + (met - 1) / 2)


def test_leave_one_out():
    frame = leave_one_out(clustered_counts([5, 5, 3], [5, 5, 4]), ["a", "b", "c"])
    assert frame["estimate_without"].tolist() == pytest.approx([8 / 9, 8 / 9, 1.0])
    alone = leave_one_out(clustered_counts([3], [4]), ["only"])
    assert alone["estimate_without"].isna().all()


def test_gee_is_that_of_statsmodels():
    x, n = RATS
    frame = pd.DataFrame(
        [(g, int(k < a)) for g, (a, b) in enumerate(zip(x, n, strict=True)) for k in range(b)],
        columns=["litter", "alive"],
    )
    model = GEE(
        frame["alive"],
        np.ones((len(frame), 1)),
        groups=frame["litter"],
        family=Binomial(),
        cov_struct=Independence(),
    ).fit(cov_type="bias_reduced")
    counts = clustered_counts(x, n)
    # statsmodels iterates its scoring to about 1e-8.
    assert gee_std_error(counts) == pytest.approx(model.bse.iloc[0], abs=1e-6)
    half = stats.t.isf(0.025, len(n) - 1) * model.bse.iloc[0]
    limits = special.expit(model.params.iloc[0] + np.array([-half, half]))
    assert gee_interval(counts) == pytest.approx(limits, abs=1e-6)


def beta_binomial(x, n, p, r):
    scale = (1 - r) / r
    return sum(
        stats.betabinom.logpmf(a, b, p * scale, (1 - p) * scale) for a, b in zip(x, n, strict=True)
    )


def test_beta_binomial_maximum_against_scipy():
    x, n = RATS
    found = fit_beta_binomial(clustered_counts(x, n))
    direct = optimize.minimize(
        lambda v: -beta_binomial(x, n, special.expit(v[0]), special.expit(v[1])),
        x0=[2.0, -3.0],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
    )
    assert found.log_likelihood == pytest.approx(-direct.fun, abs=1e-8)
    assert found.proportion == pytest.approx(special.expit(direct.x[0]), abs=1e-5)
    assert found.correlation == pytest.approx(special.expit(direct.x[1]), abs=1e-5)


def test_profile_limit_when_all_succeed():
    # At correlation 1 each cluster is one trial: 2 G log(1/p) is the chi-square quantile.
    found = fit_beta_binomial(clustered_counts([5, 5, 4], [5, 5, 4]))
    assert found.conf_low == pytest.approx(math.exp(-(1.959963984540054**2) / 6), abs=1e-6)
    assert found.conf_high == 1.0
    assert math.isnan(found.correlation)


@pytest.mark.parametrize(("x", "n"), [(13, 14), (14, 14), (0, 5), (9, 30)])
def test_posterior_without_information_on_the_correlation(x, n):
    # One trial per cluster: the correlation drops out, the posterior is Beta(x + 1, n - x + 1).
    median, found = posterior(clustered_counts([1] * x + [0] * (n - x), [1] * n))
    law = stats.beta(x + 1, n - x + 1)
    shortest = optimize.minimize_scalar(
        lambda tail: law.ppf(tail + 0.95) - law.ppf(tail),
        bounds=(0, 0.05),
        method="bounded",
        options={"xatol": 1e-12},
    ).x
    # The grid of 400 cells is good for 1e-4.
    limits = (law.ppf(shortest), law.ppf(shortest + 0.95))
    assert found == pytest.approx(limits, abs=1e-4)
    assert median == pytest.approx(law.median(), abs=1e-4)


@pytest.mark.parametrize(("prior", "top"), [("uniform", 0.9), ("beta_1_4", 1.0)])
def test_posterior_against_adaptive_integration(prior, top):
    x, n = [5, 5, 3], [5, 5, 4]

    def density(r, p):
        weight = 1.0 if prior == "uniform" else 4 * (1 - r) ** 3
        return weight * math.exp(beta_binomial(x, n, p, r))

    def mass(low, high):
        return integrate.dblquad(density, low, high, 1e-6, top - 1e-6, epsabs=1e-10)[0]

    median, limits = posterior(clustered_counts(x, n), prior=prior)
    total = mass(0, 1)
    assert mass(0, median) / total == pytest.approx(0.5, abs=2e-4)
    assert mass(*limits) / total == pytest.approx(0.95, abs=2e-4)


@settings(max_examples=30, deadline=None)
@given(clusters())
def test_posterior_holds_its_median_within_bounds(data):
    median, (low, high) = posterior(clustered_counts(*data))
    assert 0.0 <= low < median < high <= 1.0
    assert (high == 1.0) or sum(data[0]) < sum(data[1])


def test_few_clusters_refuse_resampling_with_the_reason():
    counts = clustered_counts([5, 5, 3], [5, 5, 4])
    for kind in ("percentile", "wild"):
        with pytest.raises(NotIdentifiedError, match="with 3 clusters, fewer than 10"):
            cluster_bootstrap(counts, kind=kind)


@pytest.mark.parametrize("kind", ["percentile", "wild"])
def test_bootstraps_agree_with_the_ratio_variance(kind):
    random = np.random.default_rng(5)
    n = random.integers(5, 15, size=80)
    x = random.binomial(n, random.beta(8, 4, size=80))
    counts = clustered_counts(x, n)
    low, high = cluster_bootstrap(counts, kind=kind, n_resamples=4000, seed=3)
    # 80 clusters: all three are near the normal interval; 4000 resamples leave 5 % noise.
    assert (high - low) / (2 * 1.96 * counts.std_error) == pytest.approx(1.0, abs=0.08)
    assert cluster_bootstrap(counts, kind=kind, seed=3) == cluster_bootstrap(
        counts, kind=kind, seed=3
    )


def test_tidy_frame_of_one_proportion():
    frame = clustered_proportion([5, 5, 4], [5, 5, 4])
    assert frame["correlation_note"].str.contains("all trials agree").all()
    given = frame[frame["conf_low"].notna()]
    assert (given["conf_high"] - given["conf_low"] > 0.1).all()
    assert "refused" in set(frame["role"])
    assert frame.loc[frame["role"] == "refused", "note"].str.contains("refused").all()


@pytest.mark.parametrize(
    ("x", "n"),
    [([3], [2]), ([1, 2], [2]), ([-1], [2]), ([0], [0]), ([math.nan], [2]), ([[1]], [[2]])],
)
def test_bad_counts(x, n):
    with pytest.raises(UsageError):
        clustered_counts(x, n)


def test_what_one_cluster_cannot_tell():
    one = clustered_counts([3], [4])
    for call in (
        lambda: rao_scott_interval(one),
        lambda: gee_interval(one),
    ):
        with pytest.raises(ModelError, match="one cluster only"):
            call()
    assert anova_correlation(one)[1] == "not identifiable: one cluster only"
    unanimous = clustered_counts([2, 3], [2, 3])
    with pytest.raises(NotIdentifiedError, match="all trials agree"):
        gee_interval(unanimous)
    ones = clustered_counts([1, 0, 1], [1, 1, 1])
    assert "no cluster holds more than one trial" in anova_correlation(ones)[1]


def test_clusters_that_agree_exactly():
    even = clustered_counts([2, 4], [4, 8])
    assert even.design_effect == 0.0
    assert math.isinf(even.effective_n)
    low, high = rao_scott_interval(even)
    assert low < 0.5 < high


def test_clusters_without_trials_are_left_out():
    counts = clustered_counts([1, 0, 2], [2, 0, 3])
    assert counts.n_clusters == 2
    assert rao_scott_interval(counts) == rao_scott_interval(clustered_counts([1, 2], [2, 3]))
