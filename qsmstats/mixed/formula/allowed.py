"""The language of formulas: what may stand in one, checked before any of it is evaluated.

formulaic evaluates the pieces of a formula as Python, and formulas travel with study folders. So
the language is closed: column names, numbers, arithmetic, comparisons, and calls of the
`TRANSFORMS`. `parse_terms` takes a text apart and evaluates nothing; `used_columns` walks the
syntax tree of one piece, made as formulaic makes it, and refuses whatever else it finds. Both also
bound what a short text can ask for: the terms that its products make, powers of plain numbers, and
the columns of a spline or polynomial.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from formulaic import Formula
from formulaic.errors import FormulaicError
from formulaic.parser import DefaultFormulaParser
from formulaic.parser.types import Token
from formulaic.utils.code import sanitize_variable_names

from qsmstats.errors import FormulaError

__all__ = ["CONSTANTS", "CONTRASTS", "TRANSFORMS", "parse_terms", "used_columns"]

CONTRASTS = ("treatment", "sum", "helmert", "poly", "diff", "SAS")

_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")
TRANSFORMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("abs", "exp", "log", "log2", "log10", "logit", "sqrt", "I", "center"), ()),
    "scale": ("center", "scale", "ddof"),
    "poly": ("degree", "raw"),
    "bs": (
        *("df", "knots", "degree", "include_intercept"),
        *("lower_bound", "upper_bound", "extrapolation"),
    ),
    "cr": _SPLINE,
    "cc": _SPLINE,
    "C": ("contrasts",),
}
"""Functions of the language -> what may follow their first argument, in order."""

CONSTANTS = {"TRUE": True, "FALSE": False, "pi": math.pi}

MOST_COLUMNS = 100
"""Largest degree of a polynomial, df of a spline, and power of a sum of terms."""
MOST_TERMS = 2000
"""Terms of a formula after its products and powers are written out."""
LARGEST_POWER = 1e15
"""Magnitude of a power of two plain numbers; beyond it whole numbers are no longer exact."""

_OPERATORS = {"+", "-", "*", "/", ":", "**", "in"}
_ARITHMETIC = (
    *(ast.UAdd, ast.USub, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)
# Without an intercept of its own the parser evaluates nothing; see `parse_terms`.
_PARSER = DefaultFormulaParser(
    include_intercept=False, feature_flags=DefaultFormulaParser.FeatureFlags.NONE
)


@lru_cache(maxsize=256)
def parse_terms(text: str, *, intercept: bool = True) -> tuple[Formula, tuple[str, ...]]:
    """Take a formula without a left side apart; nothing of it is evaluated.

    Parameters
    ----------
    text
        Terms in formulaic's language.
    intercept
        Whether there is an intercept unless the text says otherwise.

    Returns
    -------
    formula, pieces
        The terms, sorted by degree; the pieces of the text that formulaic would evaluate as
        Python, for `used_columns`.

    Raises
    ------
    FormulaError
        If the text cannot be read, holds an operator of another language, or makes more than
        `MOST_TERMS` terms.
    """
    with _readable(text):
        # The parser's own intercept comes to the same terms, but it evaluates the left side of a
        # formula to find its columns.
        tree = _PARSER.get_ast(f"1 + {text}" if intercept else f"1 + 0 + {text}")
        # The nodes of the tree, each after the one that it belongs to.
        nodes, left = [], [tree]
        while left:
            nodes.append(left.pop())
            left.extend(getattr(nodes[-1], "args", ()))
        made: dict[int, int] = {}
        for node in reversed(nodes):
            made[id(node)] = 1 if isinstance(node, Token) else _count(node, made, text)
            if made[id(node)] > MOST_TERMS:
                raise FormulaError(
                    f"'{_short(text)}' makes more than {MOST_TERMS} terms; leave interactions out"
                )
        formula = Formula(list(_PARSER.get_terms_from_ast(tree, context={})))
    tokens = (node for node in nodes if isinstance(node, Token))
    return formula, tuple(token.token for token in tokens if token.kind is Token.Kind.PYTHON)


@contextmanager
def _readable(text: str) -> Iterator[None]:
    try:
        yield
    except FormulaError:
        raise
    except (FormulaicError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        first = (str(error) or "it is nested too deeply").splitlines()[0]
        raise FormulaError(
            f"'{_short(text)}' cannot be read as a formula: {first}; correct it"
        ) from None


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _count(node: Any, made: Mapping[int, int], text: str) -> int:
    """Return how many terms an operator makes of its arguments, at most."""
    symbol = node.operator.symbol
    if symbol not in _OPERATORS:
        raise FormulaError(
            f"'{symbol}' in '{_short(text)}' is not an operator of formulas; use + - * / : ^ %in%"
        )
    first, last = made[id(node.args[0])], made[id(node.args[-1])]
    if symbol == "**":
        degree = str(node.args[1])
        if not (degree.isdecimal() and int(degree) <= MOST_COLUMNS):
            raise FormulaError(
                f"'{_short(degree)}' in '{_short(text)}' is not a valid power of a term: write a "
                f"whole number of at most {MOST_COLUMNS}, or I(x^2) for the square of a column"
            )
        return int(first ** int(degree))
    product = first * last if symbol in {"*", ":"} else 0
    return product if symbol == ":" else product + first + last


def used_columns(
    piece: str, text: str, columns: Collection[str], functions: Collection[str] = ()
) -> list[tuple[str, bool]]:
    """Return the columns that a piece of a formula uses, if it may stand there.

    Parameters
    ----------
    piece
        What formulaic would evaluate as Python; one of `parse_terms`.
    text
        The formula, for messages.
    columns
        Names of the data columns.
    functions
        Names of functions that the user has passed.

    Returns
    -------
    list of (str, bool)
        Name as it stands in the data, and whether it stands inside ``C()``.

    Raises
    ------
    FormulaError
        If anything in the piece is not part of the language.
    """
    aliases: dict[str, str] = {}
    with _readable(text):
        python = sanitize_variable_names(piece, dict.fromkeys(columns), aliases)
        walk = _Walk(text=text, columns=columns, functions=functions, aliases=aliases)
        walk.expression(ast.parse(python, mode="eval").body)
    return walk.found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """A walk over the syntax tree of a piece; `found` takes the columns on the way."""

    text: str
    columns: Collection[str]
    functions: Collection[str]
    aliases: Mapping[str, str]
    found: list[tuple[str, bool]] = field(default_factory=list)

    def expression(self, node: ast.AST) -> None:
        match node:
            case ast.Name():
                self.name(node)
            case ast.Constant(value=bool() | int() | float() as value) if _is_finite(value):
                pass
            case ast.UnaryOp() | ast.BinOp() | ast.Compare():
                self.operation(node)
            case ast.Call(func=ast.Name(id="offset")):
                raise FormulaError(
                    f"'{self.quoted(node)}' is no term of its own; write '+ "
                    f"{self.quoted(node)}' in the fixed part"
                )
            case ast.Call(func=ast.Name(id=name)) if name in TRANSFORMS:
                self.transform(name, node)
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                self.call(node)
            case _:
                raise self.refusal(node)

    def name(self, node: ast.Name, *, category: bool = False) -> None:
        name = self.aliases.get(node.id, node.id)
        if not self.is_constant(node):
            self.found.append((name, category))

    def is_constant(self, node: ast.AST) -> bool:
        name = node.id if isinstance(node, ast.Name) else None
        return name in CONSTANTS and name not in self.columns and name not in self.aliases

    def operation(self, node: ast.UnaryOp | ast.BinOp | ast.Compare) -> None:
        operands = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                operands.append(child)
            elif not isinstance(child, _ARITHMETIC):
                raise self.refusal(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            self.power(node)
            return
        for operand in operands:
            match operand:
                case ast.Constant(value=str()) if isinstance(node, ast.Compare):
                    self.literal(operand)
                case _:
                    self.expression(operand)

    def power(self, node: ast.BinOp) -> None:
        """Refuse powers of whole numbers, on which Python would spend hours and all memory."""
        numbers = []
        for side in (node.left, node.right):
            before = len(self.found)
            self.expression(side)
            numbers.append(self.number(side))
            if numbers[-1] is None and len(self.found) == before:
                raise self.refusal(node, "is a power of a calculation; write the result")
        base, exponent = numbers
        if base is not None and exponent is not None and not _is_small_power(base, exponent):
            raise self.refusal(node, f"exceeds {LARGEST_POWER:g}; use a smaller power")

    def number(self, node: ast.AST) -> float | None:
        """Return the value of a number that is written out."""
        match node:
            case ast.Constant(value=bool() | int() | float() as value) if _is_finite(value):
                return float(value)
            case ast.Name(id=name) if self.is_constant(node):
                return float(CONSTANTS[name])
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant() as operand):
                inner = self.number(operand)
                return -inner if inner is not None and isinstance(node.op, ast.USub) else inner
        return None

    def transform(self, name: str, node: ast.Call) -> None:
        if not node.args:
            raise self.refusal(node, f"needs a column; write {name}(column)")
        first, *rest = node.args
        if name == "C" and isinstance(first, ast.Name):
            self.name(first, category=True)
        else:
            self.expression(first)
        allowed = TRANSFORMS[name]
        if len(rest) > len(allowed) or any(one.arg not in allowed for one in node.keywords):
            takes = ", ".join(("a column", *allowed))
            raise self.refusal(node, f"has an unknown argument; {name} takes {takes}")
        given = [*zip(allowed, rest, strict=False), *((str(k.arg), k.value) for k in node.keywords)]
        for option, value in given:
            self.option(option, value)

    def option(self, option: str, value: ast.AST) -> None:
        if option == "contrasts":
            self.contrast(value)
        elif option in ("df", "degree"):
            number = value.value if isinstance(value, ast.Constant) else None
            if type(number) is not int or not 0 <= number <= MOST_COLUMNS:
                text = f"is not a valid {option}; write a whole number from 0 to {MOST_COLUMNS}"
                raise self.refusal(value, text)
        elif option not in ("constraints", "extrapolation") and isinstance(
            getattr(value, "value", None), str
        ):
            raise self.refusal(value, f"is a text, but {option} takes a number or TRUE or FALSE")
        else:
            self.literal(value)

    def contrast(self, node: ast.AST) -> None:
        match node:
            case ast.Call(func=ast.Attribute() as kind):
                self.contrast(kind)
                self.literals(node)
            case ast.Attribute(value=ast.Name(id="contr"), attr=kind) if kind in CONTRASTS:
                pass
            case _:
                known = ", ".join(f"contr.{kind}" for kind in CONTRASTS)
                raise self.refusal(node, f"is not a known contrast coding; use {known}")

    def literals(self, node: ast.Call) -> None:
        for value in (*node.args, *(self.keyword(one) for one in node.keywords)):
            self.literal(value)

    def call(self, node: ast.Call) -> None:
        """Walk through a call of the user's own function."""
        for value in (*node.args, *(self.keyword(one) for one in node.keywords)):
            if isinstance(value, ast.Constant | ast.List | ast.Tuple):
                self.literal(value)
            else:
                self.expression(value)

    def keyword(self, node: ast.keyword) -> ast.expr:
        if node.arg is None or node.arg.startswith("_"):
            raise self.refusal(node.value)
        return node.value

    def literal(self, node: ast.AST) -> None:
        """Refuse what is not a number, a text, a truth value, or a list of these."""
        match node:
            case ast.List(elts=values) | ast.Tuple(elts=values):
                for value in values:
                    self.literal(value)
            case ast.Constant(value=None):
                pass
            case ast.Constant(value=str() as text):
                # formulaic pastes the text of a call into Python code of its own.
                if not text.isprintable() or set(text) & set("\"'\\"):
                    raise self.refusal(node, "holds a quotation mark or a backslash; remove it")
            case _ if self.number(node) is None:
                raise self.refusal(node)

    def quoted(self, node: ast.AST) -> str:
        return _short(ast.unparse(node))

    def refusal(self, node: ast.AST, reason: str = "") -> FormulaError:
        names = ", ".join(sorted([*TRANSFORMS, *self.functions], key=str.lower))
        reason = reason or (
            "is not allowed in a formula; use column names, numbers, arithmetic, comparisons and "
            f"the functions {names}"
        )
        return FormulaError(f"'{self.quoted(node)}' in '{_short(self.text)}' {reason}")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _is_small_power(base: float, exponent: float) -> bool:
    try:
        made = base**exponent
    except (OverflowError, ZeroDivisionError):
        return False
    return isinstance(made, float) and abs(made) <= LARGEST_POWER
