"""What the values of study.toml may be: names in braces, ranges, levels.

`qsmstats.study_file` reads the file and checks the kind of each entry; here stands what a value of
the right kind may be. Everything is a generator of (place in study.toml, what is wrong with it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from itertools import pairwise
from pathlib import PurePath
from typing import Any, get_args

from qsmstats.errors import did_you_mean, nearest, one_of
from qsmstats.method_names import Adjustment, DfMethod
from qsmstats.own_schemas import Schemas
from qsmstats.schemas import map_features, plausible_ranges
from qsmstats.settings import (
    CountFamily,
    CountOffset,
    Harmonise,
    LesionIds,
    PatientQuestion,
    ScannerTerm,
)
from qsmstats.study import STAY_INSIDE, Study
from qsmstats.study_schemas import range_problem

__all__ = ["braces_problem", "idle_settings", "path_problem", "setting_problems"]

# A study compares all pairs of types; Dunnett's method is for comparisons with one reference.
_ADJUSTMENTS = tuple(name for name in get_args(Adjustment) if name != "dunnett")
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
    yield from _map_names(study)
    yield from _outcomes(study)
    yield from _mapping(study)
    yield from _high_in(study)
    yield from _patients(study)


def idle_settings(study: Study, raw: Mapping[str, Any]) -> _Found:
    """Yield each setting that does nothing in this study, and what it would need.

    Parameters
    ----------
    study
        The study as study.toml describes it.
    raw
        study.toml: what it states, though it be the default.
    """
    judged = any(spec.name == "susceptibility_ppb" for spec in study.maps)
    judged = judged and set(study.schemas.lesion_types) == set(Schemas().lesion_types)
    matched = study.matching.lesion_ids == "independent"
    needs = {
        "matching.min_overlap": (matched, 'lesion_ids = "independent"'),
        "lesion_type_rule": (judged, "the map susceptibility_ppb and the five types of QSM"),
        "features.nawm_distance_mm": (bool(study.tissue), "white matter in [tissue]"),
        "models.tissue": (bool(study.tissue), "white matter in [tissue]"),
        "histology": ("histology" in study.tables, "a table of histology in [tables]"),
        "raters": ("ratings" in study.tables, "a table of ratings in [tables]"),
    }
    for where, (there, needed) in needs.items():
        section, _, name = where.partition(".")
        entry = raw.get(section)
        if not there and isinstance(entry, dict) and (name in entry or not name):
            yield where, f"does nothing without {needed}; add that, or remove this"
    if raw.get("models", {}).get("outcomes") == []:
        text = "is empty; name maps or their features, or leave it out for the mean of every map"
        yield "models.outcomes", text


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
    m = study.models.imputations
    if m == 1 or not 0 <= m <= 1000:
        yield "models.imputations", f"must be 0 (none) or from 2 to 1000, such as 20, not {m}"


def _plausible(ranges: Mapping[str, object]) -> _Found:
    known = plausible_ranges()
    for name, limits in ranges.items():
        if name not in known:
            text = f"is not a column with a plausible range; choose from {', '.join(known)}"
            yield f"plausible.{name}", text
        elif problem := range_problem(limits, f"{name} = {list(known[name])}"):
            yield f"plausible.{name}", problem


def _choices(study: Study) -> _Found:
    for value, allowed, where in (
        (study.matching.lesion_ids, get_args(LesionIds), "matching.lesion_ids"),
        (study.histology.unmapped, ("exclude", "negative"), "histology.unmapped"),
        (study.models.df, get_args(DfMethod), "models.df"),
        (study.models.adjust, _ADJUSTMENTS, "models.adjust"),
        (study.models.scanner, get_args(ScannerTerm), "models.scanner"),
        (study.models.harmonise, get_args(Harmonise), "models.harmonise"),
        (study.patients.family, get_args(CountFamily), "patients.family"),
        (study.patients.offset, get_args(CountOffset), "patients.offset"),
        # The tests of one family are of different models: their correlation is not known.
        (study.patients.adjust, ("fdr_bh", "holm", "bonferroni", "none"), "patients.adjust"),
    ):
        if value not in allowed:
            yield where, f"must be {one_of(allowed)}, not '{value}'"


def _outcomes(study: Study) -> _Found:
    """Compare what to analyse with the maps and their features, as study.toml names them."""
    named = [spec.name for spec in study.maps]
    features = list(map_features())
    for name, times in Counter(study.models.outcomes).items():
        of, dot, feature = name.partition(".")
        hint = did_you_mean(
            nearest(name, [*named, *(f"{one}.{f}" for one in named for f in features)])
        )
        if of not in named:
            text = f"'{name}' is not a map of the study; choose from {', '.join(named)}"
            yield "models.outcomes", text + hint
        elif dot and feature == "mean":
            text = f"'{name}' is analysed by the name of the map alone; write '{of}'"
            yield "models.outcomes", text
        elif dot and feature not in features:
            text = f"'{feature}' is not a feature of a map; choose from {', '.join(features)}"
            yield "models.outcomes", text + hint
        elif times > 1:
            yield "models.outcomes", f"'{name}' is listed {times} times; list it once"


def _map_names(study: Study) -> _Found:
    """Refuse a map whose column in the tidy table is that of another map's feature."""
    named = [spec.name for spec in study.maps]
    owners = {f"{name}_{feature}": name for name in named for feature in map_features()}
    for name in named:
        if name in owners:
            text = f"is also the column of a feature of '{owners[name]}'; choose another name"
            yield f"maps.{name}", text


def _mapping(study: Study) -> _Found:
    """Compare the mapping to pathology with the levels; a level has one class at most."""
    mapping, schema = study.histology.mapping, study.schemas.table("histology")
    known = schema.column("reference_standard").levels
    types = schema.column("index_test").levels
    if not any(mapping.values()) and "histology" in study.tables:
        example = f'{known[0]} = ["{types[0]}"]'
        text = f"is empty; map at least one of {', '.join(known)}, as {example}"
        yield MAPPING, text
    for name in mapping:
        if name not in known:
            yield f"{MAPPING}.{name}", f"is not a reference class; choose from {', '.join(known)}"
    for level, times in Counter(one for levels in mapping.values() for one in set(levels)).items():
        if level not in types:
            text = f"'{level}' is not a level of the index test; choose from {', '.join(types)}"
            yield MAPPING, text
        elif times > 1:
            yield MAPPING, f"'{level}' is mapped to {times} classes; keep one of them"


def _high_in(study: Study) -> _Found:
    schema = study.schemas.table("histology")
    features = [column.name for column in schema.fields if column.type == "number"]
    classes = schema.column("reference_standard").levels
    for name, levels in study.histology.high_in.items():
        where = f"histology.high_in.{name}"
        if name not in features:
            yield where, f"is not a continuous feature; choose from {', '.join(features)}"
        for level in levels:
            if level not in classes:
                yield where, f"'{level}' is not a reference class; choose from {', '.join(classes)}"


def _patients(study: Study) -> _Found:
    settings, types = study.patients, study.schemas.lesion_types
    asked = get_args(PatientQuestion)
    for name in settings.questions:
        if name not in asked:
            text = f"'{name}' is not a question; choose from {', '.join(asked)}"
            yield "patients.questions", text + did_you_mean(nearest(name, asked))
    if settings.grouped_type not in ("", *types):
        text = f"'{settings.grouped_type}' is not a lesion type; choose from {', '.join(types)}"
        hint = did_you_mean(nearest(settings.grouped_type, types))
        yield "patients.grouped_type", text + hint
    cuts = settings.cuts
    if not cuts or cuts[0] < 1 or any(a >= b for a, b in pairwise(cuts)):
        text = f"found {[*cuts]}; write ascending numbers from 1, as cuts = [1, 4] for 0, 1-3, >= 4"
        yield "patients.cuts", text
