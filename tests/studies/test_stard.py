from __future__ import annotations

import re

import pytest

from qsmstats import histology_accuracy, write_answer
from qsmstats.studies.stard import AUTHOR, COMPUTED, ITEMS


@pytest.fixture
def items(featured_accuracy):
    return featured_accuracy.stard


def text(items, item, status):
    chosen = items[(items["item"] == item) & (items["status"] == status)]
    assert len(chosen) == 1
    return chosen["text"].iloc[0]


def test_every_item_is_there_once_per_status_in_the_order_of_the_guideline(items):
    assert list(dict.fromkeys(items["item"])) == list(ITEMS)
    assert not items.duplicated(["item", "status"]).any()
    assert set(items["status"]) == {COMPUTED, AUTHOR}
    assert items["text"].str.len().min() > 20
    assert not items["text"].str.contains("nan").any()


def test_what_the_tables_hold_is_computed_and_the_rest_is_left_to_the_author(items):
    computed = set(items.loc[items["status"] == COMPUTED, "item"])
    assert computed == {"17", "19", "20", "21a", "21b", "23", "24"}
    left = set(items.loc[items["status"] == AUTHOR, "item"])
    assert {"12a", "12b", "13a", "13b", "14", "15", "16", "18", "22", "26"} <= left


def test_the_flow_adds_up_in_words(items):
    numbers = [int(n) for n in re.findall(r"\d+", text(items, "19", COMPUTED))]
    eligible, brains, read, missing, unsure, policy, analysed, *rest = numbers
    assert (eligible, brains, analysed) == (32, 3, 30)
    assert eligible == read + missing + unsure + policy
    assert read == analysed + sum(rest)


def test_cross_tabulation_and_estimates_are_those_of_the_counts(items):
    assert "remyelinated 8 TP, 1 FN, 0 FP, 21 TN" in text(items, "23", COMPUTED)
    said = text(items, "24", COMPUTED)
    # Wilson's limits of 8/9, from statsmodels: 0.565000 and 0.980109.
    assert "remyelinated sensitivity 8/9 = 88.9 %" in said
    assert "lesions assumed independent 56.5 % to 98.0 %" in said
    assert said.count("recommended") == 6
    assert "). Areas under the ROC curves (lesions within brains): myelin" in said
    assert "myelin water fraction (percent), high in remyelinated" in said


def test_conditions_are_told_with_their_alternatives(items):
    assert "not remyelinated: chronic inactive 7, chronic active 14" in text(items, "21b", COMPUTED)
    assert "rim contrast (ppb) of chronic active lesions" in text(items, "21a", COMPUTED)


def test_leaving_out_a_brain_and_each_policy_are_told(items):
    said = text(items, "17", COMPUTED)
    assert "remyelinated sensitivity 80.0 % to 100.0 % when one brain is left out" in said
    assert "chronic active sensitivity: exclude 92.9 %, worst 86.7 %, best 93.3 %" in said


def test_limitations_say_what_three_brains_cannot_tell(items):
    said = text(items, "26", AUTHOR)
    assert said.startswith("With 3 brains the correlation")
    assert "remyelinated specificity not identifiable: all trials agree" in said


def test_without_features_severity_is_left_to_the_author(accuracy):
    items = accuracy.stard
    assert "no continuous measure" in text(items, "21a", AUTHOR)
    assert "ROC" not in text(items, "24", COMPUTED)
    assert "exploratory" not in text(items, "12a", AUTHOR)


def test_one_brain_is_told_as_such(histology):
    items = histology_accuracy(histology.query("brain_id == 'brain-1'")).stard
    assert "remyelinated sensitivity rests on one brain" in text(items, "17", COMPUTED)
    assert "one cluster only" in text(items, "26", AUTHOR)
    assert text(items, "26", AUTHOR).startswith("With 1 brain the correlation")


def test_a_class_without_lesions_is_told_as_such(accuracy_without_a_class):
    items = accuracy_without_a_class.stard
    assert "chronic inactive sensitivity: not estimable" in text(items, "24", COMPUTED)


def test_the_policy_for_unclaimed_types_is_the_studys(accuracy_excluding_unmapped):
    said = text(accuracy_excluding_unmapped.stard, "12a", AUTHOR)
    assert "(hypointense rim) is excluded" in said


def test_everything_is_written_beside_the_accuracy(featured_accuracy, tmp_path):
    names = {path.name for path in write_answer(featured_accuracy, tmp_path)}
    wanted = ["accuracy", "crosstab", "confusion", "flow", "class_counts", "clusters"]
    wanted += ["clustering", "assumed_correlations", "areas", "roc", "cutoffs", "stard", "notes"]
    assert names == {f"{name}.{kind}" for name in wanted for kind in ("tsv", "json")} | {
        "methods.txt"
    }
