"""What a program can say to the items of STARD 2015, the guideline for diagnostic accuracy.

"computed" texts follow from the tables of the study. "for the author to confirm" texts state what
was assumed, or what the tables do not hold: nobody but the author can vouch for them. An item that
the data answer in part has a row of either kind.

Items 20 and 22 ask for donors' characteristics and for the time from imaging to histology, of
which histology.tsv knows nothing; of item 20 only the number of lesions per brain is computed.

References
----------
Bossuyt PM et al. (2015) BMJ 351:h5527.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.accuracy.pairing import Pairs
from qsmstats.settings import HistologySettings
from qsmstats.studies.histology_features import FeatureAccuracy
from qsmstats.studies.histology_text import (
    areas_text,
    counts_text,
    estimates_text,
    listed_words,
    number_of,
    severity_text,
    variability_text,
    words,
)

__all__ = ["AUTHOR", "COMPUTED", "Evidence", "stard_items"]

COMPUTED = "computed"
AUTHOR = "for the author to confirm"

STEPS = (
    *("eligible", "index_read", "index_missing", "index_indeterminate", "index_excluded_by_policy"),
    *("analysed", "reference_missing", "reference_excluded_by_policy"),
)

# Item -> section of the guideline and what it asks for.
ITEMS = {
    "12a": ("methods", "Result categories and cut-offs of the index test"),
    "12b": ("methods", "Result categories of the reference standard"),
    "13a": ("methods", "What the readers of the index test knew"),
    "13b": ("methods", "What the assessors of the reference standard knew"),
    "14": ("methods", "Methods for measures of accuracy"),
    "15": ("methods", "Handling of indeterminate results"),
    "16": ("methods", "Handling of missing data"),
    "17": ("methods", "Analyses of variability"),
    "18": ("methods", "Intended sample size"),
    "19": ("results", "Flow of lesions"),
    "20": ("results", "Characteristics of participants"),
    "21a": ("results", "Severity in those with the target condition"),
    "21b": ("results", "Alternative diagnoses in those without it"),
    "22": ("results", "Time between index test and reference standard"),
    "23": ("results", "Cross tabulation"),
    "24": ("results", "Accuracy and its precision"),
    "26": ("discussion", "Limitations"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the items are written from.

    Attributes
    ----------
    histology, pairs, settings
        The lesions, their paired readings and how they were paired.
    accuracy, flow, clustering, features
        Results of the study.
    unclaimed
        Levels of the index test not mapped to any class.
    methods
        The study's methods text.
    notes
        What the reader must know of these data.
    """

    histology: pd.DataFrame
    pairs: Pairs
    settings: HistologySettings
    accuracy: pd.DataFrame
    flow: pd.DataFrame
    clustering: pd.DataFrame
    features: FeatureAccuracy
    unclaimed: tuple[str, ...]
    methods: str
    notes: tuple[str, ...]

    def steps(self, step: str) -> dict[str, int]:
        """Return lesions per class at one step of the flow; class "" where it has none."""
        rows = self.flow[self.flow["step"] == step]
        return dict(zip(rows["class_"], rows["n"].astype(int), strict=True))


def stard_items(evidence: Evidence) -> pd.DataFrame:
    """Write the items that a program can fill.

    Returns
    -------
    DataFrame
        Columns item, section, topic, status ("computed" or "for the author to confirm"), text; one
        row per item and status, in the order of the guideline.
    """
    written = [*_test_methods(evidence), *_analysis(evidence), *_participants(evidence)]
    written += [*_results(evidence), *_limitations(evidence)]
    rows = [
        {"item": item, "section": ITEMS[item][0], "topic": ITEMS[item][1]}
        | {"status": status, "text": text}
        for item, status, text in written
    ]
    return pd.DataFrame(rows)


_Entry = tuple[str, str, str]


def _test_methods(evidence: Evidence) -> Iterator[_Entry]:
    settings, classes = evidence.settings, evidence.pairs.classes
    mapping = "; ".join(
        f"{words(name)} from {listed_words(settings.mapping[name])}" for name in classes
    )
    unclaimed = listed_words(evidence.unclaimed)
    counted = {"negative": "counts as negative for every class", "exclude": "is excluded"}
    text = f"Categories of the index test (type on QSM): {mapping}."
    if unclaimed:
        text += f" A type not mapped to any class ({unclaimed}) {counted[settings.unmapped]}."
    text += " Confirm that this was laid down before the accuracy was known."
    if not evidence.features.cutoffs.empty:
        text += " Cut-offs of continuous features were chosen in these data and are exploratory."
    yield "12a", AUTHOR, text
    text = f"Categories of the reference standard: {listed_words(classes)}."
    yield "12b", AUTHOR, f"{text} State their definitions."
    for item, reader, other in (
        ("13a", "the readers of QSM", "histology"),
        ("13b", "the pathologists", "QSM"),
    ):
        text = f"The tables do not say whether {reader} knew the results of {other}"
        yield item, AUTHOR, f"{text}, or anything clinical of the donor."


def _analysis(evidence: Evidence) -> Iterator[_Entry]:
    yield "14", AUTHOR, evidence.methods
    handled = "excluded from the main analysis, then counted as worst case (index test and"
    handled += " reference standard disagree) and as best case (they agree)"
    text = f"Indeterminate readings on QSM were {handled}. Lesions with an indeterminate reference"
    yield "15", AUTHOR, f"{text} standard were excluded, as they can be counted for no class."
    text = f"Missing readings were {handled}. Lesions with neither reading were excluded."
    yield "16", AUTHOR, text
    yield "17", COMPUTED, variability_text(evidence.clustering, evidence.accuracy)
    yield "17", AUTHOR, "State which of these analyses were planned before the data were seen."
    analysed = number_of(evidence.steps("analysed")[""], "lesion")
    brains = number_of(evidence.pairs.n_clusters, "brain")
    text = f"No intended sample size is on file; {analysed} of {brains} were analysed."
    yield "18", AUTHOR, f"{text} State how their number was determined."


def _participants(evidence: Evidence) -> Iterator[_Entry]:
    steps = {name: evidence.steps(name)[""] for name in STEPS}
    text = (
        f"Of {steps['eligible']} lesions in {number_of(evidence.pairs.n_clusters, 'brain')},"
        f" {steps['index_read']} had a type on QSM ({steps['index_missing']} missing,"
        f" {steps['index_indeterminate']} indeterminate, {steps['index_excluded_by_policy']}"
        f" excluded by policy); of these, {steps['analysed']} had a class by histology"
        f" ({steps['reference_missing']} missing, {steps['reference_excluded_by_policy']}"
        " indeterminate or excluded by policy) and were analysed."
    )
    yield "19", COMPUTED, text
    sizes = np.bincount(evidence.pairs.cluster, minlength=evidence.pairs.n_clusters)
    pairs = zip(evidence.pairs.clusters, sizes, strict=True)
    yield "20", COMPUTED, f"Lesions per brain: {', '.join(f'{name} {n}' for name, n in pairs)}."
    text = (
        "The histology table holds no age, sex, disease course or duration, and no cause of death"
    )
    yield "20", AUTHOR, f"{text} of the donors; add them."
    yield from _conditions(evidence)
    text = "The histology table holds no dates: add the interval from death to imaging and from"
    yield "22", AUTHOR, f"{text} imaging to histology, and how the tissue was fixed between."


def _conditions(evidence: Evidence) -> Iterator[_Entry]:
    severity = severity_text(evidence.histology, evidence.pairs)
    if severity:
        yield "21a", COMPUTED, severity
    else:
        yield "21a", AUTHOR, "The histology table holds no continuous measure of the lesions."
    found = evidence.steps("reference_positive")
    texts = []
    for name in evidence.pairs.classes:
        others = [f"{words(k)} {found[k]}" for k in evidence.pairs.classes if k != name]
        texts.append(f"not {words(name)}: {', '.join(others)}")
    yield "21b", COMPUTED, f"Lesions analysed, {'; '.join(texts)}."


def _results(evidence: Evidence) -> Iterator[_Entry]:
    yield "23", COMPUTED, counts_text(evidence.accuracy)
    text = f"{estimates_text(evidence.accuracy)} {areas_text(evidence.features.areas)}"
    yield "24", COMPUTED, text.strip()


def _limitations(evidence: Evidence) -> Iterator[_Entry]:
    not_told = [
        f"{words(row['class_'])} {row['measure']} {row['note']}"
        for row in evidence.clustering.to_dict("records")
        if row["note"]
    ]
    text = " ".join(evidence.notes)
    if not_told:
        text += f" Correlation of the lesions of a brain: {'; '.join(not_told)}."
    text += " PPV and NPV hold at the share of each class in these brains, not elsewhere."
    text += " How the donors and lesions were chosen decides to whom this applies; state it."
    yield "26", AUTHOR, text.strip()
