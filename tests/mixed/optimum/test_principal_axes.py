"""Descents among covariance matrices, on a criterion whose minimum is known in closed form.

The covariance matrix next to a symmetric matrix B (Frobenius norm) is B without its negative
eigenvalues (Higham 1988, Linear Algebra Appl 103, 103-118).
"""

from __future__ import annotations

import numpy as np
import pytest

from qsmstats.mixed.criterion.covariance import Parametrisation
from qsmstats.mixed.optimum.principal_axes import descend_in_axes

ONE = Parametrisation(strata=0, widths=(2,))
THREE = Parametrisation(strata=0, widths=(3,))


def _distance(targets):
    """|T - B|^2 of each target B, as `descend_in_axes` asks for it."""
    width = targets.shape[-1]
    columns, rows = np.triu_indices(width)
    known, weight = targets[:, rows, columns], np.where(rows == columns, 1.0, 2.0)

    def evaluate(axes, which, theta):
        away = axes.values(theta) - known[which]
        first, second = axes.derivatives(theta)
        slope = 2.0 * weight * away
        gradient = np.einsum("nk,nka->na", slope, first)
        bend = np.einsum("nk,nkab->nab", slope, second)
        hessian = np.einsum("nka,k,nkb->nab", first, 2.0 * weight, first) + bend
        return (weight * away**2).sum(axis=1), gradient, hessian

    return evaluate


def _nearest(targets):
    values, vectors = np.linalg.eigh(targets)
    return (vectors * np.maximum(values, 0.0)[:, None]) @ vectors.swapaxes(1, 2)


@pytest.mark.parametrize("parametrisation", [ONE, THREE], ids=["two columns", "three columns"])
def test_the_nearest_covariance_matrix_is_found_in_few_steps(parametrisation):
    """Axes whose first column nearly vanishes are among them, and starts that are blind to it."""
    rng, (width,) = np.random.default_rng(1), parametrisation.widths
    turns = np.linalg.qr(rng.normal(size=(60, width, width)))[0]
    turns[:20, :, 0] = np.eye(width)[-1] + 1e-3 * rng.normal(size=(20, width))
    sizes = rng.normal(size=(60, width))
    sizes[:20] = -np.abs(sizes[:20])
    sizes[:20, 0] = 0.2
    targets = (turns * sizes[:, None]) @ turns.swapaxes(1, 2)
    start = rng.normal(size=(60, parametrisation.size))
    start[::2, 0] = 1e-6
    found = descend_in_axes(_distance(targets), parametrisation, start)
    assert found.converged.all()
    assert found.iterations.max() <= 40
    (factor,) = parametrisation.factors(found.theta)
    assert (np.einsum("nii->ni", factor) >= 0.0).all()
    reached = factor @ factor.swapaxes(1, 2)
    np.testing.assert_allclose(reached, _nearest(targets), atol=2e-5)


def test_a_point_that_is_stationary_in_its_factor_alone_is_left():
    """At L = (0, a; b) the slope in L_11 is that of T_21 alone, and here there is none."""
    target = np.array([[[1.0, 0.0], [0.0, 2.0]]])
    blind = np.array([[0.0, 1.0, 1.0]])
    found = descend_in_axes(_distance(target), ONE, blind)
    (factor,) = ONE.factors(found.theta)
    np.testing.assert_allclose(factor @ factor.swapaxes(1, 2), target, atol=1e-6)


def test_derivatives_in_axes_are_those_of_differences():
    seen = []

    def record(axes, which, theta):
        seen.append((axes, theta))
        return np.zeros(len(theta)), np.zeros_like(theta), np.tile(np.eye(3), (len(theta), 1, 1))

    descend_in_axes(record, ONE, np.array([[0.5, -0.3, 0.2]]))
    axes, theta = seen[0]
    first, second = axes.derivatives(theta)
    for a, step in enumerate(1e-5 * np.eye(3)):
        up, down = axes.values(theta + step), axes.values(theta - step)
        np.testing.assert_allclose(first[..., a], (up - down) / 2e-5, atol=1e-9)
        up, down = axes.derivatives(theta + step)[0], axes.derivatives(theta - step)[0]
        np.testing.assert_allclose(second[..., a], (up - down) / 2e-5, atol=1e-9)
    # The start itself has not been moved.
    expected = ONE.values(np.array([[0.5, -0.3, 0.2]]))
    np.testing.assert_allclose(axes.values(theta), expected, atol=1e-14)
