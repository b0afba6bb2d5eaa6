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
    "sphinx.ext.mathjax",
    "numpydoc",
    "schema_tables",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"
html_theme = "pydata_sphinx_theme"
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_static_path = []
exclude_patterns = ["_build"]
