"""What stands in the place of identifiers on an anonymous page.

Brains and raters are numbered in the order of a keyed hash, SHA-256 of the run's provenance.json
and the identifier: the same output folder gives the same page, and whoever holds a list of
identifiers but not the folder cannot tell which number belongs to which. Rows of single
participants are not shown at all; identifiers within sentences are replaced likewise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

import pandas as pd

__all__ = ["IDENTIFIERS", "TABLES", "Aliases", "aliases_of", "veiled", "veiled_text"]

# Column -> what it identifies.
IDENTIFIERS = {
    "participant_id": "participant",
    "session_id": "session",
    "lesion_id": "lesion",
    "brain_id": "brain",
    "cluster": "brain",
    "rater_id": "rater",
    "raters": "rater",
}
# Tables that hold every identifier of a run.
TABLES = ("features", "tidy", "failures", "histology/clusters", "raters/agreement")
# What `raters` holds where no pair is meant.
ALL_RATERS = "all"
REFUSED = "Could not be answered"
FEWEST_LETTERS = 3

Aliases = Mapping[tuple[str, str], str]


def aliases_of(tables: Iterable[pd.DataFrame], secret: bytes) -> Aliases:
    """Return a number for each identifier of each kind, in an order unrelated to their names.

    Parameters
    ----------
    tables
        Tables that hold identifiers.
    secret
        What those who only see the page do not know.

    Returns
    -------
    dict
        (kind, identifier) -> kind and number, as "brain 2".
    """
    found: dict[str, set[str]] = {}
    for table in tables:
        for column, kind in IDENTIFIERS.items():
            if column in table:
                cells = table[column].dropna().astype("str").unique()
                found.setdefault(kind, set()).update(*(_names(column, cell) for cell in cells))
    return {
        (kind, name): f"{kind} {number}"
        for kind, names in found.items()
        for number, name in enumerate(
            sorted(names, key=lambda name: sha256(secret + name.encode()).digest()), start=1
        )
    }


def _names(column: str, cell: str) -> list[str]:
    if column != "raters":
        return [cell]
    return [name for name in cell.split(" - ") if name != ALL_RATERS]


def veiled(table: pd.DataFrame, aliases: Aliases) -> pd.DataFrame:
    """Return a table with aliases for identifiers, and without them in its sentences."""
    changed = {}
    for name in table.columns:
        if name in IDENTIFIERS:
            kind = IDENTIFIERS[name]
            names = {cell: _names(name, str(cell)) for cell in table[name].dropna().unique()}
            changed[name] = table[name].map(
                {
                    cell: " - ".join(aliases.get((kind, part), kind) for part in parts)
                    or ALL_RATERS
                    for cell, parts in names.items()
                }
            )
        elif name in {"note", "text", "messages"}:
            changed[name] = table[name].map(
                lambda cell: veiled_text(cell, aliases) if isinstance(cell, str) else cell
            )
    return table.assign(**changed)


def veiled_text(text: str, aliases: Aliases) -> str:
    """Return sentences with aliases for the identifiers in them.

    The reason of a refusal may name files and rows of tables, and is left out.
    """
    if text.startswith(REFUSED):
        return f"{REFUSED}; the run's notes hold the reason."
    # Only identifiers that are more than a word or number of any sentence: a session may be called
    # baseline or follow-up.
    words = {
        name: alias
        for (kind, name), alias in aliases.items()
        if len(name) >= FEWEST_LETTERS
        and re.search(r"[^\W\d]", name)
        and (kind != "session" or re.search(r"\d", name))
    }
    if not words:
        return text
    longest_first = sorted(words, key=len, reverse=True)
    pattern = rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])"
    return re.sub(pattern, lambda found: words[found[0]], text)
