"""Draws a figure, keeps it beside the table it shows, and hands it to the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from qsmstats.report.blocks import FigureBlock
from qsmstats.report.style import STYLES, Style, drawing, inline_svg, svg

__all__ = ["Plates"]


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
        paint: Callable[[Figure], object],
        *,
        height: float,
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
            Adds axes to the figure and draws on them.
        height
            Height in inches at the letter size of the screen style.
        caption, reading, alt
            What the figure shows, how to read it, and what it shows in words for those who do not
            see it.
        """
        slug = name.replace("/", "-").replace("_", "-")
        scale = self.style.font_size / STYLES["screen"].font_size
        with drawing(self.style):
            figure = Figure(figsize=(self.style.width, height * scale), layout="constrained")
            paint(figure)
            document = svg(figure)
            target = self.folder / f"{name}.svg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(document, encoding="utf-8")
            files = [f"{name}.svg"]
            if self.pdf:
                figure.savefig(
                    target.with_suffix(".pdf"), metadata={"CreationDate": None, "Creator": None}
                )
                files.append(f"{name}.pdf")
        return FigureBlock(
            slug=f"figure-{slug}",
            markup=Markup(inline_svg(document, slug, alt)),  # noqa: S704  (our own drawing)
            caption=caption,
            reading=reading,
            files=tuple(files),
        )
