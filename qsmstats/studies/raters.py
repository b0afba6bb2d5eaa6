"""How well raters agree on the type of a lesion, and whether the consensus is the one on file.

Agreement is that of the raters among themselves, without the adjudicator, who sees only what they
disagreed on. The consensus by majority, then adjudicator, is compared with
lesions.tsv: differences are listed and nothing is overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qsmstats.accuracy.agreement import agreement
from qsmstats.accuracy.consensus import consensus
from qsmstats.display import Displayed
from qsmstats.errors import ModelError, require_columns
from qsmstats.own_schemas import Schemas
from qsmstats.settings import RaterSettings
from qsmstats.studies.answers import levels_of, number_of

__all__ = ["RaterAgreement", "rater_agreement"]

DEFAULTS = RaterSettings()
UNIT = ["participant_id", "session_id", "lesion_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterAgreement(Displayed):
    """Agreement of raters on lesion types.

    Attributes
    ----------
    agreement
        One row per coefficient and category; columns as `qsmstats.agreement` gives them.
    disagreements
        Lesions on which raters differ, with what each said.
    differs_from_consensus
        Lesions whose type in lesions.tsv is not the consensus of the ratings.
    methods
        What was done, for a methods section.
    notes
        What was left out or assumed, and what limits the results.
    """

    agreement: pd.DataFrame
    disagreements: pd.DataFrame
    differs_from_consensus: pd.DataFrame
    methods: str
    notes: tuple[str, ...]


def rater_agreement(
    ratings: pd.DataFrame,
    lesions: pd.DataFrame,
    *,
    settings: RaterSettings = DEFAULTS,
    level: float = 0.95,
) -> RaterAgreement:
    """Measure the agreement of raters and compare their consensus with the lesions table.

    Parameters
    ----------
    ratings
        One row per rater and lesion: participant_id, session_id, lesion_id, rater_id, lesion_type.
    lesions
        One row per lesion: the same keys and the lesion_type that the models use.
    settings
        Name of the adjudicator.
    level
        Confidence level.

    Raises
    ------
    UsageError
        If a column is missing.
    ModelError
        If fewer than two raters rated.
    InvalidDataError
        If a rater rated a lesion twice.

    Examples
    --------
    >>> keys = ["participant_id", "session_id", "lesion_id", "lesion_type"]
    >>> lesions = qs.example_lesions(4).loc[lambda rows: rows["years"] == 0, keys]
    >>> ratings = pd.concat([lesions.assign(rater_id=name) for name in ("A", "B")])
    >>> qs.rater_agreement(ratings, lesions).notes[0]
    'Raters differed on 0 of 20 lesions.'
    """
    require_columns(ratings.columns, (*UNIT, "rater_id", "lesion_type"), "ratings")
    require_columns(lesions.columns, (*UNIT, "lesion_type"), "lesions")
    raters = ratings[ratings["rater_id"] != settings.adjudicator]
    names = sorted(raters["rater_id"].unique())
    if len(names) < 2:
        found = ", ".join(names) or "none"
        message = (
            f"agreement needs two raters besides the adjudicator; found: {found}; add the ratings "
            "of another"
        )
        raise ModelError(message)
    adjudicated = bool((ratings["rater_id"] == settings.adjudicator).any())
    types = levels_of(ratings["lesion_type"], Schemas().lesion_types)
    decided = consensus(
        ratings, adjudicator=settings.adjudicator if adjudicated else None, categories=types
    )
    on_file = lesions[[*UNIT, "lesion_type"]].astype("object")
    labels = decided.labels.astype({"lesion_type": "object"}).rename(
        columns={"lesion_type": "consensus"}
    )
    joined = labels.merge(on_file, on=UNIT, how="inner", validate="one_to_one")
    differing = joined[joined["consensus"].fillna("") != joined["lesion_type"].fillna("")]
    notes = [
        f"Raters differed on {len(decided.disagreements)} of"
        f" {number_of(len(decided.labels), 'lesion')}."
    ]
    if len(differing):
        notes.append(
            f"The type of {number_of(len(differing), 'lesion')} in the lesions table differs from"
            " the consensus of the ratings; the models use the lesions table."
        )
    judge = "; an adjudicator decided where they differed" if adjudicated else ""
    return RaterAgreement(
        agreement=agreement(raters, categories=types, level=level),
        disagreements=decided.disagreements,
        differs_from_consensus=differing.reset_index(drop=True),
        methods=(
            f"{len(names)} raters classified the lesions independently{judge}. Agreement was"
            " measured by Cohen's kappa per pair of raters, Fleiss' kappa, Gwet's AC1 and"
            " Krippendorff's alpha, over all types and for each type against the others; intervals"
            " are bootstraps of participants where there are enough of them."
        ),
        notes=tuple(notes),
    )
