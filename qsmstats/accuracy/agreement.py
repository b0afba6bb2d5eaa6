"""Agreement of raters on the class of each lesion.

Which coefficient answers which question:

- percent agreement: the plain share of agreeing pairs of ratings;
- Cohen's kappa: each pair of raters (plain; linear and quadratic weights if ordered), with the
  standard error of Fleiss, Cohen & Everitt 1969 from statsmodels;
- Fleiss' kappa, Gwet's AC1 (AC2 with weights if ordered), Krippendorff's alpha: all raters;
- per category: the same on "this category or another", and the specific agreement
  sum r(r - 1) / sum r(m - 1) (Cicchetti & Feinstein 1990).

Intervals that treat lesions as independent use t on units - 1 (normal for Cohen's kappa). With
at least 10 clusters (participants) there is the percentile cluster bootstrap, and it is the
recommended one; below, it is refused with the reason.

References
----------
Cicchetti DV, Feinstein AR (1990) J Clin Epidemiol 43:551-558.
Fleiss JL, Cohen J, Everitt BS (1969) Psychol Bull 72:323-327.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qsmstats.accuracy.coefficients import (
    MEASUREMENTS,
    agreement_coefficient,
    agreement_weights,
    alpha_from_coincidences,
    coefficient_from_sums,
    cohen_kappa,
    coincidences,
    krippendorff_alpha,
    krippendorff_std_error,
    unit_sums,
)
from qsmstats.accuracy.intervals import critical_value
from qsmstats.accuracy.proportions import (
    INDEPENDENT,
    RECOMMENDED,
    REFUSED,
    refuse_few_clusters,
)
from qsmstats.accuracy.ratings import RatedUnits, rated_units
from qsmstats.arrays import Floats, Integers
from qsmstats.errors import NotIdentifiedError, UsageError, check_option

__all__ = ["AGREEMENT_COLUMNS", "ALL_CATEGORIES", "agreement"]


ALL_CATEGORIES = "all categories"

AGREEMENT_COLUMNS = (
    "coefficient",
    "category",
    "raters",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "n_units",
    "n_raters",
    "n_clusters",
    "method",
    "role",
    "level",
    "note",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coefficient:
    """One coefficient: value, error, values in resamples, and the reason if it is undefined."""

    name: str
    category: str
    raters: str
    n_raters: int
    n_units: int
    estimate: float
    std_error: float
    df: float
    resampled: Callable[[Integers], Floats]
    undefined: str = "not estimable: the ratings hold one category only"


def _cluster_sums(parts: Floats, data: RatedUnits) -> Floats:
    sums = np.zeros((max(data.n_clusters, 1), *parts.shape[1:]))
    np.add.at(sums, data.cluster, parts)
    return sums


def _from_counts(
    data: RatedUnits, counts: Floats, name: str, kind: str, category: str, weights: Floats
) -> _Coefficient:
    estimate, error = agreement_coefficient(counts, kind=kind, weights=weights)
    sums = _cluster_sums(unit_sums(counts, weights), data)
    return _Coefficient(
        name=name,
        category=category,
        raters="all",
        n_raters=len(data.raters),
        n_units=int(np.sum(counts.sum(axis=1) >= 2)),
        estimate=estimate,
        std_error=error,
        df=int(np.sum(counts.sum(axis=1) > 0)) - 1.0,
        resampled=lambda draws: coefficient_from_sums(draws @ sums, weights, kind),
    )


def _krippendorff(
    data: RatedUnits, counts: Floats, category: str, measurement: str
) -> _Coefficient:
    sums = _cluster_sums(coincidences(counts), data)
    n_units = int(np.sum(counts.sum(axis=1) >= 2))
    return _Coefficient(
        name=f"krippendorff_alpha_{measurement}",
        category=category,
        raters="all",
        n_raters=len(data.raters),
        n_units=n_units,
        estimate=krippendorff_alpha(counts, measurement=measurement, values=data.values),
        std_error=krippendorff_std_error(counts) if measurement == "nominal" else math.nan,
        df=n_units - 1.0,
        resampled=lambda draws: alpha_from_coincidences(
            np.tensordot(draws.astype(np.float64), sums, axes=1),
            measurement=measurement,
            values=data.values,
        ),
    )


def _specific_agreement(data: RatedUnits, counts: Floats, k: int) -> _Coefficient:
    """Of the other ratings of units that one rater put into category k, the share also in k."""
    chosen, rated = counts[:, k], counts.sum(axis=1)
    sums = _cluster_sums(np.column_stack([chosen * (chosen - 1.0), chosen * (rated - 1.0)]), data)

    def ratio(parts: Floats) -> Floats:
        out = np.full(parts.shape[:-1], np.nan)
        np.divide(parts[..., 0], parts[..., 1], out=out, where=parts[..., 1] > 0)
        return out

    return _Coefficient(
        name="specific_agreement",
        category=str(data.categories[k]),
        raters="all",
        n_raters=len(data.raters),
        n_units=int(np.sum((chosen > 0) & (rated >= 2))),
        estimate=float(ratio(sums.sum(axis=0))),
        std_error=math.nan,
        df=math.nan,
        resampled=lambda draws: ratio(draws @ sums),
        undefined="not estimable: no unit with two ratings was put into this category",
    )


def _cohen_kappa(data: RatedUnits, pair: tuple[int, int], kind: str) -> _Coefficient:
    """Cohen's kappa of two raters; `kind` is "", "linear" or "quadratic"."""
    from statsmodels.stats.inter_rater import cohens_kappa

    q = len(data.categories)
    first, second = data.codes[:, pair[0]], data.codes[:, pair[1]]
    both = (first >= 0) & (second >= 0)
    tables = np.zeros((max(data.n_clusters, 1), q, q))
    np.add.at(tables, (data.cluster[both], first[both], second[both]), 1.0)
    total = tables.sum(axis=0)
    estimate = float(cohen_kappa(total, kind))
    variance = math.nan
    if not math.isnan(estimate):
        # Rounding makes a variance of 0 slightly negative, and statsmodels takes its root.
        with np.errstate(invalid="ignore"):
            variance = max(float(cohens_kappa(total, wt=kind or None).var_kappa), 0.0)
    return _Coefficient(
        name="cohen_kappa" + (f"_{kind}" if kind else ""),
        category=ALL_CATEGORIES,
        raters=f"{data.raters[pair[0]]} - {data.raters[pair[1]]}",
        n_raters=2,
        n_units=int(both.sum()),
        estimate=estimate,
        std_error=math.sqrt(variance),
        df=math.inf,
        resampled=lambda draws: cohen_kappa(
            np.tensordot(draws.astype(np.float64), tables, axes=1), kind
        ),
        undefined="not estimable: a rater used one category only"
        if both.any()
        else "not estimable: no unit was rated by both",
    )


def _coefficients(data: RatedUnits, *, ordered: bool, measurement: str) -> Iterator[_Coefficient]:
    counts, q = data.counts(), len(data.categories)
    identity = np.eye(q)
    for name, kind in (
        ("percent_agreement", "percent"),
        ("fleiss_kappa", "fleiss"),
        ("gwet_ac1", "gwet"),
        ("brennan_prediger", "brennan_prediger"),
    ):
        yield _from_counts(data, counts, name, kind, ALL_CATEGORIES, identity)
    kinds = ("linear", "quadratic") if ordered else ()
    for weights in kinds:
        matrix = agreement_weights(q, weights)
        yield _from_counts(data, counts, f"gwet_ac2_{weights}", "gwet", ALL_CATEGORIES, matrix)
    yield _krippendorff(data, counts, ALL_CATEGORIES, measurement)
    for pair in itertools.combinations(range(len(data.raters)), 2):
        for weights in ("", *kinds):
            yield _cohen_kappa(data, pair, weights)
    for k, category in enumerate(data.categories):
        split = np.column_stack([counts[:, k], counts.sum(axis=1) - counts[:, k]])
        yield _specific_agreement(data, counts, k)
        for name, kind in (("fleiss_kappa", "fleiss"), ("gwet_ac1", "gwet")):
            yield _from_counts(data, split, name, kind, str(category), np.eye(2))
        yield _krippendorff(data, split, str(category), "nominal")


def _independent(found: _Coefficient, level: float) -> dict[str, Any]:
    row = {"method": "linearised", "role": INDEPENDENT, "std_error": found.std_error}
    if math.isnan(found.estimate):
        return row | {"note": found.undefined}
    if math.isnan(found.std_error):
        return row | {"note": "no standard error is available for independent units"}
    # Variances are differences of numbers near 1; rounding errors are about 1e-8.
    if found.std_error <= 1e-7:
        note = "no variation between units: the standard error is not estimable"
        return row | {"std_error": math.nan, "note": note}
    half = critical_value(level, found.df) * found.std_error
    low, high = max(found.estimate - half, -1.0), min(found.estimate + half, 1.0)
    return row | {"conf_low": low, "conf_high": high, "note": ""}


def _bootstrap(
    found: _Coefficient, draws: Integers | None, refusal: str, level: float
) -> dict[str, Any]:
    row: dict[str, Any] = {"method": "cluster_bootstrap_percentile", "role": RECOMMENDED}
    if draws is None:
        return row | {"role": REFUSED, "note": refusal}
    if math.isnan(found.estimate):
        return row | {"role": REFUSED, "note": found.undefined}
    values = found.resampled(draws)
    lost = int(np.isnan(values).sum())
    if lost == values.size:
        return row | {"role": REFUSED, "note": "undefined in every resample"}
    low, high = np.nanquantile(values, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    note = f"undefined in {lost} of {values.size} resamples" if lost else ""
    if low == high:
        return row | {"role": REFUSED, "note": "no variation between clusters"}
    error = float(np.nanstd(values, ddof=1))
    return row | {
        "conf_low": float(low),
        "conf_high": float(high),
        "std_error": error,
        "note": note,
    }


def _checked(data: RatedUnits, rating: str, *, ordered: bool, measurement: str) -> None:
    """Refuse categories without the order or numbers asked for, and units rated once only."""
    if (ordered or measurement == "ordinal") and not data.ordered:
        raise UsageError(
            f"column '{rating}': the order of its categories {list(data.categories)} is unknown;"
            " name `categories` in their order, or use an ordered Categorical"
        )
    if measurement in ("interval", "ratio"):
        numbers = data.values
        below = measurement == "ratio" and numbers is not None and bool(np.any(numbers < 0))
        if numbers is None or below:
            kind = "numbers, none below 0" if measurement == "ratio" else "numbers"
            found = "text" if numbers is None else numbers.tolist()
            raise UsageError(
                f"measurement {measurement!r} needs {kind}; the categories are {found}"
            )
    if not np.any(data.counts().sum(axis=1) >= 2):
        raise UsageError("no unit has two ratings; agreement needs units rated at least twice")


def agreement(
    ratings: pd.DataFrame,
    *,
    unit: Sequence[str] = ("participant_id", "session_id", "lesion_id"),
    rater: str = "rater_id",
    rating: str = "lesion_type",
    cluster: str | None = "participant_id",
    categories: Sequence[Hashable] | None = None,
    ordered: bool = False,
    measurement: str = "nominal",
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Agreement of raters, over all categories, per pair of raters and per category.

    Parameters
    ----------
    ratings
        One row per rater and unit.
    unit
        Columns that together name what was rated.
    rater, rating
        Columns of the rater and of the category given; a missing or blank rating is allowed.
    cluster
        Column of the cluster that units are nested in, or None for independent units.
    categories
        All categories, in their order. If None, those of a pandas Categorical, else those
        found, sorted; numbers are sorted as numbers.
    ordered
        Add the coefficients with linear and quadratic weights, by the categories' positions.
        Categories of plain text must then be named in their order, or be an ordered Categorical.
    measurement
        Level of measurement for Krippendorff's alpha over all categories: "nominal"; "ordinal",
        which needs an order as above; "interval" or "ratio", which use the categories as numbers.
    level
        Confidence level.
    n_resamples, seed
        Cluster bootstrap (from 10 clusters on).

    Returns
    -------
    DataFrame
        coefficient, category, raters, estimate, std_error, conf_low, conf_high, n_units, n_raters,
        n_clusters, method, role, level, note; for each coefficient one row with the interval that
        treats units as independent and, with a cluster, one with the cluster bootstrap. NaN limits
        come with their reason in `note`. `n_units` counts units with at least two ratings
        (specific agreement: of those, the units put into the category at least once).

    Raises
    ------
    UsageError
        If an argument cannot be used, or plain text is used as ordered or as numbers.
    InvalidDataError
        If a rater rated a unit twice, or a rating is not one of the categories.

    Examples
    --------
    >>> ratings = pd.DataFrame({"lesion": [1, 1, 2, 2, 3, 3, 4, 4], "rater": ["A", "B"] * 4,
    ...     "type": ["iso", "iso", "iso", "hypo", "hypo", "hypo", "iso", "iso"]})
    >>> table = qs.agreement(ratings, unit=["lesion"], rater="rater", rating="type", cluster=None)
    >>> table.loc[table["coefficient"] == "cohen_kappa", "estimate"].round(3).tolist()
    [0.5]
    """
    check_option("measurement", measurement, MEASUREMENTS)
    critical_value(level)
    data = rated_units(
        ratings, unit=unit, rater=rater, rating=rating, cluster=cluster, categories=categories
    )
    _checked(data, rating, ordered=ordered, measurement=measurement)
    draws, refusal = None, ""
    try:
        refuse_few_clusters(data.n_clusters, "cluster bootstrap of agreement")
        shares = np.full(data.n_clusters, 1.0 / data.n_clusters)
        draws = np.random.default_rng(seed).multinomial(data.n_clusters, shares, n_resamples)
    except NotIdentifiedError as error:
        refusal = str(error).split(";")[0]
    records = []
    for found in _coefficients(data, ordered=ordered, measurement=measurement):
        fixed = {
            "coefficient": found.name,
            "category": found.category,
            "raters": found.raters,
            "estimate": found.estimate,
            "n_units": found.n_units,
            "n_raters": found.n_raters,
            "n_clusters": data.n_clusters if cluster is not None else pd.NA,
            "level": level,
        }
        records.append(fixed | _independent(found, level))
        if cluster is not None:
            records.append(fixed | _bootstrap(found, draws, refusal, level))
    frame = pd.DataFrame.from_records(records, columns=list(AGREEMENT_COLUMNS))
    numbers = ["estimate", "std_error", "conf_low", "conf_high", "level"]
    return frame.astype(dict.fromkeys(numbers, "float64") | {"n_clusters": "Int64"})
