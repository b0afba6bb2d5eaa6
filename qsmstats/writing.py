"""Files appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["sweep", "written_whole"]

_PART = ".part"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield the path to write to; it gets the name `path` when all of it is written.

    However the writing ends early (a full disk, Ctrl-C), nothing unfinished is left, and what
    stood under `path` before stands there still. Only a kill leaves the unfinished file, for
    `sweep`. Its name is random and it is made exclusively, so that no other process writes to it
    and no link placed there in advance is followed; a link under `path` itself is replaced.

    Parameters
    ----------
    path
        The file; its folder is made where it is missing.

    Raises
    ------
    OSError
        If the file cannot be written; it names the file, which the system does not do for a
        full disk.
    """
    unfinished = path.with_name(f".{uuid.uuid4().hex}{_PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Not by tempfile, which would make a file that colleagues may not read.
            with unfinished.open("xb") as file:
                yield unfinished
                os.fsync(file.fileno())  # a power cut could else leave the name without content
            os.replace(unfinished, path)  # noqa: PTH105  (atomic everywhere, unlike Path.rename)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def sweep(folder: Path) -> None:
    """Remove what killed commands left unfinished in a folder; only while no other writes there."""
    for path in folder.glob(f".*{_PART}"):
        path.unlink(missing_ok=True)
