"""Functions for worker processes, which import them by name."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def square(number: int) -> int:
    """Return the square."""
    return number * number


def die_on(folder: Path, fatal: int, times: int, number: int) -> int:
    """Return the square, but kill the process the first `times` that `number` is the fatal one."""
    if number == fatal:
        deaths = len(list(folder.iterdir()))
        if deaths < times:
            (folder / f"death-{deaths}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return number * number
