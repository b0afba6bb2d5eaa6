"""How numbers are written for people: to the digit that means something, with a true minus sign.

An estimate is written to the second significant digit of its standard error (JCGM 100:2008,
section 7.2.6), the same number of decimals down a column; what has no error has three significant
digits. The TSVs keep ten digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import TypeGuard

from qsmstats.errors import plural

__all__ = [
    "MISSING",
    "count",
    "counted",
    "decimals_of_errors",
    "decimals_of_values",
    "degrees",
    "fixed",
    "interval",
    "number",
    "p_equation",
    "p_value",
    "percent",
    "share_interval",
    "share_text",
    "signed",
]

MISSING = "–"
MOST_DECIMALS = 8


def _is_number(value: object) -> TypeGuard[float]:
    # Numbers of numpy are Real as well, and int64 is no int.
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def number(value: object, digits: int = 3) -> str:
    """Write a number with `digits` significant digits, thousands in groups.

    Examples
    --------
    >>> number(-0.0123456), number(123456.0), number(2.0)
    ('−0.0123', '123,456', '2.00')
    """
    if not _is_number(value):
        return MISSING
    if value == 0 or math.isinf(value):
        return fixed(value, 0)
    exponent = _exponent(value, digits)
    if not -5 < exponent < 9:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        power = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        times = "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}"
        return f"{mantissa.replace('-', '−')}{times}10{power}"
    return fixed(value, max(0, digits - 1 - exponent))


def _exponent(value: float, digits: int) -> int:
    # Rounding first: 0.09996 has its first digit one place higher once it is rounded.
    return int(f"{value:.{digits - 1}e}".partition("e")[2])


def fixed(value: object, decimals: int) -> str:
    """Write a number with so many decimals, thousands in groups.

    Examples
    --------
    >>> fixed(-1234.567, 1), fixed(-0.0004, 2)
    ('−1,234.6', '0.00')
    """
    if not _is_number(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−" if any(digit in text for digit in "123456789") else "")


def decimals_of_errors(errors: Iterable[float]) -> int:
    """Return the decimals that show two significant digits of the middle one of some errors."""
    return _decimals(errors, 2)


def decimals_of_values(values: Iterable[float]) -> int:
    """Return the decimals that show three significant digits of the middle one of some values."""
    return _decimals(values, 3)


def _decimals(values: Iterable[float], digits: int) -> int:
    sizes = sorted(abs(value) for value in values if math.isfinite(value) and value != 0)
    if not sizes:
        return 2
    exponent = _exponent(sizes[len(sizes) // 2], digits)
    return min(max(0, digits - 1 - exponent), MOST_DECIMALS)


def signed(value: object, decimals: int) -> str:
    """Write a number with its sign, also where it is positive."""
    text = fixed(value, decimals)
    positive = _is_number(value) and not text.startswith("−") and text.strip("0.,")
    return f"+{text}" if positive else text


def p_value(value: object) -> str:
    """Write a p-value as medical journals do: "<0.001", three decimals below 0.1, else two.

    Examples
    --------
    >>> p_value(3e-9), p_value(0.00042), p_value(0.0321), p_value(0.5), p_value(0.9999)
    ('<0.001', '<0.001', '0.032', '0.50', '>0.99')
    """
    if not _is_number(value):
        return MISSING
    if value < 0.001:
        return "<0.001"
    if value > 0.99:
        return ">0.99"
    # 0.0995 would be rounded up to 0.100 with three decimals.
    return f"{value:.{3 if value < 0.0995 else 2}f}"


def p_equation(value: object) -> str:
    """Write "p < 0.001" or "p = 0.012", without line breaks."""
    text = p_value(value)
    sign, digits = (text[0], text[1:]) if text[0] in "<>" else ("=", text)
    return "\N{NO-BREAK SPACE}".join(["p", sign, digits])


def degrees(value: object) -> str:
    """Write degrees of freedom: one decimal below 100, none above, where it tells nothing.

    Examples
    --------
    >>> degrees(37.06), degrees(3540.35)
    ('37.1', '3,540')
    """
    return fixed(value, 1 if _is_number(value) and abs(value) < 99.95 else 0)


def interval(low: object, high: object, decimals: int) -> str:
    """Write "low to high"."""
    return f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def count(value: object) -> str:
    """Write a whole number, thousands in groups."""
    return fixed(value, 0)


def counted(value: float, what: str) -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> counted(1, "session"), counted(1200, "lesion")
    ('1 session', '1,200 lesions')
    """
    return f"{count(value)} {plural(what, value)}"


def percent(share: object, decimals: int = 1) -> str:
    r"""Write a share of 1 as percent.

    Examples
    --------
    >>> percent(0.8889)
    '88.9\xa0%'
    """
    if not _is_number(share):
        return MISSING
    # No line breaks before the sign.
    return f"{fixed(100 * share, decimals)}\N{NO-BREAK SPACE}%"


def share_text(numerator: float, denominator: float) -> str:
    r"""Write a proportion as percent, without decimals below 100 cases, where one is over 1 %.

    Examples
    --------
    >>> share_text(36, 42), share_text(889, 1000), share_text(0, 0)
    ('86\xa0%', '88.9\xa0%', '–')
    """
    if not denominator:
        return MISSING
    return percent(numerator / denominator, _share_decimals(denominator))


def share_interval(low: object, high: object, denominator: float) -> str:
    """Write an interval of a proportion of `denominator` cases, such as "48 to 97 %", unbroken."""
    decimals = _share_decimals(denominator)
    if not (_is_number(low) and _is_number(high)):
        return MISSING
    said = f"{fixed(100 * low, decimals)} to {percent(high, decimals)}"
    return said.replace(" ", "\N{NO-BREAK SPACE}")


def _share_decimals(denominator: float) -> int:
    return 0 if denominator < 100 else 1
