"""The STARD diagram of the page."""

from qsmstats.plot.stard import stard_diagram, stard_rows

__all__ = ["stard_diagram", "stard_rows"]
