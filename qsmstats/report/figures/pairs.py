"""The triangle of differences, beside the page's rainclouds."""

from qsmstats.plot.pairs import pair_triangle

__all__ = ["pair_triangle"]
