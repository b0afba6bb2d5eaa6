"""Accuracy of an index test against a reference standard, class by class and together.

The frame holds every measure with every interval that the data allow, each row with its
counts, its method and its role (see `proportions` for the roles). Lesions of one brain are
correlated, so the cluster has to be named; ``cluster=None`` assumes independence, and the rows
then say "lesions assumed independent".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from qsmstats.accuracy.intervals import INTERVALS, critical_value
from qsmstats.accuracy.measures import auc_rows, measure_rows, multiclass_rows
from qsmstats.accuracy.pairing import (
    POLICIES,
    Pairs,
    confusion_matrices,
    one_vs_rest,
    pair_classes,
)
from qsmstats.accuracy.rows import Row, Settings
from qsmstats.errors import UsageError, check_option

__all__ = [
    "ALL_CLASSES",
    "COLUMNS",
    "accuracy_of_pairs",
    "diagnostic_accuracy",
    "missing_scenarios",
]

ALL_CLASSES = "all classes"

COLUMNS = (
    "class_",
    "measure",
    "prevalence",
    "estimate",
    "conf_low",
    "conf_high",
    "numerator",
    "denominator",
    "n",
    "n_clusters",
    "method",
    "role",
    "level",
    "missing",
    "indeterminate",
    "note",
)


def _records(rows: Iterable[Row], **fixed: object) -> Iterator[dict[str, Any]]:
    for row in rows:
        own = {"measure": row.measure, "prevalence": row.prevalence}
        counts = {"numerator": row.numerator, "denominator": row.denominator}
        record = own | counts | dataclasses.asdict(row.value) | fixed
        if row.n_clusters is not None:
            record["n_clusters"] = row.n_clusters
        yield record


def accuracy_of_pairs(
    pairs: Pairs,
    *,
    interval: str = "wilson",
    level: float = 0.95,
    missing: str = "exclude",
    indeterminate: str = "exclude",
    prevalences: Sequence[float] = (),
    scores: Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy of readings that `pair_classes` has paired; see `diagnostic_accuracy`.

    `scores` holds per class one number per lesion, in the order of the paired table.
    """
    check_option("interval", interval, INTERVALS)
    critical_value(level)
    outside = [value for value in prevalences if not 0.0 < value < 1.0]
    if outside:
        raise UsageError(f"prevalences must be between 0 and 1, such as 0.2, not {outside}")
    settings = Settings(interval=interval, level=level, prevalences=tuple(prevalences), seed=seed)
    clusters = pairs.n_clusters if pairs.clusters else pd.NA
    fixed = {"n_clusters": clusters, "level": level, "missing": missing}
    fixed["indeterminate"] = indeterminate
    # No policy determines which wrong class, or which score, a missing reading would have had.
    excluded = {"missing": "exclude", "indeterminate": "exclude"}
    records: list[dict[str, Any]] = []
    for name in pairs.classes:
        table = one_vs_rest(pairs, name, missing=missing, indeterminate=indeterminate)
        records += _records(measure_rows(table, settings), class_=name, n=table.n, **fixed)
        if scores is not None and name in scores:
            n, areas = auc_rows(pairs, name, scores[name], level=level)
            records += _records(areas, class_=name, n=n, **(fixed | excluded))
    matrices, _ = confusion_matrices(pairs)
    rows = multiclass_rows(
        matrices,
        n_classes=len(pairs.classes),
        clustered=pairs.n_clusters > 0,
        settings=settings,
    )
    records += _records(rows, class_=ALL_CLASSES, n=int(matrices.sum()), **(fixed | excluded))
    integers = dict.fromkeys(("numerator", "denominator", "n", "n_clusters"), "Int64")
    return pd.DataFrame.from_records(records, columns=list(COLUMNS)).astype(integers)


def diagnostic_accuracy(
    table: pd.DataFrame,
    *,
    index_test: str,
    reference_standard: str,
    mapping: Mapping[str, Sequence[str]],
    cluster: str | None,
    interval: str = "wilson",
    level: float = 0.95,
    missing: str = "exclude",
    indeterminate: str = "exclude",
    unmapped: Mapping[str, str] | None = None,
    indeterminate_levels: Sequence[str] = (),
    prevalences: Sequence[float] = (),
    scores: Mapping[str, str] | None = None,
    key: Sequence[str] = (),
    seed: int = 0,
) -> pd.DataFrame:
    """One-vs-rest and overall accuracy with intervals that allow for clusters.

    Parameters
    ----------
    table
        One row per lesion.
    index_test, reference_standard
        Names of the columns with the two readings.
    mapping
        Class of the reference standard -> levels of the index test that mean it.
    cluster
        Column of the cluster that lesions are nested in (brain, participant); None assumes
        independent lesions; the rows are labelled accordingly.
    interval
        Interval of the rows that assume independence: "wilson", "wilson_cc" (with continuity
        correction), "clopper_pearson", "agresti_coull", "wald", "jeffreys", "mid_p" or
        "likelihood_ratio".
    level
        Confidence level, or probability of the credible intervals.
    missing, indeterminate
        What a missing, or indeterminate, reading counts as: "exclude", "worst" (index and
        reference disagree) or "best". Measures of all classes together always exclude both.
    unmapped
        Level -> "exclude" or "negative", for levels of either column not mapped to any class.
    indeterminate_levels
        Levels of the index test that were read without a result.
    prevalences
        Prevalences for additional PPV and NPV.
    scores
        Class -> column of a number, larger for lesions more like that class;
        adds the area under the ROC curve against the rest. Lesions without a score or without
        a reference class are left out of it, whatever the policies.
    key
        Columns that identify a lesion; given, duplicates are an error.
    seed
        Seed of the cluster bootstraps (used from 10 clusters on).

    Returns
    -------
    DataFrame
        One row per class, measure and method:

        ``class_``
            Class against the rest, or "all classes".
        measure, prevalence
            Measure; the prevalence that a PPV or NPV refers to.
        estimate, conf_low, conf_high, method, role, note
            NaN limits come with their reason in `note`.
        numerator, denominator
            Counts of a proportion, missing for other measures.
        n, n_clusters
            Lesions used for this class; clusters in the table, for proportions those with a
            lesion in the denominator.
        level, missing, indeterminate
            As asked for.

    Raises
    ------
    UsageError
        If an argument cannot be used or the mapping contradicts itself.
    InvalidDataError
        If a level is not mapped, or a lesion is repeated or has no cluster.

    Examples
    --------
    >>> histology = pd.DataFrame({"brain": [1, 1, 2, 2, 3, 3],
    ...     "qsm": ["rim", "rim", "no", "no", "rim", "no"],
    ...     "truth": ["active", "other", "other", "other", "active", "active"]})
    >>> table = qs.diagnostic_accuracy(histology, index_test="qsm", reference_standard="truth",
    ...     mapping={"active": ["rim"], "other": ["no"]}, cluster="brain")
    >>> qs.show(table.loc[:1, ["class_", "measure", "estimate", "conf_low", "conf_high"]])
    class_  measure      estimate  conf_low  conf_high
    active  sensitivity    0.6667    0.2077     0.9385
    active  sensitivity    0.6143    0.2277     0.9562
    """
    columns = {} if scores is None else dict(scores)
    unknown = [
        f"{name}: {column}"
        for name, column in columns.items()
        if name not in mapping or column not in table.columns
    ]
    if unknown:
        raise UsageError(
            f"scores {unknown} do not match a class with a column; the classes are"
            f" {list(mapping)}, the columns {list(table.columns)}"
        )
    pairs = pair_classes(
        table,
        index_test=index_test,
        reference_standard=reference_standard,
        mapping=mapping,
        cluster=cluster,
        unmapped=unmapped,
        indeterminate_levels=indeterminate_levels,
        key=key,
    )
    return accuracy_of_pairs(
        pairs,
        interval=interval,
        level=level,
        missing=missing,
        indeterminate=indeterminate,
        prevalences=prevalences,
        scores={name: table[column].to_numpy() for name, column in columns.items()},
        seed=seed,
    )


def missing_scenarios(pairs: Pairs, *, level: float = 0.95) -> pd.DataFrame:
    """Accuracy with missing and indeterminate readings excluded, at worst and at best.

    Parameters
    ----------
    pairs
        From `pair_classes`.
    level
        Confidence level.

    Returns
    -------
    DataFrame
        As `diagnostic_accuracy`, three times; `missing` and `indeterminate` name the scenario.
    """
    frames = [
        accuracy_of_pairs(pairs, level=level, missing=policy, indeterminate=policy)
        for policy in POLICIES
    ]
    return pd.concat(frames, ignore_index=True).drop_duplicates(ignore_index=True)
