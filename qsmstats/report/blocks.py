"""What a page is made of: sections of blocks, ready for the templates and free of markup."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from markupsafe import Markup

__all__ = [
    "Block",
    "Board",
    "Cell",
    "Code",
    "Column",
    "Details",
    "Facts",
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
    shade
        How a cell of a grid is coloured: "1" to "4" from the lowest to the highest value, "up" or
        "down" for a change that was shown; empty for no colour.
    """

    text: str
    sort: float | str
    aside: str = ""
    shade: str = ""


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
    """

    title: str
    numeric: bool
    full: str = ""


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
        Path of the TSV below the output folder, which the page names and does not link to: it may
        travel alone. Empty where the table has no file of its own.
    note
        What the caption has no room for.
    grid
        Whether the intervals stand below their numbers, in cells that may be coloured.
    """

    kind: ClassVar[str] = "table"
    slug: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    file: str = ""
    note: str = ""
    grid: bool = False

    @property
    def long(self) -> bool:
        """Whether the table is too long for paper."""
        return len(self.rows) > MOST_PRINTED

    @property
    def packed(self) -> dict[str, object]:
        """What the script needs to draw the table, once its fold is opened."""
        return {
            "caption": self.caption,
            "columns": [(column.title, column.numeric, column.full) for column in self.columns],
            # Most cells are sorted by what they show, and say it once.
            "rows": [
                [
                    cell.text
                    if not cell.aside and (sort := str(cell.sort).removesuffix(".0")) == cell.text
                    else (cell.text, sort, cell.aside)
                    for cell in row
                ]
                for row in self.rows
            ],
        }


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
    who
        Participant and session that are shown at first.
    caption
        What is shown of them.
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
        One entry per lesion: the cells of its row, the place of its session, its number in the
        image, its centre in mm.
    """

    kind: ClassVar[str] = "viewer"
    who: str
    caption: str
    reading: str
    still: str
    still_alt: str
    still_reading: str
    key: tuple[tuple[str, str], ...]
    data: Markup
    script: str
    columns: tuple[str, ...]
    lesions: tuple[tuple[tuple[str, ...], int, int, tuple[float, float, float]], ...]


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
class Facts:
    """Numbers with what they count, as "20" and "patients"."""

    kind: ClassVar[str] = "facts"
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Blocks side by side where there is room."""

    kind: ClassVar[str] = "board"
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Lines of code or references, to be copied."""

    kind: ClassVar[str] = "code"
    slug: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Blocks that are folded away on the screen and open in print, unless a table is long.

    The script draws the tables of a `lazy` one once it is opened or printed: they are looked up,
    not read, and the file that each names has them as well.
    """

    kind: ClassVar[str] = "details"
    summary: str
    blocks: tuple[Block, ...]
    lazy: bool = False

    @property
    def printed(self) -> bool:
        """Whether print shows the blocks; long lists are left to their files."""
        return not any(isinstance(block, TableBlock) and block.long for block in self.blocks)


Block: TypeAlias = (
    TableBlock
    | FigureBlock
    | ViewerBlock
    | Heading
    | Paragraph
    | Prose
    | ListBlock
    | Notice
    | Facts
    | Board
    | Code
    | Details
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of the page."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
