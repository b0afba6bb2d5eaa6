"""The errors a user of qsmstats can meet: one small tree.

Every message names the place (file, row, column or grid), the value found and the remedy.
The command line turns each class into its own exit code (`exit_code`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "FormulaError",
    "ImageError",
    "InvalidDataError",
    "ModelError",
    "NoDataError",
    "NotIdentifiedError",
    "Problem",
    "QsmstatsError",
    "UsageError",
    "check_option",
    "did_you_mean",
    "grouped",
    "nearest",
    "one_of",
    "opposite",
    "plural",
    "printable",
    "require_columns",
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


def require_columns(columns: Iterable[object], needed: Iterable[str], table: str) -> None:
    """Refuse a table that lacks columns.

    Raises
    ------
    UsageError
        Such as ``lesions has no column 'years'; it has 'participant_id', ...``.
    """
    there = list(columns)
    if absent := [name for name in dict.fromkeys(needed) if name not in there]:
        word, names, has = plural("column", len(absent)), ", ".join(map(repr, absent)), there[:20]
        more = ", ..." if len(there) > len(has) else ""
        found = ", ".join(map(repr, has)) or "none"
        raise UsageError(
            f"{table} has no {word} {names}; correct the name or add it (columns: {found}{more})"
        )


def one_of(allowed: Iterable[object]) -> str:
    """Return the values that are allowed, as a sentence has them: ``"reml" or "ml"``."""
    *others, last = [f'"{one}"' if isinstance(one, str) else str(one) for one in allowed]
    return f"{', '.join(others)} or {last}" if others else last


def plural(noun: str, number: float) -> str:
    """Return a noun as it stands after a number: "session", "sessions"."""
    return noun if number == 1 else f"{noun}s"


_DENIAL = re.compile(
    r"(?<![a-z])(?:non|not|no|un|in|without|negative|neg|absent|kein\w?\w?|ohne|nicht)[\s_-]*(?=[a-z])"
    r"|(?<=[a-z])[\s_-]*(?:negative|neg|absent|-)$"
)


def nearest(
    word: str, known: Iterable[object], *, count: int = 1, cutoff: float = 0.6
) -> list[str]:
    """Return the known words that are spelled most like an unknown one; none where none is near.

    The opposite of a word is none of them, however alike the two are spelled (`opposite`).

    Parameters
    ----------
    word
        The unknown word.
    known
        The known ones.
    count
        The most to return.
    cutoff
        Least similarity, from 0 to 1 (`difflib.SequenceMatcher.ratio`).

    Examples
    --------
    >>> nearest("isointens", ["isointense", "prl"]), nearest("non-prl", ["isointense", "prl"])
    (['isointense'], [])
    """
    choices = [one for one in dict.fromkeys(map(str, known)) if not opposite(word, one)]
    return difflib.get_close_matches(word, choices, n=count, cutoff=cutoff)


def opposite(first: str, second: str) -> bool:
    """Tell whether one of two words says of the other that it is not there: "non-PRL" and "PRL".

    So it is where the two are more alike once non, not, no, un, in, without, negative, a minus or
    kein, ohne, nicht is taken off one of them, or where what is left are words of the other:
    "no rim" and "paramagnetic_rim".
    """
    first, second = first.casefold(), second.casefold()
    return any(
        bare != one
        and (
            _alike(bare, other) > _alike(one, other)
            or set(re.findall(r"[^\W_]+", bare)) <= set(re.findall(r"[^\W_]+", other))
        )
        for one, other in ((first, second), (second, first))
        for bare in [_DENIAL.sub("", one)]
    )


def _alike(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first, second).ratio()


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
    also
        Further rows of the file with the same problem.
    files, participant
        Pattern of study.toml that the file follows, and whose file it is, where that is known.
    """

    table: str
    row: int | None = None
    column: str | None = None
    problem: str
    also: tuple[int, ...] = ()
    files: str | None = None
    participant: str | None = None

    def __str__(self) -> str:
        row = "" if self.row is None else f" row {self.row}"
        more = f" (and {_rows(self.also)})" if self.also else ""
        return printable(f"{self.table}{row}{self._column}: {self.problem}{more}")

    @property
    def _column(self) -> str:
        kind = "setting" if self.table.endswith(".toml") else "column"
        return "" if self.column is None else f", {kind} '{self.column}'"


RANGES_SHOWN = 8


def _rows(rows: Sequence[int]) -> str:
    """Return rows in words, those that follow one another as a range."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    ranges: list[list[int]] = []
    for row in rows:
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    shown = [f"{low}-{high}" if low < high else f"{low}" for low, high in ranges[:RANGES_SHOWN]]
    if len(ranges) > RANGES_SHOWN:
        shown.append("...")
    return f"{len(rows)} more rows: {', '.join(shown)}"


SHOWN = 3
"""Problems of one kind that are listed one by one; of more, this many are named."""


def grouped(problems: Iterable[Problem]) -> list[str]:
    """Return one line per kind of problem: those of the same files that say the same.

    Names and numbers in what they say may differ. Up to three of a kind keep a line each.

    Examples
    --------
    >>> files = "{participant}.nii"
    >>> said = {"problem": "is empty; copy it again", "files": files}
    >>> print(*grouped(Problem(table=f"P{n}.nii", **said) for n in range(9)))
    {participant}.nii (9 files; first: P0.nii, P1.nii, P2.nii): is empty; copy it again
    """
    kinds: dict[tuple[str | None, ...], list[Problem]] = {}
    for one in problems:
        # What is quoted, has a digit or is a path may differ within a kind.
        text = re.sub(r"'[^']*'|\S*[\d/]\S*", "#", one.problem)
        key = one.files or one.table, one.column, re.sub("#( #)+", "#", text)
        kinds.setdefault(key, []).append(one)
    lines: list[str] = []
    for those in kinds.values():
        lines += map(str, those) if len(those) <= SHOWN else [_together(those)]
    return lines


def _together(those: Sequence[Problem]) -> str:
    """Return the line of many problems of one kind: where they are, and the first of them."""
    first = those[0]
    number = sum(1 + len(one.also) for one in those)
    count = f"{number} {'files' if first.files else 'problems'}"
    if people := {one.participant for one in those if one.participant}:
        count += f" of {len(people)} {plural('participant', len(people))}"
    one_file = len({one.table for one in those}) == 1
    places = [f"row {one.row}" if one_file and one.row else one.table for one in those[:SHOWN]]
    same = len({one.problem for one in those}) == 1
    text = first.problem if same else f"{places[0]}: {first.problem}"
    where = f"{first.files or first.table}{first._column}"
    return printable(f"{where} ({count}; first: {', '.join(places)}): {text}")


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
        message = problems if isinstance(problems, str) else "\n".join(grouped(problems))
        super().__init__(message)

    def __reduce__(self) -> tuple[type[InvalidDataError], tuple[Sequence[Problem] | str]]:
        # Errors cross process borders (parallel extraction); the default pickling would
        # hand the joined message back to __init__ and lose the problems.
        return type(self), (self.problems or str(self),)


class ImageError(InvalidDataError):
    """An image that cannot be read or does not fit the others of its session."""


class ModelError(QsmstatsError, ValueError):
    """A model that cannot be fitted to the data as given."""

    exit_code = 4


class FormulaError(ModelError):
    """A formula that cannot be read, or that names what the data do not hold."""

    exit_code = 3


class NoDataError(ModelError):
    """A question for which a study has no data, such as a change without follow-up sessions.

    Nothing failed: a run that leaves such a question open is complete.
    """


class NotIdentifiedError(ModelError):
    """A model whose parameters the design cannot tell apart."""
