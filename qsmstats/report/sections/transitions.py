"""Transitions: what becomes of lesions, and of their types, from visit to visit."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from qsmstats.plot.alluvial import alluvial, alluvial_height
from qsmstats.report.blocks import Block, Details, FigureBlock, ListBlock, Section
from qsmstats.report.sections.context import Context, notes
from qsmstats.wording.names import capitalised, short_title
from qsmstats.wording.numbers import count, counted, decimals_of_errors, fixed, interval

__all__ = ["section"]

FLOWS, RATES, WHO = "transitions/flows", "transitions/rates", "transitions/who_changes"
OVERALL = {
    ("any_type", "other_type"): "another type at the next visit",
    ("any_type", "vanished"): "vanished",
    ("new", "any_type"): "new lesions",
}
TITLES = {
    "from_type": "from",
    "to_type": "to",
    "n_events": "changes",
    "n_changes": "changes",
    "n_changed_participants": "patients with a change",
    "n_participants": "patients",
    "n_intervals": "lesions × intervals",
    "exposure_years": "years at risk",
    "estimate": "rate",
    "rater_rate": "apparent rate between raters",
}


def section(context: Context) -> Section | None:
    """Return the section on transitions; None where a run did not ask for them."""
    said = notes(context, "transitions")
    rates = context.results.rows(RATES)
    if not said and rates.empty:
        return None
    blocks: list[Block] = []
    if items := tuple(_sentences(context, rates)):
        blocks.append(ListBlock(items=items))
    blocks += [*said, *_figure(context)]
    tables = (
        (
            RATES,
            "Rates of change per 100 lesion-years",
            (
                *("from_type", "to_type", "estimate", "n_events", "n_changed_participants"),
                *("n_participants", "exposure_years", "rater_rate"),
            ),
            _seen,
        ),
        (
            WHO,
            "Which lesions change their type: hazard ratios",
            ("term", "estimate", "p_value", "n_changes", "n_intervals", "n_participants", "test"),
            None,
        ),
        (FLOWS, "Lesions at one visit and at the next", (), _named),
        ("transitions/flow", "Lesions and intervals from the tables to the rates", (), None),
        ("transitions/models", "Model specification and convergence", (), None),
    )
    shown = [
        context.display(
            name,
            caption,
            only=only,
            keep=keep,
            titles=TITLES | ({"estimate": "hazard ratio"} if name == WHO else {}),
            notes_below=bool(only),
        )
        for name, caption, only, keep in tables
    ]
    folded = tuple(table for table in shown if table is not None)
    if folded:
        blocks.append(Details(summary="Rates, flows and the model in tables", blocks=folded))
    return Section(anchor="transitions", title="Transitions", blocks=tuple(blocks))


def _seen(rates: pd.DataFrame) -> pd.DataFrame:
    """Return the rates of lesions of what was seen, and of all types and rims whatever was seen."""
    joint = rates[["from_type", "to_type"]].isin(["any_type", "other_type", "no_rim"]).any(axis=1)
    return _named(rates[(joint | (rates["n_events"] > 0)) & (rates["from_type"] != "new")])


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    names = {name: rows[name].map(short_title) for name in ("from_type", "to_type")}
    return rows.assign(**names)


def _sentences(context: Context, rates: pd.DataFrame) -> list[str]:
    """Say the overall rates, and those of losing and gaining a rim."""
    told = []
    for _, row in rates.iterrows():
        pair = (str(row["from_type"]), str(row["to_type"]))
        if "no_rim" in pair:
            told.append(f"{capitalised(_pair(*pair))}: {_rate(context, row)}.")
        elif pair in OVERALL:
            told.append(f"{capitalised(OVERALL[pair])}: {_rate(context, row)}.")
    return told


def _pair(start: str, end: str) -> str:
    return f"{short_title(start)} to {short_title(end)}"


def _rate(context: Context, row: pd.Series) -> str:
    """Return a rate with its interval, or how high it may be where nothing changed."""
    noun = (
        "change" if {"new", "vanished"}.isdisjoint((row["from_type"], row["to_type"])) else "lesion"
    )
    of = f"{counted(row['n_events'], noun)} in {count(row['n_changed_participants'])} of"
    of += f" {counted(row['n_participants'], 'patient')}"
    if pd.isna(row["conf_high"]):
        return f"{of}; too few patients for an interval"
    if not row["n_events"]:
        high = fixed(row["conf_high"], decimals_of_errors([row["conf_high"]]))
        limit = f"{100 * context.level:g}\u00a0% upper limit {high} {row['unit']}"
        return f"none in {counted(row['n_participants'], 'patient')}; {limit}"
    decimals = decimals_of_errors([row["std_error"]])
    between = interval(row["conf_low"], row["conf_high"], decimals)
    return f"{fixed(row['estimate'], decimals)} {row['unit']} ({context.ci} {between}; {of})"


def _figure(context: Context) -> list[FigureBlock]:
    flows = context.results.rows(FLOWS)
    if flows.empty:
        return []
    wide, narrow = alluvial_height(max(flows["from_type"].nunique(), flows["to_type"].nunique()))

    def paint(figure: Figure) -> None:
        alluvial(flows, ax=figure.add_subplot())

    spoken = "; ".join(
        f"{_pair(str(row['from_type']), str(row['to_type']))} {count(row['n_intervals'])}"
        for _, row in flows.iterrows()
    )
    block = context.plates.draw(
        "transitions/flows",
        paint,
        height=wide,
        narrow_height=narrow,
        caption="Types of lesions at a visit and at the next.",
        reading="Numbers of lesions, each counted once per interval between visits. Faint bands: no"
        " change of type. The thinnest bands are drawn wider than their number.",
        alt=f"Alluvial diagram of lesions between visits: {spoken}.",
    )
    return [block]
