"""A study folder of a few rows, written by hand: tables only, or with small images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from qsmstats.errors import Problem
from qsmstats.study import Study
from qsmstats.tables.problems import summarise
from qsmstats.tables.read import load_tables

TYPES = ("isointense", "hypointense", "hyperintense", "hypointense_rim", "paramagnetic_rim")
SHAPE = (12, 12, 12)

TOML = """\
name = "made"

[labels]
pattern = "{participant}/{session}/{participant}_{session}_dseg.nii.gz"

[tissue]
white_matter = "{participant}/{session}/{participant}_{session}_mask.nii.gz"

[maps.mwf_percent]
pattern = "{participant}/{session}/{participant}_{session}_MWFmap.nii.gz"
unit = "percent"
missing = 0

[tables]
participants = "participants.tsv"
sessions = "{participant}/{participant}_sessions.tsv"
lesions = "lesions.tsv"
ratings = "ratings.tsv"
histology = "histology.tsv"
"""

Table = list[list[str]]


def tables(patients: int = 3, controls: int = 1, lesions: int = 5) -> dict[str, Table]:
    """Return valid tables, header first; the first patient has a second session."""
    names = [f"sub-{number:02d}" for number in range(1, patients + controls + 1)]
    visits = [(name, "ses-01", "0") for name in names] + [(names[0], "ses-02", "2.03")]
    found = [
        [name, session, f"L{number}", str(number), TYPES[(number - 1) % 5]]
        for name, session, _ in sorted(visits)
        if name in names[:patients]
        for number in range(1, lesions + 1)
    ]
    return {
        "participants": [
            ["participant_id", "group", "age", "sex", "center"],
            *(
                [name, "MS" if at < patients else "HC", f"{30 + at}.5", "FM"[at % 2], "basel"]
                for at, name in enumerate(names)
            ),
        ],
        "sessions": [["participant_id", "session_id", "years"], *map(list, sorted(visits))],
        "lesions": [["participant_id", "session_id", "lesion_id", "label", "lesion_type"], *found],
        "ratings": [
            ["participant_id", "session_id", "lesion_id", "rater_id", "lesion_type"],
            *([*row[:3], rater, row[4]] for row in found for rater in ("r1", "r2")),
        ],
        "histology": [
            ["brain_id", "lesion_id", "index_test", "reference_standard"],
            ["B1", "1", "isointense", "remyelinated"],
            ["B1", "2", "indeterminate", "chronic_active"],
            ["B2", "1", "n/a", "chronic_inactive"],
        ],
    }


def write_text(path: Path, table: Sequence[Sequence[str]], delimiter: str = "\t") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(delimiter.join(row) + "\n" for row in table)
    path.write_text(lines, encoding="utf-8")
    return path


def write_tables(
    folder: Path, content: Mapping[str, Table] | None = None, toml: str = TOML
) -> Path:
    """Write study.toml and tables; sessions in one file per participant."""
    content = tables() if content is None else content
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(toml, encoding="utf-8")
    for name, table in content.items():
        if name == "sessions":
            continue
        write_text(folder / f"{name}.tsv", table)
    header, *rows = content["sessions"]
    for name in dict.fromkeys(row[0] for row in rows):
        own = [row[1:] for row in rows if row[0] == name]
        write_text(folder / name / f"{name}_sessions.tsv", [header[1:], *own])
    return folder


def write_image(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(values, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


def write_images(folder: Path, content: Mapping[str, Table] | None = None) -> Path:
    """Write labels, masks and a map with its sidecar, as the lesions table has them."""
    content = tables() if content is None else content
    rng = np.random.default_rng(5)
    for participant, session, _ in content["sessions"][1:]:
        stem = folder / participant / session / f"{participant}_{session}"
        labels = np.zeros(SHAPE, dtype=np.int16)
        for row in content["lesions"][1:]:
            if row[:2] == [participant, session]:
                labels[2 + 2 * int(row[3]) % 9, 2 + int(row[3]) // 5, 4] = int(row[3])
        if labels.any():
            write_image(Path(f"{stem}_dseg.nii.gz"), labels)
        mask = np.zeros(SHAPE, dtype=np.uint8)
        mask[1:-1, 1:-1, 1:-1] = 1
        write_image(Path(f"{stem}_mask.nii.gz"), mask)
        values = rng.normal(10, 1, SHAPE).astype(np.float32)
        write_image(Path(f"{stem}_MWFmap.nii.gz"), values)
        Path(f"{stem}_MWFmap.json").write_text(json.dumps({"Units": "percent"}))
    return folder


def table_problems(study: Study) -> list[Problem]:
    """Return every problem of a study's tables, as `read_tables` says them."""
    return summarise(load_tables(study).problems)
