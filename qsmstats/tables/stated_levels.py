"""What coded columns stand for, as the sidecar of a table says.

BIDS describes the codes of ``participants.tsv`` in ``participants.json``:
``{"sex": {"Levels": {"1": "female", "2": "male"}}}`` (BIDS specification 1.10, "Tabular files").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from qsmstats.errors import Problem
from qsmstats.study import Study
from qsmstats.study_tables import TEXT_FILES
from qsmstats.tables.raw_table import RawTable
from qsmstats.tables.spelling import known_spellings, word_key
from qsmstats.untrusted_files import read_bounded

__all__ = ["with_stated_levels"]

LARGEST = 1_000_000
"""Bytes of a sidecar."""


def with_stated_levels(raw: RawTable, study: Study) -> tuple[RawTable, list[Problem]]:
    """Let the words of a table stand for what the sidecars of its files say.

    Parameters
    ----------
    raw
        The table as its files have it.
    study
        The study; what study.toml says of a word goes first.

    Returns
    -------
    table
        With the words of the sidecars among those of its schemas. A code whose description is no
        known spelling of a level is left out: it is reported where it stands in the table.
    problems
        Sidecars that cannot be read.
    """
    spec = study.tables[raw.name]
    words: dict[str, dict[str, str]] = {}
    sums, problems = dict(raw.sums), []
    for file in spec.files:
        sidecar = PurePosixPath(file).with_suffix(".json").as_posix()
        is_text = PurePosixPath(file).suffix.lower() in TEXT_FILES
        if "{" in file or not is_text or not (study.folder / sidecar).is_file():
            continue
        if problem := study.outside(sidecar):
            problems.append(problem)
            continue
        try:
            data = read_bounded(study.folder / sidecar, LARGEST)
            content = json.loads(data.decode("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            text = f"cannot be read: {error}; correct it, or remove it"
            problems.append(Problem(table=sidecar, problem=text))
            continue
        sums[sidecar] = hashlib.sha256(data).hexdigest()
        for column in (item for item in raw.schema.fields if item.levels):
            known = known_spellings(column)
            described = _levels(content, spec.columns.get(column.name, column.name))
            means = {word: known.get(word_key(text)) for word, text in described.items()}
            found = {word: level for word, level in means.items() if level}
            words[column.name] = {**words.get(column.name, {}), **found}
    declared = study.schemas.words
    own = {name: {**found, **declared.get(name, {})} for name, found in words.items() if found}
    schemas = replace(study.schemas, words={**declared, **own})
    return replace(raw, sums=sums, schemas=schemas if own else study.schemas), problems


def _levels(content: Any, column: str) -> Mapping[str, str]:
    """Return code -> its description, or its term where it is described by a structure."""
    entry = content.get(column) if isinstance(content, dict) else None
    levels = entry.get("Levels") if isinstance(entry, dict) else None
    if not isinstance(levels, dict):
        return {}
    texts = {
        code: text.get("Label", text.get("Description", "")) if isinstance(text, dict) else text
        for code, text in levels.items()
    }
    return {code: text for code, text in texts.items() if isinstance(text, str)}
