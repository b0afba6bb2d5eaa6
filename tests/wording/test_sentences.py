import pandas as pd
import pytest

from qsmstats.wording.sentences import (
    accuracy_sentences,
    change_sentence,
    changes_overall,
    check_sentence,
    difference_sentence,
    differences_overall,
    largest_difference,
    listed,
)

NAMES = ["estimate", "std_error", "conf_low", "conf_high", "p_adjusted"]


def contrasts(*rows, quantity="difference", unit="percent", null=0.0):
    table = pd.DataFrame(rows, columns=["first", "second", *NAMES])
    return table.assign(quantity=quantity, unit=unit, null=null)


def slopes(*rows, quantity="change", unit="percent per year", null=0.0):
    table = pd.DataFrame(rows, columns=["lesion_type", *NAMES])
    return table.assign(quantity=quantity, unit=unit, null=null)


def test_listed():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_levels_above_the_same_levels_are_taken_together():
    table = contrasts(
        ("isointense", "hypointense", 0.1, 0.2, -0.3, 0.5, 0.6),
        ("isointense", "paramagnetic_rim", 2.3, 0.15, 2.0, 2.6, 1e-9),
        ("paramagnetic_rim", "hypointense", -2.2, 0.15, -2.5, -1.9, 1e-9),
    )
    assert difference_sentence(table, "mwf_percent", 0.05, "95 % CI") == (
        "MWF is higher in isointense and hypointense lesions than in PRL; the largest difference,"
        " isointense\u00a0− PRL, is 2.30\u00a0% (95 % CI 2.00 to 2.60, adjusted"
        " p\u00a0<\u00a00.001); no difference was shown for isointense\u00a0− hypointense."
    )


def test_the_direction_of_a_negative_contrast_is_turned_with_its_interval():
    table = contrasts(("isointense", "hyperintense", -14.0, 0.5, -15.0, -13.0, 0.0123), unit="ppb")
    assert difference_sentence(table, "susceptibility_ppb", 0.05, "95 % CI") == (
        "QSM is higher in hyperintense lesions than in isointense lesions; the largest difference,"
        " hyperintense\u00a0− isointense, is 14.00\u00a0ppb (95 % CI 13.00 to 15.00,"
        " adjusted p\u00a0=\u00a00.012)."
    )


@pytest.mark.parametrize(
    ("low", "high", "p"),
    [(0.1, 1.9, 0.06), (-0.1, 2.1, 0.04)],
    ids=["adjusted p too large", "interval holds zero"],
)
def test_no_difference_is_claimed_that_interval_and_adjusted_p_do_not_both_support(low, high, p):
    table = contrasts(("isointense", "hyperintense", 1.0, 0.5, low, high, p))
    sentence = difference_sentence(table, "ndi", 0.05, "95 % CI")
    assert sentence == "NDI: no difference was shown (1 difference tested)."


def test_a_change_is_claimed_only_where_it_is_shown():
    table = slopes(
        ("isointense", 0.25, 0.04, 0.17, 0.33, 1e-6),
        ("hyperintense", -0.02, 0.04, -0.10, 0.06, 0.6),
        ("hypointense_rim", 0.09, 0.04, 0.01, 0.17, 0.08),
        ("paramagnetic_rim", -0.20, 0.04, -0.28, -0.12, 1e-4),
    )
    assert change_sentence(table, "mwf_percent", 0.05, "95 % CI") == (
        "MWF (% per year): increases in isointense lesions (+0.250, 95 % CI 0.170 to 0.330);"
        " decreases in PRL (−0.200, 95 % CI −0.280 to −0.120);"
        " no change was shown in hyperintense and hypointense rim lesions."
    )


def test_nothing_estimated_nothing_said():
    assert difference_sentence(pd.DataFrame(), "ndi", 0.05, "95 % CI") == ""
    assert change_sentence(pd.DataFrame(), "ndi", 0.05, "95 % CI") == ""


def test_a_ratio_is_told_against_one_and_turned_upside_down():
    table = contrasts(
        ("isointense", "hyperintense", 1.25, 0.1, 1.1, 1.4, 1e-4),
        ("isointense", "hypointense", 0.5, 0.05, 0.4, 0.625, 1e-6),
        ("hypointense", "hyperintense", 1.1, 0.2, 0.8, 1.5, 0.4),
        quantity="ratio",
        unit="1",
        null=1.0,
    )
    assert difference_sentence(table, "mwf_percent", 0.05, "95 % CI") == (
        "MWF is higher in isointense lesions than in hyperintense lesions;"
        " higher in hypointense lesions than in isointense lesions; the largest ratio,"
        " hypointense\u00a0/ isointense, is 2.00 (95 % CI 1.60 to 2.50,"
        " adjusted p\u00a0<\u00a00.001); no difference was shown for"
        " hypointense\u00a0/ hyperintense."
    )


def test_relative_changes_are_not_taken_for_changes_in_the_unit_of_the_map():
    table = slopes(("isointense", 5.3, 1.2, 3.0, 7.7, 1e-5), quantity="relative change")
    assert change_sentence(table, "mwf_percent", 0.05, "95 % CI") == (
        "MWF (relative change, % per year): increases in isointense lesions"
        " (+5.3, 95 % CI 3.0 to 7.7)."
    )


def test_the_adjusted_interval_stands_beside_the_adjusted_p():
    table = slopes(("isointense", 0.25, 0.04, 0.17, 0.33, 1e-6))
    table = table.assign(conf_low_adjusted=0.14, conf_high_adjusted=0.36)
    assert change_sentence(table, "mwf_percent", 0.05, "95 % CI") == (
        "MWF (% per year): increases in isointense lesions"
        " (+0.250, adjusted 95 % CI 0.140 to 0.360)."
    )


def test_the_first_check_that_failed_is_told_with_its_p_and_the_others_are_named():
    table = pd.DataFrame(
        {
            "check": ["linearity", "largest residual", "influence"],
            "p_adjusted": [0.004, 1, None],
            "failed": [True, False, True],
            "meaning": ["The mean is curved: beware.", "None.", "One participant: without them."],
        }
    )
    p = "(adjusted p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.004)"
    said = f"MWF: the mean is curved {p}: beware. Other checks that failed: influence."
    assert check_sentence(table, "mwf_percent") == said
    # What has no p is told without one.
    assert check_sentence(table[2:], "mwf_percent") == "MWF: one participant: without them."
    assert check_sentence(table.assign(failed=False), "mwf_percent") == ""


def test_all_maps_together_are_counted_and_each_of_them():
    told = ("isointense", "hyperintense", 1.2, 0.2, 0.8, 1.6, 0.001)
    open_ = ("isointense", "hypointense", 0.1, 0.2, -0.3, 0.5, 0.6)
    tables = {"mwf_percent": contrasts(told, open_), "ndi": contrasts(open_)}
    assert differences_overall(tables, 0.05) == (
        "1 of 3 differences shown (adjusted p < 0.05): MWF 1 of 2; NDI 0 of 1."
    )
    assert largest_difference(tables["ndi"], 0.05) is None
    assert largest_difference(tables["mwf_percent"], 0.05).limits == "0.80 to 1.60"


def test_changes_that_were_shown_are_named_by_map_and_type_and_the_others_counted():
    up = ("isointense", 0.2, 0.05, 0.1, 0.3, 0.001)
    down = ("paramagnetic_rim", -0.2, 0.05, -0.3, -0.1, 0.001)
    still = ("hypointense", 0.0, 0.05, -0.1, 0.1, 0.9)
    assert changes_overall({"mwf_percent": slopes(up, still), "ndi": slopes(down)}, 0.05) == (
        "increase in MWF of isointense lesions; decrease in NDI of PRL;"
        " no change shown in 1 of 3 (adjusted p ≥ 0.05)."
    )


@pytest.mark.parametrize(
    ("method", "recommended", "said"),
    [
        ("bayes_uniform", True, "95 % credible interval 48\xa0to\xa097\xa0%)"),
        ("wilson", False, "95 % confidence interval 48\xa0to\xa097\xa0%, lesions assumed"
         " independent)"),
    ],
)  # fmt: skip
def test_an_observed_proportion_stands_with_the_interval_of_one_method(method, recommended, said):
    rate = {"class": "remyelinated", "measure": "sensitivity", "numerator": 36, "denominator": 42}
    row = {**rate, "low": 0.48, "high": 0.97, "method": method, "recommended": recommended}
    (sentence,) = accuracy_sentences(pd.DataFrame([row]), "95 %")
    assert sentence == f"Remyelinated: sensitivity 86\xa0% observed (36 of 42; {said}."


def test_what_could_not_be_estimated_is_no_effect_that_was_not_shown():
    nothing = [float("nan")] * 5
    pairs = contrasts(
        ("isointense", "hypointense", 0.1, 0.2, -0.3, 0.5, 0.6),
        ("isointense", "paramagnetic_rim", *nothing),
    )
    said = difference_sentence(pairs, "ndi", 0.05, "95 % CI")
    assert said == (
        "NDI: no difference was shown (1 difference tested); 1 difference could not be estimated."
    )
    said = difference_sentence(pairs[1:], "ndi", 0.05, "95 % CI")
    assert said == "NDI: 1 difference could not be estimated; the notes say why."
    assert differences_overall({"ndi": pairs}, 0.05).startswith("0 of 1 difference shown")
    told = slopes(
        ("isointense", 0.1, 0.2, -0.3, 0.5, 0.6), ("hypointense", *nothing), unit="per year"
    )
    said = change_sentence(told, "ndi", 0.05, "95 % CI")
    assert said.endswith(
        "no change was shown in isointense lesions; the change could not be estimated in"
        " hypointense lesions."
    )
    said = change_sentence(told[1:], "ndi", 0.05, "95 % CI")
    assert said == "NDI: no change could be estimated; the notes say why."
    assert changes_overall({"ndi": told}, 0.05) == (
        "no change shown in 1 of 1 (adjusted p ≥ 0.05); not known in 1 of 2."
    )
