"""The first screen: who was studied, every answer in a grid, and what the checks say against it."""

from __future__ import annotations

from collections.abc import Callable

from qsmstats.report.blocks import Block, Board, Facts, ListBlock, Notice, Section, TableBlock
from qsmstats.report.frames.estimates import with_white_matter
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.grids import accuracy_grid, changes_grid, checks_grid, means_grid
from qsmstats.wording.numbers import count
from qsmstats.wording.sentences import changes_overall, differences_overall

__all__ = ["answers"]

MODELS = {
    "baseline": "lesion types at the first session",
    "tissue": "lesions and white matter",
    "trajectory": "change over time",
}
GRIDS: dict[str, Callable[[Context], TableBlock | None]] = {
    "lesion types at the first session": means_grid,
    "change over time": changes_grid,
    "accuracy against histology": accuracy_grid,
    "model checks": lambda context: checks_grid(context, MODELS),
}


def answers(context: Context) -> Section:
    """Return the section that answers every question of the study."""
    made = {name: build(context) for name, build in GRIDS.items()}
    grids = tuple(grid for grid in made.values() if grid is not None)
    absent = [name for name, grid in made.items() if grid is None]
    facts, said = _facts(context), _sentences(context)
    blocks: list[Block] = []
    blocks += [Facts(items=facts)] if facts else []
    blocks += [Board(blocks=grids)] if grids else []
    blocks += [ListBlock(items=said)] if said else []
    if absent:
        text = f"Not analysed in this run: {'; '.join(absent)}."
        blocks.append(Notice(text=text, warning=False))
    return Section(anchor="answers", title="Main results", blocks=tuple(blocks))


def _facts(context: Context) -> tuple[tuple[str, str], ...]:
    """Return how many patients, controls, sessions, lesions and brains there are."""
    flow = context.results.rows("cohort/flow").drop_duplicates("stage").set_index("stage")
    read = context.results.rows("histology/flow").drop_duplicates("step").set_index("step")
    cells = (
        (flow, "patients", "n_participants", "patients"),
        (flow, "followed", "n_participants", "patients followed"),
        (flow, "controls", "n_participants", "controls"),
        (flow, "images read", "n_sessions", "sessions"),
        (flow, "patients", "n_lesions", "lesions"),
        (read, "analysed", "n_clusters", "brains"),
        (read, "analysed", "n", "lesions with histology"),
    )
    told = [(float(frame[column].get(row, 0)), what) for frame, row, column, what in cells]
    return tuple((count(number), what) for number, what in told if number > 0)


def _sentences(context: Context) -> tuple[str, ...]:
    """Return one sentence or two for each study."""
    alpha = 1 - context.level

    tissue = {
        outcome: rows
        for outcome, table in context.tables("tissue/contrasts").items()
        if len(rows := with_white_matter(table))
    }
    said = {
        "Between lesion types": (context.tables("baseline/contrasts"), differences_overall),
        "From white matter": (tissue, differences_overall),
        "Change per year": (context.tables("trajectory/slopes"), changes_overall),
    }
    return tuple(f"{head}: {tell(found, alpha)}" for head, (found, tell) in said.items() if found)
