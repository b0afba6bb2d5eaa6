"""Alluvial diagrams: a block per state, a band per flow, names and numbers beside them."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.patches import PathPatch, Rectangle

from qsmstats.errors import InvalidDataError
from qsmstats.plot.alluvial import alluvial
from tests.plot.drawn import phone

FLOWS = pd.DataFrame(
    [
        ("isointense", "isointense", 70),
        ("isointense", "vanished", 10),
        ("paramagnetic_rim", "isointense", 1),
        ("paramagnetic_rim", "paramagnetic_rim", 9),
        ("new", "paramagnetic_rim", 10),
    ],
    columns=["from_type", "to_type", "n_intervals"],
)


def test_blocks_and_bands_are_as_high_as_their_numbers(axes):
    alluvial(FLOWS, ax=axes)
    blocks = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    heights = {(block.get_x() > 0.5, round(block.get_height(), 6)) for block in blocks}
    assert heights == {(False, 0.8), (False, 0.1), (True, 0.71), (True, 0.19), (True, 0.1)}
    bands = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    assert len(bands) == len(FLOWS)
    faint = [band for band in bands if band.get_alpha() < 0.5]
    assert len(faint) == 2
    # Bands leave and enter within their blocks.
    for band in bands:
        for x in (0, 1):
            ends = [y for at, y in band.get_path().vertices if abs(at - x) < 0.1]
            inside = [
                block
                for block in blocks
                if (block.get_x() > 0.5) == bool(x)
                and block.get_y() - 1e-9 <= min(ends)
                and max(ends) <= block.get_y() + block.get_height() + 1e-9
            ]
            assert len(inside) == 1


def test_names_and_numbers_stand_beside_the_blocks(axes):
    alluvial(FLOWS, ax=axes)
    texts = {text.get_text() for text in axes.texts}
    assert texts == {
        *("isointense 80", "PRL 10", "new 10"),
        *("isointense 71", "PRL 19", "vanished 10"),
    }


def test_phones_write_the_number_below_the_name():
    axes = phone().add_subplot()
    alluvial(FLOWS, ax=axes)
    assert "isointense\n80" in {text.get_text() for text in axes.texts}


def test_a_state_that_the_order_lacks_is_named(axes):
    with pytest.raises(InvalidDataError, match="holds new, vanished; add it to order: iso"):
        alluvial(FLOWS, order=["isointense", "paramagnetic_rim"], ax=axes)
