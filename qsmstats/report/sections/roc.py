"""Continuous features against histology: ROC curves, their areas and the best cut-offs."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats import plot
from qsmstats.plot.look import is_narrow
from qsmstats.report.blocks import Block
from qsmstats.report.sections.context import Context
from qsmstats.wording.names import outcome_title, title
from qsmstats.wording.numbers import fixed, interval
from qsmstats.wording.sentences import listed

__all__ = ["roc_blocks"]

# Inches of a line of the legend.
LEGEND_LINE = 0.2
AREAS = ("feature", "class_", "estimate", "n", "n_positive", "method")
CUTOFFS = (
    *("feature", "class_", "rule", "threshold", "sensitivity"),
    *("specificity", "youden", "corrected_youden", "n", "n_positive"),
)


def roc_blocks(context: Context) -> list[Block]:
    """Return the figure and the tables of continuous features; none where none was measured."""
    curves = context.results.rows("histology/roc")
    if curves.empty:
        return []
    features = list(dict.fromkeys(curves["feature"]))

    def paint(figure: Figure) -> None:
        narrow = is_narrow(figure)
        shape = (len(features), 1) if narrow else (1, len(features))
        panels = figure.subplots(*shape, squeeze=False).ravel()
        for axes, feature in zip(panels, features, strict=True):
            plot.roc(curves[curves["feature"] == feature], ax=axes)
            axes.set_title(outcome_title(str(feature)), loc="left")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=1 if narrow else 3, frameon=False
        )

    # The legend: one line per class, or three classes to a line.
    classes = curves["class_"].nunique()
    names = listed(outcome_title(str(feature)) for feature in features)
    block = context.plates.draw(
        "histology/roc",
        paint,
        height=3.7 + LEGEND_LINE * -(-classes // 3),
        narrow_height=0.3 + LEGEND_LINE * classes + 3.3 * len(features),
        caption="ROC curves of continuous features, each class against the rest.",
        reading="Each step is one cut-off; a curve closer to the upper left corner indicates better"
        " discrimination. Dotted diagonal: no discrimination; a curve below it contradicts the"
        " direction specified in advance.",
        alt=f"ROC curves of {names}. {_spoken(context.results.rows('histology/areas'))}".strip(),
    )
    tables = (
        context.display(
            "histology/areas",
            "Areas under the ROC curves",
            only=AREAS,
            titles={"estimate": "area"},
            notes_below=True,
        ),
        context.display(
            "histology/cutoffs",
            "Cut-offs with the largest Youden index, in the unit of the feature",
            only=CUTOFFS,
        ),
    )
    return [block, *(table for table in tables if table is not None)]


def _spoken(areas: pd.DataFrame) -> str:
    # The interval that knows of the brains follows the one that assumes independent lesions.
    known = areas.dropna(subset=["conf_low"])
    known = known.drop_duplicates(["feature", "class_"], keep="last")
    said = "; ".join(
        f"{outcome_title(str(row['feature']))}, {title(str(row['class_']))}"
        f" {fixed(row['estimate'], 2)}, {interval(row['conf_low'], row['conf_high'], 2)}"
        for _, row in known.iterrows()
    )
    return f"Areas: {said}." if said else ""
