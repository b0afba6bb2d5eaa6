r"""Agreement of rescans: the same participants on several scanners, or twice on one, within days.

Which sessions are rescans is in `rescan_pairs`, and what each comparison says in `rescan_measures`.
Which share of the variance lies between scanners comes from a mixed model by REML of all rows of
these sessions,

.. math:: y = \mu + u_{\text{participant}} + v_{\text{region}} + b_{\text{scanner}} + e,

with profile-likelihood limits of :math:`\sigma_b` turned into those of the share
:math:`\sigma_b^2 / (\sigma_b^2 + \sigma_u^2 + \sigma_v^2 + \sigma_e^2)` at the other estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.display import Displayed
from qsmstats.errors import NotIdentifiedError, UsageError, plural, require_columns
from qsmstats.harmonise.rescan_measures import measures
from qsmstats.harmonise.rescan_pairs import paired, session_pairs
from qsmstats.harmonise.result import feature_values
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.formula.terms import quoted
from qsmstats.mixed.inference.components import components
from qsmstats.mixed.inference.profile_likelihood import Deviance, profile_interval
from qsmstats.mixed.model import MixedModel

__all__ = ["RescanAgreement", "rescan_agreement"]

COLUMNS = (
    *("comparison", "measure", "estimate", "conf_low", "conf_high", "method"),
    *("n_pairs", "n_participants", "n_incomplete", "note"),
)
SHARES = ("group", "variance", "share", "conf_low", "conf_high", "n_groups")
WHOLE = "whole"
"""Name of the region of rows without one."""
ENOUGH = 5
"""Scanners from which their variance is well enough known to speak of scanners in general."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescanAgreement(Displayed):
    """Agreement of one value between rescans.

    Attributes
    ----------
    value
        Column of the value.
    agreement
        One row for each comparison and measure: comparison, measure, estimate, conf_low, conf_high,
        method (of the interval), n_pairs (regions measured twice), n_participants, n_incomplete
        (regions of these sessions that were measured once), note. Differences are the first named
        scanner minus the second, or the earlier session minus the later.
    pairs
        One row for each region that was measured twice: participant_id, comparison, session_first,
        session_second, scanner_first, scanner_second, apart (in the unit of time; negative where
        the second was earlier), region, first and second (the values), mean and difference.
    components
        One row for each source of variance: group, variance, share, conf_low, conf_high (of the
        share, for scanners) and n_groups. Empty if the model could not be fitted.
    fit
        The mixed model of `components`; None if it could not be fitted.
    notes
        What the data could not tell, in sentences.
    """

    value: str
    agreement: pd.DataFrame
    pairs: pd.DataFrame
    components: pd.DataFrame
    fit: MixedFit | None
    notes: tuple[str, ...]


def rescan_agreement(
    data: pd.DataFrame,
    value: str,
    *,
    within: float = 30 / 365.25,
    participant: str = "participant_id",
    region: str | None = "lesion_id",
    session: str = "session_id",
    time: str = "years",
    scanner: str = "scanner",
    ratio_scale: bool = True,
    level: float = 0.95,
) -> RescanAgreement:
    """Tell how well a value agrees between rescans: travelling subjects, phantoms, test and retest.

    Parameters
    ----------
    data
        One row per region and session, such as what `tidy_lesions` or `tissue_table` returns.
    value
        Column of the value.
    within
        Two sessions of a participant that are no more than this apart, in the unit of `time`, are
        rescans; by default 30 days in years.
    participant, region, session, time, scanner
        Columns. `region` is None where each session of a participant has one row; a row without
        region is the participant's one other region, such as the white matter of `tissue_table`.
    ratio_scale
        Whether zero means none of what is measured. False for susceptibility, whose zero is that of
        a reference: a coefficient of variation then has no meaning and is not given.
    level
        Coverage of the intervals.

    Returns
    -------
    RescanAgreement
        Mean difference, limits of agreement, within-subject variation and intraclass correlations
        of each pair of scanners and of the same scanner, and the share of scanners in the variance.

    Raises
    ------
    UsageError
        If a column does not exist or an argument is out of range.
    InvalidDataError
        If a value is no number, a region has two rows in a session, or a session has no or several
        scanners or times.
    NotIdentifiedError
        If no two sessions of a participant are that close.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> visits = pd.MultiIndex.from_product([range(8), ["L1", "L2", "L3"], ["A", "B"]])
    >>> data = visits.to_frame(index=False, name=["participant_id", "lesion_id", "scanner"])
    >>> data["session_id"] = "ses-" + data["scanner"]
    >>> data["years"] = np.where(data["scanner"] == "A", 0.0, 0.01)
    >>> data["mwf_percent"] = rng.normal(5, 1, 24).repeat(2) + rng.normal(0, 0.2, 48)
    >>> found = qs.rescan_agreement(data, "mwf_percent")
    >>> found.agreement.set_index("measure").loc["within_sd", "estimate"].round(2)
    np.float64(0.17)
    """
    columns = {
        participant: "participant_id",
        session: "session_id",
        time: "time",
        scanner: "scanner",
        **({region: "region"} if region else {}),
        value: "value",
    }
    require_columns(data.columns, columns, "data")
    if not (within >= 0 and 0 < level < 1):
        raise UsageError(
            f"within={within!r} and level={level!r}: give a time of zero or more, and a level"
            " between 0 and 1"
        )
    rows = data[list(columns)].reset_index(drop=True)
    rows[value] = feature_values(rows, [value])[:, 0]
    rows = rows.set_axis(list(columns.values()), axis=1)
    region_of = rows["region"].astype("object") if region else pd.Series(WHOLE, rows.index)
    rows = rows.assign(region=region_of.fillna(WHOLE))
    close = session_pairs(rows, within)
    pairs, incomplete = paired(rows, close)
    if pairs.empty:
        raise NotIdentifiedError(
            f"no region has a '{value}' at both sessions of a rescan; check the values"
        )
    tables = [
        pd.DataFrame(measures(own, ratio_scale=ratio_scale, level=level)).assign(
            comparison=comparison,
            n_pairs=len(own),
            n_participants=own["participant_id"].nunique(),
            n_incomplete=int(incomplete.get(comparison, 0)),
        )
        for comparison, own in pairs.groupby("comparison", sort=False)
    ]
    components, fit, notes = _components(rows, close, value, level)
    return RescanAgreement(
        value=value,
        agreement=pd.concat(tables, ignore_index=True)[list(COLUMNS)],
        pairs=pairs,
        components=components,
        fit=fit,
        notes=notes,
    )


def _components(
    rows: pd.DataFrame, close: pd.DataFrame, value: str, level: float
) -> tuple[pd.DataFrame, MixedFit | None, tuple[str, ...]]:
    """Fit the mixed model of the rescans, and return the shares of its variance."""
    sessions = pd.concat(
        close[["participant_id", end]].set_axis(["participant_id", "session_id"], axis=1)
        for end in ("session_first", "session_second")
    ).drop_duplicates()
    own = rows.merge(sessions, on=["participant_id", "session_id"]).dropna(subset="value")
    counts = {
        "participant_id": own["participant_id"].nunique(),
        "participant_id:region": len(own[["participant_id", "region"]].drop_duplicates()),
        "scanner": own["scanner"].nunique(),
    }
    if counts["participant_id:region"] == counts["participant_id"]:
        del counts["participant_id:region"]
    terms = [f"(1 | {name})" for name, number in counts.items() if number > 1]
    formula = f"{quoted(value)} ~ {' + '.join(['1', *terms])}"
    try:
        fit = MixedModel(formula).fit(own.rename(columns={"value": value}))
    except NotIdentifiedError as error:
        return pd.DataFrame(columns=SHARES), None, (f"Shares of the variance: {error}.",)
    table = fit.icc().rename(columns={"icc": "share"}).assign(conf_low=np.nan, conf_high=np.nan)
    table["n_groups"] = table["group"].map(counts).fillna(len(own)).astype(np.int64)
    notes: tuple[str, ...] = ()
    if not fit.info.converged:
        notes += ("The search for the optimum of the mixed model did not end.",)
    if counts["scanner"] > 1:
        component = next(one for one in components(fit) if one.group == "scanner")
        *deviations, why = profile_interval(Deviance.of(fit), component, level)
        variances, place = np.square(deviations), table["group"] == "scanner"
        shares = variances / (variances + table.loc[~place, "variance"].sum())
        table.loc[place, ["conf_low", "conf_high"]] = shares
        notes += (f"The share of scanners: {why}.",) if why else ()
    if counts["scanner"] < ENOUGH:
        told = f"{counts['scanner']} {plural('scanner', counts['scanner'])}"
        notes += (f"{told}: the share between scanners describes these, and little of others.",)
    return table[list(SHARES)], fit, notes
