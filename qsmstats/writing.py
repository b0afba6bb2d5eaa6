"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["written_whole"]


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield the path to write to; it gets the name `path` when all of it is written.

    However the writing ends early (a full disk, Ctrl-C), nothing unfinished is left, and what
    stood under `path` before stands there still.

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
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            os.replace(unfinished, path)  # noqa: PTH105  (atomic everywhere, unlike Path.rename)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
