r"""Rates of change per 100 lesion-years, with intervals that know which lesions share a patient.

Of the intervals at risk of one kind of change, patient :math:`i` has :math:`d_i` changes in
:math:`T_i` lesion-years (the sum of the lengths of the intervals of each lesion). The Poisson model
:math:`\log E(d_i) = \log\lambda + \log T_i` has

.. math:: \hat\lambda = \frac{\sum_i d_i}{\sum_i T_i}, \qquad
   \widehat{\mathrm{var}}(\log\hat\lambda) =
   \frac{G}{G - 1} \frac{\sum_i (d_i - \hat\lambda T_i)^2}{(\sum_i d_i)^2}

the cluster-robust variance of Liang & Zeger (1986, Biometrika 73:13-22) with the factor of
statsmodels and Stata for :math:`G` patients; it is that of a Poisson GLM of statsmodels with the
patients as clusters, in closed form. Limits are :math:`\hat\lambda \exp(\pm t_{G-1} s)`. With
few patients the robust variance may by chance be far too small (zero, where every patient has the
same rate); :math:`s^2` is therefore never below the variance :math:`1 / \sum_i d_i` of independent
changes.

Without a change there is no variance. The upper limit is then that for patients whose lesions would
all change together: :math:`-\log(\alpha) / \sum_i t_i`, with :math:`t_i` the years in which patient
:math:`i` has a lesion at risk and :math:`1 - \alpha` the confidence level; 3.0 per patient-year at
95 % (rule of three; Hanley & Lippman-Hand 1983, JAMA 249:1743-1745). With fewer than `LEAST`
patients at risk there is no interval.

A visit shows what has changed since the last one: a lesion that changes and changes back is not
seen, so that rates are of net changes and depend a little on how far visits are apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats
from qsmstats.studies.transitions.lesion_intervals import NEW, UNTYPED, VANISHED

__all__ = ["ANY", "OTHER", "Change", "at_risk", "changes", "rate_row"]

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
    seen = every | {UNTYPED}
    smooth = every - frozenset(rims)
    yield Change(source=ANY, target=OTHER, sources=every, targets=every)
    yield Change(source=ANY, target=VANISHED, sources=seen, targets=gone)
    yield Change(source=NEW, target=ANY, sources=frozenset({NEW}), targets=seen)
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

    For a change of type, types are known at both ends. Lesions without a type are among all those
    that vanish or are new.

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
    of_types = change.target != VANISHED and change.source != NEW
    return risk[risk["to_type"].isin(types)] if of_types else risk


def rate_row(
    change: Change,
    risk: pd.DataFrame,
    years: pd.Series,
    level: float,
) -> dict[str, object]:
    """Return the rate of one kind of change with its interval.

    Parameters
    ----------
    change
        The kind of change.
    risk
        What `at_risk` returns.
    years
        Years between the first and the last visit of each patient who has two.
    level
        Confidence level.
    """
    new = change.source == NEW
    happened = risk.assign(happened=change.happened(risk) if len(risk) else False)
    own = happened.groupby("participant_id", observed=True).agg(
        events=("happened", "sum"), years=("interval_years", "sum")
    )
    observed = risk.drop_duplicates(["participant_id", "session_id"])["interval_years"].sum()
    if new:  # any patient may get a new lesion, and those who got none are at risk too
        own = own.reindex(years.index).assign(years=years).fillna({"events": 0})
        observed = years.sum()
    events, exposure = own["events"].to_numpy(float), own["years"].to_numpy(float)
    scale = 1.0 if new else 100.0
    estimates, note = _estimates(events, exposure, float(observed), level)
    return {
        "from_type": change.source,
        "to_type": change.target,
        "n_events": int(events.sum()),
        "n_changed_participants": int((events > 0).sum()),
        "n_intervals": len(risk),
        "n_participants": len(own),
        "exposure_years": float(exposure.sum()),
        **{name: scale * value for name, value in estimates.items()},
        "df": len(own) - 1.0 if "std_error" in estimates else np.nan,
        "unit": PER_PATIENT if new else PER_LESION,
        "note": note,
    }


def _estimates(
    events: Floats, exposure: Floats, patient_years: float, level: float
) -> tuple[dict[str, float], str]:
    """Return rate, standard error and limits per year, as far as there are any, and a note."""
    groups, total = len(events), float(events.sum())
    rate = total / float(exposure.sum())
    if groups < LEAST:
        return {"estimate": rate}, f"no interval, as fewer than {LEAST} patients are at risk"
    if not total:
        upper = -float(np.log1p(-level)) / patient_years
        note = "no such change: the upper limit takes the lesions of a patient to change together"
        return {"estimate": 0.0, "conf_low": 0.0, "conf_high": upper}, note
    robust = groups / (groups - 1) * float(np.square(events - rate * exposure).sum()) / total**2
    error = float(np.sqrt(max(robust, 1.0 / total)))
    reach = float(stats.t.ppf((1.0 + level) / 2.0, groups - 1)) * error
    found = {"estimate": rate, "std_error": rate * error}
    found |= {"conf_low": rate * np.exp(-reach), "conf_high": rate * np.exp(reach)}
    few = int((events > 0).sum()) < FEW
    return found, f"fewer than {FEW} patients with such a change" if few else ""
