import pytest

from qsmstats.report.wording.names import (
    capitalised,
    figure_name,
    in_words,
    method_title,
    outcome_plain,
    with_unit,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Types not mapped to any class (hypointense_rim)",
            "Types not mapped to any class (hypointense rim)",
        ),
        ("rim_contrast_ppb for chronic_inactive", "rim contrast for chronic inactive"),
        ("mwf_percent of 88 of 1148 lesions", "MWF of 88 of 1,148 lesions"),
        # What the schemas do not know, years and names of files stay as they are.
        ("sub_01 in my_table.tsv, Holm 1979", "sub_01 in my_table.tsv, Holm 1979"),
    ],
)
def test_names_of_machines_become_words(text, words):
    assert in_words(text) == words


def test_units_stand_once_and_in_one_pair_of_parentheses():
    assert with_unit(outcome_plain("mwf_percent"), "mwf_percent") == "Myelin water fraction (%)"


def test_a_method_without_a_name_is_its_identifier_in_words():
    assert method_title("wilson") == "Wilson"
    assert method_title("some_new_method") == "some new method"


def test_names_in_figures_are_wrapped_and_shortened():
    assert figure_name("paramagnetic rim (PRL)") == "paramagnetic rim (PRL)"
    assert figure_name("a name that\nhas lines", 30) == "a name that has lines"
    lines = figure_name("x" * 100, letters=10, lines=3).split("\n")
    assert [len(line) for line in lines] == [10, 10, 10]
    assert lines[-1].endswith("…")
    assert figure_name("  ") == "(empty)"


def test_a_capital_letter_changes_no_abbreviation():
    assert capitalised("wilson's interval of MWF") == "Wilson's interval of MWF"
    assert capitalised("") == ""
