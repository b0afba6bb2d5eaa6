r"""Separation: fixed effects of which the likelihood has no maximum, and where to start otherwise.

The likelihood of the fixed part alone increases for ever along a direction d if :math:`x_i'd \ge 0`
in rows where all trials succeed, :math:`\le 0` where none does (or a count is zero), :math:`= 0` in
all others, and not zero everywhere (Albert & Anderson 1984, Biometrika 71:1-10). Random effects do
not prevent it. Such a direction is looked for by linear programming (Konis 2007, DPhil thesis,
Oxford; the R package detectseparation), where a fit of the fixed part alone did not settle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError
from qsmstats.generalized.family import Outcome

__all__ = ["start_fixed"]

_MOST_STEPS = 50
# A linear predictor this far out is fitted to outcomes without any variation.
_FAR = 12.0
# Largest element of a direction of separation, in units of a mean of one.
_MOST = 1e4


def start_fixed(
    outcome: Outcome, basis: Floats, root: Floats, offset: Floats, names: Sequence[str]
) -> Floats:
    """Fit the fixed part alone, in the coordinates of its basis, shape (p,).

    Parameters
    ----------
    outcome, offset
        The rows.
    basis, root
        Q and R of the fixed columns X = Q R.
    names
        Names of these columns.

    Raises
    ------
    NotIdentifiedError
        If columns separate the outcome.
    """
    beta: Floats = np.asarray(np.linalg.lstsq(basis, outcome.start() - offset, rcond=None)[0])
    step: Floats = np.zeros(len(beta))
    best = -np.inf
    for _ in range(_MOST_STEPS):
        eta = offset + basis @ (beta + step)
        rows = outcome.at(eta, 0.0)
        value = float(rows.value.sum())
        if value < best - 1e-10 * (1.0 + abs(best)):
            step = 0.5 * step
            continue
        beta, best = beta + step, value
        # A small multiple of the identity keeps the steps finite on the way to a separation.
        curve = basis.T @ (basis * rows.curve[:, None]) + 1e-8 * np.eye(len(beta))
        step = np.asarray(np.linalg.solve(curve, basis.T @ rows.first))
        if np.abs(step).max(initial=0.0) < 1e-6:
            break
    if np.abs(eta - offset).max() > _FAR or np.abs(step).max(initial=0.0) >= 1e-6:
        _refuse_separation(outcome, basis, root, names)
    return beta


def _refuse_separation(outcome: Outcome, basis: Floats, root: Floats, names: Sequence[str]) -> None:
    columns = basis @ root
    columns = columns / np.sqrt(np.square(columns).mean(axis=0))
    every = (outcome.y == outcome.trials) & (outcome.family == "binomial")
    free = (outcome.y == 0.0) | every
    signed = np.where(every, 1.0, -1.0)[free, None] * columns[free]
    # d = u - v with u, v >= 0, and its direction scaled to a mean of one: the d of least sum of
    # magnitudes, so that columns which it does not need stay out of the message.
    both = np.hstack([columns, -columns])
    found = linprog(
        np.ones(both.shape[1]),
        A_ub=-np.hstack([signed, -signed]),
        b_ub=np.zeros(len(signed)),
        A_eq=np.vstack([both[~free], np.hstack([signed, -signed]).sum(axis=0)]),
        b_eq=np.r_[np.zeros(int((~free).sum())), float(len(basis))],
        bounds=(0.0, _MOST),
        method="highs",
    )
    if found.x is None:
        return
    size = found.x[: len(names)] + found.x[len(names) :]
    involved = [name for name, part in zip(names, size, strict=True) if part > 1e-6 * size.max()]
    listed = [name for name in involved if name != "Intercept"] or involved
    what = "the outcome" if outcome.family == "binomial" else "counts of zero"
    raise NotIdentifiedError(
        f"the columns {', '.join(listed)} predict {what} without error in a part of the rows "
        "(separation), so that their estimates are infinite: remove these columns, or join levels "
        "in which the outcome does not vary"
    )
