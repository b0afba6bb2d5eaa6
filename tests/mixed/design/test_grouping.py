import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.errors import InvalidDataError
from qsmstats.mixed.design.grouping import coded_column, compress, grouping, sorted_codes


def _group(frame, names):
    columns = {name: coded_column(frame[name]) for name in names}
    return grouping(names, columns)


def test_levels_of_an_interaction_need_no_unique_names():
    frame = pd.DataFrame({"patient": ["p1", "p1", "p2", "p2"], "lesion": ["a", "b", "a", "a"]})
    groups, codes = _group(frame, ["patient", "lesion"])
    assert codes.tolist() == [0, 1, 2, 2]
    assert groups.levels.tolist() == ["p1:a", "p1:b", "p2:a"]
    assert groups.label == "patient:lesion"


def test_categories_keep_their_order_and_unused_ones_make_no_group():
    column = pd.Categorical(["u", "w", "w"], categories=["w", "v", "u"])
    groups, codes = _group(pd.DataFrame({"g": column}), ["g"])
    assert groups.levels.tolist() == ["w", "u"]
    assert codes.tolist() == [1, 0, 0]


def test_new_data_are_coded_and_unseen_groups_marked():
    frame = pd.DataFrame({"a": ["x", "x", "y"], "b": [1, 2, 1]})
    groups, _ = _group(frame, ["a", "b"])
    new = pd.DataFrame({"a": ["y", "y", "x", "z", None], "b": [1, 2, 2, 1, 1]})
    assert groups.codes(new).tolist() == [2, -1, 1, -1, -1]
    with pytest.raises(InvalidDataError, match="lack the columns b"):
        groups.codes(new[["a"]])


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(501, 10**9))
def test_counting_and_sorting_number_codes_alike(codes, size):
    codes = np.array(codes, dtype=np.int64)
    observed, dense = compress(codes, size)
    expected, inverse = np.unique(codes, return_inverse=True)
    np.testing.assert_array_equal(observed, expected)
    np.testing.assert_array_equal(dense, inverse.ravel())


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), min_size=1, max_size=40))
def test_groups_are_the_observed_combinations(rows):
    frame = pd.DataFrame(rows, columns=["a", "b"])
    groups, codes = _group(frame, ["a", "b"])
    assert groups.size == len(set(rows))
    np.testing.assert_array_equal(codes, frame.groupby(["a", "b"]).ngroup())
    np.testing.assert_array_equal(groups.codes(frame), codes)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["b", "é", None, "a", "b", "Z"]),
        pd.Series(["b", None, "a"], dtype=object),
        pd.Series([3, "a", 1, "3"], dtype=object),
        pd.Series(["a", None, "b", "a", "c"]),
        pd.Series(["a", "b"], dtype=object, index=[7, 7]),
        pd.Series(["b", "a"], dtype="category"),
        pd.Series(pd.to_datetime(["2024-05-02", None, "2023-01-01"])),
        pd.Series([2, 1, 2], dtype="int64[pyarrow]"),
        pd.Series([2.5, np.nan, -1.0]),
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series([(2, "a"), (1, "b")]),
        pd.Series([], dtype=object),
    ],
    ids=str,
)
def test_distinct_values_are_sorted_as_pandas_sorts_them(column):
    codes, values = sorted_codes(column)
    expected_codes, expected = pd.factorize(column, sort=True)
    np.testing.assert_array_equal(codes, expected_codes)
    pd.testing.assert_index_equal(values, pd.Index(expected))


def test_values_without_an_order_are_told():
    with pytest.raises(TypeError):
        sorted_codes(pd.Series([1j, "a", (1,)], dtype=object))
