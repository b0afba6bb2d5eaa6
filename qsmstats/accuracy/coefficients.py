"""Chance-corrected agreement of raters: coefficients from counts per unit, and Cohen's kappa.

Unit u was put into category k by r_uk raters, r_u in all. With agreement weights w_kl (the
identity for nominal categories) let a_uk = sum_l w_kl r_ul. Observed agreement is the mean over
the units with at least two ratings of sum_k r_uk (a_uk - 1) / (r_u (r_u - 1)), and the share of
category k is pi_k = mean over units of r_uk / r_u. A coefficient is (pa - pe)/(1 - pe) with

fleiss           pe = sum w_kl pi_k pi_l          (Fleiss 1971)
gwet             pe = sum w sum pi_k (1 - pi_k) / (q (q - 1)); AC1, with weights AC2 (Gwet 2008)
brennan_prediger pe = sum w / q^2                 (Brennan & Prediger 1981)
percent          pe = 0

Standard errors are the general ones, by linearisation over units, valid whether or not there
is agreement beyond chance (Gwet 2014, chapters 5-6); the classical error of Fleiss' kappa
holds only under the hypothesis of no agreement and is used for that test alone.

Krippendorff's alpha comes from the krippendorff package; its standard error for nominal
categories is Gwet's linearisation. "ordinal" needs the order of the categories, "interval" and
"ratio" the numbers that they stand for.

Cohen's kappa of a table of two raters, po = sum w_kl p_kl and pe = sum w_kl p_k. p_.l, with the
identity, or with 1 - |k - l|/(q - 1) (linear) or 1 - (k - l)^2/(q - 1)^2 (quadratic; Fleiss &
Cohen 1973). Where one rater uses one category only, po = pe whatever the other says: kappa is
then not estimable.

References
----------
Brennan RL, Prediger DJ (1981) Educ Psychol Meas 41:687-699.
Fleiss JL (1971) Psychol Bull 76:378-382.
Fleiss JL, Cohen J (1973) Educ Psychol Meas 33:613-619.
Gwet KL (2008) Br J Math Stat Psychol 61:29-48.
Gwet KL (2014) Handbook of Inter-Rater Reliability, 4th ed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError, check_option

__all__ = [
    "COEFFICIENTS",
    "MEASUREMENTS",
    "Coefficient",
    "agreement_coefficient",
    "agreement_weights",
    "coefficient_from_sums",
    "cohen_kappa",
    "fleiss_null_test",
    "krippendorff_alpha",
    "krippendorff_std_error",
    "unit_sums",
]


Measurement = Literal["nominal", "ordinal", "interval", "ratio"]
MEASUREMENTS = ("nominal", "ordinal", "interval", "ratio")


def _fleiss(shares: Floats, weights: Floats) -> Floats:
    return np.asarray(np.einsum("...k,kl,...l->...", shares, weights, shares))


def _gwet(shares: Floats, weights: Floats) -> Floats:
    q = weights.shape[0]
    return np.asarray(weights.sum() * np.sum(shares * (1.0 - shares), axis=-1) / (q * (q - 1)))


def _brennan_prediger(shares: Floats, weights: Floats) -> Floats:
    return np.full(shares.shape[:-1], float(weights.sum()) / weights.size, dtype=np.float64)


def _percent(shares: Floats, weights: Floats) -> Floats:  # noqa: ARG001 - one of a family
    return np.zeros(shares.shape[:-1])


_CHANCE: dict[str, Callable[[Floats, Floats], Floats]] = {
    "fleiss": _fleiss,
    "gwet": _gwet,
    "brennan_prediger": _brennan_prediger,
    "percent": _percent,
}

COEFFICIENTS = tuple(_CHANCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """A coefficient with its standard error over units taken as independent.

    Attributes
    ----------
    estimate, std_error
        NaN where undefined (one category only, fewer than two units).
    n_units
        Units with at least one rating.
    """

    estimate: float
    std_error: float
    n_units: int


def _checked(counts: ArrayLike) -> Floats:
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or np.any(table < 0):
        raise UsageError(
            f"counts of shape {table.shape}; give units by (at least two) categories, none negative"
        )
    return np.asarray(table[table.sum(axis=1) > 0], dtype=np.float64)


def unit_sums(counts: Floats, weights: Floats) -> Floats:
    """Per unit the parts whose sums give every coefficient; shape (units, q + 3).

    Columns: agreement of the unit (0 with one rating), whether it has two ratings, shares of
    the q categories, whether it has a rating.
    """
    rated = counts.sum(axis=1)
    pairs = rated * (rated - 1.0)
    agreeing = np.sum(counts * (counts @ weights - 1.0), axis=1)
    agreement = np.divide(agreeing, pairs, out=np.zeros_like(pairs), where=pairs > 0)
    shares = np.divide(counts, rated[:, None], out=np.zeros_like(counts), where=rated[:, None] > 0)
    return np.column_stack([agreement, pairs > 0, shares, rated > 0])


def coefficient_from_sums(sums: Floats, weights: Floats, kind: str) -> Floats:
    """Coefficients from sums of `unit_sums` over units; any leading shape, NaN if undefined."""
    twice, units = sums[..., 1], sums[..., -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = sums[..., 0] / twice
        chance = _CHANCE[kind](sums[..., 2:-1] / units[..., None], weights)
        value = (observed - chance) / (1.0 - chance)
    return np.asarray(np.where(np.isfinite(value), value, np.nan), dtype=np.float64)


def _chance_gradient(counts: Floats, shares: Floats, weights: Floats, kind: str) -> Floats:
    """Per unit half the linearised chance agreement, whose mean is the chance agreement."""
    own = counts / counts.sum(axis=1, keepdims=True)
    if kind == "fleiss":
        return np.asarray(own @ (weights @ shares))
    if kind == "gwet":
        q = weights.shape[0]
        return np.asarray(weights.sum() * (own @ (1.0 - shares)) / (q * (q - 1)))
    return np.full(counts.shape[0], float(_CHANCE[kind](shares, weights)))


def agreement_coefficient(
    counts: ArrayLike, *, kind: str, weights: ArrayLike | None = None
) -> Coefficient:
    """Agreement coefficient with its general standard error.

    Parameters
    ----------
    counts
        Ratings per unit and category, shape (units, q). Units with a single rating inform
        the shares of the categories only.
    kind
        One of `COEFFICIENTS`.
    weights
        Symmetric agreement weights, shape (q, q); the identity if None.

    Raises
    ------
    UsageError
        If the counts or `kind` cannot be used.
    """
    check_option("kind", kind, COEFFICIENTS)
    table = _checked(counts)
    if not np.any(table.sum(axis=1) >= 2):
        raise UsageError("no unit has two ratings; give units rated at least twice")
    w = np.eye(table.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    parts = unit_sums(table, w)
    total = parts.sum(axis=0)
    estimate = float(coefficient_from_sums(total, w, kind))
    n = table.shape[0]
    if n < 2 or math.isnan(estimate):
        return Coefficient(estimate=estimate, std_error=math.nan, n_units=n)
    shares = total[2:-1] / n
    chance = float(_CHANCE[kind](shares, w))
    own = (n / total[1]) * (parts[:, 0] - chance * parts[:, 1]) / (1.0 - chance)
    drift = _chance_gradient(table, shares, w, kind) - chance
    linear = own - 2.0 * (1.0 - estimate) * drift / (1.0 - chance)
    error = math.sqrt(float(np.sum((linear - estimate) ** 2)) / (n * (n - 1)))
    return Coefficient(estimate=estimate, std_error=error, n_units=n)


def agreement_weights(size: int, kind: str) -> Floats:
    """Agreement weights of categories by position; shape (size, size).

    Parameters
    ----------
    size
        Number of categories.
    kind
        "" (identity), "linear" or "quadratic".
    """
    if not kind:
        return np.eye(size)
    power = {"linear": 1.0, "quadratic": 2.0}[kind]
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    return np.asarray(1.0 - (distance / max(size - 1, 1)) ** power, dtype=np.float64)


def cohen_kappa(tables: Floats, kind: str = "") -> Floats:
    """Cohen's kappa of square tables, NaN where a rater uses one category only.

    Parameters
    ----------
    tables
        Counts or shares, shape (..., q, q).
    kind
        Weights as in `agreement_weights`.

    Returns
    -------
    ndarray
        Shape (...).
    """
    weights = agreement_weights(tables.shape[-1], kind)
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    used = np.minimum(np.sum(rows > 0, axis=-1), np.sum(columns > 0, axis=-1))
    total = np.where(used > 1, tables.sum(axis=(-2, -1)), np.nan)
    observed = np.sum(weights * tables, axis=(-2, -1)) / total
    chance = np.einsum("...k,kl,...l->...", rows, weights, columns) / total**2
    return np.asarray((observed - chance) / (1.0 - chance), dtype=np.float64)


def fleiss_null_test(counts: ArrayLike) -> tuple[float, float]:
    """Test of no agreement beyond chance by Fleiss' kappa over its error under that hypothesis.

    Parameters
    ----------
    counts
        Shape (units, q), the same number of ratings for each unit.

    Returns
    -------
    statistic, p_value
        Standard normal under the hypothesis.

    Raises
    ------
    UsageError
        If the number of ratings differs between units.
    """
    table = _checked(counts)
    raters = table.sum(axis=1)
    if np.unique(raters).size != 1:
        raise UsageError("ratings per unit differ; give equally many for Fleiss' null error")
    m, n = float(raters[0]), table.shape[0]
    p = table.sum(axis=0) / (n * m)
    spread = float(np.sum(p * (1.0 - p)))
    skew = float(np.sum(p * (1.0 - p) * (1.0 - 2.0 * p)))
    error = math.sqrt(2.0 * (spread**2 - skew) / (n * m * (m - 1.0))) / spread
    statistic = agreement_coefficient(table, kind="fleiss").estimate / error
    return statistic, float(2.0 * stats.norm.sf(abs(statistic)))


def krippendorff_alpha(
    counts: ArrayLike, *, measurement: str, values: ArrayLike | None = None
) -> float:
    """Krippendorff's alpha from counts per unit.

    Parameters
    ----------
    counts
        Ratings per unit and category, shape (units, q).
    measurement
        "nominal", "ordinal", "interval" or "ratio"; there is no default.
    values
        Numbers that the categories stand for; needed for "interval" and "ratio".

    Raises
    ------
    UsageError
        If the measurement is unknown or lacks its numbers, or the counts cannot be used.
    """
    check_option("measurement", measurement, MEASUREMENTS)
    table = _checked(counts)
    domain = np.arange(table.shape[1], dtype=np.float64)
    if measurement in ("interval", "ratio"):
        domain = _numbers(values, measurement)
    # Units rated once belong to no pair: alone, they do not make a second category.
    table = table[table.sum(axis=1) >= 2]
    if np.count_nonzero(table.sum(axis=0)) < 2:
        return math.nan
    import krippendorff

    return float(
        krippendorff.alpha(
            value_counts=table.astype(np.int64),
            value_domain=domain,
            level_of_measurement=cast("Measurement", measurement),
        )
    )


def _numbers(values: ArrayLike | None, measurement: str) -> Floats:
    numbers = np.array([]) if values is None else np.asarray(values, dtype=np.float64)
    if not numbers.size or (measurement == "ratio" and np.any(numbers < 0)):
        kind = "numbers, none below 0" if measurement == "ratio" else "numbers"
        found = "text" if values is None else numbers.tolist()
        raise UsageError(f"measurement {measurement!r} needs {kind}; the categories are {found}")
    return numbers


def krippendorff_std_error(counts: ArrayLike) -> float:
    """Linearised standard error of Krippendorff's alpha for nominal categories.

    The unequal numbers of ratings enter with the observed agreement corrected for small
    samples, as Gwet's own programs have it; with equal numbers the correction drops out.
    """
    table = _checked(counts)
    table = table[table.sum(axis=1) >= 2]
    rated, n = table.sum(axis=1), table.shape[0]
    if n < 2 or np.count_nonzero(table.sum(axis=0)) < 2:
        return math.nan
    mean = float(rated.mean())
    agreement = np.sum(table * (table - 1.0), axis=1) / (mean * (rated - 1.0))
    observed = float(agreement.mean())
    shares = table.mean(axis=0) / mean
    chance = float(shares @ shares)
    alpha = (observed - chance) / (1.0 - chance)
    imbalance = (rated - mean) / mean
    corrected = observed + (1.0 - observed) / float(rated.sum())
    own = (agreement - corrected * imbalance - chance) / (1.0 - chance)
    drift = table @ shares / mean - chance * imbalance - chance
    linear = own - 2.0 * (1.0 - alpha) * drift / (1.0 - chance)
    return math.sqrt(float(np.sum((linear - alpha) ** 2)) / (n * (n - 1)))
