"""Which files are the images of a study: maps, lesion labels, white matter.

An image is recognised by words in the name of its file, or of the folders above it: those of the
maps stand in data_schemas/ (`file_names`). Files that differ in nothing but participant and
session are one candidate; label files that differ in a lesion type or a lesion too, another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from qsmstats.inventory.patterns import Identifiers, NamedFile, guess_identifiers, session_words
from qsmstats.schemas import load_schema, map_schemas, word_key
from qsmstats.tables.identifiers import bare
from qsmstats.tables.spelling import known_spellings

__all__ = [
    "GUESS",
    "LABELS",
    "QUANTITATIVE",
    "WHITE_MATTER",
    "Candidate",
    "ImageFiles",
    "find_images",
]

LABELS, WHITE_MATTER = "labels", "white_matter"
LESION_WORDS = frozenset({"lesion", "lesions", "les", "wml", "wmls", "plaques"})
LABEL_WORDS = frozenset({"dseg", "label", "labels", "labeled", "labelled", "seg"})
WHITE_MATTER_WORDS = frozenset({"wm", "whitematter"})
PARCELLATIONS: Mapping[str, tuple[int | str, ...]] = {
    "wmparc": (2, 41, "3000-4999", 5001, 5002),
    "aparc": (2, 41),
    "aseg": (2, 41),
    "synthseg": (2, 41),
}
"""Word in the name of a parcellation of FreeSurfer or SynthSeg -> its labels of white matter.

Source: FreeSurferColorLUT.txt: 2 and 41 are the cerebral white matter of either side; in wmparc
3000 to 4999 are its parcels, 5001 and 5002 what is far from the cortex.
"""
QUANTITATIVE: Mapping[str, tuple[str, str, str]] = {
    **dict.fromkeys(("r2star", "r2starmap", "r2s"), ("r2star_hz", "R2*", "Hz")),
    **dict.fromkeys(("t1map", "qt1"), ("t1_ms", "T1", "ms")),
    **dict.fromkeys(("t2map", "qt2"), ("t2_ms", "T2", "ms")),
    **dict.fromkeys(("t2starmap", "t2s"), ("t2star_ms", "T2*", "ms")),
    **dict.fromkeys(("r1", "r1map"), ("r1_hz", "R1", "Hz")),
    **dict.fromkeys(("mtr", "mtrmap"), ("mtr_percent", "Magnetisation transfer ratio", "percent")),
    **dict.fromkeys(("mtsat", "mtsatmap"), ("mtsat", "MT saturation", "percent")),
    "fa": ("fa", "Fractional anisotropy", "1"),
    "md": ("md", "Mean diffusivity", "mm²/s"),
    "odi": ("odi", "Orientation dispersion", "1"),
}
"""Word in the names of files -> name, title and usual unit of a map that data_schemas/ lacks."""
# An image with such a word in its name is not the map itself.
OTHER_WORDS = frozenset(
    {
        *("mask", "magnitude", "mag", "phase", "echo", "std", "error", "residual"),
        *("t1", "t1w", "mprage", "mp2rage", "uni", "t2", "t2w", "flair", "pd", "swi", "bold"),
    }
)
# Entities of BIDS that name what an image was made from or lies on, not what it is.
ABOUT_OTHERS = re.compile(r"(?:^|(?<=_))(?:space|from|to|ses|sub|run|task)-[0-9A-Za-z]+")
SUFFIX = re.compile(r"\.(nii(\.gz)?|mg[hz])$", re.IGNORECASE)
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
    words
        What stands in the paths for ``{lesion_type}`` or ``{lesion}``.
    parcels
        Labels of white matter, where this is a parcellation.
    """

    role: str
    pattern: str
    files: tuple[NamedFile, ...]
    strength: int
    guessed: bool = False
    words: tuple[str, ...] = ()
    parcels: tuple[int | str, ...] = ()

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
        Pattern of images of no known kind -> its files.
    nameless
        Images that could be used, but whose names contain no participant.
    sessions
        Names of sessions that were found by comparing paths, in their order.
    """

    candidates: Mapping[str, Sequence[Candidate]]
    other: Mapping[str, Sequence[NamedFile]] = field(default_factory=dict)
    nameless: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()

    def chosen(self, role: str) -> Candidate | None:
        """Return the image of a role, where one candidate is better than all others."""
        found = self.candidates.get(role, ())
        if not found or (len(found) > 1 and _rank(found[0]) == _rank(found[1])):
            return None
        return found[0]


def find_images(paths: Sequence[str], identifiers: Identifiers) -> ImageFiles:
    """Recognise images by their names.

    Parameters
    ----------
    paths
        Image files, relative to the study folder.
    identifiers
        What tables list. Sessions that no table lists are found by comparing paths.
    """
    found = _find_images(paths, identifiers)
    # Tables may list MS_1 where the folder is MS_001.
    folders = {part for path in paths for part in path.split("/")[:-1]}
    alike = {bare(word) for word in identifiers.participants}
    others = [name for name in folders if bare(name) in alike]
    if others and not folders & {*identifiers.participants}:
        identifiers = replace(identifiers, participants=others)
        found = _find_images(paths, identifiers)
    maps = [one for name in map_schemas() for one in found.candidates.get(name, ())]
    if any(file.session for one in maps for file in one.files):
        return found
    for name in map_schemas():
        files = [file for one in found.candidates.get(name, ()) for file in one.files]
        words = session_words(files)
        if not words:
            continue
        # Tables may list 1 where the folder is V1.
        before = {re.sub(r"\d+$", "", word) for word in words}
        listed = {word.removeprefix(next(iter(before))) for word in words}
        if len(before) == 1 and listed <= {*identifiers.sessions}:
            known = replace(identifiers, before_session=next(iter(before)))
            return _find_images(paths, known)
        known = replace(identifiers, sessions=words)
        return replace(_find_images(paths, known), sessions=tuple(words))
    return found


def _find_images(paths: Iterable[str], identifiers: Identifiers) -> ImageFiles:
    groups: dict[tuple[str, int, bool, str], list[NamedFile]] = {}
    strangers: dict[tuple[str, int], list[str]] = {}
    other: dict[str, list[NamedFile]] = {}
    for path in paths:
        file = identifiers.name(path)
        role, strength = _role(file.pattern)
        if not role:
            other.setdefault(file.pattern, []).append(file)
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
        known = PARCELLATIONS.items() if role == WHITE_MATTER else ()
        words = _words(PurePosixPath(pattern).name)
        candidate = Candidate(
            role=role,
            pattern=pattern,
            files=tuple(files),
            strength=strength,
            guessed=guessed,
            parcels=next((parcels for word, parcels in known if word in words), ()),
        )
        found.setdefault(role, []).append(candidate)
    found[LABELS] = _files_for_each(found.get(LABELS, []))
    candidates = {role: sorted(those, key=_rank, reverse=True) for role, those in found.items()}
    return ImageFiles(candidates=candidates, other=other, nameless=tuple(nameless))


def _files_for_each(labels: Sequence[Candidate]) -> list[Candidate]:
    """Put label files together that differ in a lesion type, or in the number of a lesion."""
    known = known_spellings(load_schema("lesions").column("lesion_type"))
    together: dict[tuple[str, str], list[tuple[str, Candidate]]] = {}
    for one in labels:
        *folders, name = one.pattern.split("/")
        for word in re.findall(r"[A-Za-z]+(?:-[A-Za-z]+)?|\d+", SUFFIX.sub("", name)):
            kind = "lesion" if word.isdigit() else "lesion_type"
            if word.isdigit() or (word_key(word) in known and word not in ("labels",)):
                before, _, after = name.rpartition(word)
                whole = "/".join([*folders, f"{before}{{{kind}}}{after}"])
                together.setdefault((kind, whole), []).append((word, one))
    merged, used = [], []
    for (_, pattern), parts in together.items():
        if len(parts) > 1:
            used += [one for _, one in parts]
            files = tuple(file for _, one in parts for file in one.files)
            words = tuple(word for word, _ in parts)
            merged.append(replace(parts[0][1], pattern=pattern, files=files, words=words))
    return [*merged, *(one for one in labels if one not in used)]


def _rank(candidate: Candidate) -> tuple[int, int]:
    return candidate.strength, len(candidate.visits)


def _role(pattern: str) -> tuple[str, int]:
    """Return the role that the words of a path indicate, and how clearly; or nothing."""
    *folders, name = PurePosixPath(re.sub(r"\{(participant|session)\}", "", pattern)).parts
    words = _words(ABOUT_OTHERS.sub("", SUFFIX.sub("", name)))
    role, strength = _role_of_words(words)
    if role or words & {*OTHER_WORDS, *QUANTITATIVE}:
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
    if words & PARCELLATIONS.keys():
        return WHITE_MATTER, LIKELY
    if not words & OTHER_WORDS:
        for name, schema in map_schemas().items():
            if words & {word.lower() for word in schema.file_names}:
                return name, SURE
    return (LABELS, LIKELY) if words & LABEL_WORDS else ("", 0)
