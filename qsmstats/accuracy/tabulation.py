"""Tables required by STARD 2015: cross tabulation and the counts of the flow diagram.

Items 19 (flow of participants), 21-22 (who was tested, who was not) and 23 (cross tabulation
of index test and reference standard, with missing and indeterminate results).

References
----------
Bossuyt PM et al. (2015) BMJ 351:h5527.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from qsmstats.accuracy.pairing import EXCLUDED, INDETERMINATE, MISSING, NEGATIVE, Pairs
from qsmstats.arrays import Flags

__all__ = ["cross_tabulation", "flow_counts"]


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
