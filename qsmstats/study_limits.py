"""What the values of study.toml may be: names in braces, ranges, levels.

`qsmstats.study_file` reads the file and checks the kind of each entry; here stands what a value of
the right kind may be. Everything is a generator of (place in study.toml, what is wrong with it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import PurePath
from typing import get_args

from qsmstats.errors import one_of
from qsmstats.method_names import Adjustment, DfMethod
from qsmstats.schemas import load_schema, plausible_ranges
from qsmstats.settings import LesionIds
from qsmstats.study import STAY_INSIDE, Study

__all__ = ["braces_problem", "path_problem", "setting_problems"]

_Found = Iterator[tuple[str, str]]
MAPPING = "histology.mapping"


def braces_problem(text: str, needed: str, allowed: Collection[str] = ()) -> str | None:
    """Return what is wrong with a pattern or formula with names in braces, or None.

    Parameters
    ----------
    text
        File pattern or formula, as the user wrote it.
    needed, allowed
        The name that must stand in braces, and others that may. Nothing else may stand in braces:
        Python's format language would reach into objects, as with ``{outcome.__class__}``.
    """
    names = [needed, *allowed]
    choices = " and ".join(f"{{{name}}}" for name in names)
    if not text.isprintable():
        return _unprintable(text)
    rest = text
    for name in names:
        rest = rest.replace(f"{{{name}}}", "")
    if set(rest) & set("{}"):
        return f"'{text}' may contain only {choices} in braces; correct the text in braces"
    if f"{{{needed}}}" not in text:
        return f"'{text}' does not contain {{{needed}}}; write it where the name belongs"
    return None


def path_problem(text: str, *, outside: bool) -> str | None:
    """Return what is wrong with a path or file pattern of study.toml, or None.

    Parameters
    ----------
    text
        The path, as the user wrote it.
    outside
        Whether it may lead out of the study folder. Links are followed when files are opened.
    """
    path = PurePath(text)
    if not text.isprintable():
        return _unprintable(text)
    if "*" in text:
        return f"'{text}' contains '*', which is not a wildcard here; write the path without it"
    if not outside and (path.is_absolute() or ".." in path.parts):
        return f"'{text}' leads out of the study folder; {STAY_INSIDE}"
    return None


def _unprintable(text: str) -> str:
    return f"{text!r} contains a character that cannot be printed; type the text again"


def setting_problems(study: Study) -> _Found:
    """Yield each setting whose value cannot be meant, and what is wrong with it.

    Parameters
    ----------
    study
        The study as study.toml describes it; every value has the kind of its default.
    """
    yield from _ranges(study)
    yield from _plausible(study.plausible)
    for name in ("baseline", "tissue", "trajectory"):
        problem = braces_problem(getattr(study.models, name), "outcome")
        if problem:
            yield f"models.{name}", problem
    yield from _choices(study)
    yield from _outcomes(study)
    yield from _mapping(study.histology.mapping)


def _ranges(study: Study) -> _Found:
    for item in fields(study.features):
        value = getattr(study.features, item.name)
        if not 0.01 <= value < 100:
            yield f"features.{item.name}", f"{value} mm is outside 0.01 to 100 mm; correct it"
    for item in fields(study.lesion_type_rule):
        value = getattr(study.lesion_type_rule, item.name)
        if not 0 <= value < 100:
            yield f"lesion_type_rule.{item.name}", f"{value} is outside 0 to 100; correct it"
    overlap = study.matching.min_overlap
    if not 0 < overlap <= 1:
        text = f"must be above 0 and at most 1, such as 0.25, not {overlap}"
        yield "matching.min_overlap", text
    level = study.models.level
    if not 0 < level < 1:
        example = level / 100 if 1 < level < 100 else 0.95
        yield "models.level", f"must be between 0 and 1, such as {example}, not {level}"


def _plausible(ranges: Mapping[str, object]) -> _Found:
    known = plausible_ranges()
    for name, limits in ranges.items():
        if name not in known:
            text = f"is not a column with a plausible range; choose from {', '.join(known)}"
            yield f"plausible.{name}", text
        elif (
            not isinstance(limits, list)
            or not {*map(type, limits)} <= {int, float}
            # Never true of nan, and TOML has whole numbers that no float can hold.
            or not (len(limits) == 2 and -1e9 < limits[0] < limits[1] < 1e9)
        ):
            example = f"{name} = {list(known[name])}"
            text = f"found {limits!r}; write the lowest and the highest number, as {example}"
            yield f"plausible.{name}", text


def _choices(study: Study) -> _Found:
    for value, allowed, where in (
        (study.matching.lesion_ids, get_args(LesionIds), "matching.lesion_ids"),
        (study.histology.unmapped, ("exclude", "negative"), "histology.unmapped"),
        (study.models.df, get_args(DfMethod), "models.df"),
        (study.models.adjust, get_args(Adjustment), "models.adjust"),
    ):
        if value not in allowed:
            yield where, f"must be {one_of(allowed)}, not '{value}'"


def _outcomes(study: Study) -> _Found:
    named = [spec.name for spec in study.maps]
    for name, times in Counter(study.models.outcomes).items():
        if name not in named:
            text = f"'{name}' is not a map of the study; choose from {', '.join(named)}"
            yield "models.outcomes", text
        elif times > 1:
            yield "models.outcomes", f"'{name}' is listed {times} times; list it once"


def _mapping(mapping: Mapping[str, tuple[str, ...]]) -> _Found:
    """Compare the mapping to pathology with the schema; a level has one class at most."""
    known = load_schema("histology").column("reference_standard").levels
    if not mapping:
        yield MAPPING, f"is empty; map at least one of {', '.join(known)}"
    for name, levels in mapping.items():
        if name not in known:
            yield f"{MAPPING}.{name}", f"is not a reference class; choose from {', '.join(known)}"
        if not levels:
            yield f"{MAPPING}.{name}", "has no level of the index test; add one or remove the class"
    known = load_schema("histology").column("index_test").levels
    for level, times in Counter(one for levels in mapping.values() for one in set(levels)).items():
        if level not in known:
            text = f"'{level}' is not a level of the index test; choose from {', '.join(known)}"
            yield MAPPING, text
        elif times > 1:
            yield MAPPING, f"'{level}' is mapped to {times} classes; keep one of them"
