"""Coverage of the study models' intervals when their assumptions hold, and when they do not.

    python benchmarks/mixed_coverage.py [--studies 50] [--patients 20] [--study baseline trajectory]
        [--scenario NAME ...] [--model NAME ...] [--df satterthwaite] [--seed 1]

A table to decide by takes --studies 400 --patients 10 20 40, and some hours.

Five lesion types of unequal frequency, 12 lesions a patient. Baseline: one row a lesion, residual
standard deviation (SD) 1, patients 0.7. Trajectory: visits at about 0, 1 and 2 years; SD of
patients 0.45 and of their slopes 0.06 a year, of lesions 0.7, residual 0.3 (those of
benchmarks/planning.py). `SCENARIOS` says what the truth is in each; `CANDIDATES` which models are
fitted, all to the same data. A block is one design (patients, types, volumes, visits) with 50
outcomes; its sums are appended to benchmarks/results/mixed_coverage.csv, and a block that is there
already is not computed again: stop, go on and add studies at will. Without more work, the table is
written anew to mixed_coverage.md beside it, followed by the tables of docs/models.md.

Columns, in per cent. What is estimated is compared with the truth, so no effect need be zero.

worst, mean
    Coverage of the unadjusted 95 % intervals: the lowest and the mean over the 10 differences
    between types (trajectory: those of slopes, and the 5 slopes). The lowest of 10 to 15 correct
    ones lies about 1.5 Monte-Carlo errors below 95.
family
    Studies in which all 10 adjusted ("mvt") intervals hold.
omnibus
    Studies in which the F test (always Satterthwaite's) rejects the true differences at 5 %.
failed, unconverged, singular
    Fits; an interval of a failed one does not hold.
mc_error
    Monte-Carlo error of one proportion near 95 %: 100 sqrt(.95 x .05 / studies).
bias
    Largest absolute bias of a contrast, in its Monte-Carlo errors.
width
    Mean width of the intervals over that of the plain model on the same data.

For what zero variances do to the optimum see benchmarks/mixed_optima.py. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import math
import time
import zlib
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.batch.result import BatchFit, blank, put
from qsmstats.mixed.inference.degrees_of_freedom import Satterthwaite
from qsmstats.mixed.inference.maximum_t import MaximumT
from qsmstats.mixed.model import MixedModel

TYPES = ("isointense", "hypointense", "hyperintense", "hypointense_rim", "paramagnetic_rim")
SHARES = (0.55, 0.10, 0.20, 0.05, 0.10)
MEANS = np.array([0.0, 0.3, -0.8, -0.5, -1.2])
SLOPES = np.array([0.16, 0.10, 0.0, 0.0, -0.10])
STRONG, MILD, EQUAL = (1.0, 0.7, 2.0, 1.5, 2.5), (1.0, 0.9, 1.3, 1.2, 1.5), (1.0,) * 5
LESIONS = 12
BLOCK = 50  # studies of one design
BASELINE = "y ~ lesion_type + age + sex + log(volume) + (1 | patient)"
TRAJECTORY = "y ~ lesion_type * years + age + sex + (1 + years | patient)"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What the truth is; SDs in the outcome's unit (trajectory: slopes per year)."""

    residual_ratios: tuple[float, ...] = EQUAL  # residual SD by type
    volume_power: float = 0.0  # residual SD times volume to this power
    type_sd: float = 0.0  # of a type's mean between patients
    type_slope_sd: float = 0.0
    lesion_slope_sd: float = 0.0
    skewed: bool = False  # exponential instead of normal, at every level
    missing: bool = False  # the last visit, more often after a low value
    rare: bool = False  # the fourth type has two lesions, both in the first patient
    visits: int = 3


SCENARIOS: dict[str, dict[str, Scenario]] = {
    "baseline": {
        "all assumptions true": Scenario(),
        "residual SD by type, strong": Scenario(residual_ratios=STRONG),
        "residual SD by type, mild": Scenario(residual_ratios=MILD),
        "type effect varies by patient": Scenario(type_sd=0.5),
        "mild SDs and varying type effect": Scenario(residual_ratios=MILD, type_sd=0.5),
        "small lesions are noisier": Scenario(volume_power=-0.3),
        "skewed": Scenario(skewed=True),
        "rare type in one patient": Scenario(rare=True),
        "rare type, strong SDs": Scenario(rare=True, residual_ratios=STRONG),
    },
    "trajectory": {
        "all assumptions true": Scenario(),
        "residual SD by type, strong": Scenario(residual_ratios=STRONG),
        "residual SD by type, mild": Scenario(residual_ratios=MILD),
        "every lesion has its own slope": Scenario(lesion_slope_sd=0.15),
        "lesion slopes, strong": Scenario(lesion_slope_sd=0.3),
        "strong SDs and lesion slopes": Scenario(residual_ratios=STRONG, lesion_slope_sd=0.15),
        "type slope varies by patient": Scenario(type_sd=0.3, type_slope_sd=0.1),
        "missing at random by the last value": Scenario(missing=True),
        "skewed": Scenario(skewed=True),
        "rare type in one patient": Scenario(rare=True),
        "two visits, strong SDs": Scenario(visits=2, residual_ratios=STRONG),
        "two visits, lesion slopes": Scenario(visits=2, lesion_slope_sd=0.15),
    },
}
BY_TYPE = "(1 | patient:lesion_type)"
SLOPE_BY_TYPE = "(1 + years | patient:lesion_type)"
ONE_SLOPE_BY_TYPE = "(0 + years | patient:lesion_type)"
LESION, LESION_SLOPE = "(1 | patient:lesion)", "(1 + years | patient:lesion)"
KEY = ["study", "scenario", "patients", "model", "df", "seed"]
# Name: random terms beside those of the formula, and the column of residual strata. In `strata_5`,
# types of fewer than 5 lesions share the residual SD of the most frequent type; in
# `strata_repeated`, those with two lesions or more in fewer than three patients.
CANDIDATES: dict[str, dict[str, tuple[str, str | None]]] = {
    "baseline": {
        "plain": ("", None),
        "SD by type": ("", "lesion_type"),
        "patient-by-type": (BY_TYPE, None),
        "SD by type, patient-by-type": (BY_TYPE, "lesion_type"),
        "SD by type of 5+ lesions, patient-by-type": (BY_TYPE, "strata_5"),
        "SD by type of 10+ lesions, patient-by-type": (BY_TYPE, "strata_10"),
        "SD by repeated type, patient-by-type": (BY_TYPE, "strata_repeated"),
    },
    "trajectory": {
        "plain": (LESION, None),
        "SD by type": (LESION, "lesion_type"),
        "patient-by-type": (f"{BY_TYPE} + {LESION}", None),
        "lesion slopes": (LESION_SLOPE, None),
        "SD by type, lesion slopes": (LESION_SLOPE, "lesion_type"),
        "SD by type, patient-by-type, lesion slopes": (
            f"{BY_TYPE} + {LESION_SLOPE}",
            "lesion_type",
        ),
        "SD by type, patient-by-type slopes": (f"{SLOPE_BY_TYPE} + {LESION}", "lesion_type"),
        "SD by type, lesion slopes, patient-by-type slope": (
            f"{ONE_SLOPE_BY_TYPE} + {LESION_SLOPE}",
            "lesion_type",
        ),
        "SD by type, lesion and patient-by-type slopes": (
            f"{SLOPE_BY_TYPE} + {LESION_SLOPE}",
            "lesion_type",
        ),
    },
}
# The studies' own models step down where one cannot be fitted (qsmstats.studies.default_models):
# the next of these takes the outcomes that are left.
STEPS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "baseline": tuple((terms, sd) for terms in (BY_TYPE, "") for sd in ("strata_5", None)),
    "trajectory": tuple(
        (terms, sd)
        for terms in (
            f"{ONE_SLOPE_BY_TYPE} + {LESION_SLOPE}",
            f"{ONE_SLOPE_BY_TYPE} + {LESION}",
            LESION_SLOPE,
            LESION,
        )
        for sd in ("strata_5", None)
    ),
}
DEFAULT = "the default"
ON_PAGE = {
    "baseline": ["plain", "SD by type", "patient-by-type", DEFAULT],
    "trajectory": ["plain", "SD by type, lesion slopes", DEFAULT],
}


def design(study: str, truth: Scenario, patients: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of a cohort; each type has three lesions or more, in two patients or more."""
    n = patients * LESIONS
    patient = np.repeat(np.arange(patients), LESIONS)
    common = [0, 1, 2, 4] if truth.rare else range(5)
    while True:
        shares = np.array(SHARES)[list(common)]
        kind = rng.choice(common, n, p=shares / shares.sum())
        if all((kind == k).sum() >= 3 and len(set(patient[kind == k])) >= 2 for k in common):
            break
    if truth.rare:
        kind[:2] = 3
    lesions = pd.DataFrame(
        {
            "patient": patient,
            "lesion": np.tile(np.arange(LESIONS), patients),
            "lesion_type": pd.Categorical(np.array(TYPES)[kind], TYPES),
            "volume": np.exp(rng.normal(4.0 + 0.8 * (kind >= 3), 1.0)),
            "age": rng.uniform(20, 65, patients)[patient],
            "sex": rng.choice(["F", "M"], patients, p=[0.65, 0.35])[patient],
        }
    )
    names, count = lesions["lesion_type"].astype(str), lesions["lesion_type"].value_counts()
    repeated = (pd.crosstab(lesions["patient"], names) >= 2).sum() >= 3
    for rule, kept in (("5", count >= 5), ("10", count >= 10), ("repeated", repeated)):
        own = names.map(kept.to_dict()).astype(bool)
        lesions[f"strata_{rule}"] = names.where(own, count.idxmax())
    if study == "baseline":
        return lesions
    rows = lesions.loc[lesions.index.repeat(truth.visits)].reset_index(drop=True)
    visit = np.tile(np.arange(truth.visits), n)
    jitter = rng.uniform(-0.1, 0.1, (patients, truth.visits))[rows["patient"], visit]
    step = 2.0 / (truth.visits - 1)
    return rows.assign(years=step * visit + jitter * (visit > 0))


def outcomes(
    study: str, truth: Scenario, frame: pd.DataFrame, m: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw m outcomes of every row, shape (rows, m)."""
    kind = frame["lesion_type"].cat.codes.to_numpy()
    patient = frame["patient"].to_numpy()
    lesion = patient * LESIONS + frame["lesion"].to_numpy()
    by_type = patient * len(TYPES) + kind

    def draw(groups: np.ndarray, sd: float) -> np.ndarray:
        shape = (groups.max() + 1, m)
        made = rng.standard_exponential(shape) - 1 if truth.skewed else rng.standard_normal(shape)
        return (sd * made)[groups]

    longitudinal = study == "trajectory"
    years = frame["years"].to_numpy()[:, None] if longitudinal else np.zeros((len(frame), 1))
    fixed = MEANS[kind] - 0.01 * frame["age"].to_numpy() + 0.2 * (frame["sex"] == "M")
    if longitudinal:
        fixed = fixed + SLOPES[kind] * years[:, 0]
    else:
        fixed = fixed + 0.2 * np.log(frame["volume"].to_numpy())
    ratio = np.array(truth.residual_ratios)[kind] * (frame["volume"] / 55) ** truth.volume_power
    values = fixed.to_numpy()[:, None] + draw(patient, 0.45 if longitudinal else 0.7)
    values = values + draw(by_type, truth.type_sd)
    values = values + (0.3 if longitudinal else 1.0) * ratio.to_numpy()[:, None] * draw(
        np.arange(len(frame)), 1.0
    )
    if longitudinal:
        slopes = draw(patient, 0.06) + draw(by_type, truth.type_slope_sd)
        values = values + draw(lesion, 0.7) + (slopes + draw(lesion, truth.lesion_slope_sd)) * years
    if truth.missing:
        # Visits follow one another; the chance to miss the last is 1/2 at the median value before.
        last, before = slice(2, None, 3), values[1::3]
        low = (np.median(before, axis=0) - before) / before.std(axis=0)
        values[last] = np.where(
            rng.random(low.shape) < 1 / (1 + np.exp(-2 * low)), np.nan, values[last]
        )
    return values


def hypotheses(study: str, names: tuple[str, ...]):
    """Rows of L, their true values, how many are differences between types (first), and labels."""
    tail = ":years" if study == "trajectory" else ""
    means, p = SLOPES if tail else MEANS, len(names)
    levels = np.zeros((5, p))
    for k in range(1, 5):
        levels[k, names.index(f"lesion_type[T.{TYPES[k]}]{tail}")] = 1.0
    pairs = list(combinations(range(5), 2))
    rows = [levels[b] - levels[a] for a, b in pairs]
    values = [means[b] - means[a] for a, b in pairs]
    if tail:
        levels[:, names.index("years")] = 1.0
        rows, values = [*rows, *levels], [*values, *means]
    labels = [f"{TYPES[b]} - {TYPES[a]}" for a, b in pairs] + list(TYPES)[: len(rows) - len(pairs)]
    return np.array(rows), np.array(values), len(pairs), labels


def family_holds(t: np.ndarray, df: np.ndarray, covariance: np.ndarray) -> bool:
    """Whether all adjusted intervals hold; the integral only where Bonferroni leaves it open."""
    p = 2 * stats.t.sf(np.abs(t), df)
    if p.min() > 0.05 or p.min() * len(p) <= 0.05:
        return bool(p.min() > 0.05)
    sd = np.sqrt(np.diag(covariance))
    tail = MaximumT(covariance / np.outer(sd, sd)).upper_tail(np.abs(t), df)
    return bool(tail.min() > 0.05)


def judge(fits: BatchFit, study: str, df: str) -> pd.DataFrame:
    """Sum over the studies of a block: one row a contrast, one each for family and omnibus test."""
    rows, truth, pairs, labels = hypotheses(study, fits.terms)
    made = fits.wald(rows, df=df, null=truth)
    local = np.linalg.solve(fits.design.layout.root.T, rows[:pairs].T).T
    first = local[:4]  # four differences from the first type say all of them
    known = np.isfinite(made.p_value).all(axis=1)
    family, omnibus = np.zeros(len(fits), bool), np.zeros(len(fits), bool)
    for i in np.flatnonzero(known):
        covariance = local @ fits.covariance[i] @ local.T
        family[i] = family_holds(made.statistic[i, :pairs], made.df[i, :pairs], covariance)
        test = object.__new__(Satterthwaite)  # the batch holds what one fit's moments would give
        test.covariance, test.uncertainty = fits.covariance[i], fits.uncertainty[i]
        test.slopes = fits.slopes[i]
        f, ddf = test.joint(first, (made.estimate - truth)[i, :4])
        omnibus[i] = stats.f.sf(f, len(first), ddf) >= 0.05
    error = (made.estimate - truth)[known]
    half = stats.t.isf(0.025, np.maximum(made.df[known], 1.0)) * made.std_error[known]
    table = pd.DataFrame(
        {
            "contrast": labels,
            "held": (made.p_value > 0.05).sum(axis=0),  # a failed fit is NaN, and does not hold
            "error": error.sum(axis=0),
            "error_squared": (error**2).sum(axis=0),
            "width": half.sum(axis=0),
        }
    )
    joint = {"contrast": ["family", "omnibus"], "held": [family.sum(), omnibus.sum()]}
    counts = {name[2:]: count for name, count in fits.counts.items() if name != "n_outcomes"}
    whole = pd.concat([table, pd.DataFrame(joint)])
    return whole.assign(studies=len(fits), n_fitted=known.sum(), **counts)


def block_of(study: str, name: str, patients: int, block: int, seed: int):
    """One design and the outcomes of a block: the same for every model."""
    truth = SCENARIOS[study][name]
    key = [seed, zlib.crc32(f"{study} {name}".encode()), patients, block, BLOCK]
    rng = np.random.default_rng(key)
    frame = design(study, truth, patients, rng)
    return frame, outcomes(study, truth, frame, BLOCK, rng)


def fitted(steps, study: str, frame: pd.DataFrame, values: np.ndarray, df: str):
    """Return sums over the outcomes, each fitted by the first model that can be, or None."""
    start, tables, left = BASELINE if study == "baseline" else TRAJECTORY, [], values
    for number, (extra, strata) in enumerate(steps):
        try:
            ready = MixedModel(f"{start} + {extra}" if extra else start).design(
                frame.assign(y=0.0), weights=strata
            )
            fits = ready.fit_outcomes(left)
        except NotIdentifiedError:
            continue
        again = fits.failed | ~fits.converged
        if again.any() and number + 1 < len(steps):
            tables += [judge(part(fits, ~again), study, df)] if not again.all() else []
            left = left[:, again]
            continue
        tables.append(judge(fits, study, df))
        break
    return pd.concat(tables).groupby("contrast", sort=False).sum().reset_index() if tables else None


def part(fits: BatchFit, which: np.ndarray) -> BatchFit:
    """Return some of the outcomes."""
    return put(blank(fits.design, int(which.sum())), np.arange(which.sum()), fits, which)


def run_block(study: str, name: str, patients: int, block: int, given, models: list[str]) -> None:
    """Fit the models to one block and append their sums to the file."""
    frame, values = block_of(study, name, patients, block, given.seed)
    for model in models:
        begin = time.process_time()
        steps = STEPS[study] if model == DEFAULT else (CANDIDATES[study][model],)
        table = fitted(steps, study, frame, values, given.df)
        if table is None:  # two visits do not tell slopes from residuals
            print(f"{name}, {model}: not identified")
            continue
        place = dict(zip(KEY, (study, name, patients, model, given.df, given.seed), strict=True))
        table = table.assign(**place, block=block, cpu_seconds=time.process_time() - begin)
        table.to_csv(given.out, mode="a", header=not given.out.exists(), index=False)
    if models:
        print(
            f"{patients} patients, {study}, {name}, block {block}: {len(models)} models", flush=True
        )


def summary(blocks: pd.DataFrame) -> pd.DataFrame:
    """One row for each model, scenario and size, in per cent; see the module's docstring."""
    sums = blocks.groupby([*KEY, "contrast"], sort=False).sum(numeric_only=True).reset_index()
    made = []
    for place, table in sums.groupby(KEY, sort=False):
        joint = table.set_index("contrast")
        n, fitted = int(table["studies"].iloc[0]), table["n_fitted"].iloc[0]
        pair = table[~table["contrast"].isin(["family", "omnibus"])]
        mean = pair["error"] / fitted
        sd = np.sqrt(pair["error_squared"] / fitted - mean**2)
        row = {
            "worst": pair["held"].min() / n,
            "mean": pair["held"].mean() / n,
            "family": joint.loc["family", "held"] / n,
            "omnibus": 1 - joint.loc["omnibus", "held"] / n,
            **{
                name: joint.loc["family", name] / n
                for name in ("failed", "unconverged", "singular")
            },
            "mc_error": math.sqrt(0.95 * 0.05 / n),
        }
        row = {name: 100 * value for name, value in row.items()}
        row |= {"bias": (mean / (sd / math.sqrt(fitted))).abs().max(), "studies": n}
        made.append(dict(zip(KEY, place, strict=True)) | row)
    return pd.DataFrame(made).merge(relative_widths(blocks), on=KEY)


def relative_widths(blocks: pd.DataFrame) -> pd.DataFrame:
    """Mean width of the intervals of each model over the first model's in the same blocks."""
    place = [*(k for k in KEY if k != "model"), "block", "contrast"]
    pair = blocks.dropna(subset="width")
    first = pair[pair["model"] == "plain"].set_index(place)["width"].rename("plain")
    both = pair.join(first, on=place).groupby(KEY)[["width", "plain"]].sum()
    return (both["width"] / both["plain"]).rename("width").reset_index()


def page(table: pd.DataFrame) -> str:
    """Tables of docs/models.md, a row for each scenario and size: worst / family / omnibus (n)."""
    made = []
    asked = table["df"] == "satterthwaite"
    for study, models in ON_PAGE.items():
        part = table[asked & (table["study"] == study) & table["model"].isin(models)]
        cells = part[["worst", "family", "omnibus", "studies"]].round().astype(int).astype("str")
        text = cells["worst"] + " / " + cells["family"] + " / " + cells["omnibus"]
        wide = part.assign(cell=text + " (" + cells["studies"] + ")").pivot_table(
            index=["scenario", "patients"], columns="model", values="cell", aggfunc="first"
        )
        order = [(name, n) for name in SCENARIOS[study] for n in sorted(set(part["patients"]))]
        wide = wide.reindex(order, columns=models).dropna(how="all").fillna("")
        made.append(f"{study}\n\n{wide.reset_index().to_markdown(index=False)}")
    return "\n\n".join(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--patients", type=int, nargs="*", default=(20,))
    parser.add_argument("--study", nargs="*", default=tuple(SCENARIOS))
    parser.add_argument("--scenario", nargs="*", help="all if not given")
    parser.add_argument("--model", nargs="*", help="all if not given")
    parser.add_argument("--df", choices=("satterthwaite", "kenward-roger"), default="satterthwaite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/mixed_coverage.csv"))
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    done: set[tuple] = set()
    if given.out.exists():
        known = pd.read_csv(given.out)
        done = set(known[[*KEY, "block"]].itertuples(index=False, name=None))
    blocks = range(-(-given.studies // BLOCK))
    for block, patients, study in product(blocks, given.patients, given.study):
        for name in given.scenario or SCENARIOS[study]:
            place = (study, name, patients)
            models = given.model or [*CANDIDATES[study], DEFAULT]
            wanted = [m for m in models if (*place, m, given.df, given.seed, block) not in done]
            run_block(*place, block, given, wanted)
    table = summary(pd.read_csv(given.out))
    text = f"{table.round(1).to_markdown(index=False)}\n\n{page(table)}\n"
    given.out.with_suffix(".md").write_text(text)
    print(table.round(1).to_string(index=False))


if __name__ == "__main__":
    main()
