"""Layer profiles of lesion types: means by depth, with intervals that know of participants.

A layer's value is the lesion's mean in that layer minus the median of its session's NAWM. Lesions
of one participant are averaged first; the interval is Student's t over the participants' means,
so that a participant with many lesions counts as much as one with few.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from scipy.stats import t

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.plot.answers import with_columns

__all__ = ["layer_profiles"]

SESSION = ["participant_id", "session_id"]
# Fewer participants than this have no interval worth drawing.
FEWEST = 3


def layer_profiles(
    features: pd.DataFrame, lesions: pd.DataFrame, *, outcome: str, layer_mm: float, level: float
) -> pd.DataFrame:
    """Average one map by layer and lesion type.

    Parameters
    ----------
    features
        Rows of features.tsv: participant_id, session_id, region, label, map, median, n_core,
        ring_mean, layer_1_mean, ...
    lesions
        Lesions to use: participant_id, session_id, label, lesion_type.
    outcome
        The map.
    layer_mm
        Depth of one layer.
    level
        Confidence level.

    Returns
    -------
    DataFrame
        lesion_type, depth_mm (upper end of the layer; 0 for the ring around the lesion), mean,
        conf_low, conf_high, n_participants, n_lesions; layers of fewer than three participants
        are left out, and so are lesions without a core, which have no depth to speak of.

    Raises
    ------
    InvalidDataError
        If a table lacks a column, or the features are not of this map.
    """
    needed = ("map", "region", *SESSION, "label", "median", "n_core")
    with_columns(features, *needed, name="features")
    with_columns(lesions, *SESSION, "label", "lesion_type", name="lesions")
    rows = features[features["map"] == outcome]
    if rows.empty:
        problem = f"holds no '{outcome}'; it holds {', '.join(map(str, features['map'].unique()))}"
        raise InvalidDataError([Problem(table="features", column="map", problem=problem)])
    reference = rows.loc[rows["region"] == "nawm", [*SESSION, "median"]]
    inside = rows[(rows["region"] == "lesion") & (rows["n_core"] > 0)]
    inside = inside.merge(reference.rename(columns={"median": "nawm"}), on=SESSION)
    inside = inside.merge(lesions[[*SESSION, "label", "lesion_type"]], on=[*SESSION, "label"])
    columns = {"ring_mean": 0.0} | {
        name: int(number[1]) * layer_mm
        for name in inside.columns
        if (number := re.fullmatch(r"layer_(\d+)_mean", name))
    }
    long = inside.melt(
        ["participant_id", "lesion_type", "nawm"], list(columns), var_name="layer"
    ).dropna(subset=["value", "lesion_type"])
    long["value"] -= long["nawm"]
    long["depth_mm"] = long["layer"].map(columns)
    cell = ["lesion_type", "depth_mm"]
    within = long.groupby([*cell, "participant_id"], observed=True)["value"]
    each = within.agg(["mean", "size"]).reset_index()
    table = each.groupby(cell, observed=True).agg(
        mean=("mean", "mean"),
        sd=("mean", "std"),
        n_participants=("mean", "size"),
        n_lesions=("size", "sum"),
    )
    table = table[table["n_participants"] >= FEWEST].reset_index()
    n = table["n_participants"].to_numpy(dtype=np.float64)
    half = t.isf((1 - level) / 2, n - 1) * table["sd"] / np.sqrt(n)
    table["conf_low"], table["conf_high"] = table["mean"] - half, table["mean"] + half
    return table.drop(columns="sd")
