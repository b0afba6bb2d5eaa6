"""The rows of a fit: copies of its own, complete, as numbers or categories."""

import numpy as np
import pandas as pd
import pytest

from qsmstats.mixed.design.frame import model_frame


@pytest.mark.parametrize("index", [None, [5, 5, 1, 0]])
def test_the_rows_of_a_fit_do_not_follow_the_data(index):
    data = pd.DataFrame(
        {
            "y": [1.0, 2.0, 3.0, 4.0],
            "f": pd.Categorical(["a", "b", "a", "b"]),
            "s": ["u", "v", "w", "u"],
            "g": ["k", "l", "k", "l"],
            "i": [1, 2, 1, 2],
        },
        index=index,
    )
    made = model_frame(data, ["y", "f", "s"], ["g", "i"], [])
    before = made.data.copy(deep=True)
    for name, value in {"y": 9.0, "f": "a", "s": "v", "g": "l", "i": 2}.items():
        data[name].array[0] = value
        data.iloc[0, data.columns.get_loc(name)] = value
    pd.testing.assert_frame_equal(made.data, before)


def test_levels_without_complete_rows_are_dropped_and_told():
    data = pd.DataFrame({"y": [1.0, np.nan, 3.0], "f": ["a", "b", "c"], "g": ["k", "l", None]})
    made = model_frame(data, ["y", "f"], ["g"], [])
    assert made.data.f.cat.categories.tolist() == ["a"]
    assert made.empty_levels == {"f": ("b", "c")}
    assert made.dropped == {"y": 1, "g": 1}
    assert made.kept.tolist() == [0]
    assert made.variables["y"].mean == 1.0


def test_the_table_of_a_fit_has_the_types_that_pandas_gives_its_columns():
    data = pd.DataFrame(
        {
            "y": [1, 2, None],
            "f": ["b", "a", "c"],
            "g": pd.Series(["k", "l", "m"], dtype=object),
            "d": pd.to_datetime(["2024-05-02", "2024-05-03", "2024-05-04"]),
        }
    )
    made = model_frame(data, ["y", "f"], ["g", "d"], [])
    expected = pd.DataFrame(
        {
            "y": [1.0, 2.0],
            "f": pd.Categorical(["b", "a"], categories=pd.Index(["a", "b"])),
            "g": ["k", "l"],
            "d": pd.to_datetime(["2024-05-02", "2024-05-03"]),
        }
    )
    expected["d"] = expected["d"].astype(data["d"].dtype)
    pd.testing.assert_frame_equal(made.data, expected)
