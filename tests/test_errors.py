"""One small tree of errors: messages that name the place, true exit codes, and safe travel."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from qsmstats import errors
from qsmstats.errors import (
    FormulaError,
    ImageError,
    InvalidDataError,
    ModelError,
    NoDataError,
    NotIdentifiedError,
    Problem,
    QsmstatsError,
    UsageError,
    grouped,
    nearest,
    opposite,
)

PROBLEMS = (
    Problem(table="lesions.tsv", row=17, column="lesion_type", problem="'rim' is no level"),
    Problem(table="study.toml", column="maps", problem="no map is named"),
    Problem(table="a.nii.gz", problem="no such file"),
)


def test_a_problem_reads_as_one_line_with_its_place():
    assert list(map(str, PROBLEMS)) == [
        "lesions.tsv row 17, column 'lesion_type': 'rim' is no level",
        "study.toml, setting 'maps': no map is named",
        "a.nii.gz: no such file",
    ]


def test_invalid_data_lists_every_problem():
    error = InvalidDataError(PROBLEMS)
    assert error.problems == PROBLEMS
    assert str(error).splitlines() == list(map(str, PROBLEMS))
    assert InvalidDataError("one sentence").problems == ()
    assert str(InvalidDataError("one sentence")) == "one sentence"


def many(text: str, count: int = 48, **where: object) -> list[Problem]:
    return [
        Problem(table=f"P{n // 2}/V{n % 2}.nii", problem=text.format(n), **where)
        for n in range(count)
    ]


def test_problems_of_one_kind_are_one_line_with_a_count_places_and_what_to_do():
    files = {"files": "{participant}/{session}.nii"}
    missing = [replace(one, participant=one.table[:2]) for one in many("no file; add it", **files)]
    odd = many("'x{}' is odd; correct it", column="label")
    odd = [replace(one, table="lesions.tsv", row=at) for at, one in enumerate(odd, start=2)]
    first, second = grouped([*missing, *odd])
    assert first == (
        "{participant}/{session}.nii (48 files of 10 participants; first: P0/V0.nii, P0/V1.nii, "
        "P1/V0.nii): no file; add it"
    )
    assert second == (
        "lesions.tsv, column 'label' (48 problems; first: row 2, row 3, row 4): row 2: "
        "'x0' is odd; correct it"
    )
    assert str(InvalidDataError(missing)) == first


def test_few_problems_and_those_of_other_columns_or_words_keep_their_lines():
    few = many("'{}' is odd; correct it", 3, files="{participant}")
    others = [Problem(table="a.tsv", column=name, problem="is missing; add it") for name in "abcd"]
    words = [Problem(table="a", problem=f"{word} is odd") for word in ("one", "two", "three")]
    problems = [*few, *others, *words]
    assert grouped(problems) == list(map(str, problems))


@pytest.mark.parametrize("kind", [InvalidDataError, ImageError])
@pytest.mark.parametrize("content", [list(PROBLEMS), "one sentence"])
def test_invalid_data_crosses_process_borders_whole(kind, content):
    error = kind(content)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert back.problems == error.problems
    assert str(back) == str(error)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UsageError, 2),
        (InvalidDataError, 3),
        (ImageError, 3),
        (ModelError, 4),
        (FormulaError, 3),
        (NotIdentifiedError, 4),
        (NoDataError, 4),
    ],
)
def test_exit_codes(kind, code):
    assert kind.exit_code == code
    assert issubclass(kind, QsmstatsError)
    assert issubclass(kind, ValueError)


def test_every_error_is_public_and_of_the_tree():
    kinds = [getattr(errors, name) for name in errors.__all__ if name[0].isupper()]
    kinds.remove(errors.Problem)
    assert all(issubclass(kind, QsmstatsError) for kind in kinds)
    assert all(kind.__doc__ for kind in kinds)


@pytest.mark.parametrize(
    ("word", "other"),
    [
        *(("non-PRL", "prl"), ("nonprl", "PRL"), ("no rim", "rim"), ("not PRL", "prl")),
        *(("PRL-", "prl+"), ("prl neg", "prl"), ("PRL negative", "prl"), ("prl", "non_prl")),
        *(("no rim", "paramagnetic_rim"), ("non-rim", "hypointense_rim")),
        *(("without core", "core"), ("unmapped", "mapped"), ("chronic actve", "chronic_inactive")),
    ],
)
def test_a_word_and_the_same_denied_are_opposites(word, other):
    assert opposite(word, other)
    assert opposite(other, word)
    assert nearest(word, [other]) == []


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *(("idependent", "independent"), ("nmapped", "unmapped"), ("nromal", "normal")),
        *(("isointens", "isointense"), ("non_plr", "non_prl"), ("outcome", "outcomes")),
    ],
)
def test_a_slip_of_a_word_that_only_begins_like_a_denial_finds_it(word, meant):
    assert nearest(word, ["something", meant]) == [meant]
