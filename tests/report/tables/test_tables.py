import pandas as pd

from qsmstats.report.tables.tables import MOST_ROWS, display, turned


def titles(block):
    return [column.title for column in block.columns]


def texts(block):
    return [[cell.text for cell in row] for row in block.rows]


def test_an_estimate_has_its_interval_beside_it_at_the_precision_of_its_error():
    frame = pd.DataFrame(
        {
            "contrast": ["isointense − PRL", "hypointense − hyperintense"],
            "estimate": [1.23456, -10.0],
            "std_error": [0.0312, 0.0298],
            "df": [80.123456, 1234.5],
            "p_value": [1e-12, 0.2],
            "conf_low": [1.17, -10.06],
            "conf_high": [1.29, -9.94],
        }
    )
    block = display(frame, slug="t", caption="c", ci="95 % CI")
    assert titles(block) == ["contrast", "estimate (95 % CI)", "SE", "df", "p"]
    assert texts(block) == [
        ["isointense − PRL", "1.235", "0.031", "80.1", "<0.001"],
        ["hypointense − hyperintense", "−10.000", "0.030", "1,234", "0.20"],
    ]
    assert [row[1].aside for row in block.rows] == ["(1.170 to 1.290)", "(−10.060 to −9.940)"]


def test_counts_stay_whole_where_missing_values_made_them_floats():
    frame = pd.DataFrame({"level": ["a", "b"], "n": [1200.0, None]})
    assert texts(display(frame, slug="t", caption="c")) == [["a", "1,200"], ["b", "–"]]


def test_a_column_of_very_different_sizes_keeps_three_digits_in_each_cell():
    frame = pd.DataFrame({"term": ["a", "b"], "variance": [1234.5678, 0.00012345]})
    assert texts(display(frame, slug="t", caption="c")) == [["a", "1,235"], ["b", "0.000123"]]


def test_very_small_numbers_are_not_written_as_zero():
    frame = pd.DataFrame({"term": ["a"], "gradient_norm": [2.0199e-10]})
    assert texts(display(frame, slug="t", caption="c")) == [
        ["a", "2.02 × 10⁻¹⁰".replace(" ", "\N{NO-BREAK SPACE}")]
    ]


def test_a_text_that_never_changes_is_said_once():
    frame = pd.DataFrame({"level": ["a", "b"], "adjust": ["holm", "holm"], "x": [1.0, 2.0]})
    block = display(frame, slug="t", caption="c")
    assert titles(block) == ["type", "x"]
    assert block.note == "Adjusted by Holm's method (Holm 1979)."


def test_sorting_uses_the_value_and_not_its_text():
    frame = pd.DataFrame({"level": ["a", "b"], "p_value": [1e-12, 1e-9]})
    block = display(frame, slug="t", caption="c")
    assert [row[1].sort for row in block.rows] == [1e-12, 1e-9]


def test_a_long_table_says_what_it_leaves_out():
    frame = pd.DataFrame({"row": range(MOST_ROWS + 5)})
    block = display(frame, slug="t", caption="c")
    assert len(block.rows) == MOST_ROWS
    assert f"The first {MOST_ROWS} of {MOST_ROWS + 5} rows" in block.note


def test_infinite_values_and_booleans_are_written():
    frame = pd.DataFrame(
        {"level": ["a", "b"], "df": [float("inf"), 3.0], "singular": [True, False]}
    )
    assert texts(display(frame, slug="t", caption="c")) == [["a", "∞", "yes"], ["b", "3.0", "no"]]


def test_short_heads_say_what_they_stand_for_and_the_adjusted_p_comes_first():
    frame = pd.DataFrame(
        {"term": ["a", "b"], "p_value": [0.01, 0.2], "p_adjusted": [0.02, 0.2], "hedges_g": 0.1}
    )
    block = display(frame, slug="t", caption="c")
    assert titles(block) == ["term", "adj. p", "p", "g"]
    assert [column.full for column in block.columns] == [
        "",
        "p adjusted for multiple comparisons",
        "p, not adjusted",
        "Hedges' g: difference in units of the model's total standard deviation",
    ]


def test_a_statistic_has_the_name_of_its_law():
    f = pd.DataFrame({"term": ["a"], "num_df": [4], "den_df": [80.2], "statistic": [3.0]})
    t = pd.DataFrame({"term": ["a"], "df": [80.2], "statistic": [3.0]})
    assert titles(display(f, slug="t", caption="c")) == ["term", "num. df", "den. df", "F"]
    assert titles(display(t, slug="t", caption="c")) == ["term", "df", "t"]


def test_coefficients_are_named_in_words():
    frame = pd.DataFrame(
        {"term": ["Intercept", "sex[T.M]", "sex[T.M]:years"], "estimate": [1.0, 2.0, 3.0]}
    )
    assert [row[0].text for row in display(frame, slug="t", caption="c").rows] == [
        "intercept",
        "sex: male − female",
        "(sex: male − female) × time (years)",
    ]


def test_coefficients_of_unlike_size_are_each_written_to_their_own_error():
    frame = pd.DataFrame(
        {
            "term": ["Intercept", "age"],
            "estimate": [-24.47220, 0.0096],
            "std_error": [0.7526, 0.01352],
            "conf_low": [-25.956, -0.0172],
            "conf_high": [-22.988, 0.0364],
        }
    )
    rows = display(frame, slug="t", caption="c").rows
    assert [(row[1].text, row[1].aside, row[2].text) for row in rows] == [
        ("−24.47", "(−25.96 to −22.99)", "0.75"),
        ("0.010", "(−0.017 to 0.036)", "0.014"),
    ]


def test_a_table_of_one_row_becomes_a_list():
    frame = pd.DataFrame({"formula": ["y ~ x"], "n_obs": [1200], "df": [3.0]})
    block = turned(display(frame, slug="t", caption="c", titles={"n_obs": "observations"}))
    assert titles(block) == ["item", "value"]
    assert texts(block) == [
        ["formula", "y ~ x"],
        ["observations", "1,200"],
        ["degrees of freedom", "3.0"],
    ]
