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
is agreement beyond chance (Gwet 2014, chapters 5-6).

Krippendorff's alpha comes from the krippendorff package; its standard error for nominal
categories is Gwet's linearisation. "ordinal" needs the order of the categories, "interval" and
"ratio" the numbers that they stand for. Of many resamples it is computed at once from sums over
units, with the coincidences of unit u and n_k = sum_l o_kl,

  o_kl = sum_u r_uk (r_ul - [k = l]) / (r_u - 1),    alpha = 1 - (n - 1) sum o d / sum n_k n_l d,

d_kl the squared difference of two categories: [k != l] (nominal), (v_k - v_l)^2 (interval),
((v_k - v_l) / (v_k + v_l))^2 (ratio), (n_k / 2 + n_k+1 + .. + n_l / 2)^2 (ordinal; Krippendorff
2019, section 12.3.4).

Cohen's kappa of a table of two raters, po = sum w_kl p_kl and pe = sum w_kl p_k. p_.l, with the
identity, or with 1 - |k - l|/(q - 1) (linear) or 1 - (k - l)^2/(q - 1)^2 (quadratic; Fleiss &
Cohen 1973). Where one rater uses one category only, po = pe whatever the other rates: kappa is
then not estimable.

References
----------
Brennan RL, Prediger DJ (1981) Educ Psychol Meas 41:687-699.
Fleiss JL (1971) Psychol Bull 76:378-382.
Fleiss JL, Cohen J (1973) Educ Psychol Meas 33:613-619.
Gwet KL (2008) Br J Math Stat Psychol 61:29-48.
Gwet KL (2014) Handbook of Inter-Rater Reliability, 4th ed.
Krippendorff K (2019) Content Analysis, 4th ed.
"""

from __future__ import annotations

import math
from typing import Literal, cast

import numpy as np

from qsmstats.arrays import Floats

__all__ = [
    "MEASUREMENTS",
    "agreement_coefficient",
    "agreement_weights",
    "alpha_from_coincidences",
    "coefficient_from_sums",
    "cohen_kappa",
    "coincidences",
    "krippendorff_alpha",
    "krippendorff_std_error",
    "unit_sums",
]


Measurement = Literal["nominal", "ordinal", "interval", "ratio"]
MEASUREMENTS = ("nominal", "ordinal", "interval", "ratio")


def _chance(shares: Floats, weights: Floats, kind: str) -> Floats:
    """Chance agreement pe of categories with these shares, shape (..., q)."""
    q = weights.shape[0]
    if kind == "fleiss":
        return np.asarray(np.einsum("...k,kl,...l->...", shares, weights, shares))
    if kind == "gwet":
        return np.asarray(weights.sum() * np.sum(shares * (1.0 - shares), axis=-1) / (q * (q - 1)))
    constant = 0.0 if kind == "percent" else float(weights.sum()) / weights.size
    return np.full(shares.shape[:-1], constant, dtype=np.float64)


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
        chance = _chance(sums[..., 2:-1] / units[..., None], weights, kind)
        value = (observed - chance) / (1.0 - chance)
    return np.asarray(np.where(np.isfinite(value), value, np.nan), dtype=np.float64)


def agreement_coefficient(counts: Floats, *, kind: str, weights: Floats) -> tuple[float, float]:
    """Agreement coefficient with its general standard error over units treated as independent.

    Parameters
    ----------
    counts
        Ratings per unit and category, shape (units, q). Units with a single rating inform
        the shares of the categories only.
    kind
        "percent", "fleiss", "gwet" or "brennan_prediger".
    weights
        Symmetric agreement weights, shape (q, q).

    Returns
    -------
    estimate, std_error
        NaN where undefined (one category only, fewer than two units).
    """
    table = counts[counts.sum(axis=1) > 0]
    parts = unit_sums(table, weights)
    total = parts.sum(axis=0)
    estimate = float(coefficient_from_sums(total, weights, kind))
    n = table.shape[0]
    if n < 2 or math.isnan(estimate):
        return estimate, math.nan
    shares = total[2:-1] / n
    chance = float(_chance(shares, weights, kind))
    own = (n / total[1]) * (parts[:, 0] - chance * parts[:, 1]) / (1.0 - chance)
    # Per unit half the linearised chance agreement, whose mean is the chance agreement.
    given = table / table.sum(axis=1, keepdims=True)
    if kind == "fleiss":
        by_chance = given @ (weights @ shares)
    elif kind == "gwet":
        q = weights.shape[0]
        by_chance = weights.sum() * (given @ (1.0 - shares)) / (q * (q - 1))
    else:
        by_chance = np.full(n, chance)
    linear = own - 2.0 * (1.0 - estimate) * (by_chance - chance) / (1.0 - chance)
    return estimate, math.sqrt(float(np.sum((linear - estimate) ** 2)) / (n * (n - 1)))


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


def krippendorff_alpha(counts: Floats, *, measurement: str, values: Floats | None = None) -> float:
    """Krippendorff's alpha from counts per unit; NaN if the pairs hold one category only.

    Parameters
    ----------
    counts
        Ratings per unit and category, shape (units, q).
    measurement
        One of `MEASUREMENTS`; there is no default.
    values
        Numbers that the categories stand for; needed for "interval" and "ratio".
    """
    # Units rated once belong to no pair: alone, they do not make a second category.
    table = counts[counts.sum(axis=1) >= 2]
    if np.count_nonzero(table.sum(axis=0)) < 2:
        return math.nan
    import krippendorff

    positions = np.arange(table.shape[1], dtype=np.float64)
    return float(
        krippendorff.alpha(
            value_counts=table.astype(np.int64),
            value_domain=values if measurement in ("interval", "ratio") else positions,
            level_of_measurement=cast("Measurement", measurement),
        )
    )


def coincidences(counts: Floats) -> Floats:
    """Coincidences of categories within each unit, shape (units, q, q); see the module."""
    q, rated = counts.shape[1], counts.sum(axis=1)
    pairs = counts[:, :, None] * (counts[:, None, :] - np.eye(q))
    made: Floats = pairs / np.maximum(rated - 1.0, 1.0)[:, None, None]
    return made


def alpha_from_coincidences(
    sums: Floats, *, measurement: str, values: Floats | None = None
) -> Floats:
    """Krippendorff's alpha from sums of coincidences over units, shape (..., q, q).

    Parameters
    ----------
    sums
        Sums of `coincidences`.
    measurement, values
        As in `krippendorff_alpha`.

    Returns
    -------
    ndarray
        Shape (...); NaN where the pairs hold one category only.
    """
    n = sums.sum(axis=-1)
    if measurement == "nominal":
        distance = 1.0 - np.eye(n.shape[-1])
    elif measurement == "ordinal":
        # The middle of each category's ratings, all in their order.
        middle = np.cumsum(n, axis=-1) - n / 2.0
        distance = (middle[..., :, None] - middle[..., None, :]) ** 2
    else:
        numbers = np.asarray(values, dtype=np.float64)
        distance = np.abs(numbers[:, None] - numbers)
        if measurement == "ratio":
            size = numbers[:, None] + numbers
            distance = np.divide(distance, size, out=np.zeros_like(distance), where=size != 0.0)
        distance = distance**2
    observed = (sums * distance).sum(axis=(-2, -1)) * (n.sum(axis=-1) - 1.0)
    expected = (n[..., :, None] * n[..., None, :] * distance).sum(axis=(-2, -1))
    alpha = np.full(n.shape[:-1], np.nan)
    np.divide(observed, expected, out=alpha, where=np.count_nonzero(n, axis=-1) > 1)
    return 1.0 - alpha


def krippendorff_std_error(counts: Floats) -> float:
    """Linearised standard error of Krippendorff's alpha for nominal categories.

    The unequal numbers of ratings enter with the observed agreement corrected for small
    samples, as in Gwet's own programs; with equal numbers the correction drops out.
    """
    table = counts[counts.sum(axis=1) >= 2]
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
