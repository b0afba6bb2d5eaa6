"""Index test against reference standard, lesion by lesion, before any accuracy is computed.

Here the levels of the index test are mapped to the classes of the reference standard, what
cannot be paired is named, and the policies for it are applied:

- a level not mapped to any class is excluded or counted as negative, as the caller says
  (`unmapped`);
- a missing or indeterminate value is excluded, or counted as the worst case (the two readings
  disagree) or the best case (they agree). A lesion with neither reading is always excluded.

From the pairs come the two-by-two counts of each class and the confusion matrices, per cluster.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.accuracy.columns import repeated_keys
from qsmstats.arrays import Flags, Integers
from qsmstats.errors import (
    InvalidDataError,
    Problem,
    UsageError,
    check_option,
    did_you_mean,
    nearest,
    require_columns,
)

__all__ = [
    "POLICIES",
    "Pairs",
    "TwoByTwo",
    "confusion_matrices",
    "one_vs_rest",
    "pair_classes",
    "usable",
]

POLICIES = ("exclude", "worst", "best")
UNMAPPED_POLICIES = ("exclude", "negative")

# Codes of a reading that is not one of the classes.
NEGATIVE, MISSING, INDETERMINATE, EXCLUDED = -1, -2, -3, -4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Both readings of every lesion, coded by class.

    Attributes
    ----------
    classes
        Classes of the reference standard in the order of the mapping.
    index, reference
        Code per lesion: position in `classes`, -1 none of the classes, -2 missing,
        -3 indeterminate, -4 excluded by policy.
    cluster
        Cluster of each lesion, positions in `clusters`; all 0 when none was given.
    clusters
        Names of the clusters; empty when lesions are treated as independent.
    table
        The two columns and the cluster as they came, for cross tabulation.
    """

    classes: tuple[str, ...]
    index: Integers
    reference: Integers
    cluster: Integers
    clusters: tuple[Hashable, ...]
    table: pd.DataFrame

    @property
    def n_clusters(self) -> int:
        """Number of clusters; 0 when lesions are treated as independent."""
        return len(self.clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoByTwo:
    """Two-by-two counts of one class, per cluster (shape (G,); one entry if independent)."""

    tp: Integers
    fp: Integers
    fn: Integers
    tn: Integers
    clustered: bool

    @property
    def totals(self) -> tuple[int, int, int, int]:
        """TP, FP, FN, TN over all clusters."""
        return (int(self.tp.sum()), int(self.fp.sum()), int(self.fn.sum()), int(self.tn.sum()))

    @property
    def n(self) -> int:
        """Number of lesions."""
        return sum(self.totals)


def _mapping_problems(
    mapping: Mapping[str, Sequence[str]], unmapped: Mapping[str, str], indeterminate: Sequence[str]
) -> list[str]:
    owners: dict[str, list[str]] = {}
    for name, levels in mapping.items():
        if isinstance(levels, str):
            return [f"mapping[{name!r}] must be a list of index levels, not the text {levels!r}"]
        for level in levels:
            owners.setdefault(level, []).append(name)
    problems = [
        f"index level {level!r} is mapped to the classes {', '.join(names)}; map it to one class"
        for level, names in owners.items()
        if len(names) > 1
    ]
    problems += [
        f"level {level!r} is both mapped to a class and {where}; choose one"
        for where, levels in (("unmapped", unmapped), ("indeterminate", indeterminate))
        for level in levels
        if level in owners
    ]
    problems += [
        f"unmapped[{level!r}] must be 'exclude' or 'negative', not {policy!r}"
        for level, policy in unmapped.items()
        if policy not in UNMAPPED_POLICIES
    ]
    return problems


def _codes(
    column: pd.Series[Any],
    known: Mapping[str, int],
    unmapped: Mapping[str, str],
    indeterminate: Sequence[str],
) -> tuple[Integers, list[Problem]]:
    policy = {"exclude": EXCLUDED, "negative": NEGATIVE}
    lookup: dict[Any, int] = {level: policy[choice] for level, choice in unmapped.items()}
    lookup |= dict.fromkeys(indeterminate, INDETERMINATE)
    lookup |= known
    codes = np.full(len(column), MISSING, dtype=np.int64)
    problems = []
    for level, rows in pd.Series(np.arange(len(column))).groupby(column.to_numpy(), sort=True):
        text = str(level)
        # As it is first: a column of numbers with missing values holds 1.0 for 1.
        code = lookup.get(level, lookup.get(text))
        if code is not None:
            codes[rows.to_numpy()] = code
            continue
        hint = did_you_mean(nearest(text, lookup))
        problem = (
            f"level {text!r} ({len(rows)} lesions) is not in the mapping{hint}; map it to a class,"
            " or name it in `unmapped` as 'exclude' or 'negative', or in `indeterminate_levels`"
        )
        problems.append(Problem(table="table", column=str(column.name), problem=problem))
    return codes, problems


def pair_classes(
    table: pd.DataFrame,
    *,
    index_test: str,
    reference_standard: str,
    mapping: Mapping[str, Sequence[str]],
    cluster: str | None,
    unmapped: Mapping[str, str] | None = None,
    indeterminate_levels: Sequence[str] = (),
    key: Sequence[str] = (),
) -> Pairs:
    """Map both readings of every lesion to the classes of the reference standard.

    Parameters
    ----------
    table
        One row per lesion.
    index_test, reference_standard
        Names of the columns of the two readings (text; missing allowed).
    mapping
        Reference class -> levels of the index test that mean it; its order is kept.
    cluster
        Column of the cluster (brain, participant), or None for independent lesions.
    unmapped
        Level -> "exclude" or "negative", for levels of either column not mapped to any class.
    indeterminate_levels
        Levels of the index test that were read without a result; named here, a level's entry
        in `unmapped` holds for the reference standard alone.
    key
        Columns that identify a lesion; given, duplicates are an error.

    Raises
    ------
    UsageError
        If a column is not in the table or the mapping contradicts itself.
    InvalidDataError
        If a level is not mapped, or a lesion is repeated or has no cluster.
    """
    unmapped = {} if unmapped is None else unmapped
    wanted = [index_test, reference_standard, *([] if cluster is None else [cluster]), *key]
    require_columns(table.columns, wanted, "table")
    if index_test == reference_standard:
        raise UsageError(
            f"index test and reference standard are both {index_test!r}; they must differ"
        )
    contradictions = _mapping_problems(mapping, unmapped, indeterminate_levels)
    if contradictions or not mapping:
        raise UsageError("\n".join(contradictions) or "mapping is empty; it must name the classes")
    classes = tuple(mapping)
    levels = {level: k for k, name in enumerate(classes) for level in mapping[name]}
    index, problems = _codes(table[index_test], levels, unmapped, indeterminate_levels)
    own = {name: k for k, name in enumerate(classes)}
    reference, more = _codes(table[reference_standard], own, unmapped, ())
    problems += more
    for row in repeated_keys(table, key) if key else ():
        text = f"lesion {row} is in the table more than once; keep one row per lesion"
        problems.append(Problem(table="table", column=", ".join(key), problem=text))
    codes, clusters = np.zeros(len(table), dtype=np.int64), tuple[Hashable, ...]()
    if cluster is not None:
        nested, names = pd.factorize(table[cluster], sort=True)
        codes, clusters = np.asarray(nested, dtype=np.int64), tuple(names)
        lacking = int((codes < 0).sum())
        if lacking:
            text = f"{lacking} lesions have no cluster; give each lesion one, or use cluster=None"
            problems.append(Problem(table="table", column=cluster, problem=text))
    if problems:
        raise InvalidDataError(problems)
    columns = list(dict.fromkeys(wanted[: 2 if cluster is None else 3]))
    return Pairs(
        classes=classes,
        index=index,
        reference=reference,
        cluster=codes,
        clusters=clusters,
        table=table[columns].reset_index(drop=True),
    )


def usable(pairs: Pairs, *, missing: str, indeterminate: str) -> Flags:
    """Which lesions count under the policies; shape (n lesions,)."""
    check_option("missing", missing, POLICIES)
    check_option("indeterminate", indeterminate, POLICIES)
    index_read, reference_read = pairs.index >= NEGATIVE, pairs.reference >= NEGATIVE
    rescued = np.zeros(pairs.index.shape, dtype=np.bool_)
    if missing != "exclude":
        rescued |= (pairs.index == MISSING) & reference_read
        rescued |= (pairs.reference == MISSING) & index_read
    if indeterminate != "exclude":
        rescued |= (pairs.index == INDETERMINATE) & reference_read
    return (index_read & reference_read) | rescued


def one_vs_rest(
    pairs: Pairs, class_: str, *, missing: str = "exclude", indeterminate: str = "exclude"
) -> TwoByTwo:
    """Two-by-two counts of one class against all others, per cluster.

    Parameters
    ----------
    pairs
        From `pair_classes`.
    class_
        One of its classes.
    missing, indeterminate
        "exclude", "worst" (index and reference disagree about the class) or "best".
    """
    keep = usable(pairs, missing=missing, indeterminate=indeterminate)
    k = pairs.classes.index(class_)
    index = np.asarray(pairs.index == k, dtype=np.int64)
    reference = np.asarray(pairs.reference == k, dtype=np.int64)
    # Readings that are not there are filled in by policy.
    for code, policy in ((MISSING, missing), (INDETERMINATE, indeterminate)):
        unread = pairs.index == code
        index = np.where(unread, reference if policy == "best" else 1 - reference, index)
    unread = (pairs.reference == MISSING) & (pairs.index >= NEGATIVE)
    reference = np.where(unread, index if missing == "best" else 1 - index, reference)
    size = max(pairs.n_clusters, 1)

    def per_cluster(said: int, true: int) -> Integers:
        chosen = keep & (index == said) & (reference == true)
        return np.bincount(pairs.cluster[chosen], minlength=size)

    return TwoByTwo(
        tp=per_cluster(1, 1),
        fp=per_cluster(1, 0),
        fn=per_cluster(0, 1),
        tn=per_cluster(0, 0),
        clustered=pairs.n_clusters > 0,
    )


def confusion_matrices(pairs: Pairs) -> tuple[Integers, bool]:
    """Confusion matrices of the complete pairs per cluster, index in rows.

    Returns
    -------
    counts
        Shape (G, K, K), or (G, K + 1, K + 1) when a reading was none of the classes.
    extra
        Whether that last row and column are there.
    """
    keep = usable(pairs, missing="exclude", indeterminate="exclude")
    index, reference = pairs.index[keep], pairs.reference[keep]
    extra = bool((index == NEGATIVE).any() or (reference == NEGATIVE).any())
    size = len(pairs.classes) + extra
    counts = np.zeros((max(pairs.n_clusters, 1), size, size), dtype=np.int64)
    np.add.at(counts, (pairs.cluster[keep], index % size, reference % size), 1)
    return counts, extra
