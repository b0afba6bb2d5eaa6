"""What every section draws from, and the blocks that several sections share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qsmstats.own_schemas import Schemas
from qsmstats.report.blocks import Block, Details, ListBlock, Notice, Paragraph, TableBlock
from qsmstats.report.figures.files import Plates
from qsmstats.report.results.output_folder import Results
from qsmstats.report.tables.tables import display, turned
from qsmstats.settings import FeatureSettings, ModelSettings
from qsmstats.study import Study
from qsmstats.wording.names import (
    capitalised,
    in_words,
    outcome_short,
    outcome_title,
    outcome_words,
    present_levels,
)
from qsmstats.wording.numbers import counted
from qsmstats.wording.sentences import check_sentence, listed
from qsmstats.wording.terms import group_title, groups_in_words, term_titler

__all__ = [
    "Context",
    "checked",
    "failed_checks",
    "fit_warnings",
    "holds",
    "model_details",
    "notes",
    "refusals",
    "remarks",
    "study_notes",
]

STUDY_MODELS = {
    "baseline": "Lesion types at the first session",
    "tissue": "Lesions and white matter",
    "trajectory": "Change over time",
}
# Standard deviations below this share of the residual one are zero but for rounding.
ZERO = 1e-4
# Titles of columns that say what a fit was and how it ended.
RECORD_TITLES = {"n_obs": "observations", "n_groups": "groups", "gradient_norm": "gradient"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a section is drawn from.

    Attributes
    ----------
    results
        The output folder's tables.
    plates
        Draws figures into the output folder.
    study
        The study as study.toml describes it, for its images; None where it is not at hand.
    """

    results: Results
    plates: Plates
    study: Study | None

    @property
    def schemas(self) -> Schemas:
        """Maps and levels of the study as it was run, or as study.toml has them now."""
        now = self.study.schemas if self.study else Schemas()
        return self.results.schemas() or now

    @property
    def name(self) -> str:
        """Name of the study."""
        unnamed = "Anonymous report" if self.anonymous else "Study without a name"
        return str(self.results.provenance().get("study", unnamed))

    @property
    def anonymous(self) -> bool:
        """Whether the page names nobody and no file, and shows no image."""
        return self.results.anonymous

    @property
    def level(self) -> float:
        """Confidence level of the intervals."""
        models = self.study.models if self.study else ModelSettings()
        return float(self._setting("models", "level", models.level))

    @property
    def layer_mm(self) -> float:
        """Depth of one layer of the layer profiles."""
        return float(self._setting("features", "layer_mm", FeatureSettings().layer_mm))

    def _setting(self, section: str, name: str, default: Any) -> Any:
        # What the run used stands in its provenance; study.toml may have changed since.
        return self.results.provenance().get(section, {}).get(name, default)

    @property
    def ci(self) -> str:
        """Name of the intervals, such as "95 % CI" (held together by non-breaking spaces)."""
        return f"{100 * self.level:g}\u00a0%\u00a0CI"

    def outcomes(self, folder: str) -> list[str]:
        """Return the outcomes that a study's tables hold, in the order of the schemas."""
        for table in ("means", "slopes", "coefficients"):
            rows = self.results.rows(f"{folder}/{table}")
            if not rows.empty:
                return present_levels(rows["outcome"], self.schemas.outcomes)
        return []

    def tables(self, name: str) -> dict[str, pd.DataFrame]:
        """Return a study's table by outcome, those without rows left out."""
        found = {
            outcome: self.results.rows(name, outcome)
            for outcome in self.outcomes(name.partition("/")[0])
        }
        return {outcome: table for outcome, table in found.items() if len(table)}

    def maps(self, folder: str) -> list[str]:
        """Return the maps that these outcomes are features of, each once."""
        known = self.schemas.outcomes
        outcomes = (known[name] for name in self.outcomes(folder) if name in known)
        return list(dict.fromkeys(one.map.name for one in outcomes))

    def display(
        self,
        name: str,
        caption: str,
        *,
        outcome: str | None = None,
        only: tuple[str, ...] = (),
        without: tuple[str, ...] = (),
        titles: Mapping[str, str] | None = None,
        keep: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
        notes_below: bool = False,
    ) -> TableBlock | None:
        """Return a table of results for the page; None where it has no rows.

        Rows of single participants are not shown on an anonymous page.

        `keep` chooses among its rows, and `notes_below` writes their notes below the table; the
        other arguments are those of `tables.display`.
        """
        rows = self.results.rows(name, outcome)
        shown = rows if keep is None or rows.empty else keep(rows)
        if shown.empty or (self.anonymous and "participant_id" in shown):
            return None
        gone = len(rows) - len(shown)
        left = [f"{counted(gone, 'further row')} in the file."] if gone else []
        shown = shown.drop(columns=list(without), errors="ignore")
        if outcome is not None:
            shown = shown.drop(columns="outcome", errors="ignore")
        below = []
        if notes_below and "note" in shown:
            # Notes of several clauses share some of them.
            notes = filter(None, shown["note"].dropna().astype("str"))
            clauses = dict.fromkeys(part for note in notes for part in note.split("; "))
            below = [f"{capitalised(in_words('; '.join(clauses)))}."] if clauses else []
        slug = f"table-{name}-{outcome or 'all'}".replace("/", "-").replace("_", "-")
        return display(
            shown,
            slug=slug,
            caption=caption,
            file=f"{name}.tsv",
            only=only or None,
            titles=titles,
            ci=self.ci,
            note=" ".join([*left, *below]),
        )


def model_details(context: Context, folder: str, outcome: str) -> list[Block]:
    """Return the whole model of one map, folded: tests, coefficients, variances, record, checks."""
    what = outcome_words(outcome)
    for formula in context.results.rows(f"{folder}/models", outcome)["formula"]:
        left = str(formula).partition("~")[0].strip()
        # Coefficients and variances are on the model's scale.
        what += f", on the scale of {left}" if left != outcome else ""
    captions = {
        "anova": f"Type III tests of the terms: {what}",
        "coefficients": f"Fixed effects: {what}",
        "variances": f"Variance components: {what}",
        "models": f"Model specification and convergence: {what}",
    }
    tables = [
        context.display(f"{folder}/{name}", caption, outcome=outcome, titles=RECORD_TITLES)
        for name, caption in captions.items()
    ]
    told, checks = _checks(context, folder, outcome)
    blocks = [turned(table) if len(table.rows) == 1 else table for table in tables if table]
    summary = f"{STUDY_MODELS[folder]}, {outcome_words(outcome)}: model and checks"
    summary += f" ({told})" if told else ""
    return [Details(summary=summary, blocks=(*blocks, *checks), lazy=True)] if blocks else []


def failed_checks(context: Context, folder: str, outcome: str) -> list[Block]:
    """Return the sentence on the checks of the model of one map that failed."""
    said = check_sentence(context.results.rows(f"{folder}/checks", outcome), outcome)
    return [Notice(text=said)] if said else []


def _checks(context: Context, folder: str, outcome: str) -> tuple[str, list[Block]]:
    """Return how many checks of a model failed, and their table with how to read it."""
    table = context.display(
        f"{folder}/checks",
        f"Model checks: {outcome_words(outcome)}",
        outcome=outcome,
        only=(
            *("check", "statistic", "df", "p_value", "p_adjusted", "failed", "meaning"),
            "participant_id",
        ),
        titles={"statistic": "statistic", "participant_id": "participant"},
        # The check stays on an anonymous page, and the participant does not.
        keep=lambda rows: rows.drop(columns=["participant_id"] if context.anonymous else []),
    )
    if table is None:
        return "", []
    failed, tested = checked(context.results.rows(f"{folder}/checks", outcome))
    told = f"{failed.sum()} of {tested} checks failed" if failed.any() else "no check failed"
    said = Paragraph(
        text="p values are adjusted over the checks of this model (Holm). A check that does not"
        " fail does not show that its assumption holds: with few participants or lesions the power"
        " of the tests is low. The file names the test behind each check."
    )
    return told, [table, said]


def checked(checks: pd.DataFrame) -> tuple[pd.Series, int]:
    """Return which checks of a model failed, and how many could be tested."""
    tested = ~checks["meaning"].astype("str").str.startswith("Not tested")
    return checks["failed"].map(holds), int(tested.sum())


def fit_warnings(context: Context, folder: str, outcome: str | None = None) -> list[str]:
    """Return one sentence for each thing the fits of a study warn of."""
    sentences = []
    notes_said = " ".join(study_notes(context, folder, outcome))
    for _, row in context.results.rows(f"{folder}/models", outcome).iterrows():
        name = outcome_title(str(row["outcome"]))
        said = row["messages"] if isinstance(row["messages"], str) else ""
        left_out = f"({str(row.get('dropped_rows')).replace('; ', ', ')})"
        if left_out in notes_said:
            # The study's own note says it, and of whom.
            clause = rf"[^; ][^;]*{re.escape(left_out)}[^;]*(; \d[^;]*)?(; |$)"
            said = re.sub(clause, "", said).removesuffix("; ")
        if not holds(row["converged"]):
            sentences.append(f"{name}: the fit did not converge; its estimates must not be used.")
        # A variance estimated as zero is no fault of the fit; `_zero_variances` says it.
        said = "; ".join(part for part in said.split("; ") if "the fit is singular" not in part)
        if said:
            sentences.append(f"{name}: {in_words(said)}.")
    return sentences


def remarks(context: Context, folder: str) -> list[Block]:
    """Return the warnings of a study, and its notes, each once and folded, with their maps.

    A warning says that an answer must not be relied on; a note says what was left out or assumed.
    """
    outcomes = context.outcomes(folder)
    blocks: list[Block] = []
    said: dict[str, list[str]] = {}
    for outcome in outcomes:
        blocks += [Notice(text=text) for text in fit_warnings(context, folder, outcome)]
        found = [*study_notes(context, folder, outcome), *_zero_variances(context, folder, outcome)]
        for text in map(in_words, found):
            said.setdefault(text, []).append(outcome)
    items = [
        text if len(maps) == len(outcomes) else f"{listed(map(outcome_short, maps))}: {text}"
        for text, maps in said.items()
    ]
    if items:
        summary = f"Data and models: {counted(len(items), 'note')}"
        blocks.append(Details(summary=summary, blocks=(ListBlock(items=tuple(items)),)))
    return blocks


def _zero_variances(context: Context, folder: str, outcome: str) -> list[str]:
    """Say which random effects do not vary, and what follows from it; nothing where all do."""
    models = context.results.rows(f"{folder}/models", outcome)
    if models.empty or not models["singular"].map(holds).any():
        return []
    rows = context.results.rows(f"{folder}/variances", outcome)
    random = rows[(rows["group"] != "Residual") & rows["std_dev"].notna()]
    residual = rows.loc[rows["group"] == "Residual", "std_dev"].max()
    zero = random[random["std_dev"] < ZERO * residual]
    words = term_titler(random["term"].astype(str))
    names = [
        f"{group_title(str(row['group']))} ({words(row['term'])})" for _, row in zero.iterrows()
    ]
    of = groups_in_words(str(models["n_groups"].iloc[0]))
    text = (
        f"The random variance of {listed(names)} was estimated as zero (groups: {of}): the data"
        " show no variation of this kind beyond the rest of the model, and the estimates are those"
        " of the model without it."
        if names
        else f"A correlation of random effects was estimated as one (groups: {of}): the data do not"
        " tell these effects apart, and the estimates are those of the model with one fewer."
    )
    return [text]


def holds(value: object) -> bool:
    """Return whether a cell of a table says TRUE."""
    return str(value).lower() == "true"


def study_notes(context: Context, folder: str, outcome: str | None = None) -> list[str]:
    """Return what a study notes of its data, as its table has it, each note once."""
    rows = context.results.rows(f"{folder}/notes", outcome)
    return [*map(str, rows["note"].dropna().unique())]


def refusals(context: Context, folder: str) -> list[Block]:
    """Return why some outcomes have no answer where others have one."""
    answered = context.outcomes(folder)
    return [
        Notice(text=f"{outcome_title(str(row.outcome))}: {in_words(str(row.note))}", warning=False)
        for row in context.results.rows(f"{folder}/notes").itertuples()
        if answered and row.outcome not in answered
    ]


def notes(context: Context, folder: str, outcome: str | None = None) -> list[Block]:
    """Return the notes of a study, and its warnings before them."""
    said = list(map(in_words, study_notes(context, folder, outcome)))
    blocks: list[Block] = [Notice(text=text) for text in fit_warnings(context, folder, outcome)]
    if len(said) == 1:
        blocks.append(Paragraph(text=said[0]))
    elif said:
        blocks.append(ListBlock(items=tuple(said)))
    return blocks
