"""ROC analysis: the naive pairs, a jackknife over clusters, bounds and cut-offs."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qsmstats.accuracy.cutoff import best_cutoff, roc_curve
from qsmstats.accuracy.diagnostic import diagnostic_accuracy
from qsmstats.accuracy.roc import (
    area_under_curve,
    score_interval_of_area,
)
from qsmstats.errors import NotIdentifiedError, UsageError


@st.composite
def scored(draw):
    size = draw(st.integers(4, 25))
    scores = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    truth = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    assume(0 < sum(truth) < size)
    return np.array(scores, dtype=float), np.array(truth)


def pairs_won(scores, truth):
    return [
        [1.0 if a > b else 0.5 if a == b else 0.0 for b in scores[truth == 0]]
        for a in scores[truth == 1]
    ]


@settings(deadline=None)
@given(scored())
def test_area_and_delong_by_listing_all_pairs(data):
    scores, truth = data
    won = np.array(pairs_won(scores, truth))
    found = area_under_curve(scores, truth, cluster=None)
    assert found.estimate == pytest.approx(won.mean())
    assert found.conf_low <= found.estimate <= found.conf_high
    assert found.conf_low < found.conf_high
    if min(won.shape) > 1:
        variance = won.mean(axis=1).var(ddof=1) / won.shape[0]
        variance += won.mean(axis=0).var(ddof=1) / won.shape[1]
        assert found.std_error == pytest.approx(math.sqrt(variance), abs=1e-9)


def obuchowski_by_loops(scores, truth, cluster):
    """Obuchowski 1997, equations 3 to 8, cluster by cluster."""
    won = np.array(pairs_won(scores, truth))
    area, (m, n) = won.mean(), won.shape
    up, down = {}, {}
    for name in set(cluster):
        positives = [i for i, c in enumerate(cluster[truth == 1]) if c == name]
        negatives = [j for j, c in enumerate(cluster[truth == 0]) if c == name]
        up[name] = sum(won[i].mean() - area for i in positives), len(positives)
        down[name] = sum(won[:, j].mean() - area for j in negatives), len(negatives)
    i10 = sum(size > 0 for _, size in up.values())
    i01 = sum(size > 0 for _, size in down.values())
    s10 = i10 / ((i10 - 1) * m) * sum(v**2 for v, _ in up.values())
    s01 = i01 / ((i01 - 1) * n) * sum(v**2 for v, _ in down.values())
    total = len(up)
    s11 = total / (total - 1) * sum(up[k][0] * down[k][0] for k in up)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


def test_clustered_area_by_loops():
    random = np.random.default_rng(8)
    cluster = random.integers(15, size=120)
    truth = random.integers(2, size=120)
    scores = np.round(truth + random.normal(size=15)[cluster] + random.normal(size=120), 1)
    found = area_under_curve(scores, truth, cluster=cluster)
    expected = obuchowski_by_loops(scores, truth, cluster)
    assert found.std_error == pytest.approx(math.sqrt(expected))
    assert found.df == 14
    alone = area_under_curve(scores, truth, cluster=np.arange(120))
    independent = area_under_curve(scores, truth, cluster=None)
    assert alone.std_error == pytest.approx(independent.std_error)


def test_a_reversed_marker_is_said():
    random = np.random.default_rng(14)
    truth = random.integers(2, size=60)
    scores = truth + 0.7 * random.normal(size=60)
    forward = best_cutoff(scores, truth, cluster=None, n_resamples=20)
    assert forward.note == ""
    assert area_under_curve(scores, truth, cluster=None).note == ""
    for cluster in (None, np.arange(60) % 12, np.arange(60) % 3):
        for found in (
            best_cutoff(-scores, truth, cluster=cluster, n_resamples=20),
            area_under_curve(-scores, truth, cluster=cluster),
        ):
            assert "area below 0.5: the direction is opposite" in found.note
            assert "change the sign" in found.note
    # Reversed and perfect, the rule takes the least value, and reads everything as positive.
    perfect = best_cutoff(-truth.astype(float), truth, cluster=None, n_resamples=20)
    assert perfect.threshold == -1.0
    assert "no cut-off is better than chance" in perfect.note
    assert "area below 0.5" in area_under_curve([2, 1], [0, 1], cluster=None).note


def hanley_mcneil(area, m, n):
    """Hanley & McNeil 1982: error of an area when scores are exponentially distributed."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)
    return math.sqrt(spread / (m * n))


def test_perfect_area_has_a_wide_interval():
    found = area_under_curve([1, 2, 3, 4, 5], [0, 0, 1, 1, 1], cluster=None)
    assert found.estimate == found.conf_high == 1.0
    assert found.conf_low < 0.6
    assert "score interval" in found.note
    # The limit solves (1 - A)^2 = z^2 V(A), checked with the Hanley-McNeil formula for m = n.
    low, _ = score_interval_of_area(1.0, 12, 12, critical=1.96)
    assert 1.0 - low == pytest.approx(1.96 * hanley_mcneil(low, 12, 12), rel=1e-6)
    assert score_interval_of_area(0.0, 12, 12, critical=1.96)[1] == pytest.approx(1.0 - low)


def test_few_clusters_are_said_and_single_ones_refused():
    scores, truth = np.arange(12.0), np.array([0, 1] * 6)
    found = area_under_curve(scores, truth, cluster=np.arange(12) % 3)
    assert "3 clusters" in found.note
    with pytest.raises(NotIdentifiedError, match="single cluster"):
        area_under_curve(scores, truth, cluster=truth)


@settings(deadline=None)
@given(scored())
def test_curve_holds_its_area_and_its_best_point(data):
    scores, truth = data
    curve = roc_curve(scores, truth)
    area = np.trapezoid(curve["sensitivity"], 1.0 - curve["specificity"])
    assert area == pytest.approx(area_under_curve(scores, truth, cluster=None).estimate)
    assert (curve[["tp", "fn", "tn", "fp"]].sum(axis=1) == truth.size).all()
    best = best_cutoff(scores, truth, cluster=None, n_resamples=20)
    assert best.youden == pytest.approx(curve["youden"].iloc[1:].max())


def test_optimism_is_what_new_data_take_away():
    random = np.random.default_rng(10)

    def draw(size):
        truth = random.integers(2, size=size)
        return truth * 0.8 + random.normal(size=size), truth

    fresh_scores, fresh = draw(200_000)
    gains, optimisms = [], []
    for _ in range(120):
        scores, truth = draw(60)
        found = best_cutoff(scores, truth, cluster=None, n_resamples=100)
        read = fresh_scores >= found.threshold
        honest = read[fresh == 1].mean() - read[fresh == 0].mean()
        gains.append(found.youden - honest)
        optimisms.append(found.optimism)
    # 120 samples leave an error of 0.01 on a gain of about 0.1.
    assert np.mean(gains) > 0.05
    assert np.mean(optimisms) == pytest.approx(np.mean(gains), abs=0.04)


def test_clusters_are_resampled_from_ten_on():
    random = np.random.default_rng(11)
    truth, scores = random.integers(2, size=80), random.normal(size=80)
    many = best_cutoff(scores, truth, cluster=np.arange(80) % 10)
    few = best_cutoff(scores, truth, cluster=np.arange(80) % 3)
    assert (many.resampled, few.resampled) == ("clusters", "lesions")
    assert many == best_cutoff(scores, truth, cluster=np.arange(80) % 10)
    assert many.threshold_low <= many.threshold <= many.threshold_high


def test_area_stands_in_the_accuracy_frame():
    random = np.random.default_rng(12)
    table = pd.DataFrame({"reference": random.choice(["x", "y"], size=60)})
    table["index"] = table["reference"]
    table["brain"] = np.arange(60) % 4
    table["contrast"] = (table["reference"] == "x") + random.normal(size=60)
    table.loc[3, "contrast"] = np.nan
    table.loc[4, "index"] = None
    arguments = {
        "index_test": "index",
        "reference_standard": "reference",
        "mapping": {"x": ["x"], "y": ["y"]},
        "cluster": "brain",
    }
    frame = diagnostic_accuracy(table, scores={"x": "contrast"}, **arguments)
    rows = frame[frame["measure"] == "auc"].set_index("method")
    keep = table["contrast"].notna()
    expected = area_under_curve(
        table.loc[keep, "contrast"], table.loc[keep, "reference"] == "x", cluster=None
    )
    assert rows.loc["delong_logit", "estimate"] == pytest.approx(expected.estimate)
    assert rows.loc["obuchowski_logit", "role"] == "comparison"
    assert (rows["n"] == 59).all()
    with pytest.raises(UsageError, match="scores"):
        diagnostic_accuracy(table, scores={"z": "contrast"}, **arguments)
    only = table[table["reference"] == "x"]
    one = diagnostic_accuracy(only, scores={"x": "contrast"}, **arguments)
    assert "one reference group" in one[one["measure"] == "auc"]["note"].iloc[0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: area_under_curve([1, 2], [1, 1], cluster=None),
        lambda: area_under_curve([1, 2], [0, 2], cluster=None),
        lambda: area_under_curve([1, math.nan], [0, 1], cluster=None),
        lambda: area_under_curve([1, 2, 3], [0, 1], cluster=None),
        lambda: area_under_curve([1, 2], [0, 1], cluster=None, scale="probit"),
        lambda: area_under_curve([1, 2], [0, 1], cluster=[1]),
        lambda: best_cutoff([1, 2], [0, 1], cluster=[1]),
        lambda: roc_curve([1, 2], [0, 0]),
    ],
)
def test_bad_input(call):
    with pytest.raises(UsageError):
        call()
