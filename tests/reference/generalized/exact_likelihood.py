"""Exact likelihoods of nested models from plain grids, in plain numpy.

Rows in groups of the last level in ... in groups of the first:

    L = prod_patients int phi(v) { prod_lesions int phi(a) [ prod_rows f(y | eta) ] da } dv,
    eta = x'b + s_1 v + s_2 a.

Every integral is a sum over equally spaced nodes (trapezium rule) from -8 to 8 standard deviations,
161 for the first level and 61 for each lower one (`COARSER` ones where no group is large enough
for its posterior to be narrow); nothing adapts and nothing is approximated but
the sums. The trapezium rule is exact to rounding here: its error falls as exp(-2 (pi s / h)^2) for
a posterior of standard deviation s and steps of h (Trefethen & Weideman 2014, SIAM Rev 56:385).
The maximum is found by BFGS and three steps with the Hessian there; the gradient is Fisher's
identity, the posterior mean of the score of the data with known effects. Per case: the log
likelihood at the maximum, its parameters and standard errors (from differences of the gradient),
and the log likelihood at glmmTMB's estimates, so that both can be compared on one scale.

    python exact_likelihood.py [NAME ...]     every case, or these: writes them to exact.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from formulaic import model_matrix
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, log_ndtr, logsumexp

HERE = Path(__file__).parent
REFERENCE = json.loads((HERE / "generalized.json").read_text(encoding="utf-8"))
# Case and its axes of integration, from the top: groups for random intercepts, "column | group" for
# random slopes of a column of X, correlated with the intercepts named before.
CASES = {
    "nested_logit": ("patient", "lesion"),
    "nested_probit": ("patient", "lesion"),
    "nested_cloglog": ("patient", "lesion"),
    "nested_poisson": ("patient", "lesion"),
    "nested_nb": ("patient", "lesion"),
    "guimmun": ("community", "mother"),
    "cbpp_logit": ("herd",),
    "cbpp_rows": ("herd", "row"),
    "grouseticks_poisson": ("location", "brood", "row"),
    "cbpp_probit": ("herd",),
    "cbpp_cloglog": ("herd",),
    "toenail": ("patient",),
    "bacteria": ("id",),
    "bacteria_weights": ("id",),
    "salamanders_poisson": ("site",),
    "epil_poisson": ("subject",),
    "epil_weights": ("subject",),
    "contraception": ("district",),
    "owls_poisson": ("nest",),
    "sleep": ("subject",),
    "epil_nb": ("subject",),
    "salamanders_nb": ("site",),
    "owls_nb": ("nest",),
    "epil_slope": ("subject", "visit | subject"),
    "contraception_slope": ("district", "urbanY | district"),
    "prl": ("pid",),
    "prlong": ("pid", "lid"),
}
NODES = (161, 61)
COARSER = {"guimmun": (61, 61), "grouseticks_poisson": (61, 41, 41)}
FINER = {"epil_slope": (161, 161)}
# BFGS from Laplace's estimates would take an hour here: near the maximum that adaptive quadrature
# found (15 x 41 nodes), from where Newton's steps suffice.
START = {"prlong": [-3.1224, -0.2729, 0.0143, 0.5757, np.log(1.2975), np.log(1.9356)]}
VALUES_AT_ONCE = 3_000_000


def read(name: str) -> pd.DataFrame:
    """Table of a data set, with R's order of levels."""
    levels = REFERENCE["factor_levels"].get(name, {})
    path = HERE / "data" / f"{name}.csv.gz"
    frame = pd.read_csv(path, dtype=dict.fromkeys(levels, str), keep_default_na=False)
    return frame.assign(**{k: pd.Categorical(frame[k], v) for k, v in levels.items()})


def log_density(case, y, n, eta, k):
    """Log density of y, its derivative by eta, and that by log k (0 without k)."""
    if case["family"] == "poisson":
        mu = np.exp(eta)
        return y * eta - mu - gammaln(y + 1), y - mu, 0.0
    if case["family"] == "negative_binomial":
        mu, total = np.exp(eta), y + k
        constant = gammaln(total) - gammaln(k) - gammaln(y + 1) + k * np.log(k)
        by_k = digamma(total) - digamma(k) + np.log(k) + 1 - np.log(k + mu) - total / (k + mu)
        return constant + y * eta - total * np.log(k + mu), y - total * mu / (k + mu), k * by_k
    ways = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
    if case["link"] == "logit":
        return ways + y * eta - n * np.logaddexp(0, eta), y - n * expit(eta), 0.0
    if case["link"] == "probit":
        yes, no = log_ndtr(eta), log_ndtr(-eta)
        phi = -0.5 * eta**2 - 0.5 * np.log(2 * np.pi)
        score = y * np.exp(phi - yes) - (n - y) * np.exp(phi - no)
        return ways + y * yes + (n - y) * no, score, 0.0
    rate = np.exp(np.minimum(eta, 500.0))  # cloglog
    yes = np.log(-np.expm1(-rate))
    return (
        ways + y * yes - (n - y) * rate,
        y * rate / np.expm1(np.minimum(rate, 700.0)) - (n - y) * rate,
        0.0,
    )


class Nested:
    """Likelihood of one case.

    Parameters are b, the log diagonal of L from the top, its elements below (slopes), and log k.
    """

    def __init__(self, name: str):
        self.case, self.axes = REFERENCE["cases"][name], CASES[name]
        groups = [axis.split(" | ")[-1] for axis in self.axes]
        frame = read(self.case["data"])
        frame = frame.sort_values(list(dict.fromkeys(groups)), kind="stable", ignore_index=True)
        response, right = self.case["formula"].split(" ~ ")
        design = model_matrix(right.split(" + (")[0], frame)
        self.names = [c.replace("[T.", "").replace("]", "") for c in design.columns]
        self.names[0] = "(Intercept)"
        assert self.names == list(self.case["laplace"]["estimates"])
        self.x, self.y = design.to_numpy(float), frame[response].to_numpy(float)
        self.n, self.weights, self.offset = (
            frame[self.case[role]].to_numpy(float)
            if role in self.case
            else np.full(len(frame), otherwise)
            for role, otherwise in (("trials", 1.0), ("weights", 1.0), ("offset", 0.0))
        )
        self.has_k = self.case["family"] == "negative_binomial"
        self.levels = len(groups)
        self.slopes = [m for m, axis in enumerate(self.axes) if " | " in axis]
        self.columns = [
            self.x[:, self.names.index(axis.split(" | ")[0])] if " | " in axis else 0 * self.y + 1
            for axis in self.axes
        ]
        new = [np.r_[True, np.diff(pd.factorize(frame[group])[0]) != 0] for group in groups]
        # First row of every group, level by level.
        self.first = [np.flatnonzero(np.any(new[: m + 1], axis=0)) for m in range(self.levels)]
        nodes = (COARSER | FINER).get(name, NODES)
        self.z = [np.linspace(-8, 8, k) for k in nodes[: self.levels]]
        self.log_weight = [-0.5 * z**2 - logsumexp(-0.5 * z**2) for z in self.z]
        self.points = np.prod([len(z) for z in self.z])

    def at(self, parameters):
        """Log likelihood and its gradient, summed over chunks of whole top groups."""
        starts, total, gradient, begin = self.first[0], 0.0, np.zeros(len(parameters)), 0
        ends = [*starts[1:], len(self.y)]
        for end, following in zip(ends, [*ends[1:], np.inf], strict=True):
            if following - begin > VALUES_AT_ONCE / self.points:
                value, slope = self._chunk(parameters, begin, end)
                total, gradient, begin = total + value, gradient + slope, end
        return total, gradient

    def _chunk(self, parameters, begin, end):
        rows, p = slice(begin, end), self.x.shape[1]
        first = [f[(begin <= f) & (f < end)] - begin for f in self.first]
        diagonal, k = np.exp(parameters[p : p + self.levels]), np.exp(parameters[-1])
        below_diagonal = parameters[p + self.levels :]

        def along(values, level):  # an axis of its own for the nodes of each level
            return values.reshape((1,) * (level + 1) + (-1,) + (1,) * (self.levels - level - 1))

        def column(values):
            return values.reshape((-1,) + (1,) * self.levels)

        eta = column(self.x[rows] @ parameters[:p] + self.offset[rows])
        # Effects are L a: of a random slope and its intercept, L = (l_11, 0; l_21, l_22).
        z = [column(self.columns[m][rows]) * along(self.z[m], m) for m in range(self.levels)]
        crossed = [column(self.columns[m][rows]) * along(self.z[m - 1], m - 1) for m in self.slopes]
        eta = eta + sum(root * values for root, values in zip(diagonal, z, strict=True))
        eta = eta + sum(low * values for low, values in zip(below_diagonal, crossed, strict=False))
        y, n = column(self.y[rows]), column(self.n[rows])
        below, score, by_k = log_density(self.case, y, n, eta, k)
        weights = column(self.weights[rows])
        below, score, by_k = weights * below, weights * score, weights * by_k
        posterior, where = [], np.arange(end - begin)
        for m in reversed(range(self.levels)):
            joint = np.add.reduceat(below, np.searchsorted(where, first[m]), axis=0)
            joint = joint + self.log_weight[m]
            below = logsumexp(joint, axis=-1)
            posterior.append(np.exp(joint - below[..., None]))
            where = first[m]
        weight = np.ones((len(first[0]),))
        for m in range(self.levels):  # down again: of a group's nodes given those above it
            parent = np.searchsorted(first[max(m - 1, 0)], first[m], side="right") - 1
            weight = weight[parent][..., None] * posterior[-1 - m]
        lowest = np.searchsorted(first[-1], np.arange(end - begin), side="right") - 1
        weight = weight[lowest]
        known = weight * score
        slope = [self.x[rows].T @ known.reshape(len(known), -1).sum(axis=1)]
        slope += [[root * (known * values).sum()] for root, values in zip(diagonal, z, strict=True)]
        slope += [[(known * values).sum()] for values in crossed]
        slope += [[(weight * by_k).sum()]] if self.has_k else []
        return below.sum(), np.concatenate(slope)


def from_laplace(model: Nested) -> np.ndarray:
    """glmmTMB's estimates as parameters of the grid."""
    found = model.case["laplace"]
    of = {term["group"]: (*term["sd"], term.get("correlation")) for term in found["random"]}
    diagonal, below = [], []
    for axis in model.axes:
        *column, group = axis.split(" | ")
        diagonal.append(of[group][1] * np.sqrt(1 - of[group][2] ** 2) if column else of[group][0])
        below += [of[group][1] * of[group][2]] if column else []
    k = [np.log(found["k"])] if model.has_k else []
    return np.r_[list(found["estimates"].values()), np.log(diagonal), below, k]


def maximum(name: str) -> dict:
    model = Nested(name)
    start = from_laplace(model)
    at_laplace, _ = model.at(start)
    found = np.array(START.get(name, start))
    if name not in START:
        found = minimize(
            lambda q: tuple(-v for v in model.at(q)), found, jac=True, method="BFGS", tol=1e-3
        ).x
    step = 1e-3 * np.eye(len(found))
    hessian = np.array([model.at(found + d)[1] - model.at(found - d)[1] for d in step]) / 2e-3
    covariance = np.linalg.inv(-(hessian + hessian.T) / 2)
    for _ in range(3):
        found = found + covariance @ model.at(found)[1]
    value, gradient = model.at(found)
    se, p = np.sqrt(np.diag(covariance)), model.x.shape[1]
    sd = np.exp(found[p : p + model.levels])
    answer = {
        "nodes": [len(z) for z in model.z],
        "log_likelihood": value,
        "largest_gradient": np.abs(gradient).max(),
        "log_likelihood_at_laplace": at_laplace,
        "estimates": dict(zip(model.names, found[:p], strict=True)),
        "se": dict(zip(model.names, se[:p], strict=True)),
    }
    if model.slopes:
        low, (first, second) = found[p + model.levels], sd
        whole = np.hypot(low, second)
        answer |= {"sd": dict(zip(model.axes, (first, whole), strict=True))}
        answer |= {"correlation": low / whole}
    else:
        answer |= {"sd": dict(zip(model.axes, sd, strict=True))}
        answer |= {"log_sd_se": dict(zip(model.axes, se[p : p + model.levels], strict=True))}
    return answer | ({"k": np.exp(found[-1]), "log_k_se": se[-1]} if model.has_k else {})


def main() -> None:
    path = HERE / "exact.json"
    for name in sys.argv[1:] or CASES:
        begin = time.process_time()
        made = maximum(name)
        value, laplace = made["log_likelihood"], REFERENCE["cases"][name]["laplace"]
        print(f"{name:20} {value:.6f}, Laplace {laplace['log_likelihood']:.6f}", end=" ")
        print(f"(exact there {made['log_likelihood_at_laplace']:.6f})", end=" ")
        print({k: round(float(v), 4) for k, v in made["sd"].items()}, end=" ")
        print(f"gradient {made['largest_gradient']:.0e}", end=" ")
        print(f"{time.process_time() - begin:.0f} s", flush=True)
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        found[name] = made
        path.write_text(json.dumps(found, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
