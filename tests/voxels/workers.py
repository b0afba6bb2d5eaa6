"""Functions for worker processes, which import them by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from qsmstats.study import Study
from qsmstats.voxels.cohort import extract_cohort


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


def finished(out: Path) -> int:
    """Return how many sessions below an output folder have their result."""
    return len(list(out.glob("features/*_manifest.json")))


def extract_as_allowed(study: Study, out: Path, allowed: Path) -> None:
    """Measure a study, no more sessions than the number that stands in a file at the time."""

    def wait(done: int, total: int) -> None:
        while finished(out) >= int(allowed.read_text()):
            time.sleep(0.001)

    extract_cohort(study, out=out, progress=wait)
