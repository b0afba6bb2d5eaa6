"""From the names of files to patterns that carry ``{participant}`` and ``{session}``.

Three ways, and the first that fits counts: identifiers that a table lists; those of BIDS
(``sub-001``, ``ses-01``); and, where neither is known, the parts of the path that differ between
files: the first is read as the participant, the second as the session. The third is a guess.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Identifiers", "NamedFile", "guess_identifiers", "natural", "session_words"]

# Not within a word, and not the value of another entity: the 1 of run-1 is no participant.
BEFORE, AFTER = r"(?<![^/_.-])(?<![A-Za-z]-)", r"(?![0-9A-Za-z])"
DELIMITERS = re.compile(r"([/_.-])")
VISIT = re.compile(
    r"(ses|session|visit|v|tp|t|timepoint|m|month|y|year|fu|followup|scan|mri)?\d{1,8}|baseline|bl",
    re.IGNORECASE,
)
"""What a session may be called where every participant has one only."""
OTHERS = frozenset({"run", "echo", "acq", "part", "space", "desc", "task", "lesion", "label"})
"""Words before a number that does not count sessions."""


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
    before_session
        What stands before the session in paths: the V of V1, where tables list 1.
    """

    participants: Collection[str] = field(default_factory=tuple)
    sessions: Collection[str] = field(default_factory=tuple)
    before_session: str = ""

    def name(self, path: str) -> NamedFile:
        """Return a file with what its name says."""
        pattern, participant = _replace(path, _finders(self.participants, "sub"), "{participant}")
        if participant is None:
            return NamedFile(path=path, pattern=path)
        pattern, session = _replace(
            pattern, _finders(self.sessions, "ses", self.before_session), "{session}"
        )
        return NamedFile(path=path, pattern=pattern, participant=participant, session=session)


def session_words(files: Iterable[NamedFile]) -> list[str]:
    """Find the names of sessions by comparing the paths of maps of several participants.

    Where the paths of one map and participant differ in one word only, that word is the session.
    Where they do not differ, a word that all of them have is, if it looks like one ("V1").

    Parameters
    ----------
    files
        Images of one map whose participants are known and whose sessions are not.

    Returns
    -------
    list of str
        In the order of the words, numbers as numbers; empty where nothing is found.
    """
    split = [DELIMITERS.split(file.pattern) for file in files if file.participant]
    if not split or len({tuple(words[1::2]) for words in split}) > 1:
        return []
    at = {number: {words[number] for words in split} for number in range(0, len(split[0]), 2)}
    # Words that differ together are one name in two places.
    columns = {tuple(words[number] for words in split): number for number in reversed(at)}
    varying = [number for column, number in columns.items() if len({*column}) > 1]
    if len(varying) > 1:
        varying = [number for number in varying if all(map(VISIT.fullmatch, at[number]))]
    if len(varying) == 1:
        before = split[0][varying[0] - 2] if varying[0] > 1 else ""
        return [] if before.lower() in OTHERS else sorted(at[varying[0]], key=natural)
    constant = {next(iter(words)) for words in at.values() if len(words) == 1}
    named = [word for word in constant if VISIT.fullmatch(word) and not word.isdigit()]
    return named if len(named) == 1 and not varying else []


def natural(word: str) -> tuple[list[tuple[int, str]], str]:
    """Return a key by which 2 comes before 10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", word)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], word


def _finders(known: Iterable[str], prefix: str, other: str = "") -> list[tuple[str, str]]:
    """Return what must stand before an identifier, and what it looks like, best first."""
    # Longest first, or P1 would be found in P1-2.
    words = "|".join(re.escape(word) for word in sorted(known, key=lambda word: -len(word)))
    bids = [(BEFORE, f"{prefix}-[0-9A-Za-z]+")]
    # A table may list 001 where the files have sub-001.
    before = f"(?<=[/_.-]{re.escape(other)})" if other else f"(?:{BEFORE}|(?<={prefix}-))"
    return [(before, words), *bids] if words else bids


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
