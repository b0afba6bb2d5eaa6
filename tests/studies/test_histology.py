from __future__ import annotations

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from qsmstats import histology_accuracy
from qsmstats.errors import InvalidDataError, ModelError
from qsmstats.settings import HistologySettings

# index test, reference standard, lesions per brain
CELLS = [
    ("isointense", "remyelinated", (3, 2, 2)),
    ("hypointense", "remyelinated", (1, 0, 0)),
    ("hyperintense", "remyelinated", (0, 1, 0)),
    ("hyperintense", "chronic_inactive", (2, 2, 1)),
    ("paramagnetic_rim", "chronic_inactive", (1, 0, 1)),
    ("paramagnetic_rim", "chronic_active", (5, 4, 4)),
    ("hypointense_rim", "chronic_active", (0, 0, 1)),
    (None, "chronic_active", (1, 0, 0)),
    ("isointense", "indeterminate", (0, 1, 0)),
]


@pytest.fixture(scope="module")
def histology():
    rows = [
        (f"brain-{brain + 1}", index, reference)
        for index, reference, counts in CELLS
        for brain, count in enumerate(counts)
        for _ in range(count)
    ]
    table = pd.DataFrame(rows, columns=["brain_id", "index_test", "reference_standard"])
    table.insert(1, "lesion_id", [f"lesion-{k:02}" for k in range(len(table))])
    return table


@pytest.fixture(scope="module")
def answer(histology):
    return histology_accuracy(histology)


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
    assert answer.notes[0].startswith("3 brains cannot tell")


def test_missing_readings_are_also_counted_as_worst_and_best(answer):
    worst = cell(answer, "chronic_active", "sensitivity", missing="worst")
    best = cell(answer, "chronic_active", "sensitivity", missing="best")
    assert (worst["numerator"], worst["denominator"]) == (13, 15)
    assert (best["numerator"], best["denominator"]) == (14, 15)


def test_unclaimed_types_can_be_excluded(histology):
    answer = histology_accuracy(histology, settings=HistologySettings(unmapped="exclude"))
    assert cell(answer, "chronic_active", "sensitivity")["denominator"] == 13


def test_nothing_is_lost_between_the_tables(histology, answer):
    assert answer.confusion["n"].sum() == len(histology)
    assert answer.crosstab.set_index("index_test").loc["total", "total"] == len(histology)


def test_no_complete_reading_is_said_in_words(histology):
    with pytest.raises(ModelError, match="no lesion has both"):
        histology_accuracy(histology.assign(reference_standard=None))


def test_a_class_outside_the_mapping_is_an_error(histology):
    odd = histology.replace({"reference_standard": {"chronic_active": "active"}})
    with pytest.raises(InvalidDataError, match="active"):
        histology_accuracy(odd)
