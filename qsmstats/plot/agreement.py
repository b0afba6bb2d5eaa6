"""Agreement of two classifications: confusion matrix, accuracy, per-cluster counts, ROC curves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from qsmstats.plot.answers import table_of, with_columns
from qsmstats.plot.forests import forest
from qsmstats.plot.look import (
    INK,
    Palette,
    axes_or_current,
    colours,
    grid_behind,
    is_narrow,
    letters,
)
from qsmstats.wording.names import (
    figure_name,
    present_levels,
    schemas_in_use,
    short_title,
    title,
)
from qsmstats.wording.numbers import count, share_interval, share_text

__all__ = ["accuracy", "cluster_shares", "confusion", "confusion_table", "roc"]

# Readings that are no class stand last.
UNREAD = ("indeterminate", "missing")
RATES = ("sensitivity", "specificity")
ACCURACY = ("class_", "measure", "role", "conf_low", "conf_high", "numerator", "denominator")
# More columns than this have no room for upright names.
MOST_UPRIGHT = 6
# Letters on cells, which are as light or dark where the page around them is not.
DARK, LIGHT = "#1B1B1B", "#FDFDFD"
# One dash per class: classes of the reference standard have no colour of their own.
DASHES = ("-", (0, (5, 2)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def confusion(
    answer: Any,
    *,
    order: Sequence[str] | None = None,
    palette: str = "Blues",
    ax: Axes | None = None,
) -> Axes:
    r"""Draw counts and row percent; the shade is the row percent.

    Parameters
    ----------
    answer
        What `histology_accuracy` returns (its ``confusion`` is drawn), or such a table of
        index_test, reference_standard and n, or counts with the levels of the first classification
        as index and those of the second as columns.
    order
        Levels of the first classification to draw, from the top.
    palette
        Name of a colour map of matplotlib or seaborn.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import pandas as pd
    >>> axes = confusion(pd.DataFrame([[3, 1], [0, 4]], index=["a", "b"], columns=["x", "y"]))
    >>> [text.get_text() for text in axes.texts]
    ['3\n75 %', '1\n25 %', '0', '4\n100 %']
    """
    axes = axes_or_current(ax)
    table = table_of(answer, "confusion")
    if {"index_test", "reference_standard", "n"} <= set(table.columns):
        table = confusion_table(table)
    if order is not None:
        table = table.reindex(list(order), fill_value=0)
    counts = table.to_numpy(dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    told = [
        [f"{count(n)}\n{100 * share:.0f} %" if n else "0" for n, share in zip(*row, strict=True)]
        for row in zip(counts, shares, strict=True)
    ]
    sns.heatmap(
        shares,
        annot=np.array(told, dtype=object).reshape(counts.shape),
        fmt="",
        cmap=sns.color_palette(palette, as_cmap=True),
        vmin=0,
        vmax=1.15,
        linewidths=1.5,
        cbar=False,
        ax=axes,
    )
    for text, share in zip(axes.texts, shares.ravel(), strict=True):
        text.set(color=LIGHT if share > 0.6 else DARK, size=letters(1.0))
    _name_sides(table, totals[:, 0], axes)
    return axes


def _name_sides(table: pd.DataFrame, totals: np.ndarray[Any, Any], axes: Axes) -> None:
    """Name the columns above and the rows, with their totals, at the left."""
    narrow = is_narrow(axes)
    name = short_title if narrow else title
    slanted = narrow or table.shape[1] > MOST_UPRIGHT
    heads = [
        figure_name((short_title if slanted else title)(str(level)), 16) for level in table.columns
    ]
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(np.arange(table.shape[1]) + 0.5, heads, rotation=45 if slanted else 0)
    if slanted:
        for head in axes.get_xticklabels():
            head.set(ha="left", va="bottom", rotation_mode="anchor")
    labels = [
        f"{figure_name(name(str(level)))}\nn = {count(total)}"
        for level, total in zip(table.index, totals, strict=True)
    ]
    axes.set_yticks(np.arange(table.shape[0]) + 0.5, labels, rotation=0)
    axes.tick_params(length=0)


def confusion_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Return counts: index test in rows, reference standard in columns, unread readings last.

    Parameters
    ----------
    counts
        index_test, reference_standard, n; several rows of one pair are added up.
    """
    if counts.empty:
        return counts
    schema = schemas_in_use().table("histology")
    wide = counts.pivot_table(
        index="index_test", columns="reference_standard", values="n", aggfunc="sum", fill_value=0
    )
    rows = present_levels(wide.index, [*schema.column("index_test").levels, *UNREAD])
    columns = present_levels(wide.columns, [*schema.column("reference_standard").levels, *UNREAD])
    return wide.reindex(index=rows, columns=columns)


def accuracy(
    answer: Any,
    *,
    order: Sequence[str] | None = None,
    palette: Palette | None = None,
    measures: Sequence[str] = RATES,
    ax: Axes | None = None,
) -> Axes:
    """Draw proportions of each class with their recommended intervals, and their counts.

    Markers stand at the observed proportion; unread lesions are left out.

    Parameters
    ----------
    answer
        What `histology_accuracy` returns (its ``accuracy`` is drawn), or what `diagnostic_accuracy`
        does.
    order
        Classes to draw, from the top.
    palette
        Colours of the measures, as seaborn takes them.
    measures
        Proportions to draw: "sensitivity", "specificity", "ppv", "npv".
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the table lacks a column.
    """
    axes = axes_or_current(ax)
    table = with_columns(table_of(answer, "accuracy"), *ACCURACY)
    for policy in ("missing", "indeterminate"):
        if policy in table:
            table = table[table[policy] == "exclude"]
    classes = list(order) if order is not None else list(dict.fromkeys(table["class_"]))
    best = table.sort_values("role", key=lambda role: role != "recommended", kind="stable")
    best = best.drop_duplicates(["class_", "measure"]).set_index(["class_", "measure"])
    wanted = [pair for pair in itertools.product(classes, measures) if pair in best.index]
    rows = best.loc[wanted].reset_index()
    shares = rows["numerator"] / rows["denominator"]
    hues = colours(list(measures), palette)
    names = [measure.upper() if len(measure) == 3 else measure for measure in rows["measure"]]
    frame = rows[["conf_low", "conf_high"]].assign(
        estimate=shares,
        label=[
            f"{short_title(str(one))}: {name}"
            for one, name in zip(rows["class_"], names, strict=True)
        ],
        colour=[hues[measure] for measure in rows["measure"]],
        text=[
            f"{share_text(k, n)} ({share_interval(low, high, n)}), {count(k)}/{count(n)}"
            for k, n, low, high in rows[
                ["numerator", "denominator", "conf_low", "conf_high"]
            ].itertuples(index=False, name=None)
        ],
    )
    forest(frame, axes, reference=None, column_title="observed (CI), counts")
    _percent_axis(axes)
    return axes


def _percent_axis(axes: Axes) -> None:
    axes.set_xlim(-0.04, 1.04)
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])


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
            1.04, height, text, transform=axes.get_yaxis_transform(), va="center", size=letters()
        )
    axes.set_yticks(range(len(labels) - 1, -1, -1), [figure_name(name, 20) for name in labels])
    axes.set_ylim(-0.6, len(labels) - 0.4)
    _percent_axis(axes)
    axes.tick_params(axis="y", length=0)
    grid_behind(axes, "x")
    return axes


def roc(frame: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw sensitivity against 1 - specificity, a step per cut-off and a line per class.

    Parameters
    ----------
    frame
        Columns ``class_``, sensitivity and specificity, one row per class and cut-off of one
        feature, as ``histology_accuracy(...).roc``.
    ax
        Axes to draw on; by default pyplot's current ones.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the table lacks a column.
    """
    axes = axes_or_current(ax)
    with_columns(frame, "class_", "sensitivity", "specificity")
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
