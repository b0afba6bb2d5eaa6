"""Leaving groups out: exact against generalised least squares, close to refits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import UsageError
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.model import MixedModel
from tests.mixed.reference_cases import data, fitted


def dense_without(fit: MixedFit, keep: np.ndarray) -> np.ndarray:
    """Generalised least squares on some rows, the n x n covariance written out."""
    frame = fit.frame.data
    H = np.diag(np.ones(len(frame)) if fit.weights is None else 1 / fit.weights)
    for term in fit.random:
        codes, Z = term.design.grouping.codes(frame), term.design.matrix(frame)
        H = H + (Z @ term.relative @ Z.T) * (codes[:, None] == codes[None, :])
    inverse = np.linalg.inv(H[np.ix_(keep, keep)])
    X, y = fit.fixed.matrix(frame)[keep], fit.response[keep]
    return np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ y)


CASES = [
    ("sleep_rs_unbal", "Reaction ~ Days + (1 + Days | Subject)", "Subject", None),
    ("pastes_nested", "strength ~ 1 + (1 | batch) + (1 | batch:cask)", "batch", None),
    ("pastes_nested", "strength ~ 1 + (1 | batch) + (1 | batch:cask)", "batch:cask", None),
    ("penicillin_crossed", "diameter ~ 1 + (1 | plate) + (1 | sample)", "sample", None),
    ("penicillin_crossed", "diameter ~ 1 + (1 | plate) + (1 | sample)", "plate", None),
    ("oats_splitplot", "yield ~ nitro + (1 | Block / Variety)", "Variety", None),
    ("orthodont_rs", "distance ~ age * Sex + (1 + age | Subject)", "Subject", "Sex"),
    ("pixel_singular_rs", "pixel ~ day + I(day**2) + (1 + day | Dog / Side)", "Dog", None),
]


@pytest.mark.parametrize(("name", "formula", "by", "weights"), CASES)
def test_estimates_without_a_group_are_exact_at_fixed_variances(
    name: str, formula: str, by: str, weights: str | None
) -> None:
    fit = MixedModel(formula).fit(data(name), weights=weights)
    result = fit.influence(by)
    label = fit.frame.data[by.split(":")].astype(str).agg(":".join, axis=1)
    wide = result.estimates.pivot_table("estimate", "level", "term")
    wide.index = wide.index.astype(str)
    std_error = np.sqrt(np.diag(fit.covariance))
    assert len(result.distances) == label.nunique()
    for level in label.unique():
        expected = dense_without(fit, (label != level).to_numpy())
        got = wide.loc[level, list(fit.fixed.names)].to_numpy(float)
        np.testing.assert_allclose((got - expected) / std_error, 0, atol=1e-8)
        change = expected - fit.estimates
        cook = change @ np.linalg.solve(fit.covariance, change) / len(change)
        row = result.distances.set_index(result.distances["level"].astype(str)).loc[level]
        assert row["cooks_distance"] == pytest.approx(cook, rel=1e-6, abs=1e-12)
        assert row["n_obs"] == (label == level).sum()


def test_close_to_refits_on_many_groups() -> None:
    fit, frame = fitted("lesion_a"), data("lesion_a")
    result = fit.influence("patient")
    wide = result.estimates.pivot_table("estimate", "level", "term")
    worst = result.distances.nlargest(2, "cooks_distance")["level"]
    std_error = np.sqrt(np.diag(fit.covariance))
    for patient in worst:
        refit = MixedModel(fit.model.formula).fit(frame[frame["patient"] != patient])
        got = wide.loc[patient, list(fit.fixed.names)].to_numpy(float)
        # One of 115 patients moves the variances by a percent, and the estimates by less.
        np.testing.assert_allclose((got - refit.estimates) / std_error, 0, atol=0.02)


def test_a_group_that_alone_holds_a_coefficient_is_named() -> None:
    frame = data("sleep_ri").assign(odd=lambda d: (d["Subject"] == "308").astype(float))
    fit = MixedModel("Reaction ~ Days + odd + (1 | Subject)").fit(frame)
    table = fit.influence("Subject").distances.set_index("level")
    assert table.loc["308", "note"].startswith("not estimable")
    assert np.isnan(table.loc["308", "cooks_distance"])
    assert (table["note"] == "").sum() == 17


def test_result_is_tidy_and_its_change_adds_up() -> None:
    fit = fitted("orthodont_ri")
    table = fit.influence("Subject").estimates
    full = pd.Series(fit.estimates, index=list(fit.fixed.names))
    np.testing.assert_allclose(table["estimate"] - table["change"], full[table["term"]])
    std_error = pd.Series(np.sqrt(np.diag(fit.covariance)), index=full.index)
    np.testing.assert_allclose(
        table["change_std_error"], table["change"] / std_error[table["term"]].to_numpy()
    )


def test_unknown_column_is_refused() -> None:
    with pytest.raises(UsageError, match="no column 'Site'"):
        fitted("orthodont_ri").influence("Site")
