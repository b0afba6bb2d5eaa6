"""The columns of the table of features, as data_schemas/features.schema.json has them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from qsmstats.schemas import load_schema

__all__ = ["MISSING", "feature_types", "read_features"]

MISSING = "n/a"


def feature_types() -> dict[str, str]:
    """Return the type of each column of the table of features, in the schema's order."""
    kinds = {"integer": "Int64", "boolean": "boolean", "number": "float64", "string": "str"}
    return {field.name: kinds[field.type] for field in load_schema("features").fields}


def read_features(path: Path) -> pd.DataFrame:
    """Read a table of features as it was written, to the last digit."""
    return pd.read_csv(
        path,
        sep="\t",
        dtype=feature_types(),
        keep_default_na=False,
        na_values={name: [MISSING] for name, kind in feature_types().items() if kind != "str"},
        float_precision="round_trip",
    )
