import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmstats.wording import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.09996, "0.100"),
        (-0.0123456, "−0.0123"),
        (9.999, "10.0"),
        (123456.4, "123,456"),
        (0.0, "0"),
        (1.5e-9, "1.50 × 10⁻⁹".replace(" ", "\N{NO-BREAK SPACE}")),
        (math.inf, "∞"),
        (math.nan, "–"),
        (None, "–"),
        ("x", "–"),
        (True, "–"),
        (np.int64(7), "7.00"),
    ],
)
def test_number_keeps_three_significant_digits(value, text):
    assert numbers.number(value) == text


@given(st.floats(1e-4, 1e8), st.sampled_from([1, -1]))
def test_a_number_reads_back_within_half_a_unit_of_its_third_digit(size, sign):
    value = sign * size
    read = float(numbers.number(value).replace("−", "-").replace(",", ""))
    assert read == pytest.approx(value, rel=5.001e-3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "<0.001"),
        (0.00099999, "<0.001"),
        (0.001, "0.001"),
        (0.05, "0.050"),
        (0.0996, "0.10"),
        (0.5, "0.50"),
        (1.0, ">0.99"),
        (math.nan, "–"),
    ],
)
def test_p_values_never_claim_zero_or_one(value, text):
    assert numbers.p_value(value) == text


@given(st.floats(0, 0.0495, exclude_max=True))
def test_a_p_below_five_percent_never_reads_as_five_percent_or_more_after_rounding_to_two(value):
    text = numbers.p_value(value)
    assert text.startswith("<") or float(text) < 0.05


def test_no_negative_zero():
    assert numbers.fixed(-0.0004, 2) == "0.00"
    assert numbers.signed(-0.0004, 2) == "0.00"
    assert numbers.signed(0.0004, 2) == "0.00"


def test_decimals_follow_the_second_digit_of_the_error():
    assert numbers.decimals_of_errors([0.56, 0.55, 0.6]) == 2
    assert numbers.decimals_of_errors([0.00778]) == 4
    assert numbers.decimals_of_errors([123.0]) == 0
    assert numbers.decimals_of_errors([0.0996]) == 2  # 0.10
    assert numbers.decimals_of_errors([math.nan, 0.0]) == 2


def test_signed_interval_and_percent():
    assert numbers.signed(0.25, 2) == "+0.25"
    assert numbers.interval(-1, 2.345, 1) == "−1.0 to 2.3"
    assert numbers.percent(8 / 9) == "88.9\N{NO-BREAK SPACE}%"
    assert numbers.percent(None) == "–"


def test_p_equations_do_not_break():
    assert numbers.p_equation(1e-9).split("\N{NO-BREAK SPACE}") == ["p", "<", "0.001"]
    assert numbers.p_equation(0.0123).split("\N{NO-BREAK SPACE}") == ["p", "=", "0.012"]


@pytest.mark.parametrize(
    ("value", "text"), [(3.04, "3.0"), (99.94, "99.9"), (99.96, "100"), (3540.35, "3,540")]
)
def test_degrees_of_freedom_lose_decimals_that_tell_nothing(value, text):
    assert numbers.degrees(value) == text


def test_shares_of_few_cases_have_no_decimals():
    percent = "\N{NO-BREAK SPACE}%"
    assert numbers.share_text(36, 42) == f"86{percent}"
    assert numbers.share_text(889, 1000) == f"88.9{percent}"
    assert numbers.share_text(0, 0) == "–"
    assert numbers.share_interval(0.477, 0.969, 42).split("\N{NO-BREAK SPACE}") == [
        *("48", "to", "97", "%")
    ]
    assert numbers.share_interval(None, 0.5, 42) == "–"
