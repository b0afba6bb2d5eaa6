"""The errors a user of qsmstats can meet: one small tree.

Every message names the place (file, row, column or grid), the value found and the remedy.
The command line turns each class into its own exit code (`exit_code`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "ConvergenceError",
    "FormulaError",
    "ImageError",
    "InvalidDataError",
    "ModelError",
    "NotIdentifiedError",
    "Problem",
    "QsmstatsError",
    "UsageError",
    "check_option",
    "did_you_mean",
    "nearest",
    "one_of",
    "plural",
    "printable",
]


class QsmstatsError(Exception):
    """Any error that qsmstats raises on purpose."""

    exit_code: ClassVar[int] = 3


class UsageError(QsmstatsError, ValueError):
    """An argument or option that cannot be used as it was given."""

    exit_code = 2


def check_option(name: str, value: object, allowed: Iterable[object]) -> None:
    """Refuse a value that is not allowed.

    Raises
    ------
    UsageError
        Such as ``method must be "reml" or "ml", not 'mle'``.
    """
    choices = list(allowed)
    # `in` would ask a list or array for its truth.
    if not any(type(value) is type(one) and value == one for one in choices):
        raise UsageError(f"{name} must be {one_of(choices)}, not {value!r}")


def one_of(allowed: Iterable[object]) -> str:
    """Return the values that are allowed, as a sentence has them: ``"reml" or "ml"``."""
    *others, last = [f'"{one}"' if isinstance(one, str) else str(one) for one in allowed]
    return f"{', '.join(others)} or {last}" if others else last


def plural(noun: str, number: float) -> str:
    """Return a noun as it stands after a number: "session", "sessions"."""
    return noun if number == 1 else f"{noun}s"


def nearest(word: str, known: Iterable[object], *, count: int = 1) -> list[str]:
    """Return the known words that are spelled most like an unknown one; none where none is near."""
    return difflib.get_close_matches(word, list(map(str, known)), n=count)


def did_you_mean(values: Iterable[str]) -> str:
    """Return the end of a message that offers `values`, or nothing without any."""
    quoted = " or ".join(f"'{value}'" for value in values)
    return f"; did you mean {quoted}?" if quoted else ""


def printable(text: str) -> str:
    r"""Return a text in one line, in which what cannot be seen can be read.

    A line break, a zero-width space, the start of a command to the terminal and a change of the
    direction of writing become ``\n``, ``\u200b``, ``\x1b`` and ``\u202e``.
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes
    ----------
    table
        File or table in which the problem stands, relative to the study folder.
    row
        Row of the file as an editor counts it (the header is row 1), or None.
    column
        Name of the column, or of the setting of study.toml; or None.
    problem
        What was found, what is allowed and the remedy.
    """

    table: str
    row: int | None = None
    column: str | None = None
    problem: str

    def __str__(self) -> str:
        row = "" if self.row is None else f" row {self.row}"
        kind = "setting" if self.table.endswith(".toml") else "column"
        column = "" if self.column is None else f", {kind} '{self.column}'"
        return printable(f"{self.table}{row}{column}: {self.problem}")


class InvalidDataError(QsmstatsError, ValueError):
    """Input that breaks its schema or the rules between tables and images.

    Parameters
    ----------
    problems
        Everything that is wrong, one `Problem` each; or one sentence.
    """

    exit_code = 3

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems: tuple[Problem, ...] = () if isinstance(problems, str) else tuple(problems)
        message = problems if isinstance(problems, str) else "\n".join(map(str, self.problems))
        super().__init__(message)

    def __reduce__(self) -> tuple[type[InvalidDataError], tuple[Sequence[Problem] | str]]:
        # Errors cross process borders (parallel extraction); the default pickling would
        # hand the joined message back to __init__ and lose the problems.
        return type(self), (self.problems or str(self),)


class ImageError(InvalidDataError):
    """An image that cannot be read or does not fit the others of its session."""


class ModelError(QsmstatsError, ValueError):
    """A model that cannot be fitted to the data as given."""

    exit_code = 3


class FormulaError(ModelError):
    """A formula that cannot be read, or that names what the data do not hold."""


class NotIdentifiedError(ModelError):
    """A model whose parameters the design cannot tell apart."""


class ConvergenceError(ModelError):
    """A fit that did not converge where a converged fit is required."""

    exit_code = 4
