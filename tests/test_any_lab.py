"""Folders as twelve labs bring them, each from `init` to its report by the command line.

What `init` leaves to the user is accepted as suggested. Images have ten voxels a side; the model of
such a study needs one term per patient and no covariates, which is what the tests add.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from qsmstats.cli import main
from tests.inventory.lab import (
    LESIONS,
    PEOPLE,
    accepted,
    further_map,
    german,
    lab,
    labels,
    lesions,
    masks,
    one_file_each,
    parcellate,
    people,
    started,
    visit_rows,
)

PATIENTS = [name for name, group in PEOPLE.items() if group == "patient"]
MODELS = """
[models]
baseline = "{outcome} ~ lesion_type + (1 | participant_id)"
tissue = "{outcome} ~ tissue + (1 | participant_id)"
trajectory = "{outcome} ~ lesion_type * years + (1 | participant_id)"
imputations = 0
"""


def analysed(folder: Path, *, outcomes: str = 'outcomes = ["mwf_percent"]') -> pd.DataFrame:
    """Accept the draft, run the study, and return its rows of lesions and maps."""
    started(folder)
    accepted(folder)
    with (folder / "study.toml").open("a") as file:
        file.write(f"{MODELS}{outcomes}\n")
    out = folder.with_name("out")
    assert main(["run", str(folder), str(out), "--jobs", "1"]) == 0
    assert "<svg" in (out / "report.html").read_text()
    assert len(pd.read_csv(out / "baseline/contrasts.tsv", sep="\t")) > 0
    return pd.read_csv(out / "tidy.tsv", sep="\t", dtype={"lesion_id": "str", "label": "str"})


def mean_of_first_lesion(image: Path) -> float:
    """Return a mean by nibabel alone."""
    return float(np.asanyarray(nib.load(image).dataobj)[labels() == 1].mean())


def dates(tmp_path: Path) -> dict[str, Any]:
    days = ["03.02.2020", "03.02.2021", "04.08.2021"]
    return {
        "visits": ["V1", "V2", "V3"],
        "sheets": {"mri": visit_rows(["V1", "V2", "V3"], Datum=days)},
    }


def months(tmp_path: Path) -> dict[str, Any]:
    return {"sheets": {"mri": visit_rows(["V1", "V2"], Months=[0, 24])}}


def clinical(tmp_path: Path) -> dict[str, Any]:
    rows = visit_rows(["V1", "V2"], Years=[0, 2.0], EDSS=[2, 3.5])
    return {"sheets": {"people": people().merge(rows, on="ID")}}


LABS = {
    "three visits with dates": (dates, [0, 366 / 365.25, 548 / 365.25], None),
    "months": (months, [0, 2], None),
    "binary masks": (lambda _: {"visits": ["V1"], "change": masks}, [0], None),
    "a file per type": (lambda _: {"visits": ["V1"], "change": one_file_each}, [0], None),
    "wmparc": (lambda _: {"change": parcellate}, [0, 1], None),
    "mgz": (lambda _: {"suffix": ".mgz"}, [0, 1], None),
    "a German workbook": (lambda _: {"change": german}, [0, 1], None),
    "codes": (lambda _: {"sheets": {"lesions": lesions([*"12345"])}}, [0, 1], 5),
    "two types": (lambda _: {"sheets": {"lesions": lesions(["non-PRL", "PRL"])}}, [0, 1], 2),
    "eight types": (
        lambda _: {"sheets": {"lesions": lesions([f"kind {word}" for word in "abcdefgh"])}},
        [0, 1],
        8,
    ),
    "a fourth map": (lambda _: {"change": further_map}, [0, 1], None),
    "a clinical table": (clinical, [0, 2], None),
}
# Each takes some ten seconds; what differs between them is in the tables and images, which
# tests/inventory, tests/tables and tests/voxels go through, and a fourth map in test_own_study.
QUICK = ("two types",)


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in LABS]
)
def test_from_init_to_the_report(tmp_path, name):
    make, years, n_types = LABS[name]
    folder = lab(tmp_path / "study", **make(tmp_path))
    further = name == "a fourth map"
    outcomes = 'outcomes = ["mwf_percent", "r2star_hz.median"]' if further else ""
    tidy = analysed(folder, outcomes=outcomes or 'outcomes = ["mwf_percent"]')
    assert sorted(tidy["years"].unique()) == pytest.approx(years, abs=1e-3)
    assert len(tidy) == len(PATIENTS) * LESIONS * len(years)
    if n_types:
        assert tidy["lesion_type"].nunique() == n_types
    first = tidy[(tidy["participant_id"] == "MS_001") & (tidy["years"] == 0)].iloc[0]
    image = next((folder / "MS_001/V1").glob("mwf_frac*"))
    # Written to six significant digits or more; a fraction becomes per cent.
    assert first["mwf_percent"] == pytest.approx(100 * mean_of_first_lesion(image), rel=1e-5)
    if further:
        values = np.asanyarray(nib.load(folder / "MS_001/V1/r2s.nii.gz").dataobj)
        assert first["r2star_hz_median"] == pytest.approx(
            np.median(values[labels() == 1]), rel=1e-5
        )
