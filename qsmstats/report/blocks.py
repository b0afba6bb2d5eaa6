"""What a page is made of: sections of blocks, ready for the templates and free of markup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from markupsafe import Markup

__all__ = [
    "Block",
    "Cell",
    "Column",
    "Details",
    "FigureBlock",
    "Heading",
    "ListBlock",
    "Notice",
    "Paragraph",
    "Prose",
    "Section",
    "TableBlock",
    "ViewerBlock",
]


# Rows of a folded table that print still shows.
MOST_PRINTED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text
        What is shown.
    sort
        Number or text it is sorted by.
    aside
        What stands after the text, and below it where there is no room: an interval.
    """

    text: str
    sort: float | str
    aside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Head of a column.

    Attributes
    ----------
    title
        Short title, with the unit.
    numeric
        Whether the column holds numbers.
    full
        What a short title stands for; empty where it says it all.
    minor
        Whether phones leave the column to the file.
    """

    title: str
    numeric: bool
    full: str = ""
    minor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBlock:
    """A table with its caption; the first column holds the headers of the rows.

    Attributes
    ----------
    slug
        Identifier on the page.
    caption
        What the table shows, with the unit.
    columns
        Heads of the columns.
    rows
        The cells.
    file
        Path of the TSV below the output folder; empty where the table has no file of its own.
    note
        What the caption has no room for.
    """

    kind: ClassVar[str] = "table"
    slug: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    file: str = ""
    note: str = ""

    @property
    def minor(self) -> str:
        """Titles of the columns that phones leave to the file."""
        return ", ".join(column.title for column in self.columns if column.minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureBlock:
    """A figure: markup (``<svg>`` or ``<img>``), caption, and a sentence on how to read it."""

    kind: ClassVar[str] = "figure"
    slug: str
    markup: Markup
    caption: str
    reading: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerBlock:
    """The lesion viewer of one participant; a still image until the browser has shown it can draw.

    Attributes
    ----------
    caption
        What is shown.
    reading
        How to use it.
    still, still_alt, still_reading
        The image in its place as data URI, its words, and how to read it.
    key
        Title and colour of each lesion type that occurs.
    data
        JSON for the script.
    script
        The viewer's library, gzip in base64.
    lesions
        One entry per lesion: the cells of its row, and its centre in mm.
    """

    kind: ClassVar[str] = "viewer"
    caption: str
    reading: str
    still: str
    still_alt: str
    still_reading: str
    key: tuple[tuple[str, str], ...]
    data: Markup
    script: str
    columns: tuple[str, ...]
    lesions: tuple[tuple[tuple[str, ...], tuple[float, float, float]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    slug: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A sentence or more."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """Text of several paragraphs, to be copied into a paper."""

    kind: ClassVar[str] = "prose"
    slug: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBlock:
    """Items, each of one sentence or more."""

    kind: ClassVar[str] = "list"
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What must not be overlooked: a warning, or a note where `warning` is False."""

    kind: ClassVar[str] = "notice"
    text: str
    warning: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Blocks that are folded away on the screen and open in print, unless a table is long."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: tuple[Block, ...]

    @property
    def printed(self) -> bool:
        """Whether print shows the blocks; long lists are left to their files."""
        tables = (block for block in self.blocks if isinstance(block, TableBlock))
        return all(len(table.rows) <= MOST_PRINTED for table in tables)


Block: TypeAlias = (
    TableBlock
    | FigureBlock
    | ViewerBlock
    | Heading
    | Paragraph
    | Prose
    | ListBlock
    | Notice
    | Details
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
