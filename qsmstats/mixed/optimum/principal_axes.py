"""Newton's method in the principal axes of the covariance matrices.

theta holds Cholesky factors, T = L L', and such a factor is blind where its first elements vanish:
at L_11 = 0 all (L_21, L_22) on a circle give one T. Descents then follow that circle for a hundred
steps, or stop on it where T is no minimum, because they see the derivative G of the criterion in T
only through L_11's cross terms. In the axes Q of T, the largest first,

  T = Q S Q',    S = L L',    L = diag(roots of T's eigenvalues) to begin with,

what vanishes comes last. The Hessian in the elements of L that belong to T's null space N is 2 G's
block N'G N there, so that a singular T without negative curvature is a minimum among all covariance
matrices near it (the condition of Karush, Kuhn and Tucker). A descent is therefore taken up again
in the axes of the T that it has come to, every few steps and after it has come to a singular one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.mixed.criterion.covariance import Parametrisation, lower_factor, lower_triangle
from qsmstats.mixed.optimum.trust_region import Descents, descend

__all__ = ["EvaluateInAxes", "InAxes", "descend_in_axes", "is_singular"]


EvaluateInAxes: TypeAlias = Callable[["InAxes", Places, Floats], tuple[Floats, Floats, Floats]]

# An eigenvalue of a relative covariance below this share of the largest is a zero variance
# (lme4 calls a fit singular at 1e-4 on the scale of standard deviations).
_SINGULAR = 1e-8
# Steps in the same axes, and how often axes are sought.
_STEPS, _TURNS = 10, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InAxes(Parametrisation):
    """The map from free parameters in axes of their own to model parameters (w, t).

    Attributes
    ----------
    turn
        x as a linear function of (w, s), shape (.., size, size).
    axes
        Q of each term, shapes (.., q, q).
    """

    turn: Floats
    axes: tuple[Floats, ...]

    def take(self, which: Places | int) -> InAxes:
        """Return those of some of m fits, or of one."""
        axes = tuple(axis[which] for axis in self.axes)
        return replace(self, turn=self.turn[which], axes=axes)

    def turned_back(self, theta: Floats) -> Floats:
        """Return the same covariances outside these axes, every diagonal of L at or above zero."""
        turned = zip(self.axes, self.factors(theta), strict=True)
        return self.join(theta[..., : self.strata], [lower_factor(q @ own) for q, own in turned])

    def values(self, theta: Floats) -> Floats:
        """Model parameters x = (w, t), for theta of shape (.., size)."""
        own = Parametrisation.values(self, theta)
        return np.asarray((self.turn @ own[..., None])[..., 0])

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """dx_k / dtheta_a and d2x_k / dtheta_a dtheta_b, shapes as without axes."""
        first, second = Parametrisation.derivatives(self, theta)
        flat = self.turn @ second.reshape(*second.shape[:-2], -1)
        return self.turn @ first, flat.reshape(second.shape)


def is_singular(parametrisation: Parametrisation, theta: Floats, *, least_width: int = 1) -> Flags:
    """Whether a relative covariance has a zero eigenvalue.

    Parameters
    ----------
    parametrisation, theta
        The parameters of one fit, shape (k,), or of many, shape (m, k).
    least_width
        Columns from which a term is looked at.
    """
    singular = np.zeros(theta.shape[:-1], dtype=bool)
    for factor in parametrisation.factors(theta):
        if factor.shape[-1] < least_width:
            continue
        values = np.linalg.svd(factor, compute_uv=False) ** 2
        singular = singular | (values[..., -1] < _SINGULAR * np.maximum(1.0, values[..., 0]))
    return singular


def descend_in_axes(
    evaluate: EvaluateInAxes,
    parametrisation: Parametrisation,
    start: Floats,
    arrived: Callable[[Places, Floats, Floats], Flags] | None = None,
) -> Descents:
    """Minimise m criteria from starts of their own, shape (m, k).

    Parameters
    ----------
    evaluate
        (parameters in axes, which criteria, theta in axes) -> values, gradients and Hessians.
    parametrisation, start
        Where to start.
    arrived
        (which criteria, x, values) -> whether to stop before convergence; asked before every step.

    Returns
    -------
    Descents
        With diagonals of L at or above zero; gradients and Hessians are those in the last axes.
    """

    def some_steps(which: Places, theta: Floats) -> Descents:
        axes, turned = _principal_axes(parametrisation, theta)

        def evaluate_there(at: Places, theta: Floats) -> tuple[Floats, Floats, Floats]:
            return evaluate(axes.take(at), which[at], theta)

        def arrived_there(at: Places, state: Descents) -> Flags:
            assert arrived is not None  # noqa: S101
            return arrived(which[at], axes.take(at).values(state.theta[at]), state.value[at])

        made = descend(evaluate_there, turned, arrived_there if arrived else None, most=_STEPS)
        made.theta = axes.turned_back(made.theta)
        return made

    found = some_steps(np.arange(len(start)), start)
    last, which = found, np.arange(len(start))
    for _ in range(_TURNS - 1):
        # A singular minimum stands when the descent has nowhere to go in its own axes.
        moved = last.converged & (last.iterations > 1)
        on = last.running | (moved & is_singular(parametrisation, last.theta, least_width=2))
        if not on.any():
            break
        which = which[on]
        last = some_steps(which, found.theta[which])
        last_iterations = found.iterations[which] + last.iterations
        for field in fields(Descents):
            getattr(found, field.name)[which] = getattr(last, field.name)
        found.iterations[which] = last_iterations
    return found


def _principal_axes(parametrisation: Parametrisation, theta: Floats) -> tuple[InAxes, Floats]:
    """Return the principal axes of all T, largest first, and the parameters there."""
    m, strata = theta.shape[0], parametrisation.strata
    turn = np.zeros((m, parametrisation.size, parametrisation.size))
    turn[:, range(strata), range(strata)] = 1.0
    roots, axes, at = [], [], strata
    for factor in parametrisation.factors(theta):
        # Of L itself, not of L L': the root of rounding would open what is closed.
        q, root, _ = np.linalg.svd(factor)
        rows, columns = lower_triangle(factor.shape[-1])
        inside = slice(at, at := at + len(rows))
        own = q[:, rows[:, None], rows] * q[:, columns[:, None], columns]
        other = q[:, rows[:, None], columns] * q[:, columns[:, None], rows]
        turn[:, inside, inside] = own + np.where(rows == columns, 0.0, other)
        roots.append(root[:, :, None] * np.eye(factor.shape[-1]))
        axes.append(q)
    made = InAxes(strata=strata, widths=parametrisation.widths, turn=turn, axes=tuple(axes))
    return made, parametrisation.join(theta[:, :strata], roots)
