"""The unit that holds for an image: the nearest sidecar's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qsmstats.checks.sidecars import Sidecars, canonical_unit, unit_problems
from qsmstats.errors import Problem
from qsmstats.study import MapSpec, Study, TableSpec

IMAGE = Path("sub-01/ses-01/anat/sub-01_ses-01_desc-x_Chimap.nii.gz")
SPEC = MapSpec(name="susceptibility_ppb", pattern="", unit="ppm")


def write(top: Path, name: str, content: object) -> None:
    path = top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def sidecars(top: Path) -> Sidecars:
    tables = {name: TableSpec(files=(name,)) for name in ("participants", "sessions", "lesions")}
    study = Study(folder=top, name="", labels="", maps=(SPEC,), tissue={}, tables=tables)
    return Sidecars(study)


def unit(top: Path) -> object:
    found = sidecars(top).unit(top / IMAGE)
    return None if found is None else found[1]


def test_the_nearest_sidecar_with_a_unit_counts(tmp_path):
    assert unit(tmp_path) is None
    write(tmp_path, "Chimap.json", {"Units": "ppm"})
    assert unit(tmp_path) == "ppm"
    write(tmp_path, "sub-01/sub-01_Chimap.json", {"Units": "ppb"})
    assert unit(tmp_path) == "ppb"
    write(tmp_path, "sub-01/sub-01_desc-x_Chimap.json", {"Units": "a"})
    assert unit(tmp_path) == "a"
    write(tmp_path, str(IMAGE).replace(".nii.gz", ".json"), {"EchoTime": 1})
    assert unit(tmp_path) == "a"
    write(tmp_path, str(IMAGE).replace(".nii.gz", ".json"), {"Units": "b"})
    assert unit(tmp_path) == "b"


@pytest.mark.parametrize(
    "name",
    [
        "MWFmap.json",
        "desc-y_Chimap.json",
        "sub-02_Chimap.json",
        "sub-01/ses-02_Chimap.json",
        "sub-02/sub-01_Chimap.json",
        "../Chimap.json",
    ],
)
def test_a_sidecar_of_another_image_does_not_count(tmp_path, name):
    write(tmp_path / "top", name, {"Units": "ppm"})
    assert unit(tmp_path / "top") is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [("%", "percent"), (" Percent ", "percent"), ("PPM", "ppm"), ("1", "fraction"), ("Hz", "hz")],
)
def test_units_have_spellings(word, expected):
    assert canonical_unit(word) == expected


def test_each_contradiction_is_said_once(tmp_path):
    write(tmp_path, "Chimap.json", {"Units": "PPM"})
    images = [tmp_path / f"sub-{at}" / f"sub-{at}_Chimap.nii.gz" for at in range(4)]
    assert unit_problems(sidecars(tmp_path), SPEC, images) == []
    for at, word in enumerate(["Hz", "ppb", "Hz"]):
        write(tmp_path, f"sub-{at}/sub-{at}_Chimap.json", {"Units": word})
    assert list(map(str, unit_problems(sidecars(tmp_path), SPEC, images))) == [
        "study.toml, setting 'maps.susceptibility_ppb.unit': 'ppm' here, but 'Hz' in "
        "sub-0/sub-0_Chimap.json and 1 more; correct one (allowed: ppb, ppm)",
        "study.toml, setting 'maps.susceptibility_ppb.unit': 'ppm' here, but 'ppb' in "
        "sub-1/sub-1_Chimap.json; correct one (allowed: ppb, ppm)",
    ]


def test_a_broken_sidecar_is_a_problem_once(tmp_path):
    (tmp_path / "Chimap.json").write_text("[1]")
    images = [tmp_path / f"sub-{at}" / f"sub-{at}_Chimap.nii.gz" for at in range(4)]
    problems = unit_problems(sidecars(tmp_path), SPEC, images)
    assert len(problems) == 1
    assert isinstance(problems[0], Problem)
    assert problems[0].table == "Chimap.json"
    assert "contains '[1]', not a JSON object; write" in problems[0].problem
