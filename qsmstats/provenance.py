"""What made a result: versions, command, formulas, and the sha256 of every input."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qsmstats.study import FILE, Study
from qsmstats.tables.read import StudyTables
from qsmstats.version import __version__
from qsmstats.voxels.store import read_manifest, sha256
from qsmstats.writing import written_whole

__all__ = ["write_provenance"]

PACKAGES = (
    "formulaic",
    "frictionless",
    "nibabel",
    "numpy",
    "pandas",
    "pingouin",
    "scipy",
    "statsmodels",
)


def write_provenance(study: Study, tables: StudyTables, out: Path, command: str) -> Path:
    """Write OUT/provenance.json; without a clock, so that the same run gives the same bytes.

    Parameters
    ----------
    study
        Study that was run.
    tables
        Its tables.
    out
        Output folder, with the manifests of the measured sessions.
    command
        The command as the user typed it.
    """
    files = sorted({file for places in tables.places.values() for file in places["file"]})
    record: dict[str, Any] = {
        "study": study.name,
        "command": command,
        "versions": {
            "qsmstats": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "models": asdict(study.models),
        "features": asdict(study.features),
        "matching": asdict(study.matching),
        "lesion_type_rule": asdict(study.lesion_type_rule),
        "histology": asdict(study.histology),
        "inputs": {
            **{file: sha256(study.folder / file) for file in (FILE, *files)},
            **_images(out),
        },
    }
    path = out / "provenance.json"
    with written_whole(path) as unfinished:
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        unfinished.write_text(text, encoding="utf-8")
    return path


def _images(out: Path) -> dict[str, str]:
    """Collect the sums that the manifests of measured sessions hold."""
    sums: dict[str, str] = {}
    for path in sorted(out.glob("features/*_manifest.json")):
        sums |= read_manifest(path).get("inputs", {})
    return sums
