"""Read the reference cases: formula, data with R's order of levels, and R's numbers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.model import MixedModel

CASES = Path(__file__).parents[1] / "reference" / "mixed"
ANSWERS = Path(__file__).parents[1] / "reference" / "mixed_answers"
MORE = Path(__file__).parents[1] / "reference" / "mixed_more"


def names() -> list[str]:
    """Every case found in the folder."""
    return sorted(path.stem for path in CASES.glob("*.json"))


@cache
def case(name: str) -> dict[str, Any]:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


@cache
def more(name: str) -> dict[str, Any]:
    return json.loads((MORE / f"{name}.json").read_text(encoding="utf-8"))["cases"]


def data(name: str) -> pd.DataFrame:
    levels = case(name)["factor_levels"] or {}
    frame = pd.read_csv(
        CASES / case(name)["csv"], dtype=dict.fromkeys(levels, str), keep_default_na=False
    )
    for column, known in levels.items():
        known = known if isinstance(known, list) else [known]
        frame[column] = pd.Categorical(frame[column], categories=list(map(str, known)))
    return frame


@cache
def answers() -> dict[str, Any]:
    return json.loads((ANSWERS / "answers.json").read_text(encoding="utf-8"))


def answer_data(name: str) -> pd.DataFrame:
    """Rows of a data set of `answers`, with R's order of levels."""
    made, (base, *part) = answers(), name.split("_unbalanced")
    levels = dict(made["factor_levels"][base])
    frame = pd.read_csv(ANSWERS / made["data"][base], dtype=dict.fromkeys(levels, str))
    for column, known in levels.items():
        frame[column] = pd.Categorical(frame[column], categories=known)
    return frame.drop([row - 1 for row in made["rows_left_out"][base]]) if part else frame


@cache
def answered(name: str, method: str = "reml") -> MixedFit:
    """Return one fit of each model of `answers` for all tests."""
    (model,) = (one for one in answers()["models"] if one["name"] == name)
    return MixedModel(model["formula"]).fit(answer_data(model["data"]), method=method)


@cache
def fitted(name: str, method: str = "reml") -> MixedFit:
    """One fit of each case for all tests; results are frozen."""
    return MixedModel(case(name)["formula"]).fit(data(name), method=method)
