import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.errors import InvalidDataError
from qsmstats.plot.layers import layer_profiles


def made_up(layers):
    """Features of one lesion per row of `layers`: (participant, type, nawm, ring, layer 1, 2)."""
    rows, lesions = [], []
    for number, (participant, kind, nawm, ring, first, second) in enumerate(layers, start=1):
        key = {"participant_id": participant, "session_id": "ses-01", "map": "qsm"}
        rows.append(
            {
                **key,
                "region": "lesion",
                "label": number,
                "n_core": 5,
                "ring_mean": ring,
                "layer_1_mean": first,
                "layer_2_mean": second,
            }
        )
        rows.append({**key, "region": "nawm", "median": nawm})
        lesions.append(
            {
                "participant_id": participant,
                "session_id": "ses-01",
                "label": number,
                "lesion_type": kind,
            }
        )
    features = pd.DataFrame(rows).drop_duplicates(["participant_id", "region", "label"])
    return features, pd.DataFrame(lesions)


def profile(layers, **options):
    features, lesions = made_up(layers)
    return layer_profiles(features, lesions, outcome="qsm", layer_mm=1.5, level=0.95, **options)


def test_each_participant_counts_once_and_the_nawm_is_taken_off():
    table = profile(
        [
            ("a", "rim", 10, 10, 30, 12),
            ("a", "rim", 10, 10, 32, 12),
            ("b", "rim", 20, 20, 44, 20),
            ("c", "rim", 0, 0, 18, np.nan),
        ]
    ).set_index("depth_mm")
    means = [21, 24, 18]
    low, high = stats.t.interval(0.95, 2, np.mean(means), stats.sem(means))
    first = table.loc[1.5]
    assert first["mean"] == pytest.approx(np.mean(means))
    assert (first["conf_low"], first["conf_high"]) == pytest.approx((low, high))
    assert (first["n_participants"], first["n_lesions"]) == (3, 4)
    assert table.loc[0.0, "mean"] == 0
    # The second layer has two participants only: no interval, no point.
    assert list(table.index) == [0.0, 1.5]


def test_lesions_without_a_core_are_left_out():
    features, lesions = made_up([(name, "rim", 0, 0, 1, 1) for name in "abc"])
    features.loc[features["region"] == "lesion", "n_core"] = 0
    assert layer_profiles(features, lesions, outcome="qsm", layer_mm=1, level=0.95).empty


def test_features_of_another_map_or_another_table_are_refused():
    features, lesions = made_up([("a", "rim", 0, 0, 1, 1)])
    with pytest.raises(InvalidDataError, match=r"features.*'map': holds no 'ndi'; it holds qsm"):
        layer_profiles(features, lesions, outcome="ndi", layer_mm=1, level=0.95)
    with pytest.raises(InvalidDataError, match=r"lesions.*'label': is missing"):
        layer_profiles(
            features, lesions.drop(columns="label"), outcome="qsm", layer_mm=1, level=0.95
        )
