"""Look at a dataset and write a draft of its study.toml.

The draft is tested before it is written: `check` reads the tables and the images with it, and with
what it leaves to the user set as the draft suggests. What is wrong then is said with it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from qsmstats.arrays import Integers
from qsmstats.checks.study import find_problems
from qsmstats.errors import InvalidDataError, UsageError, grouped
from qsmstats.inventory.draft_defaults import plausible_part, setting_parts
from qsmstats.inventory.draft_images import (
    LEFT,
    TRIED,
    Part,
    counted,
    label_part,
    listed,
    map_part,
    own_map_parts,
    quoted,
    white_matter_part,
)
from qsmstats.inventory.draft_tables import (
    adjudicator,
    histology_part,
    lesion_type_part,
    level_parts,
    table_parts,
)
from qsmstats.inventory.folder import FolderFiles, list_files
from qsmstats.inventory.image_values import label_facts, map_facts, parcels_there
from qsmstats.inventory.images import LABELS, WHITE_MATTER, ImageFiles, find_images
from qsmstats.inventory.patterns import Identifiers
from qsmstats.inventory.tables import TableFiles, find_tables
from qsmstats.progress import Progress
from qsmstats.schemas import map_schemas
from qsmstats.settings import FeatureSettings
from qsmstats.study_file import FILE, LARGEST, study_of
from qsmstats.tables.identifiers import bare
from qsmstats.untrusted_files import read_bounded
from qsmstats.writing import written_whole

__all__ = ["StudyDraft", "init_study"]

HEAD = """\
# Written by `qsmstats init` from the files in this folder; please check every entry.
# GUESS marks what was inferred from names or values, TO DO what only you can supply.
# A setting after a # is not set; it shows the default, or an example."""
SHOWN = 8
"""Lines of what `check` says of a draft."""


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
    problems
        What `check` says of the draft with what is left to the user as suggested; of images, what
        must be known before measuring.
    """

    path: Path
    backup: Path | None
    found: tuple[tuple[str, ...], ...]
    guesses: tuple[str, ...]
    todo: tuple[str, ...]
    left_alone: tuple[str, ...]
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        # The first two columns have one width.
        kind, number = (max((len(row[at]) for row in self.found), default=0) for at in range(2))
        found = [
            f"{row[0]:<{kind}}  {row[1]:<{number}}  {'  '.join(row[2:])}" for row in self.found
        ]
        blocks = [
            ("found", found),
            ("left alone", self.left_alone),
            ("guessed; please check", self.guesses),
            ("to do", self.todo),
            ("wrong with the data or the draft, by `qsmstats check`", self.problems),
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


def init_study(
    folder: str | Path, *, force: bool = False, progress: Progress | None = None
) -> StudyDraft:
    """Look at an existing dataset and write a study.toml for it.

    Images are recognised by their names, tables by their columns. What was inferred is marked as
    a guess, and units that no sidecar declares are left to the user. The draft is tested by what
    `qsmstats run` checks before it measures. Only study.toml is written.

    Parameters
    ----------
    folder
        Folder with images and tables, in BIDS or in any other layout.
    force
        Replace an existing study.toml, which is kept under another name.
    progress
        Called with (done, total) sessions while the draft is tested.

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

    Examples
    --------
    >>> draft = qs.init_study("demo/study", force=True)
    >>> draft.path.name
    'study.toml'
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
    tables = find_tables(folder, files.tables, files.images)
    people, sessions = map(tables.identifiers, ("participant_id", "session_id"))
    images = find_images(files.images, Identifiers(participants=people, sessions=sessions))
    parts = _parts(folder, tables, images)
    lines = [line for part in parts for line in part.lines]
    shown = [line for line in lines if not line.startswith(TRIED)]
    text, tested = (
        "\n".join(re.sub(f"^({re.escape(LEFT)}|{TRIED})", start, line) for line in some) + "\n"
        for some, start in ((shown, "# "), (lines, ""))
    )
    problems = _problems(folder, tested, progress)
    used = {word for part in parts for word in part.found}
    backup = _kept(path) if path.exists() else None
    with written_whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
    return StudyDraft(
        path=path,
        backup=backup,
        found=tuple(part.found for part in parts if part.found),
        guesses=tuple(text for part in parts for text in part.guesses),
        todo=(*(text for part in parts for text in part.todo), *_strangers(tables, images)),
        left_alone=tuple(_left_alone(files, tables, images, used)),
        problems=tuple(problems),
    )


def _problems(folder: Path, text: str, progress: Progress | None) -> list[str]:
    """Return what `check` says of a draft, one line per kind."""
    try:
        found = find_problems(study_of(folder, text), whole=False, progress=progress)
    except InvalidDataError as error:
        lines = grouped(error.problems)
    else:
        lines = grouped(item.problem for item in found if item.kind != "note")
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"... and {more} more"] if more > 0 else [])]


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
    kept: dict[Path, Integers] = {}
    maps = {name: map_facts(folder, item, regions, kept) for name, item in chosen.items() if item}
    facts = label_facts(folder, labels)
    titles = ", ".join(schema.title for schema in map_schemas().values())
    missing = () if maps else (f"name at least one map in study.toml: {titles}",)
    shell = FeatureSettings().shell_mm
    settings: dict[str, dict[str, str]] = {}
    guesses = []
    if facts.spacing > shell:  # no shell is thinner than one voxel
        width = round(facts.spacing, 3)
        settings["features"] = {"shell_mm": f"shell_mm = {width}  # GUESS: one voxel"}
        guesses.append(
            f"outer shell of lesions: one voxel ({facts.spacing:g} mm) instead of {shell:g} mm"
        )
    if judge := adjudicator(tables):
        settings["raters"] = {"adjudicator": f"adjudicator = {quoted(judge)}  # GUESS"}
        guesses.append(f"ratings: {judge} decides where the raters differ")
    visits = images.sessions if not tables.identifiers("session_id") else ()
    listing = bool(labels and labels.words) or facts.binary
    own = [item for item in chosen.values() if item]
    return [
        Part(lines=(HEAD, f"name = {quoted(folder.resolve().name)}"), todo=missing),
        label_part(images, facts),
        white_matter_part(folder, images, parcels_there(folder, tissue)),
        *(map_part(name, images, maps.get(name)) for name in map_schemas()),
        *own_map_parts(folder, images, own),
        *table_parts(tables, visits, _in_paths(images), labels_list=listing),
        *level_parts(folder, tables),
        lesion_type_part(tables),
        histology_part(tables),
        plausible_part(),
        *setting_parts(settings),
        Part(lines=(), guesses=tuple(guesses)),
    ]


def _in_paths(images: ImageFiles) -> dict[str, set[str]]:
    """Return the identifiers in the paths of the images that are used."""
    chosen = filter(None, map(images.chosen, images.candidates))
    files = [file for one in chosen for file in one.files]
    return {
        "participant_id": {file.participant for file in files if file.participant},
        "session_id": {file.session for file in files if file.session},
    }


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
    labels, table = images.chosen(LABELS), tables.chosen("participants")
    found = _in_paths(images)["participant_id"]
    if table is None or not found:
        return
    own = {bare(word): word for word in table.words("participant_id")}
    there = {bare(word): word for word in found}
    if without := [own[key] for key in sorted(own.keys() - there.keys())]:
        yield f"{table.place}: no image of {listed(without)} was found"
    if unlisted := [there[key] for key in sorted(there.keys() - own.keys())]:
        yield f"{table.place}: has no row for {listed(unlisted)}, who have images"
    if labels and not {bare(file.participant or "") for file in labels.files} & own.keys():
        yield f"no lesion labels belong to a participant of {table.place}"


def _left_alone(
    files: FolderFiles, tables: TableFiles, images: ImageFiles, used: Collection[str]
) -> Iterable[str]:
    for pattern, others in sorted(images.other.items()):
        if pattern not in used:
            yield f"{counted(len(others), 'image')}  {pattern}"
    if images.nameless:
        count = counted(len(images.nameless), "image")
        yield f"{count} whose names contain no participant  {listed(images.nameless, most=2)}"
    for pattern, columns in tables.unknown.items():
        told = f" (columns {listed(columns)})" if columns else ""
        yield f"other table  {pattern}{told}"
    for pattern, reason in tables.unreadable.items():
        yield f"table that cannot be read  {pattern}: {reason}"
    for paths, noun, why in (
        (files.outside, "link", "to outside the folder, not followed"),
        (files.unusable, "file", "that a pattern cannot name or that cannot be read"),
        *(
            (paths, f"{suffix} file", "of a format that is not read")
            for suffix, paths in files.unreadable.items()
        ),
    ):
        if paths:
            yield f"{counted(len(paths), noun)} {why}  {listed(paths, most=2)}"
