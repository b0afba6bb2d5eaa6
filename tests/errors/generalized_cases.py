"""Ways to ask a generalised mixed model for what it cannot give."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.errors import FormulaError, InvalidDataError, NotIdentifiedError, UsageError
from qsmstats.generalized.fit import GeneralizedFit
from qsmstats.generalized.model import GeneralizedMixedModel
from tests.errors.walk import Case

FORMULA = "y ~ x + (1 | g)"


@cache
def table() -> pd.DataFrame:
    random = np.random.default_rng(7)
    g = np.repeat(np.arange(12), 8)
    x = random.normal(size=96)
    eta = 0.3 + 0.5 * x + random.normal(size=12)[g]
    y = random.binomial(1, 1.0 / (1.0 + np.exp(-eta))).astype(float)
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": np.tile(np.arange(8), 12), "m": 3.0})


@cache
def fit(**options: Any) -> GeneralizedFit:
    return GeneralizedMixedModel(FORMULA, **options).fit(table())


def fits(formula: str = FORMULA, columns: dict[str, Any] | None = None, **options: Any):
    """Return an act that fits a model to the table with other columns."""

    def act(_):
        return GeneralizedMixedModel(formula, **options).fit(table().assign(**(columns or {})))

    return act


def asks(question: str, *arguments: Any, **named: Any):
    """Return an act that asks a question of a fit."""
    return lambda _: getattr(fit(), question)(*arguments, **named)


def many_effects(_):
    n = 24_000
    crossed = pd.DataFrame(
        {"y": np.arange(n) % 2, "g": np.arange(n) // 2, "h": np.arange(n) % 11_999}
    )
    return GeneralizedMixedModel("y ~ 1 + (1 | g) + (1 | h)").fit(crossed)


HOLE = np.where(np.arange(96) == 5, np.nan, 1.0)
SPLIT = np.where(np.arange(96) < 40, "a", "b")

INVALID = [
    ("outcome of other numbers", fits(columns={"y": 2.0}), "'y'", "must be 0 or 1", "trials="),
    (
        "part of a success",
        fits(columns={"y": 0.5}, trials="m"),
        "'y'",
        "0.5",
        "correct it",
    ),
    (
        "successes above the trials",
        fits(columns={"y": 4.0}, trials="m"),
        "'y'",
        "exceed the trials in 'm'",
        "correct the successes",
    ),
    ("no trials", fits(columns={"m": 0.0}, trials="m"), "'m'", "whole numbers from 1", "drop"),
    ("trials in words", fits(columns={"m": "a"}, trials="m"), "'m'", "categories", "convert"),
    (
        "count below zero",
        fits(columns={"y": -1.0}, family="poisson"),
        "'y'",
        "-1",
        "correct it",
    ),
    ("weights in words", fits(columns={"w": SPLIT}, weights="w"), "'w'", "categories", "convert"),
    (
        "missing offset",
        fits(columns={"o": HOLE}, offset="o"),
        "'o'",
        "missing in 1 rows",
        "fill in",
    ),
    (
        "missing offset in the formula",
        fits("y ~ x + offset(log(o)) + (1 | g)", {"o": HOLE}),
        "'o'",
        "missing in 1 rows",
        "fill in",
    ),
    ("offset in words", fits(columns={"o": SPLIT}, offset="o"), "'o'", "2 columns", "name one"),
]
NOT_IDENTIFIED = [
    ("outcome without variation", fits(columns={"y": 1.0}), "'y'", "the same", "choose another"),
    ("no counts", fits(columns={"y": 0.0}, family="poisson"), "'y'", "the same", "choose another"),
    (
        "separation",
        fits("y ~ x + t + (1 | g)", {"t": table()["y"] * 3.0}),
        "t predict the outcome",
        "are infinite",
        "remove these columns",
    ),
    (
        "level without variation",
        fits("y ~ t + (1 | g)", {"t": SPLIT, "y": np.where(SPLIT == "a", 1.0, table()["y"])}),
        "t[T.b]",
        "are infinite",
        "join levels",
    ),
    (
        "counts of zero in a level",
        fits(
            "y ~ t + (1 | g)",
            {"t": SPLIT, "y": np.where(SPLIT == "b", 0.0, 1.0 + table()["y"])},
            family="poisson",
        ),
        "t[T.b]",
        "counts of zero",
        "remove these columns",
    ),
    (
        "too many crossed effects",
        many_effects,
        "integration='laplace'",
        "11999",
        "use integration='nested'",
    ),
]
USED = [
    ("family that is none", fits(family="gamma"), "family", "'gamma'", "must be"),
    ("link of another family", fits(link="log"), "link", "'log'", "must be"),
    ("integration that is none", fits(integration="x"), "integration", "'x'", "must be"),
    (
        "trials of counts",
        fits(family="poisson", trials="m"),
        "trials",
        "'m'",
        "offset(log(column))",
    ),
    (
        "nested integration of crossed groups",
        fits("y ~ x + (1 | g) + (1 | h)", integration="nested"),
        "integration='nested'",
        "are crossed",
        "use integration='laplace'",
    ),
    (
        "nested integration of many columns",
        fits("y ~ 1 + (1 + x + I(x^2) + I(x^3) | g)", integration="nested"),
        "integration='nested'",
        "has 4",
        "use integration='laplace'",
    ),
    (
        "generalised data that are no frame",
        lambda _: GeneralizedMixedModel(FORMULA).fit([1]),
        "data",
        "list",
        "must be a pandas DataFrame",
    ),
    ("interval of coefficients", asks("coefficients", interval="x"), "interval", "'x'", "must be"),
    (
        "null ratio of zero",
        asks("slopes", "x", type="ratio", null=0.0),
        "null=0.0",
        "is no ratio",
        "give a number above 0",
    ),
    (
        "margin below one of a ratio",
        asks("slopes", "x", type="ratio", side="equivalence", margin=0.8),
        "margin=0.8",
        "is no factor",
        "give a number above 1",
    ),
    (
        "ratios of a probit",
        lambda _: fit(link="probit").coefficients(exponentiate=True),
        "link='probit'",
        "no ratios",
        "link='logit'",
    ),
    ("scale of means", asks("marginal_means", "x", type="x"), "type", "'x'", "must be"),
    (
        "interval of conditional predictions",
        asks("predict", level="conditional", interval=True),
        "interval",
        "True",
        "must be False",
    ),
    (
        "outcome of other rows",
        asks("refit", [1.0, 0.0]),
        "(2,)",
        "uses 96 rows",
        "give one number for each",
    ),
    (
        "outcomes of weights",
        lambda _: GeneralizedMixedModel(FORMULA, weights="m").fit(table()).simulate(1),
        "weights='m'",
        "no outcomes can be drawn",
        "repeat rows",
    ),
    ("few simulated outcomes", asks("simulated_residuals", 5), "n=5", "too few", "at least 19"),
    ("interval of refits", asks("bootstrap", 5, interval="bca"), "interval", "'bca'", "must be"),
    ("overdispersion of 0 and 1", asks("overdispersion"), "0 and 1", "cannot be", "use"),
    (
        "generalised models of other rows",
        lambda _: fit().likelihood_ratio(GeneralizedMixedModel(FORMULA).fit(table()[:90])),
        "the fits",
        "rows or outcomes",
        "fit both",
    ),
    (
        "generalised model with itself",
        lambda _: fit().likelihood_ratio(fit()),
        "'y ~ x + (1 | g)'",
        "is not nested",
        "Compare such models by",
    ),
    (
        "generalised df",
        lambda _: fit().marginal_means("x", level=95),
        "level",
        "95",
        "must lie between",
    ),
]
FORMULAS = [
    (
        "offset to subtract",
        fits("y ~ x - offset(m) + (1 | g)"),
        "'- offset(m)'",
        "cannot be subtracted",
        "write offset(-(m))",
    ),
    ("offset that is not there", fits(offset="q"), "'q'", "no column", "correct the name"),
]

CASES = [
    Case(name=name, act=act, kind=kind, place=place, value=value, remedy=remedy)
    for rows, kind in (
        (INVALID, InvalidDataError),
        (NOT_IDENTIFIED, NotIdentifiedError),
        (USED, UsageError),
        (FORMULAS, FormulaError),
    )
    for name, act, place, value, remedy in rows
]
