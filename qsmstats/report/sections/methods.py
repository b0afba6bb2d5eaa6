"""Methods, ready for a paper: definitions, models, references, and lines that repeat the models."""

from __future__ import annotations

import re
from collections.abc import Iterable

from qsmstats.report.blocks import Block, Code, Details, Notice, Prose, Section
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.reproduce import python_lines, r_lines
from qsmstats.settings import FeatureSettings
from qsmstats.version import __version__
from qsmstats.wording.names import (
    adjustment,
    in_words,
    lesion_types,
    outcome_words,
    schemas_in_use,
    title,
)
from qsmstats.wording.references import bibtex, citation
from qsmstats.wording.sentences import listed
from qsmstats.wording.terms import names_in_words

__all__ = ["IMPUTED", "STUDIES", "once_per_model", "section"]

IMPUTED = ("baseline_raters", "trajectory_raters")
STUDIES = (
    *("baseline", "tissue", "trajectory", "histology", "raters"),
    *(*IMPUTED, "trajectory_delta", "baseline_harmonised", "trajectory_harmonised"),
    *("patients", "transitions"),
)
# What a fit says of itself, and what a paper says.
SINGULAR = "The fit is singular: a random variance is estimated as zero, or a correlation as one."
AT_ZERO = "A variance of the random effects was estimated as zero, or a correlation as one."
# Between two sentences; no capital follows the abbreviations of these texts.
BETWEEN = re.compile(r"(?<=[.)]) (?=[A-Z])")


def section(context: Context) -> Section:
    """Return the methods text of every study, and what a reader needs to repeat it, folded."""
    paragraphs = [
        part
        for study in STUDIES
        for part in once_per_model(context.results.text(f"{study}/methods.txt").split("\n\n"))
    ]
    heading = "Methods, ready for a paper"
    if not paragraphs:
        note = Notice(text="No model was fitted in this run.", warning=False)
        return Section(anchor="methods", title=heading, blocks=(note,))
    content = context.results.provenance()
    versions = content.get("versions", {})
    version = str(versions.get("qsmstats", __version__))
    text = [*_definitions(context), *shared_once(dict.fromkeys(paragraphs)), *_closing(context)]
    prose = Prose(slug="methods-text", paragraphs=(*text, f"Cite as: {citation(version)}"))
    codes = {
        "Python": Code(
            slug="methods-python",
            title="The same models in Python, in the folder of tidy.tsv",
            text=python_lines(context),
        ),
        "R": Code(
            slug="methods-r",
            title="The same models in R, in the folder of tidy.tsv: the same estimates; standard"
            " errors of glmmTMB are a few per cent larger, and degrees of freedom differ",
            text=r_lines(context),
        ),
        "References (BibTeX)": Code(
            slug="methods-bibtex", title="References", text=bibtex(" ".join(text), version)
        ),
    }
    blocks: list[Block] = [Details(summary="Text", blocks=(prose,))]
    blocks += [Details(summary=name, blocks=(code,)) for name, code in codes.items() if code.text]
    return Section(anchor="methods", title=heading, blocks=tuple(blocks))


def _definitions(context: Context) -> list[str]:
    """Say what a region, white matter, a feature and a type are in this run."""
    told = context.results.provenance().get("features", {})
    usual = FeatureSettings()
    shell, ring, away = (
        f"{float(told.get(name, getattr(usual, name))):g} mm"
        for name in ("shell_mm", "ring_mm", "nawm_distance_mm")
    )
    types = listed(map(title, lesion_types()))
    return [
        f"Lesion types: {types}, as listed in the study's table of lesions. Region: the voxels of"
        " one lesion label, or white matter. Normal-appearing white matter (NAWM): white matter of"
        f" a patient at least {away} from every lesion; the white matter of controls is taken"
        f" whole. Feature: a summary of a map in a region, the mean over its voxels unless another"
        f" is named. Shell: lesion voxels within {shell} of the edge; core: the voxels within it;"
        f" ring: white matter within {ring} outside the edge."
    ]


def _closing(context: Context) -> list[str]:
    content = context.results.provenance()
    closing = []
    if adjust := content.get("models", {}).get("adjust"):
        closing.append(
            "P-values of pairwise differences, and of the changes of the lesion types, were"
            f" {adjustment(adjust)}"
            f" within each map and question; intervals are at {100 * context.level:g} %."
        )
    if versions := content.get("versions", {}):
        software = ", ".join(f"{name} {version}" for name, version in versions.items())
        closing.append(f"Software: {software}.")
    return closing


def once_per_model(paragraphs: Iterable[str]) -> list[str]:
    """Say once what holds for several maps, and put names of levels and maps in words.

    Parameters
    ----------
    paragraphs
        Texts of one study; the formula of a model begins with its map, as in "ndi ~ age".
    """
    maps: dict[str, list[str]] = {}
    for paragraph in filter(None, (part.strip() for part in paragraphs)):
        outcome = next(
            (name for name in schemas_in_use().outcomes if f" {name} ~ " in paragraph), ""
        )
        paragraph = paragraph.replace(SINGULAR, AT_ZERO)
        said = (
            names_in_words(paragraph.replace(f" {outcome} ~ ", " Y ~ "))
            if outcome
            else in_words(paragraph)
        )
        maps.setdefault(said, []).append(outcome)
    return [
        f"{said} Y is {listed(map(outcome_words, names), 'or')}." if names[0] else said
        for said, names in maps.items()
    ]


def shared_once(paragraphs: Iterable[str]) -> list[str]:
    """Return paragraphs in which the sentences that all models share are said once, after them."""
    parts = [BETWEEN.split(paragraph) for paragraph in paragraphs]
    models = [sentences for sentences in parts if " Y ~ " in f" {sentences[0]}"]
    shared = [
        sentence
        for sentence in (models[0] if len(models) > 1 else [])
        if all(sentence in other for other in models)
    ]
    made, last = [], len(models)
    for sentences in parts:
        own = [sentence for sentence in sentences if sentence not in shared]
        made.append(" ".join(own))
        last -= sentences in models
        if shared and sentences in models and last == 0:
            made.append(f"All of these models: {' '.join(shared)}")
    return made
