"""Patients: how the lesions of a patient are related to clinical variables."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.plot.forests import forest, forest_height, forest_rows
from qsmstats.plot.groups import MOST_SWARM, by_group
from qsmstats.plot.look import colour, is_narrow, marker
from qsmstats.report.blocks import Block, Details, FigureBlock, ListBlock, Notice, Section
from qsmstats.report.figures.files import sample_sentence
from qsmstats.report.figures.style import columns_without_hole
from qsmstats.report.sections.context import Context, notes
from qsmstats.schemas import load_schema
from qsmstats.settings import column_of
from qsmstats.studies.patients.associations_text import clinical_title
from qsmstats.studies.patients.groups import grouped
from qsmstats.tables.tidy import first_sessions
from qsmstats.wording.names import (
    capitalised,
    lesion_types,
    outcome_short,
    schemas_in_use,
    short_title,
    title,
)
from qsmstats.wording.numbers import decimals_of_errors, fixed, interval, p_equation
from qsmstats.wording.sentences import listed

__all__ = ["section"]

NAME = "patients/associations"
QUESTIONS = {
    "counts": "Number of lesions of each type by clinical variables",
    "groups": "Patients with and without such lesions by clinical variables",
    "shares": "Disability by the share of each type",
    "lesions": "Type of a lesion by disability",
    "change": "Change of the maps by disability",
}
COLUMNS = (
    *("question", "outcome", "variable", "quantity", "estimate", "p_value", "p_adjusted"),
    "n_participants",
)
TITLES = {"outcome": "lesions or map", "variable": "clinical variable"}
MOST_NAMED = 3
MOST_COLUMNS, PANEL_INCHES = 3, 2.6


def section(context: Context) -> Section | None:
    """Return the section on patients; None where nothing was asked about them."""
    said = notes(context, "patients")
    rows = context.results.rows(NAME)
    if not said and rows.empty:
        return None
    blocks: list[Block] = []
    if rows.empty:
        text = "No association of lesions with clinical variables could be analysed."
        blocks += [Notice(text=text, warning=False), *said]
    else:
        asked = rows.groupby("question", sort=False)
        items = [_sentence(context, str(question), part) for question, part in asked]
        blocks += [ListBlock(items=tuple(items)), *_figure(context, rows)]
        blocks += _groups_figure(context, rows)
        notes_below = "What was left out, assumed or not answered"
        blocks += [Details(summary=notes_below, blocks=tuple(said))] if said else []
    groups = context.display(
        "patients/groups",
        "Patients by the number of their lesions of one type",
        only=("lesion_type", "group", "n_participants", "share"),
        titles={"group": "lesions of the patient"},
        keep=lambda frame: frame.assign(group=frame["group"].astype(str)),
    )
    folded = [*([groups] if groups else []), *_answers(context)]
    if folded:
        blocks.append(Details(summary="Patients: all numbers", blocks=tuple(folded), lazy=True))
    return Section(anchor="patients", title="Patients", blocks=tuple(blocks))


def _sentence(context: Context, question: str, rows: pd.DataFrame) -> str:
    """Say how many tests of a question show an association, and which."""
    alpha = 1 - context.level
    told = rows[rows["p_adjusted"] < alpha]
    shown = told.sort_values("p_adjusted").head(MOST_NAMED)
    found = [_association(context, row) for _, row in shown.iterrows()]
    more = f", and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    named = f": {listed(found) if not more else ', '.join(found)}{more}" if found else ""
    of = len(rows)
    return f"{QUESTIONS[question]}: adjusted p < {alpha:.2g} in {len(told)} of {of} tests{named}."


def _association(context: Context, row: pd.Series) -> str:
    """Return what is associated, and in brackets the estimate, or else the test, and adjusted p."""
    what = f"{_outcome(str(row['outcome']))} by {clinical_title(str(row['variable']))}"
    if isinstance(row["level"], str) and row["level"]:
        what += f", {row['level']}"
    told = str(row["analysis"])
    if pd.notna(row["estimate"]):
        decimals = decimals_of_errors([row["std_error"]])
        between = interval(row["conf_low"], row["conf_high"], decimals)
        told = f"{_scale(row)}: {fixed(row['estimate'], decimals)}, {context.ci} {between}"
    return f"{what} ({told}; adjusted {p_equation(row['p_adjusted'])})"


def _scale(row: pd.Series) -> str:
    """Return what an estimate is: "rate ratio per year", "difference in change, ppb per year"."""
    quantity, unit = (
        row[name] if isinstance(row[name], str) else "" for name in ("quantity", "unit")
    )
    return f"{quantity}{' ' if unit.startswith('per ') else ', '}{unit}" if unit else quantity


def _outcome(name: str) -> str:
    return short_title(name) if name in lesion_types() else outcome_short(name)


def _figure(context: Context, rows: pd.DataFrame) -> list[FigureBlock]:
    """Draw the rate ratios of all types by the first clinical variable."""
    counts = rows[(rows["question"] == "counts")]
    counts = counts[counts["variable"] == (counts["variable"].iloc[0] if len(counts) else "")]
    if len(counts) < 2 or counts["outcome"].duplicated().any():
        return []
    levels = [str(name) for name in counts["outcome"]]
    drawn = forest_rows(counts, map(title, levels), 1 - context.level)
    drawn = drawn.assign(colour=[*map(colour, levels)], marker=[*map(marker, levels)])
    variable = clinical_title(str(counts["variable"].iloc[0]))
    per = counts["unit"].fillna(counts["level"]).iloc[0]
    wide, narrow = forest_height(len(drawn))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        head = f"rate ratio ({context.ci}), adjusted p"
        forest(drawn, axes, reference=1.0, column_title=head)
        axes.set_xlabel(
            f"rate ratio {per}" if variable in per else f"rate ratio, {variable} ({per})"
        )

    spoken = "; ".join(f"{row['label']} {row['text']}" for _, row in drawn.iterrows())
    block = context.plates.draw(
        "patients/counts",
        paint,
        height=wide,
        narrow_height=narrow,
        caption=f"Number of lesions of each type per patient by {variable}: rate ratios.",
        reading="Right of the dashed line: more lesions of the type with higher values. Lines:"
        f" {context.ci}, not adjusted. Filled: adjusted p below {1 - context.level:.2g}.",
        alt=f"Forest of rate ratios by {variable}: {spoken}.",
    )
    return [block]


def _groups_figure(context: Context, rows: pd.DataFrame) -> list[FigureBlock]:
    """Draw the numeric clinical variables of patients with no, few and many lesions of one type."""
    groups = context.results.rows("patients/groups")
    tests = rows[rows["analysis"] == "Kruskal-Wallis test"].set_index("variable")
    patients = first_sessions(context.results.rows("patients"))
    patients = patients[patients["n_lesions"].notna()]
    if groups.empty or tests.empty or patients.empty:
        return []
    kind, names = str(groups["lesion_type"].iloc[0]), [*map(str, groups["group"])]
    cuts = [int(name.partition("-")[0].split()[0]) for name in names[1:]]
    frame = patients.assign(group=grouped(patients[f"n_{kind}"], cuts))
    titles = {str(name): clinical_title(column_of(str(name))) for name in tests.index}
    units = {field.name: field.unit or "1" for field in load_schema("participants").fields}
    columns = columns_without_hole(len(titles), MOST_COLUMNS)

    def paint(figure: Figure) -> None:
        across = 1 if is_narrow(figure) else columns
        panels = figure.subplots(-(-len(titles) // across), across, squeeze=False).ravel()
        for spare in panels[len(titles) :]:
            spare.set_visible(False)
        for (name, words), axes in zip(titles.items(), panels, strict=False):
            by_group(
                frame,
                axes,
                variable=column_of(name),
                groups=names,
                hue=colour(kind),
                logarithmic=name != column_of(name),
            )
            told = p_equation(tests.loc[name, "p_adjusted"])
            axes.set_title(f"{capitalised(words)}\nadjusted {told}")
            axes.set_ylabel(f"{units[name]}s" if units.get(name, "1") != "1" else "")
            axes.set_xlabel(f"lesions per patient ({short_title(kind)})")

    lines = -(-len(titles) // columns)
    block = context.plates.draw(
        "patients/groups",
        paint,
        height=PANEL_INCHES * lines,
        narrow_height=PANEL_INCHES * len(titles),
        caption=f"Clinical variables of patients by the number of their lesions: {title(kind)}.",
        reading="Each point is a patient at the first session; boxes give quartiles and median,"
        " whiskers the range up to 1.5 interquartile ranges from the box. Tests: Kruskal-Wallis."
        + sample_sentence(frame["group"].value_counts(), "patients of a group", MOST_SWARM),
        alt="; ".join(
            f"{words} by number of lesions, adjusted {p_equation(tests.loc[name, 'p_adjusted'])}"
            for name, words in titles.items()
        ),
    )
    return [block]


def _answers(context: Context) -> list[Block]:
    """Return the answers about one type and all maps, then all answers and checks folded."""
    kinds = set(context.results.rows("patients/groups").get("lesion_type", []))
    kinds = kinds or set(schemas_in_use().rims)

    def named(rows: pd.DataFrame) -> pd.DataFrame:
        levels = rows["level"].fillna("").astype(str)
        variables = rows["variable"].astype(str).map(clinical_title)
        return rows.assign(
            outcome=rows["outcome"].astype(str).map(_outcome),
            variable=variables.where(levels == "", variables + ", " + levels),
            quantity=[_scale(row) for _, row in rows.iterrows()],
        )

    def chosen(rows: pd.DataFrame) -> pd.DataFrame:
        wanted = rows["outcome"].isin(kinds) | (rows["question"] == "change")
        return named(rows[wanted & rows["estimate"].notna()])

    told = ", ".join(capitalised(short_title(kind)) for kind in sorted(kinds)) or "lesions"
    caption = f"Associations of {told} and of the change of the maps with clinical variables"
    short = context.display(NAME, caption, only=COLUMNS, titles=TITLES, keep=chosen)
    blocks: list[Block] = [short] if short else []
    for name, caption, only in (
        (
            NAME,
            "All associations with clinical variables",
            (*COLUMNS, "analysis", "covariates", "test"),
        ),
        ("patients/goodness_of_fit", "Checks of these models", ()),
    ):
        table = context.display(
            name, caption, only=only, titles=TITLES, keep=named if only else None
        )
        blocks += [Details(summary=caption, blocks=(table,), lazy=True)] if table else []
    return blocks
