"""Paired comparisons: by definition, at their edges, and clustered pairs by hand."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from qsmstats.accuracy.comparison import _holm, compare_readings
from qsmstats.accuracy.paired import (
    clustered_pair_test,
    mcnemar_corrected,
    mcnemar_exact,
    mcnemar_mid_p,
    mcnemar_test,
    tango_interval,
)
from qsmstats.errors import UsageError

counts = st.tuples(*[st.integers(0, 25)] * 4).filter(lambda cells: sum(cells) > 1)


@settings(deadline=None)
@given(counts)
def test_mid_p_from_whole_numbers(cells):
    b, c = cells[1:3]
    if b + c == 0:
        assert mcnemar_mid_p(b, c) == (0.0, 1.0)
        return
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1))
    mid = Fraction(2 * tail - math.comb(b + c, min(b, c)), 2 ** (b + c))
    assert mcnemar_mid_p(b, c) == (min(b, c), pytest.approx(float(mid)))


@settings(deadline=None)
@given(cells=counts)
def test_difference_interval_is_bounded_and_antisymmetric(cells):
    _, b, c, _ = cells
    low, high = tango_interval(b, c, sum(cells))
    assert -1.0 <= low <= (b - c) / sum(cells) <= high <= 1.0
    assert low < high
    swapped = tango_interval(c, b, sum(cells))
    assert swapped == pytest.approx((-high, -low), abs=1e-7)


@pytest.mark.parametrize("cells", [(794, 150, 86, 570), (43, 0, 1, 0), (12, 9, 2, 7)])
def test_tango_solves_the_score_equation(cells):
    a, b, c, d = cells
    n = sum(cells)

    def score(t):
        """Score with the constrained maximum found by brute force."""

        def negative(q):
            return -(
                (b * math.log(q + t) if b else 0.0)
                + (c * math.log(q) if c else 0.0)
                + (a + d) * math.log(1 - 2 * q - t)
            )

        bounds = (max(0.0, -t) + 1e-12, (1 - t) / 2 - 1e-12)
        options = {"xatol": 1e-13}
        q = optimize.minimize_scalar(negative, bounds=bounds, method="bounded", options=options).x
        return (b - c - n * t) / math.sqrt(n * (2 * q + t - t * t))

    low, high = tango_interval(b, c, n)
    assert score(low) == pytest.approx(1.959963984540054, abs=1e-3)
    assert score(high) == pytest.approx(-1.959963984540054, abs=1e-3)


def test_tango_without_discordance():
    # With b = c = 0 the equation is n t^2 = z^2 (t (1 - t) + ...): +- z^2/(n + z^2), Tango 1998.
    z2 = 1.959963984540054**2
    found = tango_interval(0, 0, 30)
    assert found == pytest.approx((-z2 / (30 + z2), z2 / (30 + z2)), abs=1e-9)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 6)), min_size=2, max_size=8
    )
)
def test_clustered_pairs_by_hand(rows):
    b, c = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], float)
    n = b + c + np.array([r[2] for r in rows])
    for method, values, scale in (
        ("obuchowski", b - c, (len(rows) - 1) / len(rows)),
        ("durkalski", (b - c) / n, 1.0),
    ):
        statistic, p_value = clustered_pair_test(b, c, n, method=method)
        if not np.any(values):
            assert (statistic, p_value) == (0.0, 1.0)
            continue
        assert statistic == pytest.approx(scale * values.sum() ** 2 / (values**2).sum())
        assert p_value == pytest.approx(stats.chi2.sf(statistic, 1))


@pytest.mark.parametrize(("b", "c"), [(5, 14), (1, 0), (6, 5)])
def test_mcnemar_is_that_of_statsmodels(b, c):
    expected = mcnemar([[0, b], [c, 0]], exact=False, correction=False)
    assert mcnemar_test(b, c) == pytest.approx((expected.statistic, expected.pvalue))
    exact = mcnemar([[0, b], [c, 0]], exact=True)
    assert mcnemar_exact(b, c) == pytest.approx((exact.statistic, exact.pvalue))
    if b != c:  # statsmodels corrects a difference of 0 to one of 1
        corrected = mcnemar([[0, b], [c, 0]], exact=False, correction=True)
        assert mcnemar_corrected(b, c) == pytest.approx((corrected.statistic, corrected.pvalue))


@pytest.mark.parametrize("count", [1, 5, 40])
def test_corrected_mcnemar_without_a_difference_is_one(count):
    assert mcnemar_corrected(count, count) == (0.0, 1.0)


def test_unit_clusters_give_mcnemar():
    # One lesion per cluster: sum (b_k - c_k)^2 = b + c, Durkalski is McNemar's chi-square.
    b, c = np.repeat([1.0, 0, 0], [9, 4, 20]), np.repeat([0.0, 1, 0], [9, 4, 20])
    expected = mcnemar_test(9, 4)
    found = clustered_pair_test(b, c, np.ones(33), method="durkalski")
    assert found == pytest.approx(expected)


class TestCompareReadings:
    def table(self, brains=12, seed=4):
        random = np.random.default_rng(seed)
        truth = random.choice(["x", "y"], size=150)
        frame = pd.DataFrame({"reference": truth, "brain": random.integers(brains, size=150)})
        for name, quality in (("new", 0.95), ("old", 0.7)):
            right = random.random(150) < quality
            frame[name] = np.where(right, truth, np.where(truth == "x", "y", "x"))
        return frame

    def compare(self, table, **options):
        arguments = {
            "first": "new",
            "second": "old",
            "reference_standard": "reference",
            "mapping": {"x": ["x"], "y": ["y"]},
            "cluster": "brain",
        }
        return compare_readings(table, **(arguments | options))

    def test_rows_hold_paired_counts(self):
        table = self.table()
        frame = self.compare(table)
        group = table[table["reference"] == "x"]
        right = [(group[name] == "x").to_numpy() for name in ("new", "old")]
        b, c = np.sum(right[0] & ~right[1]), np.sum(~right[0] & right[1])
        rows = frame[(frame["class_"] == "x") & (frame["measure"] == "sensitivity")]
        row = rows.set_index("method").loc["mcnemar_mid_p"]
        assert row["p_value"] == pytest.approx(mcnemar_mid_p(b, c)[1])
        score = rows.set_index("method").loc["tango_score", ["statistic", "p_value"]]
        assert score.tolist() == pytest.approx(mcnemar_test(b, c))
        assert row["n"] == len(group)
        assert (rows["conf_low"].dropna() <= row["estimate"]).all()
        for _, tests in self.compare(table).groupby("method"):
            assert len(tests) == 4
            expected = multipletests(tests["p_value"], method="holm")[1]
            assert tests["p_adjusted"].tolist() == pytest.approx(expected)

    def test_one_method_for_a_p_value_and_the_interval_beside_it(self):
        """In random tables, p < 1 - level exactly where the interval leaves out 0."""
        random = np.random.default_rng(6)
        outcomes = []
        for _ in range(40):
            brains, gap = int(random.integers(2, 15)), random.uniform(0, 0.5)
            frame = pd.DataFrame({"brain": np.repeat(np.arange(brains), 6), "reference": "x"})
            lean = random.choice([-1, 1]) * random.random(brains)[frame["brain"]]
            for name, quality in (("new", 0.5 + gap * lean), ("old", 0.5)):
                right = random.random(len(frame)) < quality
                frame[name] = np.where(right, "x", "y")
            for level in (0.95, 0.8):
                rows = self.compare(frame, level=level).dropna(subset=["conf_low", "p_value"])
                excluded = (rows["conf_low"] > 0) | (rows["conf_high"] < 0)
                assert (excluded == (rows["p_value"] < 1 - level)).all()
                outcomes += list(zip(rows["method"], excluded, strict=True))
        # Both methods met both answers.
        methods = ("tango_score", "ratio_variance_t")
        assert set(outcomes) == set(itertools.product(methods, (True, False)))

    def test_interval_of_clustered_pairs_is_that_of_a_ratio_estimator(self):
        table = self.table()
        rows = self.compare(table).query("class_ == 'x' and measure == 'sensitivity'")
        row = rows.set_index("method").loc["ratio_variance_t"]
        group = table[table["reference"] == "x"]
        gain = (group["new"] == "x").astype(int) - (group["old"] == "x").astype(int)
        # A sandwich clustered by brain, with its factor G/(G - 1) instead of statsmodels' own.
        fit = OLS(gain, np.ones(len(gain))).fit(
            cov_type="cluster", cov_kwds={"groups": group["brain"], "use_correction": False}
        )
        clusters = group["brain"].nunique()
        error = fit.bse.iloc[0] * math.sqrt(clusters / (clusters - 1))
        statistic = fit.params.iloc[0] / error
        half = stats.t.isf(0.025, clusters - 1) * error
        assert row["statistic"] == pytest.approx(statistic)
        assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(statistic), clusters - 1))
        limits = [row["conf_low"] - row["estimate"], row["conf_high"] - row["estimate"]]
        assert limits == pytest.approx([-half, half])
        assert row["role"] == "recommended"

    def test_clusters_that_agree_exactly_have_no_variance_to_estimate_from(self):
        table = pd.DataFrame({"brain": [1, 1, 2, 2], "reference": "x"})
        table = table.assign(new="x", old=["x", "y"] * 2)
        row = self.compare(table).set_index("method").loc["ratio_variance_t"].iloc[0]
        assert (row["role"], row["note"]) == (
            "refused",
            "no variation between clusters to estimate from",
        )
        assert row[["conf_low", "conf_high", "p_value"]].isna().all()

    def test_few_clusters_are_said(self):
        frame = self.compare(self.table(brains=3))
        clustered = frame[frame["method"].isin(["ratio_variance_t", "obuchowski", "durkalski"])]
        assert len(clustered) == 12
        assert clustered["note"].str.contains("3 clusters").all()
        assert set(self.compare(self.table(), cluster=None)["role"]) == {
            "lesions assumed independent"
        }
        one = self.compare(self.table(brains=1))
        assert one.loc[one["method"] == "obuchowski", "note"].tolist() == ["one cluster only"] * 4

    def test_class_without_a_case(self):
        table = self.table()
        frame = self.compare(table[table["reference"] == "x"])
        row = frame[(frame["class_"] == "y") & (frame["measure"] == "sensitivity")].iloc[0]
        assert row["note"] == "no lesion of this reference group"
        assert math.isnan(row["p_adjusted"])
        # A missing p-value does not count among the tests.
        assert _holm(np.array([0.01, np.nan, 0.04])) == pytest.approx(
            [0.02, np.nan, 0.04], nan_ok=True
        )

    def test_same_column_twice(self):
        with pytest.raises(UsageError, match="two different columns"):
            self.compare(self.table(), second="new")
