"""Design matrices: stateful transforms, contrasts, estimability, and columns by type."""

import numpy as np
import pandas as pd
import pytest
from formulaic import Formula

from qsmstats.errors import FormulaError, InvalidDataError
from qsmstats.mixed.formula.terms import evaluate, read_terms
from qsmstats.mixed.model import MixedModel
from tests.mixed import designs


@pytest.mark.parametrize(
    "fixed",
    ["bs(x, df=5)", "poly(x, 3) * f", "scale(x) + center(z)", "cr(x, df=4)", "0 + f + f:x"],
)
def test_new_rows_are_coded_as_the_rows_of_the_fit(fixed):
    data = designs.random_data(1)
    fit = MixedModel(f"y ~ {fixed} + (1 | g)").fit(data)
    whole = fit.fixed.matrix(data)
    some = data.iloc[[40, 3, 17]]
    np.testing.assert_allclose(fit.fixed.matrix(some), whole[[40, 3, 17]], atol=1e-12)
    direct = np.asarray(Formula(fixed).get_model_matrix(data))[:, fit.fixed.kept]
    np.testing.assert_allclose(whole, direct, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "direct"),
    [
        ("1 + f * x + z", True),
        ("f * h * x", True),
        ("x + f:x:z + x:z", True),
        ("x * one + f", True),
        ("`a b` * f", True),
        ("f:x", False),
        ("0 + f + x", False),
        ("h + f:h", False),
        ("x + f:x + z:f", False),
        ("log(z) + f", False),
    ],
)
def test_columns_by_themselves_are_coded_as_formulaic_codes_them(text, direct):
    data = designs.random_data(1)
    data = data.assign(
        f=pd.Categorical(data.f), z=data.z.abs(), one=pd.Categorical(["a"] * len(data))
    )
    data = data.assign(h=pd.Categorical(data.x > 0), **{"a b": data.z})
    made = evaluate(Formula(text), data)
    expected = Formula(text).get_model_matrix(data)
    structure = expected.model_spec.structure
    assert made.names == tuple(expected.columns)
    assert made.terms == tuple((one.term, tuple(one.columns)) for one in structure)
    used = {factor.expr for term, _ in made.terms for factor in term.factors}
    assert made.categories == used & {"f", "h", "one"}
    np.testing.assert_array_equal(made.matrix, np.asarray(expected, dtype=float))
    assert isinstance(made.spec, Formula) is direct


def test_random_columns_of_new_rows_are_coded_as_in_the_fit():
    data = designs.random_data(2)
    fit = MixedModel("y ~ x + (1 + center(x) + f | g)").fit(data)
    design = fit.random[0].design
    assert design.names == ("Intercept", "center(x)", "f[T.b]", "f[T.c]")
    np.testing.assert_allclose(design.matrix(data.iloc[5:7]), design.matrix(data)[5:7], atol=1e-12)
    assert design.label == "(1 + center(x) + f | g)"


@pytest.mark.parametrize("text", ["x + `1`", "x + (0 + `1` | g)", "`1`*x"])
def test_a_column_named_1_is_refused_not_taken_for_the_intercept(text):
    data = designs.random_data(2).assign(**{"1": lambda d: d.z})
    with pytest.raises(FormulaError, match="column '1'"):
        MixedModel(f"y ~ {text} + (1 | h)").fit(data)


def test_a_product_beyond_all_numbers_is_refused_without_a_warning():
    data = designs.random_data(2).assign(x=1e200, z=1e200)
    with pytest.raises(InvalidDataError, match="'x:z' is not a finite number"):
        MixedModel("y ~ x:z + (1 | g)").fit(data)


def test_contrasts_by_column_keep_the_columns_name():
    data = designs.random_data(3)
    model = MixedModel("y ~ f * x + (0 + f | g)", {"f": "sum"})
    names = model.fit(data).fixed.names
    assert names == ("Intercept", "f[S.a]", "f[S.b]", "x", "f[S.a]:x", "f[S.b]:x")


def test_contrasts_by_column_reach_random_terms_and_leave_the_fit_alone():
    data = designs.random_data(3)
    by_sum = MixedModel("y ~ x + (1 + f | g)", {"f": "sum"}).fit(data)
    plain = MixedModel("y ~ x + (1 + f | g)").fit(data)
    assert by_sum.random[0].design.names == ("Intercept", "f[S.a]", "f[S.b]")
    assert plain.random[0].design.names == ("Intercept", "f[T.b]", "f[T.c]")
    assert by_sum.info.criterion == pytest.approx(plain.info.criterion, abs=1e-8)


def test_ordered_categories_have_treatment_contrasts_unless_asked():
    data = designs.random_data(3)
    ordered = data.assign(f=pd.Categorical(data.f, list("abc"), ordered=True))
    names = MixedModel("y ~ f + (1 | g)").fit(ordered).fixed.names
    assert names == ("Intercept", "f[T.b]", "f[T.c]")
    assert MixedModel("y ~ f + (1 | g)", {"f": "poly"}).fit(ordered).fixed.names[1:] == (
        "f[.L]",
        "f[.Q]",
    )


def test_variables_are_described_for_a_reference_grid():
    data = designs.random_data(4).assign(k=lambda d: d.k + 2010)
    fit = MixedModel("y ~ f * x + C(k) + I(z**2) + (1 | g)").fit(data)
    assert fit.fixed.factors == {"f": ("a", "b", "c"), "k": (2010, 2011, 2012, 2013, 2014)}
    means = {name: fit.fixed.variables[name].mean for name in ("x", "z")}
    assert means == pytest.approx({"x": data.x.mean(), "z": data.z.mean()})
    labels = [term.label for term in fit.fixed.terms]
    assert labels == ["Intercept", "f", "x", "C(k)", "I(z ** 2)", "f:x"]
    interaction = fit.fixed.terms[-1]
    assert (interaction.categories, interaction.numbers) == ({"f"}, {"x"})


def test_new_data_that_do_not_fit_are_refused():
    data = designs.random_data(5)
    fit = MixedModel("y ~ f + x + (1 | g)").fit(data)
    with pytest.raises(InvalidDataError, match="lack the columns x"):
        fit.fixed.matrix(data[["f"]])
    with pytest.raises(InvalidDataError, match="holds 'q', which is not in the data of the fit"):
        fit.fixed.matrix(data.assign(f="q"))
    with pytest.raises(InvalidDataError, match="missing values in x"):
        fit.fixed.matrix(data.assign(x=np.nan))
    with pytest.raises(InvalidDataError, match="must hold numbers"):
        fit.fixed.matrix(data.assign(x="two"))


def test_what_depends_on_dropped_columns_alone_is_not_estimable():
    data = designs.random_data(6)
    data = data[~((data.f == "c") & (data.k == 4))]
    fit = MixedModel("y ~ f * C(k) + (1 | g)").fit(data)
    grid = pd.DataFrame([(f, k) for f in "abc" for k in range(5)], columns=["f", "k"])
    _, estimable = fit.fixed.reduce(fit.fixed.full_matrix(grid))
    seen = set(zip(data.f, data.k, strict=True))
    assert estimable.tolist() == [cell in seen for cell in grid.itertuples(index=False, name=None)]


@pytest.mark.parametrize(
    ("text", "variables", "factors"),
    [
        ("a * b", ("a", "b"), set()),
        ("C(a) + poly(b, 2)", ("a", "b"), {"a"}),
        ("C(a) + a", ("a",), set()),
        ("factor(a):b.c", ("a", "b.c"), {"a"}),
        ("log(b.c) + log(`d e`)", ("b.c", "d e"), set()),
        ("I(a**2) + {b + 1}", ("a", "b"), set()),
        ("C(a, contr.sum)", ("a",), {"a"}),
    ],
)
def test_columns_of_a_formula_are_found(text, variables, factors):
    terms = read_terms(text, ["a", "b", "b.c", "d e"])
    assert set(terms.variables) == set(variables)
    assert terms.factors == factors


def test_an_unreadable_term_is_quoted():
    with pytest.raises(FormulaError, match="'a \\+\\* b' cannot be read"):
        read_terms("a +* b", ["a", "b"])
