"""From the names of files to patterns that carry ``{participant}`` and ``{session}``.

Three ways, and the first that fits counts: identifiers that a table lists; those of BIDS
(``sub-001``, ``ses-01``); and, where neither is known, the parts of the path that differ between
files: the first is read as the participant, the second as the session. The third is a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Identifiers", "NamedFile", "guess_identifiers"]

# Not within a word, and not the value of another entity: the 1 of run-1 is no participant.
BEFORE, AFTER = r"(?<![^/_.-])(?<![A-Za-z]-)", r"(?![0-9A-Za-z])"
DELIMITERS = re.compile(r"([/_.-])")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file, its pattern, and whose it is.

    Attributes
    ----------
    path
        Relative to the study folder, with slashes.
    pattern
        The path with ``{participant}`` and ``{session}`` in place of the identifiers.
    participant, session
        The identifiers, or None.
    """

    path: str
    pattern: str
    participant: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifiers:
    """The identifiers to look for in the names of files.

    Attributes
    ----------
    participants, sessions
        Those that tables list. Identifiers as in BIDS are looked for where none of them is found.
    """

    participants: Collection[str] = field(default_factory=tuple)
    sessions: Collection[str] = field(default_factory=tuple)

    def name(self, path: str) -> NamedFile:
        """Return a file with what its name says."""
        pattern, participant = _replace(path, _finders(self.participants, "sub"), "{participant}")
        if participant is None:
            return NamedFile(path=path, pattern=path)
        pattern, session = _replace(pattern, _finders(self.sessions, "ses"), "{session}")
        return NamedFile(path=path, pattern=pattern, participant=participant, session=session)


def _finders(known: Iterable[str], prefix: str) -> list[tuple[str, str]]:
    """Return what must stand before an identifier, and what it looks like, best first."""
    # Longest first, or P1 would be found in P1-2.
    words = "|".join(re.escape(word) for word in sorted(known, key=lambda word: -len(word)))
    bids = [(BEFORE, f"{prefix}-[0-9A-Za-z]+")]
    # A table may list 001 where the files have sub-001.
    return [(f"(?:{BEFORE}|(?<={prefix}-))", words), *bids] if words else bids


def _replace(
    path: str, finders: Sequence[tuple[str, str]], placeholder: str
) -> tuple[str, str | None]:
    for before, words in finders:
        match = re.search(f"{before}({words}){AFTER}", path)
        if match:
            every = f"{before}{re.escape(match[1])}{AFTER}"
            return re.sub(every, placeholder, path), match[1]
    return path, None


def guess_identifiers(paths: Sequence[str]) -> list[NamedFile]:
    """Find participants and sessions from what differs between paths of one kind.

    Parameters
    ----------
    paths
        Files that hold the same thing, one per participant and session.

    Returns
    -------
    list of NamedFile
        In the order of `paths`; without identifiers where none can be found: a single file, paths
        of different structure, or a second part that differs in every path.
    """
    unnamed = [NamedFile(path=path, pattern=path) for path in paths]
    split = [DELIMITERS.split(path) for path in paths]
    if len(paths) < 2 or len({tuple(words[1::2]) for words in split}) > 1:
        return unnamed
    columns = [column for column in zip(*split, strict=True) if len(set(column)) > 1]
    others = [column for column in columns[1:] if column != columns[0]]
    if others and len(set(others[0])) == len(paths):
        return unnamed
    sessions = others[0] if others else [None] * len(paths)
    return [
        NamedFile(
            path=path,
            pattern="".join(
                {session: "{session}", participant: "{participant}"}.get(word, word)
                for word in words
            ),
            participant=participant,
            session=session,
        )
        for path, words, participant, session in zip(
            paths, split, columns[0], sessions, strict=True
        )
    ]
