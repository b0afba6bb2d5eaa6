"""What a command says while it works: on the terminal, as much as is asked for, and in a log.

Progress is a bar on a terminal, and elsewhere a line now and then.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO

from qsmstats.errors import printable

__all__ = [
    "Loudness",
    "Progress",
    "discard",
    "logged",
    "progress_bar",
    "say",
    "set_loudness",
    "show",
]

Progress = Callable[[int, int], None]
"""Called with (done, total) as work goes on."""

SECONDS_BETWEEN_LINES = 10.0


Loudness = Literal["quiet", "normal", "verbose"]
_SAID: dict[Loudness, frozenset[str]] = {
    "quiet": frozenset({"problem"}),
    "normal": frozenset({"problem", "note"}),
    "verbose": frozenset({"problem", "note", "detail"}),
}
_loudness: Loudness = "normal"
_logs: list[Callable[[str], None]] = []


def set_loudness(loudness: Loudness) -> None:
    """Choose what is said from now on: problems only, notes and progress too, or every step."""
    global _loudness
    _loudness = loudness


@contextmanager
def logged(path: Path, places: dict[str, str]) -> Iterator[None]:
    """Within, all that is said is also appended to a file, with the time (UTC).

    Parameters
    ----------
    path
        The file. Several commands may write to it at the same time: each line is appended whole.
    places
        Path -> word that stands for it in the file, which may be passed on.
    """

    def write(message: str) -> None:
        for place in sorted(places, key=len, reverse=True):
            message = message.replace(place, places[place])
        now = datetime.now(UTC).isoformat(timespec="seconds")
        # Results matter more than their log: a full disk is reported where they are written.
        with suppress(OSError), open(path, "a", encoding="utf-8", opener=_no_link) as file:
            file.write("".join(f"{now} {line}\n" for line in _lines_of(message).split("\n")))

    _logs.append(write)
    try:
        yield
    except BaseException as error:
        write(f"stopped: {type(error).__name__}: {error}")
        raise
    finally:
        _logs.remove(write)


def _no_link(path: str, flags: int) -> int:
    """Open a file; a link in its place, which may lead anywhere, is an error."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def say(message: str, kind: Literal["problem", "note", "detail"] = "note") -> None:
    """Write one line for the user to standard error; standard output is kept for results.

    Where nobody reads it any more, the work goes on in silence. A log has every line.

    Parameters
    ----------
    message
        The line, or lines.
    kind
        "problem" is always written, "note" unless the command is quiet, "detail" where it is
        verbose.
    """
    for write in _logs:
        write(message)
    if kind not in _SAID[_loudness]:
        return
    try:
        print(_lines_of(message), file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        discard(sys.stderr)


def show(text: str) -> None:
    """Write a result to standard output at once; an error names it, as it does a file."""
    try:
        print(_lines_of(text), flush=True)  # noqa: T201
    except OSError as error:
        discard(sys.stdout)
        raise OSError(error.errno, error.strerror, "standard output") from error


def discard(stream: TextIO) -> None:
    """Point a stream at nothing; what is left in it would fail again when Python ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _lines_of(message: str) -> str:
    """Return a message whose words, which may be a study's, cannot command the terminal."""
    return "\n".join(map(printable, message.split("\n")))


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Show the progress of one long step; yields the function to call with (done, total)."""
    if _loudness == "quiet" or not sys.stderr.isatty():
        yield _lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update


def _lines(title: str) -> Progress:
    started = last = time.monotonic()

    def update(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rest = (now - started) * (total - done) / max(done, 1)
            left = f", about {rest:.0f} s left" if 0 < done < total else ""
            say(f"{title}: {done} of {total} after {now - started:.0f} s{left}")

    return update
