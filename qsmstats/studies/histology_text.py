"""The results of the accuracy study in sentences.

Counts and estimates are taken from its frames as they are; nothing is estimated here but the
quartiles of the continuous features.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from qsmstats.accuracy.diagnostic import ALL_CLASSES
from qsmstats.accuracy.pairing import POLICIES, Pairs
from qsmstats.accuracy.proportions import BOUND, INDEPENDENT, RECOMMENDED
from qsmstats.schemas import load_schema
from qsmstats.studies.histology_features import continuous_features, has_reference

__all__ = [
    "areas_text",
    "counts_text",
    "estimates_text",
    "listed_words",
    "severity_text",
    "variability_text",
    "words",
]

RATES = ("sensitivity", "specificity")


def variability_text(clustering: pd.DataFrame, accuracy: pd.DataFrame) -> str:
    """Tell the range when one brain is left out, and each policy for unread lesions."""
    texts = []
    for row in clustering.to_dict("records"):
        said = f"{words(row['class_'])} {row['measure']}"
        if np.isfinite(row["lowest_without"]):
            ends = f"{_percent(row['lowest_without'])} to {_percent(row['highest_without'])}"
            texts.append(f"{said} {ends} when one brain is left out")
        else:
            texts.append(f"{said} rests on one brain")
    rows = accuracy[accuracy["measure"].isin(RATES) & (accuracy["role"] == INDEPENDENT)]
    policies = []
    for (name, measure), part in rows.groupby(["class_", "measure"], sort=False):
        shares = part.drop_duplicates("missing").set_index("missing")["estimate"]
        said = ", ".join(
            f"{policy} {_percent(shares[policy])}" for policy in POLICIES if policy in shares.index
        )
        policies.append(f"{words(str(name))} {measure}: {said}")
    return (
        f"{'; '.join(texts)}. Missing and indeterminate readings by policy: {'; '.join(policies)}."
    )


def severity_text(histology: pd.DataFrame, pairs: Pairs) -> str:
    """Tell median and quartiles of each continuous feature in each class; empty without any."""
    known = histology[has_reference(pairs)]
    texts = []
    for feature in continuous_features(histology):
        for name in pairs.classes:
            values = known.loc[known["reference_standard"] == name, feature].dropna()
            if len(values):
                low, middle, high = np.quantile(
                    values.to_numpy(dtype=np.float64), [0.25, 0.5, 0.75]
                )
                said = f"{middle:.3g} (quartiles {low:.3g} to {high:.3g}, n = {len(values)})"
                texts.append(f"{_measured(feature)} of {words(name)} lesions {said}")
    return f"Median {'; '.join(texts)}." if texts else ""


def counts_text(accuracy: pd.DataFrame) -> str:
    """Tell the four counts of each class against the rest."""
    rows = accuracy[(accuracy["missing"] == "exclude") & accuracy["measure"].isin(RATES)]
    texts = []
    for name, part in rows.groupby("class_", sort=False):
        counts = part.drop_duplicates("measure").set_index("measure")
        tp, tn = counts.loc[list(RATES), "numerator"].astype(int)
        positive, negative = counts.loc[list(RATES), "denominator"].astype(int)
        texts.append(f"{words(str(name))} {tp} TP, {positive - tp} FN, {negative - tn} FP, {tn} TN")
    return f"Each class against the rest: {'; '.join(texts)}. The whole table is in crosstab.tsv."


def estimates_text(accuracy: pd.DataFrame) -> str:
    """Tell sensitivity and specificity with the intervals that a reader should see."""
    rows = accuracy[(accuracy["missing"] == "exclude") & (accuracy["class_"] != ALL_CLASSES)]
    texts = []
    for (name, measure), part in rows[rows["measure"].isin(RATES)].groupby(
        ["class_", "measure"], sort=False
    ):
        first = part.iloc[0]
        if not first["denominator"]:
            texts.append(f"{words(str(name))} {measure}: {first['note']}")
            continue
        shown = part[part["role"].isin((RECOMMENDED, BOUND, INDEPENDENT))]
        intervals = ", ".join(
            f"{row['role']} {_percent(row['conf_low'])} to {_percent(row['conf_high'])}"
            for row in shown.to_dict("records")
        )
        share = f"{first['numerator']}/{first['denominator']} = {_percent(first['estimate'])}"
        texts.append(f"{words(str(name))} {measure} {share} ({intervals})")
    level = rows["level"].iloc[0]
    return f"With intervals at {level:.0%}: {'; '.join(texts)}."


def areas_text(areas: pd.DataFrame) -> str:
    """Tell the areas with the interval for lesions within brains; empty without any."""
    # That row follows the one that assumes independent lesions.
    rows = areas[areas["estimate"].notna()].drop_duplicates(["feature", "class_"], keep="last")
    if rows.empty:
        return ""
    side = {"at least": "high", "at most": "low"}
    texts = []
    for row in rows.to_dict("records"):
        limits = f" ({row['conf_low']:.3f} to {row['conf_high']:.3f})"
        texts.append(
            f"{_measured(row['feature'])}, {side[row['rule']]} in {words(row['class_'])}"
            f" {row['estimate']:.3f}{limits if np.isfinite(row['conf_low']) else ''}"
        )
    return f"Areas under the ROC curves (lesions within brains): {'; '.join(texts)}."


def words(name: str) -> str:
    """Return a level's name in words."""
    return name.replace("_", " ")


def listed_words(names: Iterable[str]) -> str:
    """Return levels in words, listed."""
    return ", ".join(words(name) for name in names)


def _measured(feature: str) -> str:
    """Return the title of a feature with its unit."""
    column = load_schema("histology").column(feature)
    return f"{column.title[:1].lower()}{column.title[1:]} ({column.unit})"


def _percent(share: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{100 * share:.1f} %"
