"""Look at a dataset and write a draft of its study.toml."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from qsmstats.errors import InvalidDataError, UsageError
from qsmstats.inventory.draft_defaults import plausible_part, setting_parts
from qsmstats.inventory.draft_images import (
    Part,
    counted,
    label_part,
    listed,
    map_part,
    quoted,
    white_matter_part,
)
from qsmstats.inventory.draft_tables import lesion_type_part, table_parts
from qsmstats.inventory.folder import FolderFiles, list_files
from qsmstats.inventory.image_values import label_facts, map_facts
from qsmstats.inventory.images import LABELS, WHITE_MATTER, ImageFiles, find_images
from qsmstats.inventory.patterns import Identifiers
from qsmstats.inventory.tables import TableFiles, find_tables
from qsmstats.schemas import map_schemas
from qsmstats.settings import FeatureSettings
from qsmstats.study_file import FILE, LARGEST
from qsmstats.study_files import read_bounded
from qsmstats.writing import written_whole

__all__ = ["StudyDraft", "init_study"]

HEAD = """\
# Written by `qsmstats init` from the files in this folder; please check every entry.
# GUESS marks what was inferred from names or values, TO DO what only you can supply.
# A setting after a # is not set; it shows the default, or an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDraft:
    """What was found in a dataset.

    Attributes
    ----------
    path
        The study.toml that was written.
    backup
        Path of the previous one, or None.
    found
        What was found: kind, number, place, and the unit of a map.
    guesses, todo, left_alone
        What to check, what only the user can supply, and what is not used.
    """

    path: Path
    backup: Path | None
    found: tuple[tuple[str, ...], ...]
    guesses: tuple[str, ...]
    todo: tuple[str, ...]
    left_alone: tuple[str, ...]

    def __str__(self) -> str:
        blocks = [
            ("found", _aligned(self.found)),
            ("left alone", self.left_alone),
            ("guessed; please check", self.guesses),
            ("to do", self.todo),
        ]
        lines = []
        for title, texts in blocks:
            if texts:
                lines += [f"{title}:", *(f"  {text}" for text in texts), ""]
        if self.backup:
            lines.append(f"the previous study.toml is now {self.backup}")
        lines += [
            f"written: {self.path}",
            f"next: edit it, then run  qsmstats check {quote(str(self.path.parent))}",
        ]
        return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines whose first two columns have one width."""
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(2)]
    return [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {'  '.join(row[2:])}" for row in rows]


def init_study(folder: str | Path, *, force: bool = False) -> StudyDraft:
    """Look at an existing dataset and write a study.toml for it.

    Images are recognised by their names, tables by their columns. What was inferred is marked as
    a guess, and units that no sidecar declares are left to the user. Only study.toml is written.

    Parameters
    ----------
    folder
        Folder with images and tables, in BIDS or in any other layout.
    force
        Replace an existing study.toml, which is kept under another name.

    Returns
    -------
    StudyDraft
        What was found; `str` of it is what the command line prints.

    Raises
    ------
    UsageError
        If there is no such folder, or it has a study.toml and `force` is not set.
    InvalidDataError
        If the folder holds no image and no table.
    """
    folder = Path(folder)
    path = folder / FILE
    if not folder.is_dir():
        message = f"{folder}: no such folder; name the one that holds the images and tables"
        raise UsageError(message)
    if path.exists() and not force:
        message = f"{path} already exists; --force writes a new one and keeps the old one"
        raise UsageError(message)
    files = _files(folder)
    tables = find_tables(folder, files.tables)
    people, sessions = map(tables.identifiers, ("participant_id", "session_id"))
    images = find_images(files.images, Identifiers(participants=people, sessions=sessions))
    parts = _parts(folder, tables, images)
    backup = _kept(path) if path.exists() else None
    text = "\n".join(line for part in parts for line in part.lines) + "\n"
    with written_whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
    return StudyDraft(
        path=path,
        backup=backup,
        found=tuple(part.found for part in parts if part.found),
        guesses=tuple(text for part in parts for text in part.guesses),
        todo=(*(text for part in parts for text in part.todo), *_strangers(tables, images)),
        left_alone=tuple(_left_alone(files, tables, images)),
    )


def _files(folder: Path) -> FolderFiles:
    """List the images and tables of a folder, which must have some."""
    files = list_files(folder)
    if not files.images and not files.tables:
        message = (
            f"{folder}: no image (.nii, .nii.gz) and no table (.tsv, .csv, .xlsx, .parquet) was "
            "found; name the folder that holds them"
        )
        if files.outside:
            message += f" (links out of it are not followed: {listed(files.outside)})"
        raise InvalidDataError(message)
    return files


def _parts(folder: Path, tables: TableFiles, images: ImageFiles) -> list[Part]:
    """Read a few images and write the parts of study.toml."""
    labels, tissue = images.chosen(LABELS), images.chosen(WHITE_MATTER)
    chosen = {name: images.chosen(name) for name in map_schemas()}
    regions = {WHITE_MATTER: tissue, LABELS: labels}
    maps = {name: map_facts(folder, item, regions) for name, item in chosen.items() if item}
    facts = label_facts(folder, [file.path for file in labels.files] if labels else [])
    titles = ", ".join(schema.title for schema in map_schemas().values())
    missing = () if maps else (f"name at least one map in study.toml: {titles}",)
    shell = FeatureSettings().shell_mm
    settings: dict[str, dict[str, str]] = {}
    widened: tuple[str, ...] = ()
    if facts.spacing > shell:  # no shell is thinner than one voxel
        width = round(facts.spacing, 3)
        settings = {"features": {"shell_mm": f"shell_mm = {width}  # GUESS: one voxel"}}
        widened = (
            f"outer shell of lesions: one voxel ({facts.spacing:g} mm) instead of {shell:g} mm",
        )
    return [
        Part(lines=(HEAD, f"name = {quoted(folder.resolve().name)}"), todo=missing),
        label_part(images, facts),
        white_matter_part(images),
        *(map_part(name, images, maps.get(name)) for name in map_schemas()),
        *table_parts(tables),
        lesion_type_part(tables),
        plausible_part(),
        *setting_parts(settings),
        Part(lines=(), guesses=widened),
    ]


def _kept(path: Path) -> Path:
    """Copy study.toml under the first free name; return it."""
    data = read_bounded(path, LARGEST)
    for number in itertools.count():
        backup = path.with_name(f"{path.name}.bak{number or ''}")
        # Exclusively, as a link of that name could lead anywhere.
        with suppress(FileExistsError), backup.open("xb") as file:
            file.write(data)
            break
    return backup


def _strangers(tables: TableFiles, images: ImageFiles) -> Iterable[str]:
    """Yield where the names of images and the participants table disagree."""
    listed_people = tables.identifiers("participant_id")
    labels, found = images.chosen(LABELS), set()
    for role in images.candidates:
        chosen = images.chosen(role)
        found |= {file.participant or "" for file in chosen.files} if chosen else set()
    table = tables.chosen("participants")
    if table is None or not found:
        return
    if without := sorted(listed_people - found):
        yield f"{table.file}: no image of {listed(without)} was found"
    if unlisted := sorted(found - listed_people):
        yield f"{table.file}: has no row for {listed(unlisted)}, who have images"
    if labels and not {file.participant for file in labels.files} & listed_people:
        yield f"no lesion labels belong to a participant of {table.file}"


def _left_alone(files: FolderFiles, tables: TableFiles, images: ImageFiles) -> Iterable[str]:
    for pattern, number in sorted(images.other.items()):
        yield f"{counted(number, 'image')}  {pattern}"
    if images.nameless:
        count = counted(len(images.nameless), "image")
        yield f"{count} whose names contain no participant  {listed(images.nameless, most=2)}"
    for pattern, columns in tables.unknown.items():
        told = f" (columns {listed(columns)})" if columns else ""
        yield f"other table  {pattern}{told}"
    for pattern, reason in tables.unreadable.items():
        yield f"table that cannot be read  {pattern}: {reason}"
    if files.outside:
        count = counted(len(files.outside), "link")
        yield f"{count} to outside the folder, not followed  {listed(files.outside, most=2)}"
    if files.unusable:
        count = counted(len(files.unusable), "file")
        yield f"{count} that a pattern cannot name or that cannot be read  {listed(files.unusable)}"
    for suffix, paths in files.unreadable.items():
        count = counted(len(paths), f"{suffix} file")
        yield f"{count}, a format that is not read  {listed(paths, most=2)}"
