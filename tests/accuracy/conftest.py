"""Reference cases from R and from the literature; their sources stand in each case."""

import json
from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "reference" / "accuracy" / "cases.json"


def load_cases():
    return {case["id"]: case for case in json.loads(CASES.read_text("utf-8"))["cases"]}


@pytest.fixture(scope="session")
def cases():
    return load_cases()
