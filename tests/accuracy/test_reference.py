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
    design_effect_of,
    gee_std_error,
    rao_scott_interval,
)
from qsmstats.accuracy.coefficients import (
    agreement_coefficient,
    krippendorff_alpha,
    krippendorff_std_error,
)
from qsmstats.accuracy.delta import delta_std_error
from qsmstats.accuracy.diagnostic import diagnostic_accuracy
from qsmstats.accuracy.feasible import feasible_joint_tables
from qsmstats.accuracy.intervals import (
    critical_value,
    mover_sum,
    proportion_interval,
    wilson_limits,
)
from qsmstats.accuracy.measures import kappa, multiclass_correlation
from qsmstats.accuracy.paired import mcnemar_test
from qsmstats.accuracy.ratios import odds_ratio_interval, ratio_interval
from qsmstats.accuracy.roc import area_under_curve
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

    def test_rao_scott(self, case):
        expected = case["expected"]["rao_scott_wilson_t"]
        assert rao_scott_interval(self.counts(case)) == close(expected)

    def test_naive(self, case):
        x, n = sum(case["inputs"]["x"]), sum(case["inputs"]["n"])
        assert proportion_interval(x, n) == close(case["expected"]["naive_wilson"])
        exact = proportion_interval(x, n, method="clopper_pearson")
        assert exact == close(case["expected"]["naive_cp"])

    def test_analysis_of_variance(self, case):
        counts, expected = self.counts(case), case["expected"]
        estimate, _ = anova_correlation(counts)
        assert estimate == close(expected["anova_icc"])
        effect = design_effect_of(counts, estimate)
        assert effect == close(expected["deff_from_icc"])
        z = critical_value(0.95)
        limits = [float(v) for v in wilson_limits(counts.proportion, counts.total / effect, z)]
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
    se, sp = tp / (tp + fn), tn / (tn + fp)
    limits = [proportion_interval(tp, tp + fn), proportion_interval(tn, tn + fp)]
    low, high = mover_sum([se, sp], limits)
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
    return np.array(counts, dtype=float)


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
        estimate, error = agreement_coefficient(units, kind=kind, weights=np.eye(4))
        assert estimate == close(expected[key]["coeff.val"])
        assert error * factor == close(expected[key]["coeff.se"])
    alpha = krippendorff_alpha(units, measurement="nominal")
    assert alpha == close(expected["krippendorff_nominal"]["coeff.val"])
    error = krippendorff_std_error(units) * factor
    assert error == close(expected["krippendorff_nominal"]["coeff.se"])


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
    expected = case["expected"]
    found = mcnemar_test(case["inputs"]["b"], case["inputs"]["c"])
    assert found == close((expected["chi2"], expected["p"]))


def test_fleiss_1971(cases):
    case = cases["fleiss1971_diagnoses"]
    counts, expected = np.array(case["inputs"]["counts"], dtype=float), case["expected"]
    identity = np.eye(counts.shape[1])
    estimate, error = agreement_coefficient(counts, kind="fleiss", weights=identity)
    assert estimate == close(expected["kappa"])
    # irrCAC prints five digits.
    assert error == pytest.approx(expected["fleiss_irrCAC"]["coeff.se"], abs=5e-6)
    estimate, error = agreement_coefficient(counts, kind="gwet", weights=identity)
    assert estimate == pytest.approx(expected["gwet_ac1"]["coeff.val"], abs=5e-6)
    assert error == pytest.approx(expected["gwet_ac1"]["coeff.se"], abs=5e-6)
    for k, printed in enumerate(expected["category_kappa"]):
        split = np.column_stack([counts[:, k], 6 - counts[:, k]])
        # irr prints three digits.
        found, _ = agreement_coefficient(split, kind="fleiss", weights=np.eye(2))
        assert found == pytest.approx(printed, abs=5e-4)


def test_krippendorff_with_missing_ratings(cases):
    case = cases["krippendorff_4x12"]
    ratings, expected = case["inputs"]["ratings"], case["expected"]
    counts = np.array([[row.count(k) for k in range(1, 6)] for row in ratings], dtype=float)
    for measurement, alpha in expected["alpha"].items():
        found = krippendorff_alpha(counts, measurement=measurement, values=np.arange(1.0, 6.0))
        assert found == close(alpha)
    # irrCAC prints five digits.
    for key, kind in (("gwet_ac1", "gwet"), ("fleiss_irrCAC", "fleiss")):
        estimate, error = agreement_coefficient(counts, kind=kind, weights=np.eye(5))
        assert estimate == pytest.approx(expected[key]["coeff.val"], abs=5e-6)
        assert error == pytest.approx(expected[key]["coeff.se"], abs=5e-6)
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


def test_paired_sensitivity_and_specificity(cases):
    case = cases["DTComPair_Paired1"]
    for name, group in (("sensitivity", "diseased"), ("specificity", "non_diseased")):
        # Second test in rows, first in columns, with margins.
        (_, c), (b, _) = np.array(case["inputs"][group])[:2, :2]
        expected = case["expected"]["mcnemar"][name]
        statistic, p_value = mcnemar_test(b, c)
        assert statistic == close(expected["test.statistic"])
        assert p_value == pytest.approx(expected["p.value"], rel=1e-9)


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
