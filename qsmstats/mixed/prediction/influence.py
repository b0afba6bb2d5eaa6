r"""What leaving a group out would do to the fixed effects, without fitting again.

With :math:`U = [X \mid y]` and :math:`H = W^{-1} + ZTZ'` at the fitted relative covariance
:math:`T` (Var y = :math:`\sigma^2 H`), the fit rests on the swept cross-products
:math:`F = U'H^{-1}U`. Those of the data without the rows :math:`g` are

.. math:: F_{(-g)} = F - Y_g' \left[(H^{-1})_{gg}\right]^{-1} Y_g, \qquad Y = H^{-1}U

(inverse of a submatrix as a Schur complement), and with :math:`B` the rows :math:`g` of
:math:`Z\Lambda` in the columns they touch and :math:`K` as in `conditional_modes`

.. math::
    \left[(H^{-1})_{gg}\right]^{-1}
    = W_g^{-1} + B \left[\{(K^{-1})_{BB}\}^{-1} - B'W_gB\right]^{-1} B'

so that nothing larger than the random effects of one group is inverted. Where a group shares no
random effect with another (schools of a nested design) the bracket is the identity.

The variances are held at their estimates from all data: these are the exact generalised
least-squares estimates without the group, not a refit. Cook's distance is
:math:`(\hat\beta - \hat\beta_{(-g)})' \mathrm{Var}(\hat\beta)^{-1} (\hat\beta -
\hat\beta_{(-g)}) / p` (Cook 1977, Technometrics 19:15-18; Christensen, Pearson & Johnson 1992,
Technometrics 34:38-45).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from qsmstats.arrays import Flags, Floats, Integers, Places
from qsmstats.display import Displayed
from qsmstats.errors import UsageError
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.prediction.conditional_modes import (
    ConditionalSystem,
    conditional_system,
    spherical_rows,
)

__all__ = ["Influence", "influence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence(Displayed):
    """Estimates with one group left out at a time, variances held.

    Attributes
    ----------
    by
        The grouping whose levels are left out.
    distances
        One row for each group: level, n_obs, cooks_distance, note.
    estimates
        One row for each group and coefficient: level, term, estimate (without the group), change
        (from the estimate with all data), change_std_error (the change in standard errors of the
        full fit).
    """

    by: str
    distances: pd.DataFrame
    estimates: pd.DataFrame


def influence(fit: Fitted, by: str) -> Influence:
    """Leave out each group in turn.

    Parameters
    ----------
    fit
        A fitted mixed model.
    by
        A column of the model, or several joined by colons ("school:class").

    Raises
    ------
    UsageError
        If the model uses no such column.
    """
    codes, levels = _groups(fit, by)
    scale = np.sqrt(np.square(fit.fixed.matrix(fit.frame.data)).mean(axis=0))
    p, without = len(scale), np.full((len(levels), len(scale)), np.nan)
    products = _Products.of(fit, scale, codes)
    total = products.right.T @ products.swept
    # What a group alone holds leaves a remainder of rounding size on the diagonal.
    least = 1e-10 * np.linalg.eigvalsh(total[:p, :p])[0]
    for group in range(len(levels)):
        left = total - products.removed(group)
        information, score = left[:p, :p], left[:p, p]
        if np.linalg.eigvalsh(information)[0] > least:
            without[group] = np.linalg.solve(information, score) / scale
    change = without - fit.estimates
    precision = np.linalg.inv(fit.covariance * np.outer(scale, scale))
    scaled = change * scale
    distance = np.einsum("gi,ij,gj->g", scaled, precision, scaled) / len(scale)
    distances = pd.DataFrame(
        {
            "level": levels,
            "n_obs": np.bincount(codes),
            "cooks_distance": distance,
            "note": np.where(
                np.isfinite(distance),
                "",
                "not estimable: a coefficient depends on this group alone",
            ),
        }
    )
    std_error = np.sqrt(np.diag(fit.covariance))
    estimates = pd.DataFrame(
        {
            "level": np.repeat(np.asarray(levels, object), len(scale)),
            "term": np.tile(np.asarray(fit.fixed.names, object), len(levels)),
            "estimate": without.ravel(),
            "change": change.ravel(),
            "change_std_error": (change / std_error).ravel(),
        }
    )
    return Influence(by=by, distances=distances, estimates=estimates)


def _groups(fit: Fitted, by: str) -> tuple[Integers, list[object]]:
    names = [by] if by in fit.frame.data else by.split(":")
    unknown = [name for name in names if name not in fit.frame.data]
    if unknown:
        known = ", ".join(map(str, fit.frame.data.columns))
        msg = f"influence(by={by!r}): the model uses no column {unknown[0]!r}; name one of {known}"
        raise UsageError(msg)
    grouped = fit.frame.data.groupby(names, observed=True, sort=True)
    codes: Integers = np.asarray(grouped.ngroup(), dtype=np.int64)
    first = fit.frame.data[names].iloc[np.unique(codes, return_index=True)[1]]
    if len(names) == 1:
        return codes, first[names[0]].tolist()
    return codes, [":".join(map(str, row)) for row in first.itertuples(index=False, name=None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Products:
    """U, Y = H^-1 U and the random effects' system, rows in the order of the groups.

    Attributes
    ----------
    right, swept, weights, rows
        U, Y, W and Z Lambda, by row.
    starts
        Where the rows of each group start, and where the last ones end, shape (groups + 1,).
    system
        K.
    pushed
        (Z Lambda)'Y of the columns that one group alone touches, in the order of the groups.
    pushed_starts
        As `starts`, of `pushed`.
    shares
        Whether a group touches columns of other groups, shape (groups,).
    """

    right: Floats
    swept: Floats
    weights: Floats
    rows: sparse.csr_array
    starts: Places
    system: ConditionalSystem
    pushed: Floats
    pushed_starts: Places
    shares: Flags

    @classmethod
    def of(cls, fit: Fitted, scale: Floats, codes: Integers) -> _Products:
        rows, _, _ = spherical_rows(fit, fit.frame.data)
        system = conditional_system(fit, rows, fit.weights)
        weights = np.ones(len(fit.response)) if fit.weights is None else fit.weights
        right = np.column_stack(
            [fit.fixed.matrix(fit.frame.data) / scale, fit.response - fit.offset]
        )
        modes = system.solve(rows.T @ (right * weights[:, None]))
        swept = (right - rows @ modes) * weights[:, None]
        size, touching = int(codes.max()) + 1, np.repeat(codes, np.diff(rows.indptr))
        first, last = np.full(rows.shape[1], size), np.full(rows.shape[1], -1)
        np.minimum.at(first, rows.indices, touching)
        np.maximum.at(last, rows.indices, touching)
        shares = np.zeros(size, dtype=bool)
        shares[touching[(first < last)[rows.indices]]] = True
        alone = np.flatnonzero(first == last)
        alone = alone[np.argsort(first[alone], kind="stable")]
        order = np.argsort(codes, kind="stable")
        return cls(
            right=right[order],
            swept=swept[order],
            weights=weights[order],
            rows=rows[order],
            starts=np.searchsorted(codes[order], np.arange(size + 1)),
            system=system,
            pushed=(rows.T @ swept)[alone],
            pushed_starts=np.searchsorted(first[alone], np.arange(size + 1)),
            shares=shares,
        )

    def removed(self, group: int) -> Floats:
        """F - F without the rows of a group."""
        chosen = slice(*self.starts[group : group + 2])
        swept = self.swept[chosen]
        removed = swept.T @ (swept / self.weights[chosen, None])
        if not self.shares[group]:
            pushed = self.pushed[slice(*self.pushed_starts[group : group + 2])]
            return np.asarray(removed + pushed.T @ pushed, float)
        touching = self.rows[chosen]
        columns = np.unique(touching.indices)
        own = touching[:, columns].toarray()
        pushed = own.T @ swept
        within = own.T @ (own * self.weights[chosen, None])
        bracket = np.linalg.inv(self.system.inverse_block(columns)) - within
        return np.asarray(removed + pushed.T @ np.linalg.solve(bracket, pushed), float)
