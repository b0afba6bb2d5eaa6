"""Ratings of units by raters, from a long table to codes, with everything wrong reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qsmstats.errors import InvalidDataError, Problem, UsageError

__all__ = ["RatedUnits", "rated_units"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedUnits:
    """Ratings as codes, one row per unit and one column per rater.

    Attributes
    ----------
    codes
        Position in `categories`, -1 where a rater gave no rating; shape (units, raters).
    categories, raters
        Their names.
    cluster
        Cluster of each unit, positions; all 0 when none was given.
    n_clusters
        Number of clusters; 0 when units are taken as independent.
    """

    codes: NDArray[np.int64]
    categories: tuple[str, ...]
    raters: tuple[str, ...]
    cluster: NDArray[np.int64]
    n_clusters: int

    def counts(self) -> Floats:
        """Ratings per unit and category, shape (units, categories)."""
        q = len(self.categories)
        return np.asarray((self.codes[:, :, None] == np.arange(q)).sum(axis=1), dtype=np.float64)


def _problems(
    ratings: pd.DataFrame, unit: Sequence[str], rater: str, rating: str, categories: Sequence[str]
) -> list[Problem]:
    found = []
    twice = ratings[ratings.duplicated([*unit, rater], keep=False)]
    for row in twice[[*unit, rater]].drop_duplicates().itertuples(index=False, name=None):
        text = f"rater and unit {tuple(row)} have more than one rating; keep one"
        found.append(Problem(table="ratings", column=rating, problem=text))
    values = ratings[rating].dropna().astype(str)
    for value in sorted(set(values) - set(categories)):
        text = f"{value!r} is none of {', '.join(categories)}; correct it or add the category"
        found.append(Problem(table="ratings", column=rating, problem=text))
    return found


def _units(
    ratings: pd.DataFrame, unit: Sequence[str], cluster: str | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the unit of each rating, the cluster of each unit and the number of clusters."""
    groups = ratings.groupby(list(unit), sort=True, dropna=False)
    units = np.asarray(groups.ngroup(), dtype=np.int64)
    first = np.unique(units, return_index=True)[1]
    if cluster is None:
        return units, np.zeros(first.size, dtype=np.int64), 0
    codes, names = pd.factorize(ratings[cluster], sort=True)
    if (codes < 0).any() or np.any(codes != codes[first][units]):
        text = "a unit has none or several; give each unit one, the same in all its ratings"
        raise InvalidDataError([Problem(table="ratings", column=cluster, problem=text)])
    return units, np.asarray(codes[first], dtype=np.int64), len(names)


def rated_units(
    ratings: pd.DataFrame,
    *,
    unit: Sequence[str],
    rater: str,
    rating: str,
    cluster: str | None,
    categories: Sequence[str] | None = None,
) -> RatedUnits:
    """Turn a long table of ratings into one row per unit; arguments as in `agreement`.

    Raises
    ------
    UsageError
        If a column is absent, or fewer than two raters or categories are there.
    InvalidDataError
        If a rater rated a unit twice, or a rating is none of the categories.
    """
    wanted = [*unit, rater, rating, *([] if cluster is None else [cluster])]
    absent = [name for name in wanted if name not in ratings.columns]
    if absent:
        raise UsageError(f"no column {absent} in the ratings; name some of {list(ratings.columns)}")
    given = ratings[rating].dropna().astype(str)
    categories = sorted(set(given)) if categories is None else list(categories)
    problems = _problems(ratings, unit, rater, rating, categories)
    if problems:
        raise InvalidDataError(problems)
    raters, rater_names = pd.factorize(ratings[rater].astype(str), sort=True)
    if len(rater_names) < 2 or len(categories) < 2:
        raise UsageError(
            f"{len(rater_names)} rater(s) and {len(categories)} category(ies); agreement needs at"
            " least two of both (name the categories if the raters used one only)"
        )
    units, clusters, n_clusters = _units(ratings, unit, cluster)
    codes = np.full((clusters.size, len(rater_names)), -1, dtype=np.int64)
    text = ratings[rating].astype("object").where(ratings[rating].notna(), "").astype(str)
    lookup = {name: k for k, name in enumerate(categories)}
    codes[units, raters] = [lookup.get(value, -1) for value in text]
    return RatedUnits(
        codes=codes,
        categories=tuple(categories),
        raters=tuple(map(str, rater_names)),
        cluster=clusters,
        n_clusters=n_clusters,
    )
