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

from qsmstats.schemas import load_schema, plausible_ranges
from qsmstats.settings import Adjustment, DfMethod, LesionIds
from qsmstats.study import STAY_INSIDE, Study

__all__ = ["braces_problem", "path_problem", "setting_problems"]

_Found = Iterator[tuple[str, str]]
MAPPING = "histology.mapping"


def braces_problem(text: str, needed: str, allowed: Collection[str] = ()) -> str | None:
    """Return what is wrong with a text that stands for many by names in braces, or None.

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
        return f"'{text}' may hold {choices} in braces only; correct what stands in braces"
    if f"{{{needed}}}" not in text:
        return f"'{text}' names no {{{needed}}}; write it where the name belongs"
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
        return f"'{text}' holds '*', which stands for nothing here; write the path without it"
    if not outside and (path.is_absolute() or ".." in path.parts):
        return f"'{text}' leads out of the study folder; {STAY_INSIDE}"
    return None


def _unprintable(text: str) -> str:
    return f"{text!r} holds a character that cannot be printed; type the text anew"


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
    yield from _classes(study.histology.mapping)
    yield from _claims(study.histology.mapping)


def _ranges(study: Study) -> _Found:
    for item in fields(study.features):
        value = getattr(study.features, item.name)
        if not 0.01 <= value < 100:
            yield f"features.{item.name}", f"{value} mm lies outside 0.01 to 100 mm; correct it"
    for item in fields(study.lesion_type_rule):
        value = getattr(study.lesion_type_rule, item.name)
        if not 0 <= value < 100:
            yield f"lesion_type_rule.{item.name}", f"{value} lies outside 0 to 100; correct it"
    overlap = study.matching.min_overlap
    if not 0 < overlap <= 1:
        yield (
            "matching.min_overlap",
            f"{overlap} is no share above 0 and at most 1; give one, as 0.25",
        )
    level = study.models.level
    if not 0 < level < 1:
        hint = f", as {level / 100}" if 1 < level < 100 else ", as 0.95"
        yield "models.level", f"{level} lies outside 0 to 1; give a share{hint}"


def _plausible(ranges: Mapping[str, object]) -> _Found:
    known = plausible_ranges()
    for name, limits in ranges.items():
        if name not in known:
            yield f"plausible.{name}", f"is no column with a range; write one of {', '.join(known)}"
        elif not _is_range(limits):
            example = f"{name} = {list(known[name])}"
            text = f"found {limits!r}; write the lowest and the highest number, as {example}"
            yield f"plausible.{name}", text


def _is_range(limits: object) -> bool:
    if not isinstance(limits, list) or not {*map(type, limits)} <= {int, float}:
        return False
    # Never true of nan, and TOML has whole numbers that no float can hold.
    return len(limits) == 2 and bool(-1e9 < limits[0] < limits[1] < 1e9)


def _choices(study: Study) -> _Found:
    for value, allowed, where in (
        (study.matching.lesion_ids, get_args(LesionIds), "matching.lesion_ids"),
        (study.histology.unmapped, ("exclude", "negative"), "histology.unmapped"),
        (study.models.df, get_args(DfMethod), "models.df"),
        (study.models.adjust, get_args(Adjustment), "models.adjust"),
    ):
        if value not in allowed:
            yield where, f"'{value}' is none of {', '.join(allowed)}; write one of them"


def _outcomes(study: Study) -> _Found:
    named = [spec.name for spec in study.maps]
    for name, times in Counter(study.models.outcomes).items():
        if name not in named:
            yield (
                "models.outcomes",
                f"'{name}' is no map of the study; name some of {', '.join(named)}",
            )
        elif times > 1:
            yield "models.outcomes", f"'{name}' stands there {times} times; name it once"


def _classes(mapping: Mapping[str, tuple[str, ...]]) -> _Found:
    """Compare the mapping to pathology with the classes that the schema knows."""
    known = load_schema("histology").column("reference_standard").levels
    if not mapping:
        yield MAPPING, f"names no class; map some of {', '.join(known)}"
    for name, claimed in mapping.items():
        if name not in known:
            yield f"{MAPPING}.{name}", f"is no reference class; write one of {', '.join(known)}"
        if not claimed:
            yield (
                f"{MAPPING}.{name}",
                "claims no level of the index test; name one or remove it",
            )


def _claims(mapping: Mapping[str, tuple[str, ...]]) -> _Found:
    """Look at the levels of the index test that the classes claim; each has one class at most."""
    known = load_schema("histology").column("index_test").levels
    claims = Counter(level for claimed in mapping.values() for level in set(claimed))
    for level, times in claims.items():
        if level not in known:
            text = f"'{level}' is no level of the index test; write some of {', '.join(known)}"
            yield MAPPING, text
        elif times > 1:
            yield MAPPING, f"'{level}' is claimed by {times} classes; leave it with one of them"
