"""Identifiers that differ in nothing but capitals, prefix and leading zeros.

A spreadsheet makes 1 of 001, a hand writes P1 for P001, and a table often leaves out the ``sub-``
of the folders, or all letters. Where such identifiers match those sought one to one, that is said
once, with the line that accepts it; with `match_ids` of study.toml they are replaced. Where none is
one of those sought, and they do not match one to one, the reason is given.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import chain

from qsmstats.errors import Problem
from qsmstats.tables.raw_table import RawTable

__all__ = ["Sought", "bare", "matched"]

SHOWN = 3


@cache
def bare(identifier: str) -> str:
    """Return an identifier without capitals, ``sub-`` or ``ses-``, and the zeros before a number.

    >>> bare("sub-007"), bare("7"), bare("MS_001"), bare("ms1"), bare("1-010")
    ('7', '7', 'ms-1', 'ms-1', '1-10')
    """
    text = unicodedata.normalize("NFKC", identifier).casefold()
    parts = re.findall(r"[0-9]+|[^\W0-9_]+", re.sub(r"^(sub|ses)(?=[\W0-9_])", "", text.strip()))
    return "-".join(part.lstrip("0") or "0" if part.isdecimal() else part for part in parts)


def _number(identifier: str) -> str:
    """Return what is left of an identifier without its letters.

    >>> _number("P001"), _number("02-MS-003")
    ('1', '2-3')
    """
    return "-".join(part for part in bare(identifier).split("-") if part.isdecimal())


class Sought:
    """Identifiers by what does not differ."""

    def __init__(self, names: Iterable[str]) -> None:
        self._alike: dict[str, list[str]] = {}
        self._numbers: dict[str, list[str]] = {}
        for name in sorted(names):
            self._alike.setdefault(bare(name), []).append(name)
            self._numbers.setdefault(_number(name), []).append(name)

    def meant(self, word: str) -> list[str]:
        """Return the identifiers that a word may stand for.

        Letters may be left out on one side, but P001 is not MS001.
        """
        number = _number(word)
        numbered = self._numbers.get(number, []) if number else []
        bare_number = bare(word) == number
        return self._alike.get(bare(word)) or [
            name for name in numbered if bare_number or bare(name) == number
        ]


def matched(
    raw: RawTable, column: str, known: Iterable[str], where: str, *, stated: bool
) -> tuple[RawTable, list[Problem], int]:
    """Replace identifiers by those that they match one to one.

    Parameters
    ----------
    raw
        A table with the columns of its schema.
    column
        `participant_id`, `session_id` or `lesion_id`.
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
    names, words = set(known), set(raw.cells[column].unique()) - {*raw.schema.missing_values}
    sought = Sought(names)
    meant = {word: found for word in sorted(words - names) if (found := sought.meant(word))}
    times = Counter(chain(words & names, *meant.values()))
    pairs = {word: found[0] for word, found in meant.items() if [times[n] for n in found] == [1]}
    file = raw.file_column(column)
    if not pairs:
        # Single rows that are written differently are reported with the one that may be meant.
        if not meant or words & names:
            return raw, [], 0
        word, found = next(iter(meant.items()))
        rivals = [one for one, others in meant.items() if found[0] in others and one != word]
        why = (
            f"'{word}' may be {' or '.join(found[:SHOWN])}"
            if len(found) > 1
            else f"'{word}' and '{rivals[0]}' may both be {found[0]}"
        )
        text = (
            f"{len(meant)} of {len(words)} identifiers differ from those of {where} only in "
            f"capitals, prefix or leading zeros, but do not match one to one: {why}; write them in "
            "full"
        )
        return raw, [Problem(table=raw.file, column=file, problem=text)], 0
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
    return raw, [Problem(table=raw.file, column=file, problem=text)], len(pairs)
