"""Agreement: against statsmodels and by hand; clusters, consensus, intraclass correlation."""

import itertools
import math
import warnings

import krippendorff
import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from qsmstats.accuracy.agreement import AGREEMENT_COLUMNS, ALL_CATEGORIES, agreement
from qsmstats.accuracy.coefficients import (
    MEASUREMENTS,
    agreement_coefficient,
    agreement_weights,
    alpha_from_coincidences,
    coincidences,
    krippendorff_alpha,
    krippendorff_std_error,
)
from qsmstats.accuracy.consensus import consensus
from qsmstats.accuracy.continuous import intraclass_correlation
from qsmstats.errors import InvalidDataError, UsageError

LEVELS = ["low", "middle", "high"]


def ratings(participants=12, seed=1, raters="ABC", noise=0.3):
    random = np.random.default_rng(seed)
    rows = []
    for participant in range(participants):
        for lesion in range(int(random.integers(2, 9))):
            truth = random.choice(3, p=[0.6, 0.3, 0.1])
            for rater in raters:
                level = truth if random.random() > noise else random.integers(3)
                rows.append((f"p{participant}", "1", lesion, rater, LEVELS[level]))
    names = ["participant_id", "session_id", "lesion_id", "rater_id", "lesion_type"]
    return pd.DataFrame(rows, columns=names)


def pick(frame, coefficient, category=ALL_CATEGORIES, method="linearised", raters="all"):
    rows = frame[
        (frame["coefficient"] == coefficient)
        & (frame["category"] == category)
        & (frame["method"] == method)
        & (frame["raters"] == raters)
    ]
    assert len(rows) == 1
    return rows.iloc[0]


unit_counts = st.lists(
    st.tuples(*[st.integers(0, 3)] * 3).filter(lambda row: sum(row) >= 2), min_size=3, max_size=12
)


@settings(deadline=None)
@given(unit_counts)
def test_observed_agreement_by_listing_all_pairs(counts):
    shares = []
    for row in counts:
        labels = [k for k, number in enumerate(row) for _ in range(number)]
        pairs = [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
        shares.append(np.mean([a == b for a, b in pairs]))
    table = np.array(counts, dtype=float)
    estimate, error = agreement_coefficient(table, kind="percent", weights=np.eye(3))
    assert estimate == pytest.approx(np.mean(shares))
    assert error == pytest.approx(np.std(shares, ddof=1) / math.sqrt(len(shares)))


@pytest.mark.parametrize("kind", ["fleiss", "gwet", "brennan_prediger"])
@settings(deadline=None)
@given(counts=unit_counts)
def test_general_error_is_the_infinitesimal_jackknife(kind, counts):
    table = np.array(counts, dtype=float)
    n = len(table)
    weights = agreement_weights(3, "quadratic")

    def value(multiplicity):
        # Units with multiplicities, straight from the definitions.
        rated = table.sum(axis=1)
        agreeing = (table * (table @ weights - 1)).sum(axis=1) / (rated * (rated - 1))
        observed = multiplicity @ agreeing / multiplicity.sum()
        share = multiplicity @ (table / rated[:, None]) / multiplicity.sum()
        chance = {
            "fleiss": share @ weights @ share,
            "gwet": weights.sum() * (share @ (1 - share)) / 6,
            "brennan_prediger": weights.sum() / 9,
        }[kind]
        return (observed - chance) / (1 - chance)

    estimate, error = agreement_coefficient(table, kind=kind, weights=weights)
    assume(np.count_nonzero(table.sum(axis=0)) > 1)
    assert estimate == pytest.approx(value(np.ones(n)), abs=1e-10)
    step = 1e-5 * np.eye(n)
    gradient = [(value(1 + row) - value(1 - row)) / 2e-5 for row in step]
    expected = math.sqrt(np.sum(np.square(gradient)) * n / (n - 1))
    assert error == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_fleiss_kappa_is_that_of_statsmodels():
    random = np.random.default_rng(2)
    table = random.multinomial(4, [0.5, 0.3, 0.2], size=25)
    found, _ = agreement_coefficient(table.astype(float), kind="fleiss", weights=np.eye(3))
    assert found == pytest.approx(fleiss_kappa(table))


def test_nominal_alpha_in_the_frame_is_that_of_balanced_ratings():
    table = ratings()
    frame = agreement(table, categories=LEVELS, cluster=None)
    alpha = pick(frame, "krippendorff_alpha_nominal")["estimate"]
    fleiss = pick(frame, "fleiss_kappa")
    n = fleiss["n_units"] * 3
    # With equally many ratings alpha = kappa + (1 - kappa)/n (Krippendorff 2011).
    assert alpha == pytest.approx(fleiss["estimate"] + (1 - fleiss["estimate"]) / n)


@pytest.mark.parametrize("kind", ["", "linear", "quadratic"])
def test_cohens_kappa_per_pair(kind):
    table = ratings(raters="AB")
    frame = agreement(table, categories=LEVELS, ordered=True, cluster=None)
    row = pick(frame, "cohen_kappa" + (f"_{kind}" if kind else ""), raters="A - B")
    units = table.pivot_table(
        index=["participant_id", "lesion_id"],
        columns="rater_id",
        values="lesion_type",
        aggfunc="first",
    )
    crossed = pd.crosstab(units["A"], units["B"]).reindex(index=LEVELS, columns=LEVELS)
    expected = cohens_kappa(crossed.fillna(0).to_numpy(), wt=kind or None)
    assert row["estimate"] == pytest.approx(expected.kappa)
    assert row["std_error"] == pytest.approx(expected.std_kappa)


def test_specific_agreement_by_hand():
    rows = [
        ("p", "1", u, r, v)
        for u, pair in enumerate(["aa", "ab", "bb", "aa"])
        for r, v in zip("AB", pair, strict=True)
    ]
    table = pd.DataFrame(rows, columns=ratings().columns)
    frame = agreement(table, cluster=None)
    # Two raters: 2 n_aa / (2 n_aa + n_ab).
    assert pick(frame, "specific_agreement", "a")["estimate"] == pytest.approx(4 / 5)
    assert pick(frame, "specific_agreement", "b")["estimate"] == pytest.approx(2 / 3)


def test_columns_and_roles_with_many_and_with_few_clusters():
    many = agreement(ratings(), categories=LEVELS, ordered=True, n_resamples=100)
    assert tuple(many.columns) == AGREEMENT_COLUMNS
    bootstrap = many[many["method"] == "cluster_bootstrap_percentile"]
    assert set(bootstrap["role"]) == {"recommended"}
    assert (bootstrap["conf_low"] <= bootstrap["estimate"]).all()
    assert (bootstrap["estimate"] <= bootstrap["conf_high"]).all()
    few = agreement(ratings(participants=3), categories=LEVELS)
    refused = few[few["method"] == "cluster_bootstrap_percentile"]
    assert set(refused["role"]) == {"refused"}
    assert refused["note"].str.contains("with 3 clusters, fewer than 10").all()
    alone = agreement(ratings(), categories=LEVELS, cluster=None)
    assert set(alone["role"]) == {"lesions assumed independent"}


def test_bootstrap_of_sums_is_the_coefficient_of_repeated_units():
    table = ratings(participants=11)
    doubled = []
    for name, rows in table.groupby("participant_id"):
        doubled.append(rows)
        if name != "p0":
            doubled.append(rows.assign(participant_id=name + "again"))
    expected = agreement(pd.concat(doubled), categories=LEVELS, cluster=None)
    # One draw of multiplicities 1 (p0) and 2 (others), through the same path as the bootstrap.
    from qsmstats.accuracy.agreement import _coefficients
    from qsmstats.accuracy.ratings import rated_units

    data = rated_units(
        table,
        unit=["participant_id", "session_id", "lesion_id"],
        rater="rater_id",
        rating="lesion_type",
        cluster="participant_id",
        categories=LEVELS,
    )
    draws = np.array([[1] + [2] * 10])
    coefficients = list(_coefficients(data, ordered=False, measurement="nominal"))
    assert len(coefficients) == 5 + 3 + 4 * len(LEVELS)
    for found in coefficients:
        row = pick(expected, found.name, found.category, raters=found.raters)
        assert found.resampled(draws)[0] == pytest.approx(row["estimate"])


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_resampled_alpha_is_that_of_the_repeated_units(measurement):
    """With units rated once or not at all, a category of no unit, and values of zero."""
    random = np.random.default_rng(3)
    counts = random.multinomial(2, [0.6, 0.3, 0.1, 0.0], size=30) * random.integers(0, 3, (30, 1))
    counts[:3] = np.eye(4)[[0, 1, 3]]
    draws = random.multinomial(30, np.full(30, 1 / 30), 20)
    values = np.array([0.0, 1.0, 3.0, 7.0])
    sums = np.tensordot(draws.astype(float), coincidences(counts.astype(float)), axes=1)
    found = alpha_from_coincidences(sums, measurement=measurement, values=values)
    expected = [
        krippendorff_alpha(
            np.repeat(counts, row, axis=0).astype(float), measurement=measurement, values=values
        )
        for row in draws
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    alike = coincidences(np.tile([2.0, 0.0], (5, 1))).sum(axis=0)
    assert np.isnan(alpha_from_coincidences(alike, measurement=measurement, values=values[:2]))


def test_perfect_agreement_is_flagged_not_given_a_zero_width():
    table = ratings(noise=0.0)
    frame = agreement(table, categories=LEVELS, n_resamples=50)
    assert frame["conf_low"].isna().all()
    assert frame["note"].str.contains("no variation|no standard error").all()
    assert (frame["estimate"] == 1.0).all()


def test_one_category_only():
    table = ratings().assign(lesion_type="low")
    frame = agreement(table, categories=LEVELS, n_resamples=50)
    kappa = pick(frame, "fleiss_kappa")
    assert math.isnan(kappa["estimate"])
    assert "one category only" in kappa["note"]
    assert pick(frame, "percent_agreement")["estimate"] == 1.0


def test_missing_ratings_are_left_out_of_pairs():
    table = ratings(raters="AB")
    table.loc[0, "lesion_type"] = None
    frame = agreement(table, categories=LEVELS, cluster=None)
    units = table.groupby(["participant_id", "lesion_id"]).ngroups
    assert pick(frame, "cohen_kappa", raters="A - B")["n_units"] == units - 1
    assert pick(frame, "percent_agreement")["n_units"] == units - 1


def test_bad_ratings():
    table = ratings()
    with pytest.raises(InvalidDataError, match="more than one rating"):
        agreement(pd.concat([table, table.head(1)]))
    with pytest.raises(InvalidDataError, match="'high' is not one of"):
        agreement(table, categories=["low", "middle"])
    with pytest.raises(UsageError, match="no column"):
        agreement(table, rater="reader")
    with pytest.raises(UsageError, match="number of raters: 1"):
        agreement(table[table["rater_id"] == "A"])
    with pytest.raises(UsageError, match="measurement"):
        agreement(table, measurement="cardinal")
    with pytest.raises(InvalidDataError, match="give each unit one"):
        agreement(table.assign(site=range(len(table))), cluster="site")


def test_units_rated_once_have_no_agreement():
    table = ratings(raters="AB")
    once = (table["lesion_id"] % 2 == 0) == (table["rater_id"] == "A")
    with pytest.raises(UsageError, match="no unit has two ratings"):
        agreement(table[once])


def test_degenerate_coefficients():
    alike, one = np.array([[2.0, 0], [2, 0]]), np.array([[1.0, 1]])
    assert math.isnan(krippendorff_alpha(alike, measurement="nominal"))
    assert math.isnan(krippendorff_std_error(alike))
    assert math.isnan(agreement_coefficient(one, kind="percent", weights=np.eye(2))[1])


def two_raters(first, second):
    """One unit per pair of ratings."""
    n = len(first)
    frame = pd.DataFrame({"unit": [*range(n), *range(n)], "rater": ["A"] * n + ["B"] * n})
    return frame.assign(grade=[*first, *second])


def of_grades(table, **options):
    frame = agreement(table, unit=["unit"], rater="rater", rating="grade", cluster=None, **options)
    assert len(frame) > 0
    return frame.set_index(["coefficient", "category"])["estimate"]


def noisy_positions(q, n=60, seed=3):
    random = np.random.default_rng(seed)
    first = random.integers(q, size=n)
    return first, np.clip(first + random.integers(-1, 2, size=n), 0, q - 1)


STEPS = ["low", "medium", "high"]
GRADES = {
    "ordered categorical": pd.Categorical(STEPS, STEPS, ordered=True),
    "numbers": np.arange(1, 13),
    "numbers with gaps": np.array([1, 2, 5, 9]),
}


@pytest.mark.parametrize("grades", GRADES.values(), ids=GRADES)
def test_ordered_coefficients_keep_order_and_numbers(grades):
    first, second = noisy_positions(len(grades))
    table = two_raters(first, second)
    table["grade"] = grades[table["grade"]]
    found = of_grades(table, ordered=True, measurement="ordinal")
    for weights in ("linear", "quadratic"):
        expected = metrics.cohen_kappa_score(first, second, weights=weights)
        assert found[f"cohen_kappa_{weights}", ALL_CATEGORIES] == pytest.approx(expected)
    expected = krippendorff.alpha(
        reliability_data=np.array([first, second], dtype=float), level_of_measurement="ordinal"
    )
    assert found["krippendorff_alpha_ordinal", ALL_CATEGORIES] == pytest.approx(expected)
    positions = of_grades(two_raters(first, second), ordered=True)
    for name in ("gwet_ac2_linear", "gwet_ac2_quadratic"):
        assert found[name, ALL_CATEGORIES] == pytest.approx(positions[name, ALL_CATEGORIES])


@pytest.mark.parametrize("measurement", ["interval", "ratio"])
def test_interval_and_ratio_alpha_use_the_values(measurement):
    values = np.array([1, 2, 5, 9])
    first, second = (values[codes] for codes in noisy_positions(4))
    found = of_grades(two_raters(first, second), measurement=measurement)
    expected = krippendorff.alpha(
        reliability_data=np.array([first, second], dtype=float), level_of_measurement=measurement
    )
    assert found[f"krippendorff_alpha_{measurement}", ALL_CATEGORIES] == pytest.approx(expected)


def test_categories_may_be_any_sequence_and_blank_text_is_a_missing_rating():
    first, second = noisy_positions(4)
    table = two_raters(first, second)
    ranged = of_grades(table, categories=range(4), ordered=True)
    pd.testing.assert_series_equal(ranged, of_grades(table, ordered=True))
    text = two_raters(["a", "b", "a", ""], ["a", "b", "b", "  "])
    blank = of_grades(text)
    assert set(blank.index.get_level_values("category")) == {ALL_CATEGORIES, "a", "b"}
    missing = text.assign(grade=text["grade"].where(text["grade"].str.strip() != "", None))
    pd.testing.assert_series_equal(blank, of_grades(missing))


def test_an_order_or_numbers_are_not_guessed_from_text():
    table = two_raters(["low", "high", "low"], ["low", "high", "high"])
    for options in ({"ordered": True}, {"measurement": "ordinal"}):
        with pytest.raises(UsageError, match="name `categories` in their order"):
            of_grades(table, **options)
        assert len(of_grades(table, categories=["low", "high"], **options)) > 0
    for measurement in ("interval", "ratio"):
        with pytest.raises(UsageError, match="needs numbers"):
            of_grades(table, measurement=measurement)
    with pytest.raises(UsageError, match="none below 0"):
        of_grades(two_raters([-1, 2, 3], [-1, 2, 2]), measurement="ratio")
    with pytest.raises(UsageError, match="each category once"):
        of_grades(table, categories=["low", "high", "low"])
    with pytest.raises(InvalidDataError, match="1 ratings have no rater"):
        of_grades(table.assign(rater=[None, *table["rater"][1:]]))


NOTHING_TO_ESTIMATE = {
    "one rater uses one category": (["x"], ["x", "y"], "not estimable: a rater used one category"),
    "both use the same category": (["x"], ["x"], "not estimable: a rater used one category"),
    "perfect agreement": (["x", "y", "z"], ["x", "y", "z"], "no variation between units"),
}


@pytest.mark.parametrize("case", NOTHING_TO_ESTIMATE.values(), ids=NOTHING_TO_ESTIMATE)
def test_kappa_without_variation_has_one_message_for_every_n(case):
    first, second, note = case
    for n in range(3, 50, 4):
        table = two_raters((first * n)[:n], (second * n)[:n])
        frame = agreement(
            table,
            unit=["unit"],
            rater="rater",
            rating="grade",
            cluster=None,
            categories=["x", "y", "z"],
            ordered=True,
        )
        rows = frame[frame["coefficient"].str.startswith("cohen_kappa")]
        assert len(rows) == 3
        assert rows[["std_error", "conf_low", "conf_high"]].isna().all(axis=None)
        assert rows["note"].str.startswith(note).all()
        assert rows["estimate"].isna().all() == note.startswith("not estimable")
        # Nor has any other coefficient a standard error that is rounding.
        assert not (frame["std_error"] < 1e-7).any()


def test_resamples_in_which_a_rater_uses_one_category_are_counted():
    table = ratings(participants=12, raters="AB", noise=0.1)
    rare = (table["participant_id"] == "p0") & (table["rater_id"] == "B")
    table.loc[table["rater_id"] == "B", "lesion_type"] = "low"
    table.loc[rare, "lesion_type"] = "middle"
    frame = agreement(table, categories=LEVELS, n_resamples=100)
    row = pick(frame, "cohen_kappa", method="cluster_bootstrap_percentile", raters="A - B")
    assert "of 100 resamples" in row["note"]


def test_a_second_category_that_stands_in_no_pair_leaves_alpha_undefined():
    counts = np.array([[2.0, 0], [2, 0], [0, 1]])
    assert math.isnan(krippendorff_alpha(counts, measurement="nominal"))


class TestConsensus:
    def table(self):
        votes = {1: "aab", 2: "abc", 3: "aaa", 4: "ab-", 5: "a--"}
        rows = [
            ("p", "1", u, r, v if v != "-" else None)
            for u, three in votes.items()
            for r, v in zip("ABC", three, strict=True)
        ]
        rows += [("p", "1", 1, "judge", "b"), ("p", "1", 2, "judge", "c")]
        return pd.DataFrame(rows, columns=ratings().columns)

    def test_majority_then_adjudicator(self):
        found = consensus(self.table(), adjudicator="judge")
        labels = found.labels.set_index("lesion_id")
        assert labels["lesion_type"].fillna("none").to_dict() == {
            1: "a",
            2: "c",
            3: "a",
            4: "none",
            5: "a",
        }
        assert labels["decided_by"].tolist() == [
            "majority",
            "adjudicator",
            "unanimous",
            "undecided",
            "unanimous",
        ]
        assert labels["n_ratings"].tolist() == [4, 4, 3, 2, 1]

    def test_every_disagreement_is_listed_with_all_ratings(self):
        found = consensus(self.table(), adjudicator="judge").disagreements
        assert found["lesion_id"].tolist() == [1, 2, 4]
        assert found.loc[0, ["A", "B", "C", "judge"]].tolist() == ["a", "a", "b", "b"]

    def test_without_an_adjudicator(self):
        found = consensus(self.table()[lambda t: t["rater_id"] != "judge"]).labels
        assert found["decided_by"].tolist() == [
            "majority",
            "undecided",
            "unanimous",
            "undecided",
            "unanimous",
        ]

    def test_numbers_and_categoricals_stay_what_they_are(self):
        votes = {"unit": [1, 1, 1, 2, 2, 2], "rater": [3, 20, 100] * 2}
        table = pd.DataFrame(votes | {"grade": [2, 10, 10, 2, 2, 10]})
        named = {"unit": ["unit"], "rater": "rater", "rating": "grade"}
        found = consensus(table, **named)
        assert found.labels["grade"].tolist() == [10, 2]
        assert list(found.disagreements.columns[-3:]) == [3, 20, 100]
        decided = consensus(table[table["rater"] != 100], adjudicator=20, **named)
        assert decided.labels["grade"].tolist() == [2, 2]
        kind = pd.CategoricalDtype([10, 2], ordered=True)
        ordered = consensus(table.astype({"grade": kind}), **named)
        assert ordered.labels["grade"].dtype == kind

    def test_unknown_adjudicator(self):
        with pytest.raises(UsageError, match="adjudicator"):
            consensus(self.table(), adjudicator="D")


class TestIntraclassCorrelation:
    # Shrout & Fleiss 1979, table 2: six targets, four judges.
    SCORES = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))

    def table(self):
        rows = [(t, j, v) for t, row in enumerate(self.SCORES) for j, v in enumerate(row)]
        return pd.DataFrame(rows, columns=["target", "judge", "score"])

    def find(self, table):
        return intraclass_correlation(table, target=["target"], rater="judge", value="score")

    def test_shrout_fleiss_1979(self):
        found = self.find(self.table()).set_index("coefficient")["estimate"]
        printed = {"1,1": 0.17, "A,1": 0.29, "C,1": 0.71, "1,k": 0.44, "A,k": 0.62, "C,k": 0.91}
        for name, value in printed.items():
            assert found[f"ICC({name})"] == pytest.approx(value, abs=5e-3)

    def test_limits_are_not_rounded_and_incomplete_targets_are_counted(self):
        table = pd.concat([self.table(), pd.DataFrame({"target": [9], "judge": 0, "score": 3.0})])
        found = self.find(table)
        assert (found["n_targets"] == 6).all()
        assert (found["n_dropped"] == 1).all()
        # McGraw & Wong 1996 for ICC(1,1): F over and under its quantiles.
        assert found.loc[0, "conf_low"] != round(found.loc[0, "conf_low"], 3)

    def of(self, rows):
        long = [(t, j, v) for t, row in enumerate(rows) for j, v in enumerate(row)]
        table = pd.DataFrame(long, columns=["target", "judge", "score"])
        return self.find(table).set_index("coefficient")

    def test_limits_beyond_the_pole_of_spearman_and_brown_are_not_defined(self):
        # ICC(A,1) lies above, its lower limit (-1.05) below, the pole at -1/(k - 1) = -1.
        found = self.of([(7, 8), (3, 4), (5, 3), (8, 1), (7, 6), (3, 6), (4, 7)])
        row = found.loc["ICC(A,k)"]
        assert -1.0 < found.loc["ICC(A,1)", "estimate"] < 0.0
        assert row["estimate"] == pytest.approx(
            2 * found.loc["ICC(A,1)", "estimate"] / (1 + found.loc["ICC(A,1)", "estimate"])
        )
        assert row[["conf_low", "conf_high"]].isna().all()
        assert row["note"].startswith("limits not defined")
        assert found.loc["ICC(A,1)", "conf_low"] == -1.0

    def test_an_estimate_beyond_the_pole_is_not_defined(self):
        # Targets and judges hardly differ in their means, so that ICC(A,1) < -1/(k - 1).
        found = self.of([(8, 1), (5, 4), (5, 4), (2, 8), (3, 5), (2, 6)])
        for name in ("ICC(A,1)", "ICC(A,k)"):
            assert found.loc[name, ["estimate", "conf_low", "conf_high"]].isna().all()
            assert found.loc[name, "note"].startswith("not defined")
        assert found.loc["ICC(C,1)", "estimate"] < -0.9

    def test_measurements_without_variation(self):
        constant = self.of([(2, 2, 2)] * 6)
        assert constant[["estimate", "conf_low", "conf_high", "p_value"]].isna().all(axis=None)
        assert constant["note"].str.contains("targets do not differ").all()
        shifted = self.of([(v, v + 1) for v in (1, 2, 4, 7, 11, 16)])
        assert shifted.loc["ICC(C,1)", "estimate"] == pytest.approx(1.0)
        assert shifted[["conf_low", "conf_high", "p_value"]].isna().all(axis=None)
        assert shifted["note"].str.contains("no more than a constant").all()

    def test_random_tables_hold_limits_in_order_or_say_why_not(self):
        random = np.random.default_rng(5)
        defined, undefined = 0, 0
        for n, k, spread in itertools.product((5, 7, 12), (2, 3), (0.0, 0.3, 2.0)):
            values = random.normal(size=(n, k)) + spread * random.normal(size=(n, 1))
            values -= (spread == 0.0) * 0.9 * values.mean(axis=1, keepdims=True)
            found = self.of(values)
            given = found.dropna(subset=["conf_low"])
            assert (given["conf_low"] <= given["estimate"]).all()
            assert (given["estimate"] <= given["conf_high"]).all()
            assert (given["conf_high"] <= 1.0).all()
            single = given[given.index.str.endswith(",1)")]
            assert (single["conf_low"] >= -1.0 / (k - 1)).all()
            lacking = found[found["conf_low"].isna()]
            assert lacking["note"].str.contains("not defined").all()
            defined, undefined = defined + len(given), undefined + len(lacking)
        assert min(defined, undefined) > 10

    def test_where_defined_it_is_what_pingouin_gives(self):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The inplace keyword", DeprecationWarning)
            peer = pingouin.intraclass_corr(self.table(), "target", "judge", "score")
        found = self.find(self.table())
        assert found["estimate"].tolist() == pytest.approx(peer["ICC"].tolist())
        # pingouin rounds limits to two decimals.
        limits = np.array(peer[peer.columns[-1]].tolist())
        assert np.abs(found[["conf_low", "conf_high"]] - limits).max(axis=None) <= 0.005 + 1e-9

    def test_bad_input(self):
        with pytest.raises(InvalidDataError, match="not finite numbers, the first 'x'"):
            self.of([("x", 2), (3, 4), (1, 1), (2, 2), (5, 6)])
        with pytest.raises(InvalidDataError, match="not finite"):
            self.of([(np.inf, 2), (3, 4), (1, 1), (2, 2), (5, 6)])
        with pytest.raises(UsageError, match="no column"):
            self.find(self.table().drop(columns="judge"))
        with pytest.raises(InvalidDataError, match="more than one value by one rater"):
            self.find(pd.concat([self.table()] * 2))
        with pytest.raises(UsageError, match="targets measured by all"):
            self.find(self.table().head(8))
