"""Write the tables of columns that data_schemas/ names into tables.md, where they are read.

`make docs` does it, and a test compares page and schemas. In the page, each table stands between
``<!-- schema: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from pathlib import Path

from qsmstats.schemas import FieldSchema, load_schema, map_schemas

PAGE = Path(__file__).parents[1] / "tables.md"
MARK = re.compile(r"^(<!-- schema: (\w+) -->\n).*?(?=^<!-- end -->$)", re.MULTILINE | re.DOTALL)


def with_tables(text: str) -> str:
    """Return a page with each of its tables as the schemas have it now."""
    return MARK.sub(lambda match: f"{match[1]}\n{table_of(match[2])}\n\n", text)


def table_of(name: str) -> str:
    """Return one schema in Markdown: its columns, then the levels and spellings of each."""
    if name == "maps":
        return maps_table()
    schema = load_schema(name)
    lines = [f"{schema.description} {_keys(schema.primary_key)}".strip(), ""]
    lines += ["| column | holds | unit | plausible | must be there |", "|---|---|---|---|---|"]
    for column in schema.fields:
        limits = "{:g} to {:g}".format(*column.plausible) if column.plausible else ""
        unit = column.unit or ""
        cells = (f"`{column.name}`", column.description, unit, limits, _presence(column))
        lines.append(f"| {' | '.join(cells)} |")
    for column in schema.fields:
        if column.levels:
            lines += ["", *_levels(column)]
    return "\n".join(lines)


def _keys(names: tuple[str, ...]) -> str:
    return f"No two rows share {', '.join(f'`{name}`' for name in names)}." if names else ""


def _presence(column: FieldSchema) -> str:
    if column.optional:
        return "optional"
    return "yes, no empty cell" if column.required else "yes"


def _levels(column: FieldSchema) -> list[str]:
    lines = [f"Levels of `{column.name}`; the first is the reference:", ""]
    lines += ["| level | means | also written |", "|---|---|---|"]
    for level in column.levels:
        words = [word for word, other in column.spellings.items() if other == level]
        cells = (f"`{level}`", column.level_descriptions[level], ", ".join(words))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def maps_table() -> str:
    """Return the maps: names, canonical units, accepted units, words in names of files."""
    lines = ["| map | name | unit | accepted units | known by |", "|---|---|---|---|---|"]
    for name, schema in map_schemas().items():
        units, words = ", ".join(schema.units), ", ".join(schema.file_names)
        lines.append(f"| {schema.title} | `{name}` | {schema.unit} | {units} | {words} |")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
