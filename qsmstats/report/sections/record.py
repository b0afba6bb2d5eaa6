"""What a run cannot say, where it came from, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import pandas as pd

from qsmstats.report.blocks import Block, Details, ListBlock, Notice, Paragraph, Section
from qsmstats.report.sections.context import Context, fit_warnings
from qsmstats.report.sections.methods import IMPUTED, STUDIES
from qsmstats.report.tables.tables import display
from qsmstats.wording.numbers import counted

__all__ = ["failures", "limits", "provenance"]


def limits(context: Context) -> Section:
    """Return the section on what these results cannot say."""
    items = [
        "The model formulas are the defaults of qsmstats or those of study.toml, not those of a"
        " publication. Other covariates may give other estimates.",
        "Differences between lesion types are associations; types were not assigned at random.",
        "The main answers treat lesion types as known. "
        + (
            "Those with imputed types, below each of them, carry the raters' disagreement along;"
            " errors that raters share remain unseen."
            if any(context.results.names(name) for name in IMPUTED)
            else "Disagreement between raters is not carried along."
        ),
        "Unadjusted and adjusted p-values are both given. The adjustment covers the comparisons"
        " within one map and one question, not several maps or questions.",
        "Lesions that appear or disappear contribute to the means and little to the slopes; if a"
        " lesion disappears because it changes, the slopes do not reflect that change"
        + (
            "; by how much they would change is shown below them."
            if context.results.names("trajectory_delta")
            else "."
        ),
    ]
    if context.results.names("histology"):
        items.append(
            "Histology: with few brains the variation between brains is poorly estimated; intervals"
            " that assume independent lesions are too narrow and are labelled as such."
        )
    return Section(anchor="limits", title="Limitations", blocks=(ListBlock(items=tuple(items)),))


def provenance(context: Context) -> Section:
    """Return the section on versions, command and settings; inputs are counted, not listed."""
    content = context.results.provenance()
    if not content:
        note = Notice(text="provenance.json is absent from this run.", warning=False)
        return Section(anchor="provenance", title="Provenance", blocks=(note,))
    inputs = content.pop("inputs", {})
    simple = {key: value for key, value in content.items() if not isinstance(value, dict | list)}
    blocks: list[Block] = []
    if inputs:
        text = f"provenance.json holds the checksums of the {counted(len(inputs), 'file')} read."
        blocks.append(Paragraph(text=text))
    run = [_pairs("run", "This run", simple)] if simple else []
    tables = (
        *run,
        *(
            _pairs(key, key.replace("_", " ").capitalize(), _numbered(value))
            for key, value in content.items()
            if isinstance(value, dict | list) and value
        ),
    )
    if tables:
        summary = "Command, versions and settings"
        blocks.append(Details(summary=summary, blocks=tables, lazy=True))
    return Section(anchor="provenance", title="Provenance", blocks=tuple(blocks))


def _numbered(value: dict[str, Any] | list[Any]) -> dict[Any, Any]:
    return value if isinstance(value, dict) else dict(enumerate(value, start=1))


def _pairs(name: str, caption: str, pairs: Mapping[Any, Any]) -> Block:
    frame = pd.DataFrame(
        {
            "item": [_within_study(str(key)) for key in pairs],
            "value": [_plain(value) for value in pairs.values()],
        }
    )
    slug = f"provenance-{name.replace('_', '-')}"
    return display(frame, slug=slug, caption=caption, file="provenance.json")


def _within_study(name: str) -> str:
    """Return a file's path below the study, or its name alone where it lies elsewhere."""
    return PurePath(name).name if PurePath(name).is_absolute() else name


def _plain(value: object) -> str:
    """Write a value of JSON for people: lists with commas, what maps to what with colons."""
    if isinstance(value, dict):
        return "; ".join(f"{_plain(key)}: {_plain(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return str(value)


def failures(context: Context) -> Section:
    """Return the section on inputs that failed and fits that warn."""
    blocks: list[Block] = []
    table = context.results.table("failures")
    if table is None:
        blocks.append(Notice(text="failures.tsv is absent from this run."))
    elif table.empty:
        blocks.append(Paragraph(text="All images and tables were read."))
    else:
        blocks.append(
            Notice(
                text=f"{counted(len(table), 'input')} failed; the sessions are not in the analyses."
            )
        )
        shown = context.display(
            "failures",
            "What failed, and why",
            keep=lambda rows: rows.assign(file=rows["file"].map(_within_study, na_action="ignore")),
        )
        blocks += [shown] if shown else []
    warnings = [text for study in STUDIES for text in fit_warnings(context, study)]
    if warnings:
        blocks.append(ListBlock(items=tuple(dict.fromkeys(warnings))))
    else:
        blocks.append(Paragraph(text="No model fit gave a warning."))
    return Section(anchor="failures", title="Failures and warnings", blocks=tuple(blocks))
