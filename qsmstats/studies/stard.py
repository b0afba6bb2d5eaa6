"""What a program can say to the items of STARD 2015, the guideline for diagnostic accuracy.

"computed" texts follow from the tables of the study. "for the author to confirm" texts state what
was assumed, or what the tables do not hold: only the author can confirm them. An item that the data
answer in part has a row of either kind.

Items 20 and 22 ask for donors' characteristics and for the time from imaging to histology, which
histology.tsv does not hold; of item 20 only the number of lesions per brain is computed.

References
----------
Bossuyt PM et al. (2015) BMJ 351:h5527.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from qsmstats.accuracy.pairing import Pairs
from qsmstats.settings import HistologySettings
from qsmstats.studies.answers import number_of
from qsmstats.studies.histology_text import (
    areas_text,
    counts_text,
    estimates_text,
    listed_words,
    severity_text,
    variability_text,
    words,
)

__all__ = ["AUTHOR", "COMPUTED", "stard_items"]

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

HANDLED = (
    "excluded from the main analysis, then counted as worst case (index test and reference"
    " standard disagree) and as best case (they agree)"
)
INDETERMINATE = (
    f"Indeterminate readings on MRI were {HANDLED}. Lesions with an indeterminate reference"
    " standard were excluded, as they cannot be assigned to a class."
)
MISSING = f"Missing readings were {HANDLED}. Lesions with neither reading were excluded."

GENERALISED = (
    "PPV and NPV hold at the prevalence of each class in these brains, not elsewhere. State how the"
    " donors and lesions were selected: it limits to whom the results apply."
)


def stard_items(
    histology: pd.DataFrame,
    pairs: Pairs,
    settings: HistologySettings,
    unclaimed: Sequence[str],
    *,
    accuracy: pd.DataFrame,
    flow: pd.DataFrame,
    clustering: pd.DataFrame,
    areas: pd.DataFrame,
    cutoffs: pd.DataFrame,
    methods: str,
    notes: Sequence[str],
) -> pd.DataFrame:
    """Write the items that a program can fill.

    Parameters
    ----------
    histology, pairs, settings
        The lesions, their paired readings and how they were paired.
    unclaimed
        Levels of the index test not mapped to any class.
    accuracy, flow, clustering, areas, cutoffs, methods, notes
        As `HistologyAccuracy` holds them.

    Returns
    -------
    DataFrame
        Columns item, section, topic, status ("computed" or "for the author to confirm"), text; one
        row per item and status, in the order of the guideline.
    """
    # Step of the flow -> class ("" where it has none) -> lesions.
    steps = {
        str(step): dict(zip(rows["class_"], rows["n"].astype(int), strict=True))
        for step, rows in flow.groupby("step")
    }
    analysed = number_of(steps["analysed"][""], "lesion")
    brains = number_of(pairs.n_clusters, "brain")
    limitations = list(notes)
    not_told = [
        f"{words(row['class_'])} {row['measure']} {row['note']}"
        for row in clustering.to_dict("records")
        if row["note"]
    ]
    if not_told:
        limitations.append(f"Correlation of the lesions of a brain: {'; '.join(not_told)}.")
    written = [
        *_test_methods(settings, pairs, unclaimed, explored=not cutoffs.empty),
        ("14", AUTHOR, methods),
        ("15", AUTHOR, INDETERMINATE),
        ("16", AUTHOR, MISSING),
        ("17", COMPUTED, variability_text(clustering, accuracy)),
        ("17", AUTHOR, "State which of these analyses were planned before the data were seen."),
        (
            "18",
            AUTHOR,
            f"The tables hold no intended sample size; {analysed} of {brains} were analysed. State"
            " how their number was determined.",
        ),
        *_participants(histology, pairs, steps),
        ("23", COMPUTED, counts_text(accuracy)),
        ("24", COMPUTED, f"{estimates_text(accuracy)} {areas_text(areas)}".strip()),
        ("26", AUTHOR, " ".join([*limitations, GENERALISED])),
    ]
    return pd.DataFrame(
        [(item, *ITEMS[item], status, text) for item, status, text in written],
        columns=["item", "section", "topic", "status", "text"],
    )


_Entry = tuple[str, str, str]


def _test_methods(
    settings: HistologySettings, pairs: Pairs, unclaimed: Sequence[str], *, explored: bool
) -> Iterator[_Entry]:
    mapping = "; ".join(
        f"{words(name)} from {listed_words(settings.mapping[name])}" for name in pairs.classes
    )
    counted = {"negative": "counts as negative for every class", "exclude": "is excluded"}
    text = f"Categories of the index test (type on MRI): {mapping}."
    if unclaimed:
        text += (
            f" A type not mapped to any class ({listed_words(unclaimed)})"
            f" {counted[settings.unmapped]}."
        )
    text += " Confirm that this was specified before the accuracy was known."
    if explored:
        text += " Cut-offs of continuous features were chosen in these data and are exploratory."
    yield "12a", AUTHOR, text
    text = f"Categories of the reference standard: {listed_words(pairs.classes)}."
    yield "12b", AUTHOR, f"{text} State their definitions."
    for item, reader, other in (
        ("13a", "the readers of the images", "histology"),
        ("13b", "the pathologists", "the images"),
    ):
        text = f"The tables do not say whether {reader} knew the results of {other}"
        yield item, AUTHOR, f"{text}, or clinical information about the donor."


def _participants(
    histology: pd.DataFrame, pairs: Pairs, steps: Mapping[str, Mapping[str, int]]
) -> Iterator[_Entry]:
    number = {name: steps[name][""] for name in STEPS}
    text = (
        f"Of {number['eligible']} lesions in {number_of(pairs.n_clusters, 'brain')},"
        f" {number['index_read']} had a type on MRI ({number['index_missing']} missing,"
        f" {number['index_indeterminate']} indeterminate, {number['index_excluded_by_policy']}"
        f" excluded by policy); of these, {number['analysed']} had a class by histology"
        f" ({number['reference_missing']} missing, {number['reference_excluded_by_policy']}"
        " indeterminate or excluded by policy) and were analysed."
    )
    yield "19", COMPUTED, text
    sizes = np.bincount(pairs.cluster, minlength=pairs.n_clusters)
    brains = ", ".join(f"{name} {n}" for name, n in zip(pairs.clusters, sizes, strict=True))
    yield "20", COMPUTED, f"Lesions per brain: {brains}."
    text = (
        "The histology table holds no age, sex, disease course or duration, and no cause of death"
    )
    yield "20", AUTHOR, f"{text} of the donors; add them."
    severity = severity_text(histology, pairs)
    if severity:
        yield "21a", COMPUTED, severity
    else:
        yield "21a", AUTHOR, "The histology table holds no continuous measure of the lesions."
    found = steps["reference_positive"]
    texts = []
    for name in pairs.classes:
        others = [f"{words(k)} {found[k]}" for k in pairs.classes if k != name]
        texts.append(f"not {words(name)}: {', '.join(others)}")
    yield "21b", COMPUTED, f"Lesions analysed, {'; '.join(texts)}."
    text = "The histology table holds no dates: add the interval from death to imaging and from"
    yield "22", AUTHOR, f"{text} imaging to histology, and how the tissue was fixed."
