"""Checks of a study's model: each broken assumption is named, and only that one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.model import MixedModel
from qsmstats.studies.model_checks import _influence, model_checks

REFERENCE = Path(__file__).parents[1] / "reference"
TYPES = ("isointense", "hypointense", "paramagnetic_rim")
BASELINE = "mwf ~ lesion_type + age + size + (1 | participant_id)"
TRAJECTORY = (
    "mwf ~ lesion_type * years + (1 + years | participant_id) + (1 | participant_id:lesion_id)"
)


def contrasts(fit: MixedFit) -> pd.DataFrame:
    return fit.contrasts("lesion_type", adjust="holm")


def checks(rows: pd.DataFrame, formula: str = BASELINE, **options: object) -> pd.DataFrame:
    fit = MixedModel(formula).fit(rows, **options)
    return model_checks(fit, rows, "lesion_type", contrasts(fit), contrasts).set_index("check")


def lesions(
    seed: int,
    *,
    patients: int = 20,
    sds: tuple[float, ...] = (1, 1, 1),
    pair: float = 0,
    curve: float = 0,
    skewed: bool = False,
    visits: int = 1,
    slope: float = 0,
) -> pd.DataFrame:
    """Simulate 12 lesions per patient; every argument after `patients` breaks one assumption."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), 12)
    kind = random.choice(3, len(patient), p=[0.5, 0.3, 0.2])
    age, size = random.normal(size=patients)[patient], random.normal(size=len(patient))
    effects = random.normal(size=patients)[patient]
    effects += pair * random.normal(size=(patients, 3))[patient, kind]
    rows = pd.DataFrame(
        {
            "participant_id": [f"sub-{number:02}" for number in patient],
            "lesion_id": np.tile([f"L{number}" for number in range(12)], patients),
            "lesion_type": pd.Categorical.from_codes(kind, TYPES),
            "age": age,
            "size": size,
            "mwf": 0.5 * kind + age + size + curve * (age + size) ** 2 + effects,
            "sd": np.take(sds, kind),
        }
    )
    own, slopes = random.normal(0, 0.7, len(rows)), slope * random.normal(size=len(rows))
    if visits > 1:
        every = np.repeat(np.arange(len(rows)), visits)
        years = np.tile(np.arange(visits, dtype=float), len(rows))
        rows = rows.iloc[every].reset_index(drop=True).assign(years=years)
        rows["mwf"] += own[every] + (0.3 + slopes[every]) * years
    noise = random.normal(size=len(rows))
    if skewed:
        noise = random.exponential(size=len(rows)) - 1
    rows["mwf"] += rows.pop("sd") * noise
    return rows


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({}, []),
        ({"sds": (1, 0.6, 1.6)}, ["equal residual variance"]),
        ({"pair": 0.7}, ["participant-by-type intercept"]),
        ({"curve": 0.3}, ["linearity"]),
        ({"skewed": True}, ["normality of residuals", "largest residual"]),
    ],
    ids=lambda value: " ".join(value) or "none" if isinstance(value, dict) else "",
)
def test_a_broken_assumption_is_named_and_no_other(broken, named):
    table = checks(lesions(3, **broken))
    assert table.index[table["failed"]].tolist() == named
    for name in named:
        assert table.loc[name, "p_adjusted"] < 0.05
        # What it means for the answer follows the finding.
        assert ": " in table.loc[name, "meaning"]
    assert (table["p_adjusted"].dropna() >= table["p_value"].dropna()).all()


def test_of_many_residuals_a_part_is_ranked_and_said_to_be(monkeypatch):
    monkeypatch.setattr("qsmstats.mixed.resampling.normality._MOST", 200)
    table = checks(lesions(3, skewed=True))
    assert table.index[table["failed"]].tolist() == ["normality of residuals", "largest residual"]
    normal, largest = table.loc["normality of residuals"], table.loc["largest residual"]
    assert (normal["n"], largest["n"]) == (200, 240)
    assert normal["method"].endswith("simulated outcomes; 200 of 240 chosen at random")
    assert largest["method"].endswith("simulated outcomes")


def test_slopes_of_lesions_are_told_from_three_visits_on():
    table = checks(lesions(5, patients=6, visits=3, slope=0.9), TRAJECTORY)
    assert table.index[table["failed"]].tolist() == ["lesion slope"]
    assert "vary from lesion to lesion with an SD of 0." in table.loc["lesion slope", "meaning"]
    two = checks(lesions(5, patients=5, visits=2), TRAJECTORY).loc["lesion slope"]
    assert np.isnan(two["p_value"])
    assert not two["failed"]
    assert two["meaning"].startswith("Not tested: ")
    assert two["meaning"].endswith("slopes of lesions require three or more visits.")


def test_what_the_model_allows_for_is_not_tested():
    rows = lesions(5, sds=(1, 0.6, 1.6), pair=0.7, patients=8)
    formula = f"{BASELINE} + (1 | participant_id:lesion_type)"
    table = checks(rows, formula, weights="lesion_type")
    assert not table["failed"].any()
    skipped = table.loc[["equal residual variance", "participant-by-type intercept"]]
    assert skipped["p_value"].isna().all()
    assert skipped["meaning"].tolist() == [
        "Not tested: the model has a residual variance for each level of lesion_type.",
        "Not tested: the model has the term.",
    ]
    two = rows[rows["lesion_type"] != TYPES[2]]
    wide = checks(two, "mwf ~ lesion_type + (1 + lesion_type | participant_id)")
    assert wide.loc["participant-by-type intercept", "meaning"] == skipped["meaning"].iloc[1]


def test_rare_levels_share_a_variance_and_a_formula_without_numbers_has_no_curvature():
    rows = lesions(5, patients=6)
    rare = rows[(rows["lesion_type"] != TYPES[2]) | (rows.groupby("lesion_type").cumcount() < 3)]
    table = checks(rare, "mwf ~ lesion_type + (1 | participant_id)")
    assert table.loc["equal residual variance", "df"] == 1
    assert table.loc["linearity", "meaning"] == "Not tested: the predictors are categories only."


def test_one_participant_who_turns_the_answer_is_named():
    rows = lesions(8)
    few = (rows["lesion_type"] != TYPES[2]) | (rows["participant_id"] < "sub-06")
    rows = rows[few].copy()
    odd = (rows["participant_id"] == "sub-03") & (rows["lesion_type"] == TYPES[2])
    rows.loc[odd, "mwf"] += 7
    row = checks(rows).loc["influence of single participants"]
    assert row["failed"]
    assert row["participant_id"] == "sub-03"
    assert row["meaning"].startswith("The answer depends on one participant (12 rows): without")
    # The numbers are those of the fit without the participant.
    without = contrasts(MixedModel(BASELINE).fit(rows[rows["participant_id"] != "sub-03"]))
    name = row["meaning"].split("without them, ")[1].split(" changes from ")[0]
    estimate = without.set_index("contrast").loc[name, "estimate"]
    assert f" to {estimate:.3g} (" in row["meaning"]
    assert ", by more than its standard error; significance changes for " in row["meaning"]
    # A type that one participant alone has cannot be had without them.
    alone = rows[(rows["lesion_type"] != TYPES[2]) | odd]
    row = checks(alone).loc["influence of single participants"]
    assert row["failed"]
    assert row["meaning"].endswith(f", {TYPES[1]} - {TYPES[2]} cannot be estimated.")


def test_significance_that_a_small_change_moves_is_no_answer_turned():
    """Each interval stands beside its own p value; the adjusted one is named."""
    fit = MixedModel(BASELINE).fit(lesions(8, patients=8))
    before = contrasts(fit)
    first = before.iloc[0]
    # The first difference changes by 0.4 standard errors and crosses 0.05, no other changes.
    after = before.assign(estimate=before["estimate"] + [0.4 * first["std_error"], 0, 0])
    after["p_adjusted"] = [0.06, *before["p_adjusted"][1:]]
    row = _influence(fit, before, lambda _: after, 0.95)
    assert not row["failed"]
    start = f"Without the most influential participant, {first['contrast']} changes from "
    assert row["meaning"].startswith(start)
    said = (
        f"{first['estimate']:.3g} ({first['conf_low']:.3g} to {first['conf_high']:.3g}, "
        f"p = {first['p_value']:.3f}; adjusted p = {first['p_adjusted']:.3f}) to "
    )
    assert row["meaning"].removeprefix(start).startswith(said)
    end = "and no estimate by more than its standard error; significance changes for "
    assert row["meaning"].endswith(f"{end}{first['contrast']}.")
    large = before.assign(estimate=before["estimate"] + 2 * before["std_error"])
    said = _influence(fit, before, lambda _: large, 0.95)["meaning"]
    assert said.endswith("), by more than its standard error; significance does not change.")


def test_statistics_are_those_of_r():
    expected = json.loads((REFERENCE / "model_checks/checks.json").read_text(encoding="utf-8"))
    rows = pd.read_csv(REFERENCE / "mixed_answers/lesion_small.csv").rename(
        columns={"patient": "participant_id", "type": "lesion_type"}
    )
    numbers = [rows[name].rank(method="dense") for name in ("participant_id", "lesion_type")]
    rows["mwf"] += np.sin(7 * (5 * numbers[0] + numbers[1]))
    rows["lesion_id"] = rows.index  # one row each
    formula = "mwf ~ lesion_type + age + sex + log(volume) + (1 | participant_id)"
    table = checks(rows, formula)
    ours, peer = table.loc["equal residual variance"], expected["residual_variance"]
    # nlme's log-likelihood holds about eight digits of some hundreds.
    assert ours["statistic"] == pytest.approx(peer["statistic"], abs=1e-4)
    assert (ours["df"], ours["p_value"]) == (peer["df"], pytest.approx(peer["p_value"], abs=1e-4))
    ours = table.loc["participant-by-type intercept"]
    assert ours["statistic"] == pytest.approx(expected["pair"]["statistic"], abs=1e-6)
    # Half of chi-squared(1): Stram & Lee 1994, case 1.
    assert ours["p_value"] == pytest.approx(0.1684 / 2, abs=1e-4)
    ours, peer = table.loc["linearity"], expected["linearity"]
    assert abs(ours["statistic"]) == pytest.approx(abs(peer["statistic"]), rel=1e-5)
    assert ours["df"] == pytest.approx(peer["df"], rel=1e-4)
    assert ours["p_value"] == pytest.approx(peer["p_value"], rel=1e-4)
    ours, peer = table.loc["influence of single participants"], expected["influence"]
    assert ours["participant_id"] == peer["participant"]
    name = ours["meaning"].split(", ")[1].split(" changes from ")[0]
    first, second = (peer["without"].get(f"type{level}", 0) for level in name.split(" - "))
    assert f" to {first - second:.3g} (" in ours["meaning"]


@pytest.mark.slow
def test_checks_hold_their_level_where_the_model_holds():
    found = pd.DataFrame([checks(lesions(seed))["p_value"] for seed in range(200)])
    tested = found.drop(columns="influence of single participants")
    # Four standard errors of a share of 5 % in 200; likelihood ratios are a little liberal.
    assert ((tested < 0.05).mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)).all()
