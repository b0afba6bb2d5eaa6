"""Voxels: each trap with a file made for it, and its message."""

from __future__ import annotations

import gzip
import importlib.util
import struct
import sys
import zlib

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.errors import ImageError
from qsmstats.voxels import stream
from qsmstats.voxels.features import extract_features
from qsmstats.voxels.images import open_volume
from qsmstats.voxels.stream import gather, read_labels, read_mask

from .phantoms import AFFINE, image

MAP = "mwf_percent"


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def inflater(request, monkeypatch):
    """Run every test with both decompressors."""
    if request.param == "zlib":
        monkeypatch.setattr(stream, "_inflate", gzip.open)
        monkeypatch.setattr(stream, "_INFLATE_ERROR", zlib.error)
    return request.param


def read_all(path):
    volume = open_volume(path, "map")
    return volume.grid, gather(volume, np.arange(volume.grid.size))


def failure(path, read=read_all):
    with pytest.raises(ImageError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def labels_failure(path):
    return failure(path, lambda path: read_labels(open_volume(path, "labels")))


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 255, (6, 5, 4)).astype(np.uint8)


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
def test_no_flipped_byte_of_a_compressed_file_changes_data_in_silence(save, noise, bits):
    path = save(noise)
    whole = path.read_bytes()
    grid, expected = read_all(path)
    silent = []
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= bits
        path.write_bytes(damaged)
        try:
            found_grid, found = read_all(path)
        except ImageError:
            continue
        silent.append(place)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(found_grid.affine, grid.affine)
    # Bytes without data are few: time, flags, system and name in the gzip header, and lengths of
    # codes that no symbol uses.
    assert len(silent) < 10 + len(path.name) + 10


@pytest.fixture
def large():
    """Return more noise than nibabel inflates to find out what a file is."""
    return np.random.default_rng(0).integers(0, 255, (20, 20, 20)).astype(np.uint8)


def test_a_wrong_checksum(save, large):
    path = save(large)
    whole = bytearray(path.read_bytes())
    whole[-8] ^= 1
    path.write_bytes(whole)
    assert "is damaged: " in failure(path)
    assert "copy it again" in failure(path)


@pytest.mark.parametrize("lost", [1, 8, 9, 60])
def test_a_compressed_file_cut_short(save, large, lost):
    path = save(large)
    path.write_bytes(path.read_bytes()[:-lost])
    assert "is damaged: " in failure(path)


def test_whole_gzip_of_too_few_voxels(save, noise):
    path = save(noise)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-7]))
    message = failure(path)
    assert "is truncated: 6 x 5 x 4 voxels of uint8 take 120 bytes, the file holds 113" in message


def test_whole_gzip_of_too_many_voxels(save, noise):
    path = save(noise)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\1" * 9))
    assert "longer than its header says: 6 x 5 x 4" in failure(path)
    assert "take 120 bytes, the file holds more" in failure(path)


def test_nothing_is_inflated_beyond_what_the_header_says(save, noise, monkeypatch):
    got = []
    real = stream._fill
    monkeypatch.setattr(stream, "_fill", lambda *given: got.append(real(*given)) or got[-1])
    path = save(noise)
    read_all(path)
    assert sum(got) == 120
    got.clear()
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(5_000_000)))
    assert "longer than its header says" in failure(path)
    assert sum(got) == 121


def test_an_image_larger_than_memory_is_named_before_it_is_inflated(save, noise, monkeypatch):
    path = save(noise)
    monkeypatch.setattr(stream, "memory_at_hand", lambda: 119)
    monkeypatch.setattr(stream, "_inflate", None)
    for read in (gather, read_labels, read_mask):
        message = failure(path, lambda path, read=read: call(read, path))
        assert "does not fit into memory: 6 x 5 x 4 voxels of uint8 take 1.2e-07 GB" in message


def call(read, path):
    volume = open_volume(path, "map")
    return read(volume, np.arange(3)) if read is gather else read(volume)


@pytest.mark.parametrize(("read", "each"), [(read_labels, 200), (read_mask, 100)])
def test_voxels_that_could_not_be_measured_are_refused_while_they_are_read(
    save, monkeypatch, read, each
):
    path = save(np.ones((50, 8, 8), np.uint8))
    monkeypatch.setattr(stream, "PIECE", 100)
    monkeypatch.setattr(stream, "memory_at_hand", lambda: 3200.0 * each)
    call(read, path)
    monkeypatch.setattr(stream, "memory_at_hand", lambda: 950.0 * each)
    # A piece of 100 voxels is the tenth.
    assert "has at least 1000 of 3200 voxels that are not 0" in failure(
        path, lambda path: call(read, path)
    )


def test_more_voxels_than_a_piece_of_the_stream(save, noise, monkeypatch):
    monkeypatch.setattr(stream, "PIECE", 32)
    path = save(noise)
    np.testing.assert_array_equal(read_all(path)[1], noise.ravel(order="F"))
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\1" * 100))
    assert "the file holds more" in failure(path)


@pytest.mark.parametrize(("change", "held"), [(-3, "117"), (5, "more")])
def test_an_uncompressed_file_of_another_length(save, noise, change, held):
    path = save(noise, "image.nii")
    whole = path.read_bytes()
    path.write_bytes(whole[:change] if change < 0 else whole + b"\0" * change)
    assert f"the file holds {held}" in failure(path)


def with_dimension(path, axis, size):
    raw = bytearray(path.read_bytes())
    struct.pack_into("<h", raw, 40 + 2 * axis, size)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("size", [3, 9])
def test_dimensions_that_disagree_with_the_data(save, noise, size):
    path = with_dimension(save(noise, "image.nii"), 1, size)
    kind = "truncated" if size > 6 else "longer than its header says"
    assert f"is {kind}: {size} x 5 x 4 voxels" in failure(path)


def test_damaged_dimensions_ask_for_no_memory(save, noise):
    path = save(noise, "image.nii")
    for axis in (1, 2, 3):
        with_dimension(path, axis, 30000)
    message = failure(path)
    assert "a file of 472 bytes cannot hold them" in message


def test_a_pair_without_its_voxels(tmp_path, noise):
    nib.save(nib.Nifti1Pair(noise, AFFINE), tmp_path / "image.img")
    (tmp_path / "image.img").unlink()
    with pytest.raises(ImageError, match=r"image\.img: no such file"):
        open_volume(tmp_path / "image.hdr", "map")


def test_a_name_that_promises_gzip(save, noise):
    path = save(noise, "image.nii")
    path = path.rename(path.with_suffix(".nii.gz"))
    assert "cannot be read as an image" in failure(path)


def test_a_compression_that_is_not_read(save, noise):
    path = save(noise, "image.nii.bz2")
    assert "is named .bz2 but begins with 425a, not with 1f8b as gzip files do" in failure(path)


def test_labels_stored_with_a_slope_are_rounded(tmp_path):
    # An int16 file with slope 0.01: 1 is stored as 100, 2 as 201, a hundredth too much.
    stored = np.array([0, 100, 201, 300], dtype=np.int16).reshape(4, 1, 1)
    path = scaled(tmp_path / "labels.nii", stored, 0.01)
    voxels = read_labels(open_volume(path, "labels"))
    assert voxels.label.tolist() == [1, 2, 3]
    assert voxels.index.tolist() == [1, 2, 3]
    assert voxels.flags == ("labels_rounded",)
    rows = extract_features(path, {MAP: image(np.ones((4, 1, 1)), np.eye(4))})
    assert rows["flags"].str.contains("labels_rounded").all()


def scaled(path, stored, slope, intercept=0.0):
    """Write integers with a slope; nibabel would choose one of its own."""
    header = nib.Nifti1Image(stored, np.eye(4)).header
    header.set_slope_inter(slope, intercept)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path.write_bytes(header.binaryblock + b"\0" * 4 + stored.tobytes(order="F"))
    return path


def test_labels_with_a_slope_that_rounding_cannot_mend(tmp_path):
    stored = np.array([0, 100, 130, 300], dtype=np.int16).reshape(4, 1, 1)
    message = labels_failure(scaled(tmp_path / "labels.nii", stored, 0.01))
    assert "holds the label 1.3, and 33% of its labelled voxels are not whole" in message


def test_labels_with_an_intercept(tmp_path):
    stored = np.array([-5, -4, -3, -5], dtype=np.int16).reshape(4, 1, 1)
    voxels = read_labels(open_volume(scaled(tmp_path / "a.nii", stored, 1, 5), "labels"))
    assert voxels.label.tolist() == [1, 2]
    assert voxels.index.tolist() == [1, 2]
    assert voxels.flags == ()


def test_a_hundred_and_first_of_255_is_no_rounding(tmp_path):
    stored = np.array([0, 255, 510], dtype=np.int16).reshape(3, 1, 1)
    voxels = read_labels(open_volume(scaled(tmp_path / "a.nii", stored, 1 / 255), "labels"))
    assert voxels.label.tolist() == [1, 2]
    assert voxels.flags == ()


def test_interpolated_labels(save, labels):
    blurred = labels.astype(np.float32)
    blurred[1:] = 0.9 * blurred[1:] + 0.1 * blurred[:-1]
    message = labels_failure(save(blurred))
    assert "the labels were interpolated or wrongly scaled" in message
    assert "nearest-neighbour" in message


def test_float_labels_that_are_whole_are_labels(save, labels):
    voxels = read_labels(open_volume(save(labels.astype(np.float32)), "labels"))
    flat = labels.ravel(order="F")
    np.testing.assert_array_equal(voxels.index, np.flatnonzero(flat))
    np.testing.assert_array_equal(voxels.label, flat[flat > 0])


def test_negative_labels(save, labels):
    labels = labels.copy()
    labels[3, 4, 5] = -2
    assert "holds the negative label -2 (voxel (3, 4, 5))" in labels_failure(save(labels))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_labels_that_are_not_finite(save, labels, value):
    spoilt = labels.astype(np.float32)
    spoilt[0, 0, 0] = value
    assert f"holds the label {value}; labels must be whole numbers" in labels_failure(save(spoilt))


def test_labels_beyond_sixteen_and_thirty_two_bits(tmp_path):
    labels = np.array([0, 65535, 65536, 70000, 2**31, 2**53 + 1]).reshape(6, 1, 1)
    nib.save(nib.Nifti1Image(labels, np.eye(4), dtype=np.int64), tmp_path / "a.nii.gz")
    voxels = read_labels(open_volume(tmp_path / "a.nii.gz", "labels"))
    assert voxels.label.tolist() == [65535, 65536, 70000, 2**31, 2**53 + 1]


def test_labels_beyond_sixty_three_bits(tmp_path):
    labels = np.array([0, 2**63 + 5], dtype=np.uint64).reshape(2, 1, 1)
    nib.save(nib.Nifti1Image(labels, np.eye(4), dtype=np.uint64), tmp_path / "a.nii.gz")
    assert "labels must be whole numbers" in labels_failure(tmp_path / "a.nii.gz")


def test_nan_and_infinite_voxels_are_counted_and_left_out(save, labels, values):
    values = values.copy()
    values[14, 14, 11], values[13, 14, 11], values[12, 14, 11] = np.nan, np.inf, -np.inf
    row = (
        extract_features(save(labels), {MAP: save(values, "map.nii.gz")}).set_index("label").loc[2]
    )
    kept = values[(labels == 2) & np.isfinite(values)].astype(np.float64)
    assert row["n_nonfinite"] == 3
    assert row["mean"] == pytest.approx(kept.mean(), rel=1e-12)
    assert row["max"] == kept.max()
    assert "nonfinite_values" in row["flags"]


def test_an_empty_label_image_has_no_voxels(save):
    voxels = read_labels(open_volume(save(np.zeros((4, 4, 4), np.int16)), "labels"))
    assert len(voxels.index) == len(voxels.label) == 0
    assert voxels.flags == ("labels_empty",)


MASKS = {
    "bytes": np.uint8([0, 1, 1, 0]),
    "other value": np.uint8([0, 255, 255, 0]),
    "label 3": np.int16([0, 3, 3, 0]),
    "probabilities": np.float32([0.2, 0.6, 1.0, 0.5]),
    "booleans as floats": np.float64([0, 1, 1, 0]),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks(save, kind):
    mask = read_mask(open_volume(save(MASKS[kind].reshape(4, 1, 1)), "mask"))
    assert mask.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("values", "span"),
    [
        (np.int16([0, 2, 3]), "from 2 to 3"),
        (np.int16([0, -1, 0]), "from -1 to -1"),
        (np.float32([0, 0.4, 1.3]), "from 0.4 to 1.3"),
        (np.float32([0, np.nan, 1]), "from nan to nan"),
        (np.float32([0, np.inf, 0]), "from inf to inf"),
    ],
)
def test_images_that_are_no_masks(save, values, span):
    path = save(values.reshape(3, 1, 1))
    message = failure(path, lambda path: read_mask(open_volume(path, "mask")))
    assert f"is not a mask: its values range {span}" in message


def test_an_empty_mask(save, labels, values):
    with pytest.raises(ImageError, match="is an empty mask; it must contain the white matter"):
        extract_features(
            save(labels),
            {MAP: image(values)},
            tissue=image(np.zeros(labels.shape, np.uint8), nib.load(save(labels)).affine),
        )


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    piece=st.sampled_from([8, 16, 64, 1 << 20]),
    seed=st.integers(0, 99),
)
def test_any_voxels_of_any_volume_are_those_that_nibabel_reads(
    tmp_path_factory, shape, piece, seed
):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape)
    path = tmp_path_factory.mktemp("any") / "image.nii.gz"
    nib.save(nib.Nifti1Image(values, AFFINE), path)
    index = np.flatnonzero(rng.random(values.size) < 0.4)
    expected = nib.load(path).get_fdata().ravel(order="F")[index]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "PIECE", piece)
        np.testing.assert_array_equal(gather(open_volume(path, "map"), index), expected)
        memory = open_volume(nib.Nifti1Image(values, AFFINE), "map")
        np.testing.assert_array_equal(gather(memory, index), expected)


def test_without_isal_the_standard_library_inflates(monkeypatch):
    monkeypatch.setitem(sys.modules, "isal", None)
    spec = importlib.util.spec_from_file_location("stream_without_isal", stream.__file__)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    assert module._inflate is gzip.open
    assert module._INFLATE_ERROR is zlib.error


def test_isal_inflates_where_it_is_installed(inflater):
    expected = "isal.igzip" if inflater == "isal" else "gzip"
    assert stream._inflate.__module__ == expected
