"""What made a result: versions, command, formulas, and the sha256 of every input as it was read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

from qsmstats.own_schemas import DECLARED
from qsmstats.records import versions
from qsmstats.study import Study
from qsmstats.study_file import FILE
from qsmstats.tables.read import StudyTables
from qsmstats.version import __version__
from qsmstats.voxels.cohort import Extraction
from qsmstats.writing import written_whole

__all__ = ["source_sum", "write_provenance"]


def source_sum(study: Study, tables: StudyTables, measured: Extraction) -> str:
    """Return one sha256 over all that answers are made from: the version and every input."""
    made_from = {"version": __version__, "inputs": _inputs(study, tables, measured)}
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def write_provenance(
    study: Study, tables: StudyTables, measured: Extraction, out: Path, command: str
) -> None:
    """Write provenance.json and the study's schemas; without a clock, so that bytes are the same.

    Parameters
    ----------
    study
        Study that was run.
    tables
        Its tables.
    measured
        Its measurements, with the sums of the images.
    out
        Output folder.
    command
        The command, without paths.
    """
    record: dict[str, Any] = {
        "study": study.name,
        "command": command,
        "versions": versions(),
        "models": asdict(study.models),
        "features": asdict(study.features),
        "matching": asdict(study.matching),
        "lesion_type_rule": asdict(study.lesion_type_rule),
        "histology": asdict(study.histology),
        "raters": asdict(study.raters),
        "patients": asdict(study.patients),
        "table_one": asdict(study.table_one),
        "inputs": _inputs(study, tables, measured),
    }
    for name, content in (("provenance.json", record), (DECLARED, study.schemas.declared())):
        with written_whole(out / name) as unfinished:
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            unfinished.write_text(text, encoding="utf-8")


def _inputs(study: Study, tables: StudyTables, measured: Extraction) -> Mapping[str, str]:
    sums = {FILE: study.checksum, **dict(sorted(tables.sums.items()))}
    named = {}
    for name, value in (sums | dict(sorted(measured.inputs.items()))).items():
        path = PurePath(name)
        if path.is_absolute() or ".." in path.parts:
            # A file outside the study folder, without the way to it. Files of many folders may have
            # one name; the folder's sum keeps them apart.
            folder = hashlib.sha256(os.fsencode(path.parent)).hexdigest()[:12]
            name = f"outside/{folder}/{path.name}"
        named[name] = value
    return named
