"""Look at a dataset and write the study.toml to look through."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from qsmstats.errors import InvalidDataError, UsageError
from qsmstats.inventory.draft_defaults import plausible_part, setting_parts
from qsmstats.inventory.draft_images import label_part, map_part, white_matter_part
from qsmstats.inventory.draft_tables import lesion_type_part, table_parts
from qsmstats.inventory.folder import FolderFiles, list_files
from qsmstats.inventory.image_values import LabelFacts, MapFacts, label_facts, map_facts
from qsmstats.inventory.images import LABELS, WHITE_MATTER, ImageFiles, find_images
from qsmstats.inventory.parts import Part, counted, listed, quoted
from qsmstats.inventory.patterns import Identifiers
from qsmstats.inventory.tables import TableFiles, find_tables
from qsmstats.schemas import map_schemas
from qsmstats.settings import FeatureSettings
from qsmstats.study_file import FILE, LARGEST
from qsmstats.study_files import read_bounded
from qsmstats.writing import written_whole

__all__ = ["StudyDraft", "init_study"]

HEAD = """\
# Written by `qsmstats init` from what lies in this folder; nothing here is final.
# GUESS marks what was concluded from names or values, TO DO what only you can say.
# A # before a setting means: not set; what stands there is then the default, or an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDraft:
    """What was found in a dataset.

    Attributes
    ----------
    path
        The study.toml that was written.
    backup
        Where the former one is now, or None.
    found
        What was found: what it is, how much of it, where, and the unit of a map.
    guesses, todo, left_alone
        What to look at, what only the user can say, and what plays no part.
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
            ("guessed; look at these", self.guesses),
            ("for you to do", self.todo),
        ]
        lines = []
        for title, texts in blocks:
            if texts:
                lines += [f"{title}:", *(f"  {text}" for text in texts), ""]
        if self.backup:
            lines.append(f"the former study.toml is now {self.backup}")
        lines += [
            f"written: {self.path}",
            f"next: look it through, then run  qsmstats check {quote(str(self.path.parent))}",
        ]
        return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines whose first two columns have one width."""
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(2)]
    return [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {'  '.join(row[2:])}" for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inventory:
    folder: Path
    files: FolderFiles
    tables: TableFiles
    images: ImageFiles
    maps: Mapping[str, MapFacts]
    labels: LabelFacts


def init_study(folder: str | Path, *, force: bool = False) -> StudyDraft:
    """Look at an existing dataset and write a study.toml for it.

    Images are recognised by their names, tables by their columns. What was concluded is marked as
    a guess, and units that no sidecar declares are left to the user. Nothing but study.toml is
    written.

    Parameters
    ----------
    folder
        Folder with images and tables, in BIDS or in any other order.
    force
        Write although there is a study.toml; the former one is kept under another name.

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
        message = f"{path} is there already; --force writes a new one and keeps the old one"
        raise UsageError(message)
    inventory = _look(folder)
    parts = _parts(inventory)
    backup = _kept(path) if path.exists() else None
    text = "\n".join(line for part in parts for line in part.lines) + "\n"
    with written_whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
    return StudyDraft(
        path=path,
        backup=backup,
        found=tuple(part.found for part in parts if part.found),
        guesses=tuple(text for part in parts for text in part.guesses),
        todo=(*(text for part in parts for text in part.todo), *_strangers(inventory)),
        left_alone=tuple(_left_alone(inventory)),
    )


def _look(folder: Path) -> _Inventory:
    files = list_files(folder)
    if not files.images and not files.tables:
        message = (
            f"{folder}: no image (.nii, .nii.gz) and no table (.tsv, .csv, .xlsx, .parquet) was "
            "found; name the folder that holds them"
        )
        if files.outside:
            message += f" (links out of it are not followed: {listed(files.outside)})"
        raise InvalidDataError(message)
    tables = find_tables(folder, files.tables)
    people, sessions = map(tables.identifiers, ("participant_id", "session_id"))
    images = find_images(files.images, Identifiers(participants=people, sessions=sessions))
    regions = {role: images.chosen(role) for role in (WHITE_MATTER, LABELS)}
    labels = regions[LABELS]
    chosen = {name: images.chosen(name) for name in map_schemas()}
    return _Inventory(
        folder=folder,
        files=files,
        tables=tables,
        images=images,
        maps={name: map_facts(folder, item, regions) for name, item in chosen.items() if item},
        labels=label_facts(folder, [file.path for file in labels.files])
        if labels
        else LabelFacts(),
    )


def _parts(inventory: _Inventory) -> list[Part]:
    images = inventory.images
    name = inventory.folder.resolve().name
    maps = [map_part(key, images, inventory.maps.get(key)) for key in map_schemas()]
    missing: tuple[str, ...] = ()
    if not inventory.maps:
        titles = [schema.title for schema in map_schemas().values()]
        missing = (f"name at least one map in study.toml: {', '.join(titles)}",)
    return [
        Part(lines=(HEAD, f"name = {quoted(name)}"), todo=missing),
        label_part(images, inventory.labels),
        white_matter_part(images),
        *maps,
        *table_parts(inventory.tables),
        lesion_type_part(inventory.tables),
        plausible_part(),
        *setting_parts(_fitting_settings(inventory.labels)),
        Part(lines=(), guesses=_fitting_guesses(inventory.labels)),
    ]


def _fitting_settings(labels: LabelFacts) -> dict[str, dict[str, str]]:
    """Widen the shell to one voxel where voxels are larger than its default."""
    if not labels.spacing > FeatureSettings().shell_mm:
        return {}
    width = round(labels.spacing, 3)
    return {"features": {"shell_mm": f"shell_mm = {width}  # GUESS: one voxel"}}


def _fitting_guesses(labels: LabelFacts) -> tuple[str, ...]:
    if not _fitting_settings(labels):
        return ()
    default = FeatureSettings().shell_mm
    return (f"outer shell of lesions: one voxel ({labels.spacing:g} mm) instead of {default:g} mm",)


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


def _strangers(inventory: _Inventory) -> Iterable[str]:
    """Yield what does not fit between the names of images and the participants table."""
    listed_people = inventory.tables.identifiers("participant_id")
    labels, found = inventory.images.chosen(LABELS), set()
    for role in inventory.images.candidates:
        chosen = inventory.images.chosen(role)
        found |= {file.participant or "" for file in chosen.files} if chosen else set()
    table = inventory.tables.chosen("participants")
    if table is None or not found:
        return
    if without := sorted(listed_people - found):
        yield f"{table.file}: no image of {listed(without)} was found"
    if unlisted := sorted(found - listed_people):
        yield f"{table.file}: has no row for {listed(unlisted)}, who have images"
    if labels and not {file.participant for file in labels.files} & listed_people:
        yield f"no lesion labels belong to a participant of {table.file}"


def _left_alone(inventory: _Inventory) -> Iterable[str]:
    images, tables = inventory.images, inventory.tables
    for pattern, number in sorted(images.other.items()):
        yield f"{counted(number, 'image')}  {pattern}"
    if images.nameless:
        count = counted(len(images.nameless), "image")
        yield f"{count} whose names tell no participant  {listed(images.nameless, most=2)}"
    for pattern, columns in tables.unknown.items():
        told = f" (columns {listed(columns)})" if columns else ""
        yield f"table of something else  {pattern}{told}"
    for pattern, reason in tables.unreadable.items():
        yield f"table that cannot be read  {pattern}: {reason}"
    files = inventory.files
    if files.outside:
        count = counted(len(files.outside), "link")
        yield f"{count} out of the folder, not followed  {listed(files.outside, most=2)}"
    if files.unusable:
        count = counted(len(files.unusable), "file")
        yield f"{count} that a pattern cannot name or that cannot be read  {listed(files.unusable)}"
    for suffix, paths in files.unreadable.items():
        count = counted(len(paths), f"{suffix} file")
        yield f"{count}, no format that is read  {listed(paths, most=2)}"
