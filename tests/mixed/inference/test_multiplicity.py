"""Adjusted p-values and simultaneous intervals against tables and R's p.adjust and ptukey."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from qsmstats.errors import UsageError
from qsmstats.mixed.inference.alternative import Alternative
from qsmstats.mixed.inference.multiplicity import (
    adjust_family,
    adjust_p_values,
    check_adjustment,
)


def half_widths(df, *, level, method, **family):
    """Half widths of the adjusted intervals, in standard errors."""
    df = np.asarray(df, float)
    zeros, ones = np.zeros(df.shape), np.ones(df.shape)
    table = adjust_family(zeros, ones, df, method=method, level=level, **family)
    return table["conf_high_adjusted"].to_numpy()


METHODS = ("mvt", "tukey", "holm", "bonferroni", "fdr_bh", "none")


@pytest.mark.parametrize(
    ("level", "k", "df", "published"),
    [
        (0.95, 3, 10, 3.877),
        (0.95, 4, 20, 3.958),
        (0.95, 5, 60, 3.977),
        (0.99, 3, 10, 5.270),
        (0.99, 6, 30, 5.242),
        (0.95, 3, np.inf, 3.314),
    ],
)
def test_tukey_interval_reproduces_the_printed_studentized_range_table(
    level: float, k: int, df: float, published: float
) -> None:
    """Table of Harter (1960), Ann Math Stat 31:1122-1147, printed to three decimals."""
    half_width = half_widths(np.full(k * (k - 1) // 2, df), level=level, method="tukey", n_means=k)
    assert half_width * np.sqrt(2) == pytest.approx(published, abs=6e-4)


def test_tukey_p_values_equal_rs_ptukey_with_one_df_per_row() -> None:
    """R 4.2.2: ptukey(sqrt(2) * t, k, df, lower.tail = FALSE); R's integral is good to 1e-8."""
    t = np.full(4, 3.7)
    df = np.array([10.3, 52.2, 1743.3, np.inf])
    in_r = {
        3: [0.00996896695494, 0.00148490200683, 0.00065047031717, 0.00063130346700],
        5: [0.02547664391635, 0.00453787755741, 0.00207065977857, 0.00201195664798],
    }
    for k, expected in in_r.items():
        got = adjust_p_values(t, df, method="tukey", n_means=k)
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_step_methods_equal_rs_p_adjust() -> None:
    """R 4.2.2: p <- c(.01, .02, .03, .04, .05); p.adjust(p, "holm"), "BH", "bonferroni"."""
    p = np.array([0.01, 0.02, 0.03, 0.04, 0.05])
    z = stats.norm.isf(p / 2)
    expected = {
        "holm": [0.05, 0.08, 0.09, 0.09, 0.09],
        "fdr_bh": [0.05] * 5,
        "bonferroni": [0.05, 0.10, 0.15, 0.20, 0.25],
        "none": p,
    }
    for method, values in expected.items():
        got = adjust_p_values(z, np.inf, method=check_adjustment(method))
        np.testing.assert_allclose(got, values, rtol=1e-12)


@given(p=st.lists(st.floats(1e-12, 1), min_size=1, max_size=15))
@settings(max_examples=5, deadline=None)
def test_step_methods_equal_statsmodels(p: list[float]) -> None:
    z = stats.norm.isf(np.array(p) / 2)
    for method in ("holm", "fdr_bh", "bonferroni", "sidak"):
        with np.errstate(divide="ignore"):  # statsmodels' Sidak at p = 1
            expected = multipletests(2 * stats.norm.sf(np.abs(z)), method=method)[1]
        got = adjust_p_values(z, np.inf, method=check_adjustment(method))
        np.testing.assert_allclose(got, expected, rtol=1e-10)


@settings(max_examples=40, deadline=None)
@given(
    t=st.lists(st.floats(-50, 50), min_size=2, max_size=6),
    df=st.floats(1.5, 1e4),
    method=st.sampled_from(METHODS),
)
def test_adjusting_never_helps_and_never_exceeds_bonferroni(
    t: list[float], df: float, method: str
) -> None:
    p = adjust_p_values(t, df, method="none")
    adjusted = adjust_p_values(
        t, df, method=check_adjustment(method), n_means=len(t), correlation=np.eye(len(t))
    )
    assert np.all(adjusted >= p * (1 - 1e-12))
    limit = max(1, len(t) * (len(t) - 1) / 2) if method == "tukey" else len(t)
    assert np.all(adjusted <= np.minimum(1.0, limit * p) * (1 + 1e-9))


@pytest.mark.parametrize("method", ["mvt", "tukey", "sidak", "bonferroni", "none"])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.9999])
def test_interval_and_p_value_agree(method: str, level: float) -> None:
    """A statistic that stands on the interval's edge has adjusted p = 1 - level."""
    df = np.array([1.0, 3.2, 11.0, 80.0, 3000.0, np.inf])
    family = {
        "method": check_adjustment(method),
        "n_means": 4,
        "correlation": np.full((6, 6), 0.3) + 0.7 * np.eye(6),
    }
    edge = half_widths(df, level=level, **family)
    np.testing.assert_allclose(adjust_p_values(edge, df, **family), 1 - level, rtol=1e-7)
    assert np.all(np.diff(edge) < 0)
    beside = edge * np.tile([1 - 1e-6, 1 + 1e-6], 3)
    made = adjust_family(beside, np.ones(6), df, level=level, **family)
    assert (made["conf_low_adjusted"] > 0).tolist() == [False, True] * 3
    assert (made["p_adjusted"] < 1 - level).tolist() == [False, True] * 3


def test_holms_p_value_and_its_bonferroni_interval_can_contradict_and_mvt_cannot() -> None:
    """Holm tests 2.2 at level .05 once 5 is rejected; Bonferroni's limit for two is 2.24."""
    t, rows = np.array([5.0, 2.2]), {"std_error": np.ones(2), "df": np.inf}
    holm = adjust_family(t, method="holm", **rows)
    assert holm["p_adjusted"][1] < 0.05
    assert holm["conf_low_adjusted"][1] < 0
    mvt = adjust_family(t, method="mvt", correlation=np.eye(2), **rows)
    # Independent z: Sidak's value, 1 - (1 - p)^2.
    sidak = 1 - (1 - 2 * stats.norm.sf(t)) ** 2
    np.testing.assert_allclose(mvt["p_adjusted"], sidak, atol=1e-5)
    assert mvt["p_adjusted"][1] > 0.05
    assert mvt["conf_low_adjusted"][1] < 0


def test_tukey_holds_its_level_for_independent_means() -> None:
    """Under no difference, one family in twenty has any adjusted p below .05."""
    rng = np.random.default_rng(5)
    means = rng.standard_normal((400, 4))
    pairs = np.array(list(combinations(range(4), 2)))
    t = (means[:, pairs[:, 0]] - means[:, pairs[:, 1]]) / np.sqrt(2)
    cut = half_widths(np.full(6, np.inf), level=0.95, method="tukey", n_means=4)
    # 400 families: the share of errors has a standard error of 1.1 %.
    assert np.mean((np.abs(t) > cut).any(axis=1)) == pytest.approx(0.05, abs=0.033)


@pytest.mark.parametrize("method", [one for one in METHODS if one != "tukey"])
def test_a_comparison_that_cannot_be_estimated_stays_nan_and_does_not_count(method: str) -> None:
    """In every method; Tukey's is told the number of means (see test_marginal)."""
    t, se = np.array([2.5, np.nan, -1.5]), np.array([1.0, np.nan, 1.0])
    known = check_adjustment(method)
    gap = adjust_family(t, se, 20.0, method=known, correlation=np.eye(3))
    alone = adjust_family(t[[0, 2]], se[[0, 2]], 20.0, method=known, correlation=np.eye(2))
    assert gap.iloc[1].isna().all()
    np.testing.assert_array_equal(gap.iloc[[0, 2]], alone)
    single = adjust_family(t[:2], se[:2], 20.0, method=known)
    assert single["p_adjusted"][0] == pytest.approx(2 * stats.t.sf(2.5, 20))


def test_nothing_known_is_nothing_adjusted() -> None:
    assert np.isnan(adjust_p_values([np.nan], [5.0], method="holm")).all()
    widths = half_widths(np.array([20.0, np.nan, 20.0]), level=0.95, method="holm")
    np.testing.assert_allclose(widths, [stats.t.isf(0.0125, 20), np.nan, stats.t.isf(0.0125, 20)])


def test_a_single_comparison_is_not_adjusted() -> None:
    for method in METHODS:
        known = check_adjustment(method)
        assert adjust_p_values([2.0], 9.0, method=known) == pytest.approx(2 * stats.t.sf(2.0, 9.0))
        width = half_widths(np.array([9.0]), level=0.95, method=known)
        assert width == pytest.approx(stats.t.isf(0.025, 9.0))


def test_false_discovery_rate_gives_no_simultaneous_interval() -> None:
    assert np.isnan(half_widths(np.array([9.0, 9.0]), level=0.95, method="fdr_bh")).all()


def test_unknown_and_unfit_adjustments_are_refused() -> None:
    with pytest.raises(UsageError, match=r"adjust must be \"mvt\", \"tukey\",.* not 'scheffe'"):
        check_adjustment("scheffe")
    with pytest.raises(UsageError, match="pairwise"):
        adjust_p_values([1.0, 2.0], 5.0, method="tukey")
    with pytest.raises(UsageError, match="correlation"):
        adjust_p_values([1.0, 2.0], 5.0, method="mvt")
    equivalence = Alternative(side="equivalence", margin=1.0)
    for method in ("mvt", "dunnett", "tukey"):
        with pytest.raises(UsageError, match=f"'{method}' does not exist for side='equivalence'"):
            adjust_family(
                np.zeros(2), np.ones(2), 5.0, method=method, n_means=2, alternative=equivalence
            )
