"""What the histology section draws: the frames of the accuracy study, put into other shapes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from qsmstats.accuracy.proportions import INDEPENDENT, RECOMMENDED
from qsmstats.report.names import present_levels
from qsmstats.report.numbers import counted
from qsmstats.schemas import load_schema

__all__ = [
    "RATES",
    "class_counts",
    "confusion_table",
    "main_rows",
    "reading_steps",
    "unread_excluded",
]

UNREAD = ("indeterminate", "missing")
RATES = ("sensitivity", "specificity")


def confusion_table(counts: pd.DataFrame) -> pd.DataFrame:
    """Return counts: index test in rows, reference standard in columns, unread readings last.

    Parameters
    ----------
    counts
        index_test, reference_standard, n; several rows of one pair are added up.
    """
    if counts.empty:
        return counts
    schema = load_schema("histology")
    wide = counts.pivot_table(
        index="index_test", columns="reference_standard", values="n", aggfunc="sum", fill_value=0
    )
    rows = present_levels(wide.index, [*schema.column("index_test").levels, *UNREAD])
    columns = present_levels(wide.columns, [*schema.column("reference_standard").levels, *UNREAD])
    return wide.reindex(index=rows, columns=columns)


def main_rows(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return one row per class and rate: counts, share, and its intervals by role.

    Parameters
    ----------
    accuracy
        Frame of `qsmstats.diagnostic_accuracy`.

    Returns
    -------
    DataFrame
        class, measure, numerator, denominator, share, recommended_low, recommended_high,
        independent_low, independent_high; lesions without both readings left out.
    """
    if accuracy.empty:
        return pd.DataFrame()
    rows = accuracy[accuracy["measure"].isin([*RATES, "ppv", "npv"]) & unread_excluded(accuracy)]
    records = []
    for (name, measure), part in rows.groupby(["class_", "measure"], sort=False):
        roles = part.drop_duplicates("role").set_index("role")
        first = part.iloc[0]
        record = {
            "class": name,
            "measure": measure,
            "numerator": first["numerator"],
            "denominator": first["denominator"],
            "share": first["numerator"] / first["denominator"] if first["denominator"] else np.nan,
        }
        for role, prefix in ((RECOMMENDED, "recommended"), (INDEPENDENT, "independent")):
            for end in ("low", "high"):
                there = role in roles.index
                record[f"{prefix}_{end}"] = roles.loc[role, f"conf_{end}"] if there else np.nan
        records.append(record)
    return pd.DataFrame(records)


def unread_excluded(accuracy: pd.DataFrame) -> pd.Series:
    """Return which rows leave lesions without both readings out."""
    return (accuracy["missing"] == "exclude") & (accuracy["indeterminate"] == "exclude")


def reading_steps(flow: pd.DataFrame) -> pd.DataFrame:
    """Return the boxes of the flow of readings: eligible, read on QSM, analysed.

    Parameters
    ----------
    flow
        Columns step, n, n_clusters, as `qsmstats.accuracy` counts them.

    Returns
    -------
    DataFrame
        Columns text and aside, as `flow_diagram` takes them; empty where a step is missing.
    """
    chain = {
        "eligible": ("eligible", "index_"),
        "index_read": ("index test read", "reference_"),
        "analysed": ("index test and reference standard read", ""),
    }
    steps = flow.drop_duplicates("step").set_index("step") if "step" in flow else flow
    if not set(chain) <= set(steps.index):
        return pd.DataFrame()
    number = {str(name): int(value) for name, value in steps["n"].items()}
    clusters = {str(name): int(value) for name, value in steps["n_clusters"].dropna().items()}
    rows = []
    for step, (words, prefix) in chain.items():
        left = {
            reason: number[f"{prefix}{reason}"]
            for reason in ("missing", "indeterminate", "excluded_by_policy")
            if prefix and f"{prefix}{reason}" in number
        }
        aside = "\n".join(f"{n} {reason.replace('_', ' ')}" for reason, n in left.items() if n)
        lesions, brains = counted(number[step], "lesion"), counted(clusters[step], "brain")
        rows.append({"text": f"{words}\n{lesions}, {brains}", "aside": aside})
    return pd.DataFrame(rows)


def class_counts(
    confusion: pd.DataFrame, mapping: Mapping[str, tuple[str, ...]], unmapped: str
) -> pd.DataFrame:
    """Count right and wrong readings per brain, one class against the rest.

    Parameters
    ----------
    confusion
        brain_id, index_test, reference_standard, n.
    mapping
        Reference class -> levels of the index test that mean it.
    unmapped
        "negative" or "exclude": what a level that no class claims counts as.

    Returns
    -------
    DataFrame
        class, measure (sensitivity or specificity), cluster, numerator, denominator; readings
        that are missing or indeterminate left out.
    """
    claimed = {level for levels in mapping.values() for level in levels}
    read = confusion[
        ~confusion["index_test"].isin(UNREAD) & confusion["reference_standard"].isin(mapping)
    ]
    if unmapped == "exclude":
        read = read[read["index_test"].isin(claimed)]
    records = []
    for name, levels in mapping.items():
        positive, diseased = read["index_test"].isin(levels), read["reference_standard"] == name
        for measure, among, right in (
            ("sensitivity", diseased, positive),
            ("specificity", ~diseased, ~positive),
        ):
            for brain in dict.fromkeys(read["brain_id"]):
                mine = among & (read["brain_id"] == brain)
                records.append(
                    {
                        "class": name,
                        "measure": measure,
                        "cluster": brain,
                        "numerator": int(read.loc[mine & right, "n"].sum()),
                        "denominator": int(read.loc[mine, "n"].sum()),
                    }
                )
    return pd.DataFrame(records)
