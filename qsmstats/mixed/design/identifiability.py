"""Whether a design can tell the parameters of its model apart; errors in words where it cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.design.independent_columns import Basis, independent_columns
from qsmstats.mixed.design.layout import RandomColumns
from qsmstats.mixed.design.matrices import FixedDesign, RandomDesign

__all__ = ["check_absorbed", "check_groups", "check_residual", "check_rows", "whiten"]


def whiten(design: RandomDesign, values: Floats) -> Basis:
    """Return an orthonormal basis for the columns of a random term, shape (n, q).

    Raises
    ------
    NotIdentifiedError
        If they depend on one another.
    """
    basis = independent_columns(values)
    if len(basis.dropped):
        names = ", ".join(design.names[index] for index in basis.dropped)
        raise NotIdentifiedError(
            f"{design.label}: the columns {names} are linear combinations of the others in this "
            "term; remove them"
        )
    return basis


def check_rows(fixed: FixedDesign, n: int) -> None:
    """Refuse as many fixed effects as rows."""
    if len(fixed.names) < n:
        return
    most = max(fixed.factors, key=lambda name: len(fixed.factors[name]), default=None)
    hint = "" if most is None else f" ('{most}' alone has {len(fixed.factors[most])} levels)"
    raise NotIdentifiedError(
        f"{n} rows cannot identify {len(fixed.names)} fixed effects and a residual variance{hint}; "
        "use fewer"
    )


def check_groups(random: Sequence[RandomColumns]) -> None:
    """Refuse a single group."""
    for part in random:
        if np.count_nonzero(np.bincount(part.codes)) < 2:
            raise NotIdentifiedError(
                f"{part.design.label}: there is only one group; a variance between groups needs at "
                "least two: remove the term"
            )


def check_residual(random: Sequence[RandomColumns], n: int) -> None:
    """Refuse as many random effects of a term as rows."""
    for part in random:
        label, width = part.design.label, part.columns.shape[1]
        groups = int(np.count_nonzero(np.bincount(part.codes)))
        if groups * width >= n:
            raise NotIdentifiedError(
                f"{label}: {groups} groups with {width} random effects each against {n} rows; "
                "its variance cannot be distinguished from the residual variance: remove the term"
            )


def check_absorbed(random: Sequence[RandomColumns], basis: Floats) -> None:
    """Refuse random effects that are linear combinations of the fixed part.

    The REML criterion does not depend on their variance at all, so any value would be reported.
    """
    n, p = basis.shape
    for part in random:
        groups, width = part.design.grouping.size, part.columns.shape[1]
        # Independent effects of all groups cannot lie in fewer fixed columns than there are.
        if groups * width > p:
            continue
        rows = np.arange(n)
        inside = sum(
            float(np.square(csr_array((column, (part.codes, rows)), (groups, n)) @ basis).sum())
            for column in part.columns.T
        )
        # The basis is orthonormal to seven digits only where fixed columns are nearly collinear.
        if inside / n > (1.0 - 1e-6) * float(np.square(part.columns).sum()):
            raise NotIdentifiedError(
                f"{part.design.label}: the fixed effects already distinguish its groups, so its "
                "variance cannot be estimated; omit the term, or the fixed effects that differ "
                "only between groups"
            )
