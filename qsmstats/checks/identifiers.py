"""Identifiers of the tables against the names of files: the same, but written otherwise.

Spreadsheets take the zeros off 007, tables leave out the ``sub-`` of BIDS, and people write ms01
where the folder is MS_01. Two identifiers that differ in nothing else are the same only where each
has one counterpart; which of the two is right is for the user to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from qsmstats.study import Study

__all__ = ["identifier_key", "other_spelling"]


def identifier_key(word: str) -> str:
    """Return an identifier without what people leave out: capitals, ``sub-``, zeros, signs.

    >>> identifier_key("sub-007"), identifier_key("MS_010"), identifier_key("ms10")
    ('7', 'ms10', 'ms10')
    """
    bare = re.sub(r"[\W_]+", "", re.sub(r"^(?:sub|ses)[-_]", "", word.casefold()))
    return re.sub(r"(?<!\d)0+(?=\d)", "", bare)


def other_spelling(study: Study, pattern: str, participants: Iterable[str]) -> str | None:
    """Return what to do where files have other spellings of all participants; None elsewhere.

    Parameters
    ----------
    study
        The study; its folder is listed.
    pattern
        Pattern whose files are all missing.
    participants
        Identifiers in the tables.
    """
    parts = pattern.split("/")
    at = next(number for number, part in enumerate(parts) if "{participant}" in part)
    top = study.folder / "/".join(parts[:at])
    if "{" in str(top) or not top.is_dir():
        return None
    before, after = parts[at].split("{participant}", 1)
    there: dict[str, set[str]] = {}
    for name in (path.name for path in top.iterdir()):
        if name.startswith(before) and name.endswith(after):
            own = name.removeprefix(before).removesuffix(after)
            there.setdefault(identifier_key(own), set()).add(own)
    ours = dict.fromkeys(participants)
    pairs = {word: there.get(identifier_key(word), set()) for word in ours}
    if len({*map(identifier_key, ours)}) < len(ours) or any(
        len(own) != 1 for own in pairs.values()
    ):
        return None
    same = {word: next(iter(own)) for word, own in pairs.items()}
    word, name = next((pair for pair in same.items() if pair[0] != pair[1]), ("", ""))
    if not word:
        return None
    text = f"'{word}' in the tables is '{name}' in the folder, and so on one to one"
    if all(name == f"sub-{word}" for word, name in same.items()):
        own = pattern.replace("{participant}", "sub-{participant}")
        return f'{text}; write pattern = "{own}"'
    return f"{text}; write match_ids = true below [tables.participants], or correct the tables"
