"""How well a continuous feature of a lesion tells what the pathologist saw.

Each numeric column of histology.tsv against each class of the reference standard: ROC curve,
area under it, and the cut-off with the largest Youden index with the optimism of having been
chosen here (`qsmstats.accuracy.roc`, `qsmstats.accuracy.cutoff`).

On which side of a cut-off a class lies is fixed before the data are seen, so that an area may
fall below 0.5. Taking the better side afterwards would bias every area upwards. Myelin water
is high where myelin has been restored and low in the demyelinated classes; the rim contrast is
high where iron-laden microglia sit at the edge and low elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.accuracy.areas import auc_rows
from qsmstats.accuracy.cutoff import best_cutoff, roc_curve
from qsmstats.accuracy.pairing import NEGATIVE, Pairs
from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.schemas import load_schema

__all__ = ["FeatureAccuracy", "continuous_features", "feature_accuracy", "has_reference"]

# Feature -> classes that high values speak for; low values speak for every other class.
HIGH_IN = {"mwf_percent": ("remyelinated",), "rim_contrast_ppb": ("chronic_active",)}

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureAccuracy:
    """Areas, curves and cut-offs of the continuous features; see `feature_accuracy`."""

    areas: pd.DataFrame
    roc: pd.DataFrame
    cutoffs: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One feature against one class.

    `sign` turns the feature so that high speaks for the class; `every_value` has a place for each
    lesion of the table, the other arrays hold those with a value and a reference class.
    """

    feature: str
    class_: str
    sign: float
    every_value: Floats
    values: Floats
    truth: Flags
    cluster: Integers

    @property
    def keys(self) -> dict[str, Any]:
        rule = "at least" if self.sign > 0 else "at most"
        return {"feature": self.feature, "class_": self.class_, "rule": rule}

    @property
    def counts(self) -> dict[str, Any]:
        clusters = np.unique(self.cluster).size
        positive = int(self.truth.sum())
        return {"n": self.truth.size, "n_positive": positive, "n_clusters": clusters}


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
    histology: pd.DataFrame, pairs: Pairs, *, level: float = 0.95, seed: int = 0
) -> FeatureAccuracy:
    """Measure how well each continuous feature tells each class from the rest.

    Parameters
    ----------
    histology
        One row per lesion, in the order of `pairs`.
    pairs
        The lesions' readings with their brains. A lesion without a type on QSM still counts: only
        its class and its feature are needed.
    level
        Confidence level of the areas.
    seed
        Seed of the bootstrap behind the optimism.

    Returns
    -------
    FeatureAccuracy
        areas: one row per feature, class and method. roc: one row per cut-off, from the strictest
        (infinite: nothing is read as positive) to the laxest. cutoffs: the cut-off with the largest
        Youden index; threshold_range_low and _high are the 2.5 and 97.5 % quantiles of the
        cut-offs chosen in the bootstrap samples. `rule` says whether "at least" or "at most" the
        threshold, in the unit of the feature, is read as positive. Without a lesion on either
        side there is a row in areas, with the reason, and none in the others.
    """
    areas: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    cutoffs: list[dict[str, Any]] = []
    for question in _questions(histology, pairs):
        areas += _area_records(pairs, question, level)
        if question.truth.any() and not question.truth.all():
            curves.append(_curve(question))
            cutoffs.append(_cutoff_record(question, seed))
    return FeatureAccuracy(
        areas=pd.DataFrame(areas, columns=AREA_COLUMNS),
        roc=pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=CURVE_COLUMNS),
        cutoffs=pd.DataFrame(cutoffs, columns=CUTOFF_COLUMNS),
    )


def _questions(histology: pd.DataFrame, pairs: Pairs) -> Iterator[_Question]:
    for feature in continuous_features(histology):
        values = histology[feature].to_numpy(dtype=np.float64, na_value=np.nan)
        keep = np.isfinite(values) & has_reference(pairs)
        for k, name in enumerate(pairs.classes):
            yield _Question(
                feature=feature,
                class_=name,
                sign=1.0 if name in HIGH_IN[feature] else -1.0,
                every_value=values,
                values=values[keep],
                truth=np.asarray(pairs.reference[keep] == k, dtype=np.bool_),
                cluster=pairs.cluster[keep],
            )


def _area_records(pairs: Pairs, question: _Question, level: float) -> Iterator[dict[str, Any]]:
    scores = question.sign * question.every_value
    _, rows = auc_rows(pairs, question.class_, scores, level=level)
    for row in rows:
        yield question.keys | dataclasses.asdict(row.value) | question.counts | {"level": level}


def _curve(question: _Question) -> pd.DataFrame:
    curve = roc_curve(question.sign * question.values, question.truth)
    curve["threshold"] *= question.sign
    return curve.assign(**question.keys)[CURVE_COLUMNS]


def _cutoff_record(question: _Question, seed: int) -> dict[str, Any]:
    found = best_cutoff(
        question.sign * question.values, question.truth, cluster=question.cluster, seed=seed
    )
    ends = sorted(question.sign * end for end in (found.threshold_low, found.threshold_high))
    record = dataclasses.asdict(found) | {"threshold": question.sign * found.threshold}
    record |= {"threshold_range_low": ends[0], "threshold_range_high": ends[1]}
    return question.keys | record | question.counts
