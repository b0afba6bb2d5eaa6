"""One category per unit from several raters: majority, then the adjudicator.

A unit gets the category that more than half of the raters gave, the adjudicator left aside.
Without such a majority it gets the adjudicator's category if there is one, else none, and
`decided_by` says so. Every unit with two different ratings is listed.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.accuracy.ratings import rated_units
from qsmstats.display import Displayed
from qsmstats.errors import UsageError

__all__ = ["Consensus", "consensus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consensus(Displayed):
    """Consensus of raters.

    Attributes
    ----------
    labels
        One row per unit: the unit's columns, the consensus (missing where undecided),
        decided_by ("unanimous", "majority", "adjudicator", "undecided"), n_ratings. Numbers stay
        numbers, and a Categorical keeps its categories and their order.
    disagreements
        The units whose ratings differ, with one column per rater besides.
    """

    labels: pd.DataFrame
    disagreements: pd.DataFrame


def consensus(
    ratings: pd.DataFrame,
    *,
    unit: Sequence[str] = ("participant_id", "session_id", "lesion_id"),
    rater: str = "rater_id",
    rating: str = "lesion_type",
    adjudicator: Hashable = None,
    categories: Sequence[Hashable] | None = None,
) -> Consensus:
    """Decide one category per unit by majority, ties by the adjudicator.

    Parameters
    ----------
    ratings, unit, rater, rating, categories
        As in `agreement`.
    adjudicator
        Rater whose category decides units without a majority, or None.

    Raises
    ------
    UsageError
        If the adjudicator is not one of the raters, or an argument cannot be used.
    InvalidDataError
        If a rater rated a unit twice, or a rating is not one of the categories.

    Examples
    --------
    >>> ratings = pd.DataFrame({"lesion": [1, 1, 2, 2], "rater": ["A", "B"] * 2,
    ...     "type": ["iso", "iso", "iso", "hypo"]})
    >>> qs.consensus(ratings, unit=["lesion"], rater="rater", rating="type").labels
       lesion type decided_by  n_ratings
    0       1  iso  unanimous          2
    1       2  NaN  undecided          2
    """
    data = rated_units(
        ratings, unit=unit, rater=rater, rating=rating, cluster=None, categories=categories
    )
    if adjudicator is not None and adjudicator not in data.raters:
        raise UsageError(f"adjudicator {adjudicator!r} is not one of the raters {data.raters}")
    codes, kinds = data.codes, range(len(data.categories))
    voting = [k for k, name in enumerate(data.raters) if name != adjudicator]
    votes = np.stack([(codes[:, voting] == kind).sum(axis=1) for kind in kinds], axis=1)
    number, most = votes.sum(axis=1), votes.max(axis=1)
    majority = 2 * most > number
    casting = -1 if adjudicator is None else codes[:, data.raters.index(adjudicator)]
    decided = np.where(majority, votes.argmax(axis=1), casting)
    names = np.array([*data.categories, None], dtype=object)  # -1 is none
    # rated_units numbers the units in the order of a sorted group-by, as here.
    labels = ratings[list(unit)].drop_duplicates().sort_values(list(unit), ignore_index=True)
    labels[rating] = pd.Series(names[decided].tolist())
    if isinstance(ratings[rating].dtype, pd.CategoricalDtype):
        labels[rating] = labels[rating].astype(ratings[rating].dtype)
    labels["decided_by"] = np.select(
        [majority & (most == number), majority, decided >= 0],
        ["unanimous", "majority", "adjudicator"],
        "undecided",
    )
    labels["n_ratings"] = (codes >= 0).sum(axis=1)
    differ = sum((codes == kind).any(axis=1).astype(np.int64) for kind in kinds) > 1
    wide = pd.concat([labels, pd.DataFrame(names[codes], columns=list(data.raters))], axis=1)
    return Consensus(labels=labels, disagreements=wide[differ].reset_index(drop=True))
