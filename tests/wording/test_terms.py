import pytest

from qsmstats.wording.terms import group_title, term_titler

TYPES = [
    f"lesion_type[T.{level}]"
    for level in ("hypointense", "hyperintense", "hypointense_rim", "paramagnetic_rim")
]


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("Intercept", "intercept"),
        ("age", "age (years)"),
        ("log(volume_mm3)", "log volume (mm³)"),
        ("lesion_type[T.paramagnetic_rim]", "lesion type: PRL − isointense"),
        (
            "lesion_type[T.hyperintense]:years",
            "(lesion type: hyperintense − isointense) × time (years)",
        ),
        ("lesion_type:years", "lesion type × time (years)"),
        ("bs(age, df=3)[1]", "bs(age, df=3)[1]"),
        ("C(site, Treatment('a:b'))[T.x:y]:years", "(site: x:y) × time (years)"),
    ],
)
def test_terms_are_said_in_words(term, words):
    assert term_titler(["Intercept", *TYPES, term])(term) == words


def test_the_reference_is_named_only_where_the_terms_leave_no_doubt():
    # Isointense or hypointense: one of them has no row, and the terms do not say which.
    write = term_titler(TYPES[1:])
    assert write("lesion_type[T.hyperintense]") == "lesion type: hyperintense"


def test_groups_are_said_from_the_inside_out():
    assert group_title("participant_id:lesion_id") == "lesion within participant"
    assert group_title("Residual") == "residual"
    assert group_title("scanner_id") == "scanner id"
