"""The rule that proposes types, at and around its thresholds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import UsageError
from qsmstats.schemas import load_schema
from qsmstats.settings import LesionTypeRule
from qsmstats.voxels.features import extract_features
from qsmstats.voxels.lesion_types import disputed_lesions, suggest_lesion_types, type_confusion

from .phantoms import balls, image

RULE = LesionTypeRule(rim=1.0, edge=0.25, level=0.75)


MANY = {"n_shell": 10**8, "n_core": 10**8, "n_ring": 10**8, "n_valid": 2 * 10**8}


def features(*lesions, **counts):
    """Return rows of one session; each lesion is (shell - core, shell - ring, mean - ring).

    By default of so many voxels that noise plays no part.
    """
    rows = [
        {
            "participant_id": "sub-01",
            "session_id": "ses-1",
            "region": "lesion",
            "label": label,
            "map": "susceptibility_ppb",
            "shell_core_z": contrast,
            "shell_ring_z": edge,
            "z": 0.5 + level,
            "ring_z": 0.5,
            **(MANY | counts),
        }
        for label, (contrast, edge, level) in enumerate(lesions, start=1)
    ]
    others = [dict(rows[0], map="mwf_percent"), dict(rows[0], region="nawm", label=pd.NA)]
    return pd.DataFrame(rows + others).astype({"label": "Int64"})


CASES = [
    ((1.0, 0.25, 0.1), "paramagnetic_rim", 0.0),
    ((1.5, 0.9, 5.0), "paramagnetic_rim", 0.5),
    ((3.0, 0.35, 0.0), "paramagnetic_rim", 0.1),
    ((-1.2, -0.5, 0.0), "hypointense_rim", 0.2),
    ((-1.2, 0.7, 2.0), "hypointense_rim", 0.05),
    # The shell is bright, if less so than the core: bright throughout.
    ((-1.2, 0.9, 1.5), "hyperintense", 0.15),
    ((0.0, 0.0, 0.8), "hyperintense", 0.05),
    ((0.9, 1.0, 0.8), "hyperintense", 0.05),
    ((0.0, 0.0, -1.0), "hypointense", 0.25),
    ((0.0, 0.0, 0.0), "isointense", 0.75),
    ((0.0, 0.0, 0.7), "isointense", 0.05),
    ((0.98, 0.5, 0.0), "isointense", 0.02),
    ((np.nan, 2.0, 0.2), "isointense", 0.55),
    ((np.nan, 2.0, -2.0), "hypointense", 1.25),
]


@pytest.mark.parametrize(("lesion", "expected", "margin"), CASES)
def test_the_rule_and_its_margin(lesion, expected, margin):
    suggested = suggest_lesion_types(features(lesion), rule=RULE).iloc[0]
    assert suggested["suggested_type"] == expected
    assert suggested["margin"] == pytest.approx(margin, abs=1e-12)
    assert suggested["decided"] == (margin > 0)
    assert suggested["basis"] == ("mean" if np.isnan(lesion[0]) else "rim and mean")


def test_the_margin_is_what_it_takes_to_change_the_suggestion():
    rng = np.random.default_rng(0)
    lesions = rng.normal(0, 1.2, (200, 3))
    first = suggest_lesion_types(features(*lesions), rule=RULE)
    for sign in np.array(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1])).T.reshape(-1, 3):
        moved = lesions + sign * (first["margin"].to_numpy()[:, None] - 1e-9)
        again = suggest_lesion_types(features(*moved), rule=RULE)
        assert (again["suggested_type"] == first["suggested_type"]).all()


def test_a_core_of_few_voxels_shows_no_rim_by_chance():
    # With 20 voxels of shell and one of core the standard error is 1.02.
    few = {"n_shell": 20, "n_core": 1, "n_ring": 40, "n_valid": 21}
    lesions = [(3.0, 0.5, 0.0), (-3.0, 0.0, 0.0), (3.1, 0.5, 0.0), (-3.1, 0.0, 0.0)]
    suggested = suggest_lesion_types(features(*lesions, **few))
    expected = ["isointense", "isointense", "paramagnetic_rim", "hypointense_rim"]
    assert suggested["suggested_type"].tolist() == expected
    large = suggest_lesion_types(features(*lesions, **few | {"n_core": 20}))
    assert large["suggested_type"].tolist() == expected[2:] * 2
    careless = suggest_lesion_types(features(*lesions, **few), rule=LesionTypeRule(rim_noise=0))
    assert careless["suggested_type"].tolist() == expected[2:] * 2
    bold = suggest_lesion_types(features(*lesions, **few), rule=LesionTypeRule(decided=0))
    assert bold["decided"].all()


@pytest.mark.parametrize(
    ("lesion", "margin", "margin_se"),
    [
        # Mean minus ring: sqrt(1 / 25 + 1 / 100); with the core, shell minus core is further off.
        ((np.nan, 0.3, 1.5), 0.5, 0.5 / np.sqrt(0.05)),
        ((np.nan, 0.3, 0.5), 0.5, 0.5 / np.sqrt(0.05)),
        ((np.nan, 0.3, -1.1), 0.1, 0.1 / np.sqrt(0.05)),
        # Shell minus core: sqrt(1 / 16 + 1 / 9) = 5 / 12; three of them are 1.25.
        ((2.25, 1.5, 0.9), 1.0, 1.0 * 12 / 5),
        # The edge decides: sqrt(1 / 16 + 1 / 100).
        ((3.0, 0.5, 0.0), 0.25, 0.25 / np.sqrt(0.0725)),
    ],
)
def test_margins_are_told_in_standard_errors(lesion, margin, margin_se):
    counts = {"n_shell": 16, "n_core": 9, "n_ring": 100, "n_valid": 25}
    suggested = suggest_lesion_types(features(lesion, **counts)).iloc[0]
    assert suggested["margin"] == pytest.approx(margin)
    assert suggested["margin_se"] == pytest.approx(margin_se)
    assert suggested["decided"] == (margin_se >= 2)


def test_noise_alone_makes_few_rims_and_decides_for_fewer():
    """Lesions that are NAWM: shell, core and ring are means of unit normal voxels."""
    rng = np.random.default_rng(8)
    n = 4000
    for core in (1, 5, 40):
        counts = {"n_shell": 20, "n_core": core, "n_ring": 40, "n_valid": 20 + core}
        shell, inner, ring = (rng.normal(0, 1 / np.sqrt(k), n) for k in (20, core, 40))
        mean = (20 * shell + core * inner) / (20 + core)
        lesions = np.column_stack([shell - inner, shell - ring, mean - ring])
        suggested = suggest_lesion_types(features(*lesions, **counts))
        rims = suggested["suggested_type"].astype(str).str.endswith("rim")
        # Three standard errors on either side are exceeded by 0.27 % of normal values, 11 of 4000;
        # three times the root of that allows for chance.
        assert rims.sum() <= 21
        wrong = suggested["decided"] & (suggested["suggested_type"] != "isointense")
        assert wrong.mean() < 0.001


def test_undecided_suggestions_dispute_no_rater():
    counts = {"n_shell": 16, "n_core": 9, "n_ring": 100, "n_valid": 25}
    measured = features((0.0, 0.0, 1.3), (0.0, 0.0, 1.5), **counts)
    lesions = pd.DataFrame(
        {
            "participant_id": "sub-01",
            "session_id": "ses-1",
            "label": pd.array([1, 2], dtype="Int64"),
            "lesion_type": "isointense",
        }
    )
    assert disputed_lesions(measured, lesions)["label"].tolist() == [2]
    confusion = type_confusion(measured, lesions).set_index(["lesion_type", "suggested_type"])
    assert confusion.loc[("isointense", "hyperintense"), ["n", "n_decided"]].tolist() == [2, 1]


def test_types_are_the_schemas():
    suggested = suggest_lesion_types(features((0, 0, 0)))
    levels = load_schema("lesions").column("lesion_type").levels
    assert suggested["suggested_type"].cat.categories.tolist() == list(levels)
    assert len(suggested) == 1


def test_thresholds_move_the_suggestion():
    lesion = features((1.2, 1.0, 0.0))
    assert suggest_lesion_types(lesion).iloc[0]["suggested_type"] == "paramagnetic_rim"
    strict = LesionTypeRule(rim=2.0)
    assert suggest_lesion_types(lesion, rule=strict).iloc[0]["suggested_type"] == "isointense"


def test_without_nawm_nothing_is_suggested():
    suggested = suggest_lesion_types(features((np.nan, np.nan, np.nan)))
    assert suggested["suggested_type"].isna().all()
    assert suggested[["margin", "margin_se"]].isna().all(axis=None)
    assert not suggested["decided"].any()


def test_the_basic_table_is_not_enough(labels, values):
    basic = extract_features(image(labels), {"susceptibility_ppb": image(values)}, basic=True)
    with pytest.raises(UsageError, match="features has no column 'z'; the rule needs the full"):
        suggest_lesion_types(basic)


def test_disputed_lesions_name_both_types_and_change_no_rating():
    measured = features((1.5, 2.0, 0.0), (0, 0, 0), (0, 0, 2.0), (0, 0, 0))
    lesions = pd.DataFrame(
        {
            "participant_id": "sub-01",
            "session_id": "ses-1",
            "label": pd.array([1, 2, 3, 4], dtype="Int64"),
            "lesion_type": ["isointense", "isointense", "hypointense", None],
        }
    )
    before = lesions.copy()
    disputed = disputed_lesions(measured, lesions, rule=RULE)
    assert disputed["label"].tolist() == [3, 1]
    assert disputed["suggested_type"].tolist() == ["hyperintense", "paramagnetic_rim"]
    assert disputed["lesion_type"].tolist() == ["hypointense", "isointense"]
    pd.testing.assert_frame_equal(lesions, before)


def test_confusion_counts_every_pair_of_types():
    measured = features((1.5, 2.0, 0.0), (0, 0, 0), (0, 0, 2.0), (0, 0, 0))
    lesions = pd.DataFrame(
        {
            "participant_id": "sub-01",
            "session_id": "ses-1",
            "label": pd.array([1, 2, 3, 4], dtype="Int64"),
            "lesion_type": ["isointense", "isointense", "hyperintense", None],
        }
    )
    confusion = type_confusion(measured, lesions).set_index(["lesion_type", "suggested_type"])
    assert len(confusion) == 25
    assert confusion["n"].sum() == 3
    assert confusion.loc[("isointense", "paramagnetic_rim"), "share"] == 0.5
    assert confusion.loc[("isointense", "isointense"), "n"] == 1
    assert confusion.loc[("hyperintense", "hyperintense"), "share"] == 1
    assert confusion.loc["paramagnetic_rim", "share"].isna().all()


def test_drawn_rims_are_found_in_the_voxels():
    shape, centre = (40, 40, 40), (20, 20, 20)
    squared = ((np.indices(shape).T - centre) ** 2).T.sum(axis=0)
    lesion = balls(shape, [centre], [6])
    noise = np.random.default_rng(1).normal(0, 6, shape)
    rim = (squared <= 36) & (squared > 16)
    core = squared <= 16
    drawn = {
        "paramagnetic_rim": 12.0 * rim,
        "hypointense_rim": -12.0 * rim,
        "hyperintense": 12.0 * (rim | core),
        "hypointense": -12.0 * (rim | core),
        "isointense": 0.0 * rim,
    }
    for expected, signal in drawn.items():
        rows = extract_features(
            image(lesion, np.eye(4)),
            {"susceptibility_ppb": image(noise - 20 + signal, np.eye(4))},
            tissue=image(np.ones(shape, np.uint8), np.eye(4)),
        )
        assert suggest_lesion_types(rows).iloc[0]["suggested_type"] == expected
