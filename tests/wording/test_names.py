import pytest

from qsmstats.own_schemas import Level, Schemas, own_map
from qsmstats.wording.names import (
    capitalised,
    figure_name,
    in_words,
    lesion_types,
    method_title,
    outcome_plain,
    outcome_short,
    outcome_title,
    outcome_words,
    short_title,
    tissues,
    unit_text,
    using_schemas,
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


OWN = Schemas(
    own_maps={"r2star_hz": own_map("r2star_hz", unit="Hz", title="Relaxation rate (R2*)")},
    types={"no_rim": Level(title="no rim"), "prl": Level(title="rim lesion (PRL)")},
)


def test_features_and_maps_of_a_study_are_called_as_it_says():
    with using_schemas(OWN):
        assert outcome_title("r2star_hz_median") == "Relaxation rate (R2*), median"
        # Its title may be an abbreviation: within a sentence it stays as it is.
        assert outcome_words("r2star_hz_median") == "Relaxation rate (R2*), median"
        assert outcome_words("mwf_percent") == "myelin water fraction (MWF)"
        assert outcome_short("r2star_hz_shell") == "R2*, shell mean"
        plain = outcome_plain("r2star_hz_z")
        assert with_unit(plain, "r2star_hz_z") == "Relaxation rate, mean against NAWM (SD of NAWM)"
        assert unit_text("r2star_hz") == "Hz"
        assert short_title("prl") == "PRL"
        assert lesion_types() == ("no_rim", "prl")
        assert tissues()[2:] == ("no_rim", "prl")
        assert in_words("2 of r2star_hz_p95, no_rim") == "2 of R2*, 95th percentile, no rim"
    # Afterwards, and where no study is at hand.
    assert outcome_title("r2star_hz") == "r2star hz"
    assert len(lesion_types()) == 5
