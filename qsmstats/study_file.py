"""Read study.toml: every problem of the file is reported at once.

The kind of each entry is checked here, and what a value of the right kind may be in
`qsmstats.study_limits`; of [labels] and [tissue] both are checked here, as what one entry may be
depends on the others.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from qsmstats.errors import InvalidDataError, Problem, did_you_mean, nearest
from qsmstats.own_schemas import Schemas
from qsmstats.schemas import LAST_PARCEL, map_schemas, parcellation_labels
from qsmstats.settings import (
    FeatureSettings,
    FolderSettings,
    HistologySettings,
    LesionTypeRule,
    MatchingSettings,
    ModelSettings,
    PatientSettings,
    RaterSettings,
    StudyModel,
    TableOneSettings,
    Weights,
)
from qsmstats.study import EACH, LabelSpec, MapSpec, Study, TissueSpec, VoxelwiseSpec
from qsmstats.study_limits import (
    braces_problem,
    idle_settings,
    path_problem,
    setting_problems,
)
from qsmstats.study_schemas import declared_schemas
from qsmstats.study_tables import table_specs
from qsmstats.untrusted_files import read_bounded

__all__ = ["FILE", "LARGEST", "open_study", "study_of"]

FILE = "study.toml"
LARGEST = 1_000_000
"""Bytes of study.toml; one that names every setting has some thousands."""
NO_SECTIONS = ("folder", "checksum", "schemas")
"""Fields of a study that are no section of study.toml."""
DECLARED = ("lesion_types", "levels")
"""Sections of study.toml that become its schemas."""


class _Reader:
    """Reads the parts of study.toml and collects every problem on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.outside = False

    def report(self, where: str, problem: str) -> None:
        self.problems.append(Problem(table=FILE, column=where, problem=problem))

    def section(self, raw: Mapping[str, Any], name: str, where: str = "") -> dict[str, Any]:
        value = raw.get(name, {})
        if isinstance(value, dict):
            return value
        text = f"expected a section [{where + name}], found {value!r}"
        self.report(where + name, f"{text}; write its settings below such a line")
        return {}

    def known(self, where: str, raw: Iterable[str], allowed: Iterable[str]) -> None:
        choices = list(allowed)
        for key in raw:
            if key not in choices:
                hint = did_you_mean(nearest(key, choices))
                path = f"{where}.{key}" if where else key
                self.report(path, f"is not a setting; allowed: {', '.join(choices)}{hint}")


_Settings = TypeVar(
    "_Settings",
    FeatureSettings,
    MatchingSettings,
    LesionTypeRule,
    ModelSettings,
    HistologySettings,
    RaterSettings,
    PatientSettings,
    TableOneSettings,
    FolderSettings,
)


def open_study(folder: str | Path) -> Study:
    """Open a study folder.

    Parameters
    ----------
    folder
        Folder that holds study.toml.

    Returns
    -------
    Study
        What study.toml says; no table or image is read.

    Raises
    ------
    InvalidDataError
        If study.toml is missing or cannot be understood; every problem is listed.

    Examples
    --------
    >>> qs.open_study("demo/study").folder.name
    'study'
    """
    folder = Path(folder)
    try:
        return _study(folder, *_read_toml(folder))
    except RecursionError as error:
        text = "nests lists or sections too deeply; write it as `qsmstats init` does"
        raise InvalidDataError([Problem(table=str(folder / FILE), problem=text)]) from error


def study_of(folder: Path, text: str) -> Study:
    """Return the study of a folder with `text` as its study.toml; errors as of `open_study`."""
    return _study(folder, tomllib.loads(text), "")


def _study(folder: Path, raw: Mapping[str, Any], checksum: str) -> Study:
    reader = _Reader()
    settings = _settings(reader, FolderSettings, "study", raw)
    reader.outside = settings.outside
    sections = [item.name for item in fields(Study) if item.name not in NO_SECTIONS]
    reader.known("", raw, [*sections, *DECLARED])
    for name in DECLARED:
        reader.section(raw, name)
    declared: list[tuple[str, str]] = []
    schemas = declared_schemas(raw, declared)
    labels = _labels(reader, reader.section(raw, "labels"))
    study = Study(
        folder=folder,
        name=_name(reader, raw, folder),
        labels=labels,
        maps=_maps(reader, reader.section(raw, "maps")),
        tissue={
            name: _tissue(reader, f"tissue.{name}", value)
            for name, value in reader.section(raw, "tissue").items()
        },
        tables=table_specs(
            reader, reader.section(raw, "tables"), lists_lesions=labels.lists_lesions
        ),
        plausible=reader.section(raw, "plausible"),
        study=settings,
        features=_settings(reader, FeatureSettings, "features", raw),
        matching=_settings(reader, MatchingSettings, "matching", raw),
        lesion_type_rule=_settings(reader, LesionTypeRule, "lesion_type_rule", raw),
        models=_models(reader, raw),
        histology=_histology(reader, raw, schemas),
        raters=_settings(reader, RaterSettings, "raters", raw),
        patients=_patients(reader, raw),
        table_one=_table_one(reader, raw),
        voxelwise=_voxelwise(reader, reader.section(raw, "voxelwise"), raw),
        schemas=schemas,
        checksum=checksum,
    )
    for where, problem in (*declared, *setting_problems(study), *idle_settings(study, raw)):
        reader.report(where, problem)
    if reader.problems:
        raise InvalidDataError(reader.problems)
    return study


def _read_toml(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / FILE
    try:
        data = read_bounded(path, LARGEST)
        # Windows editors put a byte-order mark first; utf-8-sig takes it off.
        return tomllib.loads(data.decode("utf-8-sig")), hashlib.sha256(data).hexdigest()
    except (OSError, ValueError) as error:
        problem = Problem(table=str(path), problem=_unreadable(folder, error))
        raise InvalidDataError([problem]) from error


def _unreadable(folder: Path, error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        row = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        return f"is not valid TOML: byte 0x{byte:02x} in row {row} is not UTF-8; save it as UTF-8"
    if isinstance(error, ValueError):  # of tomllib, or of int for a number of thousands of digits
        return f"is not valid TOML: {error}; correct it there"
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"cannot be read: {error.strerror}; check the file and its permissions"
    if not folder.is_dir():
        return "no such file, as there is no such folder; check the path of the study"
    return "no such file; a study folder holds a study.toml (`qsmstats init` writes one)"


def _name(reader: _Reader, raw: Mapping[str, Any], folder: Path) -> str:
    name = raw.get("name", folder.resolve().name)
    if isinstance(name, str) and (name.strip() or "name" not in raw):
        return name
    reader.report("name", f"expected the study's name as text, found {name!r}")
    return ""


def _pattern(reader: _Reader, where: str, value: object, others: Sequence[str] = ()) -> str:
    if not isinstance(value, str):
        found = "is missing; it is" if value is None else f"found {value!r}, expected"
        reader.report(where, f"{found} a file pattern such as '{{participant}}/...'")
        return ""
    problem = path_problem(value, outside=reader.outside)
    problem = problem or braces_problem(value, "participant", ("session", *others))
    if problem:
        reader.report(where, problem)
    return value


_VOLUME = "the number of a volume of the file; the first has 0"
_LABEL_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "instances": (lambda value: value in ("labels", "components"), '"labels" or "components"'),
    "connectivity": (lambda value: value in (6, 18, 26), "6, 18 or 26 neighbours of a voxel"),
    "min_mm3": (lambda value: 0 <= value < 1e9, "a volume in mm³ such as 3.0, or 0"),
    "volume": (lambda value: value >= 0, _VOLUME),
}


def _labels(reader: _Reader, raw: Mapping[str, Any]) -> LabelSpec:
    defaults = LabelSpec(pattern=_pattern(reader, "labels.pattern", raw.get("pattern"), EACH))
    reader.known("labels", raw, (item.name for item in fields(LabelSpec)))
    values: dict[str, Any] = {}
    for name, (fits, expected) in _LABEL_VALUES.items():
        if name not in raw:
            continue
        kinds = {"instances": (str,), "min_mm3": (int, float)}.get(name, (int,))
        if type(raw[name]) in kinds and fits(raw[name]):
            values[name] = raw[name]
        else:
            reader.report(f"labels.{name}", f"found {raw[name]!r}; write {expected}")
    spec = replace(defaults, **values)
    if all(f"{{{name}}}" in spec.pattern for name in EACH):
        text = "names files after both lesion_type and lesion; keep one of the two in braces"
        reader.report("labels.pattern", text)
    if spec.each == "lesion" and "instances" in raw:
        text = "does nothing where each file holds one {lesion}; remove this line"
        reader.report("labels.instances", text)
    for name in ("connectivity", "min_mm3"):
        if name in values and spec.instances != "components":
            text = 'does nothing without instances = "components"; add that, or remove this line'
            reader.report(f"labels.{name}", text)
    return spec


def _tissue(reader: _Reader, where: str, value: object) -> TissueSpec:
    if not isinstance(value, dict):
        return TissueSpec(pattern=_pattern(reader, where, value))
    reader.known(where, value, (item.name for item in fields(TissueSpec)))
    ranges: dict[tuple[int, int], None] = {}
    listed = value.get("labels", [])
    if not isinstance(listed, list) or ("labels" in value and not listed):
        text = f"found {listed!r}; write a list of labels of the parcellation such as [2, 41]"
        reader.report(f"{where}.labels", text)
        listed = []
    for item in listed:
        found = _parcels(item)
        if found is None:
            near = nearest(item, parcellation_labels()) if isinstance(item, str) else []
            text = (
                f"{item!r} is neither a label from 1 to {LAST_PARCEL}, nor a range such as "
                '"3000-4999", nor a name of FreeSurfer or SynthSeg'
                f"{did_you_mean(near) or '; correct it'}"
            )
            reader.report(f"{where}.labels", text)
        else:
            ranges[found] = None
    return TissueSpec(
        pattern=_pattern(reader, f"{where}.pattern", value.get("pattern")),
        labels=tuple(ranges),
        volume=_volume(reader, where, value),
    )


def _parcels(item: object) -> tuple[int, int] | None:
    """Return the first and last label that a number, a range in words or a name stands for."""
    first = last = item
    if isinstance(item, str):
        names = {_name_key(name): label for name, label in parcellation_labels().items()}
        between = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", item)
        first, last = map(int, between.groups()) if between else (names.get(_name_key(item)),) * 2
    if type(first) is int and type(last) is int and 1 <= first <= last <= LAST_PARCEL:
        return first, last
    return None


def _name_key(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _volume(reader: _Reader, where: str, entry: Mapping[str, Any]) -> int | None:
    value = entry.get("volume")
    if value is None or (type(value) is int and value >= 0):
        return value
    reader.report(f"{where}.volume", f"found {value!r}; write {_VOLUME}")
    return None


def _maps(reader: _Reader, raw: Mapping[str, Any], section: str = "maps") -> tuple[MapSpec, ...]:
    known = map_schemas()
    if not raw:
        first = next(iter(known))
        reader.report(section, f"no map is named; add a section such as [{section}.{first}]")
    specs = []
    for name in raw:
        entry = reader.section(raw, name, f"{section}.")
        described = ("title", "plausible") if section == "maps" else ()
        allowed = ("pattern", "unit", "missing", "volume", *described)
        reader.known(f"{section}.{name}", entry, allowed)
        unit = entry.get("unit")
        if name in known and unit not in list(known[name].units):
            units = ", ".join(known[name].units)
            found = "no unit is declared for" if unit is None else f"{unit!r} is not a unit of"
            reader.report(f"{section}.{name}.unit", f"{found} this map; allowed: {units}")
        missing = entry.get("missing")
        if missing is not None and _number(missing) is None:
            text = f"expected the finite number that means 'not measured', found {missing!r}"
            reader.report(f"{section}.{name}.missing", text)
        pattern = _pattern(reader, f"{section}.{name}.pattern", entry.get("pattern"))
        volume = _volume(reader, f"{section}.{name}", entry)
        specs.append(
            MapSpec(name=name, pattern=pattern, unit=str(unit), missing=missing, volume=volume)
        )
    return tuple(specs)


def _voxelwise(reader: _Reader, entry: Mapping[str, Any], raw: Mapping[str, Any]) -> VoxelwiseSpec:
    """Read [voxelwise]; a map that data_schemas/ does not know has its unit in [maps]."""
    if "voxelwise" not in raw:
        return VoxelwiseSpec()
    reader.known("voxelwise", entry, (item.name for item in fields(VoxelwiseSpec)))
    mask = entry.get("mask", "")
    problem = path_problem(mask, outside=reader.outside) if isinstance(mask, str) else None
    if not isinstance(mask, str) or problem or "{" in mask:
        text = problem or f"found {mask!r}; write the path of one image, the mask of all sessions"
        reader.report("voxelwise.mask", text)
        mask = ""
    section = reader.section(entry, "maps", "voxelwise.")
    maps = _maps(reader, section, "voxelwise.maps")
    own = reader.section(raw, "maps")
    for spec in maps:
        declared = own.get(spec.name)
        unit = declared.get("unit") if isinstance(declared, dict) else None
        if spec.name not in map_schemas() and spec.unit != unit:
            text = f"{spec.unit!r} here, but {unit!r} in [maps.{spec.name}]; correct one of the two"
            reader.report(f"voxelwise.maps.{spec.name}.unit", text)
    return VoxelwiseSpec(mask=mask, maps=maps)


def _models(reader: _Reader, raw: Mapping[str, Any]) -> ModelSettings:
    """Read [models]; [models.trajectory] states formula and weights of one model."""
    entry = dict(reader.section(raw, "models"))
    given = entry.pop("weights", {})
    weights = given if isinstance(given, dict) else dict.fromkeys(("baseline", "trajectory"), given)
    reader.known("models.weights", weights, get_args(StudyModel))
    for model in get_args(StudyModel):
        if not isinstance(own := entry.get(model), dict):
            continue
        reader.known(f"models.{model}", own, ("formula", "weights"))
        del entry[model]
        if "formula" in own:
            entry[model] = own["formula"]
        if "weights" in own:
            weights = weights | {model: own["weights"]}
    columns: dict[str, Weights] = {}
    for model, stated in weights.items():
        listed = [stated] if isinstance(stated, str) else stated
        if isinstance(listed, list) and _all_text(listed):
            columns[model] = tuple(listed)
        else:
            text = f'found {stated!r}; write a column such as "lesion_type", or a list of two'
            reader.report("models.weights", text)
            break
    return replace(_settings(reader, ModelSettings, "models", {"models": entry}), weights=columns)


def _histology(reader: _Reader, raw: Mapping[str, Any], schemas: Schemas) -> HistologySettings:
    """Read [histology]; what the defaults say of levels, they do not say of a study's own."""
    entry = reader.section(raw, "histology")
    reader.section(entry, "classes", "histology.")
    settings = {name: value for name, value in entry.items() if name != "classes"}
    read = _settings(reader, HistologySettings, "histology", {"histology": settings})
    if not (schemas.types or schemas.classes):
        return read
    own: dict[str, Any] = {} if "mapping" in entry else {"mapping": {}}
    own |= {} if "high_in" in entry or not schemas.classes else {"high_in": {}}
    return replace(read, **own)


_ASKED_BY = {"counts": ("family", "offset"), "groups": ("cuts", "grouped_type")}
"""Question of [patients] -> settings that nothing else uses."""


def _patients(reader: _Reader, raw: Mapping[str, Any]) -> PatientSettings:
    settings = _settings(reader, PatientSettings, "patients", raw)
    entry = raw.get("patients")
    for question, names in _ASKED_BY.items():
        for name in names:
            if isinstance(entry, dict) and name in entry and question not in settings.questions:
                text = f'does nothing without the question "{question}"; add it to questions, or'
                reader.report(f"patients.{name}", f"{text} remove this line")
    return settings


def _table_one(reader: _Reader, raw: Mapping[str, Any]) -> TableOneSettings:
    entry = dict(reader.section(raw, "table_one"))
    titles = entry.pop("titles", {})
    if not (isinstance(titles, dict) and _all_text(titles.values())):
        text = f'found {titles!r}; write texts by column such as {{ nfl = "Serum NfL, pg/mL" }}'
        reader.report("table_one.titles", text)
        titles = {}
    read = _settings(reader, TableOneSettings, "table_one", {"table_one": entry})
    return replace(read, titles=titles)


def _all_text(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


_KINDS: dict[object, str] = {
    bool: "true or false",
    float: "a number such as 2.0",
    int: "a whole number such as 20",
    str: 'a text such as "name"',
    (tuple, str): 'a list of texts such as ["a", "b"]',
    (tuple, int): "a list of whole numbers such as [1, 4]",
    dict: 'lists of texts by name such as { name = ["a", "b"] }',
}


def _settings(
    reader: _Reader, kind: type[_Settings], name: str, raw: Mapping[str, Any]
) -> _Settings:
    entry = reader.section(raw, name)
    defaults = kind()
    reader.known(name, entry, (item.name for item in fields(kind)))
    values: dict[str, Any] = {}
    for item in fields(kind):
        if item.name not in entry:
            continue
        default = getattr(defaults, item.name)
        value = _like(entry[item.name], default)
        if value is None:
            expected: object = type(default)
            if isinstance(default, tuple):
                expected = (tuple, _item(default))
            text = f"found {entry[item.name]!r}; write {_KINDS[expected]}"
            reader.report(f"{name}.{item.name}", text)
        else:
            values[item.name] = value
    return kind(**values)


def _number(value: object) -> float | None:
    """Return the finite number that a TOML value is, or None; its whole numbers have no end."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _item(default: tuple[object, ...]) -> type:
    """Return what a list holds: what its default does, or text where that is empty."""
    return type(default[0]) if default else str


def _like(value: object, default: object) -> object:
    """Return `value` in the type of `default`, or None where it does not fit."""
    if isinstance(default, bool):
        return value if isinstance(value, bool) else None
    if isinstance(default, float):
        return _number(value)
    if isinstance(default, int):
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value) if all(type(one) is _item(default) for one in value) else None
    if isinstance(default, dict) and isinstance(value, dict):
        lists = {key: [item] if isinstance(item, str) else item for key, item in value.items()}
        if all(isinstance(items, list) and _all_text(items) for items in lists.values()):
            return {key: tuple(items) for key, items in lists.items()}
    return value if isinstance(default, str) and isinstance(value, str) else None
