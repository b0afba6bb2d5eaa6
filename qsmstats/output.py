"""The output folder: made and tested before hours of work, for one study and one command at a time.

While a command works in the folder, its file ``study.json`` is locked (flock), which the system
undoes however the command ends. Commands that measure participants may work side by side; any
other has the folder to itself. The file says of which study the folder holds the results: the
sha256 of the study folder's path, and one of study.toml and the table of participants. A study
edited in place agrees in the first, one that was moved, copied or mounted elsewhere in the second.

What a command says there is also appended to ``log.txt``, with times and versions; OUT and
STUDY stand for the paths of the two folders.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TextIO

from qsmstats.errors import UsageError
from qsmstats.progress import logged, say
from qsmstats.records import versions
from qsmstats.study import Study

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["held", "made_folder"]

OWNER, LOG = "study.json", "log.txt"
ATTEMPTS, PAUSE = 20, 0.1
PIECE = 1 << 20


def made_folder(out: str | Path, study: Path) -> Path:
    """Make the output folder of a run where it is missing, and return it.

    Parameters
    ----------
    out
        The folder. What a run left there earlier is used again.
    study
        The study folder, in which nothing is written.

    Raises
    ------
    UsageError
        If the folder is that of the study, or cannot be made or written.
    """
    folder = Path(out)
    try:
        if folder.exists() and folder.samefile(study):
            message = f"{folder}: the output folder is the study folder; choose another one"
            raise UsageError(message)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"{folder}: cannot be written ({reason}); choose another output folder"
        raise UsageError(message) from error
    return folder


@contextmanager
def held(out: Path, study: Study | None, *, shared: bool = False) -> Iterator[None]:
    """Within, no other command works in the output folder, and it belongs to the study.

    Parameters
    ----------
    out
        The output folder.
    study
        The study; None where it is not at hand, and the folder is only kept from others.
    shared
        Whether others that ask for the same may work there too.

    Raises
    ------
    UsageError
        If another command works there, or the folder holds the results of another study.
    """
    no_link = getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(out / OWNER, os.O_RDWR | os.O_CREAT | no_link, 0o666)
    with open(descriptor, "r+", encoding="utf-8") as file:  # noqa: PTH123  (no path: a descriptor)
        # Who is alone here, if only for an instant, may write down whose folder it is.
        alone = _lock(file, out, (True, False) if shared else (True,))
        if study is not None:
            _own(file, out, study, alone=alone)
        if shared:
            _lock(file, out, (False,))
        named = {"OUT": out} | ({} if study is None else {"STUDY": study.folder})
        places = {
            str(place): name
            for name, folder in named.items()
            for place in (folder, folder.absolute(), folder.resolve())
            if len(place.parts) > 1  # a single word may be part of others
        }
        started = time.monotonic()
        with logged(out / LOG, places):
            made_by = ", ".join(f"{name} {number}" for name, number in versions().items())
            say(f"started with {made_by}", "detail")
            yield
            say(f"ended after {time.monotonic() - started:.0f} s", "detail")


def _lock(file: TextIO, out: Path, kinds: Sequence[bool]) -> bool:
    """Lock the file in the first way that can be had; return whether for this command alone."""
    for _ in range(ATTEMPTS):
        for exclusive in kinds:
            try:
                if fcntl is not None:
                    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
                    fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError as error:  # some network file systems are mounted without locks
                if exclusive:  # which is tried first, and once is enough
                    reason = error.strerror
                    text = f"{out}: cannot be locked ({reason}); start no other command on it"
                    say(text, "problem")
            return exclusive
        time.sleep(PAUSE)
    message = (
        f"{out}: another qsmstats command is working in this output folder; wait until it has "
        "ended, or choose another output folder"
    )
    raise UsageError(message)


def _own(file: TextIO, out: Path, study: Study, *, alone: bool) -> None:
    """Raise where the folder holds results of another study; else write down that it is ours."""
    place = os.fsencode(study.folder.resolve())
    content = hashlib.sha256(study.checksum.encode())
    for name in study.tables["participants"].files:
        if (study.folder / name).is_file():
            with (study.folder / name).open("rb") as table:
                while piece := table.read(PIECE):
                    content.update(piece)
    mine = {
        "name": study.name,
        "folder": hashlib.sha256(place).hexdigest(),
        "content": content.hexdigest(),
    }
    owner = _read(file)
    same = any(owner.get(key) == mine[key] for key in ("folder", "content"))
    used = not alone or any(path.name not in (OWNER, LOG) for path in out.iterdir())
    if owner and used and not same:
        message = (
            f"{out}: contains results of another study, '{owner.get('name')}'; choose another "
            f"output folder, or delete {OWNER} there if it is this study, moved and changed since"
        )
        raise UsageError(message)
    if alone and owner != mine:
        file.seek(0)
        file.truncate()
        file.write(json.dumps(mine, indent=1) + "\n")
        file.flush()


def _read(file: TextIO) -> dict[str, Any]:
    try:
        owner = json.loads(file.read())
    except ValueError:  # empty, as a new file is
        return {}
    return owner if isinstance(owner, dict) else {}
