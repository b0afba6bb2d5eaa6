"""Raters, visits or lesion types in columns become rows."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmstats.errors import InvalidDataError
from qsmstats.schemas import load_schema
from qsmstats.tables.raw_table import RawTable, place_problem
from qsmstats.tables.wide import raw_to_long, to_long

LEVELS = list(load_schema("lesions").column("lesion_type").levels)


def test_raters_in_columns():
    wide = pd.DataFrame(
        {"lesion_id": ["L1", "L2"], "anna": ["PRL", "iso"], "ben": ["hyper", None], "site": [1, 2]}
    )
    long = to_long(wide, ["anna", "ben"], names_to="rater_id", values_to="lesion_type")
    assert long.columns.to_list() == ["lesion_id", "site", "rater_id", "lesion_type"]
    assert long["rater_id"].to_list() == ["anna", "ben", "anna"]
    assert long["lesion_type"].to_list() == ["paramagnetic_rim", "hyperintense", "isointense"]
    assert long["lesion_type"].cat.categories.to_list() == LEVELS
    assert long.index.to_list() == [0, 1, 2]


def test_visits_in_columns():
    wide = pd.DataFrame(
        {"participant_id": ["sub-1", "sub-2"], "ses-01": [0, 0], "ses-02": [2.1, None]}
    )
    long = to_long(wide, ["ses-01", "ses-02"], names_to="session_id", values_to="years")
    assert long.to_dict("list") == {
        "participant_id": ["sub-1", "sub-1", "sub-2"],
        "session_id": ["ses-01", "ses-02", "ses-01"],
        "years": [0.0, 2.1, 0.0],
    }


def test_counts_of_types_in_columns_with_spellings_of_their_own():
    counts = pd.DataFrame({"participant_id": ["sub-1"], "iso": [12], "ring": [0]}, index=[7])
    long = to_long(
        counts,
        ["iso", "ring"],
        names_to="lesion_type",
        values_to="n_lesions",
        lesion_types={"Ring": "paramagnetic_rim"},
    )
    assert long["lesion_type"].to_list() == ["isointense", "paramagnetic_rim"]
    assert long["n_lesions"].to_list() == [12, 0]
    assert counts.columns.to_list() == ["participant_id", "iso", "ring"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"wide": ["iso", "zebra"], "names_to": "type", "values_to": "n"},
            "'zebra': is not a column",
        ),
        ({"wide": ["iso"], "names_to": "id", "values_to": "n"}, "'id': is already a column"),
        ({"wide": ["iso"], "names_to": "n", "values_to": "n"}, "both the names and the values"),
        (
            {"wide": ["iso", "odd"], "names_to": "lesion_type", "values_to": "n"},
            "'odd' is not one of",
        ),
        (
            {
                "wide": ["iso"],
                "names_to": "lesion_type",
                "values_to": "n",
                "lesion_types": {"x": "y"},
            },
            "'y' is not one of",
        ),
    ],
)
def test_what_cannot_be_turned_is_an_error(arguments, words):
    frame = pd.DataFrame({"id": [1], "iso": [3], "odd": [4]})
    with pytest.raises(InvalidDataError, match=words):
        to_long(frame, **arguments)


@given(
    st.dictionaries(
        st.sampled_from(["r1", "r2", "r3"]),
        st.lists(st.integers(0, 9) | st.none(), min_size=3, max_size=3),
        min_size=1,
    )
)
def test_long_rows_are_the_filled_cells_in_reading_order(columns):
    frame = pd.DataFrame({"id": ["a", "b", "c"], **columns}).astype(dict.fromkeys(columns, "Int64"))
    long = to_long(frame, list(columns), names_to="name", values_to="value")
    expected = [
        (identifier, name, columns[name][at])
        for at, identifier in enumerate("abc")
        for name in columns
        if columns[name][at] is not None
    ]
    assert list(long.itertuples(index=False, name=None)) == expected


def test_a_raw_table_keeps_rows_and_columns_of_its_file():
    raw = RawTable(
        name="ratings",
        file="f.csv",
        cells=pd.DataFrame(
            {"lesion_id": ["L1", "L2", "L3"], "r1": ["x", "n/a", ""], "r2": ["y", "z", "w"]}
        ),
        places=pd.DataFrame({"file": "f.csv", "row": [2, 5, 6]}),
        columns={"r2": "Reader B"},
        broken={1: "has 2 cells"},
    )
    long = raw_to_long(raw, ["r1", "r2"], "rater_id", "lesion_type")
    assert long.cells["rater_id"].to_list() == ["r1", "r2", "r2", "r2"]
    assert long.broken == {2: "has 2 cells"}
    places = [str(place_problem(long, at, "lesion_type", "odd")) for at in range(4)]
    assert places == [
        "f.csv row 2, column 'r1': odd",
        "f.csv row 2, column 'Reader B': odd",
        "f.csv row 5, column 'Reader B': odd",
        "f.csv row 6, column 'Reader B': odd",
    ]
    assert str(place_problem(long, 3, "lesion_id", "odd")) == "f.csv row 6, column 'lesion_id': odd"
