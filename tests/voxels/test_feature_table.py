"""Tables of features are read back together as they were written one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.voxels import feature_table
from qsmstats.voxels.feature_table import feature_types, read_features

KINDS = feature_types()


def features(names, seed):
    rng = np.random.default_rng(seed)
    made = {
        "str": ["sub-01", "n/a", "", "=1"],
        "Int64": pd.array([1, None, 3, 4], dtype="Int64"),
        "float64": [np.nan, *(rng.normal(size=3) * 10.0 ** rng.integers(-300, 300, 3))],
        "boolean": pd.array([True, None, False, True], dtype="boolean"),
    }
    return pd.DataFrame({name: made[KINDS[name]] for name in names}).astype(
        {name: KINDS[name] for name in names}
    )


def written(table):
    words = {True: "TRUE", False: "FALSE"}
    truth = table.select_dtypes("boolean").columns
    return (
        table.assign(**{name: table[name].astype("object").map(words) for name in truth})
        .to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n")
        .encode()
    )


@pytest.mark.parametrize("piece", [1, feature_table.PIECE])
def test_tables_are_read_to_the_last_digit_and_joined_where_columns_differ(monkeypatch, piece):
    monkeypatch.setattr(feature_table, "PIECE", piece)
    whole, few = list(KINDS), [name for name in KINDS if name != "z"]
    tables = [features(names, seed) for seed, names in enumerate([whole, whole, few])]
    read = read_features(map(written, tables))
    expected = pd.concat(tables, ignore_index=True)
    pd.testing.assert_frame_equal(read, expected, check_exact=True)


def test_no_table_gives_all_columns_and_no_row():
    nothing = read_features([])
    assert nothing.empty
    assert nothing.dtypes.astype(str).to_dict() == KINDS
