r"""Estimates of a model of a transformed outcome, brought back to a scale that readers know.

The outcome :math:`y` of ``log(y) ~ ...`` is analysed as :math:`f(y)`. With :math:`f` a logarithm
to base :math:`b`:

* a mean :math:`\mu` becomes the geometric mean :math:`b^\mu`;
* a difference :math:`\delta` of means becomes the ratio :math:`b^\delta` of geometric means;
* a slope :math:`\beta` becomes the relative change :math:`100\,(b^\beta - 1)` per cent per unit;
* a difference :math:`\delta` of slopes becomes the ratio :math:`b^\delta` of factors of change.

With the logit, a mean becomes :math:`1 / (1 + e^{-\mu})`, and differences and slopes become odds
ratios. With the square root, a mean becomes :math:`\mu^2` (zero where a limit lies below zero);
differences and slopes stay on the scale of the square root, where alone they are constant. Any
other expression stays on the model's scale, ``log(y + 1)`` among them, whose ratios are those of
:math:`y + 1`. ``f(y / k)`` with a number k is known wherever ``f(y)`` is; its means are those of
:math:`y`.

As in emmeans with ``type = "response"`` (Lenth 2016, J Stat Softw 69(1); vignette
"Transformations and link functions"), limits are transformed one by one, standard errors by the
delta method, and tests are those of the model's scale. emmeans leaves slopes on that scale.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import expit

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.mixed.fitted import FixedEffects

__all__ = ["Kind", "ResponseScale", "ScaleType", "response_scale", "scale_of"]

Kind = Literal["mean", "contrast", "slope", "slope_contrast"]
ScaleType = Literal["link", "response"]

_CALL = re.compile(r"(log|log2|log10|sqrt|logit)\((.+)\)")
_PART = re.compile(r"`?([^`/]+?)`?(?:\s*/\s*(\d+(?:\.\d*)?))?")
_LOG_OF_BASE = {"log": 1.0, "log2": float(np.log(2.0)), "log10": float(np.log(10.0))}

_DIFFERENCES = ("mean", "difference", "change", "difference")
_QUANTITIES: dict[str, tuple[str, str, str, str]] = {
    "log": ("geometric mean", "ratio", "relative change", "ratio of factors of change"),
    "logit": ("back-transformed mean", "odds ratio", "odds ratio", "ratio of odds ratios"),
    "sqrt": ("back-transformed mean", *_DIFFERENCES[1:]),
    "": _DIFFERENCES,
}
_ENDS = (
    *("estimate", "conf_low", "conf_high", "conf_low_adjusted", "conf_high_adjusted"),
    *("null", "margin_low", "margin_high"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseScale(Displayed):
    """What the left side of a formula is.

    Attributes
    ----------
    expression
        The left side as written.
    column
        The data column of a plain outcome or of a known transform; None for other expressions.
    transform
        "log", "log2", "log10", "sqrt" or "logit"; "" for a plain column or another expression.
    divisor
        k of ``log(y / k)``.
    """

    expression: str
    column: str | None
    transform: str = ""
    divisor: float = 1.0

    @property
    def is_plain(self) -> bool:
        """Whether the outcome is a column as it stands."""
        return self.column is not None and not self.transform

    def converted(self, table: pd.DataFrame, kind: Kind) -> pd.DataFrame:
        """Bring a table of estimates to the response scale.

        Parameters
        ----------
        table
            Estimates on the model's scale: estimate, std_error, conf_low, conf_high; optional
            adjusted limits, null value and ends of the margin, and contrast, first and second
            ("a - b" becomes "a / b" where it is a ratio of two levels).
        kind
            What was estimated.

        Returns
        -------
        DataFrame
            The same columns, then quantity (what the estimate is), unit (the outcome's column, the
            expression on the model's scale, "percent", or "1" of a ratio; slopes are per unit of
            their variable) and, but for means, null (the value that means no effect).
        """
        made = table.assign(
            **{name: self._back(table[name], kind)[0] for name in _ENDS if name in table},
            std_error=table["std_error"] * self._back(table["estimate"], kind)[1],
        )
        quantity = self.quantity(kind)
        is_ratio = "ratio" in quantity.split()
        if is_ratio and "contrast" in made:
            ratio = made["first"] + " / " + made["second"]
            made["contrast"] = made["contrast"].where(made["first"] == "", ratio)
        made = made.assign(quantity=quantity, unit="1" if is_ratio else self._unit(kind))
        if kind == "mean" or "null" in made:
            return made
        return made.assign(null=1.0 if is_ratio else 0.0)

    def quantity(self, kind: Kind) -> str:
        """Return what an estimate on the response scale is, in words."""
        family = "log" if self.transform in _LOG_OF_BASE else self.transform
        return _QUANTITIES[family][get_args(Kind).index(kind)]

    def _unit(self, kind: Kind) -> str:
        if kind == "slope" and self.transform in _LOG_OF_BASE:
            return "percent"
        known = self.is_plain or (self.column is not None and kind == "mean")
        return str(self.column) if known else self.expression

    def _back(self, values: pd.Series, kind: Kind) -> tuple[Floats, Floats]:
        """Return values on the response scale, and the derivative there."""
        x = values.to_numpy(dtype=np.float64)
        size = self.divisor if kind == "mean" else 1.0
        if self.transform == "sqrt" and kind == "mean":
            root = np.maximum(x, 0.0)
            return size * root**2, 2.0 * size * root
        if self.transform == "logit" and kind == "mean":
            share = expit(x)
            return size * share, size * share * (1.0 - share)
        if self.transform in {"", "sqrt"}:
            return x, np.ones_like(x)
        rate = _LOG_OF_BASE.get(self.transform, 1.0)
        factor = np.exp(rate * x)
        if kind == "slope" and self.transform in _LOG_OF_BASE:
            return 100.0 * np.expm1(rate * x), 100.0 * rate * factor
        return size * factor, size * rate * factor


def response_scale(expression: str, columns: Collection[object]) -> ResponseScale:
    """Read the left side of a formula.

    Parameters
    ----------
    expression
        The left side, as `formula.parse_formula` returns it.
    columns
        Names of the data columns.
    """
    plain = expression.strip("`")
    if plain in columns:
        return ResponseScale(expression=expression, column=plain)
    call = _CALL.fullmatch(expression)
    part = _PART.fullmatch(call[2].strip()) if call else None
    if call is None or part is None or part[1] not in columns:
        return ResponseScale(expression=expression, column=None)
    return ResponseScale(
        expression=expression, column=part[1], transform=call[1], divisor=float(part[2] or 1.0)
    )


def scale_of(fit: FixedEffects) -> ResponseScale:
    """Return what the left side of a fit's formula is."""
    return response_scale(fit.model.parsed.response, fit.frame.data.columns)
