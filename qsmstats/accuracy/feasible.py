"""Which counts are compatible with published percentages.

A percentage printed with d decimals is the integer T = percentage * 10^d, and x of m rounds to
it when 100 * 10^d x / m lies in [T - 1/2, T + 1/2), or on T + 1/2 if T is even: rounding half
up and half to even are both allowed, as programs differ. With integers this is exact:
-m <= 2 (100 * 10^d x - T m) < m, or = m with T even. (Related to GRIM, Brown & Heathers 2017.)

Several classes, one against the rest, share one confusion matrix of N lesions, which may have
one further row and column for everything else. Class k fixes its diagonal cell TP_k, and with
FN_k and FP_k its margins outside the diagonal. Such a matrix exists exactly when, by Gale's
condition for the cells off the diagonal (only a class's own cell is closed to it),

    sum (TP_k + FN_k) <= N,   sum (TP_k + FP_k) <= N,   FP_k + FN_k <= N - sum TP_j for each k,

the first two with equality when there is no further row and column.

References
----------
Brown NJL, Heathers JAJ (2017) Soc Psychol Personal Sci 8:363-369.
Gale D (1957) Pac J Math 7:1073-1082.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags, Integers
from qsmstats.display import Displayed
from qsmstats.errors import UsageError

__all__ = ["JointFeasibility", "feasible_joint_tables", "feasible_tables"]


CELLS = ("tp", "fn", "tn", "fp")
MEASURES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "prevalence")

_PERCENTAGE = re.compile(r"\s*(\d+)(?:\.(\d+))?\s*%?\s*")
_MOST_TABLES = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Percentage:
    """A percentage as printed: `target` over 10 to the `decimals`."""

    target: int
    decimals: int

    def matches(self, x: Integers, m: Integers) -> Flags:
        """Whether x of m rounds to the percentage; False where m is 0."""
        twice = 2 * (100 * 10**self.decimals * x - self.target * m)
        tie = (twice == m) & (self.target % 2 == 0)
        return np.asarray((m > 0) & (twice >= -m) & ((twice < m) | tie))


def _percentages(published: Mapping[str, str], n: int) -> dict[str, _Percentage]:
    unknown = sorted(set(published) - set(MEASURES))
    if unknown or not published:
        raise UsageError(f"published must name some of {MEASURES}, not {unknown or 'none'}")
    percentages = {}
    for name, text in published.items():
        found = _PERCENTAGE.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise UsageError(
                f"{name} must be the percentage as printed, as text such as '88.89', so that its"
                f" decimals can be counted; not {text!r}"
            )
        whole, fraction = found[1], found[2] or ""
        target, decimals = int(whole + fraction), len(fraction)
        if target > 100 * 10**decimals:
            raise UsageError(f"{name} is {text!r}, above 100 %; percentages are 0 to 100")
        if 400 * 10**decimals * n > 2**62:
            raise UsageError(f"{name} is {text!r}: {decimals} decimals are too many; round it")
        percentages[name] = _Percentage(target=target, decimals=decimals)
    return percentages


def _check_total(n: int, name: str) -> None:
    if not isinstance(n, int | np.integer) or n < 1:
        raise UsageError(f"{name} must be a whole number of lesions, at least 1, not {n!r}")


def _splits(n: int, percentage: _Percentage | None) -> Integers:
    """All (x, m - x) with m <= n whose share x/m rounds to the percentage; shape (., 2)."""
    m, x = np.tril_indices(n + 1)
    if percentage is not None:
        keep = percentage.matches(x, m)
        m, x = m[keep], x[keep]
    return np.column_stack([x, m - x])


def _tables(percentages: Mapping[str, _Percentage], n: int) -> Integers:
    """All tables (tp, fn, tn, fp) with a total of 1 to n and these percentages; shape (., 4)."""
    left = _splits(n, percentages.get("sensitivity"))
    right = _splits(n, percentages.get("specificity"))
    right = right[np.argsort(right.sum(axis=1), kind="stable")]
    reach = np.searchsorted(right.sum(axis=1), n - left.sum(axis=1), side="right")
    size = int(reach.sum())
    if size > _MOST_TABLES:
        raise UsageError(
            f"{size} tables to try are too many; add sensitivity and specificity, or reduce n"
        )
    first = np.repeat(np.arange(left.shape[0]), reach)
    starts = np.repeat(np.cumsum(reach) - reach, reach)
    tables = np.column_stack([left[first], right[np.arange(size) - starts]]).astype(np.int64)
    tables = tables[tables.sum(axis=1) > 0]
    for name, percentage in percentages.items():
        tp, fn, tn, fp = tables.T
        shares = {
            "ppv": (tp, tp + fp),
            "npv": (tn, tn + fn),
            "accuracy": (tp + tn, tp + fn + tn + fp),
            "prevalence": (tp + fn, tp + fn + tn + fp),
        }
        if name in shares:
            tables = tables[percentage.matches(*shares[name])]
    order = np.lexsort((tables[:, 0], tables[:, :2].sum(axis=1), tables.sum(axis=1)))
    return np.asarray(tables[order])


def feasible_tables(published: Mapping[str, str], n: int) -> pd.DataFrame:
    """All two-by-two tables of up to n lesions that give the published percentages.

    Parameters
    ----------
    published
        Measure -> percentage as it was printed ("88.89"); measures "sensitivity",
        "specificity", "ppv", "npv", "accuracy", "prevalence".
    n
        Largest total.

    Returns
    -------
    DataFrame
        Columns tp, fn, tn, fp, ordered by total; empty when no table fits.

    Raises
    ------
    UsageError
        If a percentage cannot be read or is above 100, a measure is unknown, or the
        percentages leave too many tables to enumerate.

    Examples
    --------
    >>> qs.feasible_tables({"sensitivity": "86", "specificity": "84"}, 50).head(2)
       tp  fn  tn  fp
    0   6   1  16   3
    1   6   1  21   4
    """
    _check_total(n, "n")
    return pd.DataFrame(_tables(_percentages(published, n), n), columns=list(CELLS))


@dataclass(frozen=True, slots=True, kw_only=True)
class JointFeasibility(Displayed):
    """What one confusion matrix can make of the percentages of several classes.

    Attributes
    ----------
    n, search_to
        Largest total of interest, largest total searched.
    per_class
        Every table of each class by itself: columns `class_`, tp, fn, tn, fp, total (<= n).
    shared_totals
        Totals up to n at which every class has a table, whether or not these fit together.
    joint
        Every set of tables that fit into one confusion matrix of at most n lesions: columns
        matrix (number of the set), total, `class_`, tp, fn, tn, fp.
    nearest_shared_total, nearest_joint_total
        Smallest totals above n with such tables, if there are none up to n; None if there are
        none up to `search_to`, or if n already has some.
    nearest_joint
        The sets of tables at `nearest_joint_total`, as `joint`.
    """

    n: int
    search_to: int
    per_class: pd.DataFrame
    shared_totals: tuple[int, ...]
    joint: pd.DataFrame
    nearest_shared_total: int | None
    nearest_joint_total: int | None
    nearest_joint: pd.DataFrame

    @property
    def possible(self) -> bool:
        """Whether one confusion matrix of at most n lesions gives all percentages."""
        return not self.joint.empty

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        if self.possible:
            return f"possible: {self.joint['matrix'].nunique()} sets of tables up to {self.n}"
        found = self.nearest_joint_total
        where = f"none up to {self.search_to}" if found is None else str(found)
        return (
            f"impossible: no single table of up to {self.n} lesions gives all percentages;"
            f" nearest total: {where}"
        )


def _shared(per_class: list[Integers], low: int, high: int) -> dict[int, list[Integers]]:
    """Tables of every class by total, for the totals at which every class has one; ascending."""
    totals = [tables.sum(axis=1) for tables in per_class]
    common = set(range(low, high + 1)).intersection(*(set(map(int, t)) for t in totals))
    return {
        total: [tables[own == total] for tables, own in zip(per_class, totals, strict=True)]
        for total in sorted(common)
    }


def _fitting(candidates: tuple[int, list[Integers]], *, other: bool) -> tuple[int, Integers]:
    """Keep the sets of tables of one total that fit into one matrix; (sets, classes, 4)."""
    total, per_class = candidates
    sets = np.zeros((1, 0, 4), dtype=np.int64)
    for tables in per_class:
        if sets.shape[0] * tables.shape[0] > _MOST_TABLES:
            raise UsageError(
                f"more than {_MOST_TABLES} sets of tables at a total of {total}; use"
                " percentages with more decimals, which fewer tables fit"
            )
        grown = np.repeat(sets, tables.shape[0], axis=0)
        added = np.tile(tables, (sets.shape[0], 1))[:, None, :]
        sets = np.concatenate([grown, added], axis=1)
        true, said = sets[:, :, [0, 1]].sum(axis=(1, 2)), sets[:, :, [0, 3]].sum(axis=(1, 2))
        sets = sets[(true <= total) & (said <= total)]
    if not other:
        true, said = sets[:, :, [0, 1]].sum(axis=(1, 2)), sets[:, :, [0, 3]].sum(axis=(1, 2))
        sets = sets[(true == total) & (said == total)]
    errors = sets[:, :, 1] + sets[:, :, 3]
    room = total - sets[:, :, 0].sum(axis=1)
    return total, np.asarray(sets[np.all(errors <= room[:, None], axis=1)])


def _long(found: list[tuple[int, Integers]], classes: tuple[str, ...]) -> pd.DataFrame:
    none = np.zeros((0, len(classes), 4), dtype=np.int64)
    stacked = np.concatenate([none, *(sets for _, sets in found)])
    totals = stacked[:, 0].sum(axis=1)
    frame = pd.DataFrame(stacked.reshape(-1, 4), columns=list(CELLS))
    frame.insert(0, "class_", np.tile(np.array(classes, dtype=object), stacked.shape[0]))
    frame.insert(0, "total", np.repeat(totals, len(classes)))
    frame.insert(0, "matrix", np.repeat(np.arange(stacked.shape[0]), len(classes)))
    return frame


def feasible_joint_tables(
    published: Mapping[str, Mapping[str, str]],
    n: int,
    *,
    other: bool = True,
    search_to: int | None = None,
) -> JointFeasibility:
    """Tables of several classes, alone and together, compatible with published percentages.

    Parameters
    ----------
    published
        Class -> percentages as for `feasible_tables`, each class against the rest.
    n
        Largest total of interest.
    other
        Whether lesions may belong, or be read as belonging, to none of the classes.
    search_to
        Largest total to search for the nearest one; 3 n if None.

    Returns
    -------
    JointFeasibility

    Raises
    ------
    UsageError
        As `feasible_tables`; or if fewer than two classes are given.

    Examples
    --------
    >>> published = {"active": {"sensitivity": "90"}, "inactive": {"sensitivity": "80"}}
    >>> found = qs.feasible_joint_tables(published, 20)
    >>> found.shared_totals[:3]
    (10, 11, 12)
    """
    _check_total(n, "n")
    limit = 3 * n if search_to is None else search_to
    _check_total(limit, "search_to")
    if len(published) < 2:
        raise UsageError(f"{len(published)} class; give two or more, or use feasible_tables")
    classes, top = tuple(published), max(n, limit)
    targets = [_percentages(published[name], top) for name in classes]
    small = [_tables(wanted, n) for wanted in targets]
    per_class = pd.concat(
        [
            pd.DataFrame(tables, columns=list(CELLS)).assign(class_=name)
            for name, tables in zip(classes, small, strict=True)
        ],
        ignore_index=True,
    )
    per_class["total"] = per_class[list(CELLS)].sum(axis=1)
    shared = _shared(small, 1, n)
    fitting = partial(_fitting, other=other)
    joint = [pair for pair in map(fitting, shared.items()) if pair[1].size]
    later = {} if joint else _shared([_tables(wanted, top) for wanted in targets], n + 1, top)
    nearest = next((pair for pair in map(fitting, later.items()) if pair[1].size), None)
    return JointFeasibility(
        n=n,
        search_to=top,
        per_class=per_class[["class_", *CELLS, "total"]],
        shared_totals=tuple(shared),
        joint=_long(joint, classes),
        nearest_shared_total=None if shared else next(iter(later), None),
        nearest_joint_total=None if nearest is None else nearest[0],
        nearest_joint=_long([] if nearest is None else [nearest], classes),
    )
