"""Everything wrong with a study folder, on real files, each thing once."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmstats.checks.study import check_study, sound_tables
from qsmstats.errors import InvalidDataError
from qsmstats.study_file import open_study
from tests.study_folder import TOML, tables, write_image, write_images, write_tables


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("check") / "study"
    return write_images(write_tables(folder))


@pytest.fixture
def folder(sound, tmp_path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "study"))


def image(folder: Path, name: str, session: str = "sub-01/ses-01") -> Path:
    return folder / session / f"{session.replace('/', '_')}_{name}.nii.gz"


def found(folder: Path) -> list[tuple[str, str]]:
    problems = check_study(open_study(folder))
    return list(zip(problems["kind"], problems["message"], strict=True))


def edit_labels(path: Path, old: int, new: int) -> None:
    values = np.asanyarray(nib.load(path).dataobj).copy()
    assert (values == old).any()
    values[values == old] = new
    write_image(path, values)


def set_toml(folder: Path, old: str, new: str) -> None:
    text = (folder / "study.toml").read_text()
    assert old in text
    (folder / "study.toml").write_text(text.replace(old, new))


def test_a_sound_study_has_no_problem(sound):
    problems = check_study(open_study(sound))
    assert problems.empty
    assert problems.columns.to_list() == ["table", "row", "column", "problem", "kind", "message"]
    assert problems.dtypes.astype(str).to_list() == ["str", "Int64", "str", "str", "str", "str"]
    tables, notes = sound_tables(open_study(sound))
    assert len(tables.lesions) == 20
    assert notes == []


def test_a_problem_of_a_table_has_its_place(folder):
    content = tables()
    content["lesions"][16][4] = "rim"
    write_tables(folder, content)
    problems = check_study(open_study(folder))
    assert len(problems) == 1
    row = problems.iloc[0]
    assert (row["table"], row["row"], row["column"]) == ("lesions.tsv", 17, "lesion_type")
    assert row["message"] == f"lesions.tsv row 17, column 'lesion_type': {row['problem']}"


@pytest.mark.parametrize("name", ["dseg", "mask", "MWFmap"])
def test_a_missing_image_is_invalid(folder, name):
    image(folder, name).unlink()
    assert found(folder) == [
        (
            "invalid",
            f"sub-01/ses-01/sub-01_ses-01_{name}.nii.gz: no such file; copy it there, or correct "
            "the pattern in study.toml",
        )
    ]


def test_a_pattern_that_no_file_follows_is_one_problem(folder):
    set_toml(folder, "MWFmap.nii.gz", "MVFmap.nii.gz")
    assert found(folder) == [
        (
            "invalid",
            "study.toml, setting 'maps.mwf_percent.pattern': none of 5 sessions has this file; "
            "correct the pattern, which gives sub-01/ses-01/sub-01_ses-01_MVFmap.nii.gz for the "
            "first",
        )
    ]


def test_a_control_needs_no_label_image_and_may_have_an_empty_one(folder):
    assert not image(folder, "dseg", "sub-04/ses-01").exists()
    write_image(image(folder, "dseg", "sub-04/ses-01"), np.zeros((12, 12, 12), dtype=np.uint8))
    assert found(folder) == []


def test_labels_of_a_control_are_a_problem(folder):
    shutil.copy(image(folder, "dseg"), image(folder, "dseg", "sub-04/ses-01"))
    assert found(folder) == [
        (
            "invalid",
            "sub-04/ses-01/sub-04_ses-01_dseg.nii.gz: has labels 1, 2, 3, 4, 5, but sub-04 is a "
            "control (group HC): no lesions; correct the group, or remove the labels",
        )
    ]


def test_a_label_without_row_and_a_row_without_label(folder):
    edit_labels(image(folder, "dseg", "sub-02/ses-01"), 4, 40)
    assert found(folder) == [
        (
            "invalid",
            "lesions.tsv row 15, column 'label': 4 is not a label of sub-02/ses-01/"
            "sub-02_ses-01_dseg.nii.gz; remove the row or correct the label",
        ),
        (
            "invalid",
            "sub-02/ses-01/sub-02_ses-01_dseg.nii.gz: label 40 has no row for sub-02 ses-01 in "
            "lesions.tsv; add it",
        ),
    ]


def test_the_label_of_a_broken_row_is_not_called_one_without_a_row(folder):
    content = tables()
    content["lesions"][3][3] = "x"
    content["lesions"][9][0] = "sub 1"
    write_tables(folder, content)
    messages = [message for _, message in found(folder)]
    assert len(messages) == 2
    assert messages[0].startswith("lesions.tsv row 4, column 'label': 'x' is not a whole number")
    assert messages[1].startswith("lesions.tsv row 10, column 'participant_id': 'sub 1' is no")


def test_a_repeated_key_excuses_no_label_without_a_row(folder):
    content = tables()
    content["lesions"][12][3] = "1"  # of sub-02, as its first lesion has
    write_tables(folder, content)
    messages = [message for _, message in found(folder)]
    assert len(messages) == 2
    assert messages[0].startswith("lesions.tsv row 13, column 'label': ")
    assert "is already in row 12" in messages[0]
    assert "label 2 has no row for sub-02 ses-01 in lesions.tsv; add it" in messages[1]


def test_images_are_checked_although_tables_are_broken(folder):
    content = tables()
    content["sessions"][3][2] = "n/a"
    content["lesions"][1][4] = "hyperintens"
    write_tables(folder, content)
    image(folder, "MWFmap", "sub-03/ses-01").unlink()
    edit_labels(image(folder, "dseg", "sub-03/ses-01"), 1, 11)
    assert len(found(folder)) == 5


def test_a_study_without_a_readable_lesions_table_still_has_its_images_checked(folder):
    (folder / "lesions.tsv").unlink()
    image(folder, "MWFmap").unlink()
    assert [message.split(":")[0] for _, message in found(folder)] == [
        "lesions.tsv",
        "sub-01/ses-01/sub-01_ses-01_MWFmap.nii.gz",
    ]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def cut_uncompressed(path: Path) -> None:
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:-64]))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def not_an_image(path: Path) -> None:
    path.write_bytes(gzip.compress(b"hello" * 200))


def other_grid(path: Path) -> None:
    old = nib.load(path)
    values, affine = np.asanyarray(old.dataobj).copy(), old.affine.copy()
    affine[0, 3] += 1
    nib.save(nib.Nifti1Image(values, affine), path)


@pytest.mark.parametrize("damage", [cut, cut_uncompressed, empty, not_an_image, other_grid])
@pytest.mark.parametrize("name", ["MWFmap", "mask", "dseg"])
def test_an_image_that_cannot_be_used_is_unreadable(folder, damage, name):
    damage(image(folder, name, "sub-02/ses-01"))
    problems = check_study(open_study(folder))
    assert set(problems["kind"]) == {"unreadable"}
    # On another grid than the labels, both mask and map are: the labels come first.
    assert len(problems) == (2 if damage is other_grid and name == "dseg" else 1)
    sound_tables(open_study(folder))  # costs its session, not the run
    assert problems["table"].str.startswith("sub-02/ses-01/sub-02_ses-01_").all()
    assert not problems["message"].str.contains(str(folder), regex=False).any()


def test_labels_that_are_no_whole_numbers_are_unreadable(folder):
    write_image(image(folder, "dseg"), np.full((12, 12, 12), 0.4, dtype=np.float32))
    assert [kind for kind, _ in found(folder)] == ["unreadable"]


def test_a_file_of_several_gzip_members_is_sound(folder):
    path = image(folder, "MWFmap")
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[:1000]) + gzip.compress(whole[1000:]))
    assert found(folder) == []


def test_values_that_contradict_the_unit_are_one_problem(folder):
    set_toml(folder, 'unit = "percent"', 'unit = "fraction"')
    for path in folder.rglob("*_MWFmap.json"):
        path.unlink()
    messages = found(folder)
    assert len(messages) == 1
    assert messages[0][0] == "invalid"
    assert "contradicts the unit 'fraction' declared for mwf_percent" in messages[0][1]
    assert messages[0][1].startswith("sub-01/ses-01/sub-01_ses-01_MWFmap.nii.gz: ")


def test_a_sidecar_that_contradicts_study_toml_is_one_problem(folder):
    set_toml(folder, 'unit = "percent"', 'unit = "fraction"')
    assert found(folder) == [
        (
            "invalid",
            "study.toml, setting 'maps.mwf_percent.unit': 'fraction' here, but 'percent' in "
            "sub-01/ses-01/sub-01_ses-01_MWFmap.json and 4 more; correct one (allowed: percent, "
            "fraction)",
        )
    ]


def test_a_pattern_without_session_is_reported_where_it_matters(folder):
    set_toml(
        folder, "{participant}/{session}/{participant}_{session}_MWFmap", "{participant}_MWFmap"
    )
    for participant in ("sub-01", "sub-02", "sub-03", "sub-04"):
        source = image(folder, "MWFmap", f"{participant}/ses-01")
        shutil.copy(source, folder / f"{participant}_MWFmap.nii.gz")
    assert found(folder) == [
        (
            "invalid",
            "study.toml, setting 'maps.mwf_percent.pattern': does not contain {session}, but "
            "sub-01 has 2 sessions; add it",
        )
    ]


def test_a_mask_of_another_name_is_reported(folder):
    set_toml(folder, "white_matter =", "whitematter =")
    assert len(found(folder)) == 1
    assert "study.toml, setting 'tissue'" in found(folder)[0][1]


def test_only_the_images_of_the_participants_asked_for_are_checked(folder):
    image(folder, "MWFmap", "sub-03/ses-01").unlink()
    study = open_study(folder)
    sound_tables(study, participants=["01", "sub-02"])
    for participants in (None, ["03"]):
        with pytest.raises(InvalidDataError) as caught:
            sound_tables(study, participants=participants)
        assert len(caught.value.problems) == 1


def test_a_study_without_maps_of_its_own_masks_needs_none(tmp_path):
    start = TOML.index("[tissue]")
    toml = TOML[:start] + TOML[TOML.index("[maps") :]
    folder = write_images(write_tables(tmp_path, toml=toml))
    for path in folder.rglob("*_mask.nii.gz"):
        path.unlink()
    assert found(folder) == []


def test_a_broken_sidecar_is_named(folder):
    (folder / "sub-02/ses-01/sub-02_ses-01_MWFmap.json").write_text("{")
    (folder / "sub-03/ses-01/sub-03_ses-01_MWFmap.json").write_text(json.dumps({"Units": 3}))
    messages = [message for _, message in found(folder)]
    assert messages[0].startswith("sub-02/ses-01/sub-02_ses-01_MWFmap.json: is not a JSON object")
    assert messages[1].startswith("sub-03/ses-01/sub-03_ses-01_MWFmap.json: Units is 3")


def test_images_may_lie_outside_the_study_folder(sound, tmp_path):
    text = (sound / "study.toml").read_text()
    text = text.replace(
        '"{participant}/{session}/', f'"{sound.as_posix()}/{{participant}}/{{session}}/'
    )
    folder = write_tables(tmp_path / "tables", toml=text)
    with pytest.raises(InvalidDataError, match="leads out of the study folder"):
        open_study(folder)
    folder = write_tables(tmp_path / "tables", toml=text + "[study]\noutside = true\n")
    assert found(folder) == []
    set_toml(folder, 'unit = "percent"', 'unit = "fraction"')
    assert len(found(folder)) == 1
    set_toml(folder, "_MWFmap", "_MVFmap")
    assert f"which gives {sound.as_posix()}/sub-01" in found(folder)[0][1]
