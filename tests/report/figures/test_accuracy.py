import numpy as np
import pandas as pd

from qsmstats.report.figures.accuracy import cluster_shares, confusion_matrix, roc_curves
from tests.report.figures.drawn import labels


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
