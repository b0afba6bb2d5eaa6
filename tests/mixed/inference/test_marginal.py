"""Marginal means, contrasts and slopes against emmeans 1.8.4 in every reference case."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import UsageError
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.model import MixedModel
from tests.mixed.reference_cases import (
    answer_data,
    answered,
    answers,
    case,
    data,
    fitted,
    more,
    names,
)

WITH_MEANS = [(name, key) for name in names() for key in (case(name)["emmeans"] or {})]
WITH_TRENDS = [name for name in names() if case(name)["emtrends"]]
BOTH = ["satterthwaite", "kenward-roger"]

# lme4's optimum, polished to 1e-13 in the criterion, is good to about 1e-7 in theta; estimates
# follow to 1e-6 standard errors, degrees of freedom to 1e-5 relative.
SHIFT = 1e-6
RELATIVE = 1e-5
# R's ptukey has absolute errors of 4e-8 at many degrees of freedom (where the unadjusted p-value is
# 1e-77 and Bonferroni's bound 1e-76) and of 3e-7 at five; scipy agrees with us to 1e-9.
PTUKEY = 5e-7


def same_estimates(
    ours: pd.DataFrame, r: dict[str, Any], estimate: str, df_tolerance: float = RELATIVE
) -> None:
    r = {key: np.asarray(value, object) for key, value in r.items()}
    se = r["SE"].astype(float)
    known = np.isfinite(se)
    np.testing.assert_array_equal(np.isfinite(ours["std_error"]), known)
    np.testing.assert_array_equal(ours["note"].str.startswith("not estimable"), ~known)
    shift = (ours["estimate"] - r[estimate].astype(float))[known] / se[known]
    np.testing.assert_allclose(shift, 0, atol=SHIFT)
    np.testing.assert_allclose(ours["std_error"], se, rtol=RELATIVE)
    np.testing.assert_allclose(ours["df"], r["df"].astype(float), rtol=df_tolerance)


def same_interval(
    ours: pd.DataFrame, r: dict[str, Any], low: str = "conf_low", high: str = "conf_high"
) -> None:
    for column, theirs in ((low, "lower.CL"), (high, "upper.CL")):
        expected = np.asarray(r[theirs], float)
        known = np.isfinite(expected)
        np.testing.assert_array_equal(np.isfinite(ours[column]), known)
        apart = (ours[column] - expected) / np.asarray(r["SE"], float)
        np.testing.assert_allclose(apart[known], 0, atol=1e-5)


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return pd.DataFrame(rows).to_dict("list")


@pytest.mark.parametrize(("name", "key"), WITH_MEANS)
def test_means_and_pairs_equal_emmeans(name: str, key: str) -> None:
    factor, df = key.split("|")
    fit, r = fitted(name), case(name)["emmeans"][key]
    means = fit.marginal_means(factor, df=df)
    reference = columns(r["means"])
    assert list(map(str, means["level"])) == [_plain(level) for level in reference[factor]]
    same_estimates(means, reference, "emmean")
    same_interval(means, reference)
    pairs = fit.contrasts(factor, df=df, adjust="tukey")
    tukey, none = columns(r["pairs_tukey"]), columns(r["pairs_none"])
    same_estimates(pairs, tukey, "estimate")
    np.testing.assert_allclose(pairs["statistic"], tukey["t.ratio"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pairs["p_value"], none["p.value"], rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(pairs["p_adjusted"], tukey["p.value"], rtol=1e-4, atol=PTUKEY)


def _plain(level: object) -> str:
    """emmeans turns factor levels that look like numbers into numbers."""
    return f"{level:g}" if isinstance(level, float) else str(level)


@pytest.mark.parametrize("name", WITH_TRENDS)
def test_slopes_and_their_differences_equal_emtrends(name: str) -> None:
    r = case(name)["emtrends"]
    trends = columns(r["trends"])
    column = next(key for key in trends if key.endswith(".trend"))
    variable, by = column.removesuffix(".trend"), next(iter(trends))
    fit = fitted(name)
    slopes = fit.slopes(variable, by=by)
    assert slopes[by].tolist() == trends[by]
    same_estimates(slopes, trends, column)
    same_interval(slopes, trends)
    pairs, reference = fit.slope_contrasts(variable, by, adjust="tukey"), columns(r["pairs_tukey"])
    same_estimates(pairs, reference, "estimate")
    np.testing.assert_allclose(pairs["p_adjusted"], reference["p.value"], rtol=1e-4, atol=PTUKEY)


def _refit(name: str, formula: str | None = None, drop: list[int] | None = None) -> MixedFit:
    frame = data(name)
    if drop:
        frame = frame.drop(index=[row - 1 for row in drop])
    return MixedModel(formula or case(name)["formula"]).fit(frame)


@pytest.mark.parametrize("df", BOTH)
def test_families_by_a_second_factor_equal_emmeans(df: str) -> None:
    r, fit = more("marginal")["oats_by"]["results"][df], fitted("oats_splitplot")
    means = fit.marginal_means("nitro", by="Variety", df=df)
    assert list(means)[:2] == ["Variety", "level"]
    same_estimates(means, r["means"], "emmean")
    tukey = fit.contrasts("nitro", by="Variety", df=df, adjust="tukey")
    same_estimates(tukey, r["tukey"], "estimate")
    same_interval(tukey, r["tukey"], "conf_low_adjusted", "conf_high_adjusted")
    np.testing.assert_allclose(tukey["p_adjusted"], r["tukey"]["p.value"], rtol=1e-4, atol=PTUKEY)
    holm = fit.contrasts("nitro", by="Variety", df=df, adjust="holm")
    np.testing.assert_allclose(holm["p_adjusted"], r["holm"]["p.value"], rtol=1e-4)
    step = fit.contrasts("nitro", by="Variety", df=df, method="consecutive", adjust="none")
    same_estimates(step, r["consecutive"], "estimate")
    np.testing.assert_allclose(step["p_adjusted"], r["consecutive"]["p.value"], rtol=1e-4)
    first = fit.contrasts("nitro", by="Variety", df=df, method="reference", adjust="bonferroni")
    same_estimates(first, r["reference"], "estimate")
    np.testing.assert_allclose(first["p_adjusted"], r["reference"]["p.value"], rtol=1e-4)


@pytest.mark.parametrize("df", BOTH)
def test_unbalanced_intervals_equal_emmeans(df: str) -> None:
    reference = more("marginal")["machines_unbal"]
    r = reference["results"][df]
    fit = _refit("machines_ri_nested", drop=reference["drop"])
    same_estimates(fit.marginal_means("Machine", df=df), r["means"], "emmean")
    for adjust in ("tukey", "bonferroni"):
        pairs = fit.contrasts("Machine", df=df, adjust=adjust)
        same_estimates(pairs, r[adjust], "estimate")
        same_interval(pairs, r[adjust], "conf_low_adjusted", "conf_high_adjusted")
        np.testing.assert_allclose(pairs["p_adjusted"], r[adjust]["p.value"], rtol=1e-4)


@pytest.mark.parametrize("df", BOTH)
def test_weights_values_and_levels_equal_emmeans(df: str) -> None:
    r, fit = more("marginal")["lesion_a_proportional"]["results"][df], fitted("lesion_a")
    tables = {
        "equal": fit.marginal_means("type", df=df),
        "proportional": fit.marginal_means("type", weights="proportional", df=df),
        "at": fit.marginal_means("type", at={"age": 30, "sex": "F"}, df=df),
        "two": fit.marginal_means(["sex", "type"], df=df),
        "level90": fit.marginal_means("sex", level=0.9, df=df),
    }
    for name, table in tables.items():
        same_estimates(table, r[name], "emmean")
        same_interval(table, r[name])
    assert tables["two"]["level"].iloc[0] == "F, t2"


@pytest.mark.parametrize("df", BOTH)
def test_nonlinear_covariates_are_differentiated_as_by_emtrends(df: str) -> None:
    reference = more("marginal")["orthodont_poly"]
    r, fit = reference["results"][df], _refit("orthodont_rs", reference["formula"])
    at = fit.marginal_means("Sex", by="age", at={"age": [8, 13]}, df=df)
    same_estimates(at, r["means_at"], "emmean")
    # emtrends takes a forward difference of 6e-5 years: its error is 1e-4 of a curved slope.
    for table, theirs in (
        (fit.slopes("age", by="Sex", df=df), r["slopes"]),
        (fit.slopes("age", by=["age", "Sex"], at={"age": [9, 12]}, df=df), r["slopes_at"]),
    ):
        se = np.asarray(theirs["SE"])
        apart = (table["estimate"] - np.asarray(theirs["age.trend"])) / se
        np.testing.assert_allclose(apart, 0, atol=2e-4)
        np.testing.assert_allclose(table["std_error"], se, rtol=1e-4)
        np.testing.assert_allclose(table["df"], theirs["df"], rtol=1e-4)
    pairs = fit.slope_contrasts("age", "Sex", df=df, adjust="tukey")
    np.testing.assert_allclose(pairs["estimate"], r["pairs"]["estimate"], rtol=2e-4)
    np.testing.assert_allclose(pairs["p_adjusted"], r["pairs"]["p.value"], rtol=2e-3)


@pytest.mark.parametrize("df", BOTH)
def test_powers_and_logarithms_are_differentiated_exactly(df: str) -> None:
    reference = more("marginal")["orthodont_square"]
    fit = _refit("orthodont_rs", reference["formula"])
    r = reference["results"][df]
    # lmerTest differentiates numerically; age, its square and its logarithm are nearly collinear.
    same_estimates(fit.marginal_means("Sex", df=df), r["means"], "emmean", df_tolerance=1e-4)
    slope = fit.slopes("age", df=df)
    np.testing.assert_allclose(slope["estimate"], r["slopes"]["age.trend"], rtol=1e-3)
    b = fit.coefficients().set_index("term")["estimate"]
    age = data("orthodont_rs")["age"].mean()
    exact = b["age"] + 2 * age * b["I(age ** 2)"] + b["log(age)"] / age
    # The logarithm's fifth derivative times the step to the fourth: below 1e-10.
    assert slope["estimate"].iloc[0] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("df", BOTH)
def test_an_empty_cell_is_named_and_never_given_a_number(df: str) -> None:
    r = more("marginal")["oats_empty_cell"]["results"][df]
    frame = data("oats_splitplot")
    empty = (frame["Variety"] == "Victory") & (frame["nitro"] == "0.6")
    fit = MixedModel(case("oats_splitplot")["formula"]).fit(frame[~empty])
    assert fit.info.dropped_columns == ("Variety[T.Victory]:nitro[T.0.6]",)
    same_estimates(fit.marginal_means(["Variety", "nitro"], df=df), r["cells"], "emmean")
    means = fit.marginal_means("Variety", df=df)
    same_estimates(means, r["means"], "emmean")
    assert means["note"].iloc[2].startswith("not estimable")
    same_estimates(fit.contrasts("nitro", by="Variety", df=df), r["pairs"], "estimate")


def test_contrasts_do_not_depend_on_coding() -> None:
    frame = data("oats_splitplot")
    formula = case("oats_splitplot")["formula"]
    treatment = MixedModel(formula).fit(frame)
    for coding in ("sum", "helmert"):
        other = MixedModel(formula, {"Variety": coding, "nitro": coding}).fit(frame)
        for df in BOTH:
            pd.testing.assert_frame_equal(
                other.contrasts("nitro", by="Variety", df=df),
                treatment.contrasts("nitro", by="Variety", df=df),
                rtol=1e-7,
            )


def test_own_contrasts_by_matrix_mapping_and_level_weights_agree() -> None:
    fit = fitted("machines_vector")
    rows = [[-1, 0.5, 0.5], [0, -1, 1]]
    by_matrix = fit.contrasts("Machine", method=rows)
    by_mapping = fit.contrasts(
        "Machine", method={"others - A": rows[0], "C - B": {"B": -1, "C": 1}}
    )
    assert by_mapping["contrast"].tolist() == ["others - A", "C - B"]
    assert set(by_mapping["first"]) == set(by_mapping["second"]) == {""}
    pd.testing.assert_frame_equal(
        by_matrix.drop(columns="contrast"), by_mapping.drop(columns="contrast")
    )
    assert set(by_matrix["adjust"]) == {"mvt"}
    means = fit.marginal_means("Machine")["estimate"].to_numpy()
    np.testing.assert_allclose(by_matrix["estimate"], np.array(rows) @ means)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda fit: fit.marginal_means("Variety"), "Variety interacts with nitro"),
        (lambda fit: fit.contrasts("nitro"), "nitro interacts with Variety"),
        (lambda fit: fit.contrasts("nitro", adjust="holm"), "here; the adjusted interval is"),
        (lambda fit: fit.marginal_means("nitro", by="Variety"), ""),
        (lambda fit: fit.marginal_means(["nitro", "Variety"]), ""),
        (lambda fit: fit.contrasts("nitro", at={"Variety": "Victory"}), ""),
    ],
)
def test_a_mean_over_an_interaction_says_so(call: Any, expected: str) -> None:
    """emmeans: "NOTE: Results may be misleading due to involvement in interactions"."""
    note = call(fitted("oats_splitplot"))["note"]
    assert all(expected in one if expected else one == "" for one in note)
    assert len(note) > 1


def test_a_slope_over_an_interaction_says_so() -> None:
    """Only terms with the slope's variable bear on a slope."""
    frame = data("orthodont_ri").assign(half=lambda table: table["age"] > 10)
    fit = MixedModel("distance ~ age * Sex + Sex * half + (1 | Subject)").fit(frame)
    assert "age interacts with Sex," in fit.slopes("age")["note"].iloc[0]
    assert set(fit.slopes("age", by="Sex")["note"]) == {""}
    assert set(fit.slope_contrasts("age", "Sex")["note"]) == {""}
    means = fit.marginal_means("Sex")["note"].iloc[0]
    assert "Sex interacts with age and half, averaged over or held at the mean here" in means


@pytest.mark.parametrize("adjust", ["mvt", "tukey", "holm", "bonferroni", "fdr_bh"])
def test_what_is_not_estimable_does_not_count_in_any_method(adjust: str) -> None:
    """Three of six pairs can be estimated: the table is that of a fit with these means alone."""
    frame = data("oats_splitplot")
    frame = frame[frame["Variety"] != "Golden Rain"]
    formula = "yield_ ~ Variety * nitro + (1 | Block)"
    frame = frame.rename(columns={"yield": "yield_"})
    empty = (frame["Variety"] == "Victory") & (frame["nitro"] == "0.6")
    gap = MixedModel(formula).fit(frame[~empty])
    every = gap.contrasts("nitro", by="Variety", adjust=adjust).query("Variety == 'Victory'")
    some = gap.contrasts(
        "nitro", by="Variety", at={"nitro": ["0", "0.2", "0.4"]}, adjust=adjust
    ).query("Variety == 'Victory'")
    assert every["p_adjusted"].notna().sum() == 3
    adjusted = ["contrast", "estimate", "p_adjusted", "conf_low_adjusted", "conf_high_adjusted"]
    pd.testing.assert_frame_equal(
        every.loc[every["estimate"].notna(), adjusted].reset_index(drop=True),
        some[adjusted].reset_index(drop=True),
    )


@pytest.mark.parametrize("df", BOTH)
def test_default_p_values_and_intervals_agree_in_every_row(df: str) -> None:
    """Holm's p beside Bonferroni's interval did not, at some level of the pairs below."""
    fit = fitted("oats_splitplot")
    levels = 1 - np.geomspace(1e-12, 0.5, 12)
    for level in levels:
        tables = [
            fit.contrasts("nitro", method=method, df=df, level=level)
            for method in ("pairwise", "reference", "consecutive")
        ]
        table = pd.concat(tables)
        assert set(table["adjust"]) == {"mvt"}
        excluded = table["conf_low_adjusted"] * table["conf_high_adjusted"] > 0
        np.testing.assert_array_equal(excluded, table["p_adjusted"] < 1 - level)


def test_slopes_and_families_across_are_adjusted_together() -> None:
    """Two independent slopes on their own df: Sidak's p within the error of the integral."""
    fit = fitted("orthodont_rs")
    alone = fit.slopes("age", by="Sex")
    made = fit.slopes("age", by="Sex", adjust="mvt")
    pd.testing.assert_frame_equal(made[list(alone)], alone)
    changes = fit.contrasts(
        "age", by="Sex", at={"age": [10, 12]}, method="consecutive", family="across"
    )
    np.testing.assert_allclose(changes["estimate"], 2 * made["estimate"])
    for column in ("conf_low_adjusted", "conf_high_adjusted"):
        np.testing.assert_allclose(changes[column], 2 * made[column], rtol=1e-6)
    np.testing.assert_allclose(changes["p_adjusted"], made["p_adjusted"], rtol=1e-6)
    wide = made["conf_high_adjusted"] - made["estimate"]
    # Between no adjustment and Bonferroni's, close to the latter: the slopes are independent.
    bonferroni = fit.slopes("age", by="Sex", adjust="bonferroni")
    limit = bonferroni["conf_high_adjusted"] - bonferroni["estimate"]
    assert np.all((wide > made["conf_high"] - made["estimate"]) & (wide < limit))
    np.testing.assert_allclose(wide, limit, rtol=5e-3)
    within = fit.contrasts("age", by="Sex", at={"age": [10, 12]}, method="consecutive")
    np.testing.assert_allclose(within["p_adjusted"], within["p_value"])


def test_table_says_how_it_was_adjusted() -> None:
    table = fitted("lesion_a").contrasts("type", adjust="fdr_bh")
    assert list(table) == [
        *("contrast", "first", "second", "estimate", "std_error", "df", "statistic", "p_value"),
        *("p_adjusted", "conf_low", "conf_high", "conf_low_adjusted", "conf_high_adjusted"),
        *("adjust", "note"),
    ]
    assert (table["contrast"] == table["first"] + " - " + table["second"]).all()
    assert set(table["adjust"]) == {"fdr_bh"}
    assert table["conf_low_adjusted"].isna().all()


def test_slopes_at_two_valued_time_and_with_far_from_zero() -> None:
    frame = data("sleep_ri")
    plain = MixedModel("Reaction ~ Days + (1 | Subject)").fit(frame).slopes("Days")
    far = frame.assign(Days=frame["Days"] + 1e6)
    shifted = MixedModel("Reaction ~ Days + (1 | Subject)").fit(far).slopes("Days")
    pd.testing.assert_frame_equal(plain, shifted, rtol=1e-6)
    ends = frame[frame["Days"].isin([0, 9])]
    fit = MixedModel("Reaction ~ Days + (1 | Subject)").fit(ends)
    slope = fit.slopes("Days")
    assert slope["estimate"].iloc[0] == pytest.approx(
        fit.coefficients()["estimate"].iloc[1], rel=1e-12
    )


def test_splines_have_a_slope_everywhere_up_to_their_ends() -> None:
    fit = MixedModel("distance ~ Sex + bs(age, df=4) + (1 | Subject)").fit(data("orthodont_ri"))
    table = fit.slopes("age", by="age", at={"age": [8, 10, 14]})
    ages = np.array([8.0, 8.001, 13.999, 14.0])
    means = fit.marginal_means("age", at={"age": ages})["estimate"].to_numpy()
    expected = [(means[1] - means[0]) / 0.001, (means[3] - means[2]) / 0.001]
    np.testing.assert_allclose(table["estimate"].iloc[[0, 2]], expected, rtol=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: fit.marginal_means("Sxe"), "'Sxe' is not a predictor.*'age', 'Sex'"),
        (lambda fit: fit.marginal_means("Sex", by="Sex"), "named twice"),
        (
            lambda fit: fit.marginal_means("Sex", weights="rows"),
            'be "equal", "proportional", "outer" or "cells"',
        ),
        (lambda fit: fit.marginal_means("Sex", at={"Sex": "male"}), r"\['Female', 'Male'\]"),
        (lambda fit: fit.marginal_means("Sex", at={"age": "old"}), "numbers"),
        (lambda fit: fit.contrasts("Sex", method="all"), "method must be .* not 'all'"),
        (lambda fit: fit.contrasts("age"), "only '11.0'"),
        (lambda fit: fit.contrasts("Sex", method=[[1, 0, 0]]), "3 weights for 2 means"),
        (lambda fit: fit.contrasts("Sex", method={"a": {"male": 1}}), r"names \['male'\]"),
        (lambda fit: fit.contrasts("Sex", method="reference", adjust="tukey"), "pairwise"),
        (lambda fit: fit.contrasts("Sex", adjust="dunnett"), "one reference only"),
        (lambda fit: fit.contrasts("Sex", side="more"), "side must be .* not 'more'"),
        (lambda fit: fit.contrasts("Sex", side="equivalence"), "needs margin="),
        (lambda fit: fit.contrasts("Sex", margin=1.0), "margin=1.0 has no meaning for side='two"),
        (lambda fit: fit.contrasts("Sex", margin=-1.0, side="equivalence"), "positive"),
        (lambda fit: fit.contrasts("Sex", null=np.nan), "null must be a finite number"),
        (lambda fit: fit.contrasts("Sex", side="less", level=0.4), "between 0.5 and 1"),
        (lambda fit: fit.marginal_means("Sex", side="less"), "give it as null="),
        (lambda fit: fit.contrasts("Sex", interaction=["pairwise"] * 2), "2 methods for 1 factors"),
        (
            lambda fit: fit.contrasts(["Sex", "age"], interaction="pairwise", method="reference"),
            "give one of them",
        ),
        (lambda fit: fit.slopes("Sex"), "'Sex' is not numeric"),
        (lambda fit: fit.slopes("age", df="wald"), "wald"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_remedy(call: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call(fitted("orthodont_ri"))


def _named(labels: list[str]) -> dict[str, dict[str, float]]:
    """R's contrasts "b - a" as weights, since R's pairs run the other way round."""
    return {label: dict(zip(label.split(" - "), (1.0, -1.0), strict=True)) for label in labels}


@pytest.mark.parametrize("df", BOTH)
@pytest.mark.parametrize("weights", ["equal", "proportional", "outer", "cells"])
def test_weights_of_means_equal_emmeans(weights: str, df: str) -> None:
    """lesion_small has an interaction, so that weights bear on its contrasts, too."""
    for name in ("lesion_plain", "lesion_small"):
        fit, r = answered(name), answers()["answers"]["weights"][name][df][weights]
        means = fit.marginal_means("type", weights=weights, df=df)
        same_estimates(means, r["means"], "emmean")
        same_interval(means, r["means"])
        pairs = fit.contrasts(
            "type", method=_named(r["pairs"]["contrast"]), weights=weights, df=df, adjust="none"
        )
        same_estimates(pairs, r["pairs"], "estimate")
    by_sex = answers()["answers"]["weights"]["lesion_plain"][df][weights]["by_sex"]
    same_estimates(
        answered("lesion_plain").marginal_means("type", by="sex", weights=weights, df=df),
        by_sex,
        "emmean",
    )


def test_a_cell_without_rows_has_no_mean_weighted_by_its_rows() -> None:
    rows = answer_data("lesion_small").query("not (type == 'prl' and sex == 'F')")
    fit = MixedModel("mwf ~ type + sex + center + (1 | patient)").fit(rows)
    means = fit.marginal_means("type", by="sex", weights="cells").set_index(["sex", "level"])
    assert means["note"].str.startswith("not estimable").to_numpy().nonzero()[0].tolist() == [3]
    assert np.isnan(means.loc[("F", "prl"), "estimate"])
    pairs = fit.contrasts("type", by="sex", weights="cells", adjust="none")
    gone = (pairs["sex"] == "F") & pairs["contrast"].str.contains("prl")
    np.testing.assert_array_equal(np.isnan(pairs["estimate"]), gone)
    assert fit.marginal_means("type", by="sex")["estimate"].notna().all()
    # A number of two values, held at a third that no row has, bears on no weight.
    coded = rows.assign(x=(rows["sex"] == "M").astype(float))
    fit = MixedModel("mwf ~ type + x + center + (1 | patient)").fit(coded)
    one, other = (
        fit.marginal_means("type", at={"x": 0.5}, weights=weights)["estimate"]
        for weights in ("proportional", "outer")
    )
    assert one.notna().all()
    np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("df", BOTH)
def test_interaction_contrasts_equal_emmeans(df: str) -> None:
    r = answers()["answers"]["interaction_contrasts"]
    linear = {"0": -3, "0.2": -1, "0.4": 1, "0.6": 3}
    quadratic = {"0": 1, "0.2": -1, "0.4": -1, "0.6": 1}
    cubic = {"0": -1, "0.2": 3, "0.4": -3, "0.6": 1}
    poly = {"linear": linear, "quadratic": quadratic, "cubic": cubic}
    for name, key, interaction in (
        ("oats", "pairwise_consec", ["pairwise", "consecutive"]),
        ("oats", "pairwise", "pairwise"),
        ("oats", "reference", ["reference", poly]),
        ("lesion_small", "pairwise", "pairwise"),
    ):
        factors = ["Variety", "nitro"] if name == "oats" else ["type", "sex"]
        ours = answered(name).contrasts(factors, interaction=interaction, df=df, adjust="none")
        theirs = pd.DataFrame(r[name][df][key])
        # R has the first factor running fastest, here it is the last.
        each = [theirs[column].tolist() for column in theirs.columns[:2]]
        labels = [f"({left}) : ({right})" for left, right in zip(*each, strict=True)]
        place = pd.Index(ours["contrast"]).get_indexer(labels)
        assert sorted(place) == list(range(len(ours)))
        ours = ours.iloc[place].reset_index(drop=True)
        same_estimates(ours, theirs.to_dict("list"), "estimate")
        same_interval(ours, theirs.to_dict("list"))
        np.testing.assert_allclose(ours["p_value"], theirs["p.value"], rtol=1e-5)
    assert set(ours["first"]) == {""}


@pytest.mark.parametrize("df", BOTH)
def test_slopes_have_interaction_contrasts_which_are_differences_of_their_differences(
    df: str,
) -> None:
    fit = MixedModel("mwf ~ type * sex * age + (1 | patient)").fit(answer_data("lesion_small"))
    both = fit.slope_contrasts("age", ["type", "sex"], interaction="pairwise", df=df)
    each = fit.slope_contrasts("age", "sex", within="type", df=df).set_index("type")["estimate"]
    expected = [each.iloc[a] - each.iloc[b] for a in range(5) for b in range(a + 1, 5)]
    np.testing.assert_allclose(both["estimate"], expected, rtol=1e-8, atol=1e-10)


def _sides(call: Any, r: dict[str, Any], df: str) -> None:
    """Compare all six alternatives with R's, and each p-value with its interval."""
    null, margin = r["null"], r["delta"]
    names = {"superiority": "greater", "two_sided": "two-sided"}
    for key in ("equivalence", "noninferiority", "nonsuperiority", "superiority", "two_sided"):
        side, theirs = names.get(key, key), r[key]
        delta = None if side in {"greater", "two-sided"} else margin
        ours = call(null=null, margin=delta, side=side, df=df)
        # The sign of R's t of equivalence is that of the non-inferiority or -superiority test.
        np.testing.assert_allclose(ours["p_value"], theirs["p.value"], rtol=2e-5, atol=1e-14)
        np.testing.assert_allclose(ours["statistic"], theirs["t.ratio"], rtol=1e-5, atol=2e-6)
        if side == "two-sided":
            continue
        same_interval(ours, r["interval_90"] | {"SE": theirs["SE"]})
        inside = ours["conf_low"] > (null if delta is None else -np.inf)
        if side in {"equivalence", "noninferiority"}:
            inside &= ours["conf_low"] > null - margin
        if side in {"equivalence", "nonsuperiority"}:
            inside &= ours["conf_high"] < null + margin
        np.testing.assert_array_equal(inside, ours["p_value"] < 0.05)
        np.testing.assert_allclose(ours["conf_level"], 0.9)
    less, greater = (call(null=null, side=side, df=df) for side in ("less", "greater"))
    np.testing.assert_allclose(less["p_value"] + greater["p_value"], 1.0, rtol=1e-12)


@pytest.mark.parametrize("df", BOTH)
def test_equivalence_and_noninferiority_equal_emmeans(df: str) -> None:
    r = answers()["answers"]["equivalence"]
    plain, trends = answered("lesion_plain"), answered("orthodont")
    one = r["lesion_plain_pairs_null"][df]
    pairs = _named(one["equivalence"]["contrast"])
    _sides(partial(plain.contrasts, "type", method=pairs, adjust="none"), one, df)
    _sides(partial(plain.marginal_means, "type"), r["lesion_plain_means"][df], df)
    _sides(partial(trends.slopes, "age", by="Sex"), r["orthodont_slopes"][df], df)
    one = r["orthodont_slope_pairs"][df]
    method = _named(one["equivalence"]["contrast"])
    _sides(partial(trends.slope_contrasts, "age", "Sex", method=method), one, df)
    adjusted = r["lesion_plain_pairs_sidak"][df]
    for adjust, key in (("sidak", "equivalence"), ("holm", "holm")):
        ours = plain.contrasts(
            "type", method=pairs, df=df, margin=1.0, side="equivalence", adjust=adjust
        )
        np.testing.assert_allclose(ours["p_adjusted"], adjusted[key]["p.value"], rtol=2e-5)


def test_margins_and_nulls_go_to_the_scale_of_the_outcome() -> None:
    fit = MixedModel("log(volume) ~ type + (1 | patient)").fit(answer_data("lesion_small"))
    asked = {"margin": np.log(1.25), "side": "equivalence"}
    link, ratio = (fit.contrasts("type", type=scale, **asked) for scale in ("link", "response"))
    assert set(ratio["null"]) == {1.0}
    np.testing.assert_allclose(ratio[["margin_low", "margin_high"]], [[0.8, 1.25]] * 10)
    np.testing.assert_allclose(ratio["conf_low_adjusted"], np.exp(link["conf_low_adjusted"]))
    assert set(ratio["adjust"]) == {"bonferroni"}  # a test of equivalence has no single maximum
    inside = (ratio["conf_low_adjusted"] > 0.8) & (ratio["conf_high_adjusted"] < 1.25)
    np.testing.assert_array_equal(inside, ratio["p_adjusted"] < 0.05)
    mean = fit.marginal_means("type", null=np.log(5.0), side="less", type="response")
    np.testing.assert_allclose(mean["null"], 5.0)


@pytest.mark.parametrize("df", BOTH)
def test_adjustments_equal_emmeans(df: str) -> None:
    """mvtnorm integrates to about three digits; dunnettx of emmeans is an approximation."""
    r = answers()["answers"]["adjustments"]
    for name, factor, by in (("lesion_plain", "type", None), ("oats", "nitro", "Variety")):
        fit, each = answered(name), r[name][df]["reference"]
        for adjust, theirs, near in (
            ("dunnett", "mvt", 1e-3),
            ("mvt", "mvt", 1e-3),
            ("sidak", "sidak", 1e-5),
            ("bonferroni", "bonferroni", 1e-5),
        ):
            if theirs not in each:
                continue
            ours = fit.contrasts(factor, method="reference", by=by, df=df, adjust=adjust)
            np.testing.assert_allclose(ours["p_adjusted"], each[theirs]["p.value"], atol=near)
            width = ours["conf_high_adjusted"] - ours["conf_low_adjusted"]
            expected = np.subtract(each[theirs]["upper.CL"], each[theirs]["lower.CL"])
            np.testing.assert_allclose(width / expected, 1.0, rtol=3 * near)
    pairs = r["lesion_plain"][df]["pairs"]["sidak"]
    ours = answered("lesion_plain").contrasts(
        "type", method=_named(pairs["contrast"]), df=df, adjust="sidak"
    )
    np.testing.assert_allclose(ours["p_adjusted"], pairs["p.value"], rtol=1e-5)
    same_interval(ours, pairs, "conf_low_adjusted", "conf_high_adjusted")


def test_one_sided_families_are_adjusted_with_the_signed_maximum() -> None:
    fit = answered("lesion_plain")
    made = fit.contrasts("type", method="reference", side="less", null=1.0, adjust="dunnett")
    np.testing.assert_array_equal(made["conf_high_adjusted"] < 1.0, made["p_adjusted"] < 0.05)
    two = fit.contrasts("type", method="reference", null=1.0)
    # P(max T > t) lies between half of P(max |T| > t) and all of it.
    share = (made["p_adjusted"] / two["p_adjusted"])[made["estimate"] < 1.0]
    assert len(share) == 4
    assert share.between(0.495, 1.0).all()
    means = fit.marginal_means("type", null=1.0, side="less")
    assert list(means) == [
        *("level", "estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"),
        *("side", "null", "conf_level", "note"),
    ]
