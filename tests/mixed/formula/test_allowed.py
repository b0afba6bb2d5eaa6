"""The closed language of formulas: what it lets through, and that nothing else is evaluated."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from formulaic import Formula

import qsmstats
from qsmstats import MixedModel, fit_many
from qsmstats.errors import FormulaError, UsageError
from qsmstats.mixed.formula.allowed import CONTRASTS, TRANSFORMS
from qsmstats.mixed.formula.terms import read_terms
from tests.mixed.ways_out import WAYS_OUT

PLACES = (
    "y ~ {} + (1 | g)",
    "y ~ age + (0 + {} | g)",
    "y ~ age + ({} || g)",
    "{} ~ age + (1 | g)",
    "y ~ age + (1 | {})",
    "y ~ age + offset({}) + (1 | g)",
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "g": np.repeat(list("abcdefghij"), 6),
            "age": rng.normal(50.0, 5.0, 60),
            "sex": rng.choice(["F", "M"], 60),
            "k": rng.integers(0, 4, 60),
            "y": rng.uniform(0.1, 0.9, 60),
        }
    )


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_way_out_of_a_formula(data, way, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for formula in PLACES:
        with pytest.raises(FormulaError):
            MixedModel(formula.format(WAYS_OUT[way])).fit(data)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["y ~ age - {} + (1 | g)", "y ~ age + (age - {} | g)"])
def test_no_way_out_of_what_is_subtracted(data, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormulaError, match="is not allowed in a formula"):
        MixedModel(place.format(WAYS_OUT["open"])).fit(data)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("way", ["open", "exit", "power of powers"])
def test_no_way_out_of_a_formula_for_many_outcomes(data, way, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for formula in (f"~ {WAYS_OUT[way]} + (1 | g)", f"outcome + {WAYS_OUT[way]} ~ age + (1 | g)"):
        with pytest.raises(FormulaError):
            fit_many(formula, data, ["y"])
    assert not list(tmp_path.iterdir())


def test_the_message_names_formula_piece_and_what_is_allowed(data):
    with pytest.raises(FormulaError) as caught:
        MixedModel("y ~ sex + I(age + f(k)) + (1 | g)").fit(data)
    assert str(caught.value) == (
        "'f(k)' in 'sex + I(age + f(k))' is not allowed in a formula; use column names, numbers, "
        "arithmetic, comparisons and the functions abs, bs, C, cc, center, cr, exp, I, log, log10, "
        "log2, logit, poly, scale, sqrt"
    )


@pytest.mark.parametrize(
    ("term", "said"),
    [
        # Levels that leave some of the data out would count those rows to the reference.
        ('C(sex, levels=["F"])', "C takes a column, contrasts"),
        ('poly(age, degree=2, raw="no")', "raw takes a number or TRUE or FALSE"),
        ('scale(age, center="no")', "center takes a number or TRUE or FALSE"),
    ],
)
def test_an_option_that_would_be_misread_is_refused(data, term, said):
    with pytest.raises(FormulaError, match=said):
        MixedModel(f"y ~ {term} + (1 | g)").fit(data)


def test_contrasts_by_column_pass_the_same_gate(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "sex, levels=open('made','w')"
    model = MixedModel(f"y ~ `{name}` + (1 | g)", contrasts={name: "sum"})
    assert model.fit(data.rename(columns={"sex": name})).fixed.names[1].endswith("[S.F]")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "term",
    [
        *("log(age)", "log2(age)", "log10(age)", "exp(age / 50)", "sqrt(age)", "abs(age - 50)"),
        *("center(age)", "scale(age)", "scale(age, center=False)", "I(age ** 2)", "I(age * 1e3)"),
        *("poly(age, 3)", "poly(age, degree=2, raw=TRUE)", "bs(age, df=5)", "cr(age, df=4)"),
        *("bs(age, knots=(45, 55), degree=2)", "cc(age, df=4)", "C(k)", "C(sex, contr.sum)"),
        *("C(k, contr.treatment(2))", 'C(sex, contr.treatment(base="M"))', "C(k, contr.helmert)"),
        *("C(k, contr.poly(scores=[0, 1, 2, 5]))", "C(k, contr.diff)", "C(k, contr.SAS)"),
        *("I(age > 50)", "I(age * (age >= 50))", 'I(sex == "M")', "I(age // 10)", "I(age % 10)"),
        *("I(-age / 10 ** 3)", "I(2 ** (age / 10))", "I(pi * age)", "log(age) * sex"),
        *("(age + k)**2", "sex / age", "sex %in% k", "I(age * (k - 1.5))", "I(log(age) ** 2)"),
    ],
)
def test_the_language_holds_what_it_promises(data, term):
    model = MixedModel(f"y ~ {term.replace('**', '^')} + (1 | g)")
    context = {"sqrt": np.sqrt, "abs": np.abs, "TRUE": True, "pi": np.pi}
    expected = Formula(term).get_model_matrix(data.astype({"k": float}), context=context)
    fit = model.fit(data)
    np.testing.assert_allclose(fit.fixed.full_matrix(data), np.asarray(expected), atol=1e-12)


def test_every_function_of_the_language_is_documented():
    page = Path(qsmstats.__file__).parents[1] / "docs" / "for-lmer-users.md"
    section = page.read_text().split("## What a formula may hold")[1].split("\n## ")[0]
    for text in (section, MixedModel.__doc__):
        named = set(re.findall(r"[\w.]+", text))
        assert {*TRANSFORMS, *(f"contr.{kind}" for kind in CONTRASTS)} <= named


def test_logit_of_the_outcome_is_its_log_odds(data):
    odds = data.assign(odds=np.log(data.y / (1.0 - data.y)))
    made = MixedModel("logit(y) ~ age + (1 | g)").fit(data)
    np.testing.assert_allclose(made.response, odds.odds, rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        *("a*b", "-1+a", "0+a+b", "a-1", "(a+b)**3", "a/b", "a:b+a", "a%in%b", "a + b:c + d"),
        *("+ a", "poly(a,2)*b", "1", "a - b", "a + 0", "2:a", "(a+b+c)*(a+d) - a:d"),
    ],
)
def test_terms_are_those_that_formulaic_reads(text):
    for intercept, same in ((True, text), (False, f"0 + {text}")):
        made = read_terms(text, list("abcd"), intercept=intercept).formula
        assert list(map(str, made)) == list(map(str, Formula(same)))


def decades(values, size=10, *, origin="zero"):
    return values / size + {"zero": 0.0, "fifty": -50.0 / size}[origin]


def test_functions_of_the_user_are_called_by_name(data):
    formula = 'y ~ f(age) + f(age * age, 5, origin="fifty") + (0 + f(age) | g)'
    model = MixedModel(formula, transforms={"f": decades})
    fit = model.fit(data)
    columns = fit.fixed.matrix(data.head(3))
    np.testing.assert_allclose(columns[:, 1], data.age.head(3) / 10)
    np.testing.assert_allclose(columns[:, 2], (data.age.head(3) ** 2 - 50.0) / 5)
    np.testing.assert_allclose(fit.random[0].design.matrix(data)[:, 0], data.age / 10)
    assert np.isfinite(fit.anova().p_value).all()  # its test codes the design anew
    assert len(fit.random_term_tests()) == 1
    many = fit_many("f(outcome) ~ age + (1 | g)", data, ["y"], transforms={"f": decades})
    single = MixedModel("f(y) ~ age + (1 | g)", transforms={"f": decades}).fit(data)
    np.testing.assert_allclose(many.coefficients.estimate, single.estimates, rtol=1e-6)


@pytest.mark.parametrize(
    ("transforms", "words"),
    [
        ({"log": np.log1p}, "'log' is a reserved name"),
        ({"factor": np.log1p}, "'factor' is a reserved name"),
        ({"pi": np.log1p}, "'pi' is a reserved name"),
        ({"np.log": np.log}, "'np.log' is not an identifier with a function"),
        ({"f": 2.0}, "'f' is not an identifier with a function"),
    ],
)
def test_transforms_have_names_of_their_own(transforms, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        MixedModel("y ~ age + (1 | g)", transforms=transforms)
