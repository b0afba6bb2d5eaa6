"""Forests of the page's sections."""

from qsmstats.plot.forests import forest, forest_height

__all__ = ["forest", "forest_height"]
