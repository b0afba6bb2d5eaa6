"""What study.toml says of images: labels, white matter and maps."""

from __future__ import annotations

from collections.abc import Sequence

from qsmstats.inventory.images import (
    LABEL_WORDS,
    LABELS,
    LESION_WORDS,
    WHITE_MATTER,
    WHITE_MATTER_WORDS,
    Candidate,
    ImageFiles,
)
from qsmstats.inventory.parts import Part, comment, counted, quoted
from qsmstats.inventory.values import LabelFacts, MapFacts
from qsmstats.schemas import MapSchema, map_schemas

__all__ = ["label_part", "map_part", "white_matter_part"]

EXAMPLE = "{participant}/{session}/{participant}_{session}"
LABELS_ARE = "0 outside lesions, a whole number of its own for each lesion"


def label_part(images: ImageFiles, facts: LabelFacts) -> Part:
    """Write [labels]."""
    head = ["", *comment(f"Lesion labels of each patient and session: {LABELS_ARE}."), "[labels]"]
    words = sorted({*LESION_WORDS, *LABEL_WORDS})
    part = _pattern(images, LABELS, "lesion labels", "pattern", f"{EXAMPLE}_dseg.nii.gz", words)
    guesses, todo = list(part.guesses), list(part.todo)
    if part.found and facts.binary:
        text = (
            f"the lesion labels that were looked at hold one value only: they seem to be masks, "
            f"and a label image has {LABELS_ARE} (connected components of the mask may do)"
        )
        todo.append(text)
    if facts.problem:
        todo.append(f"lesion labels cannot be read: {facts.problem}")
    own = [text for text in todo if text not in part.todo]
    notes = [line for text in own for line in comment(f"TO DO: {text}")]
    return Part(
        lines=(*head, *notes, *part.lines),
        found=part.found,
        guesses=tuple(guesses),
        todo=tuple(todo),
    )


def white_matter_part(images: ImageFiles) -> Part:
    """Write [tissue]."""
    head = [
        "",
        "# White matter: lesions are compared with it, and controls have nothing else.",
        "[tissue]",
    ]
    words = sorted(WHITE_MATTER_WORDS)
    example = f"{EXAMPLE}_label-WM_mask.nii.gz"
    part = _pattern(images, WHITE_MATTER, "white-matter masks", "white_matter", example, words)
    return Part(lines=(*head, *part.lines), found=part.found, guesses=part.guesses, todo=part.todo)


def map_part(name: str, images: ImageFiles, facts: MapFacts | None) -> Part:
    """Write the section of one map; all of it as comment where there is no such map."""
    schema = map_schemas()[name]
    head = f"[maps.{name}]"
    top = ("", f"# {schema.title}")
    example = f"{EXAMPLE}_{schema.file_names[0]}.nii.gz"
    part = _pattern(images, name, schema.title, "pattern", example, schema.file_names)
    if facts is None:
        # A study needs one map at least, and none in particular: not finding one is no task.
        tie = bool(images.candidates.get(name))
        unit = f"# unit = {quoted(schema.unit)}  # {_units(schema)}"
        return Part(lines=(*top, f"# {head}", *part.lines, unit), todo=part.todo if tie else ())
    declared, unit_todo = _unit_lines(schema, facts)
    lines = [*top, head, *part.lines, *declared]
    guesses = list(part.guesses)
    if facts.zero_is_missing:
        text = (
            f"{facts.zeros:.1%} of the voxels in {facts.where} that were looked at are exactly 0, "
            'which was taken for "not measured"; remove the line if 0 is a value'
        )
        lines += [*comment(f"GUESS: {text}"), "missing = 0"]
        guesses.append(f"{schema.title}: {text}")
    todo = [*part.todo, *unit_todo]
    if facts.problem:
        todo.append(f"{schema.title}: an image cannot be read: {facts.problem}")
    return Part(
        lines=tuple(lines),
        found=(*part.found, f"unit: {facts.unit or 'not declared'}"),
        guesses=tuple(guesses),
        todo=tuple(todo),
    )


def _unit_lines(schema: MapSchema, facts: MapFacts) -> tuple[list[str], list[str]]:
    if facts.unit:
        return [f"unit = {quoted(facts.unit)}  # declared in {facts.sidecar}"], []
    text = "no sidecar declares the unit"
    if facts.where:
        text += f"; the median absolute value in {facts.where} is {facts.median:.3g}"
    if len(facts.suggested) == 1:
        text += f", which speaks for {facts.suggested[0]}"
    likely = facts.suggested[0] if len(facts.suggested) == 1 else schema.unit
    lines = [
        *comment(f"TO DO: {text}. Declare it ({_units(schema)}): remove the # if this is it"),
        f"# unit = {quoted(likely)}",
    ]
    return lines, [f"{schema.title}: declare the unit ({_units(schema)}); {text}"]


def _units(schema: MapSchema) -> str:
    return " or ".join(quoted(unit) for unit in schema.units)


def _pattern(
    images: ImageFiles, role: str, title: str, key: str, example: str, words: Sequence[str]
) -> Part:
    """Write the pattern of an image, or those to choose from, or an example."""
    found = images.candidates.get(role, ())
    chosen = images.chosen(role)
    if not found:
        text = f"no image was found whose name says {' or '.join(words)}"
        return Part(
            lines=(*comment(f"TO DO: {text}"), f"# {key} = {quoted(example)}"),
            todo=(f"{title}: {text}",),
        )
    if chosen is None:
        text = "several kinds of images fit equally well; remove the # before one"
        lines = [f"# {key} = {quoted(item.pattern)}  # {_count(item)}" for item in found]
        return Part(
            lines=(*comment(f"TO DO: {text}"), *lines),
            todo=(f"{title}: {text} of {len(found)} patterns in study.toml",),
        )
    guesses = _guesses(chosen, found)
    others = [f"# also found: {item.pattern} ({_count(item)})" for item in found[1:]]
    return Part(
        lines=(
            *(line for text in guesses for line in comment(f"GUESS: {text}")),
            *others,
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
        text = f"participant '{one.participant}'"
        text += f" and session '{one.session}'" if one.session else ""
        guesses.append(f"{text} were read from {one.path}, for want of a table that lists them")
    if len(found) > 1:
        guesses.append(f"chosen of {len(found)} kinds of images that fit; the others stand below")
    return guesses


def _count(candidate: Candidate) -> str:
    people = {file.participant for file in candidate.files}
    return f"{counted(len(candidate.files), 'image')} of {counted(len(people), 'participant')}"
