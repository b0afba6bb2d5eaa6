"""The accuracy frame as a whole: what it holds, its bounds, and bad input."""

import math

import numpy as np
import pandas as pd
import pytest

from qsmstats.accuracy.diagnostic import (
    ALL_CLASSES,
    COLUMNS,
    accuracy_of_pairs,
    diagnostic_accuracy,
    missing_scenarios,
)
from qsmstats.accuracy.pairing import one_vs_rest, pair_classes
from qsmstats.accuracy.proportions import BOUND, INDEPENDENT, RECOMMENDED, REFUSED, SECOND
from qsmstats.errors import InvalidDataError, UsageError

MAPPING = {"a": ["a1", "a2"], "b": ["b1"], "c": ["c1"]}


def lesions(cells, brains=3):
    """One row per lesion from (index level, reference class, count), dealt to the brains."""
    pairs = [(i, r) for i, r, count in cells for _ in range(count)]
    frame = pd.DataFrame(pairs, columns=["index", "reference"])
    dealt = np.random.default_rng(7).permutation(len(frame)) % brains
    frame["brain"] = [f"brain-{k}" for k in dealt]
    frame["lesion"] = range(len(frame))
    return frame


CELLS = (
    ("a1", "a", 6),
    ("a2", "a", 2),
    ("b1", "a", 1),
    ("b1", "b", 9),
    ("c1", "b", 2),
    ("c1", "c", 13),
    ("b1", "c", 1),
)


ARGUMENTS = {
    "index_test": "index",
    "reference_standard": "reference",
    "mapping": MAPPING,
    "cluster": "brain",
}


def paired(table, **options):
    return pair_classes(table, **(ARGUMENTS | options))


def accuracy(table, **options):
    return diagnostic_accuracy(table, **(ARGUMENTS | options))


def pick(frame, class_, measure, method=None):
    rows = frame[(frame["class_"] == class_) & (frame["measure"] == measure)]
    return rows if method is None else rows[rows["method"] == method].iloc[0]


def test_counts_are_those_of_the_table():
    table = one_vs_rest(paired(lesions(CELLS)), "b")
    assert table.totals == (9, 2, 2, 21)
    assert table.n == 34


def test_frame_holds_what_three_brains_need():
    frame = accuracy(lesions(CELLS))
    assert tuple(frame.columns) == COLUMNS
    roles = pick(frame, "a", "sensitivity").set_index("method")["role"]
    assert roles["wilson"] == INDEPENDENT
    assert roles["bayes_uniform"] == RECOMMENDED
    assert roles["bayes_beta_1_4"] == SECOND
    assert roles["rao_scott_wilson_t"] == BOUND
    refused = frame[frame["role"] == REFUSED]
    assert refused["method"].str.contains("gee|bootstrap|jackknife").all()
    assert refused["note"].str.contains("3 clusters").all()
    assert (frame["n"] == 34).all()
    assert (frame["n_clusters"] == 3).all()


def test_ten_clusters_open_gee_and_bootstrap():
    frame = accuracy(lesions([(i, r, 10 * n) for i, r, n in CELLS], brains=10))
    refused = frame[frame["role"] == REFUSED]
    assert refused["note"].str.contains("all trials agree|same proportion").all()
    recommended = frame[frame["role"] == RECOMMENDED]
    assert set(recommended["method"]) >= {"bayes_uniform", "cluster_jackknife_t"}


def test_without_a_cluster_the_rows_say_so():
    frame = accuracy(lesions(CELLS), cluster=None)
    assert set(frame["role"]) == {INDEPENDENT}
    assert frame["n_clusters"].isna().all()


@pytest.mark.parametrize("cluster", ["brain", None])
@pytest.mark.parametrize(
    "cells",
    [
        CELLS,
        (("a1", "a", 5), ("b1", "b", 6), ("c1", "c", 7)),  # all correct
        (("b1", "a", 5), ("c1", "b", 6), ("a1", "c", 7)),  # all wrong
    ],
)
def test_intervals_hold_their_estimates_within_the_bounds(cells, cluster):
    frame = accuracy(lesions(cells), cluster=cluster, prevalences=(0.1, 0.5))
    given = frame[frame["conf_low"].notna() & frame["estimate"].notna()]
    assert (given["conf_low"] <= given["estimate"] + 1e-9).all()
    assert (given["estimate"] <= given["conf_high"] + 1e-9).all()
    assert (given["conf_low"] < given["conf_high"]).all()
    bounded = given[~given["measure"].isin(["lr_positive", "lr_negative", "dor"])]
    signed = bounded["measure"].str.contains("kappa|mcc|youden")
    assert (bounded["conf_low"] >= np.where(signed, -1.0, 0.0) - 1e-12).all()
    assert (bounded["conf_high"] <= 1.0 + 1e-12).all()
    odds = given[given["measure"] == "dor"]
    assert np.isfinite(odds[["estimate", "conf_low", "conf_high"]].to_numpy()).all()


def test_zero_false_positives():
    cells = (("a1", "a", 8), ("b1", "a", 1), ("b1", "b", 23))
    frame = accuracy(lesions(cells), mapping={"a": ["a1"], "b": ["b1"]})
    ratio = pick(frame, "a", "lr_positive", "koopman")
    assert math.isinf(ratio["estimate"])
    assert math.isfinite(ratio["conf_low"])
    assert ratio["conf_low"] > 1.0
    assert math.isinf(ratio["conf_high"])
    odds = pick(frame, "a", "dor", "haldane_woolf")
    assert odds["estimate"] == pytest.approx(8.5 * 23.5 / (0.5 * 1.5))
    assert "Haldane" in odds["note"]


def test_predictive_values_at_the_study_prevalence_follow_bayes_theorem():
    frame = accuracy(lesions(CELLS), prevalences=(9 / 34,))
    rows = pick(frame, "a", "npv")
    at_given = rows[rows["note"] == "at the given prevalence"]
    assert len(at_given) == 2
    assert np.allclose(at_given["estimate"], 25 / 26, atol=1e-12)


def test_all_classes_measures():
    frame = accuracy(lesions(CELLS), cluster=None)
    whole = frame[frame["class_"] == ALL_CLASSES].set_index("measure")
    assert whole.loc["accuracy", "numerator"] == 30
    assert whole.loc["macro_sensitivity", "estimate"] == pytest.approx(
        np.mean([8 / 9, 9 / 11, 13 / 14])
    )


def test_class_without_a_case_is_flagged():
    cells = [cell for cell in CELLS if cell[1] != "b"]
    frame = accuracy(lesions(cells))
    row = pick(frame, "b", "sensitivity").iloc[0]
    assert math.isnan(row["estimate"])
    assert "not estimable" in row["note"]
    assert "no lesion with this reference class" in pick(frame, "b", "youden").iloc[0]["note"]


def test_one_cluster_only():
    frame = accuracy(lesions(CELLS, brains=1))
    bound = pick(frame, "a", "sensitivity", "rao_scott_wilson_t")
    assert bound["role"] == REFUSED
    assert "one cluster only" in bound["note"]
    bayes = pick(frame, "a", "sensitivity", "bayes_uniform")
    assert "prior alone" in bayes["note"]
    assert pick(frame, "a", "youden")["note"].str.contains("one cluster only").any()


def test_missing_and_indeterminate_scenarios():
    table = lesions((*CELLS, ("unclear", "a", 3)))
    table.loc[0, "index"] = None  # an "a" lesion without an index reading
    table.loc[9, "reference"] = np.nan  # a lesion read b1 without a reference
    both = pd.DataFrame({"index": [None], "reference": [None], "brain": ["x"], "lesion": [99]})
    pairs = paired(pd.concat([table, both]), indeterminate_levels=["unclear"])
    assert one_vs_rest(pairs, "a").totals == (7, 0, 1, 24)
    worst = one_vs_rest(pairs, "a", missing="worst", indeterminate="worst")
    assert worst.totals == (7, 0, 1 + 1 + 3 + 1, 24)
    best = one_vs_rest(pairs, "a", missing="best", indeterminate="best")
    assert best.totals == (7 + 1 + 3, 0, 1, 24 + 1)
    scenarios = missing_scenarios(pairs)
    accuracy_a = scenarios[
        (scenarios["class_"] == "a")
        & (scenarios["measure"] == "sensitivity")
        & (scenarios["method"] == "wilson")
    ].set_index("missing")["estimate"]
    assert accuracy_a["worst"] < accuracy_a["exclude"] < accuracy_a["best"]
    whole = scenarios[(scenarios["class_"] == ALL_CLASSES) & (scenarios["method"] == "wilson")]
    assert len(whole) == 1


def test_policy_for_a_level_no_class_claims():
    table = lesions((*CELLS, ("rim", "a", 2)))
    with pytest.raises(InvalidDataError, match=r"'rim' \(2 lesions\).*unmapped"):
        accuracy(table)
    negative = one_vs_rest(paired(table, unmapped={"rim": "negative"}), "a")
    assert negative.totals == (8, 0, 3, 25)
    excluded = one_vs_rest(paired(table, unmapped={"rim": "exclude"}), "a")
    assert excluded.totals == (8, 0, 1, 25)
    frame = accuracy(table, unmapped={"rim": "negative"})
    whole = frame[frame["class_"] == ALL_CLASSES]
    assert "kappa_linear" not in set(whole["measure"])
    assert whole["n"].eq(36).all()


def test_a_level_may_be_indeterminate_in_one_column_and_excluded_in_the_other():
    table = lesions((*CELLS, ("unclear", "a", 2), ("a1", "unclear", 3)))
    pairs = paired(table, unmapped={"unclear": "exclude"}, indeterminate_levels=["unclear"])
    assert one_vs_rest(pairs, "a", indeterminate="worst").totals == (8, 0, 3, 25)


def test_levels_may_be_numbers_with_missing_ones_among_them():
    # A missing reading makes the column one of floats, in which 1 stands as 1.0.
    table = pd.DataFrame({"index": [1, 2, 1, None, 2, 3], "reference": [1, 2, 2, 1, 2, 1]})
    frame = diagnostic_accuracy(
        table,
        index_test="index",
        reference_standard="reference",
        mapping={1: [1, 3], 2: [2]},
        cluster=None,
    )
    rows = frame[frame["measure"] == "sensitivity"].set_index("class_")
    assert rows["numerator"].to_dict() == {1: 2, 2: 2}
    assert rows["denominator"].to_dict() == {1: 2, 2: 3}


def test_bad_input_is_named():
    table = lesions(CELLS)
    with pytest.raises(UsageError, match=r"'b1' is mapped to the classes a, b"):
        accuracy(table, mapping={"a": ["a1", "a2", "b1"], "b": ["b1"], "c": ["c1"]})
    with pytest.raises(UsageError, match="no column"):
        accuracy(table, cluster="brian")
    with pytest.raises(UsageError, match="they must differ"):
        accuracy(table, index_test="reference")
    with pytest.raises(UsageError, match="must be a list of index levels"):
        accuracy(table, mapping={"a": "a1"})
    with pytest.raises(UsageError, match="mapping is empty; it must name"):
        accuracy(table, mapping={})
    with pytest.raises(UsageError, match="both mapped to a class and unmapped"):
        accuracy(table, unmapped={"a1": "exclude"})
    with pytest.raises(UsageError, match="unmapped"):
        accuracy(table, unmapped={"x": "drop"})
    with pytest.raises(UsageError, match=r"missing must be .* not 'drop'"):
        accuracy(table, missing="drop")
    with pytest.raises(UsageError, match="prevalences"):
        accuracy(table, prevalences=(10.0,))
    with pytest.raises(UsageError, match="interval"):
        accuracy(table, interval="exact")
    with pytest.raises(UsageError, match="level"):
        accuracy(table, level=95)
    with pytest.raises(InvalidDataError, match="did you mean 'a1'"):
        accuracy(table.replace({"index": {"a1": "a1_"}}))
    twice = pd.concat([table, table.head(1)])
    with pytest.raises(InvalidDataError, match="more than once"):
        accuracy(twice, key=["brain", "lesion"])
    homeless = table.assign(brain=table["brain"].mask(table["lesion"] == 3))
    with pytest.raises(InvalidDataError, match="1 lesions have no cluster"):
        accuracy(homeless)


def test_clusters_that_hold_the_denominator_are_counted():
    table = lesions(CELLS)
    table = table[(table["brain"] != "brain-2") | (table["reference"] != "b")]
    frame = accuracy(table)
    assert pick(frame, "b", "sensitivity")["n_clusters"].eq(2).all()
    assert pick(frame, "b", "specificity")["n_clusters"].eq(3).all()


def test_one_class_against_nothing():
    table = lesions([("a1", "a", 4)])
    frame = accuracy(table, mapping={"a": ["a1"]})
    assert pick(frame, "a", "sensitivity")["estimate"].notna().all()
    assert pick(frame, "a", "specificity")["estimate"].isna().all()
    assert pick(frame, ALL_CLASSES, "kappa")["note"].str.contains("undefined|refused").all()


def test_no_lesion_left():
    table = lesions(CELLS).assign(index=None)
    frame = accuracy_of_pairs(paired(table))
    assert frame["estimate"].isna().all()
    assert frame["note"].str.contains("not estimable").all()
