"""Disability by shares of types, beside direct calls of statsmodels and pingouin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
import statsmodels.formula.api as smf
from statsmodels.miscmodels.ordinal_model import OrderedModel

from qsmstats.errors import ModelError
from qsmstats.settings import PatientSettings
from qsmstats.studies.patients.shares import ordinal_regression, partial_spearman

from .test_counts import PRL, SETTINGS, first  # noqa: F401

SHARE = f"share_{PRL}"


def test_proportional_odds_is_that_of_statsmodels(first):  # noqa: F811
    rows, (check,) = ordinal_regression(first, PRL, "edss", settings=SETTINGS, level=0.95)
    male = (first["sex"] == "M").astype(float)
    columns = pd.DataFrame({"x": 10 * first[SHARE], "age": first["age"] / 10, "m": male})
    outcome = pd.Series(pd.Categorical(first["edss"], ordered=True), first.index)
    fit = OrderedModel(outcome, columns, distr="logit").fit(method="bfgs", disp=0, maxiter=1000)
    assert rows[0]["estimate"] == pytest.approx(np.exp(fit.params["x"]), rel=1e-3)
    assert rows[0]["p_value"] == pytest.approx(fit.pvalues["x"], rel=1e-2)
    assert check["df"] == 2
    assert check["p_value"] > 0.001


def test_the_check_finds_odds_that_are_not_proportional():
    rng = np.random.default_rng(4)
    share = rng.uniform(0, 1, 600)
    # The share decides on the upper half of the scale only.
    level = np.where(rng.uniform(size=600) < 0.5, 0.0, 1.0)
    level = np.where((level == 1) & (rng.uniform(size=600) < share), 2.0, level)
    frame = pd.DataFrame({SHARE: share, "edss": level})
    settings = PatientSettings(covariates=())
    _, (check,) = ordinal_regression(frame, PRL, "edss", settings=settings, level=0.95)
    assert (check["df"], check["test"]) == (1, "Wald, splits above 0, 1")
    assert check["p_value"] < 0.001
    # Separate regressions, whose difference has at most the sum of their variances and covariance.
    above = [frame.assign(y=(level > k).astype(float)) for k in (0, 1)]
    fits = [smf.logit(f"y ~ {SHARE}", part).fit(disp=0) for part in above]
    difference = fits[0].params[SHARE] - fits[1].params[SHARE]
    largest = sum(fit.bse[SHARE] for fit in fits) ** 2
    assert check["statistic"] > difference**2 / largest
    even = frame.assign(edss=np.round(2 * rng.uniform(size=600)))
    _, (check,) = ordinal_regression(even, PRL, "edss", settings=settings, level=0.95)
    assert check["p_value"] > 0.01


def test_partial_spearman_is_that_of_pingouin(first):  # noqa: F811
    (row,), _ = partial_spearman(first, PRL, "edss", settings=SETTINGS, level=0.95)
    frame = first.assign(m=(first["sex"] == "M").astype(float))
    direct = pingouin.partial_corr(frame, SHARE, "edss", ["age", "m"], method="spearman").iloc[0]
    assert row["estimate"] == pytest.approx(direct["r"])
    # pingouin writes two decimals.
    assert [row["conf_low"], row["conf_high"]] == pytest.approx(list(direct["CI95"]), abs=0.0051)
    assert row["n_participants"] == direct["n"]
    alone = PatientSettings(covariates=())
    (row,), _ = partial_spearman(first, PRL, "edss", settings=alone, level=0.95)
    direct = pingouin.corr(first[SHARE], first["edss"], method="spearman").iloc[0]
    assert row["estimate"] == pytest.approx(direct["r"])
    assert row["analysis"] == "Spearman correlation"


def test_what_shares_cannot_say_is_said(first):  # noqa: F811
    def ask(rows):
        return ordinal_regression(rows, PRL, "edss", settings=SETTINGS, level=0.95)

    with pytest.raises(ModelError, match="edss has 2 values, and an ordinal model needs 3 to 20"):
        ask(first.assign(edss=(first["edss"] > 2).astype(float)))
    with pytest.raises(ModelError, match="8 patients, and 20 are needed"):
        ask(first.head(8))
    with pytest.raises(ModelError, match="8 patients, and 15 are needed"):
        partial_spearman(first.head(8), PRL, "edss", settings=SETTINGS, level=0.95)
    lopsided = first.assign(edss=np.where(np.arange(len(first)) < 3, [1.0], [3.0]))
    lopsided.loc[lopsided.index[3:5], "edss"] = 2.0
    _, (check,) = ask(lopsided)
    assert "fewer than two splits" in check["note"]
