"""A walk through every error that a user can cause.

Each case says what to do wrong and what the user must then read: the place, the value found there
and the remedy. `test_every_error_is_walked` compares the cases with the source of the package:
each ``raise`` of one of its errors and each `Problem` that is built must be reached by a case, or
stand in `ELSEWHERE` with the test that reaches it.

A new error needs a new case in the module of its room (`accuracy_cases`, `image_cases`,
`model_cases`, `run_cases`, `study_cases`): one row of its name, what to call, and a part of the
place, of the value and of the remedy. Without it the test fails, and names file, line and function.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.errors import accuracy_cases, image_cases, model_cases, run_cases, study_cases
from tests.errors.walk import outcome, sites

MODULES = (accuracy_cases, image_cases, model_cases, run_cases, study_cases)
TESTS = Path(__file__).parents[1]
CASES = [case for module in MODULES for case in module.CASES]

ELSEWHERE: dict[tuple[str, str], str] = {}
"""(file, function) of errors that take long to reach -> the test that reaches them."""

NO_USERS = {
    ("voxels/executors.py", "_exception"): "passes Ctrl-C of a worker on",
}
"""(file, function) of errors that no user meets -> what they are for."""


@pytest.fixture(scope="session")
def walked(tmp_path_factory):
    """Return a function that runs a case once, however many tests ask for it."""
    seen = {}

    def run(case):
        if case.name not in seen:
            seen[case.name] = outcome(case, tmp_path_factory.mktemp("walk"))
        return seen[case.name]

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_message_names_place_value_and_remedy(case, walked):
    found = walked(case)
    assert found.kind is case.kind, found.message
    for part in (case.place, case.value, case.remedy):
        assert part
        assert part in found.message


def test_cases_have_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_error_is_walked(walked):
    reached = set().union(*(walked(case).reached for case in CASES))
    missing = [
        f"{file}:{line} in {function}"
        for (file, line), (_, function) in sites().items()
        if (file, line) not in reached and (file, function) not in {**ELSEWHERE, **NO_USERS}
    ]
    assert not missing, "no case reaches\n" + "\n".join(missing)


def test_what_is_walked_elsewhere_is_there_and_is_tested():
    functions = {(file, function) for (file, _), (_, function) in sites().items()}
    assert {*ELSEWHERE, *NO_USERS} <= functions
    for test in set(ELSEWHERE.values()):
        path, _, name = test.partition("::")
        tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in names, test
