"""The model by the textbook: dense n x n matrices, no structure used."""

from __future__ import annotations

import numpy as np


def covariance(terms, sizes, variances, residual):
    """V = sum_k Z_k (I kron S_k) Z_k' + diag(residual); terms are (codes, columns)."""
    made = np.diag(np.asarray(residual, dtype=float))
    for (codes, columns), size, variance in zip(terms, sizes, variances, strict=True):
        z = incidence(codes, columns, size)
        made = made + z @ np.kron(np.eye(size), variance) @ z.T
    return made


def incidence(codes, columns, size):
    n, q = columns.shape
    z = np.zeros((n, size * q))
    for j in range(q):
        z[np.arange(n), codes * q + j] = columns[:, j]
    return z


def minus_two_log_likelihood(y, x, v, *, reml):
    """At the generalised least squares estimate (Bates et al. 2015; Harville 1974)."""
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    b = np.linalg.solve(information, x.T @ inverse @ y)
    rest = y - x @ b
    degrees = len(y) - (x.shape[1] if reml else 0)
    made = np.linalg.slogdet(v)[1] + rest @ inverse @ rest + degrees * np.log(2 * np.pi)
    return made + (np.linalg.slogdet(information)[1] if reml else 0.0)


def kenward_roger(x, v, derivatives, rows):
    """Adjusted covariance and one-row df straight from Kenward & Roger 1997, n x n."""
    inverse = np.linalg.inv(v)
    phi = np.linalg.inv(x.T @ inverse @ x)
    k = len(derivatives)
    p = [-x.T @ inverse @ d @ inverse @ x for d in derivatives]
    q = [[x.T @ inverse @ a @ inverse @ b @ inverse @ x for b in derivatives] for a in derivatives]
    information = np.empty((k, k))
    for i, a in enumerate(derivatives):
        for j, b in enumerate(derivatives):
            information[i, j] = (
                np.trace(inverse @ a @ inverse @ b)
                - 2 * np.trace(phi @ q[i][j])
                + np.trace(phi @ p[i] @ phi @ p[j])
            )
    w = np.linalg.inv(0.5 * information)
    middle = sum(w[i, j] * (q[i][j] - p[i] @ phi @ p[j]) for i in range(k) for j in range(k))
    adjusted = phi + 2 * phi @ middle @ phi
    df = []
    for row in rows:
        theta = np.outer(row, row) / (row @ phi @ row)
        a2 = sum(
            w[i, j] * np.trace(theta @ phi @ p[i] @ phi @ theta @ phi @ p[j] @ phi)
            for i in range(k)
            for j in range(k)
        )
        df.append(2 / a2)
    return adjusted, np.array(df)
