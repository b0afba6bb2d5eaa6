"""Sphinx configuration; built with warnings as errors by `make docs`."""

import sys
from pathlib import Path

from qsmstats import __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "qsmstats"
author = "The qsmstats developers"
copyright = "2026, The qsmstats developers"
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "mathml",
]
exclude_patterns = ["_build"]
templates_path = ["templates"]

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_title = f"qsmstats {__version__}"
html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_sidebars = {"**": ["globaltoc.html"]}
html_theme_options = {"navbar_center": [], "show_toc_level": 2, "collapse_navigation": True}
