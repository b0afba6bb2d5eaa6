"""Files of a study folder: they come from other people and are not trusted.

`leads_out` decides where the path of an image, table or sidecar may lead; `read_bounded` what may
be read, and how much of it.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ["leads_out", "read_bounded"]


def leads_out(folder: Path, path: Path) -> bool:
    """Tell whether a path ends outside a folder, symbolic links of both followed."""
    # Not Path.resolve, which raises for links in a circle.
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a regular file.

    Parameters
    ----------
    path
        The file. Nothing else is opened: a pipe or a device need not have an end.
    limit
        Largest size in bytes.

    Raises
    ------
    OSError
        If it is not a regular file, is larger, or cannot be read; `strerror` says which.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "Is a directory", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(
            errno.EINVAL, "it is not a regular file (a pipe, socket or device)", str(path)
        )
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it holds more than {limit / 1e6:g} MB", str(path))
    return data
