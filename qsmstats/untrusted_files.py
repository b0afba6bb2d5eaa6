"""Files of a study folder: they come from other people and are not trusted.

`leads_out` decides where the path of an image, table or sidecar may lead; `read_bounded` what may
be read, and how much of it. `matching_files` finds the files of a pattern.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

__all__ = ["leading_out", "leads_out", "matching_files", "read_bounded"]


def leads_out(folder: Path, path: Path) -> bool:
    """Tell whether a path ends outside a folder, symbolic links of both followed."""
    # Not Path.resolve, which raises for links in a circle.
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def leading_out(folder: Path, names: Iterable[str]) -> list[str]:
    """Return those of many files below a folder that lead out, each folder of theirs asked once."""
    outside = cache(partial(leads_out, folder))
    found = []
    for name in names:
        file = os.path.join(folder, name)  # noqa: PTH118  (of thousands)
        parent, base = os.path.split(file)
        # A file that is no link lies where its folder lies.
        alone = ".." in Path(name).parts or base in ("", ".") or os.path.islink(file)  # noqa: PTH114
        if outside(Path(file if alone else parent)):
            found.append(name)
    return found


def matching_files(folder: Path, pattern: str, placeholder: str) -> dict[str, str]:
    """Find the files whose path has some word in place of a placeholder.

    Parameters
    ----------
    folder
        Study folder.
    pattern
        Path below it (or an absolute one) in which `placeholder` stands at least once, each time
        for the same word, which has no ``/`` in it.
    placeholder
        Such as ``{participant}``.

    Returns
    -------
    dict
        Word -> its path, in the order of the words; numbers in them count as numbers.
    """
    anchor = Path(pattern).anchor
    top, below = Path(folder, anchor), Path(pattern).relative_to(anchor).as_posix()
    first, *rest = (re.escape(part) for part in below.split(placeholder))
    regex = re.compile(first + "(?P<word>[^/]+)" + "(?P=word)".join(rest))
    found = {}
    for path in top.glob(glob.escape(below).replace(placeholder, "*")):
        if match := regex.fullmatch(path.relative_to(top).as_posix()):
            found[match["word"]] = pattern.replace(placeholder, match["word"])
    return {word: found[word] for word in sorted(found, key=_natural)}


def _natural(word: str) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"[0-9]+|[^0-9]+", word)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], word


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
