"""Figures to draw on, and what stands on their axes."""

from matplotlib.figure import Figure


def phone(inches=3.65):
    return Figure(figsize=(inches, 4))


def labels(axes, axis="y"):
    return [text.get_text() for text in getattr(axes, f"get_{axis}ticklabels")()]
