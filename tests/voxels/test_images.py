"""Headers: each trap with a file made for it, and its message."""

from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from qsmstats.errors import ImageError
from qsmstats.voxels.features import extract_features
from qsmstats.voxels.grids import Grid
from qsmstats.voxels.images import on_same_grid, open_volume, require_same_grid
from qsmstats.voxels.stream import gather

from .phantoms import AFFINE, image

MAP = "mwf_percent"
NIBABEL_DATA = Path(nib.__file__).parent / "tests" / "data"


def edited(path, change):
    """Rewrite the header bytes of a .nii file through `change(header)`, behind nibabel's checks."""
    raw = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    change(header)
    raw[:348] = header.binaryblock
    path.write_bytes(raw)
    return path


def failure(path):
    with pytest.raises(ImageError) as caught:
        open_volume(path, "map")
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_missing_file(tmp_path):
    assert "no such file" in failure(tmp_path / "nothing.nii.gz")


def test_a_folder_in_place_of_a_file(tmp_path):
    assert "is a folder; name the image file in it" in failure(tmp_path)


def test_a_zero_byte_file(tmp_path):
    path = tmp_path / "empty.nii.gz"
    path.touch()
    assert "is empty (0 bytes)" in failure(path)


def test_a_file_of_other_content(tmp_path):
    path = tmp_path / "text.nii.gz"
    path.write_text("not an image")
    assert "cannot be read as an image" in failure(path)


def test_a_header_cut_short(tmp_path):
    path = tmp_path / "short.nii.gz"
    path.write_bytes(gzip.compress(b"\0" * 100))
    assert "cannot be read as an image" in failure(path)


def test_another_format_than_nifti(tmp_path, values):
    path = tmp_path / "image.hdr"
    nib.save(nib.AnalyzeImage(values, np.eye(4)), path)
    assert "convert it to NIfTI" in failure(path)


def test_a_single_volume_of_four_dimensions_is_a_volume(save, values):
    volume = open_volume(save(values[..., None]), "map")
    assert volume.grid.shape == values.shape


@pytest.mark.parametrize("shape", [(4, 5, 6, 2), (4, 5), (4, 5, 6, 1, 3)])
def test_more_or_less_than_one_volume(save, shape):
    message = failure(save(np.zeros(shape, np.float32)))
    assert f"has shape {' x '.join(map(str, shape))}" in message
    assert f"{shape[-1]} volumes; name one of them" in message or len(shape) < 3


@pytest.mark.parametrize("kind", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_values_that_are_no_real_numbers(save, kind):
    assert "convert it to real numbers of at most 64 bits" in failure(
        save(np.zeros((3, 3, 3), kind))
    )


def test_an_affine_without_extent(save, values):
    def flatten(header):
        header["srow_z"] = header["srow_y"]

    assert "has an unusable affine" in failure(edited(save(values, "flat.nii"), flatten))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_an_affine_that_is_no_place(save, values, value):
    def spoil(header):
        header["srow_x"][0] = value

    assert "has an unusable affine" in failure(edited(save(values, "nan.nii"), spoil))


def test_an_unknown_code_of_units(save, values):
    def spoil(header):
        header["xyzt_units"] = 5

    path = edited(save(values, "units.nii"), spoil)
    assert "xyzt_units holds 5, which is not a NIfTI code" in failure(path)


def test_a_header_that_puts_the_voxels_beyond_the_file(save, values):
    def spoil(header):
        header["vox_offset"] = 1e30

    words = failure(edited(save(values, "offset.nii"), spoil))
    assert "the voxels begin at byte 1e+30, beyond the 64000000 that a header may take" in words


def test_dimensions_beyond_64_bits(tmp_path):
    # 2 ** 21 voxels along each axis, of 8 bytes: 2 ** 66 bytes, which 64 bits count as none.
    header = nib.Nifti2Header()
    header.set_data_dtype(np.float64)
    header["dim"][:4] = (3, 2**21, 2**21, 2**21)
    header["vox_offset"], header["magic"] = 544, nib.Nifti2Header.single_magic
    header["eol_check"] = (13, 10, 26, 10)
    header["pixdim"][1:4] = 1
    path = tmp_path / "huge.nii"
    path.write_bytes(header.binaryblock + b"\0" * 100)
    assert "take 73786976294838206464 bytes, and a file of 640 bytes cannot hold" in failure(path)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("kind", "place", "offset"),
    [
        (nib.Nifti1Image, 108, np.float32(1e9)),
        (nib.Nifti1Image, 108, np.float32(np.nan)),
        (nib.Nifti2Image, 168, np.int64(1e9)),
    ],
)
def test_a_far_offset_of_the_voxels_is_refused_before_nibabel_reads_up_to_it(
    tmp_path, values, monkeypatch, order, kind, place, offset
):
    path = tmp_path / "image.nii.gz"
    nib.save(kind(values, AFFINE, kind.header_class(endianness=order)), path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    written = np.array([offset], dtype=offset.dtype.newbyteorder(order))
    raw[place : place + offset.nbytes] = written.tobytes()
    path.write_bytes(gzip.compress(raw))
    monkeypatch.setattr(nib, "load", None)
    assert f"the voxels begin at byte {offset:.3g}, beyond the" in failure(path)


def test_a_negative_offset_of_the_voxels(tmp_path, values):
    path = tmp_path / "image.nii"
    nib.save(nib.Nifti2Image(values, AFFINE), path)
    raw = bytearray(path.read_bytes())
    raw[168:176] = np.int64(-8).tobytes()
    path.write_bytes(raw)
    assert "cannot be read as an image (vox offset -8 too low" in failure(path)


def test_a_pipe_as_one_half_of_a_pair_never_hangs(tmp_path, values):
    nib.save(nib.Nifti1Pair(values, AFFINE), tmp_path / "image.img")
    for half in ("image.hdr", "image.img"):
        whole = (tmp_path / half).read_bytes()
        (tmp_path / half).unlink()
        os.mkfifo(tmp_path / half)
        for name in ("image.hdr", "image.img"):
            with pytest.raises(ImageError, match=f"{half}: is not a regular file"):
                open_volume(tmp_path / name, "map")
        (tmp_path / half).unlink()
        (tmp_path / half).write_bytes(whole)
    assert open_volume(tmp_path / "image.hdr", "map").grid.shape == values.shape


def test_a_link_to_nothing_and_a_device(tmp_path):
    (tmp_path / "a.nii").symlink_to(tmp_path / "gone.nii")
    assert "no such file" in failure(tmp_path / "a.nii")
    (tmp_path / "b.nii").symlink_to("/dev/zero")
    assert "is not a regular file but a pipe or device" in failure(tmp_path / "b.nii")


def test_a_negative_extent_holds_no_voxel(save, values):
    def spoil(header):
        header["dim"][1] = -3

    words = failure(edited(save(values, "negative.nii"), spoil))
    assert ": it has no voxels; write it again" in words


@pytest.mark.parametrize(("unit", "factor"), [("micron", 1e3), ("meter", 1e-3)])
def test_units_other_than_mm_are_converted_and_flagged(
    tmp_path, save, labels, values, unit, factor
):
    affine = AFFINE.copy()
    affine[:3] *= factor
    other = image(labels, affine)
    other.header.set_xyzt_units(unit)
    path = tmp_path / "other.nii.gz"
    nib.save(other, path)
    in_mm = extract_features(save(labels), {"a": save(values, "map.nii.gz")})
    converted = extract_features(path, {"a": tmp_path / "map.nii.gz"})
    np.testing.assert_allclose(converted["volume_mm3"], in_mm["volume_mm3"], rtol=1e-6)
    np.testing.assert_allclose(converted["centroid_x"], in_mm["centroid_x"], rtol=1e-6)
    assert converted["flags"].str.contains("grid_not_in_mm").all()
    assert not in_mm["flags"].str.contains("grid_not_in_mm").any()


def test_another_shape(save, labels, values):
    with pytest.raises(ImageError, match=r"has shape 24 x 26 x 21 where .* has 24 x 26 x 22"):
        extract_features(save(labels), {MAP: save(values[:, :, :-1], "map.nii.gz")})


def test_another_grid_is_told_in_voxels(save, labels, values):
    moved = AFFINE.copy()
    moved[1, 3] += 0.25
    with pytest.raises(
        ImageError, match=r"corners are up to 0\.227 voxels apart .* never resampled"
    ):
        extract_features(save(labels), {MAP: save(values, "map.nii.gz", moved)})


def test_a_flipped_axis_is_another_grid(save, labels, values):
    flipped = AFFINE.copy()
    flipped[0, 0] *= -1
    # 23 steps to either side.
    with pytest.raises(ImageError, match=r"corners are up to 46 voxels apart"):
        extract_features(save(labels), {MAP: save(values, "map.nii.gz", flipped)})


def test_a_mask_on_another_grid(save, labels, values, white_matter):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    mask = save(white_matter, "mask.nii.gz", moved)
    with pytest.raises(ImageError, match=r"mask\.nii\.gz: lies on another grid"):
        extract_features(save(labels), {MAP: save(values, "map.nii.gz")}, tissue=mask)


@pytest.mark.parametrize(("share", "same"), [(0.009, True), (0.011, False)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_grids_may_differ_by_a_hundredth_of_a_voxel(values, axis, share, same):
    moved = AFFINE.copy()
    moved[axis, 3] += share * np.abs(AFFINE[axis, axis])
    volumes = [open_volume(image(values, affine), "map") for affine in (AFFINE, moved)]
    assert on_same_grid(*volumes) is same
    if not same:
        with pytest.raises(ImageError, match="another grid"):
            require_same_grid(*volumes)


# Rotations close to a half turn, as from scanner to RAS axes. What single precision leaves of their
# quaternions moves the far corner of 256 x 288 x 224 voxels by 0.0015 and by 0.0086 mm.
HALF_TURNS = {"0.0015 mm": (0.002, 0.1, 3.13), "0.0086 mm": (0.02, 0.01, 3.14)}


def half_turn(kind):
    """Return an image of 0.75 mm whose sform is a rotation, and its qform that rotation's."""
    affine = np.eye(4)
    affine[:3, :3] = 0.75 * Rotation.from_rotvec(HALF_TURNS[kind]).as_matrix()
    affine[:3, 3] = (-95, -100, -80)
    # No voxel is stored: only the extent counts.
    made = nib.Nifti1Image(np.broadcast_to(np.uint8(0), (256, 288, 224)), affine)
    made.set_sform(affine, code=1)
    made.set_qform(affine, code=1)
    return made


@pytest.mark.parametrize("kind", HALF_TURNS)
def test_the_precision_of_quaternions_is_no_disagreement(kind):
    made = half_turn(kind)
    corner = np.array([255, 287, 223, 1])
    apart = np.linalg.norm((made.get_qform() - made.get_sform()) @ corner)
    assert f"{apart:.4f} mm" == kind
    assert open_volume(made, "map").flags == ()


@pytest.mark.parametrize("kind", HALF_TURNS)
def test_an_image_with_a_qform_alone_lies_on_the_grid_of_one_with_both(kind):
    both, one = half_turn(kind), half_turn(kind)
    one.set_sform(None, code=0)
    assert not np.array_equal(one.affine, both.affine)
    assert on_same_grid(open_volume(both, "map"), open_volume(one, "labels"))


def test_a_hundredth_is_one_of_each_axis():
    # 0.02 mm along slices of 3 mm is less than it is in their plane of 0.5 mm.
    affine = np.diag([0.5, 0.5, 3.0, 1.0])
    for axis, same in ((0, False), (2, True)):
        moved = affine.copy()
        moved[axis, 3] = 0.02
        assert Grid(shape=(9, 9, 9), affine=affine).placed_by(moved) is same


def test_sform_and_qform_that_disagree_are_flagged_and_the_affine_wins(tmp_path, labels, values):
    other = AFFINE.copy()
    other[0, 3] += 5
    made = image(labels)
    made.set_sform(AFFINE, code=2)
    made.set_qform(other, code=1)
    nib.save(made, tmp_path / "labels.nii.gz")
    rows = extract_features(tmp_path / "labels.nii.gz", {MAP: image(values)})
    assert rows["flags"].str.contains("affines_disagree").all()
    expected = extract_features(image(labels), {MAP: image(values)})
    np.testing.assert_allclose(rows["centroid_x"], expected["centroid_x"], rtol=1e-6)


def test_pixdim_that_disagrees_is_flagged(save, values):
    def spoil(header):
        header["pixdim"][3] = 9

    assert open_volume(save(values, "a.nii"), "map").flags == ()
    assert open_volume(edited(save(values, "b.nii"), spoil), "map").flags == ("affines_disagree",)


def test_a_quaternion_that_is_no_rotation_is_flagged(save, values):
    def spoil(header):
        header["qform_code"] = 1
        header["quatern_b"] = 5

    path = edited(save(values, "a.nii"), spoil)
    assert open_volume(path, "map").flags == ("affines_disagree",)


def test_a_header_without_affine_is_flagged(save, values):
    def spoil(header):
        header["sform_code"] = header["qform_code"] = 0

    volume = open_volume(edited(save(values, "a.nii"), spoil), "map")
    assert volume.flags == ("affine_missing",)
    np.testing.assert_allclose(volume.grid.spacing, [0.9, 1.1, 1.3], rtol=1e-6)


ROTATION = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
GRIDS = {
    "anisotropic": (np.diag([1, 1, 3.0]), ()),
    "oblique": (ROTATION @ np.diag([0.9, 1.1, 1.3]), ()),
    "sheared": (np.array([[1, 0.3, 0], [0, 1, 0], [0, 0, 1.0]]), ("sheared_grid",)),
}


@pytest.mark.parametrize("kind", GRIDS)
def test_anisotropic_oblique_and_sheared_grids(save, labels, values, kind):
    matrix, flags = GRIDS[kind]
    affine = np.eye(4)
    affine[:3, :3] = matrix
    label_path, map_path = save(labels, "l.nii.gz", affine), save(values, "m.nii.gz", affine)
    assert open_volume(label_path, "labels").flags == flags
    rows = extract_features(label_path, {MAP: map_path})
    n = np.bincount(labels.ravel())[1:]
    np.testing.assert_allclose(rows["volume_mm3"], n * np.linalg.det(matrix), rtol=1e-6)
    # Lesion 1 is the voxel (5, 6, 7).
    expected = matrix @ (5, 6, 7)
    found = rows.loc[0, ["centroid_x", "centroid_y", "centroid_z"]].to_numpy(float)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert rows["flags"].str.contains("sheared_grid").all() == bool(flags)


VARIANTS = {
    "big-endian": lambda array: nib.Nifti1Image(
        array, AFFINE, nib.Nifti1Header(endianness=">"), dtype=array.dtype
    ),
    "NIfTI-2": lambda array: nib.Nifti2Image(array, AFFINE, dtype=array.dtype),
    "pair": lambda array: nib.Nifti1Pair(array, AFFINE, dtype=array.dtype),
}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", [np.int16, np.int64, np.float32, np.float64, np.uint8])
def test_byte_orders_types_and_containers_read_alike(tmp_path, variant, kind, suffix):
    array = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(kind)
    name = f"image{suffix.replace('.nii', '.img') if variant == 'pair' else suffix}"
    path = tmp_path / name
    nib.save(VARIANTS[variant](array), path)
    volume = open_volume(path, "map")
    assert volume.dtype.newbyteorder("=") == kind
    everywhere = np.ones(array.shape, dtype=np.uint8)
    memory = extract_features(image(everywhere), {"a": image(array.astype(np.float64))})
    rows = extract_features(image(everywhere), {"a": path}, basic=True)
    for name in ("mean", "sd", "p25", "max"):
        np.testing.assert_allclose(rows[name], memory[name], rtol=1e-12)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slope_and_intercept_are_those_of_the_file(tmp_path, labels, suffix):
    stored = np.arange(labels.size, dtype=np.int16).reshape(labels.shape) % 1000
    made = image(stored)
    made.header.set_slope_inter(0.02, -3)
    # Written raw: nibabel would choose a scaling of its own.
    path = tmp_path / f"scaled{suffix}"
    made.header["vox_offset"] = 352
    made.header["magic"] = b"n+1"
    made.header.set_data_dtype(np.int16)
    data = made.header.binaryblock + b"\0" * 4 + stored.tobytes(order="F")
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    assert nib.load(path).get_fdata()[5, 6, 7] == pytest.approx(stored[5, 6, 7] * 0.02 - 3)
    rows = extract_features(image(labels), {"a": path})
    for label in (1, 2, 3, 4):
        expected = (stored[labels == label].astype(float) * np.float32(0.02) - 3).mean()
        assert rows["mean"][label - 1] == pytest.approx(expected, rel=1e-12)


READABLE = ["anatomical.nii", "example_nifti2.nii.gz", "reoriented_anat_moved.nii"]


@pytest.mark.parametrize("name", [*READABLE, "resampled_anat_moved.nii", "standard.nii.gz"])
def test_the_test_images_of_nibabel_are_read(name, caplog):
    caplog.set_level(logging.CRITICAL, logger="nibabel.global")
    path = NIBABEL_DATA / name
    loaded = nib.load(path)
    data = np.asarray(loaded.get_fdata())
    if data.squeeze().ndim > 3:
        assert "one volume of three dimensions" in failure(path)
        return
    data = data.reshape(data.shape[:3])
    labels = np.zeros(data.shape, dtype=np.int16)
    labels[1:-1, 1:-1, 1:-1] = 1 + (np.indices(np.array(data.shape) - 2).sum(axis=0) // 8)
    rows = extract_features(image(labels, loaded.affine), {"a": path}, basic=True)
    for label, mean in zip(rows["label"], rows["mean"], strict=True):
        # One of the images holds NaN, which is counted and left out.
        assert mean == pytest.approx(np.nanmean(data[labels == label]), rel=1e-12)
    assert rows["n_nonfinite"].sum() == np.isnan(data[labels > 0]).sum()


@pytest.mark.parametrize("name", ["example4d.nii.gz", "functional.nii"])
def test_the_time_series_among_them_are_refused(name):
    assert "extract one volume of three dimensions" in failure(NIBABEL_DATA / name)


@pytest.mark.parametrize("name", ["minc1_1_scale.mnc", "row_major.dconn.nii"])
def test_other_formats_among_them_are_refused(name):
    assert "convert it to NIfTI" in failure(NIBABEL_DATA / name)


@pytest.mark.parametrize("name", ["image.mgz", "image.mgh"])
def test_files_of_freesurfer_give_the_features_of_nifti(tmp_path, labels, values, name):
    nib.save(nib.MGHImage(values, AFFINE), tmp_path / name)
    nib.save(nib.MGHImage(labels.astype(np.int32), AFFINE), tmp_path / f"labels_{name}")
    expected = extract_features(image(labels), {"mwf_percent": image(values)})
    found = extract_features(tmp_path / f"labels_{name}", {"mwf_percent": tmp_path / name})
    # The affine is stored in single precision.
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(found["mean"], expected["mean"])
    memory = extract_features(image(labels), {"mwf_percent": nib.MGHImage(values, AFFINE)})
    np.testing.assert_array_equal(memory["mean"], expected["mean"])


def test_files_of_freesurfer_are_read_to_their_end(tmp_path, values):
    path = tmp_path / "image.mgz"
    nib.save(nib.MGHImage(values, AFFINE), path)
    raw = gzip.decompress(path.read_bytes())
    voxels = 284 + values.nbytes

    def read(content):
        path.write_bytes(content)
        return gather(open_volume(path, "map"), np.arange(values.size))

    expected = values.ravel(order="F")
    for tail in (b"", b"tags" * 50_000):  # what stands behind the voxels may be of any length
        np.testing.assert_array_equal(read(gzip.compress(raw[:voxels] + tail)), expected)
    for content, text in (
        (gzip.compress(raw[: voxels - 4]), "is truncated"),
        (path.read_bytes()[:-6], "is damaged"),
        (gzip.compress(raw[:50]), "cannot be read as an image"),
        (gzip.compress(b"\0\0\0\2" + raw[4:]), "cannot be read as an image"),
    ):
        with pytest.raises(ImageError, match=text):
            read(content)
    path = path.with_suffix(".mgh")
    for content, text in (
        (raw[: voxels - 4], "is truncated"),
        (raw + b"\0" * 65_000_000, "longer"),
    ):
        with pytest.raises(ImageError, match=text):
            read(content)


def test_a_header_of_freesurfer_without_affine_is_flagged(tmp_path, values):
    path = tmp_path / "image.mgh"
    nib.save(nib.MGHImage(values, AFFINE), path)
    assert open_volume(path, "map").flags == ()
    raw = bytearray(path.read_bytes())
    raw[28:30] = b"\0\0"
    path.write_bytes(raw)
    assert open_volume(path, "map").flags == ("affine_missing",)


@pytest.mark.parametrize("name", ["image.nii.gz", "image.nii", "image.mgz", None])
@pytest.mark.parametrize("number", [0, 2])
def test_a_volume_of_several_is_read_by_its_number(tmp_path, values, name, number):
    several = np.stack([values, values + 1, values + 2, values + 3], axis=-1)
    made = (nib.MGHImage if name == "image.mgz" else nib.Nifti1Image)(several, AFFINE)
    if name is not None:
        nib.save(made, tmp_path / name)
    volume = open_volume(made if name is None else tmp_path / name, "map", number)
    assert volume.grid.shape == values.shape
    index = np.arange(0, values.size, 7)
    expected = several[..., number].ravel(order="F")[index]
    np.testing.assert_array_equal(gather(volume, index), expected)


def test_the_number_of_a_volume_must_be_one_of_the_file(save, values):
    path = save(np.stack([values, values], axis=-1))
    with pytest.raises(ImageError, match="has no volume 2: its 2 volumes have the numbers 0 to 1"):
        open_volume(path, "map", 2)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-4]))
    with pytest.raises(ImageError, match="is truncated"):  # although volume 0 is whole
        gather(open_volume(path, "map", 0), np.arange(3))
