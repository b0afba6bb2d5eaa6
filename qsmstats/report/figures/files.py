"""Draws a figure once, keeps it beside the table it shows, and hands it to the page.

One drawing serves every screen: it shrinks with the page as far as its letters stay readable, and
scrolls where the page is narrower still.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from qsmstats.errors import UsageError
from qsmstats.plot.look import MOST_POINTS, STYLES, Style, drawing, is_narrow
from qsmstats.records import note_file
from qsmstats.report.blocks import FigureBlock
from qsmstats.report.figures.style import inline_svg, svg
from qsmstats.writing import written_whole

__all__ = ["FORMATS", "Plates", "figure_formats", "sample_sentence"]

Paint = Callable[[Figure], object]
# What matplotlib says where the labels leave no room for the axes.
COLLAPSED = "constrained_layout not applied"
FORMATS = ("svg", "pdf", "png")
# What no format may say of when and where it was drawn.
METADATA = {"pdf": {"CreationDate": None, "Creator": None}, "png": {"Software": None}}
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
    formats
        Formats of the files, of `FORMATS`; the page embeds SVG in any case.
    """

    folder: Path
    style: Style
    formats: tuple[str, ...] = ("svg",)

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
        """Draw one figure, write its files below the folder and return the block of the page.

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
        files = [f"{name}.{suffix}" for suffix in self.formats]
        with warnings.catch_warnings(record=True) as complaints:
            # Letters are measured in matplotlib's font and drawn in the browser's, which has them.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            warnings.filterwarnings("always", COLLAPSED)
            # Titles look for ticks above their panel, whenever it is measured: there are none.
            with drawing(self.style), mpl.rc_context({"axes.titley": 1.0}):
                figure = Figure(figsize=(self.style.width, 1.0), layout="constrained")
                if narrow_height is not None and is_narrow(figure):
                    height = narrow_height
                figure.set_figheight(height * self.style.font_size / STYLES["screen"].font_size)
                paint(figure)
                document = svg(figure)
                for suffix, file in zip(self.formats, files, strict=True):
                    with self._kept(file) as unfinished:
                        if suffix == "svg":
                            unfinished.write_text(document, encoding="utf-8")
                        else:
                            figure.savefig(unfinished, format=suffix, metadata=METADATA[suffix])
        collapsed = any(COLLAPSED in str(complaint.message) for complaint in complaints)
        return FigureBlock(
            slug=f"figure-{slug}",
            markup=Markup(inline_svg(document, slug, alt)),  # noqa: S704  (our own drawing)
            caption=caption,
            reading=f"{reading} {TOO_LONG}" if collapsed else reading,
            files=tuple(files),
        )

    @contextmanager
    def _kept(self, name: str) -> Iterator[Path]:
        with written_whole(self.folder / name) as unfinished:
            yield unfinished
        note_file(self.folder, name)


def sample_sentence(counts: Iterable[int], what: str, most: int = MOST_POINTS) -> str:
    """Say that of many points a sample is drawn; nothing where all are.

    Examples
    --------
    >>> sample_sentence([3, 2500], "lesions of a type")
    ' Of more than 2,000 lesions of a type a random sample of 2,000 is drawn as points.'
    """
    if max(counts, default=0) <= most:
        return ""
    return f" Of more than {most:,} {what} a random sample of {most:,} is drawn as points."


def figure_formats(text: str | Iterable[str]) -> tuple[str, ...]:
    """Return the formats that a text such as "svg,pdf" names, each once.

    Raises
    ------
    UsageError
        If one of them is not among `FORMATS`, or none is named.

    Examples
    --------
    >>> figure_formats("pdf, svg")
    ('pdf', 'svg')
    """
    names = text.split(",") if isinstance(text, str) else text
    asked = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))
    for name in asked or ("",):
        if name not in FORMATS:
            raise UsageError(f"format '{name}' is not available; use one of {', '.join(FORMATS)}")
    return asked
