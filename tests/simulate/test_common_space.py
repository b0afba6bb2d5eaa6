"""Images in the common space: a region that changes in patients, a map in which nothing does."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from qsmstats.simulate.anatomy import load_anatomy
from qsmstats.simulate.cohort import simulate_study, truth_path
from qsmstats.simulate.common_space import COMMON_MAPS, MASK, blob, write_session
from qsmstats.study_file import open_study


def read(folder, name, session):
    path = folder / COMMON_MAPS[name].pattern.format(participant="sub-1", session=session)
    return nib.load(path).get_fdata()


def changes(folder, rng, *, patient):
    """Return mean changes of 8 participants over two years, by map: in the region, elsewhere."""
    inside, visits = load_anatomy(4.0).white_matter, [("ses-01", 0.0), ("ses-02", 2.0)]
    middle, outside = inside & (blob() > 0.8), inside & (blob() < 0.01)
    found = {name: [] for name in COMMON_MAPS}
    for _ in range(8):
        write_session(folder, rng, visits, participant="sub-1", patient=patient)
        for name, values in found.items():
            first, second = (read(folder, name, session) for session, _ in visits)
            assert (first[~inside] == 0).all()
            both = (first != 0) & (second != 0)
            values.append([(second - first)[both & part].mean() for part in (middle, outside)])
    return {name: np.mean(values, axis=0) for name, values in found.items()}


def test_one_region_of_one_map_changes_in_patients_alone(tmp_path):
    rng = np.random.default_rng(6)
    patients, controls = (changes(tmp_path, rng, patient=one) for one in (True, False))
    expected = -0.7 * 2 * blob()[blob() > 0.8].mean()
    # Voxels of the region go together: 8 differences of standard deviation 0.6 * sqrt(2).
    error = 0.6 * np.sqrt(2 / 8)
    assert patients["mwf_percent"][0] == pytest.approx(expected, abs=3 * error)
    assert patients["mwf_percent"][0] < -0.5
    assert controls["mwf_percent"][0] == pytest.approx(0, abs=2 * error)
    for found in (patients, controls):
        assert found["mwf_percent"][1] == pytest.approx(0, abs=0.1)
        assert found["ndi"] == pytest.approx([0, 0], abs=3 * 0.025 / 2)
    inside = load_anatomy(4.0).white_matter
    unmeasured = (read(tmp_path, "mwf_percent", "ses-01")[inside] == 0).mean()
    assert unmeasured == pytest.approx(0.01, abs=0.005)


def test_a_study_is_the_same_beside_them(tmp_path):
    options = {"seed": 4, "patients": 1, "controls": 0, "followed": 0, "resolution": 4.0}
    plain = simulate_study(tmp_path / "plain", **options)
    more = simulate_study(tmp_path / "more", **options, voxelwise=True)
    names = {path.relative_to(plain) for path in plain.rglob("*") if path.is_file()}
    differ = {str(n) for n in names if (plain / n).read_bytes() != (more / n).read_bytes()}
    assert differ == {"study.toml"}
    spec = open_study(more).voxelwise
    assert [one.name for one in spec.maps] == list(COMMON_MAPS)
    assert spec.mask == MASK
    assert (more / MASK).is_file()
    assert not (plain / MASK).exists()
    truth = json.loads(truth_path(more).read_text())
    assert truth["voxelwise"]["mwf_percent"]["change_per_year"] == -0.7
    assert truth["voxelwise"]["ndi"]["centre_mm"] is None
    assert "voxelwise" not in json.loads(truth_path(plain).read_text())
