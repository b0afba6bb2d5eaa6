"""What people write for a level, and what must not be guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmstats.errors import did_you_mean
from qsmstats.schemas import load_schema
from qsmstats.tables.spelling import (
    known_spellings,
    lesion_levels,
    own_spelling_problems,
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
    assert known_spellings(TYPE, {})[word_key(word)] == level


@pytest.mark.parametrize("word", ["rim", "rim-", "rim -", "PRL-", "rim\u2212", "unknown", ""])
def test_a_word_that_could_mean_several_or_the_opposite_stands_for_none(word):
    assert word_key(word) not in known_spellings(TYPE, {})


@given(st.sampled_from(TYPE.levels), st.data())
def test_case_spaces_underscores_and_hyphens_do_not_matter(level, data):
    gaps = st.sampled_from(["_", "-", " ", "  ", "", " - "])
    cases = st.sampled_from([str.upper, str.lower, str.title])
    word = data.draw(gaps).join(data.draw(cases)(part) for part in level.split("_"))
    assert known_spellings(TYPE, {})[word_key(f" {word} ")] == level


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


def test_the_studys_spellings_hold_for_lesion_types_alone():
    group = load_schema("participants").column("group")
    assert known_spellings(group, {"x": "isointense"}) == known_spellings(group, {})
    index = load_schema("histology").column("index_test")
    assert known_spellings(index, {"nope": "indeterminate"})["nope"] == "indeterminate"
    assert "nope" not in known_spellings(TYPE, {"nope": "indeterminate"})


def test_what_is_wrong_with_the_studys_spellings_is_said_per_line():
    own = {
        "a": "paramagnetic",
        "hyperintense": "isointense",
        "b c": "isointense",
        "B_C": "hypointense",
    }
    found = list(map(str, own_spelling_problems(own, lesion_levels())))
    assert found == [
        "study.toml, setting 'lesion_types.a': 'paramagnetic' is not one of isointense, "
        "hypointense, hyperintense, hypointense_rim, paramagnetic_rim; did you mean "
        "'paramagnetic_rim'?",
        "study.toml, setting 'lesion_types.hyperintense': is a lesion type itself and cannot stand "
        "for 'isointense'; remove this line",
        "study.toml, setting 'lesion_types.B_C': stands for 'hypointense' here and for "
        "'isointense' above; keep one of the two",
    ]
    assert own_spelling_problems({"PRL": "paramagnetic_rim", "a": 3}, lesion_levels())[0].problem
    assert not own_spelling_problems({"isointense": "isointense"}, lesion_levels())


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
    found = suggestions(word, known_spellings(TYPE, {}))
    assert found == values


@given(st.text(max_size=20))
def test_suggestions_are_levels(word):
    found = suggestions(word, known_spellings(TYPE, {}))
    assert len(found) <= 2
    assert set(found) <= set(TYPE.levels)


def test_messages_offer_a_remedy():
    assert did_you_mean([]) == ""
    assert did_you_mean(["a", "b"]) == "; did you mean 'a' or 'b'?"
    known = known_spellings(TYPE, {})
    assert unknown_level("rim", TYPE, known) == (
        "'rim' is not one of isointense, hypointense, hyperintense, hypointense_rim, "
        "paramagnetic_rim; did you mean 'hypointense_rim' or 'paramagnetic_rim'?"
    )
    assert 'add "zebra" to [lesion_types] in study.toml' in unknown_level("zebra", TYPE, known)
    sex = load_schema("participants").column("sex")
    assert unknown_level("Q", sex, known_spellings(sex, {})) == (
        "'Q' is not one of F, M; use one of these"
    )
