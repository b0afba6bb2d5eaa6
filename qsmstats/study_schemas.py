"""What study.toml declares of maps, lesion types, classes of pathology and words for levels.

`[maps]` may name maps that data_schemas/ does not know, `[lesion_types]` and `[histology.classes]`
may replace the levels of this field by a study's own, and `[lesion_types]` and `[levels]` say what
words of the tables stand for. Every reader here adds (place in study.toml, what is wrong with it)
to a list and goes on.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from qsmstats.errors import did_you_mean, nearest
from qsmstats.own_schemas import UNDECIDED, Level, Schemas, known_levels, own_map
from qsmstats.schemas import TABLES, MapSchema, load_schema, map_schemas, word_key

__all__ = ["declared_schemas", "range_problem", "word_problems"]

Problems: TypeAlias = list[tuple[str, str]]

MOST_LEVELS = 8
"""As many colours can be told apart by everyone."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
NAMES = "use at most 40 letters, digits and _, a letter first"
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


def declared_schemas(raw: Mapping[str, Any], found: Problems) -> Schemas:
    """Return the schemas of a study.

    Parameters
    ----------
    raw
        study.toml.
    found
        Takes what is wrong with its sections maps, lesion_types, histology.classes and levels,
        as far as they are read here; entries that are wrong are left out.
    """
    section = _table(raw, "lesion_types") or {}
    words = {name: value for name, value in section.items() if not isinstance(value, dict)}
    types = {name: value for name, value in section.items() if isinstance(value, dict)}
    histology = _table(raw, "histology") or {}
    schemas = Schemas(
        own_maps=_own_maps(_table(raw, "maps") or {}, found),
        types=_levels("lesion_types", types, known_levels("lesions"), found),
        classes=_levels(
            "histology.classes",
            _table(histology, "classes") or {},
            known_levels("histology"),
            found,
        ),
    )
    # "indeterminate" is a type to the histology table alone.
    undecided = [UNDECIDED] if "histology" in (_table(raw, "tables") or {}) else []
    told = (*schemas.lesion_types, *undecided)
    spellings = {word: name for name, level in schemas.types.items() for word in level.spellings}
    all_words = {"lesion_type": _words("lesion_types", words, told, found, spellings)}
    for column, own in (_table(raw, "levels") or {}).items():
        where = f"levels.{column}"
        if column in ("lesion_type", "index_test"):
            found.append((where, "lesion types have a section of their own; use [lesion_types]"))
        elif not isinstance(own, dict) or not own:
            text = f'found {own!r}; write one line per value of the file, as "1" = "F"'
            found.append((where, text))
        else:
            named = (field for table in TABLES for field in schemas.table(table).fields)
            # None for a column that is the study's own.
            known = next((field.levels for field in named if field.name == column), ())
            all_words[column] = _words(where, own, known, found)
    return replace(schemas, words={column: own for column, own in all_words.items() if own})


def word_problems(
    words: Mapping[str, object], allowed: Sequence[str], spellings: Mapping[str, str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield each word that cannot stand for what it is to stand for, and why.

    A word must stand for one of `allowed`, no level may stand for another one, and two words that
    count as the same must stand for the same level.

    Parameters
    ----------
    words
        Word -> level.
    allowed
        The levels; empty where any text is one.
    spellings
        Words that stand for a level elsewhere in study.toml.
    """
    levels = {word_key(level): level for level in allowed}
    seen: dict[str, object] = {word_key(word): one for word, one in (spellings or {}).items()}
    for word, level in words.items():
        key = word_key(word)
        if not isinstance(level, str) or (allowed and level not in allowed):
            hint = did_you_mean(nearest(str(level), allowed))
            choices = f" is not one of {', '.join(allowed)}" if allowed else " is not a text"
            yield word, f"{level!r}{choices}{hint or '; use one of these' * bool(allowed)}"
        elif levels.get(key, level) != level:
            yield word, f"is a level itself and cannot stand for '{level}'; remove this line"
        elif seen.get(key, level) != level:
            text = (
                f"stands for '{level}' here, and elsewhere for '{seen[key]}'; keep one of the two"
            )
            yield word, text
        else:
            seen[key] = level


def range_problem(limits: object, example: str) -> str | None:
    """Return what is wrong with a lowest and a highest value, or None.

    Parameters
    ----------
    limits
        As study.toml has them.
    example
        The line to write.
    """
    if (
        isinstance(limits, list)
        and {*map(type, limits)} <= {int, float}
        # Never true of nan, and TOML has whole numbers that no float can hold.
        and len(limits) == 2
        and -1e9 < limits[0] < limits[1] < 1e9
    ):
        return None
    return f"found {limits!r}; write the lowest and the highest number, as {example}"


def _table(raw: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """Return a section; what is no section is reported by `qsmstats.study_file`."""
    value = raw.get(name)
    return value if isinstance(value, dict) else None


def _own_maps(raw: Mapping[str, Any], found: Problems) -> dict[str, MapSchema]:
    """Return the maps that data_schemas/ does not know."""
    maps = {}
    for name, entry in raw.items():
        if not isinstance(entry, dict):
            continue  # reported by `qsmstats.study_file`
        problems = [(f"maps.{name}{key}", text) for key, text in _map_problems(name, entry)]
        found += problems
        if not problems and name not in map_schemas():
            title, limits = entry.get("title"), entry.get("plausible")
            maps[name] = own_map(name, unit=entry["unit"], title=title, plausible=limits)
    return maps


def _map_problems(name: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, problem) of what a map's section says beside the places of its images."""
    if name in map_schemas():
        for key in entry.keys() & {"title", "plausible"}:
            yield f".{key}", f"is known of '{name}' and cannot be set; remove this line"
        return
    if alike := nearest(name, map_schemas(), cutoff=0.8):
        text = f"is almost the name of a known map{did_you_mean(alike)} Else choose another name"
        yield "", text
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or name in ("TRUE", "FALSE"):
        yield "", f"cannot be the name of a column in a formula; {NAMES}"
    unit, title, limits = entry.get("unit"), entry.get("title"), entry.get("plausible")
    if not isinstance(unit, str) or not unit.strip() or not unit.isprintable():
        text = "is missing" if unit is None else f"found {unit!r}"
        yield ".unit", f'{text}; write the unit of the values, as unit = "Hz"'
    if title is not None and (problem := _title_problem(title)):
        yield ".title", problem
    if limits is not None and (problem := range_problem(limits, "plausible = [0, 200]")):
        yield ".plausible", problem


def _title_problem(title: object) -> str | None:
    if isinstance(title, str) and title.strip() and title.isprintable():
        return None
    return f"found {title!r}; write what figures call it, as a text in one line"


def _levels(
    where: str, raw: Mapping[str, Any], known: Mapping[str, Level], found: Problems
) -> dict[str, Level]:
    """Return the levels that a study declares in place of the known ones, the reference first."""
    typed = where == "lesion_types"
    allowed = (
        ("title", "colour", "spellings", "reference", "rim") if typed else ("title", "spellings")
    )
    levels: dict[str, Level] = {}
    for name, entry in raw.items():
        place = f"{where}.{name}"
        if not NAME.fullmatch(name) or name in _reserved():
            text = f"cannot be the name of a level; {NAMES}, and none of "
            found.append((place, text + ", ".join(sorted(_reserved()))))
        elif not isinstance(entry, dict):
            text = f"found {entry!r}; write a section [{place}] with its title and spellings"
            found.append((place, text))
        else:
            found += [
                (f"{place}.{key}", f"is not a setting; allowed: {', '.join(allowed)}")
                for key in entry
                if key not in allowed
            ]
            levels[name] = _level(place, entry, known.get(name, Level(title=name)), found)
    if raw and not 2 <= len(raw) <= MOST_LEVELS:
        text = f"a study has 2 to {MOST_LEVELS} of them, not {len(raw)}; declare all of its tables"
        found.append((where, text))
    found += _ambiguous(where, levels)
    first = [name for name in levels if raw[name].get("reference") is True]
    if len(first) > 1:
        text = f"is set for {', '.join(first)}; keep it for the one that others are compared with"
        found.append((f"{where}.{first[1]}.reference", text))
    return {name: levels[name] for name in sorted(levels, key=lambda name: name not in first)}


def _ambiguous(where: str, levels: Mapping[str, Level]) -> Problems:
    """Return the words, titles and colours of two levels: nothing could tell these apart."""
    owners = {word_key(name): name for name in levels}
    words = [
        (
            f"{where}.{name}.spellings",
            f"'{word}' also stands for '{owner}'; keep it for one of the two",
        )
        for name, level in levels.items()
        for word in level.spellings
        if (owner := owners.setdefault(word_key(word), name)) != name
    ]
    first: dict[tuple[str, str], str] = {}
    looks = [
        (f"{where}.{name}.{key}", f"{look!r} is also that of '{owner}'; choose another")
        for name, level in levels.items()
        for key, look in (("title", level.title), ("colour", level.colour or ""))
        if look and (owner := first.setdefault((key, look.casefold()), name)) != name
    ]
    return [*words, *looks]


def _reserved() -> set[str]:
    """Return names that stand beside levels in tables and on pages."""
    columns = load_schema("participants").fields
    beside = load_schema("tissue").column("tissue").levels[:2]
    groups = {level for column in columns for level in column.levels}
    # Those in patients.tsv that stand where a lesion type does: n_lesions, n_rims, n_untyped.
    others = {"lesions", "rims", "untyped"}
    return {*groups, *beside, *others, UNDECIDED, "white_matter", "missing"}


def _level(place: str, entry: Mapping[str, Any], known: Level, found: Problems) -> Level:
    """Return a level as its section describes it; what the section leaves out is as known."""
    title, colour = entry.get("title", known.title.replace("_", " ")), entry.get("colour")
    spellings = entry.get("spellings", [])
    if problem := _title_problem(title):
        found.append((f"{place}.title", problem))
    if colour is not None and not (isinstance(colour, str) and COLOUR.fullmatch(colour)):
        text = f'found {colour!r}; write six hexadecimal digits, as colour = "#D55E00"'
        found.append((f"{place}.colour", text))
    if not isinstance(spellings, list) or not all(isinstance(one, str) for one in spellings):
        text = f'found {spellings!r}; write a list of texts, as spellings = ["1", "PRL+"]'
        found.append((f"{place}.spellings", text))
        spellings = []
    for key in ("reference", "rim"):
        if not isinstance(entry.get(key, False), bool):
            found.append((f"{place}.{key}", f"found {entry[key]!r}; write true or false"))
    rim = bool(entry.get("rim", known.rim))
    return Level(title=str(title), colour=colour, spellings=tuple(spellings), rim=rim)


def _words(
    where: str,
    words: Mapping[str, Any],
    allowed: Sequence[str],
    found: Problems,
    spellings: Mapping[str, str] | None = None,
) -> dict[str, str]:
    problems = dict(word_problems(words, allowed, spellings))
    found += [(f"{where}.{word}", text) for word, text in problems.items()]
    return {word: level for word, level in words.items() if word not in problems}
