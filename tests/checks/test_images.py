"""`check` finds what measuring would refuse, and names the file."""

from __future__ import annotations

import gzip
import os
import shutil
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmstats.checks import session_images as checked
from qsmstats.checks.images import Finding, check_images
from qsmstats.checks.labels import LabelRows
from qsmstats.checks.study import sound_tables
from qsmstats.errors import ImageError
from qsmstats.study_file import open_study
from qsmstats.tables.read import load_tables, typed_tables
from qsmstats.voxels import stream
from qsmstats.voxels.cohort import extract_cohort, session_jobs
from qsmstats.voxels.images import open_volume
from tests.study_folder import write_image, write_images, write_tables

SHAPE = (12, 12, 12)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    return write_images(write_tables(tmp_path_factory.mktemp("check") / "study"))


@pytest.fixture
def folder(sound, tmp_path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "study"))


def image(folder: Path, name: str, session: str = "sub-02/ses-01") -> Path:
    return folder / session / f"{session.replace('/', '_')}_{name}.nii.gz"


@pytest.fixture(scope="module")
def check(sound):
    """Return a function that checks the images of a study, whose tables are read but once."""
    loaded = load_tables(open_study(sound))
    read, rows = typed_tables(open_study(sound), loaded), LabelRows.of(loaded)

    def findings(folder: Path, **options) -> list[Finding]:
        study = open_study(folder)
        return check_images(study, session_jobs(study, read), rows, **options)

    return findings


def messages(findings: list[Finding]) -> list[str]:
    return [str(finding.problem) for finding in findings]


def values(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj).copy()


def flipped(whole: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with one bit flipped, so that something else than its data comes out."""
    while True:
        damaged = bytearray(whole)
        damaged[rng.integers(10, len(whole))] ^= 1 << rng.integers(8)
        try:
            if gzip.decompress(damaged) != gzip.decompress(whole):
                return bytes(damaged)
        except (OSError, EOFError, gzip.zlib.error):
            return bytes(damaged)


@pytest.mark.parametrize("seed", range(11))
def test_every_harmful_flip_in_maps_and_masks_is_found(check, folder, seed):
    rng = np.random.default_rng(seed)
    paths = sorted([*folder.rglob("*_MWFmap.nii.gz"), *folder.rglob("*_mask.nii.gz")])
    assert len(paths) == 10
    for path in paths:
        path.write_bytes(flipped(path.read_bytes(), rng))
    found = check(folder)
    names = {path.relative_to(folder).as_posix() for path in paths}
    assert {finding.problem.table for finding in found} == names
    assert {finding.kind for finding in found} == {"invalid"}  # no map is left to measure


def parcellation(folder):
    # Grey and white matter of both sides and a parcel, as FreeSurfer numbers them.
    parcels = np.random.default_rng(1).choice([0, 2, 41, 3007], SHAPE).astype(np.int32)
    for path in folder.rglob("*_mask.nii.gz"):
        write_image(path, parcels)


def mask(content):
    return lambda folder: write_image(image(folder, "mask"), np.broadcast_to(content, SHAPE).copy())


def labels(change):
    def act(folder):
        path = image(folder, "dseg")
        write_image(path, change(values(path)))

    return act


def moved(name):
    def act(folder):
        path = image(folder, name)
        affine = np.diag([2.0, 2.0, 2.0, 1.0])
        affine[0, 3] = 0.03
        nib.save(nib.Nifti1Image(values(path), affine), path)

    return act


def written(name, change):
    def act(folder):
        path = image(folder, name)
        path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))

    return act


def in_another_unit(folder):
    path = image(folder, "MWFmap")
    write_image(path, values(path) / 1000)


def several(folder):
    write_image(image(folder, "MWFmap"), np.ones((*SHAPE, 2), np.float32))


def as_complex(folder):
    write_image(image(folder, "MWFmap"), np.ones(SHAPE, np.complex64))


REFUSED = {
    "parcellation as mask": parcellation,
    "mask of nothing": mask(np.uint8(0)),
    "mask of small probabilities": mask(np.float32(0.3)),
    "mask of percentages": mask(np.linspace(0, 100, 12, dtype=np.float32)),
    "mask of NaN": mask(np.float32(np.nan)),
    "mask of the negative": mask(np.int16(-1)),
    "mask elsewhere": moved("mask"),
    "map elsewhere": moved("MWFmap"),
    "interpolated labels": labels(lambda found: (found * 0.7).astype(np.float32)),
    "negative labels": labels(lambda found: np.where(found == 1, -1, found)),
    "endless labels": labels(lambda found: np.where(found == 1, np.inf, found)),
    "another unit": in_another_unit,
    "several volumes": several,
    "complex values": as_complex,
    "map too long": written("MWFmap", lambda whole: whole + b"\0"),
    "mask too short": written("mask", lambda whole: whole[:-1]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_measuring_refuses_is_found_in_the_same_words(check, folder, kind):
    REFUSED[kind](folder)
    study = open_study(folder)
    failures = extract_cohort(study).failures
    assert len(failures) == (5 if kind == "parcellation as mask" else 1)
    found = messages(check(folder))
    for failure in failures.itertuples():
        reason = f"{failure.file}: {failure.reason}".replace(f"{folder}/", "")
        assert reason in found


LINE = 'white_matter = "{participant}/{session}/{participant}_{session}_mask.nii.gz"'


def declare(folder: Path, old: str, new: str) -> None:
    toml = (folder / "study.toml").read_text()
    assert old in toml
    (folder / "study.toml").write_text(toml.replace(old, new))


def test_a_label_that_no_parcellation_has_is_an_error_and_one_that_some_lack_a_note(check, folder):
    labelled = LINE.replace('= "', '= { pattern = "') + ', labels = [2, 77, "3000-4999", 41] }'
    declare(folder, LINE, labelled)
    for number, path in enumerate(sorted(folder.rglob("*_mask.nii.gz"))):
        held = [0, 2, 41, 3007] if number else [0, 2, 3008]
        write_image(path, np.resize(np.array(held, np.int32), SHAPE))
    found = check(folder)
    assert [finding.kind for finding in found] == ["invalid", "note"]
    assert messages(found) == [
        "study.toml, setting 'tissue.white_matter.labels': label 77 (WM-hypointensities) "
        "occurs in none of the 5 images, whose labels are 2 (Left-Cerebral-White-Matter), 41 "
        "(Right-Cerebral-White-Matter), 3007 (wm-lh-fusiform), 3008 (wm-lh-inferiorparietal); "
        "correct or remove it",
        "study.toml, setting 'tissue.white_matter.labels': label 41 "
        "(Right-Cerebral-White-Matter) is absent from 1 of the 5 images (sub-01 ses-01); check "
        "whether this part of the tissue is absent there too",
    ]
    # `run` finds it before it measures; of one participant's images it says nothing.
    assert messages(found)[0] in messages(check(folder, whole=False))
    assert check(folder, everyone=False) == []


@pytest.mark.parametrize(
    ("old", "new", "where", "n"),
    [
        ("missing = 0", "missing = 0\nvolume = 0", "maps.mwf_percent.volume", 5),
        ('dseg.nii.gz"', 'dseg.nii.gz"\nvolume = 0', "labels.volume", 4),
        (
            LINE,
            LINE.replace('= "', '= { pattern = "') + ", volume = 0 }",
            "tissue.white_matter.volume",
            5,
        ),
    ],
)
def test_the_number_of_a_volume_of_single_volumes_is_an_error(check, folder, old, new, where, n):
    declare(folder, old, new)
    message = (
        f"study.toml, setting '{where}': does nothing: each of the {n} images is a single volume; "
        "remove it"
    )
    assert messages(check(folder)) == [message]
    # One file of two volumes is enough for the number to mean something.
    several(folder)
    if "maps" in where:
        assert messages(check(folder)) == []


def test_images_of_which_none_can_be_used_make_the_study_invalid(check, folder):
    for path in folder.rglob("*_MWFmap.nii.gz"):
        write_image(path, np.ones((*SHAPE, 2), np.float32))
    found = check(folder, whole=False)
    assert [one.kind for one in found] == ["invalid"] * 5
    assert {one.problem.files for one in found} == {
        "{participant}/{session}/{participant}_{session}_MWFmap.nii.gz"
    }
    # Those of one participant, measured in a job of its own, say nothing of the others.
    assert {one.kind for one in check(folder, whole=False, everyone=False)} == {"unreadable"}


def test_every_damaged_image_of_a_session_is_named(check, folder):
    for name in ("dseg", "mask", "MWFmap"):
        path = image(folder, name)
        path.write_bytes(path.read_bytes()[:-3])
    assert [message.split(":")[0] for message in messages(check(folder))] == [
        image(Path(), name).as_posix() for name in ("dseg", "mask", "MWFmap")
    ]


def test_an_image_in_another_unit_excludes_its_session_and_not_the_study(check, folder):
    in_another_unit(folder)
    assert [finding.kind for finding in check(folder)] == ["unreadable"]
    sound_tables(open_study(folder))


def test_damaged_labels_exclude_their_own_session_alone(folder):
    path = image(folder, "dseg", "sub-01/ses-02")
    path.write_bytes(path.read_bytes()[:-3])
    measured = extract_cohort(open_study(folder))
    assert measured.failures["session_id"].to_list() == ["ses-02"]
    flagged = measured.features[measured.features["flags"].str.contains("other_session_unreadable")]
    assert set(flagged["session_id"]) == {"ses-01"}
    assert set(flagged["participant_id"]) == {"sub-01"}


@pytest.fixture
def inflated(monkeypatch):
    """Return the list of files that are inflated from now on."""
    names = []
    real = stream._inflate
    monkeypatch.setattr(
        stream, "_inflate", lambda path, mode: names.append(path.name) or real(path, mode)
    )
    return names


def test_check_inflates_every_image_once(check, sound, inflated):
    assert messages(check(sound)) == []
    assert sorted(inflated) == sorted(path.name for path in sound.rglob("*.nii.gz"))


def test_before_measuring_maps_and_masks_of_one_session_are_inflated(sound, inflated):
    sound_tables(open_study(sound))
    labels = [path.name for path in sound.rglob("*_dseg.nii.gz")]
    first = [image(sound, name, "sub-01/ses-01").name for name in ("mask", "MWFmap")]
    assert sorted(inflated) == sorted([*labels, *first])


def test_processes_find_what_one_finds_in_the_same_order(check, folder):
    for path in folder.rglob("*_MWFmap.nii.gz"):
        path.write_bytes(path.read_bytes()[:-3])
    steps = []
    found = messages(
        check(folder, workers=2, progress=lambda done, total: steps.append((done, total)))
    )
    assert found == messages(check(folder))
    assert steps == [(done, 5) for done in range(1, 6)]


def test_a_process_that_dies_is_a_problem_of_its_session(check, sound, monkeypatch):
    def dying(call, jobs, workers):
        for number, job in enumerate(jobs):
            yield number, BrokenProcessPool("gone") if number == 2 else call(job)

    monkeypatch.setattr(checked, "run_jobs", dying)
    found = check(sound)
    assert [finding.kind for finding in found] == ["unreadable"]
    assert found[0].problem.table == "sub-02/ses-01/sub-02_ses-01_dseg.nii.gz"
    assert "memory ran out" in found[0].problem.problem


@pytest.fixture
def little_memory(monkeypatch):
    """Leave 150 kB to an image: the study's images of 12 x 12 x 12 fit, those of 40 do not."""
    monkeypatch.setattr(stream, "memory_at_hand", lambda: 150e3)


def test_an_image_larger_than_memory_excludes_its_session_and_is_not_inflated(
    check, folder, little_memory, inflated
):
    write_image(image(folder, "MWFmap"), np.ones((40, 40, 40), np.float32))
    write_image(image(folder, "mask"), np.ones((40, 40, 40), np.float32))
    write_image(image(folder, "dseg"), np.resize(np.arange(6, dtype=np.float32), (40, 40, 40)))
    found = messages(check(folder))
    assert [message.split(":")[0] for message in found] == [
        image(Path(), name).as_posix() for name in ("dseg", "mask", "MWFmap")
    ]
    for message in found:
        assert "40 x 40 x 40 voxels of float32 take 0.000256 GB" in message
        assert "0.00015 GB are available" in message
    failures = extract_cohort(open_study(folder)).failures
    assert failures["participant_id"].to_list() == ["sub-02"]
    assert not any(name.startswith("sub-02") for name in inflated)


@pytest.mark.parametrize("name", ["dseg", "mask"])
def test_an_image_that_marks_more_than_could_be_measured_is_named(
    check, folder, little_memory, name
):
    write_image(image(folder, name), np.ones(SHAPE, np.uint8))
    failures = extract_cohort(open_study(folder)).failures
    assert failures["participant_id"].to_list() == ["sub-02"]
    found = [
        message for message in messages(check(folder)) if "has at least 1728 of 1728" in message
    ]
    assert [message.split(":")[0] for message in found] == [image(Path(), name).as_posix()]


def test_memory_that_runs_out_while_an_image_is_read_excludes_its_session(
    check, folder, monkeypatch
):
    real = checked.read_map

    def greedy(volume, *rest, **options):
        if "sub-02" in volume.name:
            raise MemoryError
        return real(volume, *rest, **options)

    monkeypatch.setattr(checked, "read_map", greedy)
    monkeypatch.setattr("qsmstats.voxels.features.read_map", greedy)
    found = messages(check(folder))
    assert len(found) == 1
    assert found[0].startswith(f"{image(Path(), 'MWFmap').as_posix()}: does not fit into memory")
    failures = extract_cohort(open_study(folder)).failures
    assert failures["file"].to_list() == [image(Path(), "dseg").as_posix()]
    assert "more labelled voxels than fit into memory" in failures.loc[0, "reason"]


@pytest.mark.parametrize("name", ["MWFmap", "mask", "dseg"])
def test_a_pipe_or_a_device_in_place_of_an_image_never_hangs(check, folder, name):
    # Links out of the folder are refused before, unless study.toml allows them.
    toml = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(toml + "[study]\noutside = true\n")
    path = image(folder, name)
    for replace in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir):
        path.unlink() if not path.is_dir() else path.rmdir()
        replace(path)
        found = messages(check(folder))
        assert len(found) == 1
        assert found[0].startswith(f"{image(Path(), name).as_posix()}: is not a file; ")
        with pytest.raises(ImageError, match=r"is not a regular file|is a folder"):
            open_volume(path, name)
        assert [finding.kind for finding in check(folder, whole=False)] == ["invalid"]
