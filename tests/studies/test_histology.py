from __future__ import annotations

import pytest
from statsmodels.stats.proportion import proportion_confint

from qsmstats import histology_accuracy
from qsmstats.errors import InvalidDataError, ModelError


@pytest.fixture
def answer(accuracy):
    return accuracy


def cell(answer, class_, measure, method="wilson", missing="exclude"):
    table = answer.accuracy
    keys = (table["class_"] == class_) & (table["measure"] == measure)
    keys &= (table["method"] == method) & (table["missing"] == missing)
    return table[keys].iloc[0]


@pytest.mark.parametrize(
    ("class_", "measure", "numerator", "denominator"),
    [
        ("remyelinated", "sensitivity", 8, 9),
        ("remyelinated", "specificity", 21, 21),
        ("chronic_inactive", "sensitivity", 5, 7),
        ("chronic_inactive", "specificity", 22, 23),
        ("chronic_active", "sensitivity", 13, 14),
        ("chronic_active", "specificity", 14, 16),
    ],
)
def test_counts_are_those_of_the_table(answer, class_, measure, numerator, denominator):
    row = cell(answer, class_, measure)
    assert (row["numerator"], row["denominator"]) == (numerator, denominator)
    low, high = proportion_confint(numerator, denominator, method="wilson")
    assert (row["conf_low"], row["conf_high"]) == (pytest.approx(low), pytest.approx(high))
    assert row["role"] == "lesions assumed independent"


def test_three_brains_show_what_allows_for_clustering(answer):
    methods = answer.accuracy.query("measure == 'sensitivity' and missing == 'exclude'")
    assert {"bayes_uniform", "bayes_beta_1_4", "rao_scott_wilson_t"} <= set(methods["method"])
    assert answer.notes[0].startswith("With 3 brains the correlation")


def test_missing_readings_are_also_counted_as_worst_and_best(answer):
    worst = cell(answer, "chronic_active", "sensitivity", missing="worst")
    best = cell(answer, "chronic_active", "sensitivity", missing="best")
    assert (worst["numerator"], worst["denominator"]) == (13, 15)
    assert (best["numerator"], best["denominator"]) == (14, 15)


def test_unclaimed_types_can_be_excluded(accuracy_excluding_unmapped):
    assert cell(accuracy_excluding_unmapped, "chronic_active", "sensitivity")["denominator"] == 13


def test_nothing_is_lost_between_the_tables(histology, answer):
    assert answer.confusion["n"].sum() == len(histology)
    assert answer.crosstab.set_index("index_test").loc["total", "total"] == len(histology)


def test_class_counts_are_the_lesions_analysed(answer):
    counts = answer.class_counts.set_index(["index_class", "reference_class"])
    analysed = answer.flow.set_index("step").loc["analysed", "n"]
    assert counts["n"].sum() == analysed
    assert tuple(counts.loc[("chronic_active", "chronic_inactive")]) == (2, 2)
    assert tuple(counts.loc[("none of the classes", "chronic_active")]) == (1, 1)


def test_counts_per_brain_add_up_to_the_counts_of_the_class(answer):
    sums = answer.clusters.groupby(["class_", "measure"])[["numerator", "denominator"]].sum()
    assert len(sums) == 6
    for (class_, measure), counts in sums.iterrows():
        row = cell(answer, class_, measure)
        assert tuple(counts) == (row["numerator"], row["denominator"])


def test_clustering_says_what_three_brains_cannot_tell(answer):
    table = answer.clustering.set_index(["class_", "measure"])
    # 8 of 9: without brain 1 it is 4 of 5, without brain 2 it is 6 of 6.
    row = table.loc[("remyelinated", "sensitivity")]
    assert (row["lowest_without"], row["highest_without"]) == (0.8, 1.0)
    assert table.loc[("remyelinated", "specificity"), "note"].startswith("not identifiable")


def test_assumed_correlation_zero_is_the_interval_of_independent_lesions(answer):
    curve = answer.assumed_correlations.query("correlation == 0 and measure == 'sensitivity'")
    assert len(curve) == 3
    for row in curve.itertuples():
        plain = cell(answer, row.class_, "sensitivity")
        assert (row.conf_low, row.conf_high) == pytest.approx(
            (plain["conf_low"], plain["conf_high"])
        )


def test_without_continuous_features_their_tables_are_empty(answer):
    assert answer.areas.empty
    assert answer.roc.empty
    assert answer.cutoffs.empty
    assert {"feature", "class_", "sensitivity", "specificity"} <= set(answer.roc.columns)
    assert "ROC" not in answer.methods


def test_a_table_where_only_indeterminate_lesions_have_both_is_refused(histology):
    unread = histology[histology["reference_standard"] == "indeterminate"]
    with pytest.raises(ModelError, match="no lesion has both"):
        histology_accuracy(unread)


def test_no_complete_reading_is_said_in_words(histology):
    with pytest.raises(ModelError, match="no lesion has both"):
        histology_accuracy(histology.assign(reference_standard=None))


def test_a_class_outside_the_mapping_is_an_error(histology):
    odd = histology.replace({"reference_standard": {"chronic_active": "active"}})
    with pytest.raises(InvalidDataError, match="active"):
        histology_accuracy(odd)
