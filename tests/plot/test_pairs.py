import pandas as pd
import pytest

from qsmstats.plot.pairs import pair_triangle
from tests.plot.drawn import labels


def test_a_pair_has_its_cell_in_the_row_of_its_first_and_the_column_of_its_second(axes):
    contrasts = pd.DataFrame(
        {
            "first": ["isointense", "isointense", "hypointense"],
            "second": ["hypointense", "hyperintense", "hyperintense"],
            "estimate": [10.884, -8.43, -19.31],
            "std_error": [0.35, 0.15, 0.37],
            "conf_low": [10.2, -8.7, -20.1],
            "conf_high": [11.6, -8.1, 0.3],
            "p_value": [1e-9, 1e-9, 0.2],
            "p_adjusted": [1e-9, 0.01, 0.6],
        }
    )
    levels = ["isointense", "hypointense", "hyperintense"]
    pair_triangle(contrasts, axes, levels=levels, alpha=0.05, name_rows=True)
    cells = {text.get_text(): text.get_position()[0] for text in axes.texts}
    rows = {text.get_text(): round(text.get_position()[1]) for text in axes.texts}
    assert cells == {"10.88": 1, "<0.001": 1, "−8.43": 2, "0.010": 2, "−19.31": 2, "0.60": 2}
    # The first level is on top, as its cloud is.
    assert (rows["10.88"], rows["−8.43"], rows["−19.31"]) == (2, 2, 1)
    faces = [box.get_facecolor() for box in axes.patches]
    assert faces[0] == faces[1] != faces[2] == pytest.approx((253 / 255,) * 3 + (1,))
    assert labels(axes) == ["isointense", "hypointense"]
