"""The output folder, made and tried before hours of work go into it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from qsmstats.errors import UsageError

__all__ = ["made_folder"]


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
            message = f"{folder}: the output folder is the study folder; name another one"
            raise UsageError(message)
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"{folder}: cannot be written ({reason}); name an output folder that can"
        raise UsageError(message) from error
    return folder
