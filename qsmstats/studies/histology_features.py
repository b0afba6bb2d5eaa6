"""How accurately a continuous feature of a lesion predicts the class that histology assigns.

Each numeric column of histology.tsv against each class of the reference standard: ROC curve,
area under it, and the cut-off with the largest Youden index with the optimism of having been
chosen here (`qsmstats.accuracy.roc`, `qsmstats.accuracy.cutoff`).

On which side of a cut-off a class lies is fixed before the data are seen
(`HistologySettings.high_in`), so that an area may fall below 0.5. Taking the better side afterwards
would bias every area upwards. Myelin water is high where myelin has been restored and low in the
demyelinated classes; the rim contrast is high where iron-laden microglia sit at the edge and low
elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.accuracy.cutoff import best_cutoff, roc_curve
from qsmstats.accuracy.measures import auc_rows
from qsmstats.accuracy.pairing import NEGATIVE, Pairs
from qsmstats.arrays import Flags
from qsmstats.schemas import load_schema

__all__ = ["continuous_features", "feature_accuracy", "has_reference"]

KEYS = ["feature", "class_", "rule"]
AREA_COLUMNS = [
    *KEYS,
    *("estimate", "conf_low", "conf_high", "method", "role", "level"),
    *("n", "n_positive", "n_clusters", "note"),
]
CURVE_COLUMNS = [
    *KEYS,
    *("threshold", "tp", "fn", "tn", "fp", "sensitivity", "specificity", "youden"),
]
CUTOFF_COLUMNS = [
    *KEYS,
    *("threshold", "threshold_range_low", "threshold_range_high"),
    *("sensitivity", "specificity", "youden", "optimism", "corrected_youden"),
    *("n", "n_positive", "n_clusters", "resampled", "n_resamples", "note"),
]


def continuous_features(histology: pd.DataFrame) -> list[str]:
    """Return the numeric columns of the schema that the table has, in the schema's order."""
    fields = load_schema("histology").fields
    return [
        item.name
        for item in fields
        if item.type == "number" and item.name in histology and histology[item.name].notna().any()
    ]


def has_reference(pairs: Pairs) -> Flags:
    """Which lesions have a class by the reference standard, read on QSM or not; shape (n,)."""
    return np.asarray(pairs.reference >= NEGATIVE, dtype=np.bool_)


def feature_accuracy(
    histology: pd.DataFrame,
    pairs: Pairs,
    *,
    high_in: Mapping[str, Collection[str]],
    level: float = 0.95,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Measure how well each continuous feature separates each class from the rest.

    Parameters
    ----------
    histology
        One row per lesion, in the order of `pairs`.
    pairs
        The lesions' readings with their brains. A lesion without a type on QSM still counts: only
        its class and its feature are needed.
    high_in
        Feature -> classes that high values speak for.
    level
        Confidence level of the areas.
    seed
        Seed of the bootstrap behind the optimism.

    Returns
    -------
    areas
        One row per feature, class and method. Where no lesion has the class, or all have it, there
        is a row with the reason here, and none in the other tables.
    roc
        One row per cut-off, from the strictest (infinite: nothing is read as positive) to the
        laxest. `rule` says whether "at least" or "at most" the threshold, in the unit of the
        feature, is read as positive.
    cutoffs
        The cut-off with the largest Youden index; threshold_range_low and _high are the 2.5 and
        97.5 % quantiles of the cut-offs chosen in the bootstrap samples.
    """
    areas: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    cutoffs: list[dict[str, Any]] = []
    for feature in continuous_features(histology):
        every = histology[feature].to_numpy(dtype=np.float64, na_value=np.nan)
        kept = np.isfinite(every) & has_reference(pairs)
        cluster = pairs.cluster[kept]
        for number, name in enumerate(pairs.classes):
            # Turned so that high values speak for the class.
            sign = 1.0 if name in high_in.get(feature, ()) else -1.0
            truth = np.asarray(pairs.reference[kept] == number, dtype=np.bool_)
            rule = "at least" if sign > 0 else "at most"
            keys: dict[str, Any] = {"feature": feature, "class_": name, "rule": rule}
            counts = {"n": truth.size, "n_positive": int(truth.sum())}
            counts["n_clusters"] = np.unique(cluster).size
            _, rows = auc_rows(pairs, name, sign * every, level=level)
            areas += [keys | asdict(row.value) | counts | {"level": level} for row in rows]
            if truth.all() or not truth.any():
                continue
            curve = roc_curve(sign * every[kept], truth)
            curve = curve.assign(threshold=sign * curve["threshold"], **keys)
            curves.append(curve[CURVE_COLUMNS])
            best = best_cutoff(sign * every[kept], truth, cluster=cluster, seed=seed)
            ends = sorted((sign * best.threshold_low, sign * best.threshold_high))
            found = asdict(best) | {"threshold": sign * best.threshold}
            found |= dict(zip(("threshold_range_low", "threshold_range_high"), ends, strict=True))
            cutoffs.append(keys | found | counts)
    return (
        pd.DataFrame(areas, columns=AREA_COLUMNS),
        pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=CURVE_COLUMNS),
        pd.DataFrame(cutoffs, columns=CUTOFF_COLUMNS),
    )
