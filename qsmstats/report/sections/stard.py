"""What STARD 2015 asks of an accuracy study: its diagram (item 19) and the items in words."""

from __future__ import annotations

from matplotlib.figure import Figure

from qsmstats.plot.diagrams import flow_height
from qsmstats.plot.stard import stard_diagram, stard_rows
from qsmstats.report.blocks import Block, Details, FigureBlock
from qsmstats.report.frames.accuracy import reading_steps, result_branches
from qsmstats.report.sections.context import Context

__all__ = ["clustering_blocks", "flow_blocks", "item_blocks"]


def flow_blocks(context: Context) -> list[FigureBlock]:
    """Return the diagram of who was read and what was found; none where it was not counted."""
    steps = reading_steps(context.results.rows("histology/flow"))
    if steps.empty:
        return []
    branches = result_branches(context.results.rows("histology/class_counts"))

    def paint(figure: Figure) -> None:
        stard_diagram(steps, branches, figure.add_subplot())

    said = [text.replace("\n", ", ") for text in steps["text"]]
    for row in branches.itertuples():
        result, found = str(row.result).replace("\n", " "), str(row.outcome).replace("\n", ", ")
        said.append(f"{result}: {found}")
    wide, narrow = stard_rows(len(branches))
    block = context.plates.draw(
        "histology/flow",
        paint,
        height=flow_height(len(steps) + wide)[0],
        narrow_height=flow_height(len(steps) + narrow)[1],
        caption="Flow of post-mortem lesions (STARD 2015, item 19).",
        reading="Each box gives the numbers remaining after the step above; boxes at the side give"
        " the numbers excluded. The lowest boxes give the histological class by result on MRI.",
        alt=f"Flow diagram. {'; '.join(said)}.",
    )
    return [block]


def item_blocks(context: Context) -> list[Block]:
    """Return the items that a program can fill, folded."""
    table = context.display(
        "histology/stard",
        "Items of STARD 2015, computed or for the author to confirm",
        only=("item", "topic", "status", "text"),
        # Item 20 names every brain.
        keep=lambda rows: rows[rows["item"].astype("str") != "20"] if context.anonymous else rows,
    )
    return [Details(summary="STARD 2015 items", blocks=(table,))] if table else []


def clustering_blocks(context: Context) -> list[Block]:
    """Return the correlation within brains, estimated and assumed, folded."""
    captions = {
        "clustering": "Range with one brain left out, design effect and correlation",
        "assumed_correlations": "Intervals under assumed correlations within brains",
    }
    tables = (context.display(f"histology/{name}", text) for name, text in captions.items())
    shown = tuple(table for table in tables if table is not None)
    summary = "Correlation of lesions within brains"
    return [Details(summary=summary, blocks=shown)] if shown else []
