"""A walk through every error that a user can cause.

Each case says what to do wrong and what the user must then read: the place, the value found there
and the remedy. `test_every_error_is_walked` compares the cases with the source of the package:
each ``raise`` of one of its errors and each `Problem` that is built must be reached by a case, or
stand in `ELSEWHERE` with the test that reaches it.

A new error needs a new case, in the module of its room: add one row ``Case(name=..., act=...,
kind=..., place=..., value=..., remedy=...)`` or, in the modules that list tuples, one tuple (name,
what to call, place, value, remedy). Without it the test fails and names file, line and function.
"""

from __future__ import annotations

import pytest

from tests.errors import accuracy_cases, image_cases, model_cases, run_cases, study_cases
from tests.errors.walk import message

MODULES = (accuracy_cases, image_cases, model_cases, run_cases, study_cases)
CASES = [case for module in MODULES for case in module.CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_message_names_place_value_and_remedy(case, tmp_path):
    said = message(case, tmp_path)
    for part in (case.place, case.value, case.remedy):
        assert part in said
