"""One small tree of errors: messages that name the place, true exit codes, and safe travel."""

from __future__ import annotations

import pickle

import pytest

from qsmstats import errors
from qsmstats.errors import (
    ConvergenceError,
    FormulaError,
    ImageError,
    InvalidDataError,
    ModelError,
    NotIdentifiedError,
    Problem,
    QsmstatsError,
    UsageError,
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
        (ModelError, 3),
        (FormulaError, 3),
        (NotIdentifiedError, 3),
        (ConvergenceError, 4),
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
