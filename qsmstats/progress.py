"""Progress on the terminal: a bar where there is one, a line now and then where there is none."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from qsmstats.errors import printable

__all__ = ["Progress", "discard", "progress_bar", "say", "show"]

Progress = Callable[[int, int], None]
"""Called with (done, total) as work goes on."""

SECONDS_BETWEEN_LINES = 10.0


def say(message: str) -> None:
    """Write one line for the user to standard error; standard output is kept for results.

    Where nobody reads it any more, the work goes on in silence.
    """
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
    if not sys.stderr.isatty():
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
            say(f"{title}: {done} of {total} after {now - started:.0f} s")

    return update
