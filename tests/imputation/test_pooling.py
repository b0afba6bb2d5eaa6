from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import ModelError, UsageError
from qsmstats.imputation.pooling import pool_batch, pool_fits, rubin
from qsmstats.mixed.model import MixedModel

REFERENCE = Path(__file__).parents[1] / "reference" / "mixed_answers" / "answers.json"
FORMULA = "y ~ kind * x + (1 | g)"


def _data(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), 6)
    kind = rng.choice(["a", "b", "c"], 72)
    x, y = rng.normal(size=72), rng.normal(size=12)[g] + rng.normal(size=72)
    return pd.DataFrame({"g": g, "kind": kind, "x": x, "y": y + 2})


@pytest.fixture(scope="module")
def fits():
    data, rng = _data(), np.random.default_rng(1)
    moved = [data.assign(y=data["y"] + 0.4 * rng.normal(size=72)) for _ in range(6)]
    return [MixedModel(FORMULA).fit(one) for one in moved]


@pytest.mark.parametrize("df", ["infinite", "30", "9.5"])
def test_pooled_estimates_are_those_of_mice(df):
    told = json.loads(REFERENCE.read_text())["answers"]["pooled"]
    known = told["complete_df"][df]
    estimates, variances = np.array(told["estimates"]), np.array(told["variances"])
    complete = np.full(estimates.shape[1], np.inf if df == "infinite" else float(df))
    made = rubin(estimates, variances, complete)
    ours = {"qbar": made.estimate, "t": made.variance, "df": made.df, "fmi": made.fmi}
    for name, values in ours.items():
        theirs = [known[coefficient][name] for coefficient in told["coefficient"]]
        # 1e-12 where both are sums of five numbers; mice takes a lambda below 1e-4 as 1e-4.
        np.testing.assert_allclose(values, theirs, rtol=1e-9)


def test_a_table_of_pooled_fits_is_pooled_row_by_row(fits):
    """Also for rows that are no coefficients, and after a change of scale."""
    pooled = pool_fits(fits)
    table = pooled.slopes("x", by="kind", adjust="mvt")
    each = [fit.slopes("x", by="kind") for fit in fits]
    by_hand = rubin(
        np.array([one["estimate"] for one in each]),
        np.array([one["std_error"] ** 2 for one in each]),
        np.mean([one["df"] for one in each], axis=0),
    )
    np.testing.assert_allclose(table["estimate"], by_hand.estimate)
    np.testing.assert_allclose(table["std_error"], np.sqrt(by_hand.variance))
    np.testing.assert_allclose(table["df"], by_hand.df)
    np.testing.assert_allclose(table["fmi"], by_hand.fmi)
    assert list(table) == [*fits[0].slopes("x", by="kind", adjust="mvt"), "fmi", "m"]
    assert (table["m"] == 6).all()
    assert (table["p_adjusted"] > table["p_value"]).all()
    logs = [fit.refitted(formula="log(y + 3) ~ kind * x + (1 | g)") for fit in fits[:2]]
    assert pool_fits(logs).contrasts("kind", type="response")["fmi"].between(0, 1).all()


def test_imputations_that_agree_give_the_answer_of_one(fits):
    one = fits[0]
    pooled = pool_fits([one] * 5)
    for asked in ("contrasts", "marginal_means"):
        theirs, ours = (getattr(made, asked)("kind") for made in (one, pooled))
        pd.testing.assert_frame_equal(ours[list(theirs)], theirs, check_exact=False, rtol=1e-13)
        assert (ours["fmi"] == 0).all()


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger", "normal"])
def test_a_batch_is_pooled_as_fits_one_by_one(fits, df):
    """To the optimisers' own tolerance."""
    data = _data()
    batch = (
        MixedModel(FORMULA).design(data).fit_outcomes(np.column_stack([f.response for f in fits]))
    )
    ours = pool_batch(fits[0], batch, np.arange(6)).contrasts("kind", df=df, adjust="holm")
    theirs = pool_fits(fits).contrasts("kind", df=df, adjust="holm")
    numbers = ["estimate", "std_error", "df", "p_adjusted", "fmi"]
    np.testing.assert_allclose(ours[numbers], theirs[numbers], rtol=1e-5)


def test_what_cannot_be_pooled_is_said(fits):
    with pytest.raises(UsageError, match="two or more fits"):
        pool_fits(fits[:1])
    other = MixedModel("y ~ x + (1 | g)").fit(_data())
    with pytest.raises(UsageError, match="2 different sets"):
        pool_fits([fits[0], other])
    with pytest.raises(UsageError, match="together"):
        pool_fits(fits).moments.approximation("normal").joint(np.eye(2), np.ones(2))
    batch = MixedModel(FORMULA).design(_data()).fit_outcomes(np.ones((72, 2)))
    with pytest.raises(ModelError, match="2 of 2 completed"):
        pool_batch(fits[0], batch, np.arange(2))
