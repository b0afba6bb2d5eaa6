import numpy as np
import pandas as pd
import pytest

from qsmstats import plot
from qsmstats.errors import InvalidDataError
from tests.plot.drawn import labels

ROWS = pd.DataFrame(
    {
        "scanner": ["Prisma", "Prisma", "Skyra of the other hospital", "Prisma", None, "Prisma"],
        "tissue": ["nawm", "nawm", "nawm", "hc_white_matter", "nawm", "isointense"],
        "ndi": [0.5, 0.7, 0.6, 0.65, 0.1, 0.2],
    }
)


def test_each_session_with_white_matter_is_a_point_in_the_row_of_its_scanner(axes):
    plot.scanners(ROWS, "ndi", ax=axes)
    assert labels(axes) == ["Prisma\nn = 3", "Skyra of the\nother hospital\nn = 1"]
    patients, controls = (np.asarray(part.get_offsets()) for part in axes.collections)
    assert controls[:, 0].tolist() == [0.65]
    assert patients[:, 0].tolist() == [0.5, 0.7, 0.6]
    assert np.rint(patients[:, 1]).tolist() == [0, 0, 1]
    # The tissues of one scanner do not overlap.
    assert controls[0, 1] > patients[:2, 1].max()
    assert [part.get_label() for part in axes.collections] == ["NAWM", "HC WM"]
    ends = [line.get_xdata().tolist() for line in axes.lines]
    assert [0.55, pytest.approx(0.65)] in ends  # quartiles of 0.5 and 0.7


def test_any_tissue_can_be_asked_for(axes):
    plot.scanners(ROWS, "ndi", order=["isointense"], palette={"isointense": "red"}, ax=axes)
    (points,) = axes.collections
    assert points.get_offsets().tolist() == [[0.2, pytest.approx(-0.21)]]


def test_a_table_without_white_matter_leaves_the_axes_empty(axes):
    plot.scanners(ROWS[ROWS["tissue"] == "isointense"], "ndi", ax=axes)
    assert not axes.collections
    assert labels(axes) == []


def test_a_table_without_scanners_is_refused(axes):
    with pytest.raises(InvalidDataError, match="column 'scanner': is missing"):
        plot.scanners(ROWS.drop(columns="scanner"), "ndi", ax=axes)
