"""A study folder from elsewhere: what may be read of it, and where its paths may lead."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from qsmstats import check_study, init_study, open_study
from qsmstats.errors import ImageError, InvalidDataError
from qsmstats.untrusted_files import leading_out, leads_out, read_bounded
from tests.study_folder import TOML, table_problems, tables, write_images, write_tables

OUTSIDE = "\n[study]\noutside = true\n"
STEM = "{participant}/{session}/{participant}_{session}"
IMAGE = "sub-01/ses-01/sub-01_ses-01"


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    return write_images(write_tables(tmp_path_factory.mktemp("sound") / "study"))


@pytest.fixture
def folder(sound, tmp_path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "study"))


def messages(folder: Path) -> list[str]:
    return list(check_study(open_study(folder))["message"])


def refusals(folder: Path, toml: str) -> list[str]:
    (folder / "study.toml").write_text(toml)
    with pytest.raises(InvalidDataError) as caught:
        open_study(folder)
    return list(map(str, caught.value.problems))


def link_out(folder: Path, name: str) -> Path:
    """Move a file of the study out of it and leave a link in its place."""
    target = folder.parent / "elsewhere" / Path(name).name
    target.parent.mkdir(exist_ok=True)
    (folder / name).rename(target)
    (folder / name).symlink_to(target)
    return folder


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (f"{STEM}_dseg", f"../{STEM}_dseg", "labels.pattern"),
        (f"{STEM}_dseg", f"/data/{STEM}_dseg", "labels.pattern"),
        (f"{STEM}_mask", f"{{participant}}/../../{STEM}_mask", "tissue.white_matter"),
        (f"{STEM}_MWFmap", f"../{STEM}_MWFmap", "maps.mwf_percent.pattern"),
        ('"lesions.tsv"', '"../lesions.tsv"', "tables.lesions"),
        ('"lesions.tsv"', '"/etc/passwd"', "tables.lesions"),
        ('"{participant}/{p', '"../{participant}/{p', "tables.sessions"),
        ('"lesions.tsv"', '{ file = "../l.xlsx" }', "tables.lesions"),
    ],
)
def test_paths_of_study_toml_stay_within_unless_it_allows_more(tmp_path, old, new, where):
    toml = TOML.replace(old, new, 1)
    assert toml != TOML
    found = refusals(tmp_path, toml)
    assert len(found) == 1
    assert found[0].startswith(f"study.toml, setting '{where}': '")
    assert "leads out of the study folder" in found[0]
    (tmp_path / "study.toml").write_text(toml + OUTSIDE)
    assert open_study(tmp_path).study.outside


@pytest.mark.parametrize("value", ['"yes"', "1", "[]"])
def test_outside_is_true_or_false(tmp_path, value):
    found = refusals(tmp_path, f"{TOML}\n[study]\noutside = {value}\n")
    assert len(found) == 1
    assert "'study.outside': found" in found[0]
    assert "write true or false" in found[0]


TABLES = ("lesions.tsv", "sub-01/sub-01_sessions.tsv")
IMAGES = (f"{IMAGE}_dseg.nii.gz", f"{IMAGE}_mask.nii.gz", f"{IMAGE}_MWFmap.nii.gz")
SIDECAR = f"{IMAGE}_MWFmap.json"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_a_link_out_is_not_read(tmp_path, name):
    found = table_problems(open_study(link_out(write_tables(tmp_path / "study"), name)))
    assert found[0].table == name
    assert "leads out of the study folder" in found[0].problem


@pytest.mark.parametrize("names", [IMAGES, (SIDECAR,)], ids=["images", "sidecar"])
def test_images_and_sidecars_that_are_links_out_are_not_read(folder, names):
    for name in names:
        link_out(folder, name)
    found = messages(folder)
    assert len(found) == len(names)
    for name in names:
        assert any(f"{name}: leads out of the study folder" in text for text in found)


def test_links_out_are_followed_where_the_study_allows_it(folder):
    for name in (*TABLES, *IMAGES, SIDECAR):
        link_out(folder, name)
    (folder / "study.toml").write_text(TOML + OUTSIDE)
    assert messages(folder) == []


def test_a_link_within_the_study_is_followed(folder):
    (folder / "store").mkdir()
    (folder / "lesions.tsv").rename(folder / "store" / "x")
    (folder / "lesions.tsv").symlink_to("store/x")
    assert messages(folder) == []


def test_a_folder_that_is_a_link_out_is_one_problem_per_pattern(folder):
    (folder / "sub-03" / "ses-01").rename(folder.parent / "elsewhere")
    (folder / "sub-03" / "ses-01").symlink_to(folder.parent / "elsewhere")
    found = messages(folder)
    assert len(found) == 3  # labels, mask, map
    assert all("leads out of the study folder" in text for text in found)


def test_images_outside_are_barred_from_python_too(folder):
    study = open_study(link_out(folder, f"{IMAGE}_dseg.nii.gz"))
    with pytest.raises(ImageError, match="leads out of the study folder"):
        study.image(study.labels.pattern, "sub-01", "ses-01")


def test_the_study_folder_may_be_a_link_itself(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert messages(tmp_path / "link") == []


def test_identifiers_do_not_climb_out_of_the_folder(tmp_path):
    content = tables()
    content["participants"].append(["../secret", "HC", "40", "F", "basel"])
    folder = write_tables(tmp_path / "study", content)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "secret_sessions.tsv").write_text("nothing to be seen\n1\n")
    toml = TOML.replace("{participant}_sessions", "secret_sessions") + OUTSIDE
    (folder / "study.toml").write_text(toml)
    found = list(map(str, table_problems(open_study(folder))))
    assert any("'../secret' is not an identifier" in text for text in found)
    assert not any("secret_sessions.tsv row" in text for text in found)
    assert not any("../secret/" in text for text in found)


def test_a_pattern_does_not_walk_the_disk(tmp_path):
    toml = TOML.replace('"{participant}/{p', '"{participant}/**/{p')
    assert len(refusals(tmp_path, toml)) == 1
    assert "'*', which is not a wildcard here" in refusals(tmp_path, toml)[0]


def test_brackets_of_a_path_are_no_pattern(tmp_path):
    write_tables(tmp_path)
    for path in tmp_path.glob("sub-*"):
        path.rename(tmp_path / f"{path.name}[1]")
    (tmp_path / "study.toml").write_text(TOML.replace('"{participant}/{p', '"{participant}[1]/{p'))
    (tmp_path / "sub-771").mkdir()
    (tmp_path / "sub-771" / "sub-77_sessions.tsv").write_text("session_id\tyears\nses-01\t0\n")
    assert list(map(str, table_problems(open_study(tmp_path)))) == []


@pytest.mark.parametrize("name", ["study.toml", *TABLES])
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_what_has_no_end_is_not_opened(tmp_path, name, kind):
    folder = endless(write_tables(tmp_path, toml=TOML + OUTSIDE), name, kind)
    try:
        found = table_problems(open_study(folder))
    except InvalidDataError as error:
        found = list(error.problems)
    assert name in found[0].table
    assert "not a regular file" in found[0].problem


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_a_sidecar_without_end_is_not_opened(folder, kind):
    (folder / "study.toml").write_text(TOML + OUTSIDE)
    found = messages(endless(folder, SIDECAR, kind))
    assert len(found) == 1
    assert found[0].startswith(f"{SIDECAR}: is not a JSON object (it is not a regular file")


def endless(folder: Path, name: str, kind: str) -> Path:
    (folder / name).unlink()
    if kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to(kind)
    return folder


def test_reading_has_a_limit(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    with pytest.raises(OSError, match=r"it holds more than 4e-06 MB"):
        read_bounded(path, 4)
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path, 4)


def test_links_in_a_circle_lead_nowhere(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert not leads_out(tmp_path, tmp_path / "a")
    assert leads_out(tmp_path / "study", tmp_path / "a")


def test_init_follows_no_link_out_and_says_so(folder, tmp_path):
    (folder / "study.toml").unlink()
    shutil.copytree(folder / "sub-03", tmp_path / "other")
    (folder / "linked").symlink_to(tmp_path / "other")
    (folder / "round").symlink_to(folder)
    os.mkfifo(folder / "pipe_MWFmap.nii.gz")
    (folder / "evil\n[study]\noutside=true_MWFmap.nii.gz").write_bytes(b"")
    draft = init_study(folder)
    text = (folder / "study.toml").read_text()
    assert "1 link to outside the folder, not followed  linked" in draft.left_alone
    assert any(text.startswith("2 files that a pattern cannot name") for text in draft.left_alone)
    assert "linked" not in text
    assert "round/" not in text
    assert "evil" not in text


def test_init_keeps_the_former_file_without_following_a_link(folder, tmp_path):
    (folder / "study.toml.bak").symlink_to(tmp_path / "target")
    draft = init_study(folder, force=True)
    assert draft.backup == folder / "study.toml.bak1"
    assert draft.backup.read_text() == TOML
    assert not (tmp_path / "target").exists()


def test_a_former_file_without_end_is_not_kept(folder):
    (folder / "study.toml").unlink()
    (folder / "study.toml").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        init_study(folder, force=True)


@pytest.mark.parametrize(
    "data",
    [b"a = " + b"[" * 9999, b"name." + b".".join([b"a"] * 1500) + b" = 1", b"a = 1" + b"#" * 10**6],
)
def test_a_study_toml_that_is_too_deep_or_large_is_a_problem(tmp_path, data):
    (tmp_path / "study.toml").write_bytes(data)
    with pytest.raises(InvalidDataError, match=r"study.toml.*: (nests|cannot be read: it holds)"):
        open_study(tmp_path)


def test_many_files_lead_out_as_each_of_them_does(tmp_path):
    folder, other = tmp_path / "study", tmp_path / "other"
    (folder / "a").mkdir(parents=True)
    other.mkdir()
    for place in (folder / "a", other):
        (place / "there.txt").touch()
    (folder / "a" / "out.txt").symlink_to(other / "there.txt")
    (folder / "a" / "in.txt").symlink_to(folder / "a" / "there.txt")
    (folder / "linked").symlink_to(other)
    (folder / "circle").symlink_to(folder / "circle")
    names = ["a/there.txt", "a/out.txt", "a/in.txt", "a/none.txt", "linked/there.txt", "circle"]
    names += ["a/../../other/there.txt", "a/..", "..", ".", "none/none.txt", "x" * 300]
    names += ["none/../a/out.txt", "../study"]
    names += [str(other / "there.txt"), str(folder / "a" / "there.txt")]
    expected = [name for name in names if leads_out(folder, folder / name)]
    assert leading_out(folder, names) == expected
    assert "a/out.txt" in expected
