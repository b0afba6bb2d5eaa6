"""Counts per cluster, summary and assumed correlations of paired readings; STARD tables."""

import numpy as np
import pandas as pd
import pytest

from qsmstats.accuracy.intervals import proportion_interval
from qsmstats.accuracy.pairing import pair_classes
from qsmstats.accuracy.tabulation import (
    assumed_correlations,
    clustering_summary,
    counts_per_cluster,
    cross_tabulation,
    flow_counts,
)

ROWS = [
    # brain, index, reference
    ("one", "x1", "x"),
    ("one", "y1", "x"),
    ("one", "y1", "y"),
    ("two", "x1", "x"),
    ("two", "x1", "y"),
    ("two", "y1", "y"),
    ("three", "unclear", "y"),
    ("three", None, "x"),
    ("three", "y1", None),
    ("three", "rim", "y"),
    ("three", "y1", "other"),
]


def pairs(cluster="brain"):
    return pair_classes(
        pd.DataFrame(ROWS, columns=["brain", "index", "reference"]),
        index_test="index",
        reference_standard="reference",
        mapping={"x": ["x1"], "y": ["y1"]},
        cluster=cluster,
        unmapped={"rim": "exclude", "other": "negative"},
        indeterminate_levels=["unclear"],
    )


def test_counts_per_cluster():
    frame = counts_per_cluster(pairs()).set_index(["class_", "measure", "cluster"])
    assert tuple(frame.loc[("x", "sensitivity", "one")]) == pytest.approx((1, 2, 0.5, 1.0))
    assert ("x", "sensitivity", "three") not in frame.index
    assert tuple(frame.loc[("y", "specificity", "three")]) == pytest.approx((0, 1, 0.0, 2 / 3))


def test_clustering_summary():
    frame = clustering_summary(pairs()).set_index(["class_", "measure"])
    row = frame.loc[("x", "sensitivity")]
    assert (row["lowest_without"], row["highest_without"]) == pytest.approx((0.5, 1.0))
    assert row["n_clusters"] == 2
    assert row["estimate"] == pytest.approx(2 / 3)


def test_assumed_correlations():
    frame = assumed_correlations(pairs())
    row = frame[(frame["class_"] == "x") & (frame["measure"] == "sensitivity")].iloc[0]
    assert (row["conf_low"], row["conf_high"]) == pytest.approx(proportion_interval(2, 3))


def test_cross_tabulation_counts_every_lesion():
    table = cross_tabulation(pairs())
    assert table.loc["total", "total"] == len(ROWS)
    assert table.loc["missing", "x"] == 1
    assert table.loc["unclear", "y"] == 1
    assert table.loc["y1", "missing"] == 1
    inner = table.drop(index="total", columns="total")
    assert inner.to_numpy().sum() == len(ROWS)


def test_flow_adds_up():
    flow = flow_counts(pairs())
    n = flow[flow["class_"] == ""].set_index("step")["n"]
    lost = ["index_excluded_by_policy", "index_missing", "index_indeterminate"]
    assert n["eligible"] == n[lost].sum() + n["index_read"] == len(ROWS)
    assert (
        n["index_read"]
        == n["reference_excluded_by_policy"] + n["reference_missing"] + n["analysed"]
    )
    for step in ("index_positive", "reference_positive"):
        assert flow.loc[flow["step"] == step, "n"].sum() == n["analysed"]
    assert flow.set_index(["step", "class_"]).loc[("analysed", ""), "n_clusters"] == 3
    assert np.all(flow_counts(pairs(cluster=None))["n_clusters"].isna())


def test_cross_tabulation_keeps_the_order_of_categoricals():
    grades = pd.CategoricalDtype(["low", "medium", "high"], ordered=True)
    table = pd.DataFrame(
        {
            "index": pd.Series(["high", "low", None, "medium", "high"], dtype=grades),
            "reference": pd.Series(["medium", "low", "low", None, "high"], dtype=grades),
        }
    )
    paired = pair_classes(
        table,
        index_test="index",
        reference_standard="reference",
        mapping={name: [name] for name in grades.categories},
        cluster=None,
    )
    crossed = cross_tabulation(paired)
    expected = ["low", "medium", "high", "missing", "total"]
    assert crossed.index.tolist() == crossed.columns.tolist() == expected
    assert crossed.loc["high", ["medium", "high", "total"]].tolist() == [1, 1, 2]
    assert crossed.reset_index().columns[0] == "index_test"
