"""Ways to ask counts, ratings and readings for what they cannot give."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from qsmstats.accuracy.agreement import agreement
from qsmstats.accuracy.betabinomial import posterior
from qsmstats.accuracy.clustered import (
    clustered_counts,
    correlation_curve,
    rao_scott_interval,
    rao_scott_test,
)
from qsmstats.accuracy.coefficients import (
    agreement_coefficient,
    fleiss_null_test,
    krippendorff_alpha,
)
from qsmstats.accuracy.comparison import compare_readings
from qsmstats.accuracy.consensus import consensus
from qsmstats.accuracy.continuous import intraclass_correlation
from qsmstats.accuracy.cutoff import best_cutoff
from qsmstats.accuracy.diagnostic import diagnostic_accuracy
from qsmstats.accuracy.feasible import feasible_joint_tables, feasible_tables
from qsmstats.accuracy.gee import gee_interval
from qsmstats.accuracy.intervals import critical_value, proportion_interval
from qsmstats.accuracy.nesting import clustering_summary, counts_per_cluster
from qsmstats.accuracy.paired import (
    PairedCounts,
    clustered_pair_test,
    mcnemar_test,
    paired_difference_interval,
    square_table_tests,
)
from qsmstats.accuracy.predictive import compare_likelihood_ratios, compare_predictive_values
from qsmstats.accuracy.proportions import cluster_bootstrap
from qsmstats.accuracy.ratios import ratio_interval
from qsmstats.accuracy.roc import area_under_curve
from qsmstats.accuracy.samplesize import accuracy_sample_size
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


def paired(readings: pd.DataFrame = READINGS, **options: Any):
    """Return the pairs of readings, made without any check of a policy."""
    from qsmstats.accuracy.pairing import pair_classes

    named = {"index_test": "test", "reference_standard": "truth", "mapping": MAPPING}
    return pair_classes(readings, **{**named, "cluster": "brain", **options})


def many_sets_of_tables():
    # The real limit takes a gigabyte and a minute to reach.
    published = {name: {"sensitivity": "50", "specificity": "50"} for name in "xy"}
    with patch("qsmstats.accuracy.feasible._MOST_TABLES", 20):
        return feasible_joint_tables(published, 12, search_to=12)


def counts_of_pairs(both: int, first: int, second: int, neither: int) -> PairedCounts:
    return PairedCounts(both=both, only_first=first, only_second=second, neither=neither)


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
    ("level of an interval", partial(critical_value, 95), "level", "95", "give a confidence level"),
    ("degrees of freedom", partial(critical_value, 0.9, 0.0), "df", "0.0", "give at least one"),
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
        "give 0 <= successes <= trials",
    ),
    (
        "counts of two lengths",
        partial(clustered_counts, [1], [2, 3]),
        "successes",
        "(1,)",
        "give two equal vectors",
    ),
    (
        "counts out of range",
        partial(clustered_counts, [3], [2]),
        "successes or trials",
        "out of range",
        "give 0 <= successes <= trials",
    ),
    (
        "clusters without trials",
        partial(clustered_counts, [0], [0]),
        "trials",
        "are 0",
        "give at least one",
    ),
    (
        "interval of clustered counts",
        partial(rao_scott_interval, COUNTS, method="x"),
        "method",
        "'x'",
        "must be",
    ),
    (
        "assumed correlation",
        partial(correlation_curve, COUNTS, correlations=[2.0]),
        "correlations",
        "[2.0]",
        "give values in [0, 1]",
    ),
    (
        "one group to compare",
        partial(rao_scott_test, [COUNTS]),
        "group",
        "1 group",
        "give at least two",
    ),
    ("prior", partial(posterior, COUNTS, prior="x"), "prior", "'x'", "must be"),
    (
        "kind of bootstrap",
        partial(cluster_bootstrap, COUNTS, kind="x"),
        "kind",
        "'x'",
        "must be",
    ),
    (
        "readings in one column",
        compared(second="test"),
        "first and second",
        "'test'",
        "give two readings",
    ),
    ("column of readings", diagnosed(index_test="tset"), "column", "tset", "name some of"),
    (
        "index test and reference in one",
        diagnosed(reference_standard="test"),
        "reference standard",
        "'test'",
        "give two",
    ),
    ("empty mapping", diagnosed(mapping={}), "mapping", "is empty", "name the classes"),
    (
        "level mapped twice",
        diagnosed(mapping={"x": ["a"], "y": ["a"]}),
        "index level",
        "'a'",
        "send it to one of them",
    ),
    (
        "policy for missing readings",
        diagnosed(missing="drop"),
        "missing",
        "'drop'",
        "must be",
    ),
    ("interval of accuracy", diagnosed(interval="x"), "interval", "'x'", "must be"),
    ("prevalence", diagnosed(prevalences=[20]), "prevalences", "[20]", "give shares"),
    ("scores of no class", diagnosed(scores={"z": "n"}), "scores", "z", "the classes are"),
    (
        "clusters of unclustered readings",
        lambda: clustering_summary(paired(cluster=None)),
        "cluster",
        "None",
        "name the cluster column",
    ),
    (
        "readings of nothing",
        lambda: counts_per_cluster(paired(READINGS.assign(test=None))),
        "lesion",
        "no lesion has both",
        "give both",
    ),
    ("paired counts", partial(counts_of_pairs, 0, 0, 0, 0), "paired counts", "0", "give counts"),
    (
        "test of paired counts",
        partial(mcnemar_test, counts_of_pairs(1, 2, 3, 4), method="x"),
        "method",
        "'x'",
        "must be",
    ),
    (
        "interval of paired counts",
        partial(paired_difference_interval, counts_of_pairs(1, 2, 3, 4), method="x"),
        "method",
        "'x'",
        "must be",
    ),
    (
        "corrected score of one lesion",
        partial(paired_difference_interval, counts_of_pairs(1, 0, 0, 0), method="score_skewness"),
        "score",
        "corrected",
        "needs at least two",
    ),
    (
        "table that is not square",
        partial(square_table_tests, [[1, 2]]),
        "table",
        "(1, 2)",
        "give a square table",
    ),
    (
        "test of clustered pairs",
        partial(clustered_pair_test, [1, 0], [0, 1], [2, 2], method="x"),
        "method",
        "'x'",
        "must be",
    ),
    (
        "clustered pairs of unequal lengths",
        partial(clustered_pair_test, [1], [0, 1], [2, 2]),
        "shapes",
        "(1,)",
        "give three equal vectors",
    ),
    (
        "more pairs than trials",
        partial(clustered_pair_test, [3, 0], [0, 1], [2, 2]),
        "cluster",
        "more discordant pairs than trials",
        "correct it",
    ),
    (
        "predictive values of vectors",
        partial(compare_predictive_values, [1, 2], [1, 2]),
        "shape",
        "tables",
        "give two tables",
    ),
    (
        "predictive values without results",
        partial(compare_predictive_values, [[0, 0], [3, 4]], [[0, 0], [3, 4]]),
        "ppv",
        "no result of that sign",
        "leave it out",
    ),
    (
        "likelihood ratio of nothing",
        partial(compare_likelihood_ratios, [[3, 1], [1, 4]], [[0, 0], [0, 4]]),
        "lr_positive",
        "is zero",
        "leave it out",
    ),
    (
        "method of a ratio",
        partial(ratio_interval, 1, 2, 1, 2, method="x"),
        "method",
        "'x'",
        "must be",
    ),
    (
        "counts of a ratio",
        partial(ratio_interval, 3, 2, 1, 2),
        "of",
        "3 of 2",
        "give 0 <= count <= total",
    ),
    (
        "scores of another length",
        partial(area_under_curve, [1.0], [0, 1], cluster=None),
        "scores",
        "(1,)",
        "give equal vectors",
    ),
    (
        "reference of three values",
        partial(area_under_curve, [1.0, 2, 3], [0, 1, 2], cluster=None),
        "reference",
        "other than 0 and 1",
        "code it",
    ),
    (
        "scores that are missing",
        partial(area_under_curve, [1.0, np.nan], [0, 1], cluster=None),
        "scores",
        "1 scores are not finite",
        "leave out",
    ),
    (
        "reference of one group",
        partial(area_under_curve, [1.0, 2.0], [1, 1], cluster=None),
        "reference",
        "the same for all",
        "give lesions of both",
    ),
    (
        "clusters of another length",
        partial(area_under_curve, [1.0, 2.0], [0, 1], cluster=["a"]),
        "cluster labels",
        "1 cluster",
        "give one per lesion",
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
        "give one each",
    ),
    (
        "share of a sample size",
        partial(accuracy_sample_size, 90, 0.05, 0.3),
        "expected",
        "90",
        "give a share",
    ),
    (
        "correlation of a sample size",
        partial(accuracy_sample_size, 0.9, 0.05, 0.3, correlation=2),
        "correlation",
        "2",
        "give a correlation",
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
        "give the percentage as it was printed",
    ),
    (
        "percentage above 100",
        partial(feasible_tables, {"sensitivity": "101"}, 63),
        "sensitivity",
        "'101'",
        "give a percentage",
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
        "give some of",
    ),
    (
        "too many sets of tables",
        many_sets_of_tables,
        "total",
        "sets of tables",
        "give percentages with more decimals",
    ),
    (
        "total of no lesions",
        partial(feasible_tables, {"sensitivity": "88"}, 0),
        "n is",
        "0",
        "give a whole number",
    ),
    (
        "too many tables",
        partial(feasible_tables, {"ppv": "50"}, 400),
        "tables",
        "tables to try",
        "give sensitivity",
    ),
    (
        "one class of a joint table",
        partial(feasible_joint_tables, {"x": {"sensitivity": "88"}}, 63),
        "class",
        "1 class",
        "use feasible_tables",
    ),
    (
        "kind of coefficient",
        partial(agreement_coefficient, [[2, 0], [1, 1]], kind="x"),
        "kind",
        "'x'",
        "must be",
    ),
    (
        "counts of one category",
        partial(agreement_coefficient, [[2], [1]], kind="fleiss"),
        "counts",
        "(2, 1)",
        "give units",
    ),
    (
        "units rated once",
        partial(agreement_coefficient, [[1, 0], [0, 1]], kind="fleiss"),
        "unit",
        "no unit has two ratings",
        "give units",
    ),
    (
        "unequal numbers of ratings",
        partial(fleiss_null_test, [[2, 1], [1, 1]]),
        "ratings per unit",
        "differ",
        "give equally many",
    ),
    (
        "measurement of alpha",
        partial(krippendorff_alpha, [[2, 0], [1, 1]], measurement="x"),
        "measurement",
        "'x'",
        "must be",
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
        "name some of",
    ),
    (
        "ratings of one rater",
        partial(agreement, RATINGS[RATINGS["rater_id"] == "r"]),
        "rater",
        "1 rater",
        "name the categories",
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
        "name one of",
    ),
    ("column of measurements", icc(value="cm"), "column", "cm", "name some of"),
    ("too few targets", icc(), "target", "2 complete target(s)", "needs at least 2 and 5"),
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
        "clusters that agree",
        partial(rao_scott_test, [EQUAL, EQUAL]),
        "clusters",
        "the same proportion",
        "floor the design effect",
    ),
    ("one cluster for GEE", partial(gee_interval, ONE), "cluster", "one cluster only", "add some"),
    (
        "GEE of trials that agree",
        partial(gee_interval, clustered_counts([4, 4], [4, 4])),
        "trials",
        "all trials agree",
        "use wilson",
    ),
    (
        "bootstrap of few clusters",
        partial(cluster_bootstrap, COUNTS),
        "clusters",
        "3 clusters",
        "read the Bayesian interval",
    ),
    (
        "wild bootstrap of equals",
        partial(cluster_bootstrap, EQUAL, kind="wild"),
        "cluster",
        "no cluster departs",
        "use another",
    ),
    (
        "test of one cluster",
        partial(clustered_pair_test, [1], [0], [2]),
        "cluster",
        "one cluster only",
        "use mcnemar",
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
        "name the cluster",
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
        "name it",
    ),
    (
        "unit of two clusters",
        partial(agreement, RATINGS.assign(brain=list("abcd")), cluster="brain"),
        "column 'brain'",
        "a unit has none or several",
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
        "measured twice",
        "keep one value",
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
