"""Panels that share their axes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

__all__ = ["columns_without_hole", "label_lowest"]


def columns_without_hole(panels: int, most: int) -> int:
    """Return the number of columns: four panels stand two by two, others as many as there may be.

    Examples
    --------
    >>> columns_without_hole(4, 3), columns_without_hole(6, 3), columns_without_hole(1, 3)
    (2, 3, 1)
    """
    return 2 if panels == 4 and most > 1 else min(most, panels)


def label_lowest(panels: Sequence[Axes], columns: int, label: str = "") -> None:
    """Label the horizontal axis of the lowest panel of each column, and of no other.

    Parameters
    ----------
    panels
        Panels in use, line by line; the last line may be short.
    columns
        Number of columns.
    label
        Label of the axis; none where the figure carries it.
    """
    for index, axes in enumerate(panels):
        lowest = index + columns >= len(panels)
        axes.tick_params(labelbottom=lowest)
        if lowest:
            axes.set_xlabel(label)
