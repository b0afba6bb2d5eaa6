from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import cohens_kappa

from qsmstats.errors import ModelError
from qsmstats.studies.raters import rater_agreement

KEYS = ["participant_id", "session_id", "lesion_id"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(5)
    first = rng.choice(["isointense", "hyperintense", "paramagnetic_rim"], 60)
    second = np.where(rng.random(60) < 0.8, first, "isointense")
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{k // 4:02}" for k in range(60)],
            "session_id": "ses-01",
            "lesion_id": [f"lesion-{k:02}" for k in range(60)],
            "rater-1": first,
            "rater-2": second,
            # The adjudicator sees disagreements only, and sides with the first rater.
            "adjudicator": np.where(first == second, None, first),
        }
    )


@pytest.fixture(scope="module")
def ratings(table):
    long = table.melt(id_vars=KEYS, var_name="rater_id", value_name="lesion_type")
    return long.dropna(ignore_index=True)


@pytest.fixture(scope="module")
def lesions(table):
    return table[KEYS].assign(lesion_type=table["rater-1"])


def test_kappa_leaves_the_adjudicator_out(table, ratings, lesions):
    answer = rater_agreement(ratings, lesions)
    row = answer.agreement.query("coefficient == 'cohen_kappa' and method == 'linearised'").iloc[0]
    peer = cohens_kappa(pd.crosstab(table["rater-1"], table["rater-2"]).to_numpy())
    assert row["estimate"] == pytest.approx(peer.kappa, rel=1e-12)
    assert row["n_units"] == 60


def test_every_disagreement_is_listed(table, ratings, lesions):
    answer = rater_agreement(ratings, lesions)
    assert len(answer.disagreements) == (table["rater-1"] != table["rater-2"]).sum()
    assert answer.differs_from_consensus.empty


def test_a_type_that_is_not_the_consensus_is_listed_and_kept(ratings, lesions):
    other = lesions.copy()
    other.loc[0, "lesion_type"] = "hypointense"
    answer = rater_agreement(ratings, other)
    assert answer.differs_from_consensus["lesion_id"].tolist() == ["lesion-00"]
    assert any("differs from the consensus" in note for note in answer.notes)


def test_one_rater_cannot_agree(ratings, lesions):
    with pytest.raises(ModelError, match="two raters"):
        rater_agreement(ratings[ratings["rater_id"] != "rater-2"], lesions)
