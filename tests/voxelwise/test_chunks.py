"""Chunks of voxels: kept, used again, and made anew where anything differs."""

from __future__ import annotations

import numpy as np
import pytest

from qsmstats.voxels.units import map_unit
from qsmstats.voxelwise import chunks as module
from qsmstats.voxelwise.fit_voxels import fit_stack, voxel_design, voxel_tests
from qsmstats.voxelwise.stack import MapSource, read_stack

SIMPLE = "mwf_percent ~ group * years + (1 | participant_id)"


@pytest.fixture
def fit(made, tmp_path, monkeypatch):
    """Return a function that fits in chunks of 64 voxels, and those it has fitted."""
    monkeypatch.setattr(module, "VOXELS", 64)
    fitted = []
    real = module._fit

    def counted(chunks, place):
        fitted.append(place)
        real(chunks, place)

    monkeypatch.setattr(module, "_fit", counted)
    source = MapSource(unit=map_unit("mwf_percent", {}))

    def run(images=made.images, formula=SIMPLE, df="satterthwaite"):
        stack = read_stack(images, made.mask, tmp_path / "v.f32", source=source, present=0.8)
        design = voxel_design(formula, made.rows)
        fitted.clear()
        return fit_stack(design, voxel_tests(design, None, df), stack, tmp_path / "chunks")

    return run, fitted


def test_finished_chunks_are_used_again_and_damaged_ones_are_not(fit, tmp_path):
    run, fitted = fit
    first = run()
    assert fitted == [(0, 64), (64, 128), (128, 180)]
    run()
    assert fitted == []
    (folder,) = (tmp_path / "chunks").iterdir()
    files = sorted(folder.iterdir())
    files[1].write_bytes(files[1].read_bytes()[:1000])
    files[2].unlink()
    (folder / ".deadbeef.part").touch()
    again = run()
    assert fitted == [(64, 128), (128, 180)]
    assert not list(folder.glob("*.part"))
    for name, values in first.values.items():
        assert np.array_equal(again.values[name], values), name


def test_anything_else_is_fitted_anew(fit, made, tmp_path):
    run, fitted = fit
    run()
    for change in (
        {"df": "normal"},
        {"formula": SIMPLE.replace("group *", "group +")},
        {"images": [*made.images[1:], made.images[0]]},
    ):
        run(**change)
        assert len(fitted) == 3, change
        assert len(list((tmp_path / "chunks").iterdir())) == 1
