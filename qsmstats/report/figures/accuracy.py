"""Agreement of two classifications: confusion matrix, per-cluster counts and ROC curve."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from qsmstats.report.figures.style import INK, is_narrow
from qsmstats.report.wording.names import figure_name, short_title, title
from qsmstats.report.wording.numbers import count

__all__ = ["cluster_shares", "confusion_matrix", "roc_curves"]

# More columns than this have no room for upright names.
MOST_UPRIGHT = 6
# One dash per class: classes of the reference standard have no colour of their own.
DASHES = ("-", (0, (5, 2)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def confusion_matrix(table: pd.DataFrame, axes: Axes) -> Axes:
    """Draw counts and row percent; the shade is the row percent.

    Parameters
    ----------
    table
        Counts: one row per level of the first classification (index), one column per level of the
        second.
    axes
        Axes to draw on.

    Returns
    -------
    Axes
    """
    counts = table.to_numpy(dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for (row, column), value in np.ndenumerate(counts):
        share = shares[row, column]
        text = f"{count(value)}\n{100 * share:.0f} %" if value else "0"
        hue = "white" if share > 0.6 else INK
        axes.text(column, row, text, ha="center", va="center", color=hue)
    for edge in range(1, table.shape[0]):
        axes.axhline(edge - 0.5, color="white", linewidth=2)
    for edge in range(1, table.shape[1]):
        axes.axvline(edge - 0.5, color="white", linewidth=2)
    narrow = is_narrow(axes)
    name = short_title if narrow else title
    slanted = narrow or table.shape[1] > MOST_UPRIGHT
    heads = [figure_name((short_title if slanted else title)(level), 16) for level in table.columns]
    axes.set_xticks(range(table.shape[1]), heads, rotation=45 if slanted else 0)
    if slanted:
        for head in axes.get_xticklabels():
            head.set(ha="left", va="bottom", rotation_mode="anchor")
    labels = [
        f"{figure_name(name(level))}\nn = {count(total)}"
        for level, total in zip(table.index, totals[:, 0], strict=True)
    ]
    axes.set_yticks(range(table.shape[0]), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    return axes


def cluster_shares(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Draw the share of successes of each cluster as a dot whose area is the cluster's size.

    Parameters
    ----------
    frame
        Columns label (row), cluster, numerator, denominator.
    axes
        Axes to draw on.

    Returns
    -------
    Axes
    """
    labels = list(dict.fromkeys(frame["label"]))
    clusters = list(dict.fromkeys(frame["cluster"]))
    offsets = np.linspace(0.24, -0.24, len(clusters)) if len(clusters) > 1 else np.zeros(1)
    for _, row in frame[frame["denominator"] > 0].iterrows():
        position = len(labels) - 1 - labels.index(row["label"])
        height = position + offsets[clusters.index(row["cluster"])]
        share = row["numerator"] / row["denominator"]
        size = 12 + 6 * row["denominator"]
        # A dot at 0 or 100 % is drawn whole, over the frame.
        axes.scatter([share], [height], s=size, color=INK, alpha=0.55, clip_on=False)
        name = figure_name(row["cluster"], 20, lines=1)
        text = f"{name}: {count(row['numerator'])}/{count(row['denominator'])}"
        axes.text(
            1.04, height, text, transform=axes.get_yaxis_transform(), va="center", size="small"
        )
    axes.set_yticks(range(len(labels) - 1, -1, -1), [figure_name(name, 20) for name in labels])
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.set_xlim(-0.04, 1.04)
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#EAEAEA", linewidth=0.6)
    axes.set_axisbelow(True)
    return axes


def roc_curves(frame: pd.DataFrame, axes: Axes) -> Axes:
    """Draw sensitivity against 1 - specificity, a step per cut-off and a line per class.

    Parameters
    ----------
    frame
        Columns class_, sensitivity and specificity, one row per class and cut-off.
    axes
        Axes to draw on.

    Returns
    -------
    Axes
    """
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=0.9, linestyle=(0, (1, 2)))
    for (name, rows), dashes in zip(
        frame.groupby("class_", sort=False), itertools.cycle(DASHES), strict=False
    ):
        curve = rows.assign(fall_out=1 - rows["specificity"])
        curve = curve.sort_values(["fall_out", "sensitivity"])
        axes.step(
            curve["fall_out"],
            curve["sensitivity"],
            where="post",
            color=INK,
            linewidth=1.6,
            linestyle=dashes,
            label=figure_name(title(str(name))),
        )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel("1 − specificity")
    axes.set_ylabel("sensitivity")
    return axes
