from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats import baseline_differences
from qsmstats.errors import NoDataError
from qsmstats.settings import ModelSettings
from qsmstats.studies.rater_uncertainty import impute_types

from .conftest import MEANS, TYPES, make_lesions

KEYS = ["participant_id", "session_id", "lesion_id"]
FIVE = ModelSettings(imputations=5, adjust="holm")


def rated(lesions: pd.DataFrame, error: float, seed: int = 2) -> pd.DataFrame:
    """Two raters of first sessions, and a third where they differ; equal chances of each error."""
    rng = np.random.default_rng(seed)
    first = lesions[lesions["session_id"] == "ses-01"]
    truth = first["lesion_type"].cat.codes.to_numpy()
    wrong = (truth[:, None] + rng.integers(1, 5, (len(first), 3))) % 5
    said = np.where(rng.random(wrong.shape) < error, wrong, truth[:, None])
    said[said[:, 0] == said[:, 1], 2] = -1
    parts = [
        first[KEYS].assign(rater_id=name, lesion_type=np.array([*TYPES, None])[said[:, rater]])
        for rater, name in enumerate(("ann", "bob", "adjudicator"))
    ]
    return pd.concat(parts).dropna(subset="lesion_type")


@pytest.fixture(autouse=True)
def short_chain(monkeypatch):
    """Fewer steps than a study takes: nothing here depends on the chain being long."""
    monkeypatch.setattr("qsmstats.imputation.raters.BURN_IN", 20)


@pytest.mark.parametrize("question", ["baseline", "trajectory"])
def test_raters_who_never_disagree_leave_the_plain_answer(question, lesions, request, monkeypatch):
    # Nothing can be drawn, so that nothing is.
    monkeypatch.delattr("qsmstats.imputation.linear_draws.LinearDraws.draw")
    plain = request.getfixturevalue(question)
    two = ModelSettings(imputations=2, adjust="mvt" if question == "trajectory" else "holm")
    made = impute_types(plain, lesions, rated(lesions, 0.0), settings=two)
    table = made.contrasts if question == "baseline" else made.slopes
    names = ["estimate", "conf_low", "p_value"]
    names += ["conf_high_adjusted", "p_adjusted"] if question == "trajectory" else []
    for name in names:
        np.testing.assert_allclose(table[name], table[f"plain_{name}"], rtol=1e-12, atol=1e-15)
    assert (table["fmi"] == 0).all()
    assert made.probable_types.empty
    assert (made.rater_error["estimate"].isin([0.0, 1.0])).all()


def test_disagreement_widens_intervals_and_recovers_who_errs(lesions, baseline):
    ratings = rated(lesions, 0.15)
    made = impute_types(baseline, lesions, ratings, settings=FIVE)
    table = made.contrasts
    assert (table["fmi"] > 0).all()
    assert (table["m"] == 5).all()
    assert (table["n"] == len(baseline.residuals)).all()
    widths = table["conf_high"] - table["conf_low"]
    assert (widths > table["plain_conf_high"] - table["plain_conf_low"]).mean() > 0.7
    right = made.rater_error.query("lesion_type == answer and rater_id != 'adjudicator'")
    common = right[right["lesion_type"] == "isointense"]["estimate"]
    np.testing.assert_allclose(common, 0.85, atol=0.07)


def test_a_lesion_without_a_type_enters_by_its_ratings_and_one_rating_is_none(lesions, baseline):
    ratings = rated(lesions, 0.05)
    untyped = lesions.copy()
    untyped.loc[untyped["session_id"].eq("ses-01") & (untyped.index < 20), "lesion_type"] = None
    once = ratings[(ratings["rater_id"] == "ann") | ~ratings["participant_id"].eq("sub-010")]
    made = impute_types(baseline, untyped, once, settings=FIVE)
    missing = lesions["participant_id"].eq("sub-010") & lesions["session_id"].eq("ses-01")
    n = len(baseline.residuals)
    assert (made.contrasts["n"] == n).all()
    assert made.notes[0].startswith(f"Of {n} lesions in the model, {n - missing.sum()} lesions")
    with pytest.raises(NoDataError, match=f"none of {n} lesions of the model has two ratings"):
        impute_types(baseline, lesions, ratings[ratings["rater_id"] == "ann"], settings=FIVE)


@pytest.mark.slow
def test_imputed_differences_cover_the_truth_where_the_consensus_does_not():
    """benchmarks/rater_uncertainty.py has the figures; 25 studies of 10 differences here."""
    ten = ModelSettings(imputations=10, adjust="none")
    inside, errors = [], []
    for seed in range(25):
        lesions = make_lesions(seed, followed=0)
        ratings = rated(lesions, 0.25, seed)
        seen = ratings.pivot_table("lesion_type", KEYS, "rater_id", aggfunc="first")
        consensus = seen["adjudicator"].fillna(seen["ann"])
        told = pd.MultiIndex.from_frame(lesions[KEYS])
        lesions["lesion_type"] = pd.Categorical(consensus[told].to_numpy(), categories=TYPES)
        plain = baseline_differences(lesions, settings=ten)
        made = impute_types(plain, lesions, ratings, settings=ten, seed=seed).contrasts
        truth = (made["first"].map(MEANS) - made["second"].map(MEANS)).to_numpy()
        parts = [
            [made[f"{kind}{name}"] - truth for name in ("conf_low", "conf_high", "estimate")]
            for kind in ("plain_", "")
        ]
        inside.append([(low < 0) & (high > 0) for low, high, _ in parts])
        errors.append([estimate for *_, estimate in parts])
    plain_covered, covered = np.mean(inside, axis=(0, 2))
    plain_bias, bias = np.abs(np.mean(errors, axis=0)).mean(axis=1)
    assert plain_covered < 0.8
    assert covered > 0.9
    assert bias < plain_bias / 2
