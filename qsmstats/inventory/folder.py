"""The files of a folder that may matter: images and tables, but no results of an earlier run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from qsmstats.study_file import FILE
from qsmstats.untrusted_files import leads_out

__all__ = ["FolderFiles", "list_files"]

IMAGES = (".nii", ".nii.gz", ".mgz", ".mgh")
TABLES = (".tsv", ".csv", ".xlsx", ".parquet")
# Formats of other programs for images and tables, which must be converted.
OTHERS = (".xls", ".ods", ".sav", ".rds", ".rdata", ".mat", ".mif", ".dcm", ".mnc")
RESULTS = "provenance.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFiles:
    """Files below a folder, relative to it, with slashes, sorted.

    Attributes
    ----------
    images, tables
        Files in formats that are read.
    unreadable
        Suffix of other formats of images and tables -> files.
    outside, unusable
        Links out of the folder, which are not followed; and what a pattern cannot name (a
        character that cannot be printed) or is not a regular file.
    """

    images: tuple[str, ...]
    tables: tuple[str, ...]
    unreadable: Mapping[str, tuple[str, ...]]
    outside: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()


def list_files(folder: Path) -> FolderFiles:
    """List the images and tables below a folder.

    Hidden files and folders, and folders with the results of a run, are skipped.
    """
    found: dict[str, list[str]] = {"images": [], "tables": [], "outside": [], "unusable": []}
    others: dict[str, list[str]] = {}
    for path in _paths(folder):
        place, suffix = folder / path, Path(path).suffix.lower()
        is_image, is_table = path.lower().endswith(IMAGES), suffix in TABLES
        if leads_out(folder, place):
            found["outside"].append(path)
        elif (is_image or is_table) and not (path.isprintable() and place.is_file()):
            found["unusable"].append(path)
        elif is_image or is_table:
            found["images" if is_image else "tables"].append(path)
        elif suffix in OTHERS:
            others.setdefault(suffix, []).append(path)
    unreadable = {suffix: tuple(paths) for suffix, paths in others.items()}
    return FolderFiles(
        unreadable=unreadable, **{kind: tuple(paths) for kind, paths in found.items()}
    )


def _paths(folder: Path) -> Iterator[str]:
    """Yield files and links to folders outside; the target of a link within is found anyway."""
    for top, folders, names in os.walk(folder):
        if RESULTS in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = (name for name in folders if leads_out(folder, Path(top, name)))
        for name in (*links, *sorted(names)):
            if not name.startswith((".", "~$")) and name != FILE:
                yield Path(top, name).relative_to(folder).as_posix()
