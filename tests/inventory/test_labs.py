"""From another lab's folder to a clean check, with what only its owner can know left to them.

What a draft leaves open stands in study.toml as a comment with a suggestion. Here the suggestions
are taken as they are, or corrected where the test says so; then `check` reads every image.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from qsmstats import init_study
from tests.inventory.lab import (
    LESIONS,
    PEOPLE,
    TYPES,
    accepted,
    further_map,
    german,
    histology,
    lab,
    lesions,
    masks,
    one_file_each,
    parcellate,
    people,
    save,
    started,
    visit_rows,
)


def test_a_workbook_with_sheets_of_any_name_and_no_table_of_sessions(tmp_path):
    classes = {"remyelinated": "iso", "inactive": "hyper", "active": "PRL", "acute": None}
    draft, raw = started(lab(tmp_path, sheets={"postmortem": histology(classes)}))
    tables = raw["tables"]
    assert tables["participants"]["sheet"] == "people"
    assert tables["lesions"]["columns"] == {
        "participant_id": "ID",
        "lesion_id": "Lesion",
        "label": "Lesion",
        "lesion_type": "Consensus",
    }
    assert tables["lesions"]["each_session"] is True
    assert tables["ratings"]["wide"] == ["Rater A", "Rater B", "Consensus"]
    assert raw["raters"]["adjudicator"] == "Consensus"
    assert raw["histology"]["mapping"] == {
        "remyelinated": ["isointense", "hypointense"],
        "chronic_inactive": ["hyperintense"],
        "active": ["paramagnetic_rim"],
        "acute": [],
    }
    # What no file says is left: two units and the years between the visits.
    assert [text.split(":")[0] for text in draft.todo] == [
        "Magnetic susceptibility (QSM)",
        "Myelin water fraction (MWF)",
        "no table has the years between the sessions V1, V2; state them in study.toml",
    ]
    assert "sessions" not in tables
    assert all("unit" not in entry for entry in raw["maps"].values())
    done = accepted(tmp_path, **{"V2 = 1": "V2 = 2.1"})
    assert done["tables"]["sessions"] == {"visits": {"V1": 0, "V2": 2.1}}
    assert done["maps"]["mwf_percent"]["unit"] == "fraction"


def test_one_visit_needs_no_table_of_sessions(tmp_path):
    draft, raw = started(lab(tmp_path, ["baseline"]))
    assert raw["tables"]["sessions"] == {"visits": {"baseline": 0}}
    assert len(draft.todo) == 2
    assert accepted(tmp_path)["maps"]["susceptibility_ppb"]["unit"] == "ppb"


def test_months_in_the_names_of_folders_are_suggested_as_years(tmp_path):
    started(lab(tmp_path, ["M00", "M06", "M12"]))
    visits = accepted(tmp_path)["tables"]["sessions"]["visits"]
    assert visits == {"M00": 0, "M06": 0.5, "M12": 1}


@pytest.mark.parametrize(
    ("dates", "entry"),
    [
        (["03.02.2020", "17.02.2021", "20.02.2022"], {"date": "Datum", "date_format": "day-first"}),
        (["02/03/2020", "02/17/2021", "02/20/2022"], {"date_format": "month-first"}),
        (["2020-02-03", "2021-02-17", "2022-02-20"], {"date": "Datum"}),
    ],
)
def test_three_visits_with_dates(tmp_path, dates, entry):
    frame = visit_rows(["V1", "V2", "V3"], Datum=dates)
    _, raw = started(lab(tmp_path, ["V1", "V2", "V3"], sheets={"mri": frame}))
    assert entry.items() <= raw["tables"]["sessions"].items()
    assert ("date_format" in entry) == ("date_format" in raw["tables"]["sessions"])


def test_dates_that_leave_the_day_open_are_left_to_the_user(tmp_path):
    frame = visit_rows(["V1", "V2"], Date=["03.02.2020", "04.05.2021"])
    draft, raw = started(lab(tmp_path, sheets={"mri": frame}))
    assert "date_format" not in raw["tables"]["sessions"]
    assert ["which number is the day" in text for text in draft.todo].count(True) == 1
    assert accepted(tmp_path)["tables"]["sessions"]["date_format"] == "day-first"


def test_months_since_the_first_visit(tmp_path):
    frame = visit_rows(["V1", "V2"], Months=[0, 25])
    _, raw = started(lab(tmp_path, sheets={"mri": frame}))
    assert raw["tables"]["sessions"]["years"] == {"column": "Months", "unit": "months"}


def test_numbers_of_visits_where_folders_have_a_letter_before_them(tmp_path):
    frame = visit_rows(["1", "2"], Years=[0, 2.1])
    _, raw = started(lab(tmp_path, ["V1", "V2"], sheets={"mri": frame}))
    assert raw["labels"]["pattern"] == "{participant}/V{session}/lesions.nii.gz"


def test_one_clinical_table_with_a_row_per_visit(tmp_path):
    frame = people().merge(visit_rows(["V1", "V2"], Years=[0, 2.1], EDSS=[2, 3.5]), on="ID")
    _, raw = started(lab(tmp_path, sheets={"people": frame}))
    assert raw["tables"]["participants"]["sheet"] == raw["tables"]["sessions"]["sheet"] == "people"


def test_a_german_workbook_with_decimal_commas(tmp_path):
    _, raw = started(lab(tmp_path, ["V1"], change=german))
    assert raw["tables"]["participants"]["decimal"] == ","
    assert raw["tables"]["participants"]["columns"]["age"] == "Alter"
    assert raw["raters"]["adjudicator"] == "Konsens"


def test_text_files_with_semicolons_in_another_encoding_and_with_codes(tmp_path):
    def write(folder: Path) -> None:
        (folder / "database.xlsx").unlink()
        frame = people().astype("str")
        frame.loc[1, "Age"], frame.loc[2, "Age"] = "-99", "89+"
        frame["Größe"] = "1,71"
        frame["Age"] = frame["Age"].str.replace(".", ",")
        frame.to_csv(folder / "people.csv", sep=";", encoding="cp1252", index=False)
        whole = lesions()
        for name, rows in whole.groupby("ID"):
            rows.to_csv(folder / f"lesions_{str(name)[-1]}.tsv", sep="\t", index=False)

    _, raw = started(lab(tmp_path, ["V1"], change=write))
    entry = raw["tables"]["participants"]
    assert (entry["separator"], entry["encoding"], entry["decimal"]) == (";", "cp1252", ",")
    assert (entry["missing"], entry["capped"]) == (["-99"], {"age": 89})
    assert raw["tables"]["lesions"]["file"] == [f"lesions_{n}.tsv" for n in (1, 2, 3)]


def test_identifiers_that_differ_in_capitals(tmp_path):
    frames = {"people": people(), "lesions": lesions()}
    for frame in frames.values():
        frame["ID"] = frame["ID"].str.lower()
    draft, raw = started(lab(tmp_path, ["V1"], sheets=frames))
    assert raw["tables"]["participants"]["match_ids"] is True
    assert not any("no image of" in text for text in draft.todo)


def test_coded_sex_and_courses_of_the_disease(tmp_path):
    frame = people().assign(Sex=[1, 2, 1, 2], Group=["RRMS", "SPMS", "RRMS", "control"])
    draft, raw = started(lab(tmp_path, ["V1"], sheets={"people": frame}))
    assert raw["levels"] == {"group": {"RRMS": "MS", "SPMS": "MS"}}
    assert ["'1', '2' stand for" in text for text in draft.todo].count(True) == 1
    assert accepted(tmp_path)["levels"]["sex"] == {"1": "F", "2": "M"}


def test_codes_that_a_sidecar_explains_are_left_to_nobody(tmp_path):
    def write(folder: Path) -> None:
        (folder / "database.xlsx").unlink()
        people().assign(Sex=[1, 2, 1, 2]).to_csv(folder / "people.tsv", sep="\t", index=False)
        levels = {"Levels": {"1": "female", "2": "male"}}
        (folder / "people.json").write_text(json.dumps({"Sex": levels}))
        lesions().to_csv(folder / "lesions.tsv", sep="\t", index=False)

    draft, raw = started(lab(tmp_path, ["V1"], change=write))
    assert "levels" not in raw
    assert len(draft.todo) == 2


def test_binary_masks(tmp_path):
    draft, raw = started(lab(tmp_path, ["V1"], change=masks))
    assert raw["labels"]["instances"] == "components"
    assert any("hangs together" in text for text in draft.guesses)


@pytest.mark.parametrize(
    ("words", "name"), [(TYPES, "lesion_type"), (["01", "02", "03", "04", "05"], "lesion")]
)
def test_one_file_per_lesion_type_or_lesion(tmp_path, words, name):
    _, raw = started(lab(tmp_path, ["V1"], change=lambda folder: one_file_each(folder, words)))
    assert raw["labels"]["pattern"] == f"{{participant}}/{{session}}/lesions_{{{name}}}.nii.gz"
    assert raw["labels"].get("instances") == {"lesion_type": "components"}.get(name)
    assert "lesions" not in raw["tables"]


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("wmparc", (2, 3001, 41, 1001), [2, 41, "3000-4999"]),
        ("aparc+aseg", (2, 41, 10, 1001), [2, 41]),
        ("T1w_synthseg", (2, 41, 3, 42), [2, 41]),
    ],
)
def test_a_parcellation_for_white_matter(tmp_path, name, values, wanted):
    _, raw = started(lab(tmp_path, ["V1"], change=lambda top: parcellate(top, name, values)))
    pattern = f"{{participant}}/{{session}}/{name}.nii.gz"
    assert raw["tissue"]["white_matter"] == {"pattern": pattern, "labels": wanted}


def test_images_in_the_format_of_freesurfer(tmp_path):
    _, raw = started(lab(tmp_path, suffix=".mgz"))
    assert raw["maps"]["mwf_percent"]["pattern"] == "{participant}/{session}/mwf_frac.mgz"


def test_files_of_several_volumes(tmp_path):
    def stack(folder: Path) -> None:
        rng = np.random.default_rng(1)
        further_map(folder)
        for name in ("mwf_frac", "r2s"):
            for path in folder.rglob(f"{name}.nii.gz"):
                save(path, rng.normal(0.1, 0.01, (10, 10, 8, 3)).astype(np.float32))
        for path in folder.rglob("wm.nii.gz"):
            mask = np.asanyarray(nib.load(path).dataobj)
            save(path, np.stack([mask, mask], axis=-1))

    draft, raw = started(lab(tmp_path, ["V1"], change=stack))
    assert "volume" not in raw["maps"]["mwf_percent"]
    own = [text for text in draft.todo if text.startswith("Myelin")]
    # Which volume is the map is asked, and its unit is not guessed from another one.
    assert own == [
        'Myelin water fraction (MWF): declare the unit ("percent" or "fraction"); no sidecar '
        "declares the unit",
        "Myelin water fraction (MWF): the files have 3 volumes, numbered from 0; state which one "
        "to use: volume = ",
    ]
    assert not any("Myelin" in text for text in draft.guesses)
    asked = [text.split(":")[0] for text in draft.todo if text.endswith("volume = ")]
    assert asked == ["white matter", "Myelin water fraction (MWF)", "R2*"]
    text = (tmp_path / "study.toml").read_text()
    text = text.replace("# white_matter = {", "white_matter = {").replace(
        "volume =  }", "volume = 1 }"
    )
    text = text.replace("# volume = \n", "volume = 2\n").replace(
        "# unit = \n", 'unit = "fraction"\n'
    )
    (tmp_path / "study.toml").write_text(text)
    done = accepted(tmp_path)
    assert [done["maps"][name]["volume"] for name in ("mwf_percent", "r2star_hz")] == [2, 2]
    assert done["tissue"]["white_matter"]["volume"] == 1


def test_type_words_of_another_language_are_offered_unchecked(tmp_path):
    words = ["isointens", "hypointens", "hyperintens", "Ring", "paramagnetischer Rand"]
    frame = people().assign(NfL=[9, 12, 8.5, -99], Score=[1, 2, 3, -1], Change=[-2, -1, 0, 1])
    draft = init_study(lab(tmp_path, ["V1"], sheets={"people": frame, "lesions": lesions(words)}))
    text = (tmp_path / "study.toml").read_text()
    raw = tomllib.loads(text)
    assert raw["lesion_types"] == {}
    for word, level in zip(words, ("isointense", "hypointense", "hyperintense", "?"), strict=False):
        assert f'# "{word}" = "{level}"  # ' in text
    assert '# "paramagnetischer Rand" = "paramagnetic_rim"  # ' in text
    assert "the lines below only follow their spelling: check each" in text.replace("\n# ", " ")
    # -99 and -1 stand out, but -1 is a value in another column.
    assert raw["tables"]["participants"]["missing"] == ["-99"]
    assert any("missing values are written as '-99'" in one for one in draft.guesses)


def test_codes_of_lesion_types_are_left_to_the_user(tmp_path):
    draft, raw = started(lab(tmp_path, ["V1"], sheets={"lesions": lesions([*"12345"])}))
    assert raw["lesion_types"] == {}
    assert any("'1', '2', '3', '4', '5' stand for" in text for text in draft.todo)
    assert accepted(tmp_path)["lesion_types"]["5"] == "paramagnetic_rim"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["non-PRL", "PRL"], ["non_prl", "prl"]),
        (["rim-", "rim+"], ["rim_negative", "rim_positive"]),
        ([f"kind {word}" for word in "abcdefgh"], [f"kind_{word}" for word in "abcdefgh"]),
    ],
)
def test_two_or_eight_types_of_a_study(tmp_path, words, names):
    draft, raw = started(lab(tmp_path, ["V1"], sheets={"lesions": lesions(words)}))
    # 15 lesions: 8 and 7 of two types, 2 each of seven and 1 of the eighth.
    said = "are equally frequent: set reference" if len(words) > 2 else f"{words[0]}, the most"
    assert [said in text for text in draft.guesses].count(True) == 1
    assert set(raw["lesion_types"]) == set(names)
    assert [entry.get("reference") for entry in raw["lesion_types"].values()].count(True) == 1


def test_a_map_that_is_not_known(tmp_path):
    draft, raw = started(lab(tmp_path, ["V1"], change=further_map))
    pattern = "{participant}/{session}/r2s.nii.gz"
    assert raw["maps"]["r2star_hz"] == {"pattern": pattern, "title": "R2*"}
    assert draft.left_alone == ("4 images  {participant}/{session}/flair.nii.gz",)
    assert accepted(tmp_path)["maps"]["r2star_hz"]["unit"] == "Hz"


def test_what_is_wrong_with_the_folder_is_said_with_the_draft(tmp_path):
    def damage(folder: Path) -> None:
        (folder / "MS_002/V1/mwf_frac.nii.gz").unlink()
        frame = lesions()
        frame.loc[:4, "Lesion"] = [11, 12, 13, 14, 15]
        with pd.ExcelWriter(folder / "database.xlsx", mode="a", if_sheet_exists="replace") as book:
            frame.to_excel(book, sheet_name="lesions", index=False)

    draft = init_study(lab(tmp_path, ["V1"], change=damage))
    said = "\n".join(draft.problems)
    assert "MS_002/V1/mwf_frac.nii.gz: no such file" in said
    place = f"({LESIONS} problems; first: row 2, row 3, row 4): row 2: "
    assert f"{place}11 is not a label of MS_001/V1" in said
    assert "wrong with the data or the draft" in str(draft)


def test_a_column_is_only_what_its_words_can_be(tmp_path):
    frame = people().rename(columns={"Age": "age at scan", "ID": "code"})
    frame = frame.assign(**{"age years": "see file", "Name": [*"wxyz"]})
    rows = lesions().rename(columns={"ID": "code"})
    _, raw = started(lab(tmp_path, ["V1"], sheets={"people": frame, "lesions": rows}))
    columns = raw["tables"]["participants"]["columns"]
    assert (columns["age"], columns["participant_id"]) == ("age at scan", "code")


def test_a_column_that_the_path_supplies_is_not_named(tmp_path):
    def each(folder: Path) -> None:
        for person in PEOPLE:
            rows = visit_rows(["V1", "V2"], Years=[0, 2.1])
            rows = rows[rows["ID"] == person].rename(columns={"ID": "subject_id"})
            rows.to_csv(folder / person / f"{person}_sessions.tsv", sep="\t", index=False)

    _, raw = started(lab(tmp_path, change=each))
    assert raw["tables"]["sessions"]["file"] == "{participant}/{participant}_sessions.tsv"
    assert "participant_id" not in raw["tables"]["sessions"]["columns"]


def test_a_bids_folder_as_it_comes(tmp_path):
    """Byte-order marks, CRLF, tabs behind the last column, a column twice, dates in scans.tsv."""

    def write(folder: Path) -> None:
        (folder / "database.xlsx").unlink()
        head = "participant_id\tgroup\tage\tsex\tsex\thandedness\tnote\t\t\r\n"
        rows = "".join(
            f'sub-{name[-3:]}\t{group}\t{age}\t{sex}\t{sex}\tN/A\t"a ""b""\tc"\t\t\r\n'
            for (name, group), age, sex in zip(
                PEOPLE.items(), ["89+", "n/a", "33", "41"], "FMFM", strict=True
            )
        )
        (folder / "participants.tsv").write_bytes(("\ufeff" + head + rows).encode())
        rows = lesions().assign(ID=[f"sub-{name[-3:]}" for name in lesions()["ID"]])
        rows.to_csv(folder / "lesions.tsv", sep="\t", index=False)
        for path in list(folder.rglob("*.nii.gz")):
            visit = path.parent
            stem = f"sub-{visit.parent.name[-3:]}_ses-{visit.name[1:]}"
            new = folder / stem.replace("_", "/") / f"{stem}_{path.name}"
            new.parent.mkdir(parents=True, exist_ok=True)
            path.rename(new)
            text = (
                "\ufefffilename\tacq_time\r\nx.nii.gz\tn/a\r\ny.nii.gz\t202{}-03-01T10:00:00Z\r\n"
            )
            (new.parent / f"{stem}_scans.tsv").write_text(text.format(visit.name[1:]))

    draft, raw = started(lab(tmp_path, change=write))
    assert raw["tables"]["participants"]["capped"] == {"age": 89}
    pattern = "{participant}/{session}/{participant}_{session}_scans.tsv"
    assert raw["tables"]["sessions"] == {"file": pattern, "date": "acq_time"}
    assert len(draft.todo) == 2
