"""Estimates as the page shows them: the pairs with white matter, and the rows of a forest."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from qsmstats.report.wording.estimates import shown
from qsmstats.report.wording.names import lesion_types, tissues
from qsmstats.report.wording.numbers import decimals_of_errors, fixed, interval, p_value, signed

__all__ = ["forest_rows", "with_white_matter"]


def with_white_matter(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Return the contrasts with white matter on one side; those of two lesion types are left out.

    Parameters
    ----------
    contrasts
        Columns first and second; an empty frame is returned as it is.
    """
    if contrasts.empty:
        return contrasts
    white = {level for level in tissues() if level not in lesion_types()}
    kept = contrasts["first"].isin(white) | contrasts["second"].isin(white)
    return contrasts[kept].reset_index(drop=True)


def forest_rows(
    estimates: pd.DataFrame, labels: Iterable[str], alpha: float, *, signs: bool = False
) -> pd.DataFrame:
    """Return the rows of a forest, as `figures.forests.forest` takes them.

    Parameters
    ----------
    estimates
        estimate, std_error, and limits and p as `wording.estimates.shown` takes them.
    labels
        One per row.
    alpha
        p below which a marker is filled.
    signs
        Whether positive numbers are written with their sign.
    """
    rows = shown(estimates)
    decimals = decimals_of_errors(rows["std_error"])
    numbers = [
        f"{(signed if signs else fixed)(estimate, decimals)} ({interval(low, high, decimals)})"
        for estimate, low, high in zip(
            rows["estimate"], rows["conf_low"], rows["conf_high"], strict=True
        )
    ]
    return rows[["estimate", "conf_low", "conf_high"]].assign(
        label=list(labels),
        filled=rows["p"] < alpha,
        text=[f"{text}, {p_value(p)}" for text, p in zip(numbers, rows["p"], strict=True)],
        brief=numbers,
    )
