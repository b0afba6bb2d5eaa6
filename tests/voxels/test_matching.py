"""Lesions of two visits, drawn for each relation; overlaps against SimpleITK."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmstats.errors import ImageError, UsageError
from qsmstats.voxels.matching import RELATIONS, match_lesions

from .phantoms import AFFINE, balls, image

VOXEL = abs(np.linalg.det(AFFINE[:3, :3]))


def row(**boxes):
    """Return a volume of 40 x 4 x 4 with one slab per label: ``l3=(5, 9)`` fills 5 to 8."""
    volume = np.zeros((40, 4, 4), dtype=np.int16)
    for name, (first, last) in boxes.items():
        volume[first:last, 1:3, 1:3] = int(name[1:])
    return volume


def match(first, second, **options):
    return match_lesions(image(first), image(second), **options)


def relations(frame):
    keys = frame[["label_a", "label_b"]].astype(object).where(frame[["label_a", "label_b"]].notna())
    pairs = [tuple(None if pd.isna(x) else int(x) for x in pair) for pair in keys.to_numpy()]
    return dict(zip(pairs, frame["relation"], strict=True))


def test_same_new_and_gone():
    frame = match(row(l1=(2, 8), l2=(20, 24)), row(l7=(3, 9), l9=(30, 33)))
    assert relations(frame) == {(1, 7): "same", (2, None): "gone", (None, 9): "new"}
    same = frame.iloc[0]
    assert (same["n_a"], same["n_b"], same["n_overlap"]) == (24, 24, 20)
    assert same["overlap"] == same["dice"] == pytest.approx(20 / 24)
    assert same["iou"] == pytest.approx(20 / 28)
    assert same["centroid_distance_mm"] == pytest.approx(0.9)
    assert same["volume_change_mm3"] == 0
    gone, new = frame.iloc[1], frame.iloc[2]
    assert gone["volume_change_mm3"] == pytest.approx(-16 * VOXEL)
    assert gone["volume_change_percent"] == -100
    assert new["volume_change_mm3"] == pytest.approx(12 * VOXEL)
    assert np.isnan(new["volume_change_percent"])
    assert np.isnan(new["centroid_distance_mm"])
    assert gone["n_overlap"] == gone["dice"] == 0
    assert frame["group"].nunique() == 3


def test_merged_and_split():
    two, one = row(l1=(2, 8), l2=(9, 13)), row(l5=(2, 14))
    merged = match(two, one)
    assert relations(merged) == {(1, 5): "merged", (2, 5): "merged"}
    assert merged["group"].tolist() == [1, 1]
    # Of the whole group: 12 slices of 4 voxels after, 10 before.
    np.testing.assert_allclose(merged["volume_change_mm3"], 2 * 4 * VOXEL)
    np.testing.assert_allclose(merged["volume_change_percent"], 20)
    split = match(one, two)
    assert relations(split) == {(5, 1): "split", (5, 2): "split"}
    np.testing.assert_allclose(split["volume_change_mm3"], -2 * 4 * VOXEL)


def test_a_few_shared_voxels_tie_nothing():
    # Both moved by one slice: lesion 2 now has one slice in common with 1.
    frame = match(row(l1=(2, 8), l2=(8, 14)), row(l1=(3, 9), l2=(9, 15)))
    assert relations(frame) == {(1, 1): "same", (2, 2): "same"}


def test_growth_and_shrinkage_do_not_part_a_lesion():
    small, large = row(l1=(10, 12)), row(l4=(4, 24))
    frame = match(small, large)
    assert relations(frame) == {(1, 4): "same"}
    assert frame["dice"][0] < 0.25
    assert frame["volume_change_percent"][0] == pytest.approx(900)
    assert relations(match(large, small)) == {(4, 1): "same"}


def test_several_tied_to_several_are_assigned_one_to_one():
    # 1 and 2 became 5 and 6; each new one shares a quarter with the other old one.
    frame = match(row(l1=(0, 8), l2=(8, 16)), row(l5=(2, 10), l6=(10, 16)), min_overlap=0.2)
    assert relations(frame) == {(1, 5): "same", (2, 6): "same"}


def test_a_chain_is_merged_and_split():
    # 1 has split into 5 and 6, 2 and 3 have merged into 6, and 6 goes best with 1.
    first = row(l1=(0, 14), l2=(14, 17), l3=(17, 20))
    frame = match(first, row(l5=(0, 4), l6=(5, 20)))
    assert relations(frame) == {
        (1, 5): "split",
        (1, 6): "merged_and_split",
        (2, 6): "merged",
        (3, 6): "merged",
    }
    assert frame["group"].tolist() == [1, 1, 1, 1]


def test_overlaps_equal_simple_itk(labels):
    second = balls(labels.shape, [(5, 6, 7), (15, 14, 11), (18, 15, 11)], [1, 3, 2.3]) * 10
    found = match(labels, second).dropna(subset=["label_a", "label_b"])
    assert len(found) == 3
    measure = SimpleITK.LabelOverlapMeasuresImageFilter()
    for _, pair in found.iterrows():
        masks = [labels == pair["label_a"], second == pair["label_b"]]
        measure.Execute(*(SimpleITK.GetImageFromArray(m.astype(np.uint8)) for m in masks))
        assert pair["dice"] == pytest.approx(measure.GetDiceCoefficient(), rel=1e-12)
        assert pair["iou"] == pytest.approx(measure.GetJaccardCoefficient(), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    first=hnp.arrays(np.int16, (6, 4, 3), elements=st.sampled_from([0, 0, 1, 2, 3])),
    second=hnp.arrays(np.int16, (6, 4, 3), elements=st.sampled_from([0, 0, 4, 5, 6])),
    share=st.sampled_from([0.05, 0.25, 0.5, 1.0]),
)
def test_every_lesion_is_accounted_for_and_time_runs_both_ways(first, second, share):
    frame = match(first, second, min_overlap=share)
    assert set(frame["label_a"].dropna()) == set(first[first > 0])
    assert set(frame["label_b"].dropna()) == set(second[second > 0])
    assert set(frame["relation"]) <= set(RELATIONS)
    degree_a = frame.dropna(subset=["label_b"]).groupby("label_a").size()
    degree_b = frame.dropna(subset=["label_a"]).groupby("label_b").size()
    for label_a, label_b, relation in frame[["label_a", "label_b", "relation"]].to_numpy():
        if relation == "same":
            assert degree_a[label_a] == degree_b[label_b] == 1
    tied = frame.dropna(subset=["label_a", "label_b"])
    assert (tied["overlap"] >= share).all()
    change = frame.drop_duplicates("group")["volume_change_mm3"].sum()
    assert change == pytest.approx(((second > 0).sum() - (first > 0).sum()) * VOXEL, abs=1e-9)
    backwards = match(second, first, min_overlap=share)
    opposite = {"gone": "new", "new": "gone", "merged": "split", "split": "merged"}
    expected = [opposite.get(name, name) for name in frame["relation"]]
    assert sorted(backwards["relation"]) == sorted(expected)


def test_equal_ties_are_assigned_one_to_one():
    first, second = np.zeros((2, 4, 4, 4), dtype=np.int16)
    first[:2, :, :], first[2:, :, :] = 1, 2
    second[:, :2, :], second[:, 2:, :] = 3, 4
    frame = match(first, second)
    assert relations(frame) in (
        {(1, 3): "same", (2, 4): "same"},
        {(1, 4): "same", (2, 3): "same"},
    )


def test_a_visit_matched_with_itself_is_all_the_same(labels):
    frame = match(labels, labels)
    assert (frame["relation"] == "same").all()
    assert (frame["dice"] == 1).all()
    assert (frame["label_a"] == frame["label_b"]).all()


def test_empty_visits():
    empty = row()
    assert match(empty, empty).empty
    assert relations(match(empty, row(l1=(2, 5)))) == {(None, 1): "new"}
    assert relations(match(row(l1=(2, 5)), empty)) == {(1, None): "gone"}


def test_another_grid_is_an_error(labels):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    with pytest.raises(ImageError, match="another grid"):
        match_lesions(image(labels), image(labels, moved))


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_outside_its_bounds(labels, share):
    with pytest.raises(UsageError, match=f"min_overlap is {share}"):
        match(labels, labels, min_overlap=share)
