"""Rescans: published limits of agreement, pairs by hand, and words where data cannot tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest

from qsmstats.errors import NotIdentifiedError, UsageError
from qsmstats.harmonise.limits_of_agreement import limits_of_agreement
from qsmstats.harmonise.rescan_measures import measures
from qsmstats.harmonise.rescan_pairs import SAME
from qsmstats.harmonise.rescans import rescan_agreement

# Bland & Altman 1986, Lancet i:307-310, table: peak expiratory flow (l/min) of 17 persons, two
# readings each of a large and of a mini Wright meter.
WRIGHT = [
    [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427],
    [490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421],
]
MINI = [
    [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451],
    [525, 415, 508, 444, 500, 625, 460, 390, 642, 432, 420, 605, 227, 467, 268, 370, 443],
]
# Bland & Altman 1999, Stat Methods Med Res 8:135-160, table 4: cardiac output (l/min) by
# radionuclide ventriculography and by impedance cardiography.
OUTPUT = """
1,7.83,6.57 1,7.42,5.62 1,7.89,6.90 1,7.12,6.57 1,7.88,6.35 2,6.16,4.06 2,7.26,4.29 2,6.71,4.26
2,6.54,4.09 3,4.75,4.71 3,5.24,5.50 3,4.86,5.08 3,4.78,5.02 3,6.05,6.01 3,5.42,5.67 4,4.21,4.14
4,3.61,4.20 4,3.72,4.61 4,3.87,4.68 4,3.92,5.04 5,3.13,3.03 5,2.98,2.86 5,2.85,2.77 5,3.17,2.46
5,3.09,2.32 5,3.12,2.43 6,5.92,5.90 6,6.42,5.81 6,5.92,5.70 6,6.27,5.76 7,7.13,5.09 7,6.62,4.63
7,6.58,4.61 7,6.93,5.09 8,4.54,4.72 8,4.81,4.61 8,5.11,4.36 8,5.29,4.20 8,5.39,4.36 8,5.57,4.20
9,4.48,3.17 9,4.92,3.12 9,3.97,2.96 10,4.22,4.35 10,4.65,4.62 10,4.74,3.16 10,4.44,3.53
10,4.50,3.53 11,6.78,7.20 11,6.07,6.09 11,6.52,7.00 11,6.42,7.10 11,6.41,7.40 11,5.76,6.80
12,5.06,4.50 12,4.72,4.20 12,4.90,3.80 12,4.80,3.80 12,4.90,4.20 12,5.10,4.50
"""


def table(readings, scanners=("A", "B")) -> pd.DataFrame:
    """One row per participant and reading; readings are a day apart."""
    parts = [
        pd.DataFrame(
            {
                "participant_id": range(len(values)),
                "session_id": f"ses-{place}",
                "years": place / 365.25,
                "scanner": name,
                "y": np.asarray(values, dtype=float),
            }
        )
        for place, (values, name) in enumerate(zip(readings, scanners, strict=True))
    ]
    return pd.concat(parts, ignore_index=True)


def cardiac() -> pd.DataFrame:
    rows = [[float(cell) for cell in row.split(",")] for row in OUTPUT.split()]
    wide = pd.DataFrame(rows, columns=["participant_id", "RV", "IC"]).reset_index(names="lesion_id")
    long = wide.melt(["participant_id", "lesion_id"], var_name="scanner", value_name="y")
    return long.assign(session_id=long["scanner"], years=0.0)


@pytest.fixture(scope="module")
def meters() -> pd.DataFrame:
    return found(table([WRIGHT[0], MINI[0]]))


@pytest.fixture(scope="module")
def twelve() -> pd.DataFrame:
    return found(cardiac(), region="lesion_id")


def found(data, **options) -> pd.DataFrame:
    options.setdefault("region", None)
    return rescan_agreement(data, "y", **options).agreement.set_index("measure")


def test_peak_flow_of_bland_and_altman_1986(meters):
    assert (meters["comparison"] == "A - B").all()
    mean = meters.loc["mean_difference"]
    # Printed: -2.1 l/min with limits -22.0 and 17.8, and a standard deviation of 38.8.
    assert mean["estimate"] == pytest.approx(-2.1, abs=0.05)
    assert mean[["conf_low", "conf_high"]].tolist() == pytest.approx([-22.0, 17.8], abs=0.06)
    assert meters.loc["sd_difference", "estimate"] == pytest.approx(38.8, abs=0.05)
    # Their limits are two standard deviations away; 1.96 are 1.55 less.
    limits = meters.loc[["lower_limit", "upper_limit"], "estimate"]
    assert limits.tolist() == pytest.approx([-79.7 + 1.55, 75.5 - 1.55], abs=0.1)
    assert (meters["n_pairs"] == 17).all()


@pytest.mark.parametrize(("meter", "published"), [(WRIGHT, 43.2), (MINI, 56.4)])
def test_repeatability_of_two_readings_of_one_meter(meter, published):
    """Bland & Altman 1986: twice the standard deviation of differences whose mean is taken as 0."""
    agreement = found(table(meter, ("A", "A")))
    assert (agreement["comparison"] == SAME).all()
    differences = np.subtract(*meter)
    assert 2 * np.sqrt(np.mean(differences**2)) == pytest.approx(published, abs=0.1)
    coefficient = agreement.loc["repeatability_coefficient", "estimate"]
    assert coefficient == pytest.approx(1.959964 * differences.std(ddof=1), rel=1e-6)
    assert agreement.loc["within_sd", "estimate"] == pytest.approx(coefficient / 2.77181, rel=1e-5)


def test_first_four_persons_of_zou_2013():
    """Zou 2013: several measurements of each person; the first four of Bland & Altman's twelve."""
    agreement = found(cardiac().query("participant_id <= 4"), region="lesion_id", scanner="scanner")
    assert agreement["comparison"].iloc[0] == "IC - RV"
    printed = {"mean_difference": 0.7255, "lower_limit": -2.14, "upper_limit": 3.59}
    for measure, value in printed.items():
        turned = {"lower_limit": "upper_limit", "upper_limit": "lower_limit"}.get(measure, measure)
        assert agreement.loc[turned, "estimate"] == pytest.approx(-value, abs=0.005)
    lower, upper = (agreement.loc[name] for name in ("upper_limit", "lower_limit"))
    assert [-lower["conf_high"], -lower["conf_low"]] == pytest.approx([-9.83, -0.33], abs=0.01)
    assert [-upper["conf_high"], -upper["conf_low"]] == pytest.approx([1.77, 11.27], abs=0.01)


def test_all_twelve_persons_are_near_the_mixed_model_of_others(twelve):
    """lme4 by REML (vignette of the R package BAtrending): mean -0.705, standard deviation 1.022.

    Means of participants weigh alike here, and by precision there: 0.6 %."""
    assert twelve.loc["mean_difference", "estimate"] == pytest.approx(-0.705, abs=0.005)
    assert twelve.loc["sd_difference", "estimate"] == pytest.approx(1.022, abs=0.005)
    assert set(twelve["n_participants"]) == {12}


def test_one_region_each_has_the_interval_of_a_normal_standard_deviation():
    values = np.random.default_rng(1).normal(2, 3, 15)
    limits = limits_of_agreement(values, pd.Series(range(15)))
    # chi-squared with 14 degrees of freedom: 5.6287 and 26.1189 (printed tables).
    ends = values.std(ddof=1) * np.sqrt([14 / 26.1189, 14 / 5.6287])
    assert limits.sd == pytest.approx([values.std(ddof=1), *ends], rel=1e-5)


@pytest.mark.slow
def test_limits_hold_the_truth_in_nineteen_of_twenty():
    """12 participants with 1 to 6 regions; standard deviations 0.6 between and 0.4 within."""
    rng, held, draws = np.random.default_rng(2), [], 800
    person = pd.Series(np.repeat(np.arange(12), np.arange(12) % 6 + 1))
    sd, mean = np.hypot(0.6, 0.4), 0.3
    for _ in range(draws):
        values = mean + rng.normal(0, 0.6, 12)[person] + rng.normal(0, 0.4, len(person))
        made = limits_of_agreement(values, person)
        truths = (mean, sd, mean - 1.959964 * sd, mean + 1.959964 * sd)
        four = (made.mean, made.sd, made.lower, made.upper)
        held.append([one[1] <= truth <= one[2] for one, truth in zip(four, truths, strict=True)])
    # 3.5 Monte-Carlo standard errors of a coverage of 95 %.
    assert np.mean(held, axis=0) == pytest.approx(0.95, abs=3.5 * np.sqrt(0.95 * 0.05 / draws))


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pingouin 0.7
def test_correlations_of_one_region_each_are_those_of_pingouin(meters):
    long = table([WRIGHT[0], MINI[0]])
    known = pingouin.intraclass_corr(long, "participant_id", "scanner", "y").set_index("Type")
    for name in ("ICC(A,1)", "ICC(C,1)"):
        assert meters.loc[name, "estimate"] == pytest.approx(known.loc[name, "ICC"])
        limits = meters.loc[name, ["conf_low", "conf_high"]].tolist()
        assert limits == pytest.approx(list(known.loc[name, "CI95"]), abs=0.005)


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_correlations_of_nested_regions_are_those_of_pingouin_with_wider_limits(twelve):
    known = pingouin.intraclass_corr(cardiac(), "lesion_id", "scanner", "y").set_index("Type")
    for name in ("ICC(A,1)", "ICC(C,1)"):
        row = twelve.loc[name]
        assert row["estimate"] == pytest.approx(known.loc[name, "ICC"])
        assert row["method"].startswith("jackknife")
        assert row["conf_high"] - row["conf_low"] > np.ptp(known.loc[name, "CI95"])


def measured(first, second, *, ratio_scale=True) -> pd.DataFrame:
    pairs = pd.DataFrame({"participant_id": range(len(first)), "first": first, "second": second})
    made = measures(pairs, ratio_scale=ratio_scale, level=0.95)
    return pd.DataFrame(made).set_index("measure")


def test_the_coefficient_of_variation_is_that_of_a_proportional_error():
    rng = np.random.default_rng(3)
    truth, error = np.exp(rng.normal(2, 0.5, 400)), np.sqrt(np.log1p(0.1**2))
    readings = [truth * np.exp(rng.normal(0, error, 400)) for _ in range(2)]
    row = measured(*readings).loc["within_cv"]
    assert row["estimate"] == pytest.approx(0.1, abs=0.01)
    assert row["conf_low"] < 0.1 < row["conf_high"]


@pytest.mark.parametrize(
    ("shift", "options", "words"),
    [
        (-500, {}, "34 of 34 measurements are at or below zero"),
        (0, {"ratio_scale": False}, "zero is arbitrary"),
    ],
)
def test_no_coefficient_of_variation_where_zero_means_nothing(shift, options, words):
    agreement = measured(*(np.array(one) / 100 + shift for one in (WRIGHT[0], MINI[0])), **options)
    assert np.isnan(agreement.loc["within_cv", "estimate"])
    assert words in agreement.loc["within_cv", "note"]
    assert agreement.loc["within_sd", "estimate"] > 0


def visits(rows) -> pd.DataFrame:
    names = ["participant_id", "session_id", "years", "scanner", "y"]
    return pd.DataFrame(rows, columns=names)


def test_pairs_are_the_closest_and_each_session_stands_in_one():
    data = visits(
        [
            ("p1", "a", 0.00, "A", 1.0),
            ("p1", "b", 0.01, "B", 2.0),
            ("p1", "c", 0.03, "A", 3.0),
            ("p1", "d", 0.50, "B", 4.0),  # too late
            ("p2", "a", 0.02, "B", 5.0),
            ("p2", "b", 0.00, "A", 7.0),
        ]
    )
    made = rescan_agreement(data, "y", region=None, within=0.05)
    kept = ["comparison", "participant_id", "session_first", "session_second", "difference"]
    assert made.pairs[kept].to_numpy().tolist() == [
        ["A - B", "p1", "a", "b", -1.0],
        ["A - B", "p2", "b", "a", 2.0],
        [SAME, "p1", "a", "c", -2.0],
    ]
    assert made.pairs["apart"].tolist() == pytest.approx([0.01, 0.02, 0.03])
    alone = made.agreement.query("comparison == @SAME").set_index("measure")
    assert alone.loc["mean_difference", "estimate"] == -2.0
    assert "one participant says nothing of others" in alone.loc["sd_difference", "note"]
    assert np.isnan(alone.loc["sd_difference", "estimate"])


def test_regions_measured_once_are_counted_and_left_out():
    data = cardiac().drop(index=3)
    data.loc[70, "y"] = np.nan
    agreement = found(data, region="lesion_id")
    assert set(agreement["n_pairs"]) == {58}
    assert set(agreement["n_incomplete"]) == {2}


def test_a_row_without_region_is_a_region_of_its_own():
    data = cardiac().query("participant_id <= 4")
    unnamed = data["lesion_id"].isin([0, 5, 9, 15])  # the first of each
    data = data.assign(lesion_id=data["lesion_id"].where(~unnamed))
    made = rescan_agreement(data, "y")
    assert (made.agreement["n_pairs"] == 20).all()
    assert made.agreement["estimate"].iloc[0] == pytest.approx(-0.7255, abs=1e-4)
    assert made.pairs["region"].eq("whole").sum() == 4


def test_the_share_of_scanners_is_that_of_balanced_mean_squares():
    """REML of balanced data is the analysis of variance (Searle, Casella & McCulloch 1992)."""
    rng = np.random.default_rng(4)
    readings = rng.normal(0, 1, 20) + np.array([[0.0], [1.5], [-1.0]]) + rng.normal(0, 0.4, (3, 20))
    made = rescan_agreement(table(readings, "ABC"), "y", region=None)
    n, k = 20, 3
    scanner = n * readings.mean(axis=1).var(ddof=1)
    person = k * readings.mean(axis=0).var(ddof=1)
    rest = readings - readings.mean(axis=1)[:, None] - readings.mean(axis=0) + readings.mean()
    error = np.sum(rest**2) / ((n - 1) * (k - 1))
    parts = np.array([(person - error) / k, (scanner - error) / n, error])
    shares = made.components.set_index("group")["share"]
    assert shares.tolist() == pytest.approx((parts / parts.sum()).tolist(), abs=1e-4)
    row = made.components.set_index("group").loc["scanner"]
    assert row["conf_low"] < row["share"] < row["conf_high"]
    assert made.fit.info.converged
    assert "3 scanners" in made.notes[0]
    assert list(made.agreement["comparison"].unique()) == ["A - B", "A - C", "B - C"]


def test_scanners_of_one_kind_have_no_share():
    made = rescan_agreement(table(WRIGHT, ("A", "A")), "y", region=None)
    assert list(made.components["group"]) == ["participant_id", "Residual"]


def test_no_session_is_near_another_where_each_participant_has_one():
    with pytest.raises(NotIdentifiedError, match="each has one"):
        rescan_agreement(table([WRIGHT[0], MINI[0]]).head(17), "y", region=None)


def test_a_level_is_a_share():
    with pytest.raises(UsageError, match="level=95"):
        rescan_agreement(table([WRIGHT[0], MINI[0]]), "y", region=None, level=95)


@pytest.mark.slow
@pytest.mark.parametrize("people", [5, 8, 20])
def test_limits_of_correlations_of_nested_regions_hold_the_truth(people):
    """1 to 5 lesions each; a shift of 0.2 between scanners, a part of each participant's own."""
    rng, draws = np.random.default_rng(5), 1500
    person = pd.Series(np.repeat(np.arange(people), np.arange(people) % 5 + 1))
    between, error = 0.5**2 + 0.7**2, 0.1**2 + 0.3**2
    truths = {"ICC(A,1)": between + error + 0.2**2 / 2, "ICC(C,1)": between + error}
    held = []
    for _ in range(draws):
        truth = rng.normal(0, 0.5, people)[person] + rng.normal(0, 0.7, len(person))
        one, two = (
            truth + rng.normal(0, 0.1, people)[person] + rng.normal(0, 0.3, len(person))
            for _ in range(2)
        )
        pairs = pd.DataFrame({"participant_id": person, "first": one, "second": two + 0.2})
        rows = pd.DataFrame(measures(pairs, ratio_scale=False, level=0.95)).set_index("measure")
        held.append(
            [
                rows.loc[name, "conf_low"] <= between / total <= rows.loc[name, "conf_high"]
                for name, total in truths.items()
            ]
        )
    # They are known to be a little narrow: 92 to 95 %, of which 3 Monte-Carlo standard errors.
    assert np.mean(held, axis=0).min() > 0.92 - 3 * np.sqrt(0.92 * 0.08 / draws)
    assert np.mean(held, axis=0).max() < 0.97
