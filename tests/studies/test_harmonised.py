"""Answers from adjusted outcomes: those of ComBat by hand, beside the answers with the scanner."""

import numpy as np
import pandas as pd
import pytest

from qsmstats import (
    ModelSettings,
    baseline_differences,
    combat,
    harmonised_answer,
    longcombat,
    trajectories,
)
from qsmstats.errors import InvalidDataError, NoDataError, NotIdentifiedError, UsageError
from qsmstats.mixed.model import MixedModel

PLAIN = "{outcome} ~ lesion_type + age + (1 | participant_id)"
SLOPES = "{outcome} ~ lesion_type * years + (1 | participant_id/lesion_id)"
SHIFT = {"A": 0.0, "B": 1.5, "C": -1.0}
FAST = {"baseline": PLAIN, "trajectory": SLOPES, "df": "normal", "adjust": "holm"}
FEATURES = ["mwf_percent", "ndi"]


@pytest.fixture(scope="module")
def moved(lesions):
    """Lesions on three scanners that shift both outcomes; participants moved by chance."""
    rng = np.random.default_rng(5)
    lesions = lesions[lesions["participant_id"] < "sub-016"]
    visits = lesions[["participant_id", "session_id"]].drop_duplicates()
    rows = lesions.merge(visits.assign(scanner=rng.choice([*SHIFT], len(visits))))
    rows["mwf_percent"] += rows["scanner"].map(SHIFT)
    return rows.assign(ndi=rows["mwf_percent"] / 20 + rng.normal(0, 0.02, len(rows)))


@pytest.fixture(scope="module")
def answer(moved):
    return baseline_differences(moved, settings=settings("none"))


@pytest.fixture(autouse=True)
def _without_checks(monkeypatch):
    """Leave out the checks of the models, which take most of the time and have their own tests."""
    for module in ("baseline", "trajectory"):
        monkeypatch.setattr(
            f"qsmstats.studies.{module}.model_checks", lambda *_, **__: pd.DataFrame()
        )


def settings(method, **changes):
    return ModelSettings(harmonise=method, **FAST, **changes)


@pytest.mark.parametrize("method", ["combat", "longcombat"])
def test_the_answer_is_that_of_the_model_of_outcomes_adjusted_by_hand(moved, method):
    asked = settings(method)
    answer = baseline_differences(moved, settings=asked)
    beside = harmonised_answer(answer, moved, settings=asked, features=FEATURES)
    first = moved[moved["years"] == 0]
    own = {"random": "(1 | participant_id)"} if method == "longcombat" else {}
    made = {"combat": combat, "longcombat": longcombat}[method](
        first, FEATURES, preserve="lesion_type + age", **own
    )
    fit = MixedModel(PLAIN.replace("{outcome}", "mwf_percent")).fit(made.table)
    by_hand = fit.contrasts("lesion_type", df="normal", adjust="holm")
    for name in ("estimate", "std_error", "p_adjusted"):
        np.testing.assert_allclose(beside.contrasts[name], by_hand[name], rtol=1e-6)
    plain = answer.contrasts
    assert beside.contrasts["plain_estimate"].tolist() == plain["estimate"].tolist()
    assert "C(scanner)" in answer.fit.model.formula
    assert "scanner" not in beside.fit.model.formula
    assert set(beside.scanner_effects["feature"]) == {"mwf_percent"}
    assert np.ptp(beside.scanner_effects["shift"]) == pytest.approx(2.5, abs=0.4)
    name = {"combat": "by ComBat, which takes", "longcombat": "longitudinal ComBat with random"}
    assert name[method] in beside.methods
    assert "preserving lesion_type + age; the model" in beside.methods
    assert "5 to 13 % of tests at 5 % erred after ComBat" in beside.notes[0]


def test_change_is_answered_from_all_visits_and_lesions_are_random(moved):
    asked = settings("longcombat")
    answer = trajectories(moved, settings=asked)
    beside = harmonised_answer(answer, moved, settings=asked)
    error = answer.slopes["std_error"]
    assert (abs(beside.slopes["estimate"] - answer.slopes["estimate"]) < 2 * error).all()
    assert len(beside.slope_contrasts) == 10
    assert "random effects of participants and lesions" in beside.methods
    # A single outcome has nothing to be shrunk towards.
    assert beside.scanner_effects["shift"].tolist() == beside.scanner_effects["shift_raw"].tolist()


def test_rows_without_scanner_or_covariate_are_left_out_and_counted(moved):
    holes = moved.copy()
    first = holes["years"] == 0
    holes.loc[first & (holes["participant_id"] == "sub-003"), "scanner"] = None
    holes.loc[first & (holes["participant_id"] == "sub-005"), "age"] = np.nan
    lost = int((first & holes["participant_id"].isin(["sub-003", "sub-005"])).sum())
    asked = settings("combat")
    answer = baseline_differences(holes, settings=asked)
    beside = harmonised_answer(answer, holes, settings=asked, features=FEATURES)
    assert beside.notes[0] == f"{lost} observations without scanner or covariate were left out."
    assert beside.fit.info.n_obs == answer.fit.info.n_obs == int(first.sum()) - lost


def one_participant(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(scanner=rows["scanner"].mask(rows["participant_id"] == "sub-000", "D"))


@pytest.mark.parametrize(
    ("change", "asked", "error", "said"),
    [
        (lambda d: d, settings("none"), UsageError, 'harmonise is "none"'),
        (
            lambda d: d,
            ModelSettings(harmonise="combat", baseline=PLAIN + " + C(scanner)"),
            UsageError,
            "holds 'scanner' itself",
        ),
        (lambda d: d.assign(scanner="A"), settings("combat"), NoDataError, "one scanner"),
        (lambda d: d.drop(columns="scanner"), settings("combat"), NoDataError, "one scanner"),
        (one_participant, settings("longcombat"), InvalidDataError, "one participant_id only"),
        (
            lambda d: d.assign(scanner=np.where(d["lesion_type"] == "isointense", "A", "B")),
            settings("combat"),
            NotIdentifiedError,
            "confounded with scanner",
        ),
    ],
)
def test_what_cannot_be_adjusted_is_said_in_words(moved, answer, change, asked, error, said):
    rows = change(moved)
    with pytest.raises(error, match=said):
        harmonised_answer(answer, rows, settings=asked)
