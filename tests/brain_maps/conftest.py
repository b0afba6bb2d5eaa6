"""A study of 14 participants at two sessions with small images in a common space."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmstats.brain_maps.map_study import MapRequest
from tests.study_folder import TOML, tables, write_tables

SHAPE = (6, 5, 6)
AFFINE = np.array([[-8.0, 0, 0, 24], [0, 8, 0, -30], [0, 0, 8, -4], [0, 0, 0, 1]])
SECTIONS = """
[voxelwise]
mask = "mask.nii.gz"

[voxelwise.maps.mwf_percent]
pattern = "{participant}/{session}/{participant}_{session}_space-x_MWFmap.nii.gz"
unit = "fraction"
missing = 0
"""
REQUEST = MapRequest(
    name="mwf_percent", formula="mwf_percent ~ group + years + age + (1 | participant_id)"
)


def save(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(np.float32), affine), path)
    return path


def image_of(folder: Path, participant: str, session: str = "ses-01") -> Path:
    return folder / participant / session / f"{participant}_{session}_space-x_MWFmap.nii.gz"


def write_study(folder: Path) -> Path:
    content = tables(patients=9, controls=5, lesions=1)
    names = [row[0] for row in content["participants"][1:]]
    visits = [(name, session) for name in names for session in ("ses-01", "ses-02")]
    header = content["sessions"][0]
    years = {"ses-01": "0", "ses-02": "2.03"}
    content["sessions"] = [header, *([name, one, years[one]] for name, one in visits)]
    write_tables(folder, content, TOML + SECTIONS)
    rng = np.random.default_rng(9)
    for number, name in enumerate(names):
        own = 0.1 + rng.normal(0, 0.01, SHAPE)
        for session, time in years.items():
            values = own + rng.normal(0, 0.004, SHAPE)
            if number < 9:
                values[:2, :3, :3] += 0.02 * float(time)
            save(image_of(folder, name, session), values)
    inside = np.ones(SHAPE)
    inside[:, :, -1] = 0
    save(folder / "mask.nii.gz", inside)
    return folder


@pytest.fixture(scope="session")
def mapped_study(tmp_path_factory) -> Path:
    """Return the study; read only."""
    return write_study(tmp_path_factory.mktemp("mapped") / "study")


@pytest.fixture
def own_study(mapped_study, tmp_path) -> Path:
    """Return a copy of the study."""
    return Path(shutil.copytree(mapped_study, tmp_path / "study"))
