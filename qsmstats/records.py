"""Which files of an answer are ours, and from what they were made.

Each folder of answers (``baseline``, ``raters``, ...) and the output folder itself hold a file
``made_from.json``: the names of the files written there, and one sha256 over everything they were
made from. While files are being written the sum is null. So a command can replace or remove what
an earlier one wrote, without touching a file of the user's, and can tell answers that belong
together from a mixture that an interrupted command has left.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.version import __version__
from qsmstats.writing import sweep, written_whole

__all__ = [
    "ANSWERS",
    "PLAN",
    "note_file",
    "removed",
    "renewed",
    "require_finished",
    "require_one_source",
    "source_of",
    "versions",
]

RECORD = "made_from.json"
PLAN = "planning"
ANSWERS = (
    *("baseline", "tissue", "trajectory", "histology", "raters", "patients", "transitions"),
    *("baseline_raters", "trajectory_raters", "trajectory_delta", PLAN),
    *("baseline_harmonised", "trajectory_harmonised"),
)
"""Folders of answers below an output folder."""

PACKAGES = (
    "formulaic",
    "frictionless",
    "nibabel",
    "numpy",
    "pandas",
    "pingouin",
    "scipy",
    "statsmodels",
)


def versions() -> dict[str, str]:
    """Return the versions of qsmstats, of Python and of the packages that make the results."""
    return {
        "qsmstats": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


@contextmanager
def renewed(folder: Path, files: Iterable[str], source: str) -> Iterator[None]:
    """Within, `files` are written again; then what else an earlier command wrote there is removed.

    Parameters
    ----------
    folder
        The output folder, or the folder of one answer.
    files
        Paths below it of all that is going to be written.
    source
        Sum of what they are made from; as `qsmstats.provenance.source_sum` gives it.
    """
    old, new = _files(folder), set(files)
    _write(folder, None, old | new)
    sweep(folder)
    yield
    _remove(folder, old - new)
    _write(folder, source, new)


def removed(folder: Path) -> bool:
    """Remove what a command wrote to the folder of an answer, and the folder where that is all.

    Returns
    -------
    bool
        Whether a command had written there.
    """
    if not (folder / RECORD).is_file():
        return False
    _remove(folder, _files(folder))
    (folder / RECORD).unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
    return True


def note_file(out: Path, name: str) -> None:
    """Record that a figure or page was drawn, so that it goes when its answer does.

    Parameters
    ----------
    out
        The output folder.
    name
        Path of the file below it. It is recorded with its answer, or else with the output folder;
        nowhere, where there is no record.
    """
    top, _, rest = name.partition("/")
    folder, file = (out / top, rest) if (out / top / RECORD).is_file() else (out, name)
    files = _files(folder)
    if (folder / RECORD).is_file() and file not in files:
        _write(folder, source_of(folder), files | {file})


def source_of(folder: Path) -> str | None:
    """Return the sum of what an answer was made from; None where unfinished or not recorded."""
    source = _read(folder).get("source")
    return source if isinstance(source, str) else None


def require_finished(out: Path) -> None:
    """Raise where the last run into an output folder was stopped; its tables may be of two runs.

    Raises
    ------
    InvalidDataError
        With the command that completes the run.
    """
    if (out / RECORD).is_file() and source_of(out) is None:
        problem = "a run was stopped before all answers were written; complete them"
        raise _mixture(out, f"{problem} with `qsmstats run STUDY OUT group`")


def require_one_source(out: Path) -> None:
    """Raise where an output folder holds answers that were not made from the same data.

    A folder that no run has recorded (made by a script, say) passes.

    Raises
    ------
    InvalidDataError
        With the command that writes the answers again.
    """
    require_finished(out)
    source = source_of(out)
    if source is None:
        return
    for name in ANSWERS:
        folder = out / name
        if not any(folder.glob("*.tsv")) or source_of(folder) == source:
            continue
        if not (folder / RECORD).is_file():
            raise _mixture(folder, "contains tables that no command wrote; move them elsewhere")
        command = "plan STUDY OUT" if name == PLAN else "run STUDY OUT group"
        problem = "was not made from the data of the other answers; write it again with"
        raise _mixture(folder, f"{problem} `qsmstats {command}`")


def _mixture(place: Path, problem: str) -> InvalidDataError:
    return InvalidDataError([Problem(table=str(place), problem=problem)])


def _files(folder: Path) -> set[str]:
    """Return the recorded names, less any that would lead out of the folder."""
    names = _read(folder).get("files")
    if not isinstance(names, list):
        return set()
    here = folder.resolve()
    texts = [name for name in names if isinstance(name, str) and "\0" not in name]
    return {name for name in texts if (folder / name).parent.resolve().is_relative_to(here)}


def _read(folder: Path) -> dict[str, object]:
    """Return what the record says; nothing where it is missing or damaged."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write(folder: Path, source: str | None, files: Iterable[str]) -> None:
    with written_whole(folder / RECORD) as unfinished:
        text = json.dumps({"source": source, "files": sorted(files)}, indent=1) + "\n"
        unfinished.write_text(text, encoding="utf-8")


def _remove(folder: Path, files: Iterable[str]) -> None:
    for file in files:
        (folder / file).unlink(missing_ok=True)
