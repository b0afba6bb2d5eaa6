"""A page whose figures are drawn on and not rendered, which takes most of the time."""

from matplotlib.figure import Figure

from qsmstats.report.blocks import FigureBlock
from qsmstats.report.figures.files import Plates


def paint_only(patch):
    """Leave out the rendering while a patch (`pytest.MonkeyPatch`) holds.

    Returns the names of the figures that are drawn on.
    """
    names = []

    def paint(self, name, paint, **texts):
        paint(Figure(figsize=(7, 4)))
        names.append(name)
        return FigureBlock(slug=name, markup="", caption=name, reading=texts["reading"])

    patch.setattr(Plates, "draw", paint)
    return names
