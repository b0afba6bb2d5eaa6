r"""Rates of change per 100 lesion-years, with intervals that know which lesions share a patient.

Of the intervals at risk of one kind of change, patient :math:`i` has :math:`d_i` changes in
:math:`T_i` lesion-years (the sum of the lengths of the intervals of each lesion). The Poisson model
:math:`\log E(d_i) = \log\lambda + \log T_i` has

.. math:: \hat\lambda = \frac{\sum_i d_i}{\sum_i T_i}, \qquad
   \widehat{\mathrm{var}}(\log\hat\lambda) =
   \frac{G}{G - 1} \frac{\sum_i (d_i - \hat\lambda T_i)^2}{(\sum_i d_i)^2}

the cluster-robust variance of Liang & Zeger (1986, Biometrika 73:13-22) with the factor of
statsmodels and Stata for :math:`G` patients; it is that of a Poisson GLM of statsmodels with the
patients as clusters, in closed form. Limits are :math:`\hat\lambda \exp(\pm t_{G-1} s)`. Of few
patients the robust variance is too small as often as too large, and where every patient has the
same rate it is zero; :math:`s^2` is therefore never below the variance :math:`1 / \sum_i d_i` of
independent changes.

Without a change there is no variance. The upper limit is then that of a patient whose lesions would
all change together, so that only patients count: :math:`-\log(\alpha) / \sum_i t_i` with
:math:`t_i` the years the patient is observed, 3.0 per patient-years at 95 % (rule of three; Hanley
& Lippman-Hand 1983, JAMA 249:1743-1745). With fewer than `LEAST` patients at risk there is no
interval.

A visit shows what has changed since the last one: a lesion that changes and changes back is not
seen, so that rates are of net changes and depend a little on how far visits are apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.studies.transitions.lesion_intervals import NEW, VANISHED

__all__ = ["ANY", "NO_RIM", "OTHER", "Change", "at_risk", "changes", "rate_row"]

ANY, OTHER, NO_RIM = "any_type", "other_type", "no_rim"
LEAST, FEW = 5, 10
PER_LESION, PER_PATIENT = "per 100 lesion-years", "per patient-year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One kind of change: from any type of one set to any state of another.

    Attributes
    ----------
    source, target
        Names of both sets.
    sources, targets
        Lesion types (or "new"), and lesion types (or "vanished").
    """

    source: str
    target: str
    sources: frozenset[str]
    targets: frozenset[str]

    def happened(self, intervals: pd.DataFrame) -> pd.Series:
        """Return whether each interval shows this change; no type changes to itself."""
        there = intervals["to_type"].isin(self.targets)
        return there & (intervals["from_type"] != intervals["to_type"])


def changes(types: Collection[str], rims: Collection[str]) -> Iterator[Change]:
    """Yield the changes that rates are asked of, those of all types together first.

    Parameters
    ----------
    types, rims
        The lesion types in their order, and those with a rim.
    """
    every, gone = frozenset(types), frozenset({VANISHED})
    smooth = every - frozenset(rims)
    yield Change(source=ANY, target=OTHER, sources=every, targets=every)
    yield Change(source=ANY, target=VANISHED, sources=every, targets=gone)
    yield Change(source=NEW, target=ANY, sources=frozenset({NEW}), targets=every)
    for rim in rims:
        own = frozenset({rim})
        yield Change(source=rim, target=NO_RIM, sources=own, targets=smooth)
        yield Change(source=NO_RIM, target=rim, sources=smooth, targets=own)
    for name in types:
        own = frozenset({name})
        yield Change(source=name, target=OTHER, sources=own, targets=every)
        yield Change(source=name, target=VANISHED, sources=own, targets=gone)
        for other in types:
            if other != name:
                yield Change(source=name, target=other, sources=own, targets=frozenset({other}))


def at_risk(change: Change, intervals: pd.DataFrame, types: Collection[str]) -> pd.DataFrame:
    """Return the intervals in which a change could be seen.

    Types are known at both ends for a change of type, and at the beginning for vanishing.

    Parameters
    ----------
    change
        The kind of change.
    intervals
        What `lesion_intervals` returns.
    types
        The lesion types.
    """
    risk = intervals[intervals["from_type"].isin(change.sources)]
    return risk if change.target == VANISHED else risk[risk["to_type"].isin(types)]


def rate_row(
    change: Change,
    risk: pd.DataFrame,
    visits: pd.DataFrame,
    level: float,
) -> dict[str, object]:
    """Return the rate of one kind of change with its interval.

    Parameters
    ----------
    change
        The kind of change.
    risk
        What `at_risk` returns.
    visits
        What `visit_intervals` returns, for the years of patients.
    level
        Confidence level.
    """
    new = change.source == NEW
    years = visits.groupby("participant_id", observed=True)["interval_years"].sum()
    happened = risk.assign(happened=change.happened(risk) if len(risk) else False)
    own = happened.groupby("participant_id", observed=True).agg(
        events=("happened", "sum"), years=("interval_years", "sum")
    )
    if new:  # any patient may get a new lesion, and those who got none are at risk too
        own = own.reindex(years.index).assign(years=years).fillna({"events": 0})
    events, exposure = own["events"].to_numpy(float), own["years"].to_numpy(float)
    scale = 1.0 if new else 100.0
    row: dict[str, object] = {
        "from_type": change.source,
        "to_type": change.target,
        "n_events": int(events.sum()),
        "n_changed_participants": int((events > 0).sum()),
        "n_intervals": len(visits) if new else len(risk),
        "n_participants": len(own),
        "exposure_years": float(exposure.sum()),
        "unit": PER_PATIENT if new else PER_LESION,
    }
    patients = float(years.reindex(own.index).sum())
    found = _interval(events, exposure, patients, level)
    sizes = ("estimate", "std_error", "conf_low", "conf_high")
    return (
        row
        | {name: value * scale for name, value in zip(sizes, found[:4], strict=True)}
        | {
            "df": found[4],
            "note": found[5],
        }
    )


def _interval(
    events: np.ndarray, exposure: np.ndarray, patient_years: float, level: float
) -> tuple[float, float, float, float, float, str]:
    """Return rate, standard error, limits, degrees of freedom and a note, per year of exposure."""
    groups, total = len(events), float(events.sum())
    rate = total / float(exposure.sum())
    missing = float("nan")
    if groups < LEAST:
        note = f"no interval, as fewer than {LEAST} patients are at risk"
        return rate, missing, missing, missing, missing, note
    if not total:
        upper = -float(np.log1p(-level)) / patient_years
        note = "no such change: the upper limit takes the lesions of a patient to change together"
        return 0.0, missing, 0.0, upper, missing, note
    robust = groups / (groups - 1) * float(np.square(events - rate * exposure).sum()) / total**2
    error = float(np.sqrt(max(robust, 1.0 / total)))
    reach = float(stats.t.ppf((1.0 + level) / 2.0, groups - 1)) * error
    few = int((events > 0).sum()) < FEW
    note = f"fewer than {FEW} patients with such a change" if few else ""
    return rate, rate * error, rate * np.exp(-reach), rate * np.exp(reach), groups - 1.0, note
