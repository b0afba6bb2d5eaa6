"""What is counted of lesions and clusters before any estimate, for STARD 2015, and how they nest.

Items 19 (flow of participants), 21-22 (who was tested, who was not) and 23 (cross tabulation
of index test and reference standard, with missing and indeterminate results); counts per cluster,
the range when one cluster is left out, the design effect and the intracluster correlation, and the
intervals that an assumed correlation implies, by the formulas of `clustered`. What tells of
clusters takes what `pair_classes` made with a cluster; lesions without both readings are left out.

References
----------
Bossuyt PM et al. (2015) BMJ 351:h5527.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from qsmstats.accuracy.clustered import (
    ClusteredCounts,
    anova_correlation,
    clustered_counts,
    correlation_curve,
    leave_one_out,
)
from qsmstats.accuracy.pairing import EXCLUDED, INDETERMINATE, MISSING, NEGATIVE, Pairs, one_vs_rest
from qsmstats.arrays import Flags

__all__ = [
    "assumed_correlations",
    "clustering_summary",
    "counts_per_cluster",
    "cross_tabulation",
    "flow_counts",
]

CORRELATIONS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


def cross_tabulation(pairs: Pairs) -> pd.DataFrame:
    """Levels of the index test by levels of the reference standard, missing ones included.

    Returns
    -------
    DataFrame
        One row per level of the index test as written (indeterminate levels among them) and
        per "missing", one column per level of the reference standard and "missing", each
        with a total. Every lesion of the table is counted. The levels of a Categorical keep
        their order; others are sorted.
    """
    readings = []
    for name in pairs.table.columns[:2]:
        column = pairs.table[name]
        named = column.astype("object").where(column.notna(), "missing")
        if isinstance(column.dtype, pd.CategoricalDtype):
            levels = [one for one in column.dtype.categories if one != "missing"]
            named = named.astype(pd.CategoricalDtype([*levels, "missing"]))
        readings.append(named)
    index, reference = readings
    table = pd.crosstab(index, reference, margins=True, margins_name="total")
    # A categorical index would refuse a further name, such as that of a column beside the levels.
    return table.set_axis(pd.Index(list(table.index), name="index_test")).set_axis(
        pd.Index(list(table.columns), name="reference_standard"), axis="columns"
    )


def flow_counts(pairs: Pairs) -> pd.DataFrame:
    """Lesions and clusters at each step of the flow diagram.

    Returns
    -------
    DataFrame
        Columns step, class_, n, n_clusters. Steps: eligible; index_excluded_by_policy,
        index_missing, index_indeterminate, index_read; then of the lesions with a reading
        reference_excluded_by_policy, reference_missing, analysed; and per class
        index_positive and reference_positive among the analysed. `class_` "none of the
        classes" holds readings counted as negative for every class.
    """
    read = pairs.index >= NEGATIVE
    analysed = read & (pairs.reference >= NEGATIVE)
    steps: list[tuple[str, str, Flags]] = [
        ("eligible", "", np.ones(read.shape, dtype=np.bool_)),
        ("index_excluded_by_policy", "", pairs.index == EXCLUDED),
        ("index_missing", "", pairs.index == MISSING),
        ("index_indeterminate", "", pairs.index == INDETERMINATE),
        ("index_read", "", read),
        ("reference_excluded_by_policy", "", read & (pairs.reference == EXCLUDED)),
        ("reference_missing", "", read & (pairs.reference == MISSING)),
        ("analysed", "", analysed),
    ]
    for k, name in [*enumerate(pairs.classes), (NEGATIVE, "none of the classes")]:
        steps.append(("index_positive", name, analysed & (pairs.index == k)))
        steps.append(("reference_positive", name, analysed & (pairs.reference == k)))
    rows = [
        {
            "step": step,
            "class_": name,
            "n": int(chosen.sum()),
            "n_clusters": np.unique(pairs.cluster[chosen]).size if pairs.clusters else pd.NA,
        }
        for step, name, chosen in steps
    ]
    return pd.DataFrame(rows).astype({"n_clusters": "Int64"})


def _collected(
    pairs: Pairs, frame_of: Callable[[ClusteredCounts, list[object]], pd.DataFrame]
) -> pd.DataFrame:
    """Frames of the counts of each class and measure; `frame_of` gets the clusters' names too."""
    frames = []
    for name in pairs.classes:
        table = one_vs_rest(pairs, name)
        for measure, hits, misses in (
            ("sensitivity", table.tp, table.fn),
            ("specificity", table.tn, table.fp),
        ):
            trials = hits + misses
            if not trials.any():
                continue
            labels = [c for c, n in zip(pairs.clusters, trials, strict=True) if n > 0]
            frame = frame_of(clustered_counts(hits, trials), labels)
            frame.insert(0, "measure", measure)
            frame.insert(0, "class_", name)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def counts_per_cluster(pairs: Pairs) -> pd.DataFrame:
    """Sensitivity and specificity in each cluster, and without it.

    Returns
    -------
    DataFrame
        Columns class_, measure, cluster, numerator, denominator, estimate, estimate_without.
        Clusters without a lesion in the denominator are left out.
    """
    return _collected(pairs, leave_one_out)


def clustering_summary(pairs: Pairs) -> pd.DataFrame:
    """Design effect, intracluster correlation and leave-one-cluster-out range.

    Returns
    -------
    DataFrame
        Columns class_, measure, estimate, lowest_without, highest_without, n_clusters,
        denominator, design_effect (as estimated), effective_n, correlation, note.
    """

    def summary(counts: ClusteredCounts, labels: list[object]) -> pd.DataFrame:
        without = leave_one_out(counts, labels)["estimate_without"]
        correlation, note = anova_correlation(counts)
        row = {
            "estimate": counts.proportion,
            "lowest_without": without.min(),
            "highest_without": without.max(),
            "n_clusters": counts.n_clusters,
            "denominator": int(counts.total),
            "design_effect": counts.design_effect,
            "effective_n": counts.effective_n,
            "correlation": correlation,
            "note": note,
        }
        return pd.DataFrame([row])

    return _collected(pairs, summary)


def assumed_correlations(pairs: Pairs, *, level: float = 0.95) -> pd.DataFrame:
    """Wilson intervals of sensitivity and specificity under assumed correlations.

    Returns
    -------
    DataFrame
        Columns class_, measure, correlation, design_effect, effective_n, estimate, conf_low,
        conf_high.
    """
    return _collected(
        pairs,
        lambda counts, _: correlation_curve(counts, correlations=CORRELATIONS, level=level),
    )
