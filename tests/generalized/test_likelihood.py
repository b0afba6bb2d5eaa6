"""Both integrations: derivatives against differences, and the integral against a plain grid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from qsmstats.generalized.assembly import assemble
from qsmstats.generalized.estimate import build_engine
from qsmstats.generalized.quadrature import Quadrature, hermite_nodes
from qsmstats.generalized.specification import GeneralizedSpecification


@pytest.fixture(scope="module")
def table():
    """Rows in lesions in patients in sites, lesions of unequal size."""
    random = np.random.default_rng(11)
    lesion = np.sort(random.integers(0, 40, 130))
    patient, site = lesion // 4, lesion // 16
    x = random.normal(size=130)
    eta = -0.2 + 0.6 * x + random.normal(size=40)[lesion] + random.normal(size=10)[patient]
    y = random.binomial(1, 1.0 / (1.0 + np.exp(-eta)))
    made = pd.DataFrame({"y": y, "x": x, "lesion": lesion, "patient": patient, "site": site})
    made["count"] = random.poisson(np.exp(0.5 * eta))
    made["rater"] = random.integers(0, 5, 130)
    return made.sample(frac=1.0, random_state=1).reset_index(drop=True)


MODELS = {
    "three levels": ("y ~ x + (1 | site) + (1 | patient) + (1 | lesion)", "binomial", "logit"),
    "slope": ("y ~ x + (1 + x | patient) + (1 | lesion)", "binomial", "cloglog"),
    "two terms": ("y ~ x + (1 | patient) + (0 + x | patient)", "binomial", "probit"),
    "negative binomial": ("count ~ x + (1 + x | patient)", "negative_binomial", "log"),
}


def engine(table, name, integration):
    formula, family, link = MODELS.get(name, (name, "binomial", "logit"))
    model = GeneralizedSpecification(formula, family=family, link=link)
    made = build_engine(assemble(model, table), integration)
    random = np.random.default_rng(3)
    return made, made.start + 0.1 * random.normal(size=len(made.start))


def differences(function, phi, step=1e-5):
    moves = step * np.eye(len(phi))
    return np.array([(function(phi + m) - function(phi - m)) / (2.0 * step) for m in moves])


@pytest.mark.parametrize("name", MODELS)
def test_derivatives_of_the_quadrature_at_held_nodes(table, name):
    made, phi = engine(table, name, "nested")
    rule = Quadrature(made.chain, made.parameters, [4] * len(made.levels), phi)
    value, gradient, hessian = rule.at(phi)
    assert rule.value(phi) == pytest.approx(value, rel=1e-12)
    assert gradient == pytest.approx(differences(rule.value, phi), abs=1e-6)
    assert hessian == pytest.approx(differences(lambda at: rule.at(at)[1], phi), abs=1e-6)


CROSSED = "y ~ x + (1 + x | patient) + (1 | rater) + (1 | lesion)"


@pytest.mark.parametrize("name", [*MODELS, CROSSED])
def test_derivatives_of_laplace(table, name):
    made, phi = engine(table, name, "laplace")
    value, gradient, hessian = made.laplace.at(phi)
    # The modes are found to about 1e-12, which differences divide by the step.
    slopes = differences(lambda at: made.laplace.slope(at)[0], phi)
    assert gradient == pytest.approx(slopes, abs=1e-5)
    assert np.isfinite(value)
    assert hessian == pytest.approx(hessian.T)


def test_one_level_with_one_node_is_laplace(table):
    name = "y ~ x + (1 + x | patient)"
    nested, phi = engine(table, name, "nested")
    laplace, _ = engine(table, name, "laplace")
    rule = Quadrature(nested.chain, nested.parameters, [1], phi)
    assert rule.value(phi) == pytest.approx(laplace.laplace.slope(phi)[0], abs=1e-5)


def test_two_levels_against_a_grid(table):
    made, phi = engine(table, "y ~ x + (1 | patient) + (1 | lesion)", "nested")
    beta, (lesion_sd, patient_sd), _ = (
        made.parameters.split(phi)[0],
        [float(factor[0, 0]) for factor in made.parameters.split(phi)[1]],
        None,
    )
    chain = made.chain
    z, w = hermite_nodes(60, 1)
    eta = (chain.fixed @ beta)[:, None, None] + patient_sd * z + lesion_sd * z[:, 0]
    rows = chain.outcome.value(eta, 0.0)
    lesion, patient = chain.codes
    by_lesion = np.zeros((lesion.max() + 1, 60, 60))
    np.add.at(by_lesion, lesion, rows)
    inner = logsumexp(by_lesion + w, axis=2)
    owner = np.zeros(lesion.max() + 1, dtype=int)
    owner[lesion] = patient
    by_patient = np.zeros((patient.max() + 1, 60))
    np.add.at(by_patient, owner, inner)
    expected = float(logsumexp(by_patient + w, axis=1).sum())
    rule = Quadrature(chain, made.parameters, [20, 20], phi)
    assert rule.value(phi) == pytest.approx(expected, abs=1e-6)


def test_blocks_do_not_matter(table, monkeypatch):
    made, phi = engine(table, "three levels", "nested")
    whole = Quadrature(made.chain, made.parameters, [3, 3, 3], phi)
    monkeypatch.setattr("qsmstats.generalized.quadrature._BLOCK", 1)
    parts = Quadrature(made.chain, made.parameters, [3, 3, 3], phi)
    assert len(parts.blocks) == 3
    # Nodes are in place to 1e-3, block by block.
    assert parts.value(phi) == pytest.approx(whole.value(phi), abs=1e-3)
    for one, other in zip(parts.posterior(phi)[2], whole.posterior(phi)[2], strict=True):
        assert one[0] == pytest.approx(other[0], abs=1e-2)


def test_the_posterior_comes_with_the_gradient(table):
    made, phi = engine(table, "three levels", "nested")
    rule = Quadrature(made.chain, made.parameters, [7, 4, 3], phi)
    assert rule.posterior(phi)[1] == pytest.approx(rule.at(phi)[1], rel=1e-9, abs=1e-9)
    for orders in ([9, 4, 3], [7, 5, 3], [5, 4, 3]):
        other, anew = (
            rule.with_orders(orders, phi),
            Quadrature(made.chain, made.parameters, orders, phi),
        )
        assert other.value(phi) == pytest.approx(anew.value(phi), abs=1e-9)
