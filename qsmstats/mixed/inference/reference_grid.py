r"""The reference grid: at which values of the predictors a marginal mean or slope is taken.

A marginal mean is a linear function :math:`L\beta` of the fixed effects, with :math:`L` the average
of the rows that the fixed-effects design has at chosen points (Searle, Speed & Milliken 1980,
Am Stat 34:216-221; Lenth 2016, J Stat Softw 69(1)). The points are all combinations of

* the levels of each categorical predictor, in the frame's order (text, booleans and whatever
  stands inside ``C(...)`` are categorical; a number with exactly two different values is taken
  at both, as emmeans does);
* the mean of each other number over the rows used, or what `at` says instead.

Rows are then averaged over every predictor that is not asked for, with weights as in emmeans:

* ``equal``: each combination of levels the same;
* ``proportional``: the frequency of the averaged factors' combinations in the rows;
* ``outer``: the product of the averaged factors' own frequencies;
* ``cells``: the frequency of each combination together with the levels asked for, so that every
  mean has weights of its own and a difference of means also shows how the averaged factors differ.

The rows are those of the whole design, before columns that repeat others are dropped, because
only there can it be told whether :math:`L\beta` is estimable (`FixedDesign.reduce`).

The slope of a number is the derivative of the design row, taken by a difference quotient of fourth
order, so polynomials up to the fourth degree and all their interactions are exact and log,
splines and the like are good to about ten digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError, check_option
from qsmstats.mixed.design.matrices import FixedDesign

__all__ = ["Predictor", "ReferenceGrid", "Rows", "Weights"]

Weights = Literal["equal", "proportional", "outer", "cells"]
DesignRows = Callable[[pd.DataFrame], Floats]

# Difference quotients of fourth order on evenly spaced points (Fornberg 1988, Math Comp 51:699),
# as weights on differences to the value at the point itself.
_CENTRAL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
_FORWARD = ((1, 4.0), (2, -3.0), (3, 4 / 3), (4, -1 / 4))
_BACKWARD = tuple((-point, -weight) for point, weight in _FORWARD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """One column of the data that the fixed part uses.

    Attributes
    ----------
    name
        Name of the column.
    values
        The values it takes in the grid: levels, or the mean of a number.
    categorical
        Whether it is averaged over levels; False for a number taken at its mean.
    span
        Smallest and largest value of a number; None for a predictor with levels only.
    """

    name: str
    values: tuple[Any, ...]
    categorical: bool
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Averaged design rows, one for each combination of the predictors asked for.

    Attributes
    ----------
    keys
        The combinations, one row each, one column for each predictor asked for.
    matrix
        The linear functions, shape (combinations, columns of the whole design).
    """

    keys: pd.DataFrame
    matrix: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceGrid:
    """All combinations of the predictors' values, and the fixed-effects design there.

    Attributes
    ----------
    predictors
        The predictors by name.
    frame
        The rows used in the fit; proportional weights count its combinations.
    design_rows
        Gives the whole fixed-effects design of a frame of predictors.
    """

    predictors: Mapping[str, Predictor]
    frame: pd.DataFrame
    design_rows: DesignRows

    @classmethod
    def of(cls, design: FixedDesign, frame: pd.DataFrame) -> ReferenceGrid:
        """Build the grid of a fixed part over the rows of its fit."""
        predictors = {}
        for name, variable in design.variables.items():
            if variable.levels is not None:
                predictors[name] = Predictor(name=name, values=variable.levels, categorical=True)
                continue
            numbers = frame[name].to_numpy(float)
            distinct = np.unique(numbers)
            two = distinct.size == 2
            predictors[name] = Predictor(
                name=name,
                values=tuple(distinct.tolist()) if two else (float(numbers.mean()),),
                categorical=two,
                span=(float(distinct[0]), float(distinct[-1])),
            )
        return cls(predictors=predictors, frame=frame, design_rows=design.full_matrix)

    def at(self, values: Mapping[str, Any] | None) -> ReferenceGrid:
        """Hold some predictors at given values instead.

        Raises
        ------
        UsageError
            If `values` names something that is not a predictor, or a level that does not exist.
        """
        held = dict(self.predictors)
        for name, value in (values or {}).items():
            self.check_names([name])
            several = isinstance(value, list | tuple | np.ndarray | pd.Series | pd.Index | range)
            chosen = tuple(value) if several else (value,)
            predictor = held[name]
            numeric = predictor.span is not None
            fits = [
                isinstance(one, int | float | np.number) if numeric else one in predictor.values
                for one in chosen
            ]
            if not all(fits) or not chosen:
                allowed = "numbers" if numeric else f"its levels {list(predictor.values)}"
                msg = f"at={{{name!r}: {list(chosen)}}}: use {allowed}"
                raise UsageError(msg)
            # A number at values that no row has cannot be weighted by its frequency.
            levels = predictor.categorical and set(chosen) <= set(predictor.values)
            held[name] = replace(predictor, values=chosen, categorical=levels)
        return replace(self, predictors=held)

    def means(self, keep: Sequence[str], weights: Weights = "equal") -> Rows:
        """Design rows of each combination of `keep`, averaged over everything else.

        Raises
        ------
        UsageError
            If `keep` names something that is not a predictor of the fixed part, or one twice, or
            `weights` is unknown.
        """
        self.check_names(keep)
        points = self._points(keep)
        return self._average(points, self.design_rows(points), keep, weights)

    def slopes(self, variable: str, keep: Sequence[str], weights: Weights = "equal") -> Rows:
        """Differentiate the design rows in `variable` and average them like `means`.

        Raises
        ------
        UsageError
            If `variable` is not numeric, or another name or option is unknown.
        """
        self.check_names([variable])
        self.check_names(keep)
        predictor = self.predictors[variable]
        if predictor.span is None:
            msg = f"slopes({variable!r}): '{variable}' is not numeric; use contrasts instead"
            raise UsageError(msg)
        points = self._points(keep)
        points[variable] = points[variable].astype(float)
        return self._average(points, self._derivative(points, predictor), keep, weights)

    def _points(self, keep: Sequence[str]) -> pd.DataFrame:
        """All combinations; those of `keep` in the order asked for, its last running fastest."""
        names = [*keep, *(name for name in self.predictors if name not in keep)]
        combinations = list(product(*(self.predictors[name].values for name in names)))
        columns = zip(names, zip(*combinations, strict=True), strict=True)
        # An intercept-only model has one point and no predictor; it still needs its one row.
        return pd.DataFrame(
            {name: pd.Series(column) for name, column in columns}, index=range(len(combinations))
        )

    def _derivative(self, points: pd.DataFrame, predictor: Predictor) -> Floats:
        low, high = predictor.span or (0.0, 0.0)
        # A power of two moves most numbers without rounding; taking the differences to the base
        # row before weighting keeps columns that are straight in the variable exact.
        step = 2.0 ** np.floor(np.log2(1e-3 * (high - low) or 1e-3))
        centre = points[predictor.name].to_numpy(float)
        base = self.design_rows(points)
        total = np.zeros_like(base)
        side = np.select([centre - 2 * step < low, centre + 2 * step > high], [1, -1], 0)
        for chosen, stencil in ((0, _CENTRAL), (1, _FORWARD), (-1, _BACKWARD)):
            here = np.flatnonzero(side == chosen)
            for offset, weight in stencil if here.size else ():
                moved = points.iloc[here].assign(**{predictor.name: centre[here] + offset * step})
                total[here] += weight / step * (self.design_rows(moved) - base[here])
        return total

    def _average(
        self, points: pd.DataFrame, matrix: Floats, keep: Sequence[str], weights: Weights
    ) -> Rows:
        share = self._shares(points, keep, weights)
        keys, code = pd.DataFrame(index=range(1)), np.zeros(len(points), dtype=int)
        if keep:
            code = points.groupby(list(keep), sort=False, observed=True).ngroup().to_numpy()
            keys = points.loc[~points.duplicated(list(keep)), list(keep)].reset_index(drop=True)
        total = np.zeros((len(keys), matrix.shape[1]))
        np.add.at(total, code, share[:, None] * matrix)
        with np.errstate(invalid="ignore"):  # no row in a cell: NaN, which is not estimable
            return Rows(keys=keys, matrix=total / np.bincount(code, weights=share)[:, None])

    def _shares(self, points: pd.DataFrame, keep: Sequence[str], weights: Weights) -> Floats:
        check_option("weights", weights, get_args(Weights))
        factors = [name for name, predictor in self.predictors.items() if predictor.categorical]
        over = [name for name in factors if name not in keep]
        if weights == "equal" or not over:
            return np.ones(len(points))
        if weights == "outer":
            each = [self._frequencies(points, [name]) for name in over]
            return np.asarray(np.prod(each, axis=0), float)
        return self._frequencies(points, factors if weights == "cells" else over)

    def _frequencies(self, points: pd.DataFrame, names: list[str]) -> Floats:
        """Rows of the fit with the values that each point has in some columns."""
        counts = self.frame.groupby(names, observed=True).size()
        index = (
            pd.MultiIndex.from_frame(points[names])
            if len(names) > 1
            else pd.Index(points[names[0]])
        )
        return np.asarray(counts.reindex(index, fill_value=0), float)

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse names that are not predictors of the fixed part.

        Raises
        ------
        UsageError
            If a name is not one, or comes twice.
        """
        for name in names:
            if name not in self.predictors:
                known = ", ".join(map(repr, self.predictors)) or "none (only an intercept)"
                msg = f"{name!r} is not a predictor of the fixed part; its predictors are {known}"
                raise UsageError(msg)
        if len(set(names)) < len(names):
            msg = f"a predictor is named twice in {list(names)}; name each once"
            raise UsageError(msg)
