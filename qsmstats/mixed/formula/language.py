"""The formula language of lme4, read into its fixed part and its random terms.

``response ~ fixed + (expression | group)``; the fixed part and every expression are left to
formulaic, this module only takes the random terms out of the text and expands them as lme4 does
(Bates et al. 2015, J Stat Softw 67(1), section 2.1 and table 2):

=====================  =====================================
``(x | g)``            correlated intercept and slope
``(x || g)``           ``(1 | g) + (0 + x | g)``
``(1 | g / h)``        ``(1 | g) + (1 | g:h)``
``(1 | g:h)``          the observed combinations of g and h
``offset(x)``          x is added with a coefficient of one
=====================  =====================================

A factor behind ``||`` stays one correlated block, as in lme4. ``^`` is R's power and is read as
``**`` everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from formulaic.parser.types import Factor

from qsmstats.errors import FormulaError
from qsmstats.mixed.formula.allowed import parse_terms

__all__ = ["ParsedFormula", "RandomTerm", "parse_formula"]

_OPEN, _CLOSE = "([{", ")]}"
_LONGEST, _DEEPEST = 20_000, 50
_NAME = re.compile(r"`[^`]+`|[^\W\d][\w.]*")
_OFFSET = re.compile(r"offset\((.*)\)", re.DOTALL)
_GROUP_WRAPPERS = re.compile(r"^(?:as\.factor|factor|C)\((.*)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomTerm:
    """One random term: columns that vary between the levels of one grouping.

    Attributes
    ----------
    expression
        The columns, as a formulaic formula ("1 + years").
    group
        Names of the data columns whose observed combinations are the levels.
    """

    expression: str
    group: tuple[str, ...]

    @property
    def group_label(self) -> str:
        """The grouping as a user writes it: names joined by colons."""
        return ":".join(self.group)

    @property
    def label(self) -> str:
        """The whole term, in the words of the formula."""
        return f"({self.expression} | {self.group_label})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFormula:
    """A formula taken apart.

    Attributes
    ----------
    text
        The formula as given.
    response
        Expression of the outcome.
    fixed
        The fixed part, as a formulaic formula.
    random
        The random terms after expansion of ``||`` and ``/``, in the order of the text.
    offsets
        What stands in the brackets of the summands ``offset(...)``.
    """

    text: str
    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    offsets: tuple[str, ...] = ()


def parse_formula(text: str) -> ParsedFormula:
    """Take a mixed-model formula apart.

    Parameters
    ----------
    text
        A formula in lme4's language, for example ``"y ~ a * x + (1 + x | g/h)"``.

    Raises
    ------
    FormulaError
        If the text is no formula with at least one random term.
    """
    return _parse_line(" ".join(str(text).split()))


@lru_cache(maxsize=256)
def _parse_line(text: str) -> ParsedFormula:
    if len(text) > _LONGEST:
        raise FormulaError(
            f"'{text[:80]}...' has {len(text)} characters; the limit is {_LONGEST}: shorten it"
        )
    sides = _split(_powers(text), "~")
    if len(sides) != 2 or not sides[0][1].strip() or not sides[1][1].strip():
        raise FormulaError(
            f"'{text}' is not a mixed-model formula: write it as "
            "'outcome ~ predictors + (1 | group)'"
        )
    fixed: list[str] = []
    random: list[RandomTerm] = []
    offsets: list[str] = []
    for sign, part in _additive_parts(sides[1][1]):
        if (offset := _offset(sign, part, text)) is not None:
            offsets.append(offset)
            continue
        bar = _random_part(sign, part, text)
        if bar is None:
            fixed.append(f"{sign} {part}")
        else:
            random.extend(_expand(*bar, part))
    if not random:
        raise FormulaError(
            f"'{text}' has no random term: add one, as '(1 | group)', or use ordinary regression"
        )
    fixed_text = " ".join(fixed).removeprefix("+ ") or "1"
    return ParsedFormula(
        text=text,
        response=_powers(sides[0][1]).strip(),
        fixed=fixed_text,
        random=tuple(random),
        offsets=tuple(offsets),
    )


def _offset(sign: str, part: str, text: str) -> str | None:
    """Return what stands in the brackets of a summand ``offset(...)``; None of another."""
    inner = _OFFSET.fullmatch(part)
    if inner is None or not _is_balanced(inner[1]):
        return None
    if sign == "-":
        raise FormulaError(
            f"'- {part}' in '{text}': an offset cannot be subtracted; write offset(-({inner[1]}))"
        )
    return inner[1]


def _powers(text: str) -> str:
    """R's power sign in Python's spelling, names in backticks left alone."""
    return "".join(
        piece if piece.startswith("`") else piece.replace("^", "**")
        for piece in re.split(r"(`[^`]*`)", text)
    )


def _characters(text: str) -> Iterator[tuple[int, str, int]]:
    """Index, character and bracket depth; quoted text and backticks count as one level deeper."""
    closing, quote = "", ""
    for index, char in enumerate(text):
        if quote or char in "\"'`":
            quote = "" if char == quote else quote or char
            yield index, char, len(closing) + 1
            continue
        if char in _CLOSE:
            if not closing.endswith(char):
                raise FormulaError(f"'{text}': a closing bracket has no opening bracket; remove it")
            closing = closing[:-1]
        yield index, char, len(closing)
        if char in _OPEN:
            closing += _CLOSE[_OPEN.index(char)]
        if len(closing) > _DEEPEST:
            raise FormulaError(
                f"'{text[:80]}...': brackets are nested more than {_DEEPEST} deep; simplify it"
            )
    if closing or quote:
        raise FormulaError(f"'{text}': a bracket or quote is never closed; close it")


def _split(text: str, marks: str) -> list[tuple[str, str]]:
    """Pieces of the text between top-level marks, each with the mark before it."""
    pieces, start, mark = [], 0, ""
    for index, char, depth in _characters(text):
        if depth == 0 and char in marks:
            pieces.append((mark, text[start:index]))
            start, mark = index + 1, char
    pieces.append((mark, text[start:]))
    return pieces


def _additive_parts(text: str) -> list[tuple[str, str]]:
    """Summands with their signs."""
    parts: list[tuple[str, str]] = []
    for mark, piece in _split(text, "+-"):
        if piece.strip():
            parts.append((mark or "+", piece.strip()))
        elif mark:
            raise FormulaError(f"'{text}': nothing follows '{mark}'; complete or remove it")
    return parts


def _random_part(sign: str, part: str, text: str) -> tuple[str, str, bool] | None:
    """Expression, grouping and "uncorrelated?" of a summand that is a random term, else None."""
    if _split(part, "|")[1:]:
        raise FormulaError(
            f"'{part}' in '{text}': put every random term in its own parentheses, as '(1 | g)'"
        )
    inner = part[1:-1]
    closed = part.startswith("(") and part.endswith(")") and _is_balanced(inner)
    bars = _split(inner, "|") if closed else []
    if len(bars) > 1 and sign == "-":
        raise FormulaError(
            f"'- {part}' in '{text}': a random term cannot be subtracted; leave it out"
        )
    if len(bars) == 2:
        return bars[0][1].strip(), bars[1][1].strip(), False
    if len(bars) == 3 and not bars[1][1]:
        return bars[0][1].strip(), bars[2][1].strip(), True
    if "|" in "".join(char for _, char, _ in _characters(re.sub(r"`[^`]*`|'[^']*'", "", part))):
        raise FormulaError(f"'{part}': a random term must stand by itself, as '+ (1 + x | g)'")
    return None


def _is_balanced(text: str) -> bool:
    try:
        return sum(1 for _ in _characters(text)) == len(text)
    except FormulaError:
        return False


def _expand(expression: str, group: str, uncorrelated: bool, part: str) -> list[RandomTerm]:  # noqa: FBT001
    if not expression or not group:
        raise FormulaError(f"'{part}': a random term needs columns and a group, as '(1 + x | g)'")
    expressions = [expression]
    if uncorrelated:
        # The intercept, then each term without one.
        terms = [":".join(map(_factor_text, term.factors)) for term in parse_terms(expression)[0]]
        expressions = [term if term == "1" else f"0 + {term}" for term in terms]
    nested = [_interaction(piece, part) for _, piece in _split(group, "/")]
    groups = [sum(nested[: depth + 1], ()) for depth in range(len(nested))]
    return [
        RandomTerm(expression=one, group=tuple(dict.fromkeys(names)))
        for names in groups
        for one in expressions
    ]


def _factor_text(factor: Factor) -> str:
    """Return a factor as it must be written in a formula: names that are no words in backticks."""
    text = str(factor.expr)
    lookup = factor.eval_method is factor.eval_method.LOOKUP
    return f"`{text}`" if lookup and not _NAME.fullmatch(text) else text


def _interaction(text: str, part: str) -> tuple[str, ...]:
    text = text.strip()
    while text.startswith("(") and text.endswith(")") and _is_balanced(text[1:-1]):
        text = text[1:-1].strip()
    if len(pieces := _split(text, ":")) > 1:
        return sum((_interaction(piece, part) for _, piece in pieces), ())
    if text.startswith("interaction(") and text.endswith(")"):
        arguments = _split(text[len("interaction(") : -1], ",")
        return sum((_interaction(piece, part) for _, piece in arguments), ())
    if wrapped := _GROUP_WRAPPERS.match(text):
        return _interaction(wrapped.group(1), part)
    if not _NAME.fullmatch(text):
        raise FormulaError(
            f"'{part}': '{text}' is not a grouping; use column names joined by ':' or '/'"
        )
    return (text.strip("`"),)
