"""Figures of studies, drawn as seaborn draws: a table or an answer in, Axes out.

Each function takes `ax=`, and where it draws levels `hue=`, `order=` and `palette=` as seaborn has
them. `drawing` gives them the width and letters of a journal's column:

>>> from qsmstats import plot
>>> with plot.drawing(plot.figure_style("single")):
...     pass  # fig, ax = plt.subplots(); plot.rainclouds(lesions, "mwf_percent", ax=ax)
"""

from qsmstats.plot.agreement import accuracy, confusion, roc
from qsmstats.plot.alluvial import alluvial
from qsmstats.plot.diagrams import flow
from qsmstats.plot.distributions import rainclouds
from qsmstats.plot.forests import contrasts
from qsmstats.plot.layers import layer_profiles
from qsmstats.plot.look import drawing, figure_style
from qsmstats.plot.model_checks import residuals
from qsmstats.plot.over_time import profiles, trajectories
from qsmstats.plot.power import power
from qsmstats.plot.rescans import bland_altman
from qsmstats.plot.scanners import scanners
from qsmstats.plot.tiles import mosaic

__all__ = [
    "accuracy",
    "alluvial",
    "bland_altman",
    "confusion",
    "contrasts",
    "drawing",
    "figure_style",
    "flow",
    "layer_profiles",
    "mosaic",
    "power",
    "profiles",
    "rainclouds",
    "residuals",
    "roc",
    "scanners",
    "trajectories",
]
