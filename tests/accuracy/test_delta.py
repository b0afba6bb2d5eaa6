"""Delta-method and jackknife intervals of statistics of a confusion matrix."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics
from statsmodels.stats.inter_rater import cohens_kappa

from qsmstats.accuracy.delta import delta_interval, delta_std_error, jackknife_interval
from qsmstats.accuracy.measures import kappa, macro_average, multiclass_correlation, multiclass_rows
from qsmstats.accuracy.rows import Settings

SETTINGS = Settings(interval="wilson", level=0.95, prevalences=(), seed=0)

tables = arrays(np.int64, (3, 3), elements=st.integers(0, 4)).filter(lambda t: t.sum() > 0)


@settings(deadline=None)
@given(tables)
def test_all_rows_of_any_table_hold_their_estimate_within_bounds(table):
    rows = list(multiclass_rows(table[None], n_classes=3, clustered=False, settings=SETTINGS))
    assert len(rows) > 1
    for row in rows:
        value = row.value
        if math.isnan(value.conf_low):
            assert value.note
            continue
        bottom = 0.0 if row.measure.startswith(("macro", "accuracy")) else -1.0
        assert bottom - 1e-9 <= value.conf_low <= value.estimate + 1e-9
        assert value.estimate - 1e-9 <= value.conf_high <= 1.0 + 1e-9
        assert value.conf_low < value.conf_high


@settings(deadline=None)
@given(tables)
def test_statistics_are_those_of_scikit_learn(table):
    index, reference = (np.repeat(axis.ravel(), table.ravel()) for axis in np.indices((3, 3)))
    counts = table.astype(float)
    correlation, said, true = multiclass_correlation(counts), table.sum(axis=1), table.sum(axis=0)
    undefined = min(np.count_nonzero(said), np.count_nonzero(true)) < 2
    assert math.isnan(correlation) == undefined
    if not undefined:
        assert correlation == pytest.approx(metrics.matthews_corrcoef(reference, index))
    for measure, function, denominator in (
        ("f1", metrics.f1_score, said + true),
        ("ppv", metrics.precision_score, said),
        ("sensitivity", metrics.recall_score, true),
    ):
        value = macro_average(counts, measure, 3)
        assert math.isnan(value) == (denominator.min() == 0)
        if denominator.min() > 0:
            expected = function(reference, index, average="macro", labels=[0, 1, 2])
            assert value == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["", "linear", "quadratic"])
def test_errors_of_kappas_are_those_of_statsmodels(kind):
    table = np.array([[12.0, 3, 1], [2, 9, 4], [0, 5, 20]])
    statistic = partial(kappa, kind=kind)
    expected = cohens_kappa(table, wt=kind or None)
    assert statistic(table) == pytest.approx(expected.kappa)
    assert delta_std_error(statistic, table) == pytest.approx(expected.std_kappa, rel=1e-7)


def test_error_of_a_proportion():
    table = np.array([[30.0], [10.0]])
    error = delta_std_error(lambda t: t[0, 0] / t.sum(), table)
    assert error == pytest.approx(math.sqrt(0.75 * 0.25 / 40))


def test_estimate_on_its_bound_is_flagged_and_not_of_zero_width():
    estimate, (low, high), note = delta_interval(kappa, np.diag([5.0, 4.0]), low=-1.0)
    assert estimate == high == 1.0
    assert low < 0.9
    assert "on its bound" in note


def test_jackknife_of_a_proportion_is_the_ratio_variance():
    random = np.random.default_rng(3)
    hits = random.binomial(6, random.beta(4, 2, size=12)).astype(float)
    tables = np.stack([hits, 6.0 - hits], axis=1)
    p = hits.sum() / 72
    _, (low, high), _ = jackknife_interval(lambda t: t[0] / t.sum(), tables, low=0.0)
    # Equal clusters: the jackknife is the variance of the mean; back from the logit limits.
    error = np.std(hits / 6, ddof=1) / math.sqrt(12)
    half = (math.log(high / (1 - high)) - math.log(low / (1 - low))) / 2
    assert half * p * (1 - p) == pytest.approx(2.200985160082949 * error)


def test_jackknife_says_what_it_cannot_do():
    same = np.tile(np.diag([3.0, 2.0]), (12, 1, 1))
    assert "no variation" in jackknife_interval(kappa, same, low=-1.0)[2]
    lone = np.array([np.diag([3.0, 0.0]), np.diag([0.0, 2.0])])
    assert "left out" in jackknife_interval(kappa, lone, low=-1.0)[2]
