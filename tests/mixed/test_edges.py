"""Inputs at the edge: each ends in a clear error or in a correct, flagged fit."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import FormulaError, InvalidDataError, NotIdentifiedError, UsageError
from qsmstats.mixed.model import MixedModel


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "g": np.repeat([f"g{i:02d}" for i in range(12)], 10),
            "x": rng.normal(size=120),
            "f": rng.choice(list("abc"), 120),
        }
    )
    noise = rng.normal(size=12).repeat(10) + rng.normal(size=120)
    return frame.assign(y=1 + 0.5 * frame.x + noise)


REPLACED = {
    "a group per observation": (
        {"g": lambda d: np.arange(len(d))},
        NotIdentifiedError,
        "120 groups with 1 random effects each against 120 rows",
    ),
    "a single group": ({"g": "only"}, NotIdentifiedError, "there is only one group"),
    "constant outcome": ({"y": 3.1}, NotIdentifiedError, "'y' is constant"),
    "zero outcome": ({"y": 0}, NotIdentifiedError, "'y' is constant"),
    "outcome explained by x": (
        {"y": lambda d: 2 * d.x + 1},
        NotIdentifiedError,
        "reproduced exactly by the fixed part",
    ),
    "outcome explained by g": (
        {"y": lambda d: 2 * d.x + d.g.factorize()[0] ** 1.5},
        NotIdentifiedError,
        "random effects reproduce the outcome",
    ),
    "infinite covariate": (
        {"x": lambda d: d.x.where(d.index != 3, np.inf)},
        InvalidDataError,
        r"'x' is infinite in 1 rows \(first: row position 3\)",
    ),
    "infinite outcome": (
        {"y": lambda d: d.y.where(d.index != 3, -np.inf)},
        InvalidDataError,
        "'y' is infinite",
    ),
    "nothing but missing values": ({"x": np.nan}, InvalidDataError, "rows is complete"),
    "text as outcome": ({"y": lambda d: d.f}, InvalidDataError, "needs numbers"),
    "dates": (
        {"x": lambda d: pd.date_range("2020-01-01", periods=len(d))},
        InvalidDataError,
        "convert it to a number first",
    ),
    "periods": (
        {"x": lambda d: pd.period_range("2020-01-01", periods=len(d))},
        InvalidDataError,
        "convert it to a number first",
    ),
    "complex numbers": ({"x": lambda d: d.x + 1j}, InvalidDataError, "complex"),
    "numbers as text": (
        {"x": lambda d: d.x.astype(str)},
        NotIdentifiedError,
        r"'x' alone has 120 levels",
    ),
}


@pytest.mark.parametrize(
    "formula", ["y ~ x + h + (1 | f)", "y ~ f + (1 | f)", "y ~ f * x + (x | f)"]
)
def test_effects_that_the_fixed_part_already_holds_are_refused(data, formula):
    """The REML criterion does not depend on their variance; lme4 reports where it started."""
    nested = data.assign(h=data.f + data.g.str[-1])
    with pytest.raises(NotIdentifiedError, match="already distinguish its groups"):
        MixedModel(formula).fit(nested)


def test_effects_that_the_fixed_part_nearly_holds_are_fitted(data):
    some = data.assign(h=data.f.where(data.index > 5, data.f[::-1].to_numpy()))
    assert MixedModel("y ~ f + (1 | h)").fit(some).info.converged


@pytest.mark.parametrize(("columns", "error", "message"), REPLACED.values(), ids=REPLACED)
def test_unusable_data_are_refused(data, columns, error, message):
    with pytest.raises(error, match=message):
        MixedModel("y ~ x + f + (1 | g)").fit(data.assign(**columns))


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("y ~ xx + (1 | g)", FormulaError, "no column 'xx'; did you mean 'x'"),
        ("y ~ x + (1 | gg)", FormulaError, "no column 'gg'; did you mean 'g'"),
        ("yy ~ x + (1 | g)", FormulaError, "no column 'yy'; did you mean 'y'"),
        ("y ~ log(x) + (1 | g)", InvalidDataError, r"'log\(x\)' is not a finite number in"),
        ("y ~ x:offset(x) + (1 | g)", FormulaError, "is no term of its own"),
        ("y ~ nonsense(x) + (1 | g)", FormulaError, r"'nonsense\(x\)' in .* not allowed"),
        ("y ~ x +* f + (1 | g)", FormulaError, "cannot be read"),
        ("y + x ~ f + (1 | g)", InvalidDataError, "makes 2 columns"),
        ("y ~ x + (1 + x + I(2 * x) | g)", NotIdentifiedError, "linear combinations"),
        ("y ~ x + (0 | g)", FormulaError, "has no column"),
    ],
)
def test_unusable_formulas_are_refused(data, formula, error, message):
    with pytest.raises(error, match=message):
        MixedModel(formula).fit(data)


def test_more_random_effects_than_rows_are_refused(data):
    pairs = data.assign(pair=np.arange(len(data)) // 2)
    with pytest.raises(NotIdentifiedError, match="60 groups with 2 random effects each"):
        MixedModel("y ~ x + (1 + x | pair)").fit(pairs)


def test_fewer_rows_than_coefficients_are_refused(data):
    with pytest.raises(NotIdentifiedError, match="15 rows cannot identify 15 fixed effects"):
        MixedModel("y ~ C(x) + (1 | g)").fit(data.head(15))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "REML"}, UsageError, "must be .reml. or .ml."),
        ({"weights": "nobody"}, FormulaError, "no column 'nobody'"),
        ({"weights": ["x", "y"]}, UsageError, "at most one column"),
        ({"weights": "x"}, InvalidDataError, "at or below zero"),
    ],
)
def test_unusable_options_are_refused(data, options, error, message):
    with pytest.raises(error, match=message):
        MixedModel("y ~ f + (1 | g)").fit(data, **options)


def test_data_must_be_a_frame_with_unique_columns(data):
    with pytest.raises(UsageError, match="must be a pandas DataFrame, not dict"):
        MixedModel("y ~ x + (1 | g)").fit(data.to_dict())
    with pytest.raises(InvalidDataError, match="two columns named 'x'"):
        MixedModel("y ~ x + (1 | g)").fit(pd.concat([data, data[["x"]]], axis=1))
    with pytest.raises(UsageError, match="not 'strange'"):
        MixedModel("y ~ x + (1 | g)", contrasts={"f": "strange"})


def test_missing_rows_are_counted_per_column_and_left_out(data):
    holes = data.copy()
    holes.loc[3, "x"] = np.nan
    holes.loc[[3, 5, 6], "y"] = np.nan
    holes.loc[7, "g"] = None
    fit = MixedModel("y ~ x + f + (1 | g)").fit(holes.assign(unused=np.nan))
    assert fit.info.dropped_rows == {"y": 3, "x": 1, "g": 1}
    assert fit.info.n_obs == 116
    assert any("116 rows are used" in message for message in fit.info.messages)
    direct = MixedModel("y ~ x + f + (1 | g)").fit(data.drop(index=[3, 5, 6, 7]))
    assert fit.info.criterion == pytest.approx(direct.info.criterion, abs=1e-10)
    np.testing.assert_array_equal(fit.frame.kept, data.index.drop([3, 5, 6, 7]))


def test_dependent_columns_are_dropped_and_named(data):
    doubled = data.assign(z=2 * data.x + 1, h=np.where(data.f == "a", "a", "b"))
    fit = MixedModel("y ~ x + z + (1 | g)").fit(doubled)
    assert fit.info.dropped_columns == ("z",)
    plain = MixedModel("y ~ x + (1 | g)").fit(data)
    assert fit.info.criterion == pytest.approx(plain.info.criterion, abs=1e-9)
    # An empty cell: what cannot be estimated is marked.
    empty = MixedModel("y ~ f * h + (1 | g)").fit(doubled)
    assert empty.info.dropped_columns == ("h[T.b]", "f[T.b]:h[T.b]", "f[T.c]:h[T.b]")
    grid = pd.DataFrame({"f": ["b", "b"], "h": ["b", "a"]})
    _, estimable = empty.fixed.reduce(empty.fixed.full_matrix(grid))
    assert estimable.tolist() == [True, False]


def test_levels_without_rows_are_dropped_with_a_message(data):
    levels = pd.Categorical(data.f, categories=list("zcbad"))
    fit = MixedModel("y ~ f + (1 | g)").fit(data.assign(f=levels))
    assert fit.fixed.names == ("Intercept", "f[T.b]", "f[T.a]")
    assert any("(z, d)" in message for message in fit.info.messages)


@pytest.mark.parametrize("column", ["x", "y"])
@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_units_change_nothing_but_units(data, column, factor):
    model = MixedModel("y ~ x + f + (1 + x | g)")
    plain, scaled = model.fit(data), model.fit(data.assign(**{column: data[column] * factor}))
    expected = plain.coefficients("kenward-roger")
    found = scaled.coefficients("kenward-roger")
    np.testing.assert_allclose(found.statistic, expected.statistic, rtol=1e-6)
    np.testing.assert_allclose(found.df, expected.df, rtol=1e-6)
    np.testing.assert_allclose(scaled.anova(type=2).den_df, plain.anova(type=2).den_df, rtol=1e-6)
    assert scaled.info.singular == plain.info.singular


def test_origins_change_nothing_that_does_not_depend_on_them(data):
    model = MixedModel("y ~ x + f + (1 + x | g)")
    plain, moved = model.fit(data), model.fit(data.assign(x=data.x + 2020, y=data.y + 1e6))
    assert moved.info.criterion == pytest.approx(plain.info.criterion, abs=1e-6)
    np.testing.assert_allclose(moved.estimates[1:], plain.estimates[1:], rtol=1e-6)
    np.testing.assert_allclose(moved.coefficients().df[1:], plain.coefficients().df[1:], rtol=1e-5)


SAME = {
    "nullable numbers": {"x": lambda d: d.x.astype("Float64")},
    "objects of numbers": {"x": lambda d: d.x.astype(object)},
    "string dtype": {"f": lambda d: d.f.astype("string"), "g": lambda d: d.g.astype("string")},
    "objects of text": {"f": lambda d: d.f.astype(object)},
    "categorical groups": {"g": lambda d: pd.Categorical(d.g, categories=sorted(set(d.g))[::-1])},
    "numbered groups": {"g": lambda d: d.g.factorize()[0]},
    "dates as groups": {"g": lambda d: pd.to_datetime(d.g.factorize()[0], unit="D")},
    "tuples as groups": {"g": lambda d: [(value, 1) for value in d.g]},
}


@pytest.mark.parametrize("columns", SAME.values(), ids=SAME)
def test_column_types_make_no_difference(data, columns):
    model = MixedModel("y ~ x + f + (1 | g)")
    fit = model.fit(data.assign(**columns))
    assert fit.info.criterion == pytest.approx(model.fit(data).info.criterion, abs=1e-9)
    assert fit.fixed.names == ("Intercept", "f[T.b]", "f[T.c]", "x") or fit.fixed.names == (
        "Intercept",
        "x",
        "f[T.b]",
        "f[T.c]",
    )


@pytest.mark.parametrize("dtype", ["bool", "boolean", "object"])
def test_booleans_are_categories(data, dtype):
    fit = MixedModel("y ~ b + (1 | g)").fit(data.assign(b=(data.x > 0).astype(dtype)))
    assert fit.fixed.names == ("Intercept", "b[T.True]")
    assert fit.fixed.factors == {"b": (False, True)}


def test_names_with_dots_and_spaces(data):
    plain = MixedModel("y ~ x + log(z) + I(x**2) + (1 + x | g)")
    odd = MixedModel("`my y` ~ a.x + log(`my z`) + I(a.x^2) + (1 + a.x | `the g`)")
    frame = data.assign(z=data.x.abs() + 1)
    renamed = frame.rename(columns={"y": "my y", "x": "a.x", "z": "my z", "g": "the g"})
    fit = odd.fit(renamed)
    assert fit.info.criterion == pytest.approx(plain.fit(frame).info.criterion, abs=1e-9)
    np.testing.assert_allclose(fit.fixed.matrix(renamed), plain.fit(frame).fixed.matrix(frame))


def test_some_groups_of_one_row_and_any_index(data):
    more = pd.DataFrame({"g": ["z1", "z2"], "x": [0.0, 1.0], "f": ["a", "b"], "y": [1.0, 2.0]})
    both = pd.concat([data, more])
    fit = MixedModel("y ~ x + (1 | g)").fit(both)
    assert fit.info.n_groups == {"g": 14}
    shuffled = both.sample(frac=1.0, random_state=1).set_index(["g", "x"], drop=False)
    again = MixedModel("y ~ x + (1 | g)").fit(shuffled)
    assert again.info.criterion == pytest.approx(fit.info.criterion, abs=1e-10)


def test_repeated_random_columns_are_fitted_and_flagged(data):
    fit = MixedModel("y ~ x + (1 | g) + (1 + x | g)").fit(data)
    once = MixedModel("y ~ x + (1 + x | g)").fit(data)
    assert fit.info.criterion == pytest.approx(once.info.criterion, abs=1e-6)
    assert any("only the sum of their variances" in message for message in fit.info.messages)
    assert fit.random[0].covariance[0, 0] + fit.random[1].covariance[0, 0] == pytest.approx(
        once.random[0].covariance[0, 0], rel=1e-3
    )


def test_zero_variance_is_singular_and_tested_all_the_same(data):
    centred = data.assign(y=data.y - data.groupby("g").y.transform("mean"))
    fit = MixedModel("y ~ x + (1 | g)").fit(centred)
    assert fit.info.converged
    assert fit.info.singular
    assert fit.theta[0] == pytest.approx(0.0, abs=1e-6)
    assert any("singular" in message for message in fit.info.messages)
    for method in ("satterthwaite", "kenward-roger"):
        assert np.all(np.isfinite(fit.coefficients(method).drop(columns="term")))


def test_fits_and_results_survive_pickling(data):
    fit = MixedModel("y ~ poly(x, 2) + C(f, contr.sum) + (1 | g)").fit(data, weights="f")
    again = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_frame_equal(again.coefficients(), fit.coefficients())
    np.testing.assert_allclose(again.fixed.matrix(data), fit.fixed.matrix(data))


def test_a_million_rows_of_a_random_slope():
    rng = np.random.default_rng(5)
    groups = rng.integers(0, 20_000, 1_000_000)
    x = rng.normal(size=len(groups))
    effects = rng.normal(size=(20_000, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])
    y = 1 + x + effects[groups, 0] + effects[groups, 1] * x + rng.normal(size=len(groups))
    fit = MixedModel("y ~ x + (1 + x | g)").fit(pd.DataFrame({"y": y, "x": x, "g": groups}))
    assert fit.info.converged
    # Standard errors of the variances are about 1 %.
    np.testing.assert_allclose(
        fit.random[0].covariance, [[1.0, 0.3], [0.3, 0.34]], rtol=0.06, atol=0.02
    )
