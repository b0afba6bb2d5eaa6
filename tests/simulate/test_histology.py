from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats.settings import HistologySettings
from qsmstats.simulate.histology import draw_histology, true_accuracy

MAPPING = HistologySettings().mapping
# Rahmanzadeh et al., Ann Neurol 2022;92:486-502, abstract.
PUBLISHED = {
    "remyelinated": (0.8889, 1.0),
    "chronic_inactive": (0.7143, 0.92),
    "chronic_active": (0.9286, 0.8636),
}


@pytest.fixture(scope="module")
def many(parameters):
    """Return 400 studies one under the other."""
    tables = [
        pd.DataFrame(draw_histology(np.random.default_rng(seed), parameters.histology)).assign(
            study=seed
        )
        for seed in range(400)
    ]
    return pd.concat(tables, ignore_index=True)


def decided(table):
    answers = table[["index_test", "reference_standard"]]
    return table[answers.notna().all(axis=1) & (answers != "indeterminate").all(axis=1)]


def test_sixty_three_lesions_of_three_brains_are_decided(parameters):
    table = pd.DataFrame(draw_histology(np.random.default_rng(1), parameters.histology))
    assert len(decided(table)) == 63
    assert decided(table)["brain_id"].nunique() == 3
    assert not table.duplicated(["brain_id", "lesion_id"]).any()
    rest = table.drop(decided(table).index)
    assert len(rest) == parameters.histology.undecided
    for column in ("index_test", "reference_standard"):
        assert rest[column].isna().any()
        assert (rest[column] == "indeterminate").any()


def test_true_accuracy_is_near_the_published(parameters):
    accuracy = true_accuracy(parameters.histology, MAPPING)
    for name, (sensitivity, specificity) in PUBLISHED.items():
        assert accuracy[name]["sensitivity"] == pytest.approx(sensitivity, abs=0.01)
        assert accuracy[name]["specificity"] == pytest.approx(specificity, abs=0.01)


@pytest.mark.parametrize("name", list(MAPPING))
def test_many_studies_have_the_true_accuracy(many, parameters, name):
    table = decided(many)
    called = table["index_test"].isin(MAPPING[name])
    ill = table["reference_standard"] == name
    accuracy = true_accuracy(parameters.histology, MAPPING)[name]
    for answer, right, among in (
        ("sensitivity", called, ill),
        ("specificity", ~called, ~ill),
    ):
        brains = (
            pd.DataFrame({"right": right & among, "n": among})
            .groupby([table["study"], table["brain_id"]])
            .sum()
        )
        share = brains["right"].sum() / brains["n"].sum()
        # Standard error of a ratio whose clusters are the brains.
        error = np.sqrt(((brains["right"] - accuracy[answer] * brains["n"]) ** 2).sum())
        assert share == pytest.approx(accuracy[answer], abs=4 * error / brains["n"].sum() + 1e-12)


def test_lesions_of_a_brain_are_alike(many, parameters):
    table = decided(many)
    inactive = table[table["reference_standard"] == "chronic_inactive"]
    right = inactive["index_test"] == "hyperintense"
    brains = right.groupby([inactive["study"], inactive["brain_id"]]).agg(["sum", "size"])
    p = parameters.histology.confusion["chronic_inactive"]["hyperintense"]
    n, k = brains["size"], brains["sum"]
    # Pairs of lesions of one brain: mean product of deviations is p (1 - p) / (concentration + 1).
    pairs = ((k - n * p) ** 2 - (k * (1 - p) ** 2 + (n - k) * p**2)).sum() / (n * (n - 1)).sum()
    correlation = pairs / (p * (1 - p))
    assert correlation == pytest.approx(1 / (parameters.histology.concentration + 1), abs=0.02)


def test_measurements_tell_the_classes_apart(many):
    means = many.groupby("reference_standard")[["mwf_percent", "rim_contrast_ppb"]].mean()
    assert means["mwf_percent"].idxmax() == "remyelinated"
    assert means["rim_contrast_ppb"].idxmax() == "chronic_active"
    assert many["mwf_percent"].between(0.1, 100).all()
    assert (many["mwf_percent"] == 0.1).mean() < 0.005
