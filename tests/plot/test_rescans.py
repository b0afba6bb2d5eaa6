import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError, UsageError
from qsmstats.harmonise.rescan_pairs import SAME
from qsmstats.harmonise.rescans import rescan_agreement
from qsmstats.plot.rescans import bland_altman


@pytest.fixture(scope="module")
def agreement():
    rng = np.random.default_rng(1)
    rows = [
        (f"p{person}", f"s{visit}", visit / 100, scanner, rng.normal(5, 1))
        for person in range(8)
        for visit, scanner in enumerate("AAB")
    ]
    names = ["participant_id", "session_id", "years", "scanner", "mwf_percent"]
    return rescan_agreement(pd.DataFrame(rows, columns=names), "mwf_percent", region=None)


def test_dots_are_the_pairs_and_lines_their_limits(agreement, axes):
    bland_altman(agreement, comparison="A - B", ax=axes)
    dots = np.vstack([one.get_offsets() for one in axes.collections])
    own = agreement.pairs.query("comparison == 'A - B'")
    np.testing.assert_allclose(dots, own[["mean", "difference"]])
    table = agreement.agreement.query("comparison == 'A - B'").set_index("measure")
    heights = {line.get_ydata()[0] for line in axes.lines}
    named = ["upper_limit", "mean_difference", "lower_limit"]
    assert heights == {0, *table.loc[named, "estimate"]}
    bands = [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in axes.patches]
    np.testing.assert_allclose(bands, table.loc[named, ["conf_low", "conf_high"]])
    assert len(axes.texts) == 3
    assert axes.get_ylabel() == "MWF (%): A − B"
    assert axes.get_xlabel() == "Myelin water fraction (%), mean of both"


def test_the_first_comparison_is_drawn_and_others_by_name(agreement, axes):
    bland_altman(agreement, hue="scanner_first", ax=axes)
    assert axes.get_ylabel().endswith("A − B")
    axes.clear()
    bland_altman(agreement, comparison=SAME, ax=axes)
    assert axes.get_ylabel().endswith("earlier − later")
    with pytest.raises(UsageError, match="comparison must be"):
        bland_altman(agreement, comparison="A - C", ax=axes)


def test_limits_of_one_participant_are_not_drawn(agreement, axes):
    one = agreement.pairs.query("participant_id == 'p1'")
    data = one.melt(["participant_id", "region"], ["first", "second"], "scanner", "y")
    data = data.drop_duplicates(["scanner"]).assign(session_id=lambda d: d["scanner"], years=0.0)
    bland_altman(rescan_agreement(data, "y", region=None), ax=axes)
    assert len(axes.texts) == 1
    assert not axes.patches


def test_a_table_is_no_answer(agreement, axes):
    with pytest.raises(InvalidDataError, match="column 'measure'"):
        bland_altman(agreement.pairs, ax=axes)
