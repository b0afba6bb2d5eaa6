from types import SimpleNamespace

import numpy as np
import pandas as pd

from qsmstats.plot.agreement import accuracy, cluster_shares, confusion, roc
from tests.plot.drawn import labels


def test_a_confusion_matrix_writes_counts_and_row_percent(axes):
    table = pd.DataFrame([[3, 1], [0, 0]], index=["a", "b"], columns=["x", "y"])
    confusion(table, ax=axes)
    assert [text.get_text() for text in axes.texts] == ["3\n75 %", "1\n25 %", "0", "0"]
    assert labels(axes) == ["a\nn = 4", "b\nn = 0"]
    np.testing.assert_allclose(axes.collections[0].get_array().ravel(), [0.75, 0.25, 0, 0])


def test_counts_of_pairs_become_a_matrix_with_unread_lesions_last(axes):
    pairs = pd.DataFrame(
        {
            "index_test": ["missing", "isointense", "isointense", "isointense"],
            "reference_standard": ["remyelinated", "missing", "remyelinated", "remyelinated"],
            "n": [2, 1, 3, 4],
        }
    )
    confusion(SimpleNamespace(confusion=pairs), ax=axes)
    assert labels(axes) == ["isointense\nn = 8", "missing\nn = 2"]
    assert labels(axes, "x") == ["remyelinated", "missing"]
    assert [text.get_text() for text in axes.texts] == ["7\n88 %", "1\n12 %", "2\n100 %", "0"]
    dark, light, *_ = (text.get_color() for text in axes.texts)
    assert dark != light


def test_accuracy_draws_observed_shares_with_the_recommended_interval(axes):
    rows = [
        ("a", "sensitivity", "lesions assumed independent", 0.7, 0.9, 8, 10, "exclude"),
        ("a", "sensitivity", "recommended", 0.5, 0.95, 8, 10, "exclude"),
        ("a", "specificity", "recommended", 0.6, 1.0, 9, 10, "exclude"),
        ("b", "sensitivity", "recommended", 0.1, 0.6, 3, 10, "exclude"),
        ("a", "ppv", "recommended", 0.2, 0.6, 4, 10, "exclude"),
        ("a", "sensitivity", "recommended", 0.0, 0.1, 0, 10, "worst"),
    ]
    names = ["class_", "measure", "role", "conf_low", "conf_high", "numerator", "denominator"]
    table = pd.DataFrame(rows, columns=[*names, "missing"])
    accuracy(table, ax=axes, palette={"sensitivity": "red"}, order=["b", "a"])
    assert labels(axes) == ["b: sensitivity", "a: sensitivity", "a: specificity"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [0.3, 0.8, 0.9]
    assert [dot.get_color() == "red" for dot in dots] == [True, True, False]
    ends = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    assert ends == [[0.1, 0.6], [0.5, 0.95], [0.6, 1.0]]
    assert "8/10" in axes.texts[1].get_text()


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
    roc(frame, ax=axes)
    first, second = axes.lines[1:]
    np.testing.assert_allclose(first.get_xdata(), [0, 0.2, 1])
    np.testing.assert_allclose(second.get_xdata(), [0.1])
    assert first.get_linestyle() != second.get_linestyle()
