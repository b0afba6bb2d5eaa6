"""The columns of the table of features, as data_schemas/features.schema.json has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.schemas import load_schema

__all__ = ["MISSING", "feature_types", "read_features"]

MISSING = "n/a"
_TRUTH = {"TRUE": True, "FALSE": False}


def feature_types() -> dict[str, str]:
    """Return the type of each column of the table of features, in the schema's order."""
    kinds = {"integer": "Int64", "boolean": "boolean", "number": "float64", "string": "str"}
    return {field.name: kinds[field.type] for field in load_schema("features").fields}


def read_features(path: Path) -> pd.DataFrame:
    """Read a table of features as it was written, to the last digit."""
    text = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    types = feature_types()
    columns = {name: _typed(text[name].tolist(), types[name]) for name in text.columns}
    return pd.DataFrame(columns)


def _typed(words: list[str], kind: str) -> Any:
    if kind == "str":
        return pd.array(words, dtype="str")
    if kind == "float64":
        # Python's float reads back the very number that was written; pandas did not always.
        return [float("nan") if word == MISSING else float(word) for word in words]
    read: Callable[[str], Any] = int if kind == "Int64" else _TRUTH.__getitem__
    values: Any = [pd.NA if word == MISSING else read(word) for word in words]
    dtype: Any = kind
    return pd.array(values, dtype=dtype)
