"""The files of a folder that may matter: images and tables, but no results of an earlier run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qsmstats.study import FILE

__all__ = ["FolderFiles", "list_files"]

IMAGES = (".nii", ".nii.gz")
TABLES = (".tsv", ".csv", ".xlsx", ".parquet")
# Formats in which other programs keep images and tables; the remedy is to save them anew.
OTHERS = (".xls", ".ods", ".sav", ".rds", ".rdata", ".mat", ".mgz", ".mgh", ".mif", ".dcm", ".mnc")
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
    """

    images: tuple[str, ...]
    tables: tuple[str, ...]
    unreadable: Mapping[str, tuple[str, ...]]


def list_files(folder: Path) -> FolderFiles:
    """List the images and tables below a folder.

    Hidden files and folders, and folders with the results of a run, are passed over.
    """
    images: list[str] = []
    tables: list[str] = []
    others: dict[str, list[str]] = {}
    for top, folders, names in os.walk(folder, followlinks=True):
        if RESULTS in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(top, name).relative_to(folder).as_posix()
            suffix = Path(name).suffix.lower()
            if name.startswith((".", "~$")) or name == FILE:
                continue
            if name.lower().endswith(IMAGES):
                images.append(path)
            elif suffix in TABLES:
                tables.append(path)
            elif suffix in OTHERS:
                others.setdefault(suffix, []).append(path)
    unreadable = {suffix: tuple(paths) for suffix, paths in others.items()}
    return FolderFiles(images=tuple(images), tables=tuple(tables), unreadable=unreadable)
