"""Every reference case, held to R's numbers.

Tolerances: 1e-6 absolute unless a test says otherwise. R's values are printed to 13 digits;
where an R program iterates to a loose tolerance of its own, the test says how loose.
"""

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats.accuracy.betabinomial import fit_beta_binomial
from qsmstats.accuracy.clustered import (
    anova_correlation,
    clustered_counts,
    rao_scott_interval,
    rao_scott_test,
)
from qsmstats.accuracy.coefficients import (
    agreement_coefficient,
    fleiss_null_test,
    krippendorff_alpha,
    krippendorff_std_error,
)
from qsmstats.accuracy.delta import delta_std_error
from qsmstats.accuracy.diagnostic import diagnostic_accuracy
from qsmstats.accuracy.feasible import feasible_joint_tables
from qsmstats.accuracy.gee import gee_std_error
from qsmstats.accuracy.intervals import (
    critical_value,
    mover_sum,
    proportion_interval,
    wilson_limits,
)
from qsmstats.accuracy.measures import kappa, multiclass_correlation
from qsmstats.accuracy.paired import (
    PairedCounts,
    mcnemar_test,
    paired_difference_interval,
    paired_ratio_interval,
    square_table_tests,
)
from qsmstats.accuracy.predictive import compare_likelihood_ratios, compare_predictive_values
from qsmstats.accuracy.ratios import odds_ratio_interval, ratio_interval
from qsmstats.accuracy.roc import area_under_curve, hanley_mcneil_std_error
from qsmstats.accuracy.samplesize import accuracy_sample_size

PATH = Path(__file__).parents[1] / "reference" / "accuracy" / "cases.json"
ALL = json.loads(PATH.read_text("utf-8"))["cases"]
PROPORTIONS = [case for case in ALL if case["topic"] == "proportion_ci"]
CLUSTERED = [case for case in ALL if case["topic"] == "clustered_proportion"]

close = partial(pytest.approx, abs=1e-6, rel=0)


def ident(case):
    return case["id"]


@pytest.mark.parametrize("case", PROPORTIONS, ids=ident)
def test_proportion_intervals(case):
    x, n = case["inputs"]["x"], case["inputs"]["n"]
    assert len(case["expected"]) > 5
    for name, expected in case["expected"].items():
        if name == "estimate":
            continue
        method = name.removesuffix("_modified").removesuffix("_unclipped")
        # Agresti-Coull and Wald are cut at 0 and 1 here, R's values are not.
        assert proportion_interval(x, n, method=method) == close(np.clip(expected, 0, 1)), name
    for method, printed in (case["published"] or {}).items():
        assert proportion_interval(x, n, method=method) == pytest.approx(printed, abs=1.01e-4)


@pytest.mark.parametrize("case", CLUSTERED, ids=ident)
class TestClusteredProportion:
    def counts(self, case):
        return clustered_counts(case["inputs"]["x"], case["inputs"]["n"])

    def test_ratio_variance(self, case):
        counts, expected = self.counts(case), case["expected"]
        assert counts.proportion == close(expected["p"])
        assert counts.std_error == close(expected["se_ratio"])
        assert counts.std_error == close(expected["svymean_se"])
        assert counts.design_effect == close(expected["deff"])
        assert counts.effective_n == close(expected["n_eff"])

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("rao_scott_wald_z", {"method": "wald", "critical": "normal", "floor": False}),
            ("rao_scott_wald_t", {"method": "wald", "floor": False}),
            ("rao_scott_wilson_z", {"critical": "normal"}),
            ("rao_scott_wilson_t", {}),
            ("korn_graubard_formula", {"method": "korn_graubard", "floor": False}),
            ("svyciprop_logit", {"method": "logit", "floor": False}),
        ],
    )
    def test_rao_scott(self, case, name, options):
        expected = np.clip(case["expected"][name], 0, 1)
        assert rao_scott_interval(self.counts(case), **options) == close(expected)

    def test_survey_beta(self, case):
        found = rao_scott_interval(self.counts(case), method="survey_beta", floor=False)
        assert found == close(case["expected"]["svyciprop_beta"][1:])

    def test_naive(self, case):
        x, n = sum(case["inputs"]["x"]), sum(case["inputs"]["n"])
        assert proportion_interval(x, n) == close(case["expected"]["naive_wilson"])
        exact = proportion_interval(x, n, method="clopper_pearson")
        assert exact == close(case["expected"]["naive_cp"])

    def test_analysis_of_variance(self, case):
        found, expected = anova_correlation(self.counts(case)), case["expected"]
        assert found.estimate == close(expected["anova_icc"])
        assert found.mean_size == close(expected["anova_n0"])
        assert found.design_effect == close(expected["deff_from_icc"])
        counts, z = self.counts(case), critical_value(0.95)
        effective = counts.total / found.design_effect
        limits = [float(v) for v in wilson_limits(counts.proportion, effective, z)]
        saha = expected["saha_wilson_clusterpci"]
        assert limits == close([saha["lower"], saha["upper"]])

    def test_gee(self, case):
        counts, expected = self.counts(case), case["expected"]
        error = gee_std_error(counts)
        assert error == close(expected["closed_form_logit_se"]["mancl_derouen"])
        # clubSandwich takes the weights of glm's last but one iterate: 4 digits agree.
        assert error == pytest.approx(expected["logit_cr_se"]["CR3"], rel=2e-4)

    def test_beta_binomial(self, case):
        found, expected = fit_beta_binomial(self.counts(case)), case["expected"]
        low, high = expected["betabin_profile_ci"][1:]
        assert (found.conf_low, found.conf_high) == close([low, high])
        assert found.proportion == close(expected["betabin_profile_ci"][0])
        # aod maximises by Nelder-Mead, so that four digits of the estimates agree and its peak
        # is not higher, but for what gamma functions lose at a correlation of 3e-10.
        assert found.proportion == pytest.approx(expected["betabin_aod"]["p"], abs=5e-5)
        assert found.correlation == pytest.approx(expected["betabin_aod"]["phi"], abs=5e-5)
        assert found.log_likelihood == pytest.approx(expected["betabin_aod"]["loglik"], abs=5e-6)
        assert found.log_likelihood >= expected["betabin_aod"]["loglik"] - 5e-7


def test_rao_scott_chi_square(cases):
    control = cases["raoscott_rats_CTRL"]["inputs"]
    # Treated litters of Weil 1970, from Rao & Scott 1992, table 1.
    alive = [12, 11, 10, 9, 10, 9, 9, 8, 8, 4, 7, 4, 5, 3, 3, 0]
    litters = [12, 11, 10, 9, 11, 10, 10, 9, 9, 5, 9, 7, 10, 6, 10, 7]
    groups = [clustered_counts(control["x"], control["n"]), clustered_counts(alive, litters)]
    statistic, df, p_value = rao_scott_test(groups)
    expected = cases["raoscott_rats_test"]["expected"]
    assert (statistic, df, p_value) == close((expected["X2"], expected["df"], expected["p"]))


def test_two_by_two_of_scott_2008(cases):
    case = cases["epiR_epi_tests_scott2008"]
    tp, fp, fn, tn = (case["inputs"][name] for name in ("TP", "FP", "FN", "TN"))
    n = tp + fp + fn + tn
    proportions = {
        "ap": (tp + fp, n),
        "tp": (tp + fn, n),
        "se": (tp, tp + fn),
        "sp": (tn, tn + fp),
        "diag.ac": (tp + tn, n),
        "pv.pos": (tp, tp + fp),
        "pv.neg": (tn, tn + fn),
        "p.rout": (fn + tn, n),
        "p.rin": (tp + fp, n),
        "p.tpdn": (fp, fp + tn),
        "p.tndp": (fn, tp + fn),
        "p.dntp": (fp, tp + fp),
        "p.dptn": (fn, fn + tn),
    }
    for method, key in (("clopper_pearson", "exact"), ("wilson", "wilson")):
        expected = case["expected"][key]
        for name, (x, total) in proportions.items():
            limits = proportion_interval(x, total, method=method)
            assert [x / total, *limits] == close(expected[name]), name
        parts = [proportion_interval(*proportions[v], method=method) for v in ("se", "sp")]
        # epiR adds the limits of both parts: conservative; ours is MOVER, checked below.
        youden = [sum(ends) - 1 for ends in zip(*parts, strict=True)]
        assert youden == close(expected["youden"][1:])
        assert [1 / v for v in reversed(youden)] == close(expected["nndx"][1:])
        odds, limits, corrected = odds_ratio_interval(tp, fp, fn, tn)
        assert [odds, *limits] == pytest.approx(expected["diag.or"], rel=1e-9)
        assert not corrected
        positive = ratio_interval(tp, tp + fn, fp, fp + tn, method="katz")
        assert positive == close(expected["lr.pos"][1:])
        negative = ratio_interval(fn, tp + fn, tn, fp + tn, method="katz")
        assert negative == close(expected["lr.neg"][1:])
    se, sp = tp / (tp + fn), tn / (tn + fp)
    limits = [proportion_interval(tp, tp + fn), proportion_interval(tn, tn + fp)]
    low, high = mover_sum([se, sp], limits, [1, 1])
    assert [se + sp - 1, low - 1, high - 1] == close(case["expected"]["youden_mover_wilson"])


def test_zero_cell(cases):
    case = cases["zero_fp_2x2"]
    expected = {name: [float(v) for v in values] for name, values in case["expected"].items()}
    exact = partial(proportion_interval, method="clopper_pearson")
    # The expected values are printed to seven digits.
    for name, x, n in (
        ("se", 8, 9),
        ("sp", 23, 23),
        ("diag.ac", 31, 32),
        ("pv.pos", 8, 8),
        ("pv.neg", 23, 24),
    ):
        assert [x / n, *exact(x, n)] == pytest.approx(expected[name], abs=5e-7), name
    limits = ratio_interval(1, 9, 23, 23, method="katz")
    assert limits == pytest.approx(expected["lr.neg"][1:], abs=5e-7)
    youden = [sum(ends) - 1 for ends in zip(exact(8, 9), exact(23, 23), strict=True)]
    assert youden == pytest.approx(expected["youden"][1:], abs=5e-7)
    # Where epiR has not-a-number, the score interval is finite below and the DOR is corrected.
    low, high = ratio_interval(8, 9, 0, 23)
    assert math.isfinite(low)
    assert low > 1
    assert math.isinf(high)
    assert odds_ratio_interval(8, 0, 1, 23)[2]


def holmquist_units(matrix):
    counts = []
    for i, row in enumerate(matrix):
        for j, number in enumerate(row):
            unit = [0] * 4
            unit[i] += 1
            unit[j] += 1
            counts += [unit] * number
    return np.array(counts)


def test_holmquist_kappas(cases):
    case = cases["holmquist_carcinoma_4x4"]
    table, expected = np.array(case["inputs"]["matrix"], dtype=float), case["expected"]
    for name, statistic in (
        ("kappa", kappa),
        ("kappa_linear", partial(kappa, kind="linear")),
        ("kappa_quadratic", partial(kappa, kind="quadratic")),
    ):
        found = [statistic(table), delta_std_error(statistic, table)]
        assert found == close(expected[name]), name
    assert multiclass_correlation(table) == close(expected["mcc_RK"])
    accuracy = proportion_interval(np.trace(table), table.sum(), method="clopper_pearson")
    assert accuracy == close(expected["overall_accuracy"][1:])


def test_holmquist_chance_corrected(cases):
    case = cases["holmquist_carcinoma_4x4"]
    units, expected = holmquist_units(case["inputs"]["matrix"]), case["expected"]
    # irrCAC's programs for tables divide by n where those for ratings divide by n - 1.
    factor = math.sqrt(117 / 118)
    for key, kind in (("gwet_ac1", "gwet"), ("brennan_prediger", "brennan_prediger")):
        found = agreement_coefficient(units, kind=kind)
        assert found.estimate == close(expected[key]["coeff.val"])
        assert found.std_error * factor == close(expected[key]["coeff.se"])
    alpha = krippendorff_alpha(units, measurement="nominal")
    assert alpha == close(expected["krippendorff_nominal"]["coeff.val"])
    error = krippendorff_std_error(units) * factor
    assert error == close(expected["krippendorff_nominal"]["coeff.se"])


def test_holmquist_square_table(cases):
    case = cases["holmquist_carcinoma_4x4"]
    found = square_table_tests(case["inputs"]["matrix"]).set_index("test")
    for name in ("stuart_maxwell", "bhapkar", "bowker"):
        expected = case["expected"][name]
        row = found.loc[name]
        assert [row["statistic"], row["df"], row["p_value"]] == close(
            [expected["chi2"], expected["df"], expected["p"]]
        )


def test_holmquist_one_vs_rest(cases):
    case = cases["holmquist_carcinoma_4x4"]
    table = np.array(case["inputs"]["matrix"], dtype=float)
    exact = partial(proportion_interval, method="clopper_pearson")
    assert len(case["expected"]["one_vs_rest"]) == len(table)
    for k, expected in enumerate(case["expected"]["one_vs_rest"]):
        tp = table[k, k]
        fp, fn = table[k].sum() - tp, table[:, k].sum() - tp
        tn = table.sum() - tp - fp - fn
        assert (tp, fp, fn, tn) == tuple(expected[v] for v in ("TP", "FP", "FN", "TN"))
        assert exact(tp, tp + fn) == close(expected["sens_cp"])
        assert exact(tn, tn + fp) == close(expected["spec_cp"])
        assert multiclass_correlation(np.array([[tp, fp], [fn, tn]])) == close(expected["mcc"])


def test_holmquist_through_the_accuracy_frame(cases):
    case = cases["holmquist_carcinoma_4x4"]
    names = ["negative", "atypical", "in situ", "invasive"]
    table = pd.DataFrame(
        [
            (names[i], names[j])
            for i, row in enumerate(case["inputs"]["matrix"])
            for j, number in enumerate(row)
            for _ in range(number)
        ],
        columns=["index", "reference"],
    )
    frame = diagnostic_accuracy(
        table,
        index_test="index",
        reference_standard="reference",
        mapping={name: [name] for name in names},
        cluster=None,
        interval="clopper_pearson",
    ).set_index(["class_", "measure"])
    for name, expected in zip(names, case["expected"]["one_vs_rest"], strict=True):
        for measure, key in (
            ("sensitivity", "sens"),
            ("specificity", "spec"),
            ("ppv", "ppv"),
            ("npv", "npv"),
            ("mcc", "mcc"),
            ("lr_positive", "lr_pos"),
            ("lr_negative", "lr_neg"),
        ):
            assert frame.loc[(name, measure), "estimate"] == close(expected[key])
        odds = frame.loc[(name, "dor")]
        if expected["dor"] == "Inf":  # a zero cell: ours is Haldane's, and says so
            assert "Haldane" in odds["note"]
        else:
            assert odds["estimate"] == close(expected["dor"])
    whole = frame.loc["all classes"]
    for measure, value in (
        ("kappa", case["expected"]["kappa"][0]),
        ("kappa_linear", case["expected"]["kappa_linear"][0]),
        ("kappa_quadratic", case["expected"]["kappa_quadratic"][0]),
        ("mcc", case["expected"]["mcc_RK"]),
    ):
        assert whole.loc[measure, "estimate"] == close(value)
    limits = whole.loc["accuracy", ["estimate", "conf_low", "conf_high"]].tolist()
    assert limits == close(case["expected"]["overall_accuracy"])


def test_paired_binary(cases):
    case = cases["agresti_approval_mcnemar"]
    (a, b), (c, d) = case["inputs"]["matrix"]
    pair, expected = PairedCounts(both=a, only_first=b, only_second=c, neither=d), case["expected"]
    assert mcnemar_test(pair, method="asymptotic") == close((expected["chi2"], expected["p"]))
    assert mcnemar_test(pair, method="corrected") == close((expected["chi2_cc"], expected["p_cc"]))
    assert mcnemar_test(pair, method="exact")[1] == close(expected["p_exact"])
    # See the README of the cases for what these two labels hold; printed to six decimals.
    skewed = paired_difference_interval(pair, method="score_skewness")
    assert skewed == pytest.approx(expected["diff_tango_score"], abs=6e-7)
    jeffreys = paired_difference_interval(pair, method="mover", base="jeffreys")
    assert jeffreys == pytest.approx(expected["diff_mover_wilson"], abs=6e-7)


def test_fleiss_1971(cases):
    case = cases["fleiss1971_diagnoses"]
    counts, expected = np.array(case["inputs"]["counts"]), case["expected"]
    fleiss = agreement_coefficient(counts, kind="fleiss")
    assert fleiss.estimate == close(expected["kappa"])
    # irrCAC prints five digits.
    assert fleiss.std_error == pytest.approx(expected["fleiss_irrCAC"]["coeff.se"], abs=5e-6)
    assert fleiss_null_test(counts)[0] == close(expected["z_H0"])
    gwet = agreement_coefficient(counts, kind="gwet")
    assert gwet.estimate == pytest.approx(expected["gwet_ac1"]["coeff.val"], abs=5e-6)
    assert gwet.std_error == pytest.approx(expected["gwet_ac1"]["coeff.se"], abs=5e-6)
    for k, printed in enumerate(expected["category_kappa"]):
        split = np.column_stack([counts[:, k], 6 - counts[:, k]])
        # irr prints three digits.
        found = agreement_coefficient(split, kind="fleiss").estimate
        assert found == pytest.approx(printed, abs=5e-4)


def test_krippendorff_with_missing_ratings(cases):
    case = cases["krippendorff_4x12"]
    ratings, expected = case["inputs"]["ratings"], case["expected"]
    counts = np.array([[row.count(k) for k in range(1, 6)] for row in ratings])
    for measurement, alpha in expected["alpha"].items():
        found = krippendorff_alpha(counts, measurement=measurement, values=[1, 2, 3, 4, 5])
        assert found == close(alpha)
    # irrCAC prints five digits.
    for key, kind in (("gwet_ac1", "gwet"), ("fleiss_irrCAC", "fleiss")):
        found = agreement_coefficient(counts, kind=kind)
        assert found.estimate == pytest.approx(expected[key]["coeff.val"], abs=5e-6)
        assert found.std_error == pytest.approx(expected[key]["coeff.se"], abs=5e-6)
    error = expected["krippendorff_irrCAC"]["coeff.se"]
    assert krippendorff_std_error(counts) == pytest.approx(error, abs=5e-6)


def test_hanley_mcneil_1982(cases):
    case = cases["hanley_mcneil1982"]
    abnormal, normal = case["inputs"]["abnormal_counts"], case["inputs"]["normal_counts"]
    scores = np.repeat([*range(5), *range(5)], abnormal + normal)
    truth = np.repeat([1, 0], [sum(abnormal), sum(normal)])
    found = area_under_curve(scores, truth, cluster=None, scale="wald")
    expected = case["expected"]
    assert found.estimate == close(expected["auc"])
    assert found.std_error == close(expected["delong_se"])
    assert (found.conf_low, found.conf_high) == close(expected["delong_ci"])
    classical = hanley_mcneil_std_error(found.estimate, 51, 58)
    assert classical == close(expected["hanley_mcneil_exponential_se"])


def paired_counts(table):
    """The case has the second test in rows, the first in columns, with margins."""
    (a, c), (b, d) = np.array(table)[:2, :2]
    return PairedCounts(both=a, only_first=b, only_second=c, neither=d)


def test_paired_sensitivity_and_specificity(cases):
    case = cases["DTComPair_Paired1"]
    diseased = paired_counts(case["inputs"]["diseased"])
    healthy = paired_counts(case["inputs"]["non_diseased"])
    swapped = PairedCounts(
        both=healthy.neither,
        only_first=healthy.only_second,
        only_second=healthy.only_first,
        neither=healthy.both,
    )
    for name, pair, key in (
        ("sensitivity", diseased, "rel.sens"),
        ("specificity", swapped, "rel.spec"),
    ):
        expected = case["expected"]["mcnemar"][name]
        assert pair.margins == close((expected["test1"], expected["test2"]))
        statistic, p_value = mcnemar_test(pair, method="asymptotic")
        assert statistic == close(expected["test.statistic"])
        assert p_value == pytest.approx(expected["p.value"], rel=1e-9)
        exact = case["expected"]["exact"][name]["p.value"]
        assert mcnemar_test(pair, method="exact")[1] == pytest.approx(exact, rel=1e-9)
        relative = case["expected"]["rel"][name]
        ratio, error, (low, high) = paired_ratio_interval(pair)
        assert [ratio, error, low, high] == close(
            [relative[v] for v in (key, f"se.log.{key}", f"lcl.{key}", f"ucl.{key}")]
        )


def test_paired_predictive_values(cases):
    case = cases["DTComPair_Paired1"]
    tables = [np.array(case["inputs"][name])[:2, :2].T for name in ("diseased", "non_diseased")]
    found = compare_predictive_values(*tables).set_index(["measure", "method"])
    for measure in ("ppv", "npv"):
        for key, method in (
            ("pv_gs", "generalised_score"),
            ("pv_wgs", "weighted_generalised_score"),
        ):
            expected, row = case["expected"][key][measure], found.loc[(measure, method)]
            assert [row["first"], row["second"], row["estimate"], row["statistic"]] == close(
                [expected[v] for v in ("test1", "test2", "diff", "test.statistic")]
            )
            assert row["p_value"] == pytest.approx(expected["p.value"], rel=1e-8)
        expected = case["expected"]["pv_rpv"][measure]
        row = found.loc[(measure, "moskowitz_pepe")]
        limits = [expected[f"lcl.r{measure}"], expected[f"ucl.r{measure}"]]
        assert [row["estimate"], row["conf_low"], row["conf_high"], row["statistic"]] == close(
            [expected[f"r{measure}"], *limits, expected["test.statistic"]]
        )
    ratios = compare_likelihood_ratios(*tables).set_index("measure")
    for measure, key in (("lr_positive", "pdlr"), ("lr_negative", "ndlr")):
        expected, row = case["expected"]["dlr"][key], ratios.loc[measure]
        names = ("first", "second", "estimate", "conf_low", "conf_high", "statistic", "p_value")
        keys = ("test1", "test2", "ratio", "lcl", "ucl", "test.statistic", "p.value")
        assert [row[v] for v in names] == close([expected[v] for v in keys])


def test_buderer(cases):
    case = cases["buderer_sample_size"]
    inputs, expected = case["inputs"], case["expected"]
    found = accuracy_sample_size(inputs["se"], inputs["epsilon"], inputs["prevalence"])
    assert found.unrounded_lesions == close(expected["formula_raw"])
    assert found.lesions == expected["formula"]
    # epiR rounds once, at the end; Buderer rounds the diseased up first.
    assert math.ceil(found.unrounded_lesions) == expected["epiR"]


def test_headline_has_no_shared_total(cases):
    case = cases["headline_feasibility"]
    # The decimals are those of the printed abstract, which JSON numbers lose.
    printed = {
        "R": {"sensitivity": "88.89", "specificity": "100"},
        "I": {"sensitivity": "71.43", "specificity": "92.00"},
        "A": {"sensitivity": "92.86", "specificity": "86.36"},
    }
    for name, values in case["inputs"]["published"].items():
        assert [float(v) for v in printed[name].values()] == values
    found = feasible_joint_tables(printed, case["inputs"]["N"])
    assert list(found.shared_totals) == case["expected"]["shared_N_le_63"]
    assert not found.possible
