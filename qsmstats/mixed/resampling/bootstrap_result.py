"""The result of a bootstrap, and the intervals that can be made of its refits.

Marginal means, slopes and their contrasts are linear in the coefficients, so their refitted values
are those of the coefficients times a matrix and need no further refits. Contrasts are also given
limits that hold for the family together (Bonferroni: level 1 - error / m).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags, Floats
from qsmstats.display import Displayed
from qsmstats.errors import UsageError
from qsmstats.mixed.fitted import FixedEffects
from qsmstats.mixed.inference.hypotheses import named_contrasts
from qsmstats.mixed.inference.linear_functions import (
    Comparison,
    Family,
    Names,
    compared,
    estimated,
)
from qsmstats.mixed.inference.marginal import NOT_ESTIMABLE
from qsmstats.mixed.inference.reference_grid import Weights
from qsmstats.mixed.resampling.bootstrap_intervals import (
    IntervalKind,
    check_interval,
    limits,
    refits_needed,
)

__all__ = ["Bootstrap"]


class GridOptions(TypedDict, total=False):
    """Options of marginal means, as in `MixedFit.marginal_means`."""

    by: Names
    at: Mapping[str, Any] | None
    weights: Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap(Displayed):
    """A bootstrap of a fitted model.

    Attributes
    ----------
    fit
        The fit.
    kind, seed
        How outcomes were made, and the seed of their streams.
    level, interval
        Defaults of the tables below.
    parameters
        parameter ("coefficient", "variance", "statistic"), term, estimate, lowest, highest (the
        range of the parameter).
    refits
        One row for each refit that is used, one column for each parameter.
    jackknife
        The same without each group; None unless BCa intervals were asked for.
    n
        Refits asked for.
    n_failed, n_unconverged
        Refits that could not be made, and that did not converge: both are left out.
    n_singular
        Refits with a variance of zero or a correlation of one; they are used.
    n_refitted_singly
        Refits that did not go through the batch.
    problems
        Why refits failed -> how many.
    """

    fit: FixedEffects
    kind: str
    seed: int
    level: float
    interval: IntervalKind
    parameters: pd.DataFrame
    refits: pd.DataFrame
    jackknife: pd.DataFrame | None
    n: int
    n_failed: int
    n_unconverged: int
    n_singular: int
    n_refitted_singly: int
    problems: Mapping[str, int]

    @property
    def intervals(self) -> pd.DataFrame:
        """`table` with the interval and level that were asked for."""
        return self.table()

    @property
    def estimates(self) -> pd.DataFrame:
        """Refitted coefficients: one row for each refit that is used, one column for each term."""
        return self.refits.iloc[:, : len(self.fit.estimates)]

    def table(
        self, *, interval: IntervalKind | None = None, level: float | None = None
    ) -> pd.DataFrame:
        """Intervals of all parameters.

        Parameters
        ----------
        interval, level
            Those of the bootstrap if not given.

        Returns
        -------
        DataFrame
            parameter, term, estimate, std_error (standard deviation of the refits), bias (their
            mean less the estimate), conf_low, conf_high, n_refits (with a value), method, note.

        Raises
        ------
        UsageError
            If BCa intervals are asked of a bootstrap without a jackknife.
        """
        left = None if self.jackknife is None else self.jackknife.to_numpy()
        ranges = self.parameters[["lowest", "highest"]].to_numpy()
        made = self._with(interval, level)._table(
            self.parameters["estimate"].to_numpy(), self.refits.to_numpy(), left, ranges
        )
        return pd.concat([self.parameters[["parameter", "term"]], made], axis=1)

    def linear(
        self,
        contrasts: Floats | Mapping[str, float] | Mapping[str, Mapping[str, float]],
        *,
        interval: IntervalKind | None = None,
        level: float | None = None,
    ) -> pd.DataFrame:
        """Intervals of linear functions of the coefficients; `contrasts` as in `MixedFit.wald`."""
        labels, rows = named_contrasts(contrasts, self.fit.fixed.names)
        table = self._with(interval, level)._linear(rows, np.ones(len(rows), dtype=bool))
        table.insert(0, "contrast", labels)
        return table

    def marginal_means(
        self,
        factors: str | Sequence[str],
        *,
        interval: IntervalKind | None = None,
        level: float | None = None,
        **grid: Unpack[GridOptions],
    ) -> pd.DataFrame:
        """Marginal means as `MixedFit.marginal_means` (by, at, weights), bootstrap intervals."""
        return self._with(interval, level)._of_grid(estimated(self.fit, factors, **grid))

    def slopes(
        self,
        variable: str,
        *,
        interval: IntervalKind | None = None,
        level: float | None = None,
        **grid: Unpack[GridOptions],
    ) -> pd.DataFrame:
        """Slopes as `MixedFit.slopes` (by, at, weights), with bootstrap intervals."""
        return self._with(interval, level)._of_grid(estimated(self.fit, None, variable, **grid))

    def contrasts(
        self,
        factors: str | Sequence[str],
        *,
        method: Comparison = "pairwise",
        interval: IntervalKind | None = None,
        level: float | None = None,
        **grid: Unpack[GridOptions],
    ) -> pd.DataFrame:
        """Contrasts as `MixedFit.contrasts` (method, by, at, weights), with bootstrap intervals.

        conf_low_adjusted and conf_high_adjusted hold for all contrasts of a family together
        (Bonferroni).
        """
        families = compared(self.fit, factors, method=method, **grid)
        return self._with(interval, level)._families(families)

    def slope_contrasts(
        self,
        variable: str,
        by: str | Sequence[str],
        *,
        method: Comparison = "pairwise",
        within: Names = None,
        at: Mapping[str, Any] | None = None,
        weights: Weights = "equal",
        interval: IntervalKind | None = None,
        level: float | None = None,
    ) -> pd.DataFrame:
        """Contrasts as `MixedFit.slope_contrasts`, with bootstrap intervals as `contrasts`."""
        families = compared(
            self.fit, by, variable, method=method, by=within, at=at, weights=weights
        )
        return self._with(interval, level)._families(families)

    def _with(self, interval: IntervalKind | None, level: float | None) -> Bootstrap:
        """Return the same refits with the interval and level that are asked for."""
        return replace(
            self,
            interval=self.interval if interval is None else interval,
            level=self.level if level is None else level,
        )

    def _families(self, families: list[Family]) -> pd.DataFrame:
        tables = []
        for family in families:
            table = self._of_grid(family)
            together = 1.0 - (1.0 - self.level) / max(len(family.matrix), 1)
            if self.n >= (least := refits_needed(self.interval, together)):
                wide = replace(self, level=together)._of_grid(family)
            else:
                note = f"adjusted limits need {least} refits"
                wide = family.keys.assign(conf_low=np.nan, conf_high=np.nan, note=note)
            place = list(table).index("n_refits")
            table.insert(place, "conf_low_adjusted", wide["conf_low"])
            table.insert(place + 1, "conf_high_adjusted", wide["conf_high"])
            table.insert(place + 2, "adjust", "bonferroni")
            # The wider limits lie further out, so what limits them limits both.
            tables.append(table.assign(note=wide["note"]))
        return pd.concat(tables, ignore_index=True)

    def _of_grid(self, family: Family) -> pd.DataFrame:
        table = self._linear(*self.fit.fixed.reduce(family.matrix), family.shift)
        return pd.concat([family.keys.reset_index(drop=True), table], axis=1)

    def _linear(self, rows: Floats, known: Flags, shift: Floats | float = 0.0) -> pd.DataFrame:
        p = len(self.fit.estimates)
        hidden = np.where(known, 1.0, np.nan)
        left = None if self.jackknife is None else self.jackknife.to_numpy()[:, :p] @ rows.T
        table = self._table(
            (rows @ self.fit.estimates + shift) * hidden,
            (self.estimates.to_numpy() @ rows.T + shift) * hidden,
            left,
        )
        return table.assign(note=np.where(known, table["note"], NOT_ESTIMABLE))

    def _table(
        self,
        estimate: Floats,
        refits: Floats,
        jackknife: Floats | None,
        ranges: Floats | None = None,
    ) -> pd.DataFrame:
        check_interval(self.interval, self.level, self.n)
        if self.interval == "bca" and self.jackknife is None:
            msg = (
                "these refits have no jackknife; use interval='percentile', or ask "
                "MixedFit.bootstrap(..., interval='bca')"
            )
            raise UsageError(msg)
        bounds, notes = limits(
            estimate, refits, self.interval, level=self.level, jackknife=jackknife, ranges=ranges
        )
        count = np.isfinite(refits).sum(axis=0)
        enough = count > 1
        filled = np.where(np.isfinite(refits), refits, np.nan)
        std_error, bias = np.full((2, len(estimate)), np.nan)
        if enough.any():
            std_error[enough] = np.nanstd(filled[:, enough], axis=0, ddof=1)
            bias[enough] = np.nanmean(filled[:, enough], axis=0) - estimate[enough]
        return pd.DataFrame(
            {
                "estimate": estimate,
                "std_error": std_error,
                "bias": bias,
                "conf_low": bounds[:, 0],
                "conf_high": bounds[:, 1],
                "n_refits": count,
                "method": f"{self.kind} bootstrap, {self.interval}",
                "note": notes,
            }
        )
