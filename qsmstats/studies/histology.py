"""How well the QSM type tells what the pathologist saw.

One class of the reference standard against the rest, from the mapping of study.toml. Lesions are
nested in brains: the table holds the interval that assumes independence, labelled so, beside those
that do not (`qsmstats.accuracy`). Missing and indeterminate readings are excluded, then counted as
the worst and as the best case.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qsmstats.accuracy.diagnostic import missing_scenarios
from qsmstats.accuracy.pairing import Pairs, pair_classes
from qsmstats.accuracy.tabulation import cross_tabulation, flow_counts
from qsmstats.errors import ModelError
from qsmstats.schemas import load_schema
from qsmstats.settings import HistologySettings

__all__ = ["HistologyAccuracy", "histology_accuracy"]

DEFAULTS = HistologySettings()
INDETERMINATE = "indeterminate"
FEW_BRAINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HistologyAccuracy:
    """Accuracy of the QSM type against histology.

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
    methods
        What was done, for a methods section.
    notes
        What the reader must know, in words.
    """

    accuracy: pd.DataFrame
    crosstab: pd.DataFrame
    confusion: pd.DataFrame
    flow: pd.DataFrame
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
    ModelError
        If no lesion has both readings.
    InvalidDataError
        If a level has no place in the mapping.
    """
    if not histology[["index_test", "reference_standard"]].notna().all(axis=1).any():
        message = "no lesion has both an index test and a reference standard"
        raise ModelError(message)
    pairs = pair_lesions(histology, settings)
    return HistologyAccuracy(
        accuracy=missing_scenarios(pairs, level=level),
        crosstab=cross_tabulation(pairs).reset_index(),
        confusion=_confusion(histology),
        flow=flow_counts(pairs),
        methods=_methods(settings, pairs, level),
        notes=_notes(settings, pairs),
    )


def pair_lesions(histology: pd.DataFrame, settings: HistologySettings) -> Pairs:
    """Pair index test and reference standard of every lesion under a study's settings."""
    policies = dict.fromkeys(unclaimed_types(settings), settings.unmapped)
    # An indeterminate reference standard can be counted for no class.
    policies[INDETERMINATE] = "exclude"
    return pair_classes(
        histology,
        index_test="index_test",
        reference_standard="reference_standard",
        mapping=settings.mapping,
        cluster="brain_id",
        unmapped=policies,
        indeterminate_levels=(INDETERMINATE,),
        key=("brain_id", "lesion_id"),
    )


def unclaimed_types(settings: HistologySettings) -> list[str]:
    """Return the levels of the index test that no class claims."""
    claimed = {name for names in settings.mapping.values() for name in names}
    levels = load_schema("lesions").column("lesion_type").levels
    return [name for name in levels if name not in claimed]


def _confusion(histology: pd.DataFrame) -> pd.DataFrame:
    columns = ["brain_id", "index_test", "reference_standard"]
    readings = histology[columns].astype("object")
    counts = readings.where(readings.notna(), "missing").value_counts(sort=False)
    return counts.rename("n").reset_index().sort_values(columns, ignore_index=True)


def _methods(settings: HistologySettings, pairs: Pairs, level: float) -> str:
    mapping = "; ".join(
        f"{name} from {', '.join(kinds)}" for name, kinds in settings.mapping.items()
    )
    unclaimed = ", ".join(unclaimed_types(settings)) or "none"
    rule = {"negative": "count as negative for every class", "exclude": "are excluded"}
    return (
        f"Each pathological class was tested one against the rest ({mapping}). QSM types that no"
        f" class claims ({unclaimed}) {rule[settings.unmapped]}. Lesions are nested in"
        f" {pairs.n_clusters} brains. Intervals at {level:.0%}: Wilson's score interval, which"
        " assumes that lesions are independent; a Bayesian beta-binomial model under two priors on"
        " the correlation within brains; and the Rao-Scott Wilson interval with Student's t on the"
        " number of brains minus one, as conservative bound."
    )


def _notes(settings: HistologySettings, pairs: Pairs) -> tuple[str, ...]:
    notes = []
    if pairs.n_clusters < FEW_BRAINS:
        notes.append(
            f"{pairs.n_clusters} brains cannot tell how much the lesions of one brain resemble one"
            " another. The intervals that allow for it rest on stated assumptions."
        )
    if settings.unmapped == "negative" and unclaimed_types(settings):
        names = ", ".join(unclaimed_types(settings))
        notes.append(f"Lesions whose type no class claims ({names}) count as negative readings.")
    return tuple(notes)
