"""Scanner as a term of the model, or features adjusted first: bias, coverage, type I error.

    OMP_NUM_THREADS=1 python benchmarks/scanners.py [--scanners 2 4 8] [--designs 40]

40 controls and 40 patients, two visits each, on 2, 4 or 8 scanners. Balanced: each visit on any
scanner by equal chance. Unbalanced: scanner k is 0.6 times as frequent as scanner k - 1 for
controls and first visits, and in the reverse order for three in four second visits of patients, so
that the difference in change is partly confounded with scanners. Each feature has shifts of the
scanners (standard deviation 0.5), residual variances that differ between scanners (inverse gamma,
mean 1, standard deviation 0.4), a participant's level (standard deviation 1), a residual (0.7) and
an effect of age. In half of the features there is no difference between groups and in their change;
in the others there are 0.5 and 0.4.

Every answer is from ``feature ~ age + group * years + (1 | id)`` by REML with Satterthwaite's
degrees of freedom:

  ignored      without the scanner
  fixed        + scanner
  random       + (1 | scanner)
  variances    fixed, and a residual variance for each scanner (weights="scanner")
  ComBat       without the scanner, features adjusted by `combat`, covariates preserved
  longCombat   the same by `longcombat`

Bias is that of the estimate over all features, coverage that of 95 % intervals where there is an
effect, type I error the share of p < 0.05 where there is none, in per cent, each with its
Monte-Carlo standard error over designs; `sd` is the standard deviation of the estimates and `ratio`
the mean standard error over it. Scanners are drawn anew in each design, effects in each feature.
Seeded; one process. `random` has no independent groups, is fitted one by one and takes most of the
time.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from itertools import product

import numpy as np
import pandas as pd

from qsmstats import combat, fit_many, longcombat

FORMULA = "~ age + group * years + (1 | id)"
PRESERVE = "age + group * years"
TRUTH = {"group": 0.5, "group:years": 0.4}
PEOPLE = 80


def visits(rng: np.random.Generator, count: int, balance: str) -> pd.DataFrame:
    """Draw who is measured when on which scanner; each scanner measures four visits at least."""
    person = np.repeat(np.arange(PEOPLE), 2)
    group, years = (person >= PEOPLE // 2).astype(float), np.tile([0.0, 1.0], PEOPLE)
    common = np.full(count, 1.0) if balance == "balanced" else 0.6 ** np.arange(count)
    late = (group * years == 1.0) & (rng.random(len(person)) < 0.75)
    while True:
        shares = [common[::-1] if turned else common for turned in late]
        scanner = np.array([rng.choice(count, p=share / share.sum()) for share in shares])
        if np.bincount(scanner, minlength=count).min() >= 4:
            break
    age = rng.normal(45, 10, PEOPLE)[person]
    columns = {"id": person, "group": group, "years": years, "age": age, "scanner": scanner}
    return pd.DataFrame(columns).assign(scanner=lambda d: "s" + d["scanner"].astype(str))


def outcomes(rng: np.random.Generator, design: pd.DataFrame, features: int) -> np.ndarray:
    """Features with the scanners' effects; there is a difference in every second."""
    code = pd.factorize(design["scanner"], sort=True)[0]
    count = code.max() + 1
    effect = np.arange(features) % 2
    values = rng.normal(0, 1, (PEOPLE, features))[design["id"]]
    values += 0.02 * design["age"].to_numpy()[:, None]
    values += np.outer(design["group"], TRUTH["group"] * effect)
    values += np.outer(design["group"] * design["years"], TRUTH["group:years"] * effect)
    values += rng.normal(0, 0.5, (count, features))[code]
    shape = 2 + 1 / 0.4**2
    variance = (shape - 1) / rng.gamma(shape, 1, (count, features))
    return values + 0.7 * np.sqrt(variance[code]) * rng.normal(size=values.shape)


def answers(data: pd.DataFrame, sets: list[list[str]]) -> pd.DataFrame:
    names = [name for one in sets for name in one]
    tables = {"combat": data.copy(), "longcombat": data.copy()}
    for one in sets:
        tables["combat"][one] = combat(data, one, preserve=PRESERVE).table[one]
        made = longcombat(data, one, preserve=PRESERVE, random="(1 | id)")
        tables["longcombat"][one] = made.table[one]
    asked = {
        "ignored": (FORMULA, data, None),
        "fixed": (f"{FORMULA} + scanner", data, None),
        "random": (f"{FORMULA} + (1 | scanner)", data, None),
        "variances": (f"{FORMULA} + scanner", data, "scanner"),
        "ComBat": (FORMULA, tables["combat"], None),
        "longCombat": (FORMULA, tables["longcombat"], None),
    }
    found = []
    for method, (formula, table, weights) in asked.items():
        begin = time.process_time()
        rows = fit_many(formula, table, names, weights=weights).coefficients
        found.append(rows[rows["term"].isin(TRUTH)].assign(method=method))
        seconds[method] = seconds.get(method, 0.0) + time.process_time() - begin
    return pd.concat(found)


seconds: dict[str, float] = {}


def summary(found: pd.DataFrame) -> pd.DataFrame:
    found = found.assign(truth=found["term"].map(TRUTH) * (found["place"] % 2))
    found["bias"] = found["estimate"] - found["truth"]
    inside = found["conf_low"].le(found["truth"]) & found["conf_high"].ge(found["truth"])
    found["coverage"] = (100.0 * inside).where(found["truth"] != 0)
    found["type_1"] = (100.0 * (found["p_value"] < 0.05)).where(found["truth"] == 0)
    rows = []
    for (method, term), part in found.groupby(["method", "term"], sort=False):
        row = {"method": method, "term": term, "n": len(part)}
        for name in ("bias", "coverage", "type_1"):
            of_designs = part.groupby("draw")[name].mean()
            row |= {
                name: part[name].mean(),
                f"{name}_mcse": of_designs.std() / len(of_designs) ** 0.5,
            }
        sd = part["bias"].std()
        rows.append(row | {"sd": sd, "ratio": part["std_error"].mean() / sd})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scanners", nargs="+", type=int, default=[2, 4, 8])
    parser.add_argument("--designs", type=int, default=40)
    parser.add_argument("--sets", type=int, default=2)
    parser.add_argument("--features", type=int, default=25)
    parser.add_argument("--seed", type=int, default=20261127)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    tables = []
    cells = product(options.scanners, ("balanced", "unbalanced"))
    for count, balance in cells:
        rng = np.random.default_rng([options.seed, count, balance == "balanced"])
        found = []
        for draw in range(options.designs):
            design = visits(rng, count, balance)
            total = options.sets * options.features
            values = outcomes(rng, design, total)
            names = [f"f{place}" for place in range(total)]
            data = pd.concat([design, pd.DataFrame(values, columns=names)], axis=1)
            step = options.features
            sets = [names[at : at + step] for at in range(0, total, step)]
            made = answers(data, sets)
            found.append(made.assign(place=made["outcome"].str[1:].astype(int), draw=draw))
        table = summary(pd.concat(found)).assign(scanners=count, design=balance)
        tables.append(table)
        print(f"\n{count} scanners, {balance}")
        print(
            table.drop(columns=["scanners", "design"]).round(3).to_string(index=False), flush=True
        )
    print("\nCPU seconds:", {name: round(value) for name, value in seconds.items()})
    pd.concat(tables).to_csv(sys.stdout, sep="\t", index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
