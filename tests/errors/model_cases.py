"""Ways to ask a mixed model for what it cannot give."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.errors import (
    FormulaError,
    InvalidDataError,
    ModelError,
    NotIdentifiedError,
    UsageError,
)
from qsmstats.mixed.criterion.crossed import _check_memory
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.fit_many import fit_many
from qsmstats.mixed.inference.multiplicity import adjust_p_values
from qsmstats.mixed.model import MixedModel
from tests.errors.walk import Case
from tests.mixed.designs import random_data

FORMULA = "y ~ f * x + (1 | g)"


@cache
def fit(formula: str = FORMULA, **options: Any) -> MixedFit:
    return MixedModel(formula).fit(random_data(3), **options)


def fits(formula: str, data: pd.DataFrame | None = None, **options: Any):
    """Return an act that fits a formula."""

    def act(_):
        return MixedModel(formula).fit(random_data(3) if data is None else data, **options)

    return act


def asks(question: str, *arguments: Any, of: str = FORMULA, **named: Any):
    """Return an act that asks a question of a fit."""
    return lambda _: getattr(fit(of), question)(*arguments, **named)


def data(**columns: Any) -> pd.DataFrame:
    return random_data(3).assign(**columns)


NEW = random_data(4)


def new_data(**columns: Any):
    """Return an act that predicts for new data."""
    return lambda _: fit().predict(NEW.assign(**columns))


def many_groups(_):
    distinct = pd.DataFrame({f"g{at}": np.arange(90) for at in range(10)})
    table = pd.concat([random_data(3), distinct], axis=1)
    return MixedModel(f"y ~ x + (1 | {':'.join(distinct)})").fit(table)


FORMULAS = [
    ("no formula", "y", "'y'", "is not a mixed-model formula", "write it as"),
    ("open random term", "y ~ x + 1 | g", "'1 | g' in", "1 | g", "in its own parentheses"),
    ("random term to subtract", "y ~ x - (1 | g)", "- (1 | g)", "subtracted", "leave it out"),
    (
        "random term as a factor",
        "y ~ x * (1 | g)",
        "x * (1 | g)",
        "(1 | g)",
        "must stand by itself",
    ),
    ("no random term", "y ~ x", "'y ~ x'", "has no random term", "add one"),
    ("bracket too many", "y ~ x) + (1 | g)", "'y ~ x) + (1 | g)'", "closing bracket", "remove it"),
    ("bracket too few", "y ~ (x + (1 | g)", "'y ~ (x + (1 | g)'", "never closed", "close it"),
    ("brackets too deep", f"y ~ {'(' * 60}x{')' * 60}", "'y ~ ((", "nested more", "simplify it"),
    ("text too long", f"y ~ {'x+' * 20_000}x + (1 | g)", "'y ~ x+x", "40015", "shorten it"),
    ("nothing to add", "y ~ x + ", "' x +'", "'+'", "complete or remove it"),
    ("half a random term", "y ~ x + (1 | )", "(1 | )", "needs columns and a group", "as '(1 + x"),
    ("group that is none", "y ~ x + (1 | g + h)", "'(1 | g + h)'", "'g + h'", "use column names"),
]
READ = [
    ("random term without column", "y ~ x + (0 | g)", "(0 | g)", "has no column", "write 1"),
    ("column that is not there", "y ~ speed + (1 | g)", "'speed'", "no column", "correct the name"),
    ("column named as the intercept", "y ~ `1` + (1 | g)", "column '1'", "intercept", "rename"),
    ("term that cannot be read", "y ~ x ** + (1 | g)", "'x **'", "`**`", "correct it"),
    ("logarithm of categories", "y ~ log(f) + (1 | g)", "`log(f)`", "evaluated", "correct it"),
    ("function that is not there", "y ~ foo(x) + (1 | g)", "'foo(x)'", "not allowed", "use column"),
    ("value of a column", "y ~ x[0] + (1 | g)", "'x[0]'", "not allowed", "use column names"),
    ("no operation", "y ~ I(x @ z) + (1 | g)", "'x @ z'", "not allowed", "use column names"),
    ("no operator", "y ~ x + . + (1 | g)", "'x + .'", "'.' in", "use + - *"),
    ("power of a term", "y ~ x ^ 999 + (1 | g)", "'x ** 999'", "'999'", "write a whole number"),
    ("many terms", "y ~ (x + z + w)^9 + (1 | g)", "'(x + z + w)**9'", "2000 terms", "leave inter"),
    ("power of a power", "y ~ I(x * 9^9^9) + (1 | g)", "'I(x", "'9 ** 9 ** 9'", "write the result"),
    ("large power", "y ~ I(x * 9^99) + (1 | g)", "'I(x * 9**99)'", "1e+15", "use a smaller"),
    (
        "text for a switch",
        'y ~ poly(x, 2, raw="n") + (1 | g)',
        "poly(x, 2",
        "is a text",
        "TRUE or FALSE",
    ),
    ("transform of nothing", "y ~ log() + (1 | g)", "'log()' in", "needs a column", "log(column)"),
    (
        "argument too many",
        "y ~ log(x, 2) + (1 | g)",
        "'log(x, 2)'",
        "unknown",
        "log takes a column",
    ),
    (
        "degree without end",
        "y ~ poly(x, 999) + (1 | g)",
        "'poly(x, 999)'",
        "'999'",
        "from 0 to 100",
    ),
    (
        "no contrasts",
        "y ~ C(f, sum) + (1 | g)",
        "'C(f, sum)'",
        "not a known contrast",
        "use contr.",
    ),
    ("no argument", "y ~ bs(x, knots=z) + (1 | g)", "'bs(x, knots=z)'", "'z' in", "use column"),
    ("nameless argument", "y ~ C(f, contr.sum(**x)) + (1 | g)", "'C(f", "'x' in", "use column"),
    ("quotation mark", "y ~ I(f == '\"') + (1 | g)", "'I(f ==", "quotation mark", "remove it"),
    ("offset", "y ~ x:offset(z) + (1 | g)", "'offset(z)'", "no term", "write '+ offset(z)'"),
]
INVALID = [
    (
        "column of data twice",
        fits("y ~ x + (1 | g)", pd.concat([NEW, NEW[["x"]]], axis=1)),
        "'x'",
        "two",
        "keep one",
    ),
    (
        "complex numbers",
        fits("y ~ x + (1 | g)", data(x=1j)),
        "'x'",
        "complex",
        "use their real part",
    ),
    (
        "dates",
        fits("y ~ x + (1 | g)", data(x=pd.Timestamp("2020-01-01"))),
        "'x'",
        "dates",
        "convert it to a number",
    ),
    (
        "infinite values",
        fits("y ~ x + (1 | g)", data(x=np.inf)),
        "'x'",
        "90 rows",
        "correct these values",
    ),
    (
        "mixed types",
        fits("y ~ f + (1 | g)", data(f=pd.Series([1, (2,)] * 45, dtype=object))),
        "'f'",
        "mixes types",
        "make it text",
    ),
    (
        "numbers that are none",
        fits("y ~ x + (1 | g)", data(x=pd.Series([1.5, 10**400] * 45, dtype=object))),
        "'x'",
        "too large",
        "correct it",
    ),
    ("no row", fits("y ~ x + (1 | g)", data(x=np.nan)), "x: 90", "the 90 rows", "fill in these"),
    (
        "logarithm of less than nothing",
        fits("y ~ log(x - 99) + (1 | g)"),
        "'log(x - 99)'",
        "90 rows",
        "change the transform",
    ),
    ("outcome in words", fits("f ~ x + (1 | g)"), "'f'", "holds categories", "name a column"),
    (
        "outcome of two columns",
        fits("poly(x, 2) ~ z + (1 | g)"),
        "'poly(x, 2)'",
        "2 columns",
        "name one",
    ),
    (
        "weights of nothing",
        fits("y ~ x + (1 | g)", data(w=0.0), weights="w"),
        "'w'",
        "90 rows",
        "drop rows",
    ),
    ("groups without number", many_groups, "g0:g1", "too many", "join them"),
    ("new level", new_data(f="z"), "'f'", "'z'", "use one of its levels"),
    (
        "new data without a column",
        lambda _: fit().predict(NEW.drop(columns="x")),
        "x",
        "new data lack",
        "add them",
    ),
    (
        "new data without a group",
        lambda _: fit().predict(NEW.drop(columns="g"), level="conditional"),
        "g",
        "new data lack",
        "add them",
    ),
    (
        "new weights of nothing",
        lambda _: fit(FORMULA, weights="w").predict(NEW.assign(w=0.0), interval="prediction"),
        "column 'w' of the new data",
        "(0)",
        "positive precision",
    ),
    ("new data with holes", new_data(x=np.nan), "x", "missing values", "fill them in"),
]
NOT_IDENTIFIED = [
    (
        "constant outcome",
        fits("y ~ x + (1 | g)", data(y=1.0)),
        "'y'",
        "is constant",
        "choose another",
    ),
    (
        "columns that repeat",
        fits("y ~ x + (x + two | g)", data(two=2 * random_data(3)["x"])),
        "two",
        "linear combinations",
        "remove them",
    ),
    (
        "more effects than rows",
        fits("y ~ C(n) + (1 | g)", data(n=range(90))),
        "'n'",
        "90 rows",
        "use fewer",
    ),
    (
        "one group",
        fits("y ~ x + (1 | one)", data(one=1)),
        "(1 | one)",
        "only one group",
        "remove the term",
    ),
    (
        "as many groups as rows",
        fits("y ~ x + (1 | n)", data(n=range(90))),
        "(1 | n)",
        "90 groups",
        "remove the term",
    ),
    (
        "groups that are fixed effects",
        fits("y ~ C(g) + (1 | g)"),
        "(1 | g)",
        "already distinguish",
        "omit the term",
    ),
    (
        "outcome without residual",
        fits("y ~ 1 + (1 | g)", data(y=random_data(3)["g"] % 4 * 1.5)),
        "outcome",
        "no residual variance is left",
        "remove a random term",
    ),
]
WRONG_USE = [
    (
        "kind of contrasts",
        lambda _: MixedModel("y ~ f + (1 | g)", {"f": "x"}),
        "'f'",
        "'x'",
        "must be",
    ),
    (
        "transform by a name of the language",
        lambda _: MixedModel("y ~ f + (1 | g)", transforms={"log": abs}),
        "transforms",
        "'log'",
        "give it as",
    ),
    ("method", fits(FORMULA, method="mle"), "method", "'mle'", "must be"),
    (
        "data that are no frame",
        lambda _: MixedModel(FORMULA).fit([1]),
        "data",
        "list",
        "must be a pandas DataFrame",
    ),
    (
        "two columns of weights",
        fits(FORMULA, weights=["w", "z"]),
        "weights",
        "'w', 'z'",
        "give at most one",
    ),
    ("level", asks("coefficients", level=95), "level", "95", "must lie between"),
    ("method of degrees of freedom", asks("coefficients", df="kr"), "df", "'kr'", "must be"),
    ("type of anova", asks("anova", type=4), "type", "4", "must be"),
    (
        "contrast of other length",
        asks("wald", [[1.0, 2.0]]),
        "contrast matrix",
        "(1, 2)",
        "give one weight",
    ),
    ("no contrast", asks("wald", {}), "contrasts", "is empty", "name a coefficient"),
    (
        "coefficient that is none",
        asks("wald", {"xx": 1.0}),
        "'xx'",
        "is not a coefficient",
        "the model has",
    ),
    ("term that is none", asks("wald", "xx"), "'xx'", "is not a coefficient", "the model has"),
    ("interval of variances", asks("variance_table", interval="x"), "interval", "'x'", "must be"),
    ("kind of residual", asks("residuals", "x"), "kind", "'x'", "must be"),
    (
        "predictor that is none",
        asks("marginal_means", "g"),
        "'g'",
        "is not a predictor",
        "its predictors are",
    ),
    ("predictor twice", asks("marginal_means", ["f", "f"]), "['f', 'f']", "twice", "name each"),
    ("slope of words", asks("slopes", "f"), "'f'", "is not numeric", "use contrasts"),
    ("weights of means", asks("marginal_means", "f", weights="x"), "weights", "'x'", "must be"),
    ("level of a predictor", asks("marginal_means", "f", at={"f": ["z"]}), "'f'", "'z'", "use"),
    ("influence of nothing", asks("influence", "q"), "by='q'", "no column 'q'", "name one of"),
    ("seed", asks("simulate", 1, seed=-1), "seed", "-1", "must be a whole number"),
    ("simulate nothing", asks("simulate", 0), "n", "0", "must be at least 1"),
    ("adjustment", asks("contrasts", "f", adjust="x"), "adjust", "'x'", "must be"),
    (
        "tukey of a reference",
        asks("contrasts", "f", method="reference", adjust="tukey"),
        "adjust",
        "'tukey'",
        "use 'mvt'",
    ),
    (
        "tukey of p values",
        lambda _: adjust_p_values([1.0, 2.0], [9.0, 9.0], method="tukey"),
        "adjust",
        "'tukey'",
        "use 'mvt'",
    ),
    (
        "mvt of p values",
        lambda _: adjust_p_values([1.0, 2.0], [9.0, 9.0], method="mvt"),
        "adjust",
        "'mvt'",
        "use 'holm'",
    ),
    (
        "dunnett of pairs",
        asks("contrasts", "f", adjust="dunnett"),
        "adjust",
        "'dunnett'",
        "use 'mvt'",
    ),
    (
        "one maximum of two sides",
        asks("contrasts", "f", side="equivalence", margin=1.0, adjust="mvt"),
        "adjust='mvt'",
        "side='equivalence'",
        "use 'bonferroni'",
    ),
    ("side", asks("contrasts", "f", side="x"), "side", "'x'", "must be"),
    ("null", asks("slopes", "x", null=float("nan")), "null", "nan", "must be a finite"),
    ("no margin", asks("slopes", "x", side="equivalence"), "side", "'equivalence'", "needs margin"),
    ("margin of no side", asks("contrasts", "f", margin=1.0), "margin", "1.0", "use 'equivalence'"),
    (
        "margin below zero",
        asks("contrasts", "f", margin=-1.0, side="equivalence"),
        "margin",
        "-1.0",
        "must be a positive number",
    ),
    (
        "side of a mean",
        asks("marginal_means", "f", side="less"),
        "margin= and side=",
        "test a mean",
        "give it as null=",
    ),
    (
        "two ways to compare",
        asks("contrasts", ["f", "x"], interaction="pairwise", method="reference"),
        "interaction=",
        "method=",
        "give one of them",
    ),
    (
        "interaction of three in two",
        asks("contrasts", ["f", "x"], interaction=["pairwise"] * 3),
        "interaction=",
        "3 methods for 2 factors",
        "give one for all",
    ),
    ("interval of rows", asks("predict", interval="x"), "interval", "'x'", "must be"),
    ("cluster", asks("cluster_robust", "f"), "cluster", "'f'", 'use "g"'),
    (
        "clusters that cross",
        asks("cluster_robust", of="y ~ f + (1 | g) + (1 | k)"),
        "cluster=None",
        "g, k",
        "need nested groupings",
    ),
    ("family", asks("contrasts", "f", family="x"), "family", "'x'", "must be"),
    (
        "contrasts of one level",
        asks("contrasts", "x", at={"x": [1.0]}),
        "method",
        "only",
        "give more",
    ),
    ("method of contrasts", asks("contrasts", "f", method="x"), "method", "'x'", "must be"),
    (
        "contrast of a level that is none",
        asks("contrasts", "f", method={"c": {"z": 1}}),
        "contrast",
        "['z']",
        "the levels compared are",
    ),
    (
        "contrast of two weights",
        asks("contrasts", "f", method={"c": [1, 2]}),
        "contrast",
        "2 weights",
        "give one for each",
    ),
    (
        "models of other rows",
        lambda _: fit().likelihood_ratio(MixedModel(FORMULA).fit(random_data(5))),
        "rows",
        "90 and 90",
        "fit both to the rows",
    ),
    (
        "model with itself",
        lambda _: fit().likelihood_ratio(fit()),
        "'y ~ f * x + (1 | g)'",
        "is not nested",
        "Compare such models by",
    ),
    (
        "one residual variance",
        asks("residual_variance_test"),
        "residual variance",
        "one",
        "fit it with weights",
    ),
]


def resampled(_):
    table = random_data(3).assign(q=np.arange(90) // 6)
    model = MixedModel("y ~ x + q + (1 | q)").fit(table)
    return model.bootstrap(2, kind="cluster", seed=1, statistic=lambda _: 1.0)


REFITTED = [
    (
        "groups drawn twice that are predictors",
        resampled,
        "column 'q'",
        "is both a grouping factor and a predictor",
        "use kind='parametric'",
    ),
    (
        "df of outcomes together",
        lambda _: fit().refit(random_data(3)[["y", "z"]]).wald(df="kr"),
        "df",
        "'kr'",
        "must be",
    ),
]
MANY = [
    (UsageError, "no outcome", {"outcomes": []}, "outcomes", "[]", "give a list"),
    (
        UsageError,
        "outcome of many twice",
        {"outcomes": ["y", "y"]},
        "outcome",
        "twice",
        "name each",
    ),
    (UsageError, "df of many", {"df": "kr"}, "df", "'kr'", "must be"),
    (UsageError, "tukey of many", {"adjust": "tukey"}, "adjust", "'tukey'", "use 'fdr_bh'"),
    (UsageError, "level of many", {"level": 95}, "level", "95", "must lie between"),
    (FormulaError, "no tilde", {"formula": "x + (1 | g)"}, "'x + (1 | g)'", "no '~'", "write '~"),
    (FormulaError, "one outcome", {"formula": "z ~ x + (1 | g)"}, "'z'", "one column", "write '~"),
    (
        FormulaError,
        "outcome not there",
        {"outcomes": ["q"]},
        "'q'",
        "no column",
        "correct the name",
    ),
    (InvalidDataError, "outcomes in words", {"outcomes": ["f"]}, "'f'", "str", "choose another"),
    (InvalidDataError, "endless outcome", {"data": data(y=np.inf)}, "'y'", "row 0", "correct it"),
    (
        InvalidDataError,
        "outcome without a logarithm",
        {"formula": "log(outcome - 99) ~ x + (1 | g)"},
        "'y'",
        "90 rows",
        "change the transform",
    ),
]


def many(**options: Any):
    named = {"formula": "~ x + (1 | g)", "data": random_data(3), "outcomes": ["y", "z"], **options}
    return lambda _: fit_many(named.pop("formula"), named.pop("data"), **named)


CASES = [
    *(
        Case(name=name, act=many(**options), kind=kind, place=p, value=v, remedy=r)
        for kind, name, options, p, v, r in MANY
    ),
    *(
        Case(
            name=name,
            act=lambda _, text=text: MixedModel(text),
            kind=FormulaError,
            place=p,
            value=v,
            remedy=r,
        )
        for name, text, p, v, r in FORMULAS
    ),
    *(
        Case(name=name, act=fits(text), kind=FormulaError, place=p, value=v, remedy=r)
        for name, text, p, v, r in READ
    ),
    *(
        Case(name=name, act=act, kind=kind, place=p, value=v, remedy=r)
        for kind, group in (
            (InvalidDataError, INVALID),
            (NotIdentifiedError, NOT_IDENTIFIED),
            (UsageError, WRONG_USE),
            (UsageError, REFITTED),
        )
        for name, act, p, v, r in group
    ),
    Case(
        name="effects that need a machine of another size",
        act=lambda _: _check_memory(10**6, 4),
        kind=ModelError,
        place="crossed grouping factors",
        value="1000000 effects",
        remedy="drop a random term",
    ),
]
