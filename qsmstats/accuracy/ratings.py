"""Ratings of units by raters, from a long table to codes, with everything wrong reported.

The categories and their order are, in this sequence: those the caller names; those of a pandas
Categorical; those found, sorted. Numbers stay numbers. An order means something when the
caller named it, when the Categorical is ordered, or when the categories are numbers; the order
of plain text is the alphabet's and means nothing. Blank text is a missing rating.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats, Integers
from qsmstats.errors import InvalidDataError, Problem, UsageError

__all__ = ["RatedUnits", "rated_units"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedUnits:
    """Ratings as codes, one row per unit and one column per rater.

    Attributes
    ----------
    codes
        Position in `categories`, -1 where a rater gave no rating; shape (units, raters).
    categories, raters
        As they stand in the table.
    ordered
        Whether the order of the categories means something.
    cluster
        Cluster of each unit, positions; all 0 when none was given.
    n_clusters
        Number of clusters; 0 when units are taken as independent.
    """

    codes: Integers
    categories: tuple[Hashable, ...]
    raters: tuple[Hashable, ...]
    ordered: bool
    cluster: Integers
    n_clusters: int

    def counts(self) -> Floats:
        """Ratings per unit and category, shape (units, categories)."""
        q = len(self.categories)
        return np.asarray((self.codes[:, :, None] == np.arange(q)).sum(axis=1), dtype=np.float64)

    @property
    def values(self) -> Floats | None:
        """The categories as numbers; None if one of them is none."""
        return np.array(self.categories, dtype=np.float64) if _numbers(self.categories) else None


def _numbers(categories: Sequence[Hashable]) -> bool:
    return all(isinstance(value, Real) for value in categories)


def _given(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the ratings as Python's own values, None where there is none or blank text."""
    values = column.astype("object")
    blank = values.map(lambda value: isinstance(value, str) and not value.strip())
    return values.where(column.notna() & ~blank.astype(bool), None)


def _categories(
    column: pd.Series[Any], given: pd.Series[Any], named: Sequence[Hashable] | None
) -> tuple[tuple[Hashable, ...], bool]:
    """Return the categories, and whether their order means something."""
    if named is not None:
        return tuple(named), True
    if isinstance(column.dtype, pd.CategoricalDtype):
        return tuple(column.dtype.categories.tolist()), bool(column.dtype.ordered)
    found = set(given.dropna().tolist())
    if _numbers(list(found)):
        return tuple(sorted(found)), True
    return tuple(sorted(found, key=str)), False


def _problems(
    ratings: pd.DataFrame,
    unit: Sequence[str],
    rater: str,
    given: pd.Series[Any],
    categories: Sequence[Hashable],
) -> list[Problem]:
    found = []
    nameless = int(ratings[rater].isna().sum())
    if nameless:
        text = f"{nameless} ratings have no rater; name it, or leave these ratings out"
        found.append(Problem(table="ratings", column=rater, problem=text))
    twice = ratings[ratings.duplicated([*unit, rater], keep=False)]
    for row in twice[[*unit, rater]].drop_duplicates().itertuples(index=False, name=None):
        text = f"rater and unit {tuple(row)} have more than one rating; keep one"
        found.append(Problem(table="ratings", column=str(given.name), problem=text))
    for value in sorted(set(given.dropna()) - set(categories), key=str):
        names = ", ".join(map(repr, categories))
        text = f"{value!r} is not one of the categories {names}; correct it or add the category"
        found.append(Problem(table="ratings", column=str(given.name), problem=text))
    return found


def _units(
    ratings: pd.DataFrame, unit: Sequence[str], cluster: str | None
) -> tuple[Integers, Integers, int]:
    """Return the unit of each rating, the cluster of each unit and the number of clusters."""
    groups = ratings.groupby(list(unit), sort=True, dropna=False, observed=True)
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
    categories: Sequence[Hashable] | None = None,
) -> RatedUnits:
    """Turn a long table of ratings into one row per unit; arguments as in `agreement`.

    Raises
    ------
    UsageError
        If a column is absent, a category is named twice, or fewer than two raters or
        categories are there.
    InvalidDataError
        If a rating has no rater, a rater rated a unit twice, or a rating is none of the
        categories.
    """
    wanted = [*unit, rater, rating, *([] if cluster is None else [cluster])]
    absent = [name for name in wanted if name not in ratings.columns]
    if absent:
        raise UsageError(f"no column {absent} in the ratings; name some of {list(ratings.columns)}")
    given = _given(ratings[rating])
    names, ordered = _categories(ratings[rating], given, categories)
    if len(set(names)) < len(names):
        raise UsageError(f"categories are {list(names)}; name each category once")
    problems = _problems(ratings, unit, rater, given, names)
    if problems:
        raise InvalidDataError(problems)
    raters, rater_names = pd.factorize(ratings[rater], sort=True)
    if len(rater_names) < 2 or len(names) < 2:
        raise UsageError(
            f"{len(rater_names)} rater(s) and {len(names)} category(ies); agreement needs at"
            " least two of both (name the categories if the raters used one only)"
        )
    units, clusters, n_clusters = _units(ratings, unit, cluster)
    codes = np.full((clusters.size, len(rater_names)), -1, dtype=np.int64)
    lookup = {name: k for k, name in enumerate(names)}
    codes[units, raters] = [lookup.get(value, -1) for value in given]
    return RatedUnits(
        codes=codes,
        categories=names,
        raters=tuple(rater_names.tolist()),
        ordered=ordered,
        cluster=clusters,
        n_clusters=n_clusters,
    )
