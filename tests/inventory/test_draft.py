"""`qsmstats init`: a dataset without study.toml gets one that checks."""

from __future__ import annotations

import dataclasses
import re
import shutil
import tomllib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from qsmstats import check_study, init_study, open_study
from qsmstats.cli import main
from qsmstats.errors import InvalidDataError, UsageError
from qsmstats.inventory.draft_defaults import setting_parts
from qsmstats.settings import ModelSettings, PatientSettings, TableOneSettings
from tests.study_folder import tables, write_image, write_images, write_tables, write_text


def without_own_name(study):
    return dataclasses.replace(study, folder=Path(), name="")


@pytest.fixture
def dataset(tmp_path):
    """A valid small study in BIDS names, without its study.toml."""
    folder = write_images(write_tables(tmp_path / "my data"))
    for path in folder.rglob("*_mask.nii.gz"):
        path.rename(path.with_name(path.name.replace("_mask", "_label-WM_mask")))
    (folder / "study.toml").unlink()
    return folder


def test_a_simulated_study_gets_the_settings_back_that_it_had(study_copy):
    # What the study of the tests leaves out to be fast is no property of its files.
    settings = {"models": ModelSettings(), "patients": PatientSettings()}
    settings["table_one"] = TableOneSettings()  # titles are no property of the files either
    before = dataclasses.replace(open_study(study_copy), **settings)
    (study_copy / "study.toml").unlink()
    draft = init_study(study_copy)
    assert draft.todo == ()
    # What is measured and fitted follows from the files and these settings alone.
    assert without_own_name(open_study(study_copy)) == without_own_name(before)
    found = check_study(open_study(study_copy))
    assert found["kind"].isin(["note"]).all(), found["message"].to_list()


def test_a_region_is_read_once_for_all_maps(study_copy, monkeypatch):
    from qsmstats.inventory import image_values

    read: list[Path] = []

    def counted(volume, **options):
        read.append(volume.path)
        return read_mask(volume, **options)

    read_mask = image_values.read_mask
    monkeypatch.setattr(image_values, "read_mask", counted)
    maps = len(open_study(study_copy).maps)
    (study_copy / "study.toml").unlink()
    init_study(study_copy)
    assert maps > 1
    assert len(read) == len(set(read)) > 0


def stranger(folder: Path) -> Path:
    """A folder as labs have them: own identifiers, names and spellings, Excel, no sidecars."""
    content = tables()
    source = write_images(write_tables(folder / "source", content), content)
    top = folder / "stranger"

    def own(word: str) -> str:
        return word.replace("sub-", "MS_").replace("ses-0", "V")

    suffixes = {"dseg": "lesion_labels", "mask": "WM", "MWFmap": "MWF"}
    for path in source.rglob("*.nii.gz"):
        participant, session, suffix = path.name.removesuffix(".nii.gz").split("_")
        image = nib.load(path)
        values = np.asanyarray(image.dataobj)
        stem = f"{own(participant)}_{own(session)}_{suffixes[suffix]}.nii.gz"
        target = top / "images" / own(participant) / own(session) / stem
        write_image(target, values / np.float32(100) if suffix == "MWFmap" else values)
        if suffix == "MWFmap":
            write_image(target.with_name(stem.replace("MWF", "FLAIR")), values)
    frames = {}
    for name, (header, *rows) in content.items():
        frame = pd.DataFrame(rows, columns=header)
        for column in {"participant_id", "session_id"} & set(header):
            frame[column] = frame[column].map(own)
        frames[name] = frame
    names = {"participant_id": "Subject ID", "sex": "Gender", "years": "Time (years)"}
    with pd.ExcelWriter(top / "clinical.xlsx") as book:
        for name in ("participants", "sessions"):
            frames[name].rename(columns=names).to_excel(book, sheet_name=name, index=False)
    lesions = frames["lesions"].replace({"hypointense_rim": "dark band"})
    lesions = lesions.rename(columns={"label": "roi", "lesion_type": "type"})
    lesions.to_csv(top / "lesion_list.csv", index=False)
    keys = ["participant_id", "session_id", "lesion_id"]
    ratings = frames["ratings"].set_index([*keys, "rater_id"])["lesion_type"].unstack()  # noqa: PD010
    ratings.reset_index().to_csv(top / "both_readers.tsv", sep="\t", index=False)
    write_text(top / "scanner_log.csv", [["date", "coil"], ["monday", "32"]], ",")
    write_text(top / "histology.csv", content["histology"], ";")
    (top / "clinical.sav").write_bytes(b"x")
    return top


def test_a_strangers_folder_needs_only_what_its_owner_must_say(tmp_path):
    folder = stranger(tmp_path)
    draft = init_study(folder)
    text = (folder / "study.toml").read_text()
    stem = "images/{participant}/{session}/{participant}_{session}"
    raw = tomllib.loads(text)
    assert raw["labels"] == {"pattern": f"{stem}_lesion_labels.nii.gz"}
    assert raw["tissue"] == {"white_matter": f"{stem}_WM.nii.gz"}
    assert raw["maps"] == {"mwf_percent": {"pattern": f"{stem}_MWF.nii.gz"}}
    assert raw["tables"]["sessions"]["columns"] == {
        "participant_id": "Subject ID",
        "years": "Time (years)",
    }
    assert raw["tables"]["ratings"]["wide"] == ["r1", "r2"]
    assert ["which suggests fraction" in text for text in draft.todo] == [True, False]
    assert "'dark band'" in draft.todo[1]
    left = "\n".join(draft.left_alone)
    assert [word in left for word in ("FLAIR", "scanner_log", ".sav")] == [True] * 3
    assert raw["tables"]["histology"] == {"file": "histology.csv", "separator": ";"}
    assert ["'dark band' is not one of" in text for text in draft.problems] == [True]

    with pytest.raises(InvalidDataError, match="no unit is declared for this map"):
        open_study(folder)
    text = text.replace('# unit = "fraction"', 'unit = "fraction"', 1)
    text = re.sub('# "dark band" = "[^"]*"', '"dark band" = "hypointense_rim"', text)
    (folder / "study.toml").write_text(text)
    assert check_study(open_study(folder)).empty


def test_a_flat_folder_of_one_scan_each(tmp_path):
    rng = np.random.default_rng(3)
    for name in ("Smith", "Jones"):
        labels = np.zeros((4, 4, 4), dtype=np.int16)
        labels[1:3, 1:3, :] = [1, 1, 2, 2]
        write_image(tmp_path / "lesions" / f"{name}.nii.gz", labels)
        write_image(tmp_path / "QSM" / f"{name}.nii.gz", rng.normal(0, 0.02, labels.shape))
    write_text(tmp_path / "notes.csv", [["drug", "dose"], ["x", "1"]], ",")
    write_image(tmp_path / "QSM" / "Smith_T1w.nii.gz", np.zeros((4, 4, 4)))
    draft = init_study(tmp_path)
    assert sum("only by the name of a folder" in text for text in draft.guesses) == 2
    first = tomllib.loads((tmp_path / "study.toml").read_text())
    assert first["labels"] == {"pattern": "lesions/{participant}.nii.gz"}
    assert first["maps"] == {"susceptibility_ppb": {"pattern": "QSM/{participant}.nii.gz"}}

    write_text(tmp_path / "patients.csv", [["name", "dx"], ["Smith", "MS"], ["Jones", "MS"]], ",")
    draft = init_study(tmp_path, force=True)
    said = "\n".join(draft.todo)
    assert "patients.csv): no column was recognised as age (Age at the first session); sex" in said
    assert "one row each if every participant was scanned once" in said
    assert draft.left_alone == (
        "1 image  QSM/{participant}_T1w.nii.gz",
        "other table  notes.csv (columns drug, dose)",
    )


def test_what_a_map_suggests_is_never_set(dataset):
    for path in dataset.rglob("*_MWFmap.json"):
        path.unlink()
    draft = init_study(dataset)
    raw = tomllib.loads((dataset / "study.toml").read_text())
    assert "unit" not in raw["maps"]["mwf_percent"]
    assert ["which suggests percent" in text for text in draft.todo] == [True]


def test_zeros_in_white_matter_are_taken_for_missing_and_said_so(dataset):
    path = dataset / "sub-01/ses-01/sub-01_ses-01_MWFmap.nii.gz"
    values = np.asanyarray(nib.load(path).dataobj).copy()
    values[1:6] = 0
    write_image(path, values)
    draft = init_study(dataset)
    assert open_study(dataset).maps[0].missing == 0
    assert ["exactly 0" in text for text in draft.guesses] == [True]


def test_a_folder_without_labels(dataset):
    for path in dataset.rglob("*_dseg.nii.gz"):
        path.unlink()
    draft = init_study(dataset)
    assert [text.startswith("lesion labels: no image was found") for text in draft.todo] == [True]
    with pytest.raises(
        InvalidDataError, match=r"labels.pattern': is missing; it is a file pattern"
    ):
        open_study(dataset)


def test_binary_masks_are_no_labels(dataset):
    for path in dataset.rglob("*_dseg.nii.gz"):
        write_image(path, (np.asanyarray(nib.load(path).dataobj) > 0).astype(np.uint8))
    draft = init_study(dataset)
    assert ["what hangs together" in text for text in draft.guesses] == [True]
    assert open_study(dataset).labels.instances == "components"


def duplicate(folder: Path, old: str, new: str, *, keep: int | None = None) -> None:
    for path in sorted(folder.rglob(f"*{old}"))[:keep]:
        shutil.copy(path, path.with_name(path.name.replace(old, new)))


def test_two_candidates_that_fit_equally_are_left_to_the_user(dataset):
    duplicate(dataset, "_MWFmap.nii.gz", "_desc-smooth_MWFmap.nii.gz")
    duplicate(dataset, "_dseg.nii.gz", "_desc-second_dseg.nii.gz")
    duplicate(dataset, "lesions.tsv", "lesions2.tsv")
    shutil.copy(dataset / "lesions.tsv", dataset / "lesions_new.tsv")
    draft = init_study(dataset)
    said = "\n".join(draft.todo)
    assert said.count("fit equally well") == 2
    assert "several files may be the table of lesions" in said
    text = (dataset / "study.toml").read_text()
    assert {"labels", "tables"} <= tomllib.loads(text).keys()
    assert "pattern" not in tomllib.loads(text)["labels"]
    assert text.count("desc-smooth_MWFmap") == text.count("desc-second_dseg") == 1


def test_of_two_candidates_the_one_of_more_sessions_is_a_guess(dataset):
    duplicate(dataset, "_dseg.nii.gz", "_desc-second_dseg.nii.gz", keep=1)
    draft = init_study(dataset)
    assert "desc" not in open_study(dataset).labels.pattern
    assert ["chosen from 2 kinds" in text for text in draft.guesses] == [True]


def test_lesions_before_other_segmentations(dataset):
    duplicate(dataset, "_dseg.nii.gz", "_desc-lesions_dseg.nii.gz", keep=1)
    init_study(dataset)
    assert open_study(dataset).labels.pattern.endswith("_desc-lesions_dseg.nii.gz")


def test_participants_without_images_and_images_without_participant(dataset):
    table = dataset / "participants.tsv"
    table.write_text(table.read_text().replace("sub-02\t", "sub-77\t"))
    said = "\n".join(init_study(dataset).todo)
    assert "no image of sub-77 was found" in said
    assert "has no row for sub-02, who have images" in said


def test_missing_tables_are_asked_for_with_their_columns(dataset):
    for name in ("participants", "lesions", "histology"):
        (dataset / f"{name}.tsv").unlink()
    said = "\n".join(init_study(dataset).todo)
    assert "no table of participants was found; make one with the columns participant_id" in said
    assert "lesion_id, label, lesion_type" in said
    assert "histology" not in said  # optional


def test_results_and_hidden_files_play_no_part(dataset):
    for folder in ("results", ".git"):
        shutil.copytree(dataset / "sub-01", dataset / folder / "sub-01")
        shutil.copy(dataset / "lesions.tsv", dataset / folder)
    (dataset / "results" / "provenance.json").write_text("{}")
    assert init_study(dataset).todo == ()
    assert check_study(open_study(dataset)).empty


def test_a_study_toml_is_never_lost(dataset):
    (dataset / "study.toml").write_text("mine")
    with pytest.raises(UsageError, match="already exists; --force"):
        init_study(dataset)
    assert (dataset / "study.toml").read_text() == "mine"
    assert init_study(dataset, force=True).backup == dataset / "study.toml.bak"
    second = init_study(dataset, force=True).backup
    assert (dataset / "study.toml.bak").read_text() == "mine"
    assert second is not None
    assert second.read_bytes() == (dataset / "study.toml").read_bytes()


def test_exit_codes_and_the_next_step(dataset, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["init", str(tmp_path / "nowhere")]) == 2
    assert main(["init", str(tmp_path / "empty")]) == 3
    assert "no image (.nii, .nii.gz) and no table" in capsys.readouterr().err
    assert list((tmp_path / "empty").iterdir()) == []
    assert main(["init", str(dataset)]) == 0
    assert capsys.readouterr().out.endswith(f"qsmstats check '{dataset}'\n")
    assert main(["init", str(dataset)]) == 2


def test_what_cannot_be_read_does_not_stop_it(dataset):
    for path in dataset.rglob("*_MWFmap.nii.gz"):
        path.write_bytes(b"no image")
    for name, content in (
        ("clinical.xlsx", b"PK\x03\x04"),
        ("visits.tsv", b"\xff\xfe\x00x"),
        ("patients.csv", b""),
        ("raters.parquet", b"no"),
    ):
        (dataset / name).write_bytes(content)
    draft = init_study(dataset)
    assert ["_MWFmap.nii.gz: cannot be read" in text for text in draft.todo] == [True]
    said = [text for text in draft.left_alone if text.startswith("table that cannot be read")]
    assert len(said) == 4


def test_every_setting_stands_there_with_its_default(dataset, monkeypatch):
    # Some would do nothing in this dataset, and would be refused.
    monkeypatch.setattr("qsmstats.study_file.idle_settings", lambda study, raw: ())
    init_study(dataset)
    before = open_study(dataset)
    lines = [line for part in setting_parts({}) for line in part.lines]
    settings = [line[2:] for line in lines if re.match(r"# (\[\w+\]|\w+ = )", line)]
    text = (dataset / "study.toml").read_text()
    (dataset / "study.toml").write_text(text + "\n".join(settings))
    assert open_study(dataset) == before
    assert sum(line.startswith("[") for line in settings) >= 6
    assert len(settings) > 15


def test_a_column_of_sites_is_proposed_as_the_scanner(dataset):
    people = dataset / "participants.tsv"
    people.write_text(people.read_text().replace("center", "Site ID"))
    draft = init_study(dataset)
    (said,) = [one for one in draft.guesses if "enters the models" in one]
    assert "Site ID says where images were made" in said
    assert open_study(dataset).tables["participants"].columns["scanner"] == "Site ID"
    assert set(check_study(open_study(dataset))["kind"]) <= {"note"}
