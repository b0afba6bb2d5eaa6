"""The parts of a draft of study.toml, and what it says of images: labels, white matter, maps."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qsmstats.errors import plural, printable
from qsmstats.inventory.image_values import LabelFacts, MapFacts, volumes_of
from qsmstats.inventory.images import (
    GUESS,
    LABELS,
    QUANTITATIVE,
    WHITE_MATTER,
    Candidate,
    ImageFiles,
)
from qsmstats.schemas import MapSchema, map_schemas

__all__ = [
    "LEFT",
    "TRIED",
    "Part",
    "comment",
    "counted",
    "label_part",
    "listed",
    "map_part",
    "own_map_parts",
    "quoted",
    "white_matter_part",
]

WIDTH = 98
LEFT = "#? "
"""Starts a line that is left to the user: a comment in study.toml, set where it is tested."""

TRIED = "#! "
"""Starts a line that is only for the test: what it sets, nothing in the folder suggests."""

EXAMPLE = "{participant}/{session}/{participant}_{session}"
LABEL_EXAMPLES = ("lesions", "dseg", "labels")
LABELS_ARE = "0 outside lesions and a different whole number for each lesion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Lines of study.toml about one table, image or section, and what to tell the user of it.

    Attributes
    ----------
    lines
        The lines.
    found
        What was found: kind, number and place; empty where nothing was.
    guesses, todo
        What the user should check, and what only the user can supply, in sentences.
    """

    lines: tuple[str, ...]
    found: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()


def comment(text: str, *, indent: str = "") -> list[str]:
    """Return a text as lines of a TOML comment."""
    start = f"# {indent}"
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def quoted(value: object) -> str:
    """Return a text, number or list as TOML writes it."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 image, 2 images."""
    return f"{number} {plural(noun, number)}"


def listed(words: Iterable[str], *, most: int = 5) -> str:
    """Return words separated by commas, the first few of many."""
    words = list(words)
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def label_part(images: ImageFiles, facts: LabelFacts) -> Part:
    """Write [labels]."""
    part = _pattern(images, LABELS, "lesion labels", "pattern")
    if part is None:
        part = _absent("lesion labels", "pattern", f"{EXAMPLE}_dseg.nii.gz", LABEL_EXAMPLES)
    chosen = images.chosen(LABELS)
    lines, guesses, todo = list(part.lines), list(part.guesses), list(part.todo)
    each = bool(chosen and "{lesion}" in chosen.pattern)
    if chosen and chosen.words:
        guesses.append(f"lesion labels: {listed(chosen.words)} are one file each")
    if chosen and facts.binary and not each:
        text = "the images hold 0 and 1 only: a lesion is what hangs together in a mask"
        lines += [*comment(f"GUESS: {text}"), 'instances = "components"']
        guesses.append(f"lesion labels: {text}")
    lines += _volume("lesion labels", facts.volumes, todo)
    if facts.problem:
        todo.append(f"lesion labels cannot be read: {facts.problem}")
        lines += comment(f"TO DO: {todo[-1]}")
    head = ["", *comment(f"Lesion labels of each patient and session: {LABELS_ARE}."), "[labels]"]
    return replace(part, lines=(*head, *lines), guesses=tuple(guesses), todo=tuple(todo))


def _volume(title: str, volumes: int, todo: list[str]) -> list[str]:
    """Return the line that names a volume of files of several, left to the user."""
    if volumes < 2:
        return []
    text = f"the files have {volumes} volumes, numbered from 0; state which one to use"
    todo.append(f"{title}: {text}: volume = ")
    return [*comment(f"TO DO: {text}, and remove the #"), "# volume = ", f"{TRIED}volume = 0"]


def white_matter_part(folder: Path, images: ImageFiles, parcels: Sequence[int | str] = ()) -> Part:
    """Write [tissue]; `parcels` are the labels of white matter that a parcellation has."""
    part = _pattern(images, WHITE_MATTER, "white-matter masks", "white_matter")
    if part is None:
        example = f"{EXAMPLE}_label-WM_mask.nii.gz"
        words = ("WM", "whitematter")
        part = _absent("white-matter masks", "white_matter", example, words)
    chosen = images.chosen(WHITE_MATTER)
    if chosen and chosen.parcels:
        text = f"{listed(map(str, parcels))} are the labels of white matter in this parcellation"
        whole = f"{{ pattern = {quoted(chosen.pattern)}, labels = {quoted(list(parcels))} }}"
        lines = [*part.lines[:-1], *comment(f"GUESS: {text}"), f"white_matter = {whole}"]
        guesses = (*part.guesses, f"white matter: {text}")
        part = replace(part, lines=tuple(lines), guesses=guesses)
    volumes = volumes_of(folder / chosen.files[0].path) if chosen else 1
    if chosen and volumes > 1:
        todo: list[str] = []
        ask, *_ = _volume("white matter", volumes, todo)
        entry = part.lines[-1].removesuffix(" }").removeprefix("white_matter = ")
        entry = entry if chosen.parcels else f"{{ pattern = {entry}"
        left = f"# white_matter = {entry}, volume =  }}"
        tried = f"{TRIED}white_matter = {entry}, volume = 0 }}"
        part = replace(part, lines=(*part.lines[:-1], ask, left, tried), todo=tuple(todo))
    why = "# White matter: the reference for lesions, and the only region of controls."
    return replace(part, lines=("", why, "[tissue]", *part.lines))


def map_part(name: str, images: ImageFiles, facts: MapFacts | None) -> Part:
    """Write the section of one map; as a comment where there is no such map."""
    schema = map_schemas()[name]
    top, head = ("", f"# {schema.title}"), f"[maps.{name}]"
    part = _pattern(images, name, schema.title, "pattern")
    if part is None or facts is None:
        unit = f"# unit = {quoted(schema.unit)}  # {_units(schema)}"
        if part is None:
            # A study needs at least one map, but no particular one: a missing one is no task.
            example = quoted(f"{EXAMPLE}_{schema.file_names[0]}.nii.gz")
            words = listed(schema.file_names)
            part = Part(lines=(f"# no file name contains: {words}", f"# pattern = {example}"))
        return Part(lines=(*top, f"# {head}", *part.lines, unit), todo=part.todo)
    lines, guesses, todo = [*top, head, *part.lines], list(part.guesses), []
    if facts.unit:
        lines.append(f"unit = {quoted(facts.unit)}  # declared in {facts.sidecar}")
    else:
        text, likely = "no sidecar declares the unit", schema.unit
        several = facts.volumes > 1
        if facts.where and not several:
            text += f"; the median absolute value in {facts.where} is {facts.median:.3g}"
        if len(facts.suggested) == 1:
            likely = facts.suggested[0]
            text += "" if several else f", which suggests {likely}"
        units = _units(schema)
        remove = "and remove the #" if several else "remove the # if this is right"
        lines += comment(f"TO DO: {text}. Declare it ({units}): {remove}")
        own = f"unit = {quoted(likely)}"
        lines += ["# unit = ", f"{TRIED}{own}"] if several else [f"{LEFT}{own}"]
        todo.append(f"{schema.title}: declare the unit ({units}); {text}")
    if facts.zero_is_missing:
        text = (
            f"{facts.zeros:.1%} of the voxels read in {facts.where} are exactly 0, interpreted as "
            '"not measured"; remove the line if 0 is a valid value'
        )
        lines += [*comment(f"GUESS: {text}"), "missing = 0"]
        guesses.append(f"{schema.title}: {text}")
    lines += _volume(schema.title, facts.volumes, todo)
    if facts.problem:
        todo.append(f"{schema.title}: an image cannot be read: {facts.problem}")
    found = (*part.found, f"unit: {facts.unit or 'not declared'}")
    return Part(lines=tuple(lines), found=found, guesses=tuple(guesses), todo=tuple(todo))


def own_map_parts(folder: Path, images: ImageFiles, maps: Sequence[Candidate]) -> list[Part]:
    """Write a section for each image of a quantity that data_schemas/ does not know.

    Parameters
    ----------
    folder
        The study folder.
    images
        Those that were found; the ones of no known kind are looked at.
    maps
        The maps of the study: an image of fewer than half of their sessions is none.
    """
    visits = {visit for one in maps for visit in one.visits}
    parts, taken = [], set()
    for pattern, files in images.other.items():
        words = re.findall(r"[a-z0-9]+", pattern.rsplit("/", 1)[-1].lower())
        word = next((word for word in words if word in QUANTITATIVE), "")
        name, title, unit = QUANTITATIVE.get(word, ("", "", ""))
        there = {(file.participant, file.session) for file in files} & visits
        if not word or name in taken or 2 * len(there) < len(visits):
            continue
        taken.add(name)
        count = counted(len(files), "image")
        ask = f'state the unit of the stored values (often "{unit}")'
        todo = [f"{title}: {ask}"]
        volume = _volume(title, volumes_of(folder / files[0].path), todo)
        lines = (
            "",
            *comment(f"TO DO: {ask}, and remove the #; or remove this section"),
            f"[maps.{name}]",
            f"# {count}",
            f"pattern = {quoted(pattern)}",
            f"{LEFT}unit = {quoted(unit)}",
            f"title = {quoted(title)}",
            "# plausible = [low, high]  # in this unit; without it, values are not checked",
            *volume,
        )
        parts.append(Part(lines=lines, found=(title, count, pattern), todo=tuple(todo)))
    return parts


def _units(schema: MapSchema) -> str:
    return " or ".join(quoted(unit) for unit in schema.units)


def _absent(title: str, key: str, example: str, words: Sequence[str]) -> Part:
    text = f"{title}: no image was found by its name ({listed(words)}, ...)"
    lines = (*comment(f"TO DO: {text}"), f"# {key} = {quoted(example)}")
    return Part(lines=lines, todo=(text,))


def _pattern(images: ImageFiles, role: str, title: str, key: str) -> Part | None:
    """Write the pattern of an image, or those to choose from; None where there is none."""
    found = images.candidates.get(role, ())
    if not found:
        return None
    chosen = images.chosen(role)
    if chosen is None:
        text = "several kinds of images fit equally well; remove the # before one"
        choices = [f"# {key} = {quoted(item.pattern)}  # {_count(item)}" for item in found]
        todo = f"{title}: {text} of {len(found)} patterns in study.toml"
        return Part(lines=(*comment(f"TO DO: {text}"), *choices), todo=(todo,))
    guesses = _guesses(chosen, found)
    return Part(
        lines=(
            *(line for text in guesses for line in comment(f"GUESS: {text}")),
            *(f"# also found: {item.pattern} ({_count(item)})" for item in found[1:]),
            f"# {_count(chosen)}",
            f"{key} = {quoted(chosen.pattern)}",
        ),
        found=(title, _count(chosen), chosen.pattern),
        guesses=tuple(f"{title}: {text}" for text in guesses),
    )


def _guesses(chosen: Candidate, found: Sequence[Candidate]) -> list[str]:
    guesses = []
    if chosen.guessed:
        one = chosen.files[0]
        who = f"'{one.participant}' was interpreted as the participant"
        who += f" and '{one.session}' as the session" if one.session else ""
        guesses.append(f"{who} of {one.path}, because no table lists them")
    if chosen.strength == GUESS:
        guesses.append(f"recognised only by the name of a folder: {chosen.files[0].path}")
    if len(found) > 1:
        guesses.append(f"chosen from {len(found)} kinds of images that fit; see the others below")
    return guesses


def _count(candidate: Candidate) -> str:
    people = {file.participant for file in candidate.files}
    return f"{counted(len(candidate.files), 'image')} of {counted(len(people), 'participant')}"
