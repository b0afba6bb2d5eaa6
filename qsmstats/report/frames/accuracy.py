"""What the histology section draws: the frames of the accuracy study, put into other shapes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.accuracy.proportions import INDEPENDENT, RECOMMENDED
from qsmstats.plot.agreement import RATES
from qsmstats.wording.names import figure_name, short_title
from qsmstats.wording.numbers import counted

__all__ = [
    "main_rows",
    "reading_steps",
    "result_branches",
    "unread_excluded",
]

# Why a reading is not analysed, in words.
LEFT = {
    "missing": "missing",
    "indeterminate": "indeterminate",
    "excluded_by_policy": "excluded beforehand",
}


def main_rows(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return one row per class and rate: counts, share, and one interval.

    Parameters
    ----------
    accuracy
        Frame of `qsmstats.diagnostic_accuracy`.

    Returns
    -------
    DataFrame
        class, measure, numerator, denominator, share, n, n_clusters, low, high, method and
        recommended: the interval of the recommended method, or of the one that takes lesions as
        independent where none is recommended; lesions without both readings left out.
    """
    if accuracy.empty:
        return pd.DataFrame()
    rows = accuracy[accuracy["measure"].isin([*RATES, "ppv", "npv"]) & unread_excluded(accuracy)]
    records = []
    for (name, measure), part in rows.groupby(["class_", "measure"], sort=False):
        roles = part.drop_duplicates("role").set_index("role")
        recommended = (
            RECOMMENDED in roles.index and roles.loc[[RECOMMENDED], "conf_low"].notna().all()
        )
        role = RECOMMENDED if recommended else INDEPENDENT
        used = roles.loc[role] if role in roles.index else part.iloc[0]
        cases = used["denominator"]
        records.append(
            {
                "class": name,
                "measure": measure,
                **used[["numerator", "denominator", "n", "n_clusters", "method"]],
                "share": used["numerator"] / cases if cases else np.nan,
                "low": used["conf_low"],
                "high": used["conf_high"],
                "recommended": recommended,
            }
        )
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
        Columns text and aside, as `plot.flow` takes them; empty where a step is missing.
    """
    chain = {
        "eligible": ("eligible", "index_"),
        "index_read": ("index test read", "reference_"),
        "analysed": ("index test and reference standard read", ""),
    }
    steps = flow.drop_duplicates("step").set_index("step")
    if not set(chain) <= set(steps.index):
        return pd.DataFrame()
    number = {str(name): int(value) for name, value in steps["n"].items()}
    clusters = {str(name): int(value) for name, value in steps["n_clusters"].dropna().items()}
    rows = []
    for step, (words, prefix) in chain.items():
        left = {
            reason: number[f"{prefix}{reason}"]
            for reason in LEFT
            if prefix and f"{prefix}{reason}" in number
        }
        aside = "\n".join(f"{n} {LEFT[reason]}" for reason, n in left.items() if n)
        lesions, brains = counted(number[step], "lesion"), counted(clusters[step], "brain")
        rows.append({"text": f"{words}\n{lesions}, {brains}", "aside": aside})
    return pd.DataFrame(rows)


def result_branches(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the lower boxes of the STARD diagram: a result on QSM, and histology below it.

    Parameters
    ----------
    counts
        Lesions analysed: index_class, reference_class, n.

    Returns
    -------
    DataFrame
        Columns result and outcome (texts), one row per class of the index test; a class that
        neither reading names is left out.
    """
    if counts.empty:
        return pd.DataFrame(columns=["result", "outcome"])
    wide = counts.pivot_table(
        index="index_class", columns="reference_class", values="n", sort=False
    ).astype(int)
    named = [name for name in wide.index if wide.loc[name].any() or wide[name].any()]
    seen = [name for name in named if wide[name].any()]
    rows = []
    for name in named:
        found = [f"{_name(other)} {wide.loc[name, other]}" for other in seen]
        total = counted(int(wide.loc[name].sum()), "lesion")
        rows.append(
            {
                "result": f"read as\n{_name(name)}\n{total}",
                "outcome": "\n".join(["histology", *found]),
            }
        )
    return pd.DataFrame(rows)


def _name(level: object) -> str:
    return figure_name(short_title(str(level)), 20, lines=1)
