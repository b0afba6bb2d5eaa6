"""Draws a figure, keeps it beside the table it shows, and hands it to the page.

The page holds two drawings of each figure: one for wide screens and print, one for phones, whose
panels stand below one another so that its letters stay readable. The style sheet shows one of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from qsmstats.records import note_file
from qsmstats.report.blocks import FigureBlock
from qsmstats.report.figures.style import (
    PHONE,
    STYLES,
    Style,
    drawing,
    inline_svg,
    is_narrow,
    svg,
)
from qsmstats.writing import written_whole

__all__ = ["Plates"]

Paint = Callable[[Figure], object]
# What matplotlib says where the labels leave no room for the axes.
COLLAPSED = "constrained_layout not applied"
TOO_LONG = "Some names are too long for this figure; the tables give them in full."


@dataclass(frozen=True, slots=True, kw_only=True)
class Plates:
    """Where figures go and how they look.

    Attributes
    ----------
    folder
        The output folder.
    style
        Width and letter size.
    pdf
        Whether each figure is written as PDF as well.
    """

    folder: Path
    style: Style
    pdf: bool = False

    def draw(
        self,
        name: str,
        paint: Paint,
        *,
        height: float,
        narrow_height: float | None = None,
        caption: str,
        reading: str,
        alt: str,
    ) -> FigureBlock:
        """Draw one figure, write ``name``.svg below the folder and return the block of the page.

        Parameters
        ----------
        name
            Path below the folder without suffix, such as ``baseline/ndi_contrasts``.
        paint
            Adds axes to the figure and draws on them; asks `is_narrow` where that matters.
        height
            Height in inches at the letter size of the screen style.
        narrow_height
            The same where the figure is narrow; `height` where it does not matter.
        caption, reading, alt
            What the figure shows, how to read it, and what it shows in words for those who do not
            see it.
        """
        slug = name.replace("/", "-").replace("_", "-")
        heights = (height, height if narrow_height is None else narrow_height)
        files = [f"{name}.svg"]
        with warnings.catch_warnings(record=True) as complaints:
            # Letters are measured in matplotlib's font and drawn in the browser's, which has them.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            warnings.filterwarnings("always", COLLAPSED)
            with drawing(self.style):
                figure, narrow = _painted(paint, self.style, heights)
                document = svg(figure)
                with self._kept(files[0]) as unfinished:
                    unfinished.write_text(document, encoding="utf-8")
                if self.pdf:
                    files.append(f"{name}.pdf")
                    metadata = {"CreationDate": None, "Creator": None}
                    with self._kept(files[1]) as unfinished:
                        figure.savefig(unfinished, format="pdf", metadata=metadata)
            element = inline_svg(document, slug, alt)
            if not narrow:
                with drawing(PHONE):
                    small = svg(_painted(paint, PHONE, heights)[0])
                phone = inline_svg(small, f"{slug}-phone", alt)
                element = f'<div class="wide">{element}</div><div class="phone">{phone}</div>'
        collapsed = any(COLLAPSED in str(complaint.message) for complaint in complaints)
        return FigureBlock(
            slug=f"figure-{slug}",
            markup=Markup(element),  # noqa: S704  (our own drawing)
            caption=caption,
            reading=f"{reading} {TOO_LONG}" if collapsed else reading,
            files=tuple(files),
        )

    @contextmanager
    def _kept(self, name: str) -> Iterator[Path]:
        with written_whole(self.folder / name) as unfinished:
            yield unfinished
        note_file(self.folder, name)


def _painted(paint: Paint, style: Style, heights: tuple[float, float]) -> tuple[Figure, bool]:
    """Return the painted figure, and whether it is narrow; call within `drawing`."""
    figure = Figure(figsize=(style.width, 1.0), layout="constrained")
    narrow = is_narrow(figure)
    figure.set_figheight(heights[narrow] * style.font_size / STYLES["screen"].font_size)
    paint(figure)
    return figure, narrow
