import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from qsmstats.report.figures.accuracy import cluster_shares, confusion_matrix, roc_curves
from qsmstats.report.figures.checks import normal_quantiles, residuals_fitted
from qsmstats.report.figures.flow import flow_diagram
from qsmstats.report.figures.forests import forest
from qsmstats.report.figures.layers import layer_profile
from qsmstats.report.figures.pairs import pair_triangle
from qsmstats.report.figures.panels import label_lowest
from qsmstats.report.figures.rainclouds import rainclouds
from qsmstats.report.figures.stard import stard_diagram
from qsmstats.report.figures.style import (
    PHONE,
    STYLES,
    colour,
    drawing,
    inline_svg,
    is_narrow,
    marker,
    svg,
)
from qsmstats.report.figures.trajectories import mean_lines, trajectory
from qsmstats.report.wording.names import lesion_types


@pytest.fixture
def axes():
    return Figure().add_subplot()


def labels(axes, axis="y"):
    return [text.get_text() for text in getattr(axes, f"get_{axis}ticklabels")()]


def test_one_colour_and_one_marker_per_type():
    types = lesion_types()
    assert len({colour(level) for level in types}) == len(types)
    assert len({marker(level) for level in types}) == len(types)


def test_colours_stay_apart_for_those_who_do_not_see_red_or_green():
    """Deuteranopia by the matrix of Machado et al. 2009 (severity 1), distance in linear RGB."""
    matrix = np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    )
    rgb = np.array(
        [[int(colour(level)[k : k + 2], 16) / 255 for k in (1, 3, 5)] for level in lesion_types()]
    )
    seen = rgb @ matrix.T
    distances = [np.linalg.norm(seen[a] - seen[b]) for a in range(len(seen)) for b in range(a)]
    # 0.2 of the cube's edge is well above what neighbouring patches need (about 0.05).
    assert min(distances) > 0.2


def test_a_raincloud_shows_every_value_in_the_schemas_order_and_counts_what_is_beyond(axes):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "kind": ["hyperintense"] * 300 + ["isointense"] * 700 + [None],
            "x": np.r_[random.normal(0, 1, 999), 1000.0, 3.0],
        }
    )
    means = pd.DataFrame(
        {"level": ["isointense"], "estimate": [0.1], "conf_low": [0.0], "conf_high": [0.2]}
    )
    rainclouds(frame, axes, value="x", by="kind", means=means)
    assert labels(axes) == ["hyperintense\nn = 300", "isointense\nn = 700"]
    drawn = [len(dots.get_offsets()) for dots in axes.collections if len(dots.get_offsets()) > 1]
    assert drawn == [300, 700]
    assert [text.get_text() for text in axes.texts] == ["1 value beyond the axis"]
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    assert [float(line.get_xdata()[0]) for line in diamonds] == [0.1]


@pytest.mark.parametrize("values", [[1.0], [2.0] * 20, []])
def test_a_raincloud_of_few_or_equal_values_has_no_cloud(axes, values):
    frame = pd.DataFrame({"kind": ["isointense"] * len(values), "x": values})
    rainclouds(frame.astype({"x": float}), axes, value="x", by="kind")
    assert not any(type(part).__name__ == "FillBetweenPolyCollection" for part in axes.collections)


def test_a_forest_stands_in_the_order_of_its_rows_and_survives_a_missing_interval(axes):
    frame = pd.DataFrame(
        {
            "label": ["first", "second"],
            "estimate": [1.0, 2.0],
            "conf_low": [0.5, np.nan],
            "conf_high": [1.5, np.nan],
            "filled": [True, False],
            "text": ["1.0 (0.5 to 1.5)", None],
        }
    )
    forest(frame, axes, column_title="estimate")
    heights = dict(zip(labels(axes), axes.get_yticks(), strict=True))
    assert heights["first"] > heights["second"]
    faces = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"]
    assert faces[1] == "white" != faces[0]
    assert [text.get_text() for text in axes.texts] == ["1.0 (0.5 to 1.5)", "estimate"]


def test_a_trajectory_draws_lesions_seen_twice_and_leaves_single_ones_out(axes):
    lesions = pd.DataFrame(
        {
            "participant_id": ["a", "a", "b"],
            "lesion_id": ["1", "1", "1"],
            "years": [2.0, 0.0, 0.0],
            "x": [5.0, 4.0, 9.0],
        }
    )
    means = pd.DataFrame(
        {"years": [2.0, 0.0], "estimate": [5.0, 4.0], "conf_low": [4, 3], "conf_high": [6, 5]}
    )
    trajectory(lesions, means, axes, value="x", level="isointense")
    segments = axes.collections[0].get_segments()
    assert len(segments) == 1
    np.testing.assert_array_equal(segments[0], [[0, 4], [2, 5]])
    np.testing.assert_array_equal(axes.lines[-1].get_xdata(), [0, 2])
    assert axes.get_title(loc="left") == "isointense\n1 lesion"


def test_a_confusion_matrix_writes_counts_and_row_percent(axes):
    table = pd.DataFrame([[3, 1], [0, 0]], index=["a", "b"], columns=["x", "y"])
    confusion_matrix(table, axes)
    assert [text.get_text() for text in axes.texts] == ["3\n75 %", "1\n25 %", "0", "0"]
    assert labels(axes) == ["a\nn = 4", "b\nn = 0"]


def test_clusters_without_a_case_are_left_out(axes):
    frame = pd.DataFrame(
        {
            "label": ["a", "a"],
            "cluster": ["brain-1", "brain-2"],
            "numerator": [3, 0],
            "denominator": [4, 0],
        }
    )
    cluster_shares(frame, axes)
    assert [text.get_text() for text in axes.texts] == ["brain-1: 3/4"]


def test_roc_curves_rise_from_left_to_right_with_a_dash_per_class(axes):
    frame = pd.DataFrame(
        {
            "class_": ["a", "a", "a", "b"],
            "sensitivity": [1, 0.5, 0, 0.3],
            "specificity": [0, 0.8, 1, 0.9],
        }
    )
    roc_curves(frame, axes)
    first, second = axes.lines[1:]
    np.testing.assert_allclose(first.get_xdata(), [0, 0.2, 1])
    np.testing.assert_allclose(second.get_xdata(), [0.1])
    assert first.get_linestyle() != second.get_linestyle()


def test_normal_quantiles_agree_with_scipy(axes):
    values = np.random.default_rng(3).gamma(2, size=200)
    normal_quantiles(values, axes)
    dots = axes.collections[0].get_offsets()
    expected = stats.norm.ppf((np.arange(1, 201) - 0.5) / 200)
    np.testing.assert_allclose(dots[:, 0], expected)
    np.testing.assert_allclose(dots[:, 1], stats.zscore(np.sort(values), ddof=1))


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_normal_quantiles_of_nothing_say_so(axes, values):
    normal_quantiles(values, axes)
    assert [text.get_text() for text in axes.texts] == ["all values are equal"]


def test_the_line_through_residuals_is_their_mean_in_tenths(axes):
    fitted = np.arange(1000.0)
    frame = pd.DataFrame({"fitted": fitted, "residual": fitted - 500})
    residuals_fitted(frame, axes, level="isointense")
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), np.arange(10) * 100 - 450.5)


def test_layer_profiles_have_a_line_per_type(axes):
    frame = pd.DataFrame(
        {
            "lesion_type": ["paramagnetic_rim", "paramagnetic_rim", "isointense"],
            "depth_mm": [2.0, 1.0, 1.0],
            "mean": [1.0, 9.0, 0.0],
            "conf_low": 0.0,
            "conf_high": 10.0,
        }
    )
    layer_profile(frame, axes)
    _, names = axes.get_legend_handles_labels()
    assert names == ["isointense", "paramagnetic rim (PRL)"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [9, 1])


def test_a_flow_diagram_has_every_box(axes):
    steps = pd.DataFrame({"text": ["all", "read"], "aside": ["2 lost", ""]})
    flow_diagram(steps, axes)
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["all", "2 lost", "read"]


def test_inline_svg_keeps_identifiers_to_itself_and_escapes_its_words():
    with drawing(STYLES["screen"]):
        figure = Figure(figsize=(2, 2))
        figure.add_subplot().plot([1, 2], "o")
        document = svg(figure)
        assert svg(figure) == document
    element = inline_svg(document, "a-b", 'x < "y" & z')
    assert element.startswith("<svg")
    assert 'aria-label="x &lt; &quot;y&quot; &amp; z"' in element
    assert element.count('id="') == element.count('id="a-b-')
    assert element.count('href="#') == element.count('href="#a-b-') > 0
    assert "url(#a-b-" in element
    assert "<style" not in element


def test_the_stard_diagram_has_a_box_per_step_result_and_outcome(axes):
    steps = pd.DataFrame({"text": ["eligible", "analysed"], "aside": ["1 missing", ""]})
    branches = pd.DataFrame({"result": ["QSM: a", "QSM: b"], "outcome": ["a 3", "b 2"]})
    stard_diagram(steps, branches, axes)
    drawn = [text for text in axes.texts if text.get_text()]
    assert [text.get_text() for text in drawn] == [
        *("eligible", "1 missing", "analysed"),
        *("QSM: a", "a 3", "QSM: b", "b 2"),
    ]
    heights = {text.get_text(): text.get_position()[1] for text in drawn}
    assert heights["analysed"] > heights["QSM: a"] > heights["a 3"] > axes.get_ylim()[0]
    assert heights["QSM: a"] == heights["QSM: b"]


def test_the_stard_diagram_without_results_ends_with_the_steps(axes):
    steps = pd.DataFrame({"text": ["eligible"], "aside": [""]})
    stard_diagram(steps, pd.DataFrame(columns=["result", "outcome"]), axes)
    assert [text.get_text() for text in axes.texts] == ["eligible"]


def phone(inches=3.65):
    return Figure(figsize=(inches, 4))


def test_what_is_narrow_is_told_by_the_letters():
    for style, narrow in [(PHONE, True), (STYLES["single"], True), (STYLES["double"], False)]:
        with drawing(style):
            assert is_narrow(Figure(figsize=(style.width, 3))) is narrow


def test_in_a_narrow_forest_labels_and_short_numbers_stand_above_their_intervals():
    axes = phone().add_subplot()
    frame = pd.DataFrame(
        {
            "label": ["first", "second"],
            "estimate": [1.0, 2.0],
            "conf_low": [0.5, 1.0],
            "conf_high": [1.5, 3.0],
            "text": ["1.0 (0.5 to 1.5), 0.04", None],
            "brief": ["1.0 (0.5 to 1.5)", None],
        }
    )
    forest(frame, axes, column_title="estimate")
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert set(heights) == {"first", "1.0 (0.5 to 1.5)", "second"}
    assert heights["first"] == heights["1.0 (0.5 to 1.5)"] > 1 > heights["second"] > 0
    assert list(axes.get_yticks()) == []


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.9, 1.2, [0.9, 1.0, 1.1, 1.2]), (0.5, 6.0, [0.5, 0.7, 1, 1.5, 2, 3, 5])],
)
def test_ratios_stand_on_a_logarithmic_axis_around_one(axes, low, high, ticks):
    frame = pd.DataFrame(
        {"label": ["a / b"], "estimate": [(low * high) ** 0.5], "conf_low": low, "conf_high": high}
    )
    forest(frame, axes, reference=1.0)
    axes.figure.canvas.draw()
    assert axes.get_xscale() == "log"
    shown = [tick for tick in axes.get_xticks() if low - 1e-9 < tick < high + 1e-9]
    assert shown == pytest.approx(ticks)
    assert {line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"} == {1.0}
    middle = axes.transData.transform([[frame["estimate"][0], 0], [low, 0], [high, 0]])[:, 0]
    assert middle[0] == pytest.approx((middle[1] + middle[2]) / 2)


def test_a_pair_has_its_cell_in_the_row_of_its_first_and_the_column_of_its_second(axes):
    contrasts = pd.DataFrame(
        {
            "first": ["isointense", "isointense", "hypointense"],
            "second": ["hypointense", "hyperintense", "hyperintense"],
            "estimate": [10.884, -8.43, -19.31],
            "std_error": [0.35, 0.15, 0.37],
            "conf_low": [10.2, -8.7, -20.1],
            "conf_high": [11.6, -8.1, 0.3],
            "p_value": [1e-9, 1e-9, 0.2],
            "p_adjusted": [1e-9, 0.01, 0.6],
        }
    )
    levels = ["isointense", "hypointense", "hyperintense"]
    pair_triangle(contrasts, axes, levels=levels, alpha=0.05, name_rows=True)
    cells = {text.get_text(): text.get_position()[0] for text in axes.texts}
    rows = {text.get_text(): round(text.get_position()[1]) for text in axes.texts}
    assert cells == {"10.88": 1, "<0.001": 1, "−8.43": 2, "0.010": 2, "−19.31": 2, "0.60": 2}
    # The first level is on top, as its cloud is.
    assert (rows["10.88"], rows["−8.43"], rows["−19.31"]) == (2, 2, 1)
    faces = [box.get_facecolor() for box in axes.patches]
    assert faces[0] == faces[1] != faces[2] == (1, 1, 1, 1)
    assert labels(axes) == ["isointense", "hypointense"]


def test_the_means_of_all_types_have_a_line_and_a_marker_each(axes):
    means = pd.DataFrame(
        {
            "lesion_type": ["paramagnetic_rim"] * 2 + ["isointense"] * 2,
            "years": [2.0, 0.0, 0.0, 2.0],
            "estimate": [3.0, 4.0, 5.0, 6.0],
            "conf_low": [2.0, 3.0, 4.0, 5.0],
            "conf_high": [4.0, 5.0, 6.0, 7.0],
        }
    )
    mean_lines(means, axes, by="lesion_type")
    ends = {line.get_label(): line for line in axes.lines if line.get_linestyle() == "None"}
    assert set(ends) == {"isointense", "PRL"}
    np.testing.assert_array_equal(ends["PRL"].get_ydata(), [4, 3])
    assert ends["PRL"].get_marker() == marker("paramagnetic_rim")


def test_the_lowest_panel_of_each_column_carries_the_axis():
    panels = list(Figure().subplots(2, 3, sharex=True).flat)[:5]
    label_lowest(panels, 3, "years")
    assert [panel.get_xlabel() for panel in panels] == ["", "", "years", "years", "years"]


def test_narrow_flow_diagrams_break_their_lines():
    axes = phone().add_subplot()
    steps = pd.DataFrame(
        {"text": ["imaged\n12 participants, 14 sessions", "read"], "aside": ["lost\n2, 3", ""]}
    )
    flow_diagram(steps, axes)
    assert [text.get_text() for text in axes.texts if text.get_text()] == [
        "imaged\n12 participants\n14 sessions",
        "lost\n2\n3",
        "read",
    ]


def test_the_narrow_stard_diagram_has_its_branches_below_one_another():
    axes = phone().add_subplot()
    steps = pd.DataFrame({"text": ["eligible", "analysed"], "aside": ["", ""]})
    branches = pd.DataFrame({"result": ["QSM: a", "QSM: b"], "outcome": ["a 3", "b 2"]})
    stard_diagram(steps, branches, axes)
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts if text.get_text()}
    assert heights["analysed"] > heights["QSM: a"] == heights["a 3"] > heights["QSM: b"]
    assert axes.get_ylim()[0] < heights["b 2"]


def test_a_lean_drawing_keeps_its_texts_and_what_is_referred_to():
    with drawing(STYLES["screen"]):
        figure = Figure(figsize=(2, 2))
        axes = figure.add_subplot()
        axes.plot([1, 2], "o")
        axes.text(1, 1, "estimate 0.123456")
        document = svg(figure)
    assert "estimate 0.123456" in document
    assert not re.search(r'\bd="[^"]*\d\.\d{3}', document)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', document))
    assert used == set(re.findall(r' id="([^"]+)"', document))
    assert document.count("font-family") == 1
