import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.errors import FormulaError
from qsmstats.mixed.formula.language import parse_formula


def _random(formula: str) -> list[tuple[str, str]]:
    return [(term.expression, term.group_label) for term in parse_formula(formula).random]


@pytest.mark.parametrize(
    ("formula", "fixed", "random"),
    [
        ("y ~ x + (1 + x | g)", "x", [("1 + x", "g")]),
        ("y ~ x + (x || g)", "x", [("1", "g"), ("0 + x", "g")]),
        ("y ~ (0 + x || g)", "1", [("0 + x", "g")]),
        ("y ~ (a * b || g)", "1", [("1", "g"), ("0 + a", "g"), ("0 + b", "g"), ("0 + a:b", "g")]),
        ("y ~ a + (1 | g/h)", "a", [("1", "g"), ("1", "g:h")]),
        ("y ~ a + (1 | g/h/i)", "a", [("1", "g"), ("1", "g:h"), ("1", "g:h:i")]),
        ("y ~ 0 + a - b + (1 | g:h)", "0 + a - b", [("1", "g:h")]),
        ("y ~ -1 + a + (1 | (g:h))", "- 1 + a", [("1", "g:h")]),
        ("y ~ I(x^2) + (I(x^2) | factor(g))", "I(x**2)", [("I(x**2)", "g")]),
        ("y ~ (x + z)^2 + (1 | interaction(g, h))", "(x + z)**2", [("1", "g:h")]),
        ("y ~ (x | g) + z + (1 | h)", "z", [("x", "g"), ("1", "h")]),
    ],
)
def test_random_terms_are_taken_out_and_expanded(formula, fixed, random):
    assert parse_formula(formula).fixed == fixed
    assert _random(formula) == random


def test_backticks_protect_every_mark_of_the_language():
    parsed = parse_formula("`my y~` ~ `a|b` + `c+d` + `e^f` + (`x y` || `g/h`)")
    assert parsed.response == "`my y~`"
    assert parsed.fixed == "`a|b` + `c+d` + `e^f`"
    assert [(t.expression, t.group) for t in parsed.random] == [
        ("1", ("g/h",)),
        ("0 + `x y`", ("g/h",)),
    ]


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y", "write it as 'outcome ~ predictors"),
        ("~ x + (1 | g)", "write it as 'outcome ~ predictors"),
        ("y ~ x", "has no random term"),
        ("y ~ x + 1 | g", "its own parentheses"),
        ("y ~ (1 | g) * x", "must stand by itself"),
        ("y ~ x - (1 | g)", "cannot be subtracted"),
        ("y ~ (1 | g + h)", "'g + h' is not a grouping"),
        ("y ~ (x | )", "needs columns and a group"),
        ("y ~ (1 | g", "never closed"),
        ("y ~ 1) | g", "has no opening bracket"),
        ("y ~ (x] + (1 | g)", "has no opening bracket"),
        ("y ~ x + + (1 | g)", "nothing follows '+'"),
    ],
)
def test_what_is_no_formula_is_refused_with_the_remedy(formula, message):
    with pytest.raises(FormulaError, match=re.escape(message)):
        parse_formula(formula)


_names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(
    fixed=st.lists(_names, min_size=1, max_size=4, unique=True),
    random=st.lists(st.tuples(_names, _names), min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_random_terms_may_stand_anywhere(fixed, random, order):
    parts = [*fixed, *(f"(1 + {x} | {g})" for x, g in random)]
    order.shuffle(parts)
    parsed = parse_formula("y ~ " + " + ".join(parts))
    assert sorted(parsed.fixed.split(" + ")) == sorted(fixed)
    assert [term.label for term in parsed.random] == [part for part in parts if "|" in part]
