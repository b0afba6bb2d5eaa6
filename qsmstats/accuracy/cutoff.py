"""The ROC curve as a table, and the best cut-off with its optimism.

A lesion is read as positive when its score is at least the threshold. The best cut-off
maximises Youden's index J = sensitivity + specificity - 1 (Youden 1950). In the data that chose
it, J is too high: in each bootstrap sample the best cut-off is chosen again, and J there is
compared with J of that cut-off in the original data; the mean excess is the optimism, and J
less the optimism the corrected J (Harrell, Lee & Mark 1996). With at least 10 clusters,
clusters are resampled; below, lesions within their reference group (`resampled`).

References
----------
Harrell FE, Lee KL, Mark DB (1996) Stat Med 15:361-387.
Youden WJ (1950) Cancer 3:32-35.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from qsmstats.accuracy.proportions import SMALL_NUMBER_OF_CLUSTERS
from qsmstats.accuracy.roc import BELOW_HALF, area_under_curve, checked_scores, cluster_codes
from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.display import Displayed

__all__ = ["Cutoff", "best_cutoff", "roc_curve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff(Displayed):
    """Best cut-off of a feature by Youden's index.

    Attributes
    ----------
    threshold
        Smallest score read as positive.
    sensitivity, specificity, youden
        In the data that chose it.
    optimism, corrected_youden
        Bootstrap estimate of the optimism, and Youden's index less the optimism.
    threshold_low, threshold_high
        2.5 and 97.5 % quantiles of the cut-offs chosen in the resamples.
    resampled
        "clusters" or "lesions".
    n_resamples
        Resamples in which both groups were present.
    note
        Limitations of the result, or empty.
    """

    threshold: float
    sensitivity: float
    specificity: float
    youden: float
    optimism: float
    corrected_youden: float
    threshold_low: float
    threshold_high: float
    resampled: str
    n_resamples: int
    note: str


def roc_curve(scores: ArrayLike, reference: ArrayLike) -> pd.DataFrame:
    """Sensitivity and specificity at every threshold.

    Parameters
    ----------
    scores, reference
        Feature and yes-no reference (0, 1) per lesion, shape (n,).

    Returns
    -------
    DataFrame
        Columns threshold (falling from infinity), tp, fn, tn, fp, sensitivity, specificity,
        youden.

    Raises
    ------
    UsageError
        If the input cannot be used.
    """
    values, truth = checked_scores(scores, reference)
    thresholds = np.unique(values)[::-1]
    tp = np.array([0, *(int((truth & (values >= t)).sum()) for t in thresholds)])
    fp = np.array([0, *(int((~truth & (values >= t)).sum()) for t in thresholds)])
    positives, negatives = int(truth.sum()), int((~truth).sum())
    sensitivity, specificity = tp / positives, 1.0 - fp / negatives
    return pd.DataFrame(
        {
            "threshold": np.concatenate([[np.inf], thresholds]),
            "tp": tp,
            "fn": positives - tp,
            "tn": negatives - fp,
            "fp": fp,
            "sensitivity": sensitivity,
            "specificity": specificity,
            "youden": sensitivity + specificity - 1.0,
        }
    )


def _youden(weights: Integers, truth: Flags, last: Integers) -> Floats:
    """Youden's index per resample and threshold; lesions sorted by falling score."""
    up = np.cumsum(weights * truth, axis=1)[:, last]
    down = np.cumsum(weights * ~truth, axis=1)[:, last]
    with np.errstate(invalid="ignore"):
        return np.asarray(up / up[:, -1:] - down / down[:, -1:], dtype=np.float64)


def best_cutoff(
    scores: ArrayLike,
    reference: ArrayLike,
    *,
    cluster: ArrayLike | None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Cutoff:
    """Cut-off with the largest Youden index, and its optimism.

    Parameters
    ----------
    scores, reference
        Feature and yes-no reference (0, 1) per lesion, shape (n,); a higher score
        indicates the class. The sign of the scores is not changed: where low scores indicate
        the class, the note says so.
    cluster
        Cluster of each lesion, or None for independent lesions.
    n_resamples, seed
        Number of bootstrap samples and seed of the generator.

    Raises
    ------
    UsageError
        If the input cannot be used.

    Examples
    --------
    >>> qs.best_cutoff([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1], cluster=None, n_resamples=50)
    Cutoff
      threshold: 4
      sensitivity: 1
      specificity: 1
      youden: 1
      optimism: 0.0866667
      corrected_youden: 0.913333
      threshold_low: 4
      threshold_high: 6
      resampled: lesions
      n_resamples: 50
      note:
    """
    values, truth = checked_scores(scores, reference)
    random, size = np.random.default_rng(seed), values.size
    codes, clusters = cluster_codes(cluster, size)
    if clusters >= SMALL_NUMBER_OF_CLUSTERS:
        shares = np.full(clusters, 1.0 / clusters)
        # How often each lesion is drawn, shape (n_resamples, n).
        draws = random.multinomial(clusters, shares, n_resamples)[:, codes]
        resampled = "clusters"
    else:
        draws, resampled = np.zeros((n_resamples, size), dtype=np.int64), "lesions"
        for group in (truth, ~truth):
            shares = np.full(int(group.sum()), 1.0 / group.sum())
            draws[:, group] = random.multinomial(shares.size, shares, n_resamples)
    order = np.argsort(-values, kind="stable")
    values, truth, draws = values[order], truth[order], draws[:, order]
    last = np.flatnonzero(np.append(np.diff(values) != 0.0, True))
    thresholds = values[last]
    own = _youden(np.ones((1, values.size), dtype=np.int64), truth, last)[0]
    best = int(np.argmax(own))
    again = _youden(draws, truth, last)
    again = again[~np.isnan(again).any(axis=1)]
    chosen = np.argmax(again, axis=1)
    optimism = float(np.mean(again[np.arange(chosen.size), chosen] - own[chosen]))
    low, high = np.quantile(thresholds[chosen], [0.025, 0.975])
    read = values >= thresholds[best]
    notes = ["no cut-off is better than chance (Youden's index 0)"] * bool(own[best] <= 0.0)
    area = area_under_curve(values, truth, cluster=None).estimate
    notes += [BELOW_HALF] * (area < 0.5)
    return Cutoff(
        threshold=float(thresholds[best]),
        sensitivity=float(read[truth].mean()),
        specificity=float((~read[~truth]).mean()),
        youden=float(own[best]),
        optimism=optimism,
        corrected_youden=float(own[best]) - optimism,
        threshold_low=float(low),
        threshold_high=float(high),
        resampled=resampled,
        n_resamples=int(chosen.size),
        note="; ".join(notes),
    )
