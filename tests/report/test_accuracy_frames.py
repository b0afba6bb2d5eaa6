import pandas as pd
import pytest

from qsmstats.accuracy.diagnostic import diagnostic_accuracy
from qsmstats.report.accuracy_frames import (
    class_counts,
    confusion_table,
    main_rows,
    reading_steps,
)
from qsmstats.settings import HistologySettings

from . import made


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


@pytest.mark.parametrize("unmapped", ["negative", "exclude"])
def test_counts_per_brain_add_up_to_the_counts_of_the_accuracy_study(confusion, unmapped):
    settings = HistologySettings()
    counts = class_counts(confusion, settings.mapping, unmapped)
    total = counts.groupby(["class", "measure"])[["numerator", "denominator"]].sum()
    accuracy = diagnostic_accuracy(
        made.histology(),
        index_test="index_test",
        reference_standard="reference_standard",
        mapping=settings.mapping,
        cluster="brain_id",
        unmapped={"hypointense_rim": unmapped},
        indeterminate_levels=("indeterminate",),
    )
    rows = main_rows(accuracy).set_index(["class", "measure"]).loc[total.index]
    assert (rows[["numerator", "denominator"]].astype(int) == total).all(axis=None)


def test_main_rows_keep_the_observed_share_beside_both_intervals():
    table = pd.DataFrame(
        {
            "class_": "a",
            "measure": "sensitivity",
            "numerator": 8,
            "denominator": 9,
            "estimate": [8 / 9, 0.8],
            "conf_low": [0.5, 0.4],
            "conf_high": [0.98, 0.97],
            "role": ["lesions assumed independent", "recommended"],
            "missing": "exclude",
            "indeterminate": "exclude",
        }
    )
    row = main_rows(table).iloc[0]
    assert row["share"] == pytest.approx(8 / 9)
    assert (row["recommended_low"], row["independent_low"]) == (0.4, 0.5)


def test_a_flow_without_its_steps_gives_no_boxes():
    assert reading_steps(pd.DataFrame()).empty
    assert reading_steps(pd.DataFrame({"step": ["eligible"], "n": [1], "n_clusters": [1]})).empty
