"""Identifiers that differ in nothing but capitals, ``sub-`` or ``ses-`` and leading zeros.

A spreadsheet makes 1 of 001, and a table often leaves out the ``sub-`` of the folders. Where such
identifiers match those sought one to one, that is said once, with the line that accepts it; with
`match_ids` of study.toml they are replaced.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from qsmstats.errors import Problem
from qsmstats.tables.raw_table import RawTable
from qsmstats.tables.spelling import word_key

__all__ = ["bare", "matched"]


def bare(identifier: str) -> str:
    """Return an identifier without what may differ.

    >>> bare("sub-007"), bare("7"), bare("Sub_7")
    ('7', '7', '7')
    """
    return re.sub(r"^(sub|ses)?-?0*(?=.)", "", word_key(identifier))


def matched(
    raw: RawTable, column: str, known: Iterable[str], where: str, *, stated: bool
) -> tuple[RawTable, list[Problem], int]:
    """Replace identifiers by those that they match one to one.

    Parameters
    ----------
    raw
        A table with the columns of its schema.
    column
        `participant_id` or `session_id`.
    known
        The identifiers sought.
    where
        What holds these, for the message: a file, or the folders.
    stated
        Whether study.toml allows it; otherwise it is a problem.

    Returns
    -------
    table
        With the identifiers replaced, stated or not, so that one difference is one problem.
    problems
        At most one.
    replaced
        Number of identifiers.
    """
    if column not in raw.cells.columns:
        return raw, [], 0
    sought = set(known)
    words = set(raw.cells[column]) - {*raw.schema.missing_values}
    targets: dict[str, list[str]] = {}
    for name in sorted(sought):
        targets.setdefault(bare(name), []).append(name)
    meant = {word: targets.get(bare(word), []) for word in sorted(words - sought)}
    pairs = {word: names[0] for word, names in meant.items() if len(names) == 1}
    used = Counter([*pairs.values(), *(words & sought)])
    pairs = {word: name for word, name in pairs.items() if used[name] == 1}
    if not pairs:
        return raw, [], 0
    replaced = raw.cells[column].map(lambda word: pairs.get(word, word))
    raw = replace(raw, cells=raw.cells.assign(**{column: replaced}))
    if stated:
        return raw, [], len(pairs)
    word, name = next(iter(pairs.items()))
    text = (
        f"{len(pairs)} of {len(words)} identifiers differ from those of {where} only in capitals, "
        f"prefix or leading zeros ('{word}' and '{name}'), and match one to one; if they are the "
        f"same, write match_ids = true below [tables.{raw.name}]"
    )
    file = raw.file_column(column)
    return raw, [Problem(table=raw.file, column=file, problem=text)], len(pairs)
