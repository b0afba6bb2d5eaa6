import numpy as np
import pandas as pd

from qsmstats.report.figures.layers import layer_profile


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
