"""What study.toml says of images: labels, white matter and maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qsmstats.inventory.image_values import LabelFacts, MapFacts
from qsmstats.inventory.images import GUESS, LABELS, WHITE_MATTER, Candidate, ImageFiles
from qsmstats.inventory.parts import Part, comment, counted, listed, quoted
from qsmstats.schemas import MapSchema, map_schemas

__all__ = ["label_part", "map_part", "white_matter_part"]

EXAMPLE = "{participant}/{session}/{participant}_{session}"
LABEL_EXAMPLES = ("lesions", "dseg", "labels")
LABELS_ARE = "0 outside lesions, a whole number of its own for each lesion"


def label_part(images: ImageFiles, facts: LabelFacts) -> Part:
    """Write [labels]."""
    part = _pattern(images, LABELS, "lesion labels", "pattern")
    if part is None:
        part = _absent("lesion labels", "pattern", f"{EXAMPLE}_dseg.nii.gz", LABEL_EXAMPLES)
    own = []
    if part.found and facts.binary:
        own.append(
            "the lesion labels that were looked at hold one value only: they seem to be masks, "
            f"and a label image has {LABELS_ARE} (connected components of the mask may do)"
        )
    if facts.problem:
        own.append(f"lesion labels cannot be read: {facts.problem}")
    head = ["", *comment(f"Lesion labels of each patient and session: {LABELS_ARE}."), "[labels]"]
    notes = [line for text in own for line in comment(f"TO DO: {text}")]
    return replace(part, lines=(*head, *notes, *part.lines), todo=(*part.todo, *own))


def white_matter_part(images: ImageFiles) -> Part:
    """Write [tissue]."""
    part = _pattern(images, WHITE_MATTER, "white-matter masks", "white_matter")
    if part is None:
        example = f"{EXAMPLE}_label-WM_mask.nii.gz"
        words = ("WM", "whitematter")
        part = _absent("white-matter masks", "white_matter", example, words)
    why = "# White matter: lesions are compared with it, and controls have nothing else."
    return replace(part, lines=("", why, "[tissue]", *part.lines))


def map_part(name: str, images: ImageFiles, facts: MapFacts | None) -> Part:
    """Write the section of one map; all of it as comment where there is no such map."""
    schema = map_schemas()[name]
    top, head = ("", f"# {schema.title}"), f"[maps.{name}]"
    part = _pattern(images, name, schema.title, "pattern")
    if part is None or facts is None:
        unit = f"# unit = {quoted(schema.unit)}  # {_units(schema)}"
        # A study needs one map at least, and none in particular: not finding one is no task.
        absent = _not_found(schema) if part is None else part.lines
        return Part(lines=(*top, f"# {head}", *absent, unit), todo=part.todo if part else ())
    declared, todo = _unit_lines(schema, facts)
    lines = [*top, head, *part.lines, *declared]
    guesses = list(part.guesses)
    if facts.zero_is_missing:
        text = (
            f"{facts.zeros:.1%} of the voxels in {facts.where} that were looked at are exactly 0, "
            'which was taken for "not measured"; remove the line if 0 is a value'
        )
        lines += [*comment(f"GUESS: {text}"), "missing = 0"]
        guesses.append(f"{schema.title}: {text}")
    if facts.problem:
        todo.append(f"{schema.title}: an image cannot be read: {facts.problem}")
    found = (*part.found, f"unit: {facts.unit or 'not declared'}")
    return Part(lines=tuple(lines), found=found, guesses=tuple(guesses), todo=tuple(todo))


def _not_found(schema: MapSchema) -> list[str]:
    pattern = f"{EXAMPLE}_{schema.file_names[0]}.nii.gz"
    words = listed(schema.file_names)
    return [f"# not found in a name: {words}", f"# pattern = {quoted(pattern)}"]


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


def _absent(title: str, key: str, example: str, words: Sequence[str]) -> Part:
    text = f"{title}: no image was found whose name says so ({listed(words)}, ...)"
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
        who = f"'{one.participant}' was taken for the participant"
        who += f" and '{one.session}' for the session" if one.session else ""
        guesses.append(f"{who} of {one.path}, for want of a table that lists them")
    if chosen.strength == GUESS:
        guesses.append(f"recognised by the name of a folder alone: {chosen.files[0].path}")
    if len(found) > 1:
        guesses.append(f"chosen of {len(found)} kinds of images that fit; the others stand below")
    return guesses


def _count(candidate: Candidate) -> str:
    people = {file.participant for file in candidate.files}
    return f"{counted(len(candidate.files), 'image')} of {counted(len(people), 'participant')}"
