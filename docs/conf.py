"""Sphinx configuration; built with warnings as errors by `make docs`."""

from qsmstats import __version__

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
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"
html_theme = "pydata_sphinx_theme"
html_show_sourcelink = False
exclude_patterns = ["_build"]
