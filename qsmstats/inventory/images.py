"""Which files are the images of a study: maps, lesion labels, white-matter masks.

An image is recognised by words in the name of its file, or of the folders above it: those of the
maps stand in data_schemas/ (`file_names`). Files that differ in nothing but participant and
session are one candidate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from qsmstats.inventory.patterns import Identifiers, NamedFile, guess_identifiers
from qsmstats.schemas import map_schemas

__all__ = ["GUESS", "LABELS", "WHITE_MATTER", "Candidate", "ImageFiles", "find_images"]

LABELS, WHITE_MATTER = "labels", "white_matter"
LESION_WORDS = frozenset({"lesion", "lesions", "les", "wml", "wmls", "plaques"})
LABEL_WORDS = frozenset({"dseg", "label", "labels", "labeled", "labelled", "seg"})
WHITE_MATTER_WORDS = frozenset({"wm", "whitematter"})
# An image with such a word in its name is not the map itself.
OTHER_WORDS = frozenset(
    {
        *("mask", "magnitude", "mag", "phase", "echo", "std", "error", "residual"),
        *("t1", "t1w", "mprage", "mp2rage", "uni", "t2", "t2w", "flair", "pd", "swi", "bold"),
    }
)
# Entities of BIDS that name what an image was made from or lies on, not what it is.
ABOUT_OTHERS = re.compile(r"(?:^|(?<=_))(?:space|from|to|ses|sub|run|task)-[0-9A-Za-z]+")
SURE, LIKELY, GUESS = 3, 2, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Files of one pattern that may be one image of every session.

    Attributes
    ----------
    role
        Name of a map, `LABELS` or `WHITE_MATTER`.
    pattern
        Path below the study folder with ``{participant}`` and ``{session}``.
    files
        Its files.
    strength
        3 where a word of the file's name is specific, 2 where it is more general, 1 where only a
        folder's name has such a word.
    guessed
        Whether participants and sessions were guessed from what differs between the paths.
    """

    role: str
    pattern: str
    files: tuple[NamedFile, ...]
    strength: int
    guessed: bool = False

    @property
    def visits(self) -> frozenset[tuple[str | None, str | None]]:
        """Participants and sessions that have such an image."""
        return frozenset((file.participant, file.session) for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """The images of a folder.

    Attributes
    ----------
    candidates
        Role -> candidates, best first.
    other
        Pattern of images that are not used -> number of files.
    nameless
        Images that could be used, but whose names contain no participant.
    """

    candidates: Mapping[str, Sequence[Candidate]]
    other: Mapping[str, int] = field(default_factory=dict)
    nameless: tuple[str, ...] = ()

    def chosen(self, role: str) -> Candidate | None:
        """Return the image of a role, where one candidate is better than all others."""
        found = self.candidates.get(role, ())
        if not found or (len(found) > 1 and _rank(found[0]) == _rank(found[1])):
            return None
        return found[0]


def find_images(paths: Iterable[str], identifiers: Identifiers) -> ImageFiles:
    """Recognise images by their names.

    Parameters
    ----------
    paths
        Image files, relative to the study folder.
    identifiers
        What tables list.
    """
    groups: dict[tuple[str, int, bool, str], list[NamedFile]] = {}
    strangers: dict[tuple[str, int], list[str]] = {}
    other: dict[str, int] = {}
    for path in paths:
        file = identifiers.name(path)
        role, strength = _role(file.pattern)
        if not role:
            other[file.pattern] = other.get(file.pattern, 0) + 1
        elif file.participant is None:
            strangers.setdefault((role, strength), []).append(path)
        else:
            groups.setdefault((role, strength, False, file.pattern), []).append(file)
    nameless = []
    for (role, strength), unnamed in strangers.items():
        for file in guess_identifiers(unnamed):
            if file.participant is None:
                nameless.append(file.path)
            else:
                groups.setdefault((role, strength, True, file.pattern), []).append(file)
    found: dict[str, list[Candidate]] = {}
    for (role, strength, guessed, pattern), files in groups.items():
        candidate = Candidate(
            role=role, pattern=pattern, files=tuple(files), strength=strength, guessed=guessed
        )
        found.setdefault(role, []).append(candidate)
    candidates = {role: sorted(those, key=_rank, reverse=True) for role, those in found.items()}
    return ImageFiles(candidates=candidates, other=other, nameless=tuple(nameless))


def _rank(candidate: Candidate) -> tuple[int, int]:
    return candidate.strength, len(candidate.visits)


def _role(pattern: str) -> tuple[str, int]:
    """Return the role that the words of a path indicate, and how clearly; or nothing."""
    *folders, name = PurePosixPath(re.sub(r"\{(participant|session)\}", "", pattern)).parts
    words = _words(ABOUT_OTHERS.sub("", name.split(".nii")[0]))
    role, strength = _role_of_words(words)
    if role or words & OTHER_WORDS:
        return role, strength
    for folder in reversed(folders):
        role, _ = _role_of_words(_words(folder))
        if role:
            return role, GUESS
    return "", 0


def _words(name: str) -> frozenset[str]:
    words = re.findall(r"[a-z0-9]+", name.lower())
    return frozenset(words) | {word.removesuffix("map") for word in words}


def _role_of_words(words: frozenset[str]) -> tuple[str, int]:
    if words & LESION_WORDS:
        return LABELS, SURE
    if words & WHITE_MATTER_WORDS:
        return WHITE_MATTER, SURE
    if not words & OTHER_WORDS:
        for name, schema in map_schemas().items():
            if words & {word.lower() for word in schema.file_names}:
                return name, SURE
    return (LABELS, LIKELY) if words & LABEL_WORDS else ("", 0)
