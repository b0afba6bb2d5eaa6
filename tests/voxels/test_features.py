"""The table of features against masks in numpy, over whole volumes, voxel by voxel."""

from __future__ import annotations

import itertools
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from qsmstats.errors import ImageError, UsageError
from qsmstats.schemas import load_schema, map_schemas
from qsmstats.settings import FeatureSettings
from qsmstats.voxels.feature_table import FLAGS
from qsmstats.voxels.features import extract_features

from .phantoms import AFFINE, balls, image

SPACING = np.linalg.norm(AFFINE[:3, :3], axis=0)
MAP = "mwf_percent"
DISTANCES = FeatureSettings(shell_mm=1.4, ring_mm=2.2, nawm_distance_mm=3.1, layer_mm=1.0)


def brute(labels, values, mask, distances, others=()):
    """Return the features by whole-volume masks and distance transforms, one row per lesion."""
    rows = {}
    present = np.unique(labels[labels > 0])
    # Padding, so that what lies beyond the volume is outside the lesion.
    inside = {
        label: ndimage.distance_transform_edt(np.pad(labels == label, 1), sampling=SPACING)[
            1:-1, 1:-1, 1:-1
        ]
        for label in present
    }
    outside = {
        label: ndimage.distance_transform_edt(labels != label, sampling=SPACING)
        for label in present
    }
    nearest = np.min([outside[label] for label in present], axis=0)
    far = mask.astype(bool) & (nearest >= distances.nawm_distance_mm)
    for other in others:
        far &= ndimage.distance_transform_edt(other == 0, SPACING) >= distances.nawm_distance_mm
    median = np.median(values[far])
    spread = 1.4826022185056018 * np.median(np.abs(values[far] - median))
    taken = np.zeros(labels.shape, dtype=bool)
    for label in present:
        depth = inside[label]
        shell, core = (depth > 0) & (depth <= distances.shell_mm), depth > distances.shell_mm
        ring = (outside[label] <= distances.ring_mm) & (labels == 0) & (mask > 0) & ~taken
        ring &= outside[label] == nearest
        taken |= ring
        rows[label] = {
            "mean": values[labels == label].mean(),
            "n_shell": shell.sum(),
            "n_core": core.sum(),
            "n_ring": ring.sum(),
            "shell_mean": values[shell].mean(),
            "core_mean": values[core].mean() if core.any() else np.nan,
            "ring_mean": values[ring].mean(),
            "z": (values[labels == label].mean() - median) / spread,
        }
        rows[label]["shell_core"] = rows[label]["shell_mean"] - rows[label]["core_mean"]
        rows[label]["shell_ring_z"] = (
            rows[label]["shell_mean"] - rows[label]["ring_mean"]
        ) / spread
        for layer in range(1, 9):
            within = (depth > layer - 1) & (depth <= layer)
            mean = values[within].mean() if within.any() else np.nan
            rows[label][f"layer_{layer}_mean"] = mean
    return pd.DataFrame(rows).T, far


def lesions(features):
    return features[features["region"] == "lesion"].set_index("label")


def test_layers_rings_and_nawm_equal_whole_volume_masks(labels, values, white_matter):
    other = balls(labels.shape, [(8, 20, 6)], [2])
    found = extract_features(
        image(labels),
        {MAP: image(values)},
        tissue=image(white_matter),
        other_labels=[image(other)],
        settings=DISTANCES,
    )
    values = values.astype(np.float64)
    expected, far = brute(labels, values, white_matter, DISTANCES, [other])
    for name in expected.columns:
        np.testing.assert_allclose(
            lesions(found)[name].astype(float), expected[name].astype(float), rtol=1e-12
        )
    nawm = found[found["region"] == "nawm"].iloc[0]
    assert nawm["n_total"] == far.sum()
    assert nawm["mean"] == pytest.approx(values[far].mean(), rel=1e-12)
    whole = found[found["region"] == "white_matter"].iloc[0]
    assert whole["n_total"] == white_matter.sum()
    assert whole["median"] == pytest.approx(np.median(values[white_matter > 0]), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    labels=hnp.arrays(np.int16, (7, 8, 6), elements=st.sampled_from([0] * 20 + [1, 2, 5])),
    seed=st.integers(0, 1000),
)
def test_every_voxel_belongs_to_one_region_at_most(labels, seed):
    labels[3, 3, 3] = 1
    # Each voxel has a value of its own, so that sums tell which voxels were used.
    values = np.random.default_rng(seed).permutation(labels.size).reshape(labels.shape) + 1.0
    mask = np.random.default_rng(seed).random(labels.shape) < 0.8
    mask[3, 4, 3] = True
    found = extract_features(
        image(labels),
        {"order": image(values)},
        tissue=image(mask.astype(np.uint8)),
        settings=DISTANCES,
    )
    rows = lesions(found)
    for label in rows.index:
        row = rows.loc[label]
        parts = row["n_shell"] * row["shell_mean"]
        parts += row["n_core"] * row["core_mean"] if row["n_core"] else 0
        assert parts == pytest.approx(values[labels == label].sum(), rel=1e-12)
        assert row["n_shell"] + row["n_core"] == (labels == label).sum()
    away = ndimage.distance_transform_edt(labels == 0, sampling=SPACING)
    rings = (labels == 0) & mask & (away <= DISTANCES.ring_mm)
    assert rows["n_ring"].sum() == rings.sum()
    total = (rows["n_ring"] * rows["ring_mean"].fillna(0)).sum()
    assert total == pytest.approx(values[rings].sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("strategy", "column"),
    [("mean", "mean"), ("median", "median"), ("minimum", "min"), ("maximum", "max")],
)
def test_statistics_equal_nilearn(labels, values, strategy, column):
    from nilearn.maskers import NiftiLabelsMasker

    made = image(values.astype(np.float64))
    masker = NiftiLabelsMasker(image(labels), strategy=strategy, standardize=None)
    expected = np.ravel(masker.fit_transform(made))
    found = extract_features(image(labels), {MAP: made})
    np.testing.assert_allclose(found[column], expected, rtol=1e-12)


def test_statistics_equal_simple_itk(labels, values):
    measure = SimpleITK.LabelIntensityStatisticsImageFilter()
    measure.Execute(
        SimpleITK.GetImageFromArray(labels.T.astype(np.uint16)),
        SimpleITK.GetImageFromArray(values.T.astype(np.float64)),
    )
    found = lesions(extract_features(image(labels), {MAP: image(values)}))
    assert list(measure.GetLabels()) == np.unique(labels[labels > 0]).tolist() != []
    for label in measure.GetLabels():
        assert found.loc[label, "mean"] == pytest.approx(measure.GetMean(label), rel=1e-12)
        assert found.loc[label, "min"] == measure.GetMinimum(label)
        assert found.loc[label, "max"] == measure.GetMaximum(label)
        if label > 1:  # one voxel has no standard deviation; SimpleITK says 0
            # Its variance is that of sums of squares, which cancel: 1e-12 of the mean's square.
            sd = measure.GetStandardDeviation(label)
            assert found.loc[label, "sd"] == pytest.approx(sd, rel=1e-10)


def test_columns_and_types_are_those_of_the_schema(labels, values, white_matter):
    found = extract_features(image(labels), {MAP: image(values)}, tissue=image(white_matter))
    expected = [field.name for field in load_schema("features").fields if not field.optional]
    assert ["participant_id", "session_id", *found.columns] == expected
    assert found["label"].dtype == "Int64"
    assert found["touches_border"].dtype == "boolean"
    assert found["region"].tolist() == ["lesion"] * 4 + ["nawm", "white_matter"]
    assert found["label"].isna().tolist() == [False] * 4 + [True] * 2


def test_rows_of_a_region_stand_together_map_by_map(labels, values):
    found = extract_features(image(labels), {"b": image(values), "a": image(values * 2)})
    assert found["map"].tolist() == ["b", "a"] * 4
    assert found["label"].tolist() == list(np.repeat([1, 2, 3, 4], 2))


def test_basic_table_holds_the_same_numbers_without_surroundings(labels, values, white_matter):
    full = extract_features(image(labels), {MAP: image(values)}, tissue=image(white_matter))
    basic = extract_features(image(labels), {MAP: image(values)}, basic=True)
    shared = [name for name in basic.columns if name != "flags"]
    assert "shell_mean" not in shared
    pd.testing.assert_frame_equal(basic[shared], full[shared].iloc[:4])


def test_paths_and_images_give_the_same_rows(labels, values, white_matter, save):
    compressed = extract_features(
        save(labels, "l.nii.gz"),
        {MAP: save(values, "m.nii.gz")},
        tissue=save(white_matter, "t.nii.gz"),
    )
    mapped = extract_features(
        save(labels, "l.nii"), {MAP: save(values, "m.nii")}, tissue=save(white_matter, "t.nii")
    )
    loaded = extract_features(
        nib.load(save(labels, "l.nii.gz")),
        {MAP: nib.load(save(values, "m.nii.gz"))},
        tissue=nib.load(save(white_matter, "t.nii.gz")),
    )
    memory = extract_features(image(labels), {MAP: image(values)}, tissue=image(white_matter))
    for other in (mapped, loaded):
        pd.testing.assert_frame_equal(compressed, other, check_exact=True)
    # Files hold the affine in single precision.
    pd.testing.assert_frame_equal(compressed, memory, rtol=1e-6)


def test_no_lesions_give_the_white_matter_alone(values, white_matter):
    empty = np.zeros_like(white_matter)
    rows = extract_features(image(empty), {MAP: image(values)}, tissue=image(white_matter))
    assert rows["region"].tolist() == ["white_matter"]
    assert rows["flags"].tolist() == ["labels_empty;out_of_range"]
    again = extract_features(None, {MAP: image(values)}, tissue=image(white_matter))
    assert again["flags"].tolist() == ["out_of_range"]
    pd.testing.assert_frame_equal(rows.drop(columns="flags"), again.drop(columns="flags"))


def test_lesions_of_another_session_alone_still_make_nawm(values, white_matter):
    other = balls(white_matter.shape, [(12, 12, 10)], [3])
    rows = extract_features(
        None, {MAP: image(values)}, tissue=image(white_matter), other_labels=[image(other)]
    )
    assert rows["region"].tolist() == ["nawm", "white_matter"]
    assert rows["n_total"][0] < rows["n_total"][1]


def test_no_region_at_all_is_an_empty_table(values):
    rows = extract_features(image(np.zeros(values.shape, np.int16)), {MAP: image(values)})
    assert rows.empty
    assert "shell_mean" in rows.columns


def test_values_come_in_the_canonical_unit(labels, values):
    percent = lesions(extract_features(image(labels), {MAP: image(values)}))
    fraction = lesions(
        extract_features(image(labels), {MAP: image(values / 100)}, units={MAP: "fraction"})
    )
    # float32 fractions: 24 bits.
    for name in ("mean", "sd", "shell_mean", "layer_1_mean", "p95"):
        np.testing.assert_allclose(fraction[name], percent[name], rtol=1e-6)


WRONG_UNITS = [
    ("susceptibility_ppb", "ppm", 12.0),
    ("susceptibility_ppb", "ppb", 0.012),
    ("mwf_percent", "fraction", 11.0),
    ("mwf_percent", "percent", 0.11),
    ("ndi", "fraction", 60.0),
    ("ndi", "percent", 0.6),
]


@pytest.mark.parametrize("with_mask", [True, False])
@pytest.mark.parametrize(("name", "unit", "value"), WRONG_UNITS)
def test_a_unit_that_the_values_contradict_is_an_error(
    labels, white_matter, name, unit, value, with_mask
):
    rng = np.random.default_rng(0)
    values = value * rng.normal(1, 0.2, labels.shape)
    tissue = image(white_matter) if with_mask else None
    with pytest.raises(ImageError, match="contradicts the unit") as caught:
        extract_features(image(labels), {name: image(values)}, tissue=tissue, units={name: unit})
    schema = map_schemas()[name]
    low, high = schema.median_abs_low, schema.median_abs_high
    message = str(caught.value)
    assert f"the unit '{unit}' declared for {name}: in that unit" in message
    assert f"where {low:g} to {high:g} {schema.unit} is plausible" in message
    # The value is that of the statistic named, in the canonical unit, and outside those bounds.
    said = re.search(r"the (median|95th percentile) of .* is (\S+) \w+, too (small|large)", message)
    assert (said[1] == "median") == (with_mask or said[3] == "large")
    assert float(said[2]) < low if said[3] == "small" else float(said[2]) > high
    others = [other for other in map_schemas()[name].units if other != unit]
    assert f"declare '{others[0]}' if that is the unit of the file" in message
    right = extract_features(
        image(labels), {name: image(values)}, tissue=tissue, units={name: others[0]}
    )
    assert len(right)


def test_lesions_without_myelin_do_not_contradict_percent(labels):
    values = np.abs(np.random.default_rng(0).normal(0, 1.5, labels.shape))
    rows = extract_features(image(labels), {MAP: image(values)})
    assert (rows["median"] < 1.5).all()


def test_missing_zeros_do_not_count_as_values(labels, values):
    holes = values.copy()
    holes[14, 14, 9:14] = 0
    row = lesions(extract_features(image(labels), {MAP: image(holes)}, missing={MAP: 0})).loc[2]
    kept = holes[(labels == 2) & (holes != 0)].astype(np.float64)
    assert row["n_zero"] == row["n_total"] - row["n_valid"] == 5
    assert row["mean"] == pytest.approx(kept.mean(), rel=1e-12)
    assert row["coverage"] == pytest.approx(len(kept) / row["n_total"])
    assert "partial_coverage" in row["flags"]
    counted = lesions(extract_features(image(labels), {MAP: image(holes)})).loc[2]
    assert counted["n_valid"] == counted["n_total"]
    assert counted["n_zero"] == 5


def test_flags_say_what_was_unusual(labels, values, white_matter):
    values = values.copy()
    values[5, 6, 7] = np.nan
    mask = white_matter.copy()
    mask[:, :, 11:] = 0
    mask[18:, :, :] = 0
    settings = FeatureSettings(shell_mm=0.2, ring_mm=0.2)
    rows = lesions(
        extract_features(image(labels), {MAP: image(values)}, tissue=image(mask), settings=settings)
    )
    flags = rows["flags"].str.split(";")
    assert set().union(*flags) <= FLAGS.keys()
    expected = {
        1: {"one_voxel", "not_measured", "nonfinite_values", "no_core"},
        2: {"touches_lesion", "cut_by_mask"},
        3: {"touches_lesion", "cut_by_mask", "no_ring"},
        4: {"touches_border", "outside_mask", "no_ring"},
    }
    for label, names in expected.items():
        assert names | {"shell_widened", "ring_widened"} == set(flags[label]), label
    assert np.isnan(rows.loc[1, "sd"])
    assert rows.loc[1, "n_nonfinite"] == 1


def test_a_ring_narrower_than_a_voxel_is_one_voxel_wide(labels, values, white_matter):
    narrow = FeatureSettings(ring_mm=0.1, nawm_distance_mm=0.1)
    rows = lesions(
        extract_features(
            image(labels), {MAP: image(values)}, tissue=image(white_matter), settings=narrow
        )
    )
    # The only neighbours at 0.9 mm, the smallest spacing, are those along the first axis.
    assert rows.loc[1, "n_ring"] == 2


def test_without_a_mask_the_rings_are_flagged_and_nothing_stands_against_nawm(labels, values):
    rows = extract_features(image(labels), {MAP: image(values)})
    assert rows["flags"].str.contains("mask_missing").all()
    assert rows["z"].isna().all()
    assert (rows["n_ring"] > 0).all()


def test_a_constant_nawm_places_nothing(labels, white_matter):
    values = np.full(labels.shape, 10.0)
    rows = lesions(
        extract_features(image(labels), {MAP: image(values)}, tissue=image(white_matter))
    )
    assert rows["flags"].str.contains("nawm_unusable").all()
    assert rows["z"].isna().all()


def test_impossible_values_and_deep_lesions_are_flagged(values, white_matter):
    labels = balls(values.shape, [(12, 13, 11)], [10])
    values = values.copy()
    values[12, 13, 11] = 140
    row = extract_features(image(labels), {MAP: image(values)}).iloc[0]
    assert {"out_of_range", "deeper_than_profile"} <= set(row["flags"].split(";"))


def test_lesions_of_a_session_on_another_grid_are_left_out_with_a_flag(
    labels, values, white_matter
):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    rows = extract_features(
        image(labels),
        {MAP: image(values)},
        tissue=image(white_matter),
        other_labels=[image(labels, moved)],
    )
    assert rows["flags"].str.contains("other_session_on_another_grid").all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"maps": {}}, "maps is empty"),
        ({"units": {"ndi": "percent"}}, "units names 'ndi', which is not in maps; correct it"),
        ({"missing": {"ndi": 0}}, "missing names 'ndi'"),
        ({"units": {MAP: "ppm"}}, "'ppm' is not a unit of map 'mwf_percent'; allowed: percent"),
        ({"labels": None}, "neither a label image nor a tissue mask"),
    ],
)
def test_arguments_that_cannot_be_used_are_told(labels, values, arguments, message):
    arguments = {"labels": image(labels), "maps": {MAP: image(values)}} | arguments
    with pytest.raises(UsageError, match=message):
        extract_features(arguments.pop("labels"), arguments.pop("maps"), **arguments)


def test_a_map_of_another_name_keeps_its_values_and_is_judged_by_its_own_range(labels, values):
    maps = {"r2": image(values), "mwf_percent": image(values)}
    rows = extract_features(image(labels), maps, units={"r2": "Hz"}, plausible={"r2": (0, 12)})
    own = rows[rows["map"] == "r2"].reset_index(drop=True)
    known = rows[rows["map"] == "mwf_percent"].reset_index(drop=True)
    np.testing.assert_array_equal(own["mean"], known["mean"])
    outside = own["flags"].str.contains("out_of_range")
    np.testing.assert_array_equal(outside, own["max"] > 12)
    assert outside.any()
    without = extract_features(image(labels), {"r2": image(values * 1e6)}, units={"r2": "Hz"})
    assert not without["flags"].str.contains("out_of_range").any()
    with pytest.raises(ImageError, match="correct the image, or unit and plausible range of r2"):
        extract_features(image(labels), maps, plausible={"r2": (100, 200)})


@pytest.mark.parametrize("order", list(itertools.permutations([1, 7, 70000])))
def test_lesions_come_in_the_order_of_their_labels(order):
    labels = np.zeros((9, 3, 3), dtype=np.int32)
    labels[1, 1, 1], labels[4, 1, 1], labels[7, 1, 1] = order
    values = np.arange(81.0).reshape(9, 3, 3)
    rows = extract_features(image(labels), {"order": image(values)})
    assert rows["label"].tolist() == [1, 7, 70000]
    expected = [values[labels == label][0] for label in (1, 7, 70000)]
    assert rows["mean"].tolist() == expected
