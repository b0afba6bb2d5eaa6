"""What people write for a level, and what must not be guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmstats.errors import did_you_mean
from qsmstats.schemas import load_schema
from qsmstats.tables.spelling import (
    known_spellings,
    suggestions,
    unknown_level,
    word_key,
)

TYPE = load_schema("lesions").column("lesion_type")


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("PRL", "paramagnetic_rim"),
        ("rim+", "paramagnetic_rim"),
        ("Rim +", "paramagnetic_rim"),
        ("paramagnetic rim", "paramagnetic_rim"),
        ("Paramagnetic-Rim", "paramagnetic_rim"),
        ("iso", "isointense"),
        ("ISOINTENSE", "isointense"),
        ("hyperintense", "hyperintense"),
        ("hypo\u2013rim", "hypointense_rim"),
        ("hypointense  rim", "hypointense_rim"),
        ("hypo", "hypointense"),
    ],
)
def test_usual_spellings_stand_for_their_level(word, level):
    assert known_spellings(TYPE)[word_key(word)] == level


@pytest.mark.parametrize("word", ["rim", "rim-", "rim -", "PRL-", "rim\u2212", "unknown", ""])
def test_a_word_that_could_mean_several_or_the_opposite_stands_for_none(word):
    assert word_key(word) not in known_spellings(TYPE)


@given(st.sampled_from(TYPE.levels), st.data())
def test_case_spaces_underscores_and_hyphens_do_not_matter(level, data):
    gaps = st.sampled_from(["_", "-", " ", "  ", "", " - "])
    cases = st.sampled_from([str.upper, str.lower, str.title])
    word = data.draw(gaps).join(data.draw(cases)(part) for part in level.split("_"))
    assert known_spellings(TYPE)[word_key(f" {word} ")] == level


@given(st.text("aB+- _\t\u2013(", max_size=12))
def test_the_key_of_a_key_is_itself(word):
    assert word_key(word_key(word)) == word_key(word)


@pytest.mark.parametrize("table", ["participants", "lesions", "ratings", "histology"])
def test_no_spelling_of_a_schema_stands_for_two_levels(table):
    for column in load_schema(table).fields:
        keys: dict[str, str] = {}
        for word, level in [*column.spellings.items(), *((lev, lev) for lev in column.levels)]:
            assert keys.setdefault(word_key(word), level) == level, (column.name, word)
            assert level in column.levels


def test_the_studys_spellings_go_before_those_of_the_schema():
    own = {"Hyper": "paramagnetic_rim", "type 3": "hypointense_rim"}
    known = known_spellings(TYPE, own)
    assert known[word_key("HYPER")] == "paramagnetic_rim"
    assert known[word_key("type_3")] == "hypointense_rim"


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("rim", ["hypointense_rim", "paramagnetic_rim"]),
        ("hyperintens", ["hyperintense"]),
        ("isointese", ["isointense"]),
        ("paramagnetik_rim", ["paramagnetic_rim"]),
        ("zebra", []),
        ("", []),
    ],
)
def test_suggestions_are_near_and_few(word, values):
    found = suggestions(word, known_spellings(TYPE))
    assert found == values


@pytest.mark.parametrize(
    "word", ["non-PRL", "nonPRL", "no PRL", "not PRL", "PRL-", "PRL neg", "without iron rim"]
)
def test_the_opposite_of_a_word_is_not_suggested(word):
    known = known_spellings(TYPE)
    assert "paramagnetic_rim" not in suggestions(word, known)
    assert "did you mean" not in unknown_level(word, TYPE, known)


def test_a_class_is_not_suggested_for_its_opposite():
    column = load_schema("histology").column("reference_standard")
    assert suggestions("chronic actve", known_spellings(column)) == ["chronic_active"]
    assert suggestions("chronic inactve", known_spellings(column)) == ["chronic_inactive"]


@given(st.text(max_size=20))
def test_suggestions_are_levels(word):
    found = suggestions(word, known_spellings(TYPE))
    assert len(found) <= 2
    assert set(found) <= set(TYPE.levels)


def test_messages_offer_a_remedy():
    assert did_you_mean([]) == ""
    assert did_you_mean(["a", "b"]) == "; did you mean 'a' or 'b'?"
    known = known_spellings(TYPE)
    assert unknown_level("rim", TYPE, known) == (
        "'rim' is not one of isointense, hypointense, hyperintense, hypointense_rim, "
        "paramagnetic_rim; did you mean 'hypointense_rim' or 'paramagnetic_rim'?"
    )
    assert 'add "zebra" to [lesion_types] in study.toml' in unknown_level("zebra", TYPE, known)
    sex = load_schema("participants").column("sex")
    assert unknown_level("Q", sex, known_spellings(sex)) == (
        "'Q' is not one of F, M; use one of these, or state which it stands for, as "
        '"Q" = "F" below [levels.sex] in study.toml'
    )
