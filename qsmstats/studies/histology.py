"""How accurately the lesion type on MRI predicts the class that the pathologist assigned.

One class of the reference standard against the rest, from the mapping of study.toml. Lesions are
nested in brains: the table holds the interval that assumes independence, labelled so, beside those
that do not (`qsmstats.accuracy`). Missing and indeterminate readings are excluded, then counted as
the worst and as the best case. Continuous features of the same lesions are compared with each class
(`qsmstats.studies.histology_features`), and the items of STARD 2015 that a program can fill are
written (`qsmstats.studies.stard`).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qsmstats.accuracy.diagnostic import missing_scenarios
from qsmstats.accuracy.pairing import Pairs, confusion_matrices, pair_classes, usable
from qsmstats.accuracy.tabulation import (
    assumed_correlations,
    clustering_summary,
    counts_per_cluster,
    cross_tabulation,
    flow_counts,
)
from qsmstats.display import Displayed
from qsmstats.errors import ModelError, require_columns
from qsmstats.own_schemas import Schemas
from qsmstats.settings import HistologySettings
from qsmstats.studies.answers import levels_of, number_of
from qsmstats.studies.histology_features import feature_accuracy
from qsmstats.studies.stard import stard_items

__all__ = ["HistologyAccuracy", "histology_accuracy"]

DEFAULTS = HistologySettings()
INDETERMINATE = "indeterminate"
READINGS = ["brain_id", "index_test", "reference_standard"]
FEW_BRAINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HistologyAccuracy(Displayed):
    """Accuracy of the lesion type on MRI against histology.

    Attributes
    ----------
    accuracy
        One row per class, measure, method and policy for missing readings; columns as
        `qsmstats.diagnostic_accuracy` gives them.
    crosstab
        Index test by reference standard, missing and indeterminate readings included.
    confusion
        The same counts long and per brain: brain_id index_test reference_standard n.
    flow
        Lesions and brains at each step (STARD 2015, item 19).
    class_counts
        The lesions analysed, by class of the index test and of the reference standard:
        index_class reference_class n n_clusters.
    clusters
        Sensitivity and specificity in each brain, and without it.
    clustering
        Design effect, intracluster correlation and leave-one-brain-out range.
    assumed_correlations
        Intervals of sensitivity and specificity under assumed correlations within brains.
    areas, roc, cutoffs
        Continuous features against each class: areas under the ROC curves, the curves, and the
        best cut-offs with their optimism. Empty where the table has no continuous feature.
    stard
        Items of STARD 2015: item section topic status text.
    methods
        What was done, for a methods section.
    notes
        What was left out or assumed, and what limits the results.
    """

    accuracy: pd.DataFrame
    crosstab: pd.DataFrame
    confusion: pd.DataFrame
    flow: pd.DataFrame
    class_counts: pd.DataFrame
    clusters: pd.DataFrame
    clustering: pd.DataFrame
    assumed_correlations: pd.DataFrame
    areas: pd.DataFrame
    roc: pd.DataFrame
    cutoffs: pd.DataFrame
    stard: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


def histology_accuracy(
    histology: pd.DataFrame,
    *,
    settings: HistologySettings = DEFAULTS,
    level: float = 0.95,
) -> HistologyAccuracy:
    """Test each pathological class against the rest.

    Parameters
    ----------
    histology
        One row per lesion: brain_id, lesion_id, index_test, reference_standard.
    settings
        Mapping from index test to reference class, and what an unclaimed level counts as.
    level
        Confidence level.

    Raises
    ------
    UsageError
        If a column is missing.
    ModelError
        If no lesion has both readings, a type and a class.
    InvalidDataError
        If a level has no place in the mapping.

    Examples
    --------
    >>> histology = pd.DataFrame({"brain_id": ["B1", "B1", "B2", "B2"],
    ...     "lesion_id": [1, 2, 1, 2],
    ...     "index_test": ["isointense", "paramagnetic_rim", "isointense", "hyperintense"],
    ...     "reference_standard": ["remyelinated", "chronic_active", "chronic_inactive"] + [None]})
    >>> int(qs.histology_accuracy(histology).class_counts["n"].sum())
    3
    """
    require_columns(histology.columns, (*READINGS, "lesion_id"), "histology")
    pairs = pair_lesions(histology, settings)
    if not usable(pairs, missing="exclude", indeterminate="exclude").any():
        message = (
            "no lesion has both an index test and a reference standard; fill in what is missing"
        )
        raise ModelError(message)
    areas, roc, cutoffs = feature_accuracy(histology, pairs, high_in=settings.high_in, level=level)
    unclaimed = unclaimed_types(histology, settings)
    reported = {
        "accuracy": missing_scenarios(pairs, level=level),
        "flow": flow_counts(pairs),
        "clustering": clustering_summary(pairs),
        "areas": areas,
        "cutoffs": cutoffs,
    }
    methods = _methods(settings, unclaimed, pairs, cutoffs, level)
    notes = _notes(settings, unclaimed, pairs, areas, cutoffs)
    counts, extra = confusion_matrices(pairs)
    names = [*pairs.classes, *(["none of the classes"] if extra else [])]
    cells = pd.MultiIndex.from_product([names, names], names=["index_class", "reference_class"])
    numbers = {"n": counts.sum(axis=0).ravel(), "n_clusters": (counts > 0).sum(axis=0).ravel()}
    readings = histology[READINGS].astype("object")
    confusion = readings.where(readings.notna(), "missing").value_counts(sort=False)
    return HistologyAccuracy(
        crosstab=cross_tabulation(pairs).reset_index(),
        confusion=confusion.rename("n").reset_index().sort_values(READINGS, ignore_index=True),
        class_counts=pd.DataFrame(numbers, index=cells).reset_index(),
        clusters=counts_per_cluster(pairs),
        assumed_correlations=assumed_correlations(pairs, level=level),
        roc=roc,
        stard=stard_items(
            histology, pairs, settings, unclaimed, methods=methods, notes=notes, **reported
        ),
        methods=methods,
        notes=notes,
        **reported,
    )


def pair_lesions(histology: pd.DataFrame, settings: HistologySettings) -> Pairs:
    """Pair index test and reference standard of every lesion under a study's settings."""
    policies = dict.fromkeys(unclaimed_types(histology, settings), settings.unmapped)
    # Lesions of a class that no type means are negative for every other class.
    policies |= dict.fromkeys(_meant_by_no_type(settings), "negative")
    # An indeterminate reference standard can be counted for no class.
    policies[INDETERMINATE] = "exclude"
    return pair_classes(
        histology,
        index_test="index_test",
        reference_standard="reference_standard",
        mapping={name: types for name, types in settings.mapping.items() if types},
        cluster="brain_id",
        unmapped=policies,
        indeterminate_levels=(INDETERMINATE,),
        key=("brain_id", "lesion_id"),
    )


def _meant_by_no_type(settings: HistologySettings) -> list[str]:
    return [name for name, types in settings.mapping.items() if not types]


def unclaimed_types(histology: pd.DataFrame, settings: HistologySettings) -> list[str]:
    """Return the levels of the index test not mapped to any class."""
    claimed = {name for names in settings.mapping.values() for name in names}
    levels = levels_of(histology["index_test"], Schemas().lesion_types)
    return [name for name in levels if name not in {*claimed, INDETERMINATE}]


def _methods(
    settings: HistologySettings,
    unclaimed: list[str],
    pairs: Pairs,
    cutoffs: pd.DataFrame,
    level: float,
) -> str:
    mapping = "; ".join(
        f"{name} from {', '.join(kinds)}" for name, kinds in settings.mapping.items() if kinds
    )
    rule = {"negative": "count as negative for every class", "exclude": "are excluded"}
    text = (
        f"Each pathological class was tested one against the rest ({mapping}). Types not"
        f" mapped to any class ({', '.join(unclaimed) or 'none'}) {rule[settings.unmapped]}."
        f" Lesions are nested in {number_of(pairs.n_clusters, 'brain')}. Intervals at {level:.0%}:"
        " Wilson's score interval, which assumes that lesions are independent; a Bayesian"
        " beta-binomial model under two priors on the correlation within brains; and, as a"
        " conservative bound, the Rao-Scott Wilson interval with Student's t, whose degrees of"
        " freedom are the number of brains minus one."
    )
    if cutoffs.empty:
        return text
    return text + (
        " Areas under the ROC curves of continuous features are given with DeLong's interval, which"
        " assumes independent lesions, and with Obuchowski's for lesions within brains. The"
        " direction of the association with each class was fixed beforehand. The best cut-off"
        " maximises Youden's index; its optimism was estimated by bootstrap of"
        f" {cutoffs['resampled'].iloc[0]}."
    )


def _notes(
    settings: HistologySettings,
    unclaimed: list[str],
    pairs: Pairs,
    areas: pd.DataFrame,
    cutoffs: pd.DataFrame,
) -> tuple[str, ...]:
    notes = []
    if pairs.n_clusters < FEW_BRAINS:
        notes.append(
            f"With {number_of(pairs.n_clusters, 'brain')} the correlation of lesions within a brain"
            " cannot be estimated reliably. The intervals that allow for it rest on stated"
            " assumptions."
        )
    if settings.unmapped == "negative" and unclaimed:
        names = ", ".join(unclaimed)
        notes.append(f"Types not mapped to any class ({names}) count as negative readings.")
    if classes := _meant_by_no_type(settings):
        names = ", ".join(classes)
        notes.append(f"No type means {names}: these lesions are negative for every class.")
    below = areas[areas["estimate"] < 0.5].drop_duplicates(["feature", "class_"])
    if not below.empty:
        names = "; ".join(f"{row.feature} for {row.class_}" for row in below.itertuples())
        notes.append(f"The direction is opposite to the one assumed (area below 0.5): {names}.")
    if (cutoffs["resampled"] == "lesions").any():
        notes.append(
            "Too few brains to resample: the optimism of the best cut-offs was estimated by"
            " resampling lesions, which underestimates it where the lesions of a brain are"
            " correlated."
        )
    return tuple(notes)
