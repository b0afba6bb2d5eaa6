"""Ways to ask counts, ratings and readings for what they cannot give."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from qsmstats.accuracy.agreement import agreement
from qsmstats.accuracy.clustered import clustered_counts, gee_interval, rao_scott_interval
from qsmstats.accuracy.comparison import compare_readings
from qsmstats.accuracy.consensus import consensus
from qsmstats.accuracy.continuous import intraclass_correlation
from qsmstats.accuracy.cutoff import best_cutoff
from qsmstats.accuracy.diagnostic import diagnostic_accuracy
from qsmstats.accuracy.feasible import feasible_joint_tables, feasible_tables
from qsmstats.accuracy.intervals import critical_value, proportion_interval
from qsmstats.accuracy.proportions import cluster_bootstrap
from qsmstats.accuracy.roc import area_under_curve
from qsmstats.accuracy.samplesize import accuracy_sample_size
from qsmstats.display import show
from qsmstats.errors import InvalidDataError, NotIdentifiedError, UsageError
from tests.errors.walk import Case

COUNTS = clustered_counts([1, 2, 3], [4, 4, 4])
ONE = clustered_counts([1], [4])
EQUAL = clustered_counts([2] * 12, [4] * 12)
MAPPING = {"x": ["a"], "y": ["b"]}
READINGS = pd.DataFrame(
    {"test": ["a", "b"] * 4, "truth": ["x", "y"] * 4, "brain": list("pqrspqrs"), "n": range(8)}
)
RATINGS = pd.DataFrame(
    {
        "participant_id": ["p"] * 4,
        "session_id": ["s"] * 4,
        "lesion_id": ["1", "1", "2", "2"],
        "rater_id": ["r", "q"] * 2,
        "lesion_type": ["a", "a", "a", "b"],
    }
)
MEASURED = pd.DataFrame({"lesion": [1, 1, 2, 2], "rater": ["r", "q"] * 2, "mm": [1.0, 2, 3, 4]})


def diagnosed(readings: pd.DataFrame = READINGS, **options: Any):
    return partial(
        diagnostic_accuracy,
        readings,
        **{
            "index_test": "test",
            "reference_standard": "truth",
            "mapping": MAPPING,
            "cluster": None,
            **options,
        },
    )


def many_sets_of_tables():
    # The real limit takes a gigabyte and a minute to reach.
    published = {name: {"sensitivity": "50", "specificity": "50"} for name in "xy"}
    with patch("qsmstats.accuracy.feasible._MOST_TABLES", 20):
        return feasible_joint_tables(published, 12, search_to=12)


def icc(data: pd.DataFrame = MEASURED, **options: Any):
    named = {"target": ["lesion"], "rater": "rater", "value": "mm", **options}
    return partial(intraclass_correlation, data, **named)


def compared(**options: Any):
    return partial(
        compare_readings,
        READINGS.assign(other=READINGS["test"]),
        **{
            "first": "test",
            "second": "other",
            "reference_standard": "truth",
            "mapping": MAPPING,
            "cluster": None,
            **options,
        },
    )


WRONG_USE = [
    ("what is no table", partial(show, [1]), "show", "list", "print(...) shows others"),
    ("level of an interval", partial(critical_value, 95), "level", "95", "must be between"),
    ("degrees of freedom", partial(critical_value, 0.9, 0.0), "df", "0.0", "must be positive"),
    (
        "interval of a proportion",
        partial(proportion_interval, 1, 2, method="x"),
        "method",
        "'x'",
        "must be",
    ),
    (
        "more successes than trials",
        partial(proportion_interval, 3, 2),
        "successes",
        "3 successes of 2",
        "must satisfy 0 <= successes <= trials",
    ),
    (
        "counts of two lengths",
        partial(clustered_counts, [1], [2, 3]),
        "successes",
        "(1,)",
        "vectors of one length",
    ),
    (
        "counts out of range",
        partial(clustered_counts, [3], [2]),
        "counts",
        "must satisfy",
        "0 <= successes <= trials",
    ),
    (
        "clusters without trials",
        partial(clustered_counts, [0], [0]),
        "trials",
        "are 0",
        "at least one",
    ),
    (
        "readings in one column",
        compared(second="test"),
        "first and second",
        "'test'",
        "name two different columns",
    ),
    (
        "column of readings",
        diagnosed(index_test="tset"),
        "column",
        "tset",
        "correct the name or add it",
    ),
    (
        "index test and reference in one",
        diagnosed(reference_standard="test"),
        "reference standard",
        "'test'",
        "they must differ",
    ),
    ("empty mapping", diagnosed(mapping={}), "mapping", "is empty", "name the classes"),
    (
        "level mapped twice",
        diagnosed(mapping={"x": ["a"], "y": ["a"]}),
        "index level",
        "'a'",
        "map it to one class",
    ),
    (
        "policy for missing readings",
        diagnosed(missing="drop"),
        "missing",
        "'drop'",
        "must be",
    ),
    ("interval of accuracy", diagnosed(interval="x"), "interval", "'x'", "must be"),
    ("prevalence", diagnosed(prevalences=[20]), "prevalences", "[20]", "must be between 0 and 1"),
    ("scores of no class", diagnosed(scores={"z": "n"}), "scores", "z", "the classes are"),
    (
        "scores of another length",
        partial(area_under_curve, [1.0], [0, 1], cluster=None),
        "scores",
        "(1,)",
        "vectors of one length",
    ),
    (
        "reference of three values",
        partial(area_under_curve, [1.0, 2, 3], [0, 1, 2], cluster=None),
        "reference",
        "must hold 0 and 1",
        "0 and 1 only",
    ),
    (
        "scores that are missing",
        partial(area_under_curve, [1.0, np.nan], [0, 1], cluster=None),
        "scores",
        "1 scores are not finite",
        "leave these lesions out",
    ),
    (
        "reference of one group",
        partial(area_under_curve, [1.0, 2.0], [1, 1], cluster=None),
        "reference",
        "the same for all",
        "both groups are needed",
    ),
    (
        "clusters of another length",
        partial(area_under_curve, [1.0, 2.0], [0, 1], cluster=["a"]),
        "cluster labels",
        "1 cluster",
        "give one label per lesion",
    ),
    (
        "scale of an area",
        partial(area_under_curve, [1.0, 2.0], [0, 1], cluster=None, scale="x"),
        "scale",
        "'x'",
        "must be",
    ),
    (
        "clusters of a cut-off",
        partial(best_cutoff, [1.0, 2.0, 3.0], [0, 1, 1], cluster=["a"]),
        "cluster labels",
        "1 cluster",
        "give one label per lesion",
    ),
    (
        "share of a sample size",
        partial(accuracy_sample_size, 90, 0.05, 0.3),
        "expected",
        "90",
        "must be between 0 and 1",
    ),
    (
        "correlation of a sample size",
        partial(accuracy_sample_size, 0.9, 0.05, 0.3, correlation=2),
        "correlation",
        "2",
        "must be 0 to 1",
    ),
    (
        "measure of a sample size",
        partial(accuracy_sample_size, 0.9, 0.05, 0.3, measure="x"),
        "measure",
        "'x'",
        "must be",
    ),
    (
        "percentage as a number",
        partial(feasible_tables, {"sensitivity": 88.9}, 63),
        "sensitivity",
        "88.9",
        "must be the percentage as printed",
    ),
    (
        "percentage above 100",
        partial(feasible_tables, {"sensitivity": "101"}, 63),
        "sensitivity",
        "'101'",
        "0 to 100",
    ),
    (
        "percentage with too many decimals",
        partial(feasible_tables, {"sensitivity": "1." + "1" * 18}, 63),
        "sensitivity",
        "18 decimals",
        "round it",
    ),
    (
        "measure that is not published",
        partial(feasible_tables, {"sens": "88"}, 63),
        "published",
        "sens",
        "must name some of",
    ),
    (
        "too many sets of tables",
        many_sets_of_tables,
        "total",
        "sets of tables",
        "use percentages with more decimals",
    ),
    (
        "total of no lesions",
        partial(feasible_tables, {"sensitivity": "88"}, 0),
        "n must",
        "0",
        "must be a whole number",
    ),
    (
        "too many tables",
        partial(feasible_tables, {"ppv": "50"}, 400),
        "tables",
        "tables to try",
        "add sensitivity",
    ),
    (
        "one class of a joint table",
        partial(feasible_joint_tables, {"x": {"sensitivity": "88"}}, 63),
        "class",
        "1 class",
        "use feasible_tables",
    ),
    (
        "measurement of agreement",
        partial(agreement, RATINGS, measurement="x"),
        "measurement",
        "'x'",
        "must be",
    ),
    (
        "column of ratings",
        partial(agreement, RATINGS, rater="reader"),
        "column",
        "reader",
        "correct the name or add it",
    ),
    (
        "ratings of one rater",
        partial(agreement, RATINGS[RATINGS["rater_id"] == "r"]),
        "rater",
        "number of raters: 1",
        "name `categories`",
    ),
    (
        "units rated once",
        partial(agreement, RATINGS.iloc[[0, 3]]),
        "unit",
        "no unit has two ratings",
        "rated at least twice",
    ),
    (
        "order of plain text",
        partial(agreement, RATINGS, ordered=True),
        "column 'lesion_type'",
        "['a', 'b'] is unknown",
        "name `categories` in their order",
    ),
    (
        "numbers of plain text",
        partial(agreement, RATINGS, measurement="interval"),
        "measurement",
        "the categories are text",
        "needs numbers",
    ),
    (
        "category named twice",
        partial(agreement, RATINGS, categories=["a", "b", "a"]),
        "categories",
        "['a', 'b', 'a']",
        "name each category once",
    ),
    (
        "adjudicator of a consensus",
        partial(consensus, RATINGS, adjudicator="x"),
        "adjudicator",
        "'x'",
        "one of the raters",
    ),
    ("column of measurements", icc(value="cm"), "column", "cm", "correct the name or add it"),
    ("too few targets", icc(), "target", "measured by all of them: 2", "needs at least 2 and 5"),
]
NOT_IDENTIFIED = [
    (
        "lesions of one group from one cluster",
        partial(area_under_curve, [1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1], cluster=["a", "a", "b", "c"]),
        "reference group",
        "a single cluster",
        "cluster=None",
    ),
    ("one cluster", partial(rao_scott_interval, ONE), "cluster", "one cluster only", "give data"),
    (
        "one cluster for GEE",
        partial(gee_interval, ONE),
        "cluster",
        "one cluster only",
        "needs two or more",
    ),
    (
        "GEE of trials that agree",
        partial(gee_interval, clustered_counts([4, 4], [4, 4])),
        "trials",
        "all trials agree",
        "use another interval",
    ),
    (
        "bootstrap of few clusters",
        partial(cluster_bootstrap, COUNTS),
        "clusters",
        "3 clusters",
        "use the Bayesian interval",
    ),
    (
        "wild bootstrap of equals",
        partial(cluster_bootstrap, EQUAL, kind="wild"),
        "cluster",
        "the same proportion",
        "use another interval",
    ),
]
INVALID = [
    (
        "level without a class",
        diagnosed(READINGS.replace("a", "z")),
        "column 'test'",
        "'z' (4 lesions)",
        "map it",
    ),
    (
        "lesion without a cluster",
        diagnosed(READINGS.assign(brain=None), cluster="brain"),
        "column 'brain'",
        "8 lesions have no cluster",
        "give each lesion one",
    ),
    ("lesion twice", diagnosed(key=["brain"]), "column 'brain'", "more than once", "keep one row"),
    (
        "rating twice",
        partial(agreement, pd.concat([RATINGS, RATINGS[:1]])),
        "column 'lesion_type'",
        "('p', 's', '1', 'r')",
        "keep one",
    ),
    (
        "rating of no category",
        partial(agreement, RATINGS, categories=["a", "c"]),
        "column 'lesion_type'",
        "'b'",
        "correct it or add the category",
    ),
    (
        "rating without a rater",
        partial(agreement, RATINGS.assign(rater_id=["r", None] * 2)),
        "column 'rater_id'",
        "2 ratings have no rater",
        "name the rater",
    ),
    (
        "unit of two clusters",
        partial(agreement, RATINGS.assign(brain=list("abcd")), cluster="brain"),
        "column 'brain'",
        "no cluster or several",
        "give each unit one",
    ),
    (
        "measured as text",
        icc(MEASURED.astype({"mm": "object"}).replace(2.0, "two")),
        "column 'mm'",
        "'two'",
        "correct them",
    ),
    (
        "measured twice",
        icc(pd.concat([MEASURED, MEASURED[:1]])),
        "column 'mm'",
        "more than one value",
        "keep one",
    ),
]

CASES = [
    Case(name=name, act=lambda _, call=call: call(), kind=kind, place=p, value=v, remedy=r)
    for kind, group in (
        (UsageError, WRONG_USE),
        (NotIdentifiedError, NOT_IDENTIFIED),
        (InvalidDataError, INVALID),
    )
    for name, call, p, v, r in group
]
