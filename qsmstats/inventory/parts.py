"""A part of the study.toml to be: its lines, and what to tell the user of it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from qsmstats.errors import printable

__all__ = ["Part", "comment", "counted", "listed", "quoted"]

WIDTH = 98


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Lines of study.toml about one thing.

    Attributes
    ----------
    lines
        The lines.
    found
        What was found: what it is, how much of it, where; empty where nothing was.
    guesses, todo
        What to look at, and what only the user can say, in sentences.
    """

    lines: tuple[str, ...]
    found: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()


def comment(text: str, *, indent: str = "") -> list[str]:
    """Return a text as lines of a TOML comment."""
    start = f"# {indent}"
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def quoted(value: object) -> str:
    """Return a text, number or list as TOML writes it."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 image, 2 images."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: Iterable[str], *, most: int = 5) -> str:
    """Return words in a row, the first few of many."""
    words = list(words)
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
