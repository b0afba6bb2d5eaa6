"""What study.toml says of tables."""

from __future__ import annotations

from collections.abc import Sequence

from qsmstats.inventory.draft_images import Part, comment, counted, listed, quoted
from qsmstats.inventory.tables import FoundTable, TableFiles
from qsmstats.schemas import TABLES, load_schema
from qsmstats.study_tables import REQUIRED_TABLES
from qsmstats.tables.spelling import known_spellings, lesion_levels, suggestions, word_key

__all__ = ["lesion_type_part", "table_parts"]


def table_parts(tables: TableFiles) -> list[Part]:
    """Write [tables]: one line per table, and sections of those whose columns must be named."""
    plain: list[Part] = []
    sections: list[Part] = []
    for name in TABLES:
        part = _table(name, tables.tables.get(name, ()), tables.chosen(name))
        (sections if any("[tables." in line for line in part.lines) else plain).append(part)
    head = Part(lines=("", "# Tables; their columns are described in data_schemas/.", "[tables]"))
    return [head, *plain, *sections]


def _table(name: str, found: Sequence[FoundTable], chosen: FoundTable | None) -> Part:
    if chosen is None:
        return _several(name, found) if found else _none(name)
    entry = [f"file = {quoted(chosen.file)}"]
    if chosen.renamed:
        inner = ", ".join(f"{ours} = {quoted(theirs)}" for ours, theirs in chosen.renamed.items())
        entry.append(f"columns = {{ {inner} }}")
    if chosen.wide:
        entry += [f"wide = {quoted(list(chosen.wide))}"]
        entry += ['names_to = "rater_id"', 'values_to = "lesion_type"']
    schema, guesses = load_schema(name), _guesses(chosen, found)
    lacking = [f"{item} ({schema.column(item).description[:-1]})" for item in chosen.lacking]
    todo = [f"no column was recognised as {'; '.join(lacking)}"] if lacking else []
    notes = [line for text in guesses for line in comment(f"GUESS: {text}")]
    notes += [line for text in todo for line in comment(f"TO DO: {text}")]
    if len(entry) == 1:
        lines = (*notes, f"{name} = {quoted(chosen.file)}  # {_count(chosen)}")
    else:
        lines = ("", f"[tables.{name}]  # {_count(chosen)}", *notes, *entry)
    return Part(
        lines=lines,
        found=(f"table of {name}", _count(chosen), chosen.file),
        guesses=tuple(f"{name} ({chosen.file}): {text}" for text in guesses),
        todo=tuple(f"{name} ({chosen.file}): {text}" for text in todo),
    )


def _count(table: FoundTable) -> str:
    rows = counted(table.rows, "row")
    return rows if table.files == 1 else f"{counted(table.files, 'file')}, one per participant"


def _none(name: str) -> Part:
    columns = ", ".join(item.name for item in load_schema(name).fields if not item.optional)
    line = f'# {name} = "{name}.tsv"'
    if name not in REQUIRED_TABLES:
        return Part(lines=(f"{line}  # not found; optional. Columns: {columns}",))
    text = f"no table of {name} was found; make one with the columns {columns}"
    if name == "sessions":
        text += " (0 at the first session; one row each if every participant was scanned once)"
    return Part(lines=(*comment(f"TO DO: {text}"), line), todo=(text,))


def _several(name: str, found: Sequence[FoundTable]) -> Part:
    text = f"several files may be the table of {name}; remove the # before one"
    lines = [f"# {name} = {quoted(item.file)}  # {_count(item)}" for item in found]
    return Part(lines=(*comment(f"TO DO: {text}"), *lines), todo=(f"{text} in study.toml",))


def _guesses(table: FoundTable, found: Sequence[FoundTable]) -> list[str]:
    told = [
        f"{theirs} = {ours}"
        for ours, theirs in table.renamed.items()
        if word_key(theirs) != word_key(ours)
    ]
    guesses = [f"columns read as: {', '.join(told)}"] if told else []
    if table.wide:
        guesses.append(f"{listed(table.wide)} are raters, one column each")
    if len(found) > 1:
        guesses.append(f"chosen over {listed(item.file for item in found[1:])}")
    return guesses


def lesion_type_part(tables: TableFiles) -> Part:
    """Write [lesion_types]: words that are not known as types."""
    words: dict[str, int] = {}
    for name in TABLES:
        table = tables.chosen(name)
        for word, rows in (table.unknown_types if table else {}).items():
            words[word] = words.get(word, 0) + rows
    head = [
        "",
        "# Your names of lesion types, where they differ from the usual ones.",
        "[lesion_types]",
    ]
    if not words:
        return Part(lines=(*head, '# "rim positive" = "paramagnetic_rim"'))
    known = known_spellings(load_schema("lesions").column("lesion_type"), {})
    allowed = ", ".join(lesion_levels())
    text = f"these words are not known lesion types; state which of {allowed} each stands for"
    lines = [
        f"# {quoted(word)} = {quoted((suggestions(word, known) or ['?'])[0])}"
        f"  # {counted(rows, 'row')}"
        for word, rows in words.items()
    ]
    todo = f"lesion types: state in study.toml what {listed(map(repr, words))} stands for"
    return Part(lines=(*head, *comment(f"TO DO: {text}"), *lines), todo=(todo,))
