"""Ways to ask for an adjustment for scanners that the data cannot give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qsmstats import combat, longcombat, rescan_agreement, scanner_confounding
from qsmstats.errors import FormulaError, InvalidDataError, NotIdentifiedError, UsageError
from tests.errors.walk import Case

_RNG = np.random.default_rng(1)
DATA = pd.DataFrame(_RNG.normal(size=(24, 2)), columns=["r2s", "chi"]).assign(
    id=np.repeat(np.arange(8), 3),
    scanner=np.tile(["A", "B", "A", "B"], 6),
    age=np.repeat(_RNG.normal(45, 9, 8), 3),
)


def adjusts(data: pd.DataFrame | None = None, **options: Any):
    table = DATA if data is None else data
    return lambda _: combat(table, **{"features": ["r2s", "chi"]} | options)


def applies(**columns: Any):
    return lambda _: combat(DATA, ["r2s", "chi"], preserve="age").apply(DATA.assign(**columns))


def follows(data: pd.DataFrame):
    return lambda _: longcombat(data, ["r2s", "chi"], random="(1 | id)")


def changed(column: str, rows: list[int], value: object) -> pd.DataFrame:
    table = DATA.astype({column: object}) if isinstance(value, str) else DATA.copy()
    table.loc[rows, column] = value
    return table


ONE = changed("scanner", [0, 1, 2], "C")
EMPTY = DATA.assign(chi=2.5)
HOLES = changed("chi", [row for row in range(24) if row % 4 > 1], np.nan).assign(
    scan=np.tile([0.0, 0.0, 1.0, 0.0], 6)
)
SINGLE = DATA.assign(scanner="A")
CONFOUNDED = DATA.assign(group=DATA["scanner"].map({"A": "control", "B": "patient"}))

VISITS = DATA.assign(session=np.tile([1, 2, 3], 8), years=np.tile([0.0, 0.01, 0.02], 8))


def rescans(data: pd.DataFrame = VISITS, **options: Any):
    names = {"participant": "id", "session": "session", "region": None}
    return lambda _: rescan_agreement(data, "chi", **(names | options))


CASES = [
    Case(name=name, act=act, kind=kind, place=place, value=value, remedy=remedy)
    for name, act, kind, place, value, remedy in [
        ("no list", adjusts(features="chi"), UsageError, "features", "'chi'", "a list of columns"),
        ("no such feature", adjusts(features=["chy"]), FormulaError, "'chy'", "no column", "'chi'"),
        (
            "feature of text",
            adjusts(changed("chi", [0], "x")),
            InvalidDataError,
            "'chi'",
            "object",
            "choose another",
        ),
        (
            "infinite feature",
            adjusts(changed("chi", [5], np.inf)),
            InvalidDataError,
            "'chi'",
            "row position 5",
            "mark it as missing",
        ),
        (
            "unknown scanner",
            adjusts(changed("scanner", [5], None)),
            InvalidDataError,
            "'scanner'",
            "row position 5",
            "fill it in",
        ),
        (
            "new scanner",
            applies(scanner="Z"),
            InvalidDataError,
            "'scanner'",
            "'Z'",
            "estimate anew",
        ),
        (
            "missing covariate",
            applies(age=np.nan),
            InvalidDataError,
            "'age'",
            "24 rows",
            "leave these rows out",
        ),
        ("rows by number", adjusts(fit_on=[1, 2]), UsageError, "fit_on", "24 rows", "True or"),
        ("no reference", adjusts(reference="Z"), UsageError, "reference", "'Z'", '"A" or "B"'),
        (
            "one row of a scanner",
            adjusts(changed("scanner", [5], "C")),
            InvalidDataError,
            "'C'",
            "1 value of 'r2s'",
            "scale=False",
        ),
        (
            "one participant of a scanner",
            follows(ONE),
            InvalidDataError,
            "'C'",
            "one id only",
            "leave its rows out",
        ),
        (
            "one feature",
            adjusts(features=["chi"]),
            UsageError,
            "'chi'",
            "at least two",
            "empirical_bayes=False",
        ),
        ("flat feature", adjusts(EMPTY), NotIdentifiedError, "'chi'", "not vary", "leave it out"),
        (
            "flat feature of a scanner",
            adjusts(changed("chi", [row for row in range(24) if row % 2], 1.0)),
            NotIdentifiedError,
            "'chi'",
            "scanner 'B'",
            "scale=False",
        ),
        (
            "flat feature of a mixed model",
            follows(EMPTY),
            NotIdentifiedError,
            "'chi'",
            "constant",
            "choose another",
        ),
        (
            "rows of a feature that cannot tell",
            adjusts(HOLES, preserve="scan"),
            NotIdentifiedError,
            "'chi'",
            "scan",
            "leave the feature out",
        ),
        ("one scanner", adjusts(SINGLE), UsageError, "'scanner'", "'A'", "nothing to adjust"),
        (
            "scanner in the formula",
            lambda _: scanner_confounding("~ age * scanner", DATA),
            UsageError,
            "'~ age * scanner'",
            "'scanner'",
            "leave it out",
        ),
        ("time before", rescans(within=-1), UsageError, "within", "-1", "zero or more"),
        (
            "rescan without scanner",
            rescans(VISITS.assign(scanner=VISITS["scanner"].where(VISITS.index != 4))),
            InvalidDataError,
            "scanner",
            "row position 4",
            "fill it in",
        ),
        (
            "session of two times",
            rescans(VISITS.assign(session=1)),
            InvalidDataError,
            "participant '0'",
            "3 values of time",
            "a session has one",
        ),
        (
            "region twice",
            rescans(pd.concat([VISITS, VISITS.tail(1)])),
            InvalidDataError,
            "session '3' of participant '7'",
            "several rows",
            "keep one",
        ),
        (
            "no rescans",
            rescans(within=0.001),
            NotIdentifiedError,
            "within 0.001",
            "0.01 apart",
            "larger value of within",
        ),
        (
            "rescans without a value",
            rescans(VISITS.assign(chi=VISITS["chi"].where(VISITS["years"] == 0))),
            NotIdentifiedError,
            "'chi'",
            "both sessions",
            "check the values",
        ),
        (
            "confounded",
            adjusts(CONFOUNDED, preserve="group"),
            NotIdentifiedError,
            "group[T.patient]",
            "0 % of",
            "within one scanner",
        ),
    ]
]
