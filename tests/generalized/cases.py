"""The reference cases of `tests/reference/generalized`, and their fits."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.generalized.fit import GeneralizedFit
from qsmstats.generalized.model import GeneralizedMixedModel

FOLDER = Path(__file__).parents[1] / "reference" / "generalized"
_MADE = json.loads((FOLDER / "generalized.json").read_text())
CASES: dict[str, Any] = _MADE["cases"]
EXACT: dict[str, Any] = json.loads((FOLDER / "exact.json").read_text())


@cache
def table(name: str) -> pd.DataFrame:
    data = pd.read_csv(FOLDER / "data" / f"{name}.csv.gz", keep_default_na=False)
    for column, levels in _MADE["factor_levels"].get(name, {}).items():
        text = [str(level) for level in levels]
        data[column] = pd.Categorical(data[column].astype(str), categories=text)
    return data


@cache
def fit(name: str, integration: str | None = None) -> GeneralizedFit:
    case = CASES[name]
    asked = {key: case.get(key) for key in ("family", "link", "trials", "offset", "weights")}
    model = GeneralizedMixedModel(case["formula"], integration=integration, **asked)
    return model.fit(table(case["data"]))


def std_errors(made: GeneralizedFit) -> np.ndarray:
    return np.sqrt(np.diag(made.covariance))


def std_devs(made: GeneralizedFit) -> dict[str, list[float]]:
    return {
        term.design.grouping.label: np.sqrt(np.diag(term.covariance)).tolist()
        for term in made.random
    }
