from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats import trajectories
from qsmstats.errors import NoDataError, UsageError
from qsmstats.report.sections.lost_lesions import tipping_sentence
from qsmstats.settings import ModelSettings
from qsmstats.studies.missing_visits import _missing_visits, lost_lesions

# The default model, with slopes by type and lesion too, takes three times as long.
FORMULA = (
    "{outcome} ~ lesion_type * years + age + sex"
    " + (1 + years | participant_id) + (1 | participant_id:lesion_id)"
)
SETTINGS = ModelSettings(trajectory=FORMULA, weights="lesion_type", imputations=10, adjust="holm")


@pytest.fixture(scope="module")
def lost(lesions):
    """A third of the lesions has no second visit, except those of one type."""
    gone = lesions["session_id"].eq("ses-02") & lesions["lesion_id"].str.endswith(("1", "4", "7"))
    kept = lesions[~(gone & lesions["lesion_type"].ne("hypointense_rim"))]
    answer = trajectories(kept, settings=SETTINGS)
    return kept, answer, lost_lesions(answer, kept, settings=SETTINGS)


def test_with_delta_0_the_slopes_are_the_models_own(lost):
    """Up to 3 Monte-Carlo errors of each of 5 slopes."""
    _, answer, made = lost
    zero = made.slopes[made.slopes["delta"] == 0].reset_index(drop=True)
    assert (zero["lesion_type"].astype(str) == answer.slopes["lesion_type"].astype(str)).all()
    away = (zero["estimate"] - answer.slopes["estimate"]) / zero["mc_error"]
    assert away.abs().max() < 3.5
    # What is imputed holds no information: errors are those of the model, and not smaller. Ten
    # imputations leave the variance between them uncertain by half of itself.
    ratio = zero["std_error"] / answer.slopes["std_error"]
    np.testing.assert_allclose(ratio, 1.0, atol=0.3)
    assert ratio.mean() == pytest.approx(1.0, abs=0.15)


def test_slopes_follow_delta_by_the_share_of_lesions_that_were_lost(lost):
    kept, _, made = lost
    table = made.slopes.pivot_table("estimate", "delta", "lesion_type", observed=True)
    per_delta = (table.iloc[-1] - table.iloc[0]) / (table.index[-1] - table.index[0])
    told = made.tipping.set_index("lesion_type")
    assert told.loc["hypointense_rim", "n_lost"] == 0
    assert abs(per_delta["hypointense_rim"]) < 0.02
    others = per_delta.drop("hypointense_rim")
    # A lost share s of visits after two years: about s / 2 per year.
    share = (told["n_lost"] / told["n_lesions"]).drop("hypointense_rim")
    np.testing.assert_allclose(others, share[others.index] / 2, rtol=0.1)
    sessions = kept[kept["participant_id"].isin(kept[kept["years"] > 0]["participant_id"])]
    lesions = sessions.drop_duplicates(["participant_id", "lesion_id"])
    assert told["n_lesions"].sum() == len(lesions)
    assert told["n_lost"].sum() == len(lesions) - (kept["years"] > 0).sum()


def test_the_tipping_point_is_where_p_crosses(lost):
    made = lost[2]
    turned = made.tipping.dropna(subset="delta")
    assert len(turned)
    for row in turned.itertuples():
        mine = made.slopes[made.slopes["lesion_type"] == row.lesion_type]
        p = mine["p_adjusted"].to_numpy()
        below = mine["delta"].to_numpy() < row.delta
        edges = p[np.flatnonzero(below)[-1]], p[np.flatnonzero(~below)[0]]
        assert (edges[0] < 0.05) != (edges[1] < 0.05)


def test_the_sentence_names_the_mean_at_which_the_answer_changes():
    row = pd.Series(
        dict(
            zip(
                ["lesion_type", "n_lesions", "n_lost", "significant", "delta"],
                ["isointense", 40, 9, True, -0.5],
                strict=True,
            ),
            lowest=-1.0,
            highest=1.0,
            expected=6.2,
            unit="percent",
        )
    )
    assert tipping_sentence(row) == (
        "Isointense (9 of 40 lost): the change per year stays significant unless the mean of the"
        " lost lesions was 5.70 % or less, instead of the 6.20 expected (delta −0.50)."
    )
    row["delta"], row["significant"] = np.nan, False
    assert "stays non-significant for every delta from −1.00 to +1.00 %." in tipping_sentence(row)
    row["n_lost"] = 0
    assert tipping_sentence(row).endswith("does not depend on delta.")


def test_without_a_missing_visit_there_is_nothing_to_vary(lesions, trajectory):
    with pytest.raises(NoDataError, match="mwf_percent: every lesion of the model has a value"):
        lost_lesions(trajectory, lesions)


def test_a_lost_lesion_has_the_scanner_of_the_visit_at_which_it_was_lost():
    keys = [("p", "s1", "a", 0.0, "A"), ("p", "s1", "b", 0.0, "A"), ("p", "s2", "b", 1.0, "B")]
    columns = ["participant_id", "session_id", "lesion_id", "years", "scanner"]
    made = _missing_visits(pd.DataFrame(keys, columns=columns).assign(sex="F"))
    assert made.to_numpy().tolist() == [["p", "s2", "a", 1.0, "B", "F"]]


def test_another_table_than_that_of_the_answer_is_refused(lost):
    kept, answer, _ = lost
    changed = kept.copy()
    changed.loc[changed.index[0], answer.outcome] += 1
    for table, said in (
        (kept.head(40), r"it has \d+ rows of its kind, and the answer used \d+"),
        (changed, "it has another row, or value, for sub-000, ses-01"),
    ):
        with pytest.raises(UsageError, match=f"not the table .* was made from: {said}.*; give the"):
            lost_lesions(answer, table, settings=SETTINGS)
    with pytest.raises(UsageError, match="no column"):
        lost_lesions(answer, kept.drop(columns=answer.outcome), settings=SETTINGS)
