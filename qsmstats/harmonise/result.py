r"""Features adjusted for their scanner.

With fixed effects :math:`\beta` (those of the scanners among them), random effects u and the
estimates of `adjustment`, a value y from scanner i becomes

.. math:: y^* = \frac{y - X\beta - Zu + a_i - \sigma\gamma_i^*}{\delta_i^*} + X\beta + Zu - a_i,

where :math:`a_i` is the scanner's own fixed effect. The random effects of new rows are predicted
from these rows alone with the variances of the fit,

.. math:: u = \Lambda (\Lambda' Z'Z \Lambda + I)^{-1} \Lambda' Z' (y - X\beta),
   \qquad \mathrm{Var}(u) = \sigma^2 \Lambda\Lambda',

for known and unknown groups alike (Henderson 1975, Biometrics 31:423-447): the rows of the fit get
the same values again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from qsmstats.arrays import Floats, Integers, Places
from qsmstats.display import Displayed
from qsmstats.errors import FormulaError, InvalidDataError, did_you_mean, nearest
from qsmstats.mixed.design.grouping import coded_column, grouping
from qsmstats.mixed.design.matrices import FixedDesign, RandomDesign

__all__ = ["Harmonisation", "ScannerModel", "feature_values", "scanner_codes"]

# Elements of the arrays of one set of features in the prediction of random effects.
_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerModel:
    """What adjusts m features for s scanners.

    Attributes
    ----------
    features, scanner, levels
        Columns of the features, column of the scanner, and the scanners.
    fixed, random
        The design.
    coefficients
        Fixed effects, shape (m, p).
    factors
        Relative Cholesky factors of the random terms, shapes (m, q, q).
    own
        Fixed effect of each scanner, shape (m, s): of mean zero over the rows of the fit, or zero
        for the reference.
    shift, scale
        What is subtracted and divided by, in units of the feature and as a ratio, shapes (m, s).
    """

    features: tuple[str, ...]
    scanner: str
    levels: pd.Index
    fixed: FixedDesign
    random: tuple[RandomDesign, ...]
    coefficients: Floats
    factors: tuple[Floats, ...]
    own: Floats
    shift: Floats
    scale: Floats

    def adjusted(self, data: pd.DataFrame) -> Floats:
        """Return the adjusted values of each feature, shape (n, m)."""
        values = feature_values(data, self.features)
        codes, _ = scanner_codes(data, self.scanner, self.levels)
        centre = self.centre(data, values, codes)
        return (values - centre - self.shift.T[codes]) / self.scale.T[codes] + centre

    def centre(self, data: pd.DataFrame, values: Floats, codes: Places) -> Floats:
        """Return X b + Z u without the scanner's own effect, shape (n, m)."""
        frame = data.assign(**{self.scanner: pd.Categorical.from_codes(codes, self.levels)})
        self._check_complete(frame)
        expected = self.fixed.matrix(frame) @ self.coefficients.T
        expected += self.predicted(frame, values - expected)
        return expected - self.own.T[codes]

    def predicted(self, frame: pd.DataFrame, residuals: Floats) -> Floats:
        """Return Z u for marginal residuals (NaN where a value is missing), shapes (n, m)."""
        made = np.zeros_like(residuals)
        if not self.random:
            return made
        terms = []
        for term in self.random:
            names = term.grouping.names
            groups = grouping(names, {name: coded_column(frame[name]) for name in names})[1]
            terms.append((term.matrix(frame), groups))
        for rows in _independent([codes for _, codes in terms]):
            seen = ~np.isnan(residuals[rows])
            local = [(z[rows], np.unique(codes[rows], return_inverse=True)) for z, codes in terms]
            width = sum(z.shape[1] * len(groups) for z, (groups, _) in local)
            step = max(1, _ELEMENTS // (width * (width + len(rows))))
            for at in range(0, len(self.features), step):
                part = slice(at, at + step)
                blocks = [
                    _spherical(z @ factor[part], codes)
                    for (z, (_, codes)), factor in zip(local, self.factors, strict=True)
                ]
                z = np.concatenate(blocks, axis=2)
                known = seen[:, part].T[:, :, None]
                right = np.where(known, residuals[rows][:, part].T[:, :, None], 0.0)
                across = (z * known).swapaxes(1, 2)
                modes = np.linalg.solve(across @ z + np.eye(width), across @ right)
                made[rows, part] = (z @ modes)[:, :, 0].T
        return made

    def _check_complete(self, frame: pd.DataFrame) -> None:
        groups = [name for term in self.random for name in term.grouping.names]
        slopes = [name for term in self.random for name in term.variables]
        for name in dict.fromkeys([*self.fixed.variables, *slopes, *groups]):
            _column(frame, name)
            if holes := np.flatnonzero(frame[name].isna()).tolist():
                raise InvalidDataError(
                    f"column '{name}' is missing in {len(holes)} rows (first: row position "
                    f"{holes[0]}), which cannot be adjusted without it; fill it in or leave these "
                    "rows out"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmonisation(Displayed):
    """Features adjusted for their scanner.

    Attributes
    ----------
    table
        The data as given, with the features adjusted. A missing value stays missing.
    effects
        One row for each feature and scanner: feature, scanner, n_obs (values that the estimate is
        from), shift (in units of the feature, from the mean of all scanners or from the reference)
        and scale (standard deviation of the scanner's residuals over sigma, or over that of the
        reference) as adjusted for, and shift_raw and scale_raw before empirical Bayes.
    model
        What adjusts.
    """

    table: pd.DataFrame
    effects: pd.DataFrame
    model: ScannerModel

    def apply(self, data: pd.DataFrame) -> pd.DataFrame:
        """Adjust new rows of the same scanners.

        Random effects are predicted from the new rows alone; give all rows of a participant.

        Parameters
        ----------
        data
            One row per observation, with the features, the scanner and the columns of the model.

        Returns
        -------
        DataFrame
            The data with the features adjusted.

        Raises
        ------
        InvalidDataError
            If a scanner or a category is not in the data of the fit, or a value is missing without
            which a row cannot be adjusted.
        FormulaError
            If a column does not exist.
        """
        names = list(self.model.features)
        made = pd.DataFrame(self.model.adjusted(data), index=data.index, columns=names)
        return pd.concat([data.drop(columns=names), made], axis=1)[data.columns]


def feature_values(data: pd.DataFrame, features: Sequence[str]) -> Floats:
    """Return the features as numbers, NaN where one is missing, shape (n, m).

    Raises
    ------
    FormulaError, InvalidDataError
        If a column does not exist or holds something else.
    """
    for name in set(features).difference(data.columns):
        _column(data, name)
    table = data[list(features)]
    for name, dtype in zip(features, table.dtypes, strict=True):
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
            raise InvalidDataError(
                f"the feature '{name}' must be numeric, but holds {dtype}; choose another"
            )
    values = table.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row, place = np.argwhere(np.isinf(values))[0]
        raise InvalidDataError(
            f"the feature '{features[place]}' is infinite in row position {row}; correct it or "
            "mark it as missing"
        )
    return values


def scanner_codes(
    data: pd.DataFrame, scanner: str, levels: pd.Index | None = None
) -> tuple[Places, pd.Index]:
    """Return the place of each row's scanner among the known ones, and these.

    Known are those of the data where `levels` are not given.

    Raises
    ------
    FormulaError, InvalidDataError
        If there is no such column, or it is missing or unknown in a row.
    """
    column = _column(data, scanner)
    known = coded_column(column)[1] if levels is None else levels
    known = known[known.isin(column)] if levels is None else known
    codes = known.get_indexer(pd.Index(column))
    if bad := np.flatnonzero(codes < 0).tolist():
        value = column.iloc[bad[0]]
        raise InvalidDataError(
            f"column '{scanner}' is missing in row position {bad[0]}; fill it in or leave the row "
            "out"
            if pd.isna(value)
            else f"column '{scanner}' holds '{value}' (row position {bad[0]}), of which no effect "
            f"was estimated; known are {', '.join(map(str, known))}: estimate anew with its data"
        )
    return codes, known


def _column(data: pd.DataFrame, name: str) -> pd.Series:
    if name not in data.columns:
        hint = did_you_mean(nearest(name, data.columns)) or "; correct the name"
        raise FormulaError(f"the data have no column '{name}'{hint}")
    return data[name]


def _independent(codes: Sequence[Integers]) -> Iterator[Places]:
    """Rows of each set of groups that share no row with another set."""
    starts = np.cumsum([0, *(one.max() + 1 for one in codes)])
    first, n = codes[0], len(codes[0])
    nodes = [one + start for one, start in zip(codes, starts, strict=False)]
    links = (np.tile(first, len(codes)), np.concatenate(nodes))
    graph = coo_array((np.ones(n * len(codes)), links), shape=(starts[-1], starts[-1]))
    label = connected_components(graph, directed=False)[1][first]
    order = np.argsort(label, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _spherical(rows: Floats, codes: Integers) -> Floats:
    """Z Lambda of one term, shape (m, n, groups q), from its rows, shape (m, n, q)."""
    m, n, q = rows.shape
    made = np.zeros((m, n, codes.max() + 1, q))
    made[:, np.arange(n), codes] = rows
    return made.reshape(m, n, -1)
