"""A second opinion on fixed effects: CR2 standard errors with Satterthwaite's df (`sandwich`).

The estimates are the model's; their uncertainty is taken from how much the independent clusters
differ, so that it holds where residual variances or random effects are others than the model says.
What it needs are clusters: an estimate that depends on a level of fewer than four is withheld.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.linalg import solve_triangular

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.display import Displayed
from qsmstats.errors import UsageError, one_of
from qsmstats.mixed.design.frame import ModelFrame
from qsmstats.mixed.design.grouping import coded_column
from qsmstats.mixed.design.matrices import FixedDesign
from qsmstats.mixed.fitted import Fitted
from qsmstats.mixed.formula.specification import Specification
from qsmstats.mixed.inference.hypotheses import complete_coding
from qsmstats.mixed.inference.sandwich import ClusterRobust, cluster_terms

__all__ = ["Clustered", "clustered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered(Displayed):
    """The fixed effects of a fit, with cluster-robust uncertainty.

    Attributes
    ----------
    cluster, n_clusters
        The grouping whose groups are the clusters, and their number.
    model, estimates, fixed, frame, offset
        As of the fit.
    moments
        The uncertainty of the fixed effects.
    """

    cluster: str
    n_clusters: int
    model: Specification
    estimates: Floats
    fixed: FixedDesign
    frame: ModelFrame
    offset: Floats
    moments: ClusterRobust


AnyClustered = TypeVar("AnyClustered", bound=Clustered)


def clustered(kind: type[AnyClustered], fit: Fitted, cluster: str | None) -> AnyClustered:
    """Put cluster-robust fixed effects into a record of the class `kind`.

    Arguments and errors as in `MixedFit.cluster_robust`.
    """
    label, codes = _clusters(fit, cluster)
    design, root = fit.fixed.matrix(fit.frame.data), fit.moments.basis
    basis: Floats = solve_triangular(root, design.T, trans=1).T
    residuals = fit.response - fit.offset - design @ fit.estimates
    bread = root @ fit.covariance @ root.T
    terms = [
        cluster_terms(basis[rows], phi, bread, residuals[rows]) for rows, phi in _blocks(fit, codes)
    ]
    scores = np.array([one.score for one in terms])
    coding, columns, numbers = complete_coding(fit)
    return kind(
        cluster=label,
        n_clusters=len(terms),
        model=fit.model,
        estimates=fit.estimates,
        fixed=fit.fixed,
        frame=fit.frame,
        offset=fit.offset,
        moments=ClusterRobust(
            basis=root,
            bread=bread,
            covariance=scores.T @ scores,
            own=np.array([one.own for one in terms]),
            shared=np.array([one.shared for one in terms]),
            levels=root @ coding,
            clusters=_clusters_with(columns, numbers, codes),
        ),
    )


def _clusters(fit: Fitted, cluster: str | None) -> tuple[str, Integers]:
    """Return the label of the clusters and the cluster of each row."""
    frame = fit.frame.data
    groupings = {term.design.grouping.label: term.design.grouping for term in fit.random}
    names = list(dict.fromkeys(name for one in groupings.values() for name in one.names))
    codes = {label: one.codes(frame) for label, one in groupings.items()}
    if cluster is not None and cluster not in names:
        raise UsageError(f"cluster='{cluster}' is not a grouping column; use {one_of(names)}")
    wanted = {cluster: coded_column(frame[cluster])[0]} if cluster is not None else codes
    for label, own in wanted.items():
        if all(_lies_within(other, own) for other in codes.values()):
            return label, own
    raise UsageError(
        f"cluster={cluster!r}: the groups of {', '.join(codes)} do not all lie within "
        f"{cluster or 'those of one of them'}, so that there are no independent clusters; "
        "cluster-robust standard errors need nested groupings"
    )


def _lies_within(inner: Integers, outer: Integers) -> bool:
    """Return whether each group of `inner` has rows in one group of `outer` only."""
    pairs = np.unique(np.column_stack([inner, outer]), axis=0)
    return len(pairs) == len(np.unique(inner))


def _blocks(fit: Fitted, codes: Integers) -> Iterator[tuple[Integers, Floats]]:
    """Yield the rows of each cluster and the model's covariance of their outcomes."""
    frame = fit.frame.data
    effects = [
        (term.design.matrix(frame) @ factor * fit.sigma, term.design.grouping.codes(frame))
        for term, factor in zip(fit.random, fit.factors(), strict=True)
    ]
    residual = np.full(len(frame), fit.sigma**2)
    if fit.weights is not None:
        residual /= fit.weights
    for cluster in np.unique(codes):
        rows = np.flatnonzero(codes == cluster)
        phi = np.diag(residual[rows])
        for values, groups in effects:
            same = groups[rows, None] == groups[rows]
            phi += same * (values[rows] @ values[rows].T)
        yield rows, phi


def _clusters_with(columns: Floats, numbers: Flags, codes: Integers) -> Floats:
    """Count the clusters in which a level occurs, or in which a number differs from its mode."""
    made = np.empty(columns.shape[1])
    for place, (column, number) in enumerate(zip(columns.T, numbers, strict=True)):
        values, counts = np.unique(column, return_counts=True)
        usual = values[counts.argmax()] if number and len(values) > 1 else 0.0
        made[place] = len(np.unique(codes[column != usual]))
    return made
