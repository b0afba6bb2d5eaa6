"""How lesions nest in clusters, and what that changes in sensitivity and specificity.

Counts per cluster, the range when one cluster is left out, the design effect and the
intracluster correlation, and the intervals that an assumed correlation implies; the formulas
are those of `clustered`. All functions take what `pair_classes` made with a cluster; lesions
without both readings are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from qsmstats.accuracy.clustered import (
    ClusteredCounts,
    anova_correlation,
    clustered_counts,
    correlation_curve,
    leave_one_out,
)
from qsmstats.accuracy.pairing import Pairs, one_vs_rest

__all__ = ["assumed_correlations", "clustering_summary", "counts_per_cluster"]

CORRELATIONS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


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
