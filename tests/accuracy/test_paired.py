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
    PairedCounts,
    clustered_pair_test,
    mcnemar_test,
    paired_difference_interval,
    paired_ratio_interval,
    square_table_tests,
)
from qsmstats.accuracy.predictive import compare_likelihood_ratios, compare_predictive_values
from qsmstats.errors import NotIdentifiedError, UsageError


def pair(a, b, c, d):
    return PairedCounts(both=a, only_first=b, only_second=c, neither=d)


counts = st.tuples(*[st.integers(0, 25)] * 4).filter(lambda cells: sum(cells) > 1)


@settings(deadline=None)
@given(counts)
def test_exact_and_mid_p_from_whole_numbers(cells):
    found = pair(*cells)
    b, c = cells[1:3]
    if b + c == 0:
        assert mcnemar_test(found, method="exact")[1] == 1.0
        return
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1))
    point = math.comb(b + c, min(b, c))
    exact = min(1, Fraction(2 * tail, 2 ** (b + c)))
    mid = Fraction(2 * tail - point, 2 ** (b + c))
    assert mcnemar_test(found, method="exact")[1] == pytest.approx(float(exact))
    assert mcnemar_test(found)[1] == pytest.approx(float(mid))


@pytest.mark.parametrize("method", ["tango", "score_skewness", "mover"])
@settings(deadline=None)
@given(cells=counts)
def test_difference_interval_is_bounded_and_antisymmetric(method, cells):
    a, b, c, d = cells
    low, high = paired_difference_interval(pair(a, b, c, d), method=method)
    assert -1.0 <= low <= (b - c) / sum(cells) <= high <= 1.0
    assert low < high
    swapped = paired_difference_interval(pair(a, c, b, d), method=method)
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

    low, high = paired_difference_interval(pair(*cells))
    assert score(low) == pytest.approx(1.959963984540054, abs=1e-3)
    assert score(high) == pytest.approx(-1.959963984540054, abs=1e-3)


def test_tango_without_discordance():
    # With b = c = 0 the equation is n t^2 = z^2 (t (1 - t) + ...): +- z^2/(n + z^2), Tango 1998.
    z2 = 1.959963984540054**2
    found = paired_difference_interval(pair(20, 0, 0, 10))
    assert found == pytest.approx((-z2 / (30 + z2), z2 / (30 + z2)), abs=1e-9)


def test_ratio_with_an_empty_margin():
    assert all(math.isnan(v) for v in paired_ratio_interval(pair(0, 0, 3, 4))[:2])


def test_square_table_leaves_out_unused_categories():
    table = np.array([[20, 5, 0], [9, 30, 0], [0, 0, 0]])
    found = square_table_tests(table).set_index("test")
    chi2 = (5 - 9) ** 2 / 14
    assert found.loc["stuart_maxwell", ["statistic", "df"]].tolist() == pytest.approx([chi2, 1])
    assert found.loc["bowker", ["statistic", "df"]].tolist() == pytest.approx([chi2, 1])
    assert (found["p_value"] < 1).all()


def test_square_table_without_discordance():
    found = square_table_tests(np.diag([3, 4, 5])).set_index("test")
    assert (found["p_value"] == 1.0).all()
    assert (found["df"] == 0).all()
    single = square_table_tests([[5, 0], [0, 0]]).set_index("test")
    assert "fewer than two" in single.loc["bhapkar", "note"]
    partial = square_table_tests([[5, 3, 0], [0, 4, 0], [0, 0, 6]]).set_index("test")
    assert partial.loc["stuart_maxwell", "note"].startswith("too few")


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 6)), min_size=2, max_size=8
    )
)
def test_clustered_pairs_by_hand(rows):
    b, c = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
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


@pytest.mark.parametrize("n", [1, 2, 7])
def test_corrected_mcnemar_without_a_difference_is_one(n):
    # R's mcnemar.test gives 1; (|b - c| - 1)^2 gave 0.752 at b = c = 5.
    assert mcnemar_test(pair(4, n, n, 3), method="corrected") == (0.0, 1.0)


@pytest.mark.parametrize("cells", [(20, 5, 14, 8), (3, 1, 0, 2), (9, 6, 5, 0)])
def test_mcnemar_is_that_of_statsmodels(cells):
    a, b, c, d = cells
    for method, options in (
        ("exact", {"exact": True}),
        ("asymptotic", {"exact": False, "correction": False}),
        ("corrected", {"exact": False, "correction": True}),
    ):
        expected = mcnemar([[a, b], [c, d]], **options)
        found = mcnemar_test(pair(*cells), method=method)
        assert found == pytest.approx((expected.statistic, expected.pvalue))


def test_unit_clusters_give_mcnemar():
    # One lesion per cluster: sum (b_k - c_k)^2 = b + c, Durkalski is McNemar's chi-square.
    b, c = np.repeat([1, 0, 0], [9, 4, 20]), np.repeat([0, 1, 0], [9, 4, 20])
    expected = mcnemar_test(pair(10, 9, 4, 10), method="asymptotic")
    found = clustered_pair_test(b, c, np.ones(33), method="durkalski")
    assert found == pytest.approx(expected)


class TestPredictiveValues:
    DISEASED = np.array([[319, 78], [22, 32]])
    HEALTHY = np.array([[31, 53], [22, 155]])

    def test_ratio_errors_against_the_delta_method_over_eight_cells(self):
        cells = np.concatenate([self.DISEASED.ravel(), self.HEALTHY.ravel()]).astype(float)

        def log_ratio(x, k):
            d, h = x[:4].reshape(2, 2), x[4:].reshape(2, 2)
            if k == "ppv":
                return math.log(d[:, 0].sum() / (d[:, 0].sum() + h[:, 0].sum())) - math.log(
                    d[0].sum() / (d[0].sum() + h[0].sum())
                )
            return math.log(d[0].sum() / d.sum() / (h[0].sum() / h.sum())) - math.log(
                d[:, 0].sum() / d.sum() / (h[:, 0].sum() / h.sum())
            )

        predictive = compare_predictive_values(self.DISEASED, self.HEALTHY)
        likelihood = compare_likelihood_ratios(self.DISEASED, self.HEALTHY)
        for k, frame, method in (
            ("ppv", predictive, "moskowitz_pepe"),
            ("lr_positive", likelihood, "gu_pepe"),
        ):
            gradient = [
                (log_ratio(cells + step, k) - log_ratio(cells - step, k)) / 2e-4
                for step in 1e-4 * np.eye(8)
            ]
            error = math.sqrt(np.sum(cells * np.square(gradient)))
            row = frame[(frame["measure"] == k) & (frame["method"] == method)].iloc[0]
            assert row["statistic"] == pytest.approx(log_ratio(cells, k) / error, rel=1e-6)

    def test_tests_that_never_disagree_have_no_interval_of_zero_width(self):
        diseased, healthy = np.diag([30, 10]), np.diag([6, 40])
        for compare in (compare_predictive_values, compare_likelihood_ratios):
            found = compare(diseased, healthy)
            ratios = found[found["contrast"] == "ratio"]
            assert len(ratios) == 2
            assert (ratios["estimate"] == 1.0).all()
            assert ratios[["conf_low", "conf_high", "p_value"]].isna().all(axis=None)

    def test_p_values_agree_with_the_intervals_beside_them(self):
        random = np.random.default_rng(8)
        significant = []
        for _ in range(100):
            tables = random.integers(1, 20, size=(2, 2, 2))
            for compare in (compare_predictive_values, compare_likelihood_ratios):
                rows = compare(*tables).dropna(subset=["conf_low"])
                excluded = (rows["conf_low"] > 1) | (rows["conf_high"] < 1)
                assert (excluded == (rows["p_value"] < 0.05)).all()
                significant += excluded.tolist()
        assert len(significant) == 400
        assert 20 < sum(significant) < 380

    def test_equal_tests_do_not_differ(self):
        found = compare_predictive_values([[30, 5], [5, 10]], [[4, 6], [6, 40]])
        assert found["estimate"].isin([0.0, 1.0]).all()
        assert np.allclose(found["p_value"].dropna(), 1.0)

    def test_bad_tables(self):
        with pytest.raises(UsageError, match="shape"):
            compare_predictive_values([1, 2], self.HEALTHY)
        with pytest.raises(UsageError, match="no result of that sign"):
            compare_predictive_values([[0, 0], [3, 4]], [[0, 0], [3, 4]])
        with pytest.raises(UsageError, match="its logarithm none"):
            compare_likelihood_ratios([[3, 1], [1, 4]], [[0, 0], [0, 4]])


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
        expected = pair(
            np.sum(right[0] & right[1]),
            np.sum(right[0] & ~right[1]),
            np.sum(~right[0] & right[1]),
            np.sum(~right[0] & ~right[1]),
        )
        rows = frame[(frame["class_"] == "x") & (frame["measure"] == "sensitivity")]
        row = rows.set_index("method").loc["mcnemar_mid_p"]
        assert row["p_value"] == pytest.approx(mcnemar_test(expected)[1])
        score = rows.set_index("method").loc["tango_score", ["statistic", "p_value"]]
        assert score.tolist() == pytest.approx(mcnemar_test(expected, method="asymptotic"))
        assert row["n"] == expected.n
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
        with pytest.raises(UsageError, match="two readings"):
            self.compare(self.table(), second="new")


@pytest.mark.parametrize(
    "call",
    [
        lambda: pair(-1, 0, 0, 2),
        lambda: pair(0, 0, 0, 0),
        lambda: mcnemar_test(pair(1, 2, 3, 4), method="yates"),
        lambda: paired_difference_interval(pair(1, 2, 3, 4), method="wald"),
        lambda: paired_difference_interval(pair(1, 0, 0, 0), method="score_skewness"),
        lambda: square_table_tests([[1, 2, 3], [4, 5, 6]]),
        lambda: clustered_pair_test([1, 2], [1], [3, 4]),
        lambda: clustered_pair_test([1, 2], [3, 1], [3, 4]),
        lambda: clustered_pair_test([1, 2], [0, 1], [3, 4], method="yang"),
    ],
)
def test_bad_input(call):
    with pytest.raises(UsageError):
        call()


def test_one_cluster_of_pairs():
    with pytest.raises(NotIdentifiedError, match="one cluster only"):
        clustered_pair_test([1], [2], [5])
