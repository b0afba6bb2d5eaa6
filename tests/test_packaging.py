"""What `pip install .` gives: the wheel carries schemas and templates and works on its own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import qsmstats

ROOT = Path(qsmstats.__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_carries_schemas_and_templates(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    schemas = {f"qsmstats/data_schemas/{p.name}" for p in ROOT.glob("data_schemas/*.json")}
    data = {
        str(p.relative_to(ROOT))
        for p in ROOT.glob("qsmstats/report/templates/**/*")
        if p.is_file() and p.suffix != ".pyc"
    }
    assert schemas
    assert data
    assert names >= schemas | data | {"qsmstats/py.typed"}


def test_the_wheel_reads_its_own_schemas(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import qsmstats, qsmstats.schemas as s;"
        "print(qsmstats.__file__); print(s.load_schema('lesions').column('lesion_type').levels[0])"
    )
    # -P keeps the working directory off the path: what is imported is the unpacked wheel.
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
    )
    where, level = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert level == "isointense"


def test_every_public_name_loads():
    missing = [name for name in qsmstats.__all__ if not hasattr(qsmstats, name)]
    assert missing == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'mixed_model'"):
        qsmstats.mixed_model  # noqa: B018
