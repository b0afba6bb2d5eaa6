"""What lies between scanners is refused, in words that say why."""

import numpy as np
import pandas as pd
import pytest

from qsmstats import scanner_confounding
from qsmstats.errors import NotIdentifiedError
from qsmstats.harmonise.confounding import LEAST_SHARE, _shares, refuse_confounded
from qsmstats.mixed.inference.linear_functions import compared
from qsmstats.mixed.model import MixedModel


def lesions(seed=1):
    """Return 24 participants, 4 lesions each, two visits; scanners by chance."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"id": np.repeat(np.arange(24), 8)})
    data["visit"] = np.tile(np.repeat([0, 1], 4), 24)
    data["type"] = np.tile(["iso", "iso", "prl", "rim"], 48)
    data["group"] = np.where(data["id"] < 10, "control", "patient")
    data["years"] = data["visit"] * np.repeat(rng.uniform(0.9, 1.1, 24), 8)
    data["scanner"] = np.repeat(rng.choice(["A", "B", "C"], 48), 4)
    return data


def test_share_is_the_ratio_of_the_variances_without_and_with_scanners():
    """For independent rows and any outcome, by the inverse of the cross-products."""
    data = lesions()
    found = scanner_confounding("y ~ years + group + type + (1 | id)", data)
    x = np.column_stack(
        [
            np.ones(len(data)),
            data["group"] == "patient",
            data["type"] == "prl",
            data["type"] == "rim",
            data["years"],
        ]
    ).astype(float)
    more = np.column_stack([x, data["scanner"] == "B", data["scanner"] == "C"])
    own, wide = (np.diag(np.linalg.inv(one.T @ one)) for one in (x, more))
    by_term = found.set_index("term")["share_within"]
    names = ["group[T.patient]", "type[T.prl]", "type[T.rim]", "years"]
    np.testing.assert_allclose(by_term[names], (own / wide[:5])[1:], rtol=1e-9)
    assert by_term.between(0.8, 1 + 1e-12).all()
    assert set(found["rank"]) == set(found["n_columns"]) == {7}
    refuse_confounded("y ~ years + group + type", data)


def test_the_share_of_a_coefficient_is_its_share_as_a_function():
    """With the scanner in the model or not, and with a column that the others determine."""
    data = lesions().assign(twice=lambda d: 2 * d["years"])
    expected = scanner_confounding("~ group + type * years", data).set_index("term")
    for added in ("", "C(scanner) + "):
        fit = MixedModel(f"y ~ {added}group + type * years + twice + (1 | id)").fit(
            data.assign(y=np.arange(len(data)) % 7 / 7)
        )
        assert fit.fixed.dropped == ("twice",)
        names = [name for name in fit.fixed.names if name in expected.index]
        places = [fit.fixed.kept[fit.fixed.names.index(name)] for name in names]
        every = np.eye(len(fit.fixed.names) + 1)[places]
        shares, rank, columns = _shares(fit.fixed, data, every, "scanner")
        apart = [place for place, name in enumerate(names) if "years" not in name]
        np.testing.assert_allclose(shares[apart], expected["share_within"].iloc[apart], rtol=1e-9)
        assert (rank, columns) == (9, 9)


@pytest.mark.parametrize("scanners", ["ABC", "AB"])
def test_the_share_of_a_difference_is_the_ratio_of_its_variances(scanners):
    data = lesions()
    data = data[data["scanner"].isin([*scanners])].assign(y=lambda d: d["visit"] + d["id"] % 3)
    fit = MixedModel("y ~ C(scanner) + type + years + (1 | id)").fit(data)
    (pairs,) = compared(fit, "type")
    shares, _, _ = _shares(fit.fixed, data, pairs.matrix, "scanner")
    types = pd.get_dummies(data["type"], dtype=float).to_numpy()
    narrow = np.column_stack([types, data["years"]])
    wide = np.column_stack([narrow, pd.get_dummies(data["scanner"], dtype=float).iloc[:, 1:]])
    own, with_scanners = (np.linalg.inv(one.T @ one) for one in (narrow, wide))
    for share, (i, j) in zip(shares, [(0, 1), (0, 2), (1, 2)], strict=True):
        weights = np.eye(len(wide.T))[i] - np.eye(len(wide.T))[j]
        alone = weights[:4] @ own @ weights[:4]
        assert share == pytest.approx(alone / (weights @ with_scanners @ weights), rel=1e-9)


CONFOUNDED = {
    "all follow-ups on another scanner": (
        lambda d: d.assign(scanner=np.where(d["visit"] == 0, "A", "B")),
        "years",
        "years is confounded with scanner",
        "years: 0 to 0 on A, 0.9",
    ),
    "all controls on one scanner, all patients on another": (
        lambda d: d.assign(scanner=np.where(d["group"] == "control", "A", "B")),
        "group[T.patient]",
        "0 % of the information lies within scanners",
        "rank 5 in 6 columns (group: control on A, patient on B)",
    ),
    "a type on a scanner of its own": (
        lambda d: d.assign(scanner=np.where(d["type"] == "rim", "B", "A")),
        "type[T.rim]",
        "type[T.rim] is confounded",
        "type: iso on A, prl on A, rim on B",
    ),
}


@pytest.mark.parametrize("name", CONFOUNDED)
def test_a_confounded_design_is_refused_in_words(name):
    change, term, *words = CONFOUNDED[name]
    data, formula = change(lesions()), "y ~ years + group + type + (1 | id)"
    found = scanner_confounding(formula, data).set_index("term")
    low = found["share_within"] < LEAST_SHARE
    assert found.index[low].tolist() == [term]
    with pytest.raises(NotIdentifiedError) as caught:
        refuse_confounded(formula, data)
    for part in words:
        assert part in str(caught.value)
    # What lies within scanners can still be asked.
    refuse_confounded(formula, data, asked={"years", "group", "type"} - {found["columns"][term]})


def test_controls_on_one_of_the_patients_scanners_can_be_compared():
    """The patients of that scanner are compared with them."""
    data = lesions()
    data.loc[data["group"] == "control", "scanner"] = "A"
    share = scanner_confounding("~ group + years", data).set_index("term")["share_within"]
    assert LEAST_SHARE < share["group[T.patient]"] < 0.6
    refuse_confounded("~ group + years", data)


def test_columns_are_found_in_names_and_expressions():
    data = lesions().rename(columns={"years": "my years", "visit": "a.b"})
    found = scanner_confounding("~ `my years`:type + C(a.b) + log(id + 1) - 1", data)
    assert set(found["columns"]) == {"my years, type", "a.b", "id"}
    assert (
        found.loc[found["columns"] == "id", "where"]
        .str.fullmatch("id: .* to .* on A, .* on C")
        .all()
    )
