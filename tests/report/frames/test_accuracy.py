import pandas as pd
import pytest

from qsmstats.plot.agreement import confusion_table
from qsmstats.report.frames.accuracy import main_rows, reading_steps, result_branches
from tests.report import made


@pytest.fixture(scope="module")
def confusion():
    readings = made.histology().drop(columns="lesion_id").fillna("missing")
    return readings.value_counts().rename("n").reset_index()


def test_the_confusion_table_keeps_every_lesion_and_the_order_of_the_schema(confusion):
    table = confusion_table(confusion)
    assert table.to_numpy().sum() == len(made.histology())
    assert list(table.index) == [
        "isointense",
        "hypointense",
        "hyperintense",
        "hypointense_rim",
        "paramagnetic_rim",
        "indeterminate",
        "missing",
    ]
    assert list(table.columns)[-1] == "missing"


def test_branches_count_every_lesion_analysed_and_leave_out_what_nobody_named():
    counts = pd.DataFrame(
        [("a", "a", 3), ("a", "b", 1), ("b", "a", 0), ("b", "b", 2)]
        + [("c", "a", 0), ("c", "b", 1), ("a", "c", 0), ("b", "c", 0), ("c", "c", 0)]
        + [(k, "d", 0) for k in "abcd"]
        + [("d", k, 0) for k in "abc"],
        columns=["index_class", "reference_class", "n"],
    )
    branches = result_branches(counts)
    assert [text.split("\n") for text in branches["result"]] == [
        ["read as", "a", "4 lesions"],
        ["read as", "b", "2 lesions"],
        ["read as", "c", "1 lesion"],
    ]
    assert list(branches["outcome"]) == [
        "histology\na 3\nb 1",
        "histology\na 0\nb 2",
        "histology\na 0\nb 1",
    ]
    assert result_branches(pd.DataFrame()).empty


def test_main_rows_keep_the_observed_share_beside_the_interval_of_one_method():
    table = pd.DataFrame(
        {
            "class_": "a",
            "measure": "sensitivity",
            "numerator": 8,
            "denominator": 9,
            "estimate": [8 / 9, 0.8],
            "conf_low": [0.5, 0.4],
            "conf_high": [0.98, 0.97],
            "n": 20,
            "n_clusters": 3,
            "method": ["wilson", "bayes_uniform"],
            "role": ["lesions assumed independent", "recommended"],
            "missing": "exclude",
            "indeterminate": "exclude",
        }
    )
    row = main_rows(table).iloc[0]
    assert row["share"] == pytest.approx(8 / 9)
    assert (row["low"], row["high"], row["method"]) == (0.4, 0.97, "bayes_uniform")
    assert row["recommended"]
    # Where none is recommended, the interval says what it assumes.
    row = main_rows(table.head(1)).iloc[0]
    assert (row["low"], row["method"], row["recommended"]) == (0.5, "wilson", False)


def test_a_flow_without_its_steps_gives_no_boxes():
    assert reading_steps(pd.DataFrame(columns=["step", "n", "n_clusters"])).empty
    assert reading_steps(pd.DataFrame({"step": ["eligible"], "n": [1], "n_clusters": [1]})).empty
