"""What the page shows of a table of estimates: its quantity, its unit, and one p with its interval.

Where p-values were adjusted, the adjusted p and the adjusted interval are shown, which come from
one method; an adjustment that has no interval of its own is shown with the unadjusted one.
"""

from __future__ import annotations

import pandas as pd

from qsmstats.wording.names import pair_title, written_unit

__all__ = [
    "ABOUT",
    "ci_name",
    "is_told",
    "no_effect",
    "on_own_scale",
    "oriented",
    "quantity_and_unit",
    "quantity_of",
    "shown",
    "unit_of",
    "with_pairs_titled",
    "with_scale",
]

ABOUT = ("quantity", "unit", "null", "first", "second")
"""Columns that say what the estimates are; the page has them in titles and in the pair's name."""


def quantity_of(table: pd.DataFrame) -> str:
    """Return what the estimates of one outcome are: "difference", "ratio", "geometric mean"."""
    return str(_first(table, "quantity", "difference"))


def unit_of(table: pd.DataFrame) -> str:
    """Return the unit of the estimates of one outcome, as it is written after a number."""
    return written_unit(str(_first(table, "unit", "1")))


def quantity_and_unit(table: pd.DataFrame) -> str:
    """Return "difference, %": the head of a column in whose cells an interval follows."""
    return ", ".join(filter(None, [quantity_of(table), unit_of(table)]))


def no_effect(table: pd.DataFrame) -> float:
    """Return the value that means no effect: 0 of a difference, 1 of a ratio."""
    return float(str(_first(table, "null", 0.0)))


def with_pairs_titled(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Return contrasts with the titles of both levels in `contrast`: "PRL − isointense"."""
    sign = "/" if no_effect(contrasts) else "−"
    pairs = zip(contrasts["first"], contrasts["second"], strict=True)
    titles = [pair_title(str(first), str(second), sign) for first, second in pairs]
    return contrasts.assign(contrast=titles)


def _first(table: pd.DataFrame, column: str, default: object) -> object:
    return table[column].iloc[0] if len(table) else default


def with_scale(table: pd.DataFrame, of: str) -> str:
    """Return a title with its unit: "difference in MWF (%)", "ratio of MWF"; `of` is the map."""
    label = (" of " if no_effect(table) else " in ").join([quantity_of(table), of])
    unit = unit_of(table)
    return f"{label} ({unit})" if unit else label


def on_own_scale(means: pd.DataFrame, unit: str) -> bool:
    """Return whether means are in the unit that the outcome itself is written in."""
    return means.empty or unit_of(means) == unit


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the interval and the p that are shown as conf_low, conf_high and p."""
    names = {"conf_low": "conf_low_adjusted", "conf_high": "conf_high_adjusted"}
    limits = {
        plain: table[adjusted].fillna(table[plain])
        for plain, adjusted in names.items()
        if adjusted in table
    }
    p = table["p_adjusted"] if "p_adjusted" in table else table["p_value"]
    return table.assign(**limits, p=p)


def oriented(contrasts: pd.DataFrame, upright: pd.Series) -> pd.DataFrame:
    """Return contrasts with those turned round that are not upright: "a − b" becomes "b − a".

    Parameters
    ----------
    contrasts
        first, second, estimate, std_error, and limits and p as `shown` takes them.
    upright
        Which rows stay as they are.
    """
    rows, null = shown(contrasts), no_effect(contrasts)
    # What is shown has been chosen; the adjusted limits would be chosen again, unturned.
    rows = rows.drop(columns=["conf_low_adjusted", "conf_high_adjusted"], errors="ignore")
    turned = rows[["estimate", "conf_low", "conf_high"]]
    turned = 1 / turned if null else -turned
    size = rows["estimate"] ** 2 if null else 1.0  # of the derivative of 1 / x
    return rows.assign(
        first=rows["first"].where(upright, rows["second"]),
        second=rows["second"].where(upright, rows["first"]),
        estimate=rows["estimate"].where(upright, turned["estimate"]),
        std_error=rows["std_error"].where(upright, rows["std_error"] / size),
        conf_low=rows["conf_low"].where(upright, turned["conf_high"]),
        conf_high=rows["conf_high"].where(upright, turned["conf_low"]),
    )


def ci_name(table: pd.DataFrame, ci: str) -> str:
    """Return the name of the interval that is shown."""
    adjusted = table.get("conf_low_adjusted")
    return f"adjusted {ci}" if adjusted is not None and adjusted.notna().any() else ci


def is_told(table: pd.DataFrame, alpha: float) -> pd.Series:
    """Return which effects count as shown: p below alpha, and an interval without the null."""
    rows, null = shown(table), no_effect(table)
    return (rows["p"] < alpha) & ((rows["conf_low"] - null) * (rows["conf_high"] - null) > 0)
