"""What a user can ask for, and what the record of a fit says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import qsmstats as qs
from qsmstats.generalized.assembly import assemble
from qsmstats.generalized.estimate import build_engine
from qsmstats.generalized.model import GeneralizedMixedModel
from tests.generalized.cases import fit, table


def test_the_integration_is_chosen_by_the_design():
    assert fit("sleep").info.integration == "nested"
    assert fit("crossed").info.integration == "laplace"
    assert set(fit("crossed").info.nodes.values()) == {1}
    nodes = fit("nested_logit").info.nodes
    assert list(nodes) == ["lesion", "patient"]
    assert min(nodes.values()) >= 7


def test_four_random_columns_are_approximated():
    model = GeneralizedMixedModel("count ~ mined + (0 + spp | site)", family="poisson")
    assert build_engine(assemble(model, table("salamanders")), None).integration == "laplace"


def test_offsets_in_the_formula_and_by_name_are_the_same():
    named = fit("owls_nb")
    formula = named.model.formula + " + offset(log_brood)"
    written = GeneralizedMixedModel(formula, family="negative_binomial").fit(table("owls"))
    assert written.info.log_likelihood == pytest.approx(named.info.log_likelihood, abs=1e-9)
    assert written.model.formula == formula


def test_prior_weights_count_rows():
    data = table("sleep").assign(twice=2.0)
    formula = fit("sleep").model.formula
    weighted = GeneralizedMixedModel(formula, weights="twice").fit(data)
    doubled = GeneralizedMixedModel(formula).fit(pd.concat([data, data], ignore_index=True))
    assert weighted.info.log_likelihood == pytest.approx(doubled.info.log_likelihood, abs=1e-6)
    assert weighted.estimates == pytest.approx(doubled.estimates, abs=1e-6)


def test_trials_are_rows_of_zero_and_one():
    data = table("cbpp")
    rows = data.loc[data.index.repeat(data["size"])]
    number = rows.groupby(level=0).cumcount()
    rows = rows.assign(y=(number < rows["incidence"]).astype(float))
    made = GeneralizedMixedModel("y ~ period + (1 | herd)").fit(rows)
    assert made.estimates == pytest.approx(fit("cbpp_logit").estimates, abs=1e-6)


def test_two_categories_are_an_outcome():
    data = table("sleep").assign(slow=np.where(table("sleep")["slow"] == 1, "yes", "no"))
    made = GeneralizedMixedModel("slow ~ days + (1 | subject)").fit(data)
    assert made.estimates == pytest.approx(fit("sleep").estimates)
    assert "the outcome 'slow' is 1 for yes and 0 for no" in made.info.messages


def test_incomplete_rows_are_left_out_and_counted():
    data = table("sleep").copy()
    data.loc[[3, 8], "days"] = np.nan
    made = GeneralizedMixedModel("slow ~ days + (1 | subject)").fit(data)
    assert made.info.dropped_rows == {"days": 2}
    assert made.info.n_obs == len(data) - 2
    assert "178 rows are used" in made.info.messages[-1]


def test_the_order_of_rows_and_of_terms_does_not_matter():
    data = table("nested_logit").sample(frac=1.0, random_state=3)
    formula = "y ~ year + volume + rim + (1 | lesion) + (1 | patient)"
    made = qs.GeneralizedMixedModel(formula).fit(data)
    same = fit("nested_logit")
    assert made.info.log_likelihood == pytest.approx(same.info.log_likelihood, abs=1e-7)
    assert made.estimates == pytest.approx(same.estimates, abs=1e-6)
    effects, known = made.random_effects(), same.random_effects()
    merged = effects.merge(known, on=["group", "level"])
    assert len(merged) == len(known)
    assert merged["estimate_x"].to_numpy() == pytest.approx(merged["estimate_y"], abs=1e-5)


def test_a_summary_holds_what_the_record_says():
    made = fit("nested_nb")
    text = made.summary()
    assert "negative_binomial (log)" in text
    assert "nested (nodes: lesion" in text
    assert f"{made.shape:.4f}" in text
    assert f"{made.estimates[1]:.5f}" in text
    assert "hold for many groups" in text
    assert "YES" in fit("nested_zero").summary()
    assert "Laplace's approximation" in fit("crossed").summary()


def test_a_model_without_fixed_effects():
    made = GeneralizedMixedModel("slow ~ 0 + (1 | subject)").fit(table("sleep"))
    assert made.info.converged
    assert made.coefficients().empty
    assert "subject Intercept" in made.summary()


def test_criteria_of_information():
    info = fit("sleep").info
    assert info.aic == pytest.approx(info.criterion + 6.0)
    assert info.bic == pytest.approx(info.criterion + 3.0 * np.log(180))
    assert info.gradient_norm < 1e-4
    assert info.messages == ()
