"""What lies between scanners is withheld, in words that say why, and nothing else is."""

import numpy as np
import pandas as pd
import pytest

from qsmstats import ModelSettings, baseline_differences, tissue_differences, trajectories
from qsmstats.errors import NoDataError, NotIdentifiedError
from qsmstats.harmonise.confounding import confounded_functions
from qsmstats.mixed.inference.linear_functions import compared, estimated
from qsmstats.mixed.model import MixedModel
from qsmstats.studies.confounded import CONFOUNDED, withheld
from qsmstats.studies.missing_visits import lost_lesions
from qsmstats.studies.patients.change import change_regression

SLOPES = "{outcome} ~ lesion_type * years + (1 | participant_id/lesion_id)"
PLAIN = "{outcome} ~ lesion_type + (1 | participant_id)"
FAST = ModelSettings(df="normal", adjust="holm")
RIMS = ["hypointense_rim", "paramagnetic_rim"]


def upgraded(lesions: pd.DataFrame) -> pd.DataFrame:
    """Return followed lesions, all later visits on another scanner, whose values are 5 higher."""
    followed = lesions[lesions.groupby("participant_id")["years"].transform("max") > 0]
    later = followed["years"] > 0
    return followed.assign(
        scanner=np.where(later, "new", "old"), mwf_percent=followed["mwf_percent"] + 5.0 * later
    )


@pytest.fixture(autouse=True)
def _without_checks(monkeypatch):
    """Leave out the checks of the models, which take most of the time and have their own tests."""
    for module in ("baseline", "trajectory"):
        monkeypatch.setattr(
            f"qsmstats.studies.{module}.model_checks", lambda *_, **__: pd.DataFrame()
        )


@pytest.fixture(scope="module")
def all_later(lesions):
    return trajectories(upgraded(lesions), formula=SLOPES, weights=(), settings=FAST)


def test_follow_ups_on_another_scanner_leave_the_differences_of_changes(lesions, all_later):
    """A shift of the scanner moves the changes, and none of their differences."""
    alone = trajectories(lesions, formula=SLOPES, weights=(), settings=FAST)
    for name in ("slopes", "changes", "means"):
        table = getattr(all_later, name)
        assert table["estimate"].isna().all()
        assert set(table["note"]) == {CONFOUNDED}
    ours, theirs = (answer.slope_contrasts for answer in (all_later, alone))
    np.testing.assert_allclose(ours["estimate"], theirs["estimate"], atol=0.02)
    np.testing.assert_allclose(ours["std_error"], theirs["std_error"], rtol=0.05)
    said = " ".join(all_later.notes)
    for words in (
        "Withheld: the mean change of all types is confounded with scanner: 0.",
        "of the information lies within scanners (at least 5 % is required)",
        "the design has rank 11 in 11 columns",
        "0 to 0 on old",
    ):
        assert words in said


def test_a_rare_type_is_withheld_with_the_others(lesions):
    """Its own share is large, as it knows little of its change without scanners either."""
    stretched = upgraded(lesions)
    number = stretched["participant_id"].str[-2:].astype(int)
    stretched["years"] *= 0.8 + 0.4 * (number % 5) / 5
    rare = stretched["lesion_type"] == "paramagnetic_rim"
    fewer = stretched[~rare | (number == 3)]
    answer = trajectories(fewer, formula=SLOPES, weights=(), settings=FAST)
    rates = estimated(answer.fit, None, "years", by="lesion_type")
    low, _ = confounded_functions(
        answer.fit.fixed, answer.fit.frame.data, rates.matrix, rates.keys["lesion_type"]
    )
    assert not low.all()
    assert answer.slopes["estimate"].isna().all()


def test_equal_times_of_follow_up_are_not_estimable_at_all(lesions):
    same = upgraded(lesions).assign(years=lambda d: (d["years"] > 0) * 2.0)
    answer = trajectories(same, formula=SLOPES, weights=(), settings=FAST)
    assert answer.slopes["estimate"].isna().all()
    assert answer.slope_contrasts["estimate"].notna().all()
    assert "0 % of the information" in answer.notes[1]
    assert "rank 10 in 11 columns" in answer.notes[1]
    # The scanner keeps its coefficient, so that none is called the change.
    assert "years" not in set(answer.coefficients["term"])


def test_a_sensitivity_analysis_of_changes_that_are_not_known_has_no_answer(lesions, all_later):
    with pytest.raises(NoDataError, match="changes per year are not known"):
        lost_lesions(all_later, upgraded(lesions))


def test_the_change_by_disability_is_known_where_all_patients_changed_scanners(lesions):
    rows = upgraded(lesions)
    rows["edss"] = rows["participant_id"].str[-3:].astype(int) % 7
    settings = ModelSettings(trajectory=SLOPES, df="normal")
    (found,), _ = change_regression(rows, "mwf_percent", "edss", models=settings)
    unmoved = rows.assign(mwf_percent=rows["mwf_percent"] - 5.0 * (rows["years"] > 0))
    (alone,), _ = change_regression(
        unmoved.drop(columns="scanner"), "mwf_percent", "edss", models=settings
    )
    assert abs(found["estimate"] - alone["estimate"]) < 0.3 * alone["std_error"]
    # Those of high disability alone moved to the new scanner.
    some = rows.assign(scanner=np.where((rows["edss"] > 2) & (rows["years"] > 0), "new", "old"))
    some["edss"] = (some["edss"] > 2).astype(float)
    with pytest.raises(NotIdentifiedError, match="years:edss is confounded with scanner"):
        change_regression(some, "mwf_percent", "edss", models=settings)


@pytest.mark.parametrize("term", ["fixed", "random"])
def test_types_are_compared_on_the_scanners_that_they_share(lesions, term):
    own = pd.Series(np.where(lesions["lesion_type"].isin(RIMS), "B", "A"), lesions.index)
    if term == "random":
        own += lesions["participant_id"].str[-1].map(lambda digit: str(int(digit) % 3))
    settings = ModelSettings(scanner=term, baseline=PLAIN, df="normal", adjust="holm")
    answer = baseline_differences(lesions.assign(scanner=own), settings=settings)
    table = answer.contrasts
    apart = table["first"].isin(RIMS) != table["second"].isin(RIMS)
    assert table["estimate"].isna().tolist() == apart.tolist()
    assert table.loc[apart, ["p_adjusted", "hedges_g"]].isna().all(axis=None)
    (said,) = [note for note in answer.notes if note.startswith("Withheld")]
    for words in (
        "isointense - hypointense_rim, ",
        "0 % of the information",
        "rank 9 in 10 columns" if term == "random" else "rank 5 in 6 columns",
        "hypointense_rim on B",
    ):
        assert words in said


def test_the_checks_of_a_model_are_of_what_it_answers(lesions, monkeypatch):
    """An answer that is withheld is none that a participant would turn."""
    asked = []
    monkeypatch.setattr(
        "qsmstats.studies.baseline.model_checks", lambda *given, **_: asked.append(given[3])
    )
    own = np.where(lesions["lesion_type"].isin(RIMS), "B", "A")
    baseline_differences(lesions.assign(scanner=own), formula=PLAIN, settings=FAST)
    assert len(asked[0]) == 4
    assert asked[0]["estimate"].notna().all()


def test_a_type_on_one_scanner_only_is_compared_with_the_others_there(lesions):
    """The share is the ratio of variances of the contrast without and with scanners."""
    rows = lesions[lesions["years"] == 0].copy()
    prl = rows["lesion_type"] == "paramagnetic_rim"
    rows["scanner"] = np.where(prl | (np.arange(len(rows)) % 3 == 0), "B", "A")
    answer = baseline_differences(rows, formula=PLAIN, weights=(), settings=FAST)
    assert answer.contrasts["estimate"].notna().all()
    assert answer.means.loc[answer.means["level"] == "isointense", "estimate"].notna().all()
    types = pd.get_dummies(rows["lesion_type"], dtype=float).to_numpy()
    weights = np.array([1.0, 0, 0, 0, -1.0])
    wide = np.column_stack([types, rows["scanner"] == "B"]).astype(float)
    alone = weights @ np.linalg.inv(types.T @ types) @ weights
    padded = np.append(weights, 0.0)
    share = alone / (padded @ np.linalg.inv(wide.T @ wide) @ padded)
    assert 0.2 < share < 0.9
    fit, table = answer.fit, answer.contrasts
    _, reason = withheld(
        fit, table, compared(fit, "lesion_type"), names=table["contrast"], variables=[]
    )
    assert reason == ""


def test_controls_on_a_scanner_of_their_own_leave_the_comparisons_of_patients(lesions):
    first = lesions[lesions["years"] == 0].assign(tissue=lambda d: d["lesion_type"].astype(str))
    white = first.drop_duplicates("participant_id").assign(lesion_id=None, tissue="nawm")
    hc = white.assign(tissue="hc_white_matter", participant_id=white["participant_id"] + "c")
    tissue = pd.concat(
        [hc.assign(scanner="A"), white.assign(scanner="B"), first.assign(scanner="B")]
    )
    formula = "{outcome} ~ tissue + (1 | participant_id)"
    answer = tissue_differences(tissue, formula=formula, settings=FAST)
    of_controls = (answer.contrasts[["first", "second"]] == "hc_white_matter").any(axis=1)
    assert answer.contrasts["estimate"].isna().tolist() == of_controls.tolist()
    assert "tissue: hc_white_matter on A, nawm on B" in " ".join(answer.notes)
    # Patients on both scanners are compared with the controls of theirs.
    half = tissue["participant_id"].str[-1].isin(list("02468")) & (tissue["scanner"] == "B")
    mixed = tissue.assign(scanner=tissue["scanner"].mask(half, "A"))
    assert (
        tissue_differences(mixed, formula=formula, settings=FAST)
        .contrasts["estimate"]
        .notna()
        .all()
    )


def test_where_nothing_is_left_the_question_is_refused(lesions):
    two = lesions[lesions["lesion_type"].isin(["isointense", "paramagnetic_rim"])]
    own = np.where(two["lesion_type"] == "isointense", "A", "B")
    with pytest.raises(NotIdentifiedError, match=r"paramagnetic_rim is confounded .*one scanner"):
        baseline_differences(two.assign(scanner=own), formula=PLAIN, settings=FAST)


def test_a_model_without_the_scanner_withholds_nothing(lesions):
    first = lesions[lesions["years"] == 0]
    fit = MixedModel("mwf_percent ~ lesion_type + (1 | participant_id)").fit(first)
    table = fit.contrasts("lesion_type")
    families = compared(fit, "lesion_type")
    same, reason = withheld(fit, table, families, names=table["contrast"], variables=[])
    assert same is table
    assert reason == ""
