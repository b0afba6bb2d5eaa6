"""Bland-Altman plot: differences of two measurements against their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes

from qsmstats.errors import check_option
from qsmstats.plot.answers import table_of, with_columns
from qsmstats.plot.look import FAINT, INK, Palette, axes_or_current, grid_behind, letters
from qsmstats.wording.names import outcome_plain, outcome_short, unit_text
from qsmstats.wording.numbers import decimals_of_errors, fixed

__all__ = ["bland_altman"]

COLUMNS = ("comparison", "measure", "estimate", "conf_low", "conf_high")
LINES = {"upper_limit": (0, (4, 3)), "mean_difference": "-", "lower_limit": (0, (4, 3))}


def bland_altman(
    answer: Any,
    *,
    comparison: str | None = None,
    hue: str | None = None,
    palette: Palette | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each difference against the mean of the two, and the limits of agreement.

    Lines are the mean difference and its limits of agreement, bands their intervals, dots the
    regions that were measured twice (Bland & Altman 1986, Lancet i:307-310).

    Parameters
    ----------
    answer
        What `rescan_agreement` returns.
    comparison
        Which of its comparisons, such as "A - B"; by default the first.
    hue
        Column of ``answer.pairs`` whose levels have colours, such as "participant_id".
    palette
        Colours of `hue`, as seaborn takes them.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    UsageError
        If there is no such comparison.
    InvalidDataError
        If the answer has no table of pairs, or lacks a column.

    Examples
    --------
    >>> import numpy as np, pandas as pd, qsmstats as qs
    >>> visits = pd.MultiIndex.from_product([range(9), ["A", "B"]]).to_frame(index=False)
    >>> data = visits.set_axis(["participant_id", "scanner"], axis=1)
    >>> data = data.assign(session_id=data["scanner"], years=0.0, ndi=np.arange(18) % 7 / 10)
    >>> axes = bland_altman(qs.rescan_agreement(data, "ndi", region=None))
    >>> axes.get_ylabel()
    'NDI: A − B'
    """
    axes = axes_or_current(ax)
    named = [hue] if hue else []
    pairs = with_columns(table_of(answer, "pairs"), "comparison", "mean", "difference", *named)
    agreement = with_columns(table_of(answer, "agreement"), *COLUMNS)
    known = list(agreement["comparison"].unique())
    comparison = known[0] if comparison is None else comparison
    check_option("comparison", comparison, known)
    own = agreement[agreement["comparison"] == comparison].set_index("measure")
    rows = own.loc[list(LINES)]
    decimals = decimals_of_errors((rows["conf_high"] - rows["conf_low"]).dropna() / 4)
    for measure, low, estimate, high in rows[["conf_low", "estimate", "conf_high"]].itertuples():
        if np.isfinite([low, high]).all():
            axes.axhspan(low, high, color=FAINT, alpha=0.15, linewidth=0)
        if np.isfinite(estimate):
            axes.axhline(estimate, color=INK, linewidth=1.0, linestyle=LINES[measure])
            text, at = fixed(estimate, decimals), axes.get_yaxis_transform()
            axes.text(1.02, estimate, text, transform=at, va="center", size=letters())
    axes.axhline(0, color=FAINT, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
    sns.scatterplot(
        pairs[pairs["comparison"] == comparison],
        x="mean",
        y="difference",
        hue=hue,
        palette=palette,
        color=None if hue else INK,
        alpha=0.7,
        s=22,
        linewidth=0,
        ax=axes,
    )
    value = str(getattr(answer, "value", "value"))
    words = "earlier − later" if comparison == "same scanner" else comparison.replace(" - ", " − ")
    unit = f" ({unit_text(value)})" if unit_text(value) else ""
    axes.set_xlabel(f"{outcome_plain(value)}{unit}, mean of both")
    axes.set_ylabel(f"{outcome_short(value)}{unit}: {words}")
    grid_behind(axes, "y")
    return axes
