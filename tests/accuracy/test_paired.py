"""Paired comparisons: by definition, at their edges, and clustered pairs by hand."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from qsmstats.accuracy.comparison import compare_readings
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
        row = rows.set_index("method").loc["mcnemar_mid_p_tango"]
        assert row["p_value"] == pytest.approx(mcnemar_test(expected)[1])
        assert row["n"] == expected.n
        assert (rows["conf_low"].dropna() <= row["estimate"]).all()
        assert (frame["p_adjusted"] >= frame["p_value"]).all()
        assert (frame["p_adjusted"] > frame["p_value"]).any()

    def test_few_clusters_are_said(self):
        frame = self.compare(self.table(brains=3))
        clustered = frame[frame["method"].isin(["obuchowski", "durkalski"])]
        assert clustered["note"].str.contains("3 clusters").all()
        assert set(self.compare(self.table(), cluster=None)["role"]) == {
            "lesions assumed independent"
        }
        one = self.compare(self.table(brains=1))
        assert (one.loc[one["method"] == "obuchowski", "note"] == "one cluster only").all()

    def test_class_without_a_case(self):
        table = self.table()
        frame = self.compare(table[table["reference"] == "x"])
        row = frame[(frame["class_"] == "y") & (frame["measure"] == "sensitivity")].iloc[0]
        assert row["note"] == "no lesion of this reference group"

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
