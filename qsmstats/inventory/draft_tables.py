"""What study.toml says of tables, and of the words in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from qsmstats.errors import nearest, opposite
from qsmstats.inventory.draft_images import LEFT, Part, comment, counted, listed, quoted
from qsmstats.inventory.tables import FoundTable, TableFiles
from qsmstats.own_schemas import UNDECIDED
from qsmstats.schemas import TABLES, FieldSchema, load_schema, word_key
from qsmstats.settings import SCANNER, HistologySettings
from qsmstats.study_tables import REQUIRED_TABLES
from qsmstats.tables.identifiers import bare
from qsmstats.tables.spelling import known_spellings, lesion_levels, suggestions
from qsmstats.untrusted_files import read_bounded

__all__ = ["adjudicator", "histology_part", "lesion_type_part", "level_parts", "table_parts"]

MOST_LEVELS = 8
LARGEST = 1_000_000
"""Bytes of a sidecar."""
SUBTYPES = re.compile(r"(rr|sp|pp|pr|r|cp)ms|cis|relapsing.*|(primary|secondary) progressive.*")
"""Words for a course of multiple sclerosis."""
SAID: Mapping[str, Callable[[Any], str]] = {
    "wide": lambda names: f"{listed(names)} are raters, one column each",
    "each_session": lambda _: "no column of sessions: each row is for every session",
    "separator": lambda sign: f"columns are separated by {sign!r}",
    "encoding": lambda name: f"the text is written in {name}",
    "decimal": lambda _: "numbers have decimal commas",
    "missing": lambda words: f"missing values are written as {listed(map(repr, words))}",
    "capped": lambda of: "; ".join(f"{name} is capped at {top:g}" for name, top in of.items()),
    "baseline": lambda names: f"{listed(names)} change: the value of the first session counts",
    "years": lambda of: f"{of['column']} is the time since the first session in {of['unit']}",
    "date": lambda name: f"years are counted from the dates in {name}",
    "birth_date": lambda name: f"the age is counted from {name}",
    "date_format": lambda form: f"dates are written {form}",
}
"""Entry of a table -> the sentence that says what was concluded."""
RIMS = re.compile(r"(rand|ring|saum|anneau)(?![a-z]{3})")
"""Words for a rim in other languages."""
UNCHECKED = "; the lines below only follow the order of the levels: correct each before you use it"
"""Codes say nothing of what they stand for."""
JUDGES = re.compile(r"consensus|konsens|adjudicat")


def table_parts(
    tables: TableFiles,
    visits: Sequence[str],
    in_paths: Mapping[str, Collection[str]],
    *,
    labels_list: bool,
) -> list[Part]:
    """Write [tables]: one line per table, and sections of those whose columns must be named.

    Parameters
    ----------
    tables
        What was found.
    visits
        Sessions that were found by comparing paths, in their order.
    in_paths
        `participant_id` and `session_id` -> the identifiers in the paths of images.
    labels_list
        Whether the label images say which lesions there are, so that no table need do.
    """
    plain: list[Part] = []
    sections: list[Part] = []
    for name in TABLES:
        found, chosen = tables.tables.get(name, ()), tables.chosen(name)
        if chosen is not None:
            part = _table(name, found, chosen, in_paths)
        elif found:
            text = f"several files may be the table of {name}; remove the # before one"
            lines = [f"# {name} = {quoted(item.files[0])}  # {_count(item)}" for item in found]
            part = Part(lines=(*comment(f"TO DO: {text}"), *lines), todo=(f"{text} in study.toml",))
        elif name == "sessions" and visits:
            part = _visits(visits)
        else:
            columns = ", ".join(item.name for item in load_schema(name).fields if not item.optional)
            line = f'# {name} = "{name}.tsv"'
            if name not in REQUIRED_TABLES or labels_list:
                part = Part(lines=(f"{line}  # not found; optional. Columns: {columns}",))
            else:
                text = f"no table of {name} was found; make one with the columns {columns}"
                if name == "sessions":
                    text += (
                        " (0 at the first session; one row each if every participant was scanned"
                        " once)"
                    )
                part = Part(lines=(*comment(f"TO DO: {text}"), line), todo=(text,))
        (sections if any("[tables." in line for line in part.lines) else plain).append(part)
    head = Part(lines=("", "# Tables; their columns are described in data_schemas/.", "[tables]"))
    return [head, *plain, *sections]


def _table(
    name: str,
    found: Sequence[FoundTable],
    chosen: FoundTable,
    in_paths: Mapping[str, Collection[str]],
) -> Part:
    files = chosen.files[0] if len(chosen.files) == 1 else list(chosen.files)
    renamed = {ours: theirs for ours, theirs in chosen.columns.items() if ours != theirs}
    matched = [
        f"{column} ({word} for {meant[key]})"
        for column, names in in_paths.items()
        for meant in [{bare(one): one for one in names}]
        for word in chosen.words(column)
        for key in [bare(word)]
        if key in meant and word not in names
    ]
    entry: dict[str, Any] = {"file": files, "columns": renamed, **chosen.entry}
    entry["match_ids"] = bool(matched)
    entry = {key: value for key, value in entry.items() if value or key == "file"}
    # Which number is the day, only the user knows; the other entries are complete without it.
    lines = [
        f"{LEFT if key == 'date_format' and chosen.open_dates else ''}{key} = {_inline(value)}"
        for key, value in entry.items()
    ]
    schema, guesses = load_schema(name), list(_guesses(chosen, found))
    if matched:
        guesses.append(f"identifiers differ from the folders in zeros or capitals: {matched[0]}")
    lacking = [f"{item} ({schema.column(item).description[:-1]})" for item in chosen.lacking]
    todo = [f"no column was recognised as {'; '.join(lacking)}"] if lacking else []
    if chosen.open_dates:
        text = "the dates leave open which number is the day; state it"
        todo.append(f'{text}: date_format = "day-first" or "month-first"')
    notes = [line for text in guesses for line in comment(f"GUESS: {text}")]
    notes += [line for text in todo for line in comment(f"TO DO: {text}")]
    if len(entry) == 1:
        lines = [*notes, f"{name} = {quoted(files)}  # {_count(chosen)}"]
    else:
        lines = ["", f"[tables.{name}]  # {_count(chosen)}", *notes, *lines]
    return Part(
        lines=tuple(lines),
        found=(f"table of {name}", _count(chosen), chosen.place),
        guesses=tuple(f"{name} ({chosen.place}): {text}" for text in guesses),
        todo=tuple(f"{name} ({chosen.place}): {text}" for text in todo),
    )


def _inline(value: object) -> str:
    """Return a value as TOML writes it in one line."""
    if isinstance(value, Mapping):
        plain = re.compile(r"[A-Za-z0-9_-]+")
        keys = (key if plain.fullmatch(key) else quoted(key) for key in value)
        pairs = zip(keys, map(_inline, value.values()), strict=True)
        return f"{{ {', '.join(f'{key} = {one}' for key, one in pairs)} }}"
    return quoted(value)


def _count(table: FoundTable) -> str:
    rows = counted(len(table.cells), "row")
    each = "session" if "{session}" in table.files[0] else "participant"
    return rows if table.count == 1 else f"{counted(table.count, 'file')}, one per {each}"


def _visits(visits: Sequence[str]) -> Part:
    """Write the sessions that folders show and no table: their years are left to the user."""
    months = [re.fullmatch(r"(?i)(?:ses-)?m(?:onth)?[-_]?(\d+)", name) for name in visits]
    years = [round(int(one[1]) / 12, 3) if one else at for at, one in enumerate(months)]
    start = years[0]
    stated = {name: year - start for name, year in zip(visits, years, strict=True)}
    line = f"sessions = {{ visits = {_inline(stated)} }}"
    found = ("sessions", counted(len(visits), "session"), f"folders {listed(visits)}")
    if len(visits) == 1:
        return Part(lines=(f"{line}  # of all participants",), found=found)
    text = f"no table has the years between the sessions {listed(visits)}; state them"
    return Part(
        lines=(*comment(f"TO DO: {text}, correct the numbers and remove the #"), f"{LEFT}{line}"),
        found=found,
        todo=(f"{text} in study.toml",),
    )


def _guesses(table: FoundTable, found: Sequence[FoundTable]) -> Iterator[str]:
    told = [
        f"{theirs} = {ours}"
        for ours, theirs in table.columns.items()
        if word_key(theirs) != word_key(ours)
    ]
    if told:
        yield f"columns read as: {', '.join(told)}"
    if SCANNER in table.columns:
        yield f"{table.columns[SCANNER]} says where images were made and enters the models"
    for key, sentence in SAID.items():
        if key in table.entry and not (key == "date_format" and table.open_dates):
            yield sentence(table.entry[key])
    if others := [item.place for item in found if item is not table]:
        yield f"chosen over {listed(others)}"


def level_parts(folder: Path, tables: TableFiles) -> list[Part]:
    """Write [levels]: what codes and words of sex and group stand for, where that is not known.

    The sidecar of the table says so where it has `Levels` for the column (BIDS).
    """
    table, parts = tables.chosen("participants"), []
    sidecar: Mapping[str, Any] = {}
    if table is not None:
        with suppress(OSError, ValueError):
            data = read_bounded((folder / table.files[0]).with_suffix(".json"), LARGEST)
            sidecar = json.loads(data.decode("utf-8-sig"))
    for column in load_schema("participants").fields if table else ():
        if not column.levels or table is None or column.name not in table.columns:
            continue
        if "Levels" in (sidecar.get(table.columns[column.name]) or {}):
            continue
        known = known_spellings(column)
        codes = {*table.entry.get("missing", ())}
        words = [word for word in table.words(column.name) if word not in codes]
        unknown = [word for word in words if word_key(word) not in known]
        courses = column.name == "group" and all(
            map(SUBTYPES.fullmatch, map(str.casefold, unknown))
        )
        if not unknown or len(unknown) > MOST_LEVELS:
            continue
        if courses:
            text = f"{listed(unknown)} are multiple sclerosis"
            lines = [f'{quoted(word)} = "MS"' for word in unknown]
            lines = [*comment(f"GUESS: {text}"), f"[levels.{column.name}]", *lines]
            parts.append(Part(lines=("", *lines), guesses=(f"{column.name}: {text}",)))
            continue
        text = f"state what {listed(map(repr, unknown))} stand for: {' or '.join(column.levels)}"
        text += UNCHECKED
        order = dict(zip(sorted(unknown), column.levels, strict=False))
        lines = [f"{quoted(word)} = {quoted(order.get(word, '?'))}" for word in sorted(unknown)]
        lines = [f"{LEFT}{line}" for line in (f"[levels.{column.name}]", *lines)]
        todo = f"{column.name} ({table.place}): {text}"
        parts.append(Part(lines=("", *comment(f"TO DO: {text}"), *lines), todo=(todo,)))
    return parts


def _words(tables: TableFiles) -> Counter[str]:
    """Return word -> rows, of every column of lesion types; of words that are one, the first."""
    first: dict[str, str] = {}
    words: Counter[str] = Counter()
    for table in filter(None, map(tables.chosen, TABLES)):
        for word, rows in table.types.items():
            words[first.setdefault(word_key(word), word)] += rows
    undecided = load_schema("histology").column("reference_standard")
    spellings = {key for key, level in known_spellings(undecided).items() if level == UNDECIDED}
    return Counter({word: n for word, n in words.items() if word_key(word) not in spellings})


def _own_types(tables: TableFiles) -> dict[str, str]:
    """Return name -> word of the tables, where most words are no lesion types of this field.

    Codes are none: which type a number stands for, only the user knows. Nor are words almost like
    those of this field, such as those of another language.
    """
    words = _words(tables)
    known = known_spellings(load_schema("lesions").column("lesion_type"))
    unknown = [word for word in words if word_key(word) not in known and not _alike(word)]
    if not 2 <= len(words) <= MOST_LEVELS or 2 * len(unknown) < len(words):
        return {}
    if all(word.isdigit() for word in unknown):
        return {}
    return {_name(word): word for word, _ in words.most_common()}


def _alike(word: str) -> str:
    """Return the lesion type of this field that a word is almost like, or nothing.

    >>> _alike("isointens"), _alike("hypointenser Rand"), _alike("ohne Rand"), _alike("Ring")
    ('isointense', 'hypointense_rim', '', '')
    """
    plain = RIMS.sub("rim", word.casefold())
    known = known_spellings(load_schema("lesions").column("lesion_type"))
    # Abbreviations are near to too many words.
    long = [key for key, level in known.items() if len(key) > 4 and not opposite(plain, level)]
    return next((known[key] for key in nearest(word_key(plain), long, cutoff=0.7)), "")


def _name(word: str) -> str:
    """Return a word as the name of a level: letters, digits and _."""
    plain = re.sub(r"\+\s*$", " positive", word.strip())
    plain = re.sub(r"-\s*$", " negative", plain)
    name = re.sub(r"[^a-z0-9]+", "_", plain.casefold()).strip("_")
    return name if name[:1].isalpha() else f"type_{name}"


def lesion_type_part(tables: TableFiles) -> Part:
    """Write [lesion_types]: words that are not known as types, or the study's own types."""
    words, own = _words(tables), _own_types(tables)
    known = known_spellings(load_schema("lesions").column("lesion_type"))
    unknown = {word: rows for word, rows in words.items() if word_key(word) not in known}
    top = ("", "# Your names of lesion types, where they differ from the usual ones.")
    if own:
        first = next(iter(own))
        text = f"the lesion types are {listed(own.values(), most=MOST_LEVELS)}; the others are"
        text += f" compared with {own[first]}, "
        equal = [word for word in own.values() if words[word] == words[own[first]]]
        if len(equal) == 1:
            text += "the most frequent"
        else:
            text += f"but {listed(equal, most=MOST_LEVELS)} are equally frequent: set reference ="
            text += " true for the one that you want"
        lines = [line for name, word in own.items() for line in _level("lesion_types", name, word)]
        lines.insert(lines.index(f"[lesion_types.{first}]") + 1, "reference = true")
        return Part(lines=("", *comment(f"GUESS: {text}"), *lines), guesses=(text,))
    if not unknown:
        return Part(lines=(*top, "[lesion_types]", '# "rim positive" = "paramagnetic_rim"'))
    allowed = ", ".join(lesion_levels())
    text = f"these words are not known lesion types; state which of {allowed} each stands for"
    order = dict(zip(sorted(unknown), lesion_levels(), strict=False))
    coded = all(word.isdigit() for word in unknown) and len(unknown) <= len(lesion_levels())
    text += UNCHECKED if coded else "; the lines below only follow their spelling: check each"
    lines = []
    for word, rows in unknown.items():
        near = suggestions(word, known)
        meant = order[word] if coded else _alike(word) or (near[0] if len(near) == 1 else "?")
        start = "# " if meant == "?" else LEFT
        lines.append(f"{start}{quoted(word)} = {quoted(meant)}  # {counted(rows, 'row')}")
    todo = f"lesion types: state in study.toml what {listed(map(repr, unknown))} stand for"
    return Part(lines=(*top, "[lesion_types]", *comment(f"TO DO: {text}"), *lines), todo=(todo,))


def _level(section: str, name: str, word: str) -> list[str]:
    spelled = [f"spellings = {quoted([word])}"] if word_key(word) != word_key(name) else []
    return [f"[{section}.{name}]", f"title = {quoted(word)}", *spelled]


def histology_part(tables: TableFiles) -> Part:
    """Write [histology.classes] and their mapping, where the table has classes of its own."""
    table, own = tables.chosen("histology"), _own_types(tables)
    if table is None:
        return Part(lines=())
    column: FieldSchema = load_schema("histology").column("reference_standard")
    known, defaults = known_spellings(column), HistologySettings().mapping
    words = table.words("reference_standard")
    levels = {word: known.get(word_key(word)) for word in words}
    levels = {word: level for word, level in levels.items() if level != UNDECIDED}
    if (None not in levels.values() and not own) or not 2 <= len(levels) <= MOST_LEVELS:
        return Part(lines=())
    lines: list[str] = []
    mapping: dict[str, tuple[str, ...]] = {}
    for word, level in levels.items():
        name = level or _name(word)
        lines += (
            [f"[histology.classes.{name}]"] if level else _level("histology.classes", name, word)
        )
        alike = [one for one in defaults if word_key(word) in word_key(one)]
        alike = [one for one in alike if one not in levels.values()]
        mapping[name] = defaults.get(level or "", defaults[alike[0]] if alike else ())
    text = f"the classes of pathology are {listed(levels, most=MOST_LEVELS)}"
    if own:
        todo = "histology: state in [histology.mapping] which lesion types predict which class"
        first = next(iter(mapping))
        lines += ["# [histology.mapping]", f"# {first} = {quoted(list(own)[:1])}"]
        noted = comment(f"GUESS: {text}. TO DO: {todo}")
        return Part(lines=("", *noted, *lines), guesses=(text,), todo=(todo,))
    text += "; predicted are " + "; ".join(
        f"{name} by {' or '.join(types) or 'no type'}" for name, types in mapping.items()
    )
    lines += ["[histology.mapping]"]
    lines += [f"{name} = {quoted(list(types))}" for name, types in mapping.items()]
    return Part(lines=("", *comment(f"GUESS: {text}"), *lines), guesses=(text,))


def adjudicator(tables: TableFiles) -> str | None:
    """Return the column of the consensus among those of the raters, or None."""
    table = tables.chosen("ratings")
    names = table.entry.get("wide", ()) if table else ()
    judges = [name for name in names if JUDGES.search(name.casefold())]
    return judges[0] if len(judges) == 1 and len(names) > 2 else None
