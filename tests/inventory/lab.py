"""A folder as another lab would bring it, tiny: own names, no sidecars, one workbook."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from qsmstats import check_study, init_study, open_study
from qsmstats.inventory.draft import StudyDraft

SHAPE = (10, 10, 8)
PEOPLE = {"MS_001": "patient", "MS_002": "patient", "MS_003": "patient", "CTL_004": "control"}
TYPES = ("iso", "hypo", "hyper", "hypo-rim", "PRL")
LESIONS = 5
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SUGGESTED = re.compile(
    r'# (unit = |date_format = |sessions = \{|\[levels\.\w+\]$|"[^"]+" = "[^"?]+"(  # \d+ rows?|$))'
)


def visits_of(person: str, visits: Sequence[str]) -> Sequence[str]:
    """Return the visits of a participant: controls come once."""
    return visits if PEOPLE[person] == "patient" else visits[:1]


def labels() -> np.ndarray:
    """Return five lesions of eight voxels that do not touch."""
    image = np.zeros(SHAPE, dtype=np.int16)
    for number in range(LESIONS):
        x, y = 1 + 3 * (number % 3), 1 + 3 * (number // 3)
        image[x : x + 2, y : y + 2, 2:4] = number + 1
    return image


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = nib.MGHImage if path.suffix == ".mgz" else nib.Nifti1Image
    nib.save(kind(values, AFFINE), path)


def images(folder: Path, visits: Sequence[str], *, suffix: str = ".nii.gz") -> None:
    """Write maps, white matter and labels of every visit."""
    rng = np.random.default_rng(3)
    white_matter = np.zeros(SHAPE, dtype=np.uint8)
    white_matter[:, :, 1:6] = 1
    for person in PEOPLE:
        for visit in visits_of(person, visits):
            top = folder / person / visit
            myelin = rng.normal(0.1, 0.01, SHAPE).astype(np.float32)
            save(top / f"mwf_frac{suffix}", myelin)
            save(top / f"qsm_ppb{suffix}", rng.normal(0, 4, SHAPE).astype(np.float32))
            save(top / f"wm{suffix}", white_matter)
            if PEOPLE[person] == "patient":
                save(top / f"lesions{suffix}", labels())


def people() -> pd.DataFrame:
    ages = [35.5, 41.2, 50.1, 38.4]
    columns = {"ID": [*PEOPLE], "Group": [*PEOPLE.values()], "Age": ages, "Sex": [*"FMFM"]}
    return pd.DataFrame(columns)


def lesions(types: Sequence[str] = TYPES) -> pd.DataFrame:
    """Return a row per lesion, of all visits: two raters and their consensus."""
    rows = [
        {"ID": person, "Lesion": number + 1, "Rater A": word, "Rater B": word, "Consensus": word}
        for at, person in enumerate(PEOPLE)
        if PEOPLE[person] == "patient"
        for number in range(LESIONS)
        for word in [types[(number + LESIONS * at) % len(types)]]
    ]
    return pd.DataFrame(rows)


def histology(classes: Mapping[str, str | None]) -> pd.DataFrame:
    """Return two lesions per class, with the type that each is on QSM."""
    rows = [
        {"Brain": f"B{copy}", "Block": at, "QSM": word, "Pathology": name}
        for at, (name, word) in enumerate(classes.items())
        for copy in (1, 2)
    ]
    return pd.DataFrame(rows)


def workbook(folder: Path, sheets: Mapping[str, pd.DataFrame], name: str = "database.xlsx") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with pd.ExcelWriter(folder / name) as book:
        for title, frame in sheets.items():
            frame.to_excel(book, sheet_name=title, index=False)


def lab(
    folder: Path,
    visits: Sequence[str] = ("V1", "V2"),
    *,
    sheets: Mapping[str, pd.DataFrame] | None = None,
    change: Callable[[Path], object] | None = None,
    suffix: str = ".nii.gz",
) -> Path:
    """Write the folder: its images, its workbook, and what a test changes of them."""
    images(folder, visits, suffix=suffix)
    workbook(folder, {"people": people(), "lesions": lesions(), **(sheets or {})})
    if change:
        change(folder)
    return folder


def visit_rows(visits: list[str], **columns: list[Any]) -> pd.DataFrame:
    rows = [
        {"ID": person, "Visit": visit, **{name: of[at] for name, of in columns.items()}}
        for person in PEOPLE
        for at, visit in enumerate(visits_of(person, visits))
    ]
    return pd.DataFrame(rows)


def masks(folder: Path) -> None:
    """Make binary masks of the labels."""
    for path in folder.rglob("lesions.nii.gz"):
        save(path, (labels() > 0).astype(np.uint8))


def one_file_each(folder: Path, words: Sequence[str] = TYPES) -> None:
    """Write a mask per lesion, named by these words, in place of labels and workbook."""
    for path in folder.rglob("lesions.nii.gz"):
        for number, word in enumerate(words, start=1):
            save(path.with_name(f"lesions_{word}.nii.gz"), (labels() == number).astype(np.uint8))
        path.unlink()
    (folder / "database.xlsx").unlink()
    people().to_csv(folder / "people.csv", index=False)


def parcellate(
    folder: Path, name: str = "wmparc", values: Sequence[int] = (2, 3001, 41, 1001)
) -> None:
    """Write slabs with these labels in place of the masks of white matter."""
    for path in folder.rglob("wm.nii.gz"):
        parcels = np.zeros(SHAPE, dtype=np.int16)
        for at, value in enumerate(values):
            parcels[:, :, 2 * at : 2 * at + 2] = value
        save(path.with_name(f"{name}.nii.gz"), parcels)
        path.unlink()


def further_map(folder: Path) -> None:
    """Write R2* beside the maps, and an image that is no map."""
    rng = np.random.default_rng(2)
    for path in folder.rglob("qsm_ppb.nii.gz"):
        save(path.with_name("r2s.nii.gz"), rng.normal(25, 3, SHAPE).astype(np.float32))
        save(path.with_name("flair.nii.gz"), rng.normal(25, 3, SHAPE))


def german(folder: Path) -> None:
    """Write the workbook anew as a German lab would, with decimal commas."""
    frame = people().rename(columns={"ID": "Pat.-Nr.", "Group": "Gruppe", "Age": "Alter"})
    frame = frame.rename(columns={"Sex": "Geschlecht"}).astype("str")
    frame["Alter"] = frame["Alter"].str.replace(".", ",")
    frame["Geschlecht"] = frame["Geschlecht"].map({"F": "weiblich", "M": "männlich"})
    frame["Gruppe"] = frame["Gruppe"].map({"patient": "Patient", "control": "Kontrolle"})
    rows = lesions().rename(columns={"ID": "Pat.-Nr.", "Lesion": "Läsion", "Consensus": "Konsens"})
    (folder / "database.xlsx").unlink()
    workbook(folder, {"Probanden": frame, "Läsionen": rows}, "Daten.xlsx")


def started(folder: Path) -> tuple[StudyDraft, dict[str, Any]]:
    """Return the draft, in which `check` finds nothing wrong, and study.toml as written."""
    draft = init_study(folder)
    assert draft.problems == ()
    return draft, tomllib.loads((folder / "study.toml").read_text())


def accepted(folder: Path, **corrections: str) -> dict[str, Any]:
    """Take the suggestions, check the study whole, and return study.toml as it is then."""
    lines, active = [], True
    for line in (folder / "study.toml").read_text().splitlines():
        if header := re.match(r"(# )?\[[a-z]", line):
            active = header[1] is None or "[levels" in line
        lines.append(line[2:] if active and SUGGESTED.match(line) else line)
    text = "\n".join(lines)
    for old, new in corrections.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "study.toml").write_text(text)
    found = check_study(open_study(folder))
    assert found["kind"].isin(["note"]).all(), found["message"].to_list()
    return tomllib.loads(text)
