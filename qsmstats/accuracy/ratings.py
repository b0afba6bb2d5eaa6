"""Ratings of units by raters, from a long table to codes; every problem is reported.

The categories and their order are, in this sequence: those the caller names; those of a pandas
Categorical; those found, sorted. Numbers stay numbers. An order means something when the
caller named it, when the Categorical is ordered, or when the categories are numbers; the
alphabetical order of plain text means nothing. Blank text is a missing rating.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.accuracy.columns import repeated_keys
from qsmstats.arrays import Floats, Integers
from qsmstats.errors import InvalidDataError, Problem, UsageError, require_columns

__all__ = ["RatedUnits", "rated_units"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedUnits:
    """Ratings as codes, one row per unit and one column per rater.

    Attributes
    ----------
    codes
        Position in `categories`, -1 where a rater gave no rating; shape (units, raters).
    categories, raters
        As they are in the table.
    ordered
        Whether the order of the categories means something.
    cluster
        Cluster of each unit, positions; all 0 when none was given.
    n_clusters
        Number of clusters; 0 when units are treated as independent.
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
        text = f"{nameless} ratings have no rater; name the rater, or leave these ratings out"
        found.append(Problem(table="ratings", column=rater, problem=text))
    for row in repeated_keys(ratings, [*unit, rater]):
        text = f"unit and rater {row} have more than one rating; keep one"
        found.append(Problem(table="ratings", column=str(given.name), problem=text))
    for value in sorted(set(given.dropna()) - set(categories), key=str):
        names = ", ".join(map(repr, categories))
        text = f"{value!r} is not one of the categories {names}; correct it or add the category"
        found.append(Problem(table="ratings", column=str(given.name), problem=text))
    return found


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
        If a rating has no rater, a rater rated a unit twice, or a rating is not one of the
        categories.
    """
    wanted = [*unit, rater, rating, *([] if cluster is None else [cluster])]
    require_columns(ratings.columns, wanted, "ratings")
    values = ratings[rating].astype("object")
    blank = values.map(lambda value: isinstance(value, str) and not value.strip()).astype(bool)
    given = values.where(ratings[rating].notna() & ~blank, None)
    names, ordered = _categories(ratings[rating], given, categories)
    if len(set(names)) < len(names):
        raise UsageError(f"categories are {list(names)}; name each category once")
    problems = _problems(ratings, unit, rater, given, names)
    if problems:
        raise InvalidDataError(problems)
    raters, rater_names = pd.factorize(ratings[rater], sort=True)
    if len(rater_names) < 2 or len(names) < 2:
        raise UsageError(
            f"number of raters: {len(rater_names)}, of categories: {len(names)}; agreement needs at"
            " least two of each (name `categories` if the raters used only one)"
        )
    groups = ratings.groupby(list(unit), sort=True, dropna=False, observed=True)
    units = np.asarray(groups.ngroup(), dtype=np.int64)
    first = np.unique(units, return_index=True)[1]
    clusters, n_clusters = np.zeros(first.size, dtype=np.int64), 0
    if cluster is not None:
        nested, cluster_names = pd.factorize(ratings[cluster], sort=True)
        if (nested < 0).any() or np.any(nested != nested[first][units]):
            text = "a unit has no cluster or several; give each unit one, the same in all ratings"
            raise InvalidDataError([Problem(table="ratings", column=cluster, problem=text)])
        clusters, n_clusters = np.asarray(nested[first], dtype=np.int64), len(cluster_names)
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
