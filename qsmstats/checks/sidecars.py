"""What the JSON files beside images declare of a map's unit.

A sidecar has the name of its image, or stands higher up with fewer entities (BIDS specification
1.10, "The Inheritance Principle"): ``MWFmap.json`` at the top holds for every ``*_MWFmap.nii.gz``
below; the nearest file with the key counts. Its `Units` must say what study.toml says: a unit is
declared, and never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qsmstats.errors import Problem
from qsmstats.schemas import load_schema, map_schemas
from qsmstats.study import MapSpec, Study
from qsmstats.untrusted_files import read_bounded

__all__ = ["Sidecars", "canonical_unit", "description_problems", "read_object", "unit_problems"]

DESCRIPTION = "dataset_description.json"
LARGEST = 1_000_000
"""Bytes of a sidecar; those of scanners have some thousands."""


class Sidecars:
    """The sidecars of a study folder; each folder is listed and each file read once.

    Parameters
    ----------
    study
        The study: nothing above its folder holds for its images.
    """

    def __init__(self, study: Study) -> None:
        self.name_of = study.name_of
        self._study = study
        self._folders: dict[Path, list[Path]] = {}
        self._units: dict[Path, str | Problem | None] = {}

    def unit(self, image: Path) -> tuple[Path, str | Problem] | None:
        """Return the nearest sidecar that declares a unit or is broken, and what it is."""
        for path in self._of(image):
            if path not in self._units:
                self._units[path] = self._read(path)
            found = self._units[path]
            if found is not None:
                return path, found
        return None

    def _of(self, image: Path) -> Iterator[Path]:
        """Yield the sidecars that hold for an image, nearest first."""
        *entities, suffix = image.name.split(".", 1)[0].split("_")
        # Above an image outside the study lie folders of others.
        name = Path(self.name_of(image))
        outside = name.is_absolute() or ".." in name.parts
        for folder in image.parents:
            if folder not in self._folders:
                self._folders[folder] = sorted(folder.glob("*.json"))
            fitting = []
            for path in self._folders[folder]:
                *others, other_suffix = path.stem.split("_")
                if other_suffix == suffix and set(others) <= set(entities):
                    fitting.append((len(others), path))
            yield from (path for _, path in sorted(fitting, reverse=True))
            if outside or folder == self._study.folder:
                return

    def _read(self, path: Path) -> str | Problem | None:
        content = read_object(self._study, path)
        if isinstance(content, Problem):
            return content
        unit = content.get("Units")
        if unit is None or isinstance(unit, str):
            return unit
        text = f'Units is {unit!r}; write a text such as "ppm"'
        return Problem(table=self.name_of(path), problem=text)


def read_object(study: Study, path: Path) -> dict[str, Any] | Problem:
    """Read a JSON file of the study that holds keys and values, or return what is wrong with it."""
    name = study.name_of(path)
    if outside := study.outside(name):
        return outside
    try:
        content = json.loads(read_bounded(path, LARGEST).decode("utf-8-sig"))
    except (ValueError, RecursionError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return Problem(table=name, problem=f"is not a JSON object ({reason}); correct it")
    if not isinstance(content, dict):
        text = f"contains {str(content)[:20]!r}, not a JSON object; write {{...}} around keys"
        return Problem(table=name, problem=text)
    return content


def description_problems(study: Study) -> Iterator[Problem]:
    """Yield what is wrong with the JSON files that describe the dataset and its tables.

    `dataset_description.json`, and one beside each table that is one text file
    (``participants.json``), which holds one JSON object per column (BIDS specification 1.10,
    "Tabular files").
    """
    files = (file for spec in study.tables.values() for file in spec.files)
    tables = [Path(file) for file in files if "{" not in file]
    beside = {file.with_suffix(".json") for file in tables if file.suffix in (".tsv", ".csv")}
    for path in (study.folder / name for name in (DESCRIPTION, *map(str, sorted(beside)))):
        if not path.is_file():
            continue
        content = read_object(study, path)
        if isinstance(content, Problem):
            # The sidecar of a table is read with it, and reported there.
            yield from [content] if path.name == DESCRIPTION else []
            continue
        for column, entry in content.items():
            levels = entry.get("Levels", {}) if isinstance(entry, dict) else {}
            if not isinstance(levels, dict):
                text = f'has the Levels {levels!r}; write {{"value": "its meaning", ...}}'
                yield Problem(table=study.name_of(path), column=column, problem=text)


def unit_problems(sidecars: Sidecars, spec: MapSpec, images: Sequence[Path]) -> list[Problem]:
    """Compare the unit of a map in study.toml with what its sidecars declare.

    Parameters
    ----------
    sidecars
        Those of the study folder.
    spec
        The map.
    images
        Its images.

    Returns
    -------
    list of Problem
        One per broken sidecar, and one per unit that sidecars declare and study.toml does not.
    """
    broken: dict[Problem, None] = {}
    other: dict[str, dict[str, None]] = {}
    for path, unit in filter(None, map(sidecars.unit, images)):
        if isinstance(unit, Problem):
            broken[unit] = None
        elif spec.unit not in (canonical_unit(unit), unit.strip()):
            other.setdefault(unit, {})[sidecars.name_of(path)] = None
    problems = list(broken)
    for unit, files in other.items():
        first, more = next(iter(files)), len(files) - 1
        where = f"{first} and {more} more" if more else first
        known = map_schemas().get(spec.name)
        allowed = f" (allowed: {', '.join(known.units)})" if known else ""
        text = f"'{spec.unit}' here, but '{unit}' in {where}; correct one{allowed}"
        column = f"maps.{spec.name}.unit"
        problems.append(Problem(table="study.toml", column=column, problem=text))
    return problems


def canonical_unit(word: str) -> str:
    """Return the unit of the schema that `word` stands for, or `word` without capitals."""
    fields = load_schema("features").descriptor["fields"]
    spellings = next(field["unit_spellings"] for field in fields if field["name"] == "map")
    key = word.strip().lower()
    return next((unit for unit, words in spellings.items() if key in words), key)
