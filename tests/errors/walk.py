"""What a walk through the errors is made of: cases, a record of where they went, and the map.

The map is the package's own source, read with `ast`: every ``raise`` of one of its errors and every
``Problem(...)`` that is built. The record says which of these lines ran.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import qsmstats
from qsmstats.errors import Problem, QsmstatsError

PACKAGE = Path(qsmstats.__file__).parent
FOREIGN = {"AttributeError", "KeyError", "OSError", "RuntimeError", "ValueError"}
"""Errors of Python that the package raises itself; none of them is meant for a user.

AttributeError and KeyError keep a protocol (module attributes, a lookup by name); RuntimeError and
ValueError report faults of the project's own tables; OSError passes a system error on.
"""

Place = tuple[str, int]
"""File below the package and first line of a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to go wrong.

    Attributes
    ----------
    name
        What went wrong, in words.
    act
        Does it, in a folder of its own: raises, or returns the messages that a user reads.
    kind
        Class of the error; None where messages are returned.
    place, value, remedy
        Parts of the message: where, what was found there, what to do.
    """

    name: str
    act: Callable[[Path], Any]
    kind: type[Exception] | None
    place: str
    value: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a case: the message, the error that carried it, and the places it passed."""

    message: str
    kind: type[Exception] | None
    reached: frozenset[Place]


def outcome(case: Case, folder: Path) -> Outcome:
    """Go wrong as a case says, in a folder of its own."""
    kind: type[Exception] | None = None
    with recorded() as reached:
        try:
            said = "\n".join(map(str, case.act(folder) or ()))
        except Exception as error:
            said, kind = str(error), type(error)
            note_traceback(error, reached)
    return Outcome(message=said, kind=kind, reached=frozenset(reached))


@cache
def sites() -> dict[Place, tuple[int, str]]:
    """Return each raise and each Problem: place -> its last line and the function it stands in."""
    found: dict[Place, tuple[int, str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function, node in _statements(tree, ""):
            if _raises(node) or _builds_problem(node):
                found[file, node.lineno] = (node.end_lineno or node.lineno, function)
    return found


def _statements(node: ast.AST, function: str) -> Iterator[tuple[str, Any]]:
    for child in ast.iter_child_nodes(node):
        inner = function
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = f"{function}.{child.name}" if function else child.name
        yield inner, child
        yield from _statements(child, inner)


def _raises(node: ast.AST) -> bool:
    if not isinstance(node, ast.Raise) or node.exc is None:
        return False
    name = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return not (isinstance(name, ast.Name) and name.id in FOREIGN)


def _builds_problem(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem"


@contextmanager
def recorded() -> Iterator[set[Place]]:
    """Yield a set to which every raise and Problem that runs is added."""
    reached: set[Place] = set()
    build_error, build_problem = QsmstatsError.__new__, Problem.__init__

    def new_error(kind: type[QsmstatsError], *arguments: object, **named: object) -> QsmstatsError:
        _note(sys._getframe(1), reached)
        return Exception.__new__(kind, *arguments, **named)

    def new_problem(self: Problem, **named: Any) -> None:
        _note(sys._getframe(1), reached)
        build_problem(self, **named)

    QsmstatsError.__new__ = new_error  # type: ignore[assignment, method-assign]
    Problem.__init__ = new_problem  # type: ignore[method-assign]
    try:
        yield reached
    finally:
        QsmstatsError.__new__ = build_error  # type: ignore[method-assign]
        Problem.__init__ = build_problem  # type: ignore[method-assign]


def note_traceback(error: BaseException, reached: set[Place]) -> None:
    """Add the lines that an error passed; some are built in one place and raised in another."""
    trace = error.__traceback__
    while trace is not None:
        _note_line(trace.tb_frame.f_code.co_filename, trace.tb_lineno, reached)
        trace = trace.tb_next


def _note(frame: FrameType | None, reached: set[Place]) -> None:
    while frame is not None:
        _note_line(frame.f_code.co_filename, frame.f_lineno, reached)
        frame = frame.f_back


def _note_line(filename: str, line: int, reached: set[Place]) -> None:
    reached |= _at(filename, line)


@cache
def _at(filename: str, line: int) -> frozenset[Place]:
    """Return the statements that a line is part of; pytest's own frames come again and again."""
    path = Path(filename)
    if not path.is_relative_to(PACKAGE):
        return frozenset()
    file = path.relative_to(PACKAGE).as_posix()
    return frozenset(
        place for place, (end, _) in sites().items() if place[0] == file and place[1] <= line <= end
    )
