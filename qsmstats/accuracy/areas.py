"""Rows of the accuracy frame for a continuous feature: the area under the ROC curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qsmstats.accuracy.pairing import NEGATIVE, Pairs
from qsmstats.accuracy.proportions import (
    COMPARISON,
    INDEPENDENT,
    RECOMMENDED,
    SMALL_NUMBER_OF_CLUSTERS,
    Estimate,
    refused_estimate,
)
from qsmstats.accuracy.roc import area_under_curve
from qsmstats.accuracy.rows import Row, empty_row
from qsmstats.arrays import Flags
from qsmstats.errors import NotIdentifiedError

__all__ = ["auc_rows"]


def auc_rows(
    pairs: Pairs, class_: str, scores: ArrayLike, *, level: float
) -> tuple[int, list[Row]]:
    """Count the lesions and make the rows of one class against the rest.

    Parameters
    ----------
    pairs
        From `pair_classes`.
    class_
        One of its classes.
    scores
        One number per lesion, larger for the class; shape (n,).
    level
        Confidence level.
    """
    values = np.asarray(scores, dtype=np.float64)
    keep: Flags = np.isfinite(values) & (pairs.reference >= NEGATIVE)
    values, codes = values[keep], pairs.cluster[keep]
    truth = pairs.reference[keep] == pairs.classes.index(class_)
    n = int(keep.sum())
    if truth.all() or not truth.any():
        return n, [empty_row("auc", "not estimable: lesions of one reference group only")]
    independent = area_under_curve(values, truth, cluster=None, level=level)
    found = [(independent, INDEPENDENT)]
    refused = []
    if pairs.n_clusters:
        try:
            area = area_under_curve(values, truth, cluster=codes, level=level)
            # With few clusters this interval has not been shown to be conservative.
            few = area.n_clusters < SMALL_NUMBER_OF_CLUSTERS
            found.append((area, COMPARISON if few else RECOMMENDED))
        except NotIdentifiedError as refusal:
            refused = [refused_estimate(independent.estimate, "obuchowski_logit", str(refusal))]
    estimates = [
        Estimate(one.estimate, one.conf_low, one.conf_high, one.method, role, one.note)
        for one, role in found
    ]
    return n, [Row(measure="auc", value=value) for value in estimates + refused]
