"""A folder as another lab would bring it, tiny: own names, no sidecars, one workbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

SHAPE = (10, 10, 8)
PEOPLE = {"MS_001": "patient", "MS_002": "patient", "MS_003": "patient", "CTL_004": "control"}
TYPES = ("iso", "hypo", "hyper", "hypo-rim", "PRL")
LESIONS = 5
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


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
