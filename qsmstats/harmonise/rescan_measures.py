r"""How well two measurements of the same regions agree: what is told of one pair of scanners.

Limits of agreement and their intervals are those of `limits_of_agreement`, with s the standard
deviation of the differences:

- the within-subject standard deviation is :math:`w = s / \sqrt 2`, about the mean difference, so
  that a constant shift between two scanners is not part of it;
- the repeatability coefficient :math:`1.96 \sqrt 2\, w = 1.96\, s`, in units of the value, is what
  two measurements differ by in less than 5 % of regions, beside that shift (Bland & Altman 1999,
  Stat Methods Med Res 8:135-160);
- the within-subject coefficient of variation is that of a log-normal error, :math:`\{\exp(w_l^2) -
  1\}^{1/2}` with :math:`w_l` that of the logarithms (Bland & Altman 1996, BMJ 313:106). It has no
  meaning for a value whose zero is arbitrary, and none at or below zero.

ICC(A,1) counts a shift as disagreement and ICC(C,1) does not (McGraw & Wong 1996, Psychol Methods
1:30-46). With one region per participant, their limits are those of F (`intraclass_correlation`).
With several, z = artanh ICC is estimated without each of the k participants in turn, and the limits
are those of :math:`z \pm t_{k - 1} \{\frac{k - 1}{k} \sum (z_{-i} - \bar z)^2\}^{1/2}`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.accuracy.continuous import NOTE, intraclass_correlation
from qsmstats.arrays import Floats
from qsmstats.harmonise.limits_of_agreement import WIDTH, Estimate, limits_of_agreement

__all__ = ["measures"]

T, MOVER = "Student's t over participants", "MOVER (Zou 2013)"
JACKKNIFE, F = "jackknife over participants, t", "F (McGraw & Wong 1996)"
NOTHING: Estimate = (np.nan, np.nan, np.nan)
ALONE = "not defined: one participant says nothing of others"
LEVEL_OF_F = 0.95
FEW = 10
"""Participants below which limits from leaving one out are called rough."""
ARBITRARY = (
    "not defined: zero is arbitrary on this scale; see within_sd and repeatability_coefficient"
)
NOT_POSITIVE = (
    "not defined: {} of {} measurements are at or below zero; see within_sd and"
    " repeatability_coefficient"
)


def measures(
    pairs: pd.DataFrame, *, ratio_scale: bool, level: float
) -> Iterator[dict[str, object]]:
    """Yield measure, estimate, conf_low, conf_high, method and note of the pairs of two scanners.

    Parameters
    ----------
    pairs
        participant_id, first and second; one row per region and pair of sessions.
    ratio_scale
        Whether zero means none of what is measured.
    level
        Coverage of the intervals.
    """
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    found = limits_of_agreement(first - second, pairs["participant_id"], level=level)
    alone = pairs["participant_id"].nunique() < 2
    note = ALONE if alone else ""
    within = _scaled(found.sd, np.sqrt(0.5))
    for measure, estimate, method in (
        ("mean_difference", found.mean, T),
        ("sd_difference", found.sd, MOVER),
        ("lower_limit", found.lower, MOVER),
        ("upper_limit", found.upper, MOVER),
        ("within_sd", within, MOVER),
        ("repeatability_coefficient", _scaled(found.sd, WIDTH), MOVER),
    ):
        yield _row(measure, estimate, method, note)
    positive = np.r_[first, second] > 0
    if not ratio_scale:
        yield _row("within_cv", NOTHING, MOVER, ARBITRARY)
    elif not positive.all():
        told = NOT_POSITIVE.format((~positive).sum(), positive.size)
        yield _row("within_cv", NOTHING, MOVER, told)
    else:
        logs = limits_of_agreement(np.log(first / second), pairs["participant_id"], level=level)
        low, middle, high = np.sort(np.sqrt(np.expm1(np.square(logs.sd) / 2)))
        yield _row("within_cv", (middle, low, high), MOVER, note)
    if pairs["participant_id"].is_unique:
        yield from _independent(pairs, level)
    else:
        yield from _clustered(first, second, pairs["participant_id"], level)


def _row(measure: str, estimate: Estimate, method: str, note: str) -> dict[str, object]:
    numbers = dict(zip(("estimate", "conf_low", "conf_high"), map(float, estimate), strict=True))
    return {"measure": measure, **numbers, "method": method, "note": note}


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return (estimate[0] * factor, estimate[1] * factor, estimate[2] * factor)


def _independent(pairs: pd.DataFrame, level: float) -> Iterator[dict[str, object]]:
    """ICC of one region per participant, with the limits of F."""
    if len(pairs) < 5:
        for name in ("ICC(A,1)", "ICC(C,1)"):
            yield _row(name, NOTHING, F, f"not defined: {len(pairs)} regions, fewer than 5")
        return
    long = pairs.melt(["participant_id"], ["first", "second"], "measurement", "value")
    table = intraclass_correlation(
        long, target=["participant_id"], rater="measurement", value="value"
    )
    for row in table[table["coefficient"].isin(["ICC(A,1)", "ICC(C,1)"])].to_dict("records"):
        told = "" if row["note"] == NOTE else str(row["note"])
        limits = (row["conf_low"], row["conf_high"])
        if level != LEVEL_OF_F:
            limits, told = (np.nan, np.nan), "limits are known for a level of 0.95 only"
        yield _row(row["coefficient"], (row["estimate"], *limits), F, told)


def _clustered(
    first: Floats, second: Floats, participant: pd.Series, level: float
) -> Iterator[dict[str, object]]:
    """ICC of several regions per participant, with limits from leaving out each participant."""
    values = np.stack([first, second], axis=1)
    codes, people = pd.factorize(participant)
    k = len(people)
    estimate = _correlations(values)
    left_out = [_correlations(values[codes != place]) for place in range(k)] if k > 1 else []
    for place, name in enumerate(("ICC(A,1)", "ICC(C,1)")):
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.arctanh([one[place] for one in left_out])
            middle = np.arctanh(estimate[place])
        if k < 3 or not np.isfinite([middle, *z]).all():
            note = f"limits not defined: {k} participants, and without one of them no correlation"
            yield _row(name, (estimate[place], np.nan, np.nan), JACKKNIFE, note)
            continue
        error = np.sqrt((k - 1) ** 2 / k * z.var())
        half = stats.t.ppf((1 + level) / 2, k - 1) * error
        low, high = np.tanh([middle - half, middle + half])
        note = f"limits are rough: they rest on {k} participants" if k < FEW else ""
        yield _row(name, (estimate[place], low, high), JACKKNIFE, note)


def _correlations(values: Floats) -> tuple[float, float]:
    """ICC(A,1) and ICC(C,1) of two measurements, shape (n, 2), from their mean squares."""
    n = len(values)
    if n < 3:
        return (np.nan, np.nan)
    total, people, shift = values.mean(), values.mean(axis=1), values.mean(axis=0)
    between = 2 * np.sum((people - total) ** 2) / (n - 1)
    columns = n * np.sum((shift - total) ** 2)
    error = np.sum((values - people[:, None] - shift + total) ** 2) / (n - 1)
    top = between - error
    with np.errstate(invalid="ignore"):
        return (
            float(top / (between + error + 2 * (columns - error) / n)),
            float(top / (between + error)),
        )
