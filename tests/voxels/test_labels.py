"""Lesions and white matter in other forms than labels and a mask, beside scipy and nibabel."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from qsmstats.checks.study import check_study, sound_tables
from qsmstats.errors import ImageError, InvalidDataError
from qsmstats.study import LabelSpec, TissueSpec
from qsmstats.study_file import open_study
from qsmstats.tables.tidy import tidy_lesions
from qsmstats.voxels.cohort import collect_cohort, extract_cohort
from qsmstats.voxels.features import extract_features
from qsmstats.voxels.labels import LabelFiles, TissueFile, open_labels, read_lesions
from qsmstats.voxels.lesion_rows import read_tables
from qsmstats.voxels.visits import match_visits

from .phantoms import AFFINE, image, write_study

MAP = "mwf_percent"
VOXEL = abs(np.linalg.det(AFFINE))
LEFT_OUT = ["n_left_out", "left_out_mm3"]


def components(*images, names=("",), **settings):
    spec = LabelSpec(pattern="{lesion_type}" * (len(names) > 1), instances="components", **settings)
    return LabelFiles(files=tuple(zip(names, images, strict=True)), spec=spec)


@pytest.fixture
def mask():
    """Return a mask of many components of all sizes, that touch by faces, edges and corners."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(8).normal(size=(24, 26, 22)), 1.1)
    return (smooth > 0.22).astype(np.uint8)


@pytest.mark.parametrize(("connectivity", "step"), [(6, 1), (18, 2), (26, 3)])
def test_components_are_those_of_scipy_with_its_numbers(
    mask, values, white_matter, connectivity, step
):
    expected, n = ndimage.label(mask, ndimage.generate_binary_structure(3, step))
    sizes = np.bincount(expected.ravel())
    small = sizes * VOXEL < 5
    small[0] = False
    expected[small[expected]] = 0
    maps, options = {MAP: image(values)}, {"tissue": image(white_matter)}
    files = components(image(mask), connectivity=connectivity, min_mm3=5.0)
    found = extract_features(files, maps, **options)
    plain = extract_features(image(expected.astype(np.int16)), maps, **options)
    assert 0 < small.sum() < n
    columns = [name for name in plain.columns if name != "flags"]
    pd.testing.assert_frame_equal(found[columns], plain[columns], check_exact=True)
    assert set(found["n_left_out"]) == {small.sum()}
    np.testing.assert_allclose(found["left_out_mm3"], sizes[small].sum() * VOXEL)
    assert found["flags"].str.contains("small_components").all()
    lesions = found[found["region"] == "lesion"]
    means = ndimage.mean(values.astype(np.float64), expected, lesions["label"])
    np.testing.assert_allclose(lesions["mean"], means, rtol=1e-12)


def test_components_are_numbered_alike_on_every_shape():
    rng = np.random.default_rng(2)
    for shape in [(5, 6, 40), (40, 6, 5), (6, 40, 5)]:
        mask = (rng.random(shape) < 0.1).astype(np.uint8)
        mask[0] = mask[:, 0] = mask[:, :, 0] = 0  # the box around all is smaller than the volume
        expected = ndimage.label(mask, np.ones((3, 3, 3)))[0]
        files = components(image(mask), min_mm3=0.0)
        found = read_lesions(files, open_labels(files))
        np.testing.assert_array_equal(expected.ravel(order="F")[found.index], found.label)
        assert len(found.index) == mask.sum()


def test_a_component_of_the_least_volume_is_a_lesion_and_probabilities_count_from_one_half():
    mask = np.zeros((9, 9, 9), np.float32)
    mask[1:4, 1, 1], mask[6:8, 6, 6], mask[2, 7, 7] = 0.9, 0.7, 0.4
    files = components(image(mask, np.diag([1, 1, 1 / 3, 1])), min_mm3=1.0)
    found = read_lesions(files, open_labels(files))
    assert (found.label.tolist(), found.left_out.tolist()) == ([1, 1, 1], [2])


def test_an_empty_mask_has_no_lesion(values):
    files = components(image(np.zeros(values.shape, np.uint8)))
    found = read_lesions(files, open_labels(files))
    assert (len(found.index), found.left_out.tolist(), found.flags) == (0, [], ("labels_empty",))


def test_components_of_several_files_are_counted_on(mask):
    first, second = mask.copy(), mask.copy()
    first[12:], second[:12] = 0, 0  # lesions that touch across the files stay apart
    files = components(image(first), image(second), names=("isointense", "paramagnetic_rim"))
    found = read_lesions(files, open_labels(files))
    (a, n), (b, m) = (ndimage.label(part, np.ones((3, 3, 3))) for part in (first, second))
    both = np.where(b > 0, b + n, a).ravel(order="F")
    np.testing.assert_array_equal(found.label, both[found.index])
    assert {label: name for label, name in found.names.items() if label <= n} == {
        label: "isointense" for label in np.unique(found.label) if label <= n
    }
    assert set(found.names) == set(found.label)
    assert len(found.left_out) + len(found.names) == n + m


PARCELS = np.array([0, 2, 41, 3, 3005, 5001, 77])


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.uint16])
def test_labels_of_a_parcellation_are_white_matter(labels, values, dtype):
    parcels = np.random.default_rng(3).choice(PARCELS, values.shape)
    spec = TissueSpec(pattern="", labels=((2, 2), (41, 41), (3000, 4999), (5001, 5002)))
    white_matter = np.isin(parcels, [2, 41, 3005, 5001]).astype(np.uint8)
    found, expected = (
        extract_features(image(labels), {MAP: image(values)}, tissue=tissue)
        for tissue in (
            TissueFile(file=image(parcels.astype(dtype)), spec=spec),
            image(white_matter),
        )
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def in_other_form(folder, labels, lesions=None, extra=""):
    """Rewrite a study: [labels], and its lesions table without some columns, or without any."""
    text = (folder / "study.toml").read_text()
    text = text.replace('pattern = "{participant}/{session}/dseg.nii.gz"\n', labels)
    if lesions is None:
        (folder / "lesions.tsv").unlink()
        text = text.replace('lesions = "lesions.tsv"\n', "")
    else:
        table = pd.read_csv(folder / "lesions.tsv", sep="\t")
        table.drop(columns=lesions).to_csv(folder / "lesions.tsv", sep="\t", index=False)
    (folder / "study.toml").write_text(text + extra)
    return folder


def split(folder, name_of):
    """Write the lesions of each label image to masks of their own; `name_of` names a file."""
    for path in sorted(folder.glob("sub-*/*/dseg.nii.gz")):
        labels = np.asarray(nib.load(path).dataobj)
        for label in np.unique(labels[labels > 0]):
            one = (labels == label).astype(np.uint8)
            nib.save(image(one), path.with_name(f"{name_of(label)}.nii.gz"))
        path.unlink()
    return folder


@pytest.fixture
def plain(tmp_path):
    """Return the features and tidy lesions of a study with labels."""
    study = open_study(write_study(tmp_path / "plain"))
    features = extract_cohort(study).features
    return features, tidy_lesions(study, features)


MASKS = 'pattern = "{participant}/{session}/dseg.nii.gz"\ninstances = "components"\n'
BY_TYPE = 'pattern = "{participant}/{session}/{lesion_type}.nii.gz"\ninstances = "components"\n'
BY_LESION = 'pattern = "{participant}/{session}/{lesion}.nii.gz"\n'
INDEPENDENT = '[matching]\nlesion_ids = "independent"\n'
TYPES = {1: "iso", 2: "PRL"}


def test_a_study_of_masks_needs_no_lesions_table(tmp_path, plain):
    folder = write_study(tmp_path / "study")
    for path in folder.glob("sub-*/*/dseg.nii.gz"):
        labels = np.asarray(nib.load(path).dataobj)
        labels[0, 0, 0] = 1  # a component of 1.3 mm³
        nib.save(image((labels > 0).astype(np.uint8)), path)
    study = open_study(in_other_form(folder, MASKS, extra=INDEPENDENT))
    found = check_study(study)
    assert found["kind"].tolist() == ["note"]
    assert found["message"][0].startswith(
        "study.toml, setting 'labels.min_mm3': leaves out 3 components of less than 3 mm³, in"
    )
    tables, _ = sound_tables(study)
    out = tmp_path / "out"
    measured = extract_cohort(study, out=out, tables=tables)
    stored = collect_cohort(study, out).features
    pd.testing.assert_frame_equal(measured.features, stored, check_exact=True)
    matches = match_visits(study, measured)
    tidy = tidy_lesions(tables, measured, matches=matches)
    assert tidy["lesion_type"].isna().all()
    assert tidy.attrs["left_out"] == (3, pytest.approx(3 * VOXEL))
    expected = plain[1]
    volumes = expected.groupby(["participant_id", "session_id"])["volume_mm3"].sum()
    found = tidy.groupby(["participant_id", "session_id"])["volume_mm3"].sum()
    pd.testing.assert_series_equal(found, volumes)


@pytest.mark.parametrize("table", [None, ["lesion_type"]])
def test_types_follow_from_the_names_of_files(tmp_path, plain, table):
    folder = split(write_study(tmp_path / "study"), TYPES.__getitem__)
    labels, extra = BY_TYPE, INDEPENDENT if table is None else ""
    study = open_study(in_other_form(folder, labels, table, extra))
    assert check_study(study).empty
    tables = read_tables(study)
    assert tables.lesions["lesion_type"].tolist() == ["isointense", "paramagnetic_rim"] * 3
    measured = extract_cohort(study, tables=tables)
    columns = [name for name in measured.features if name not in LEFT_OUT]
    pd.testing.assert_frame_equal(measured.features[columns], plain[0], check_exact=True)


@pytest.mark.parametrize("table", [None, ["label"]])
def test_a_file_per_lesion_needs_no_labels(tmp_path, plain, table):
    folder = split(write_study(tmp_path / "study"), "L{}".format)
    study = open_study(in_other_form(folder, BY_LESION, table))
    assert check_study(study).empty
    tables = read_tables(study)
    assert tables.lesions["lesion_id"].tolist() == ["L1", "L2"] * 3
    assert tables.lesions["label"].tolist() == [1, 2] * 3
    assert tables.lesions["lesion_type"].isna().all() == (table is None)
    measured = extract_cohort(study, tables=tables)
    pd.testing.assert_frame_equal(measured.features, plain[0], check_exact=True)


def messages(study):
    return "\n".join(check_study(study)["message"])


def test_what_table_and_names_of_files_say_must_agree(tmp_path):
    folder = split(write_study(tmp_path / "study"), TYPES.__getitem__)
    study = open_study(in_other_form(folder, BY_TYPE, []))
    found = messages(study)
    assert found.count("'isointense' here, and 'paramagnetic_rim' by the name of") == 3
    assert "sub-01/ses-1/PRL.nii.gz; correct one of the two" in found
    (folder / "sub-02/ses-1/PRL.nii.gz").unlink()
    assert "lesions.tsv row 7: label 2 is in no file of" in messages(study)


def test_rows_and_files_of_lesions_are_compared_by_name(tmp_path):
    folder = split(write_study(tmp_path / "study"), "L{}".format)
    study = open_study(in_other_form(folder, BY_LESION, ["label"]))
    (folder / "sub-01/ses-1/L2.nii.gz").rename(folder / "sub-01/ses-1/L12.nii.gz")
    found = messages(study)
    assert found.count("\n") == 1
    assert "lesions.tsv row 3: lesion_id L2 is in no file of" in found
    assert "sub-01/ses-1/L12.nii.gz: has no row for sub-01 ses-1 in lesions.tsv; add it" in found


def test_files_that_are_no_lesions_are_told(tmp_path):
    folder = split(write_study(tmp_path / "study"), TYPES.__getitem__)
    study = open_study(in_other_form(folder, BY_TYPE, ["lesion_type"]))
    assert messages(study) == ""  # maps and white matter have the same pattern, and are known
    (folder / "sub-01/ses-1/PRL.nii.gz").rename(folder / "sub-01/ses-1/typ-7.nii.gz")
    assert "sub-01/ses-1/typ-7.nii.gz: 'typ-7' is not one of isointense" in messages(study)
    assert 'add "typ-7" to [lesion_types]' in messages(study)


def test_patients_without_any_file_are_noted(tmp_path):
    folder = split(write_study(tmp_path / "study"), "L{}".format)
    study = open_study(in_other_form(folder, BY_LESION))
    for path in folder.glob("sub-02/ses-1/L*.nii.gz"):
        path.unlink()
    assert (
        "gives no file for 1 of 3 sessions of patients (sub-02 ses-1), which count as free"
        in messages(study)
    )
    assert set(extract_cohort(study).features["participant_id"]) == {"sub-01", "sub-02", "sub-03"}


def test_the_mask_of_a_patient_must_be_there(tmp_path):
    study = open_study(in_other_form(write_study(tmp_path / "study"), MASKS, extra=INDEPENDENT))
    (study.folder / "sub-02/ses-1/dseg.nii.gz").unlink()
    assert "sub-02/ses-1/dseg.nii.gz: no such file" in messages(study)


def test_components_of_two_sessions_are_not_the_same_lesions(tmp_path):
    study = open_study(in_other_form(write_study(tmp_path / "study"), MASKS))
    with pytest.raises(
        InvalidDataError, match="components are numbered session by session, and sub-01"
    ):
        read_tables(study)


def test_files_that_overlap_are_both_named(tmp_path):
    folder = split(write_study(tmp_path / "study"), TYPES.__getitem__)
    first, second = (folder / f"sub-02/ses-1/{name}.nii.gz" for name in ("iso", "PRL"))
    nib.save(nib.load(first), second)
    study = open_study(in_other_form(folder, BY_TYPE, ["lesion_type"]))
    size = np.count_nonzero(np.asarray(nib.load(first).dataobj))
    text = f"sub-02/ses-1/PRL.nii.gz: overlaps sub-02/ses-1/iso.nii.gz: {size} voxels, such as ("
    assert text in messages(study)
    failure = extract_cohort(study, tables=read_tables(study)).failures.iloc[0]
    assert f"{failure['file']}: {failure['reason']}".startswith(text)


def test_files_of_one_session_on_two_grids_are_refused(mask):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    files = components(image(mask), image(mask, moved), names=("isointense", "hypointense"))
    with pytest.raises(ImageError, match="lies on another grid"):
        open_labels(files)


def test_volumes_of_one_file_are_labels_tissue_and_maps(tmp_path, plain):
    folder = write_study(tmp_path / "study")
    names = {"Chimap": 0, "MWFmap": 1, "wm": 2, "dseg": 3}
    for visit in folder.glob("sub-*/ses-*"):
        files = [visit / f"{name}.nii.gz" for name in names]
        there = [np.asarray(nib.load(path).dataobj) for path in files if path.exists()]
        there += [np.zeros_like(there[0])] * (len(files) - len(there))
        nib.save(image(np.stack(there, axis=-1).astype(np.float32)), visit / "all.nii.gz")
        for path in files:
            path.unlink(missing_ok=True)
    text = (folder / "study.toml").read_text()
    text = text.replace(
        'white_matter = "{participant}/{session}/wm.nii.gz"',
        'white_matter = { pattern = "{participant}/{session}/wm.nii.gz"\nvolume = 2 }',
    )
    for name, number in names.items():
        if name == "wm":
            text = text.replace('wm.nii.gz"\nvolume', 'all.nii.gz", volume')
        else:
            text = text.replace(f'{name}.nii.gz"\n', f'all.nii.gz"\nvolume = {number}\n')
    (folder / "study.toml").write_text(text)
    study = open_study(folder)
    assert messages(study) == ""
    found, expected = extract_cohort(study).features, plain[0]
    # The control now has a label image, an empty one.
    control = found["participant_id"] == "sub-03"
    pd.testing.assert_frame_equal(found[~control], expected[~control], check_exact=True)
    assert found.loc[control, "flags"].str.contains("labels_empty").all()
