"""Who was studied: flow of participants (STROBE item 13) and Table 1 (item 14)."""

from __future__ import annotations

import pandas as pd

from qsmstats import plot
from qsmstats.plot.diagrams import flow_height
from qsmstats.report.blocks import Block, Details, Notice, Section
from qsmstats.report.sections.context import Context
from qsmstats.report.tables.tables import display
from qsmstats.studies.table_one import CAPTION, TableOne
from qsmstats.wording.numbers import counted

__all__ = ["flow", "once_for_all_maps", "participants"]

# The step that stands beside the patients, not before them.
BESIDE = "controls"
COUNTS = {
    "n_participants": "participant",
    "n_sessions": "session",
    "n_lesions": "lesion",
}
MODELS = {
    "baseline": "Lesions in the baseline models",
    "tissue": "Regions in the models of white matter and lesions",
    "trajectory": "Lesion observations in the models of change",
}


def flow(context: Context) -> Section:
    """Return the section that counts participants, sessions and lesions at each stage."""
    stages = context.results.rows("cohort/flow")
    blocks: list[Block] = []
    if not stages.empty:
        steps = flow_steps(stages)
        wide, narrow = flow_height(len(steps))
        spoken = "; ".join(text.replace("\n", ": ") for text in steps["text"])
        diagram = context.plates.draw(
            "cohort/flow",
            lambda figure: plot.flow(steps, ax=figure.add_subplot()),
            height=wide,
            narrow_height=narrow,
            caption="Flow of participants, sessions and lesions.",
            reading="Each box gives the numbers remaining after the step above; boxes at the side"
            " give the numbers excluded. A lesion seen in two sessions counts as one lesion here,"
            " and as two observations in the table.",
            alt=f"Flow diagram. {spoken}.",
        )
        fold = "Flow of participants, sessions and lesions"
        blocks.append(Details(summary=fold, blocks=(diagram,)))
    table = context.display(
        "cohort/flow",
        "Participants, sessions and lesions at each stage, with reasons for exclusion",
    )
    tables = [table] if table else []
    for folder, caption in MODELS.items():
        models = context.display(
            f"{folder}/flow", f"{caption} after each exclusion", keep=once_for_all_maps
        )
        tables += [models] if models else []
    if tables:
        blocks.append(Details(summary="Counts at each stage", blocks=tuple(tables)))
    else:
        text = "This run has no counts of participants by stage."
        blocks.append(Notice(text=text, warning=False))
    return Section(anchor="flow", title="Study flow", blocks=tuple(blocks))


def once_for_all_maps(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one map, called "all maps", where those of every map are the same."""
    maps = [
        own.drop(columns="outcome").reset_index(drop=True)
        for _, own in rows.groupby("outcome", sort=False)
    ]
    if len(maps) < 2 or not all(own.equals(maps[0]) for own in maps):
        return rows
    return rows.iloc[: len(maps[0])].assign(outcome="all maps")


def flow_steps(stages: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes of the flow diagram: the chain of steps, and who left after each.

    Parameters
    ----------
    stages
        Columns stage, n_participants, n_sessions, n_lesions.
    """
    chain = stages[stages["stage"] != BESIDE].reset_index(drop=True)
    controls = stages.loc[stages["stage"] == BESIDE, "n_participants"]
    rows = []
    for step, row in chain.iterrows():
        after = chain.iloc[int(str(step)) + 1] if int(str(step)) + 1 < len(chain) else None
        counts = [counted(row[name], what) for name, what in COUNTS.items() if row[name] > 0]
        text = f"{row['stage']}\n{', '.join(counts) or 'none'}"
        aside = ""
        if after is not None and after["stage"] == "patients" and len(controls):
            aside = f"controls\n{counted(int(controls.iloc[0]), 'participant')}"
        elif after is not None:
            reason = "not followed" if after["stage"] == "followed" else "excluded"
            lost = [
                counted(row[name] - after[name], COUNTS[name])
                for name in ("n_participants", "n_sessions")
                if row[name] > after[name]
            ]
            aside = f"{reason}\n{', '.join(lost)}" if lost else ""
        rows.append({"text": text, "aside": aside})
    return pd.DataFrame(rows)


def participants(context: Context) -> Section:
    """Return Table 1."""
    rows = context.results.rows("cohort/table_one")
    block: Block = Notice(text="This run has no table of participants.", warning=False)
    if not rows.empty:
        described = TableOne(rows=rows)
        shown = described.printed()
        block = display(
            shown,
            slug="table-cohort-table-one",
            caption=CAPTION,
            file="cohort/table_one.tsv",
            titles={name: name for name in map(str, shown)},
            note=" ".join(described.footnotes),
        )
    return Section(anchor="participants", title="Participants", blocks=(block,))
