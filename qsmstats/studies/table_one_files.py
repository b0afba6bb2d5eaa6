"""Table 1 as files for a manuscript: Word, LaTeX and HTML beside the TSV.

LaTeX and HTML are written by pandas' Styler, Word by python-docx. The LaTeX needs the package
booktabs. Two runs give the same bytes.
"""

from __future__ import annotations

import html
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from qsmstats.studies.answer_files import write_table
from qsmstats.studies.table_one import CAPTION, TableOne
from qsmstats.writing import written_whole

__all__ = ["SUFFIXES", "as_html", "as_latex", "as_word", "write_table_one"]

SUFFIXES = (".tsv", ".json", ".docx", ".tex", ".html")
POINTS, NOTE_POINTS = 9, 8
CSS: list[Any] = [
    {"selector": "", "props": "border-collapse: collapse; border-bottom: 1px solid"},
    {"selector": "caption", "props": "text-align: left; padding: 0.4em 0"},
    {"selector": "th, td", "props": "padding: 0.2em 0.8em; text-align: right"},
    {"selector": "th:first-child, td:first-child", "props": "text-align: left"},
    {"selector": "thead th", "props": "border-top: 1px solid; border-bottom: 1px solid"},
]
NO_XML = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF], "\N{REPLACEMENT CHARACTER}"
)
"""Characters of a study's texts that no XML file can hold, and thus no Word file."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip file can hold."""


def write_table_one(table: TableOne, folder: str | Path) -> list[Path]:
    """Write ``table_one`` as .tsv with its data dictionary, .docx, .tex and .html.

    Parameters
    ----------
    table
        What `table_one` returns.
    folder
        Folder to write to; it is made where it is missing.

    Returns
    -------
    list of Path
        The files written.

    Examples
    --------
    >>> study = qs.open_study("demo/study")
    >>> lesions = qs.tidy_lesions(study, qs.extract_cohort(study))
    >>> table = qs.table_one(study, qs.patient_table(study, lesions))
    >>> [path.name for path in qs.write_table_one(table, "paper")]
    ['table_one.tsv', 'table_one.json', 'table_one.docx', 'table_one.tex', 'table_one.html']
    """
    paths = {suffix: Path(folder) / f"table_one{suffix}" for suffix in SUFFIXES}
    write_table(table.rows, paths[".tsv"])
    shown = table.printed().map(lambda text: text.translate(NO_XML))
    notes = [note.translate(NO_XML) for note in table.footnotes]
    for suffix, document in ((".docx", as_word), (".tex", as_latex), (".html", as_html)):
        with written_whole(paths[suffix]) as unfinished:
            unfinished.write_bytes(document(shown, notes))
    return list(paths.values())


def as_latex(shown: pd.DataFrame, notes: Sequence[str]) -> bytes:
    """Return a table with Table 1's caption as a LaTeX table.

    Parameters
    ----------
    shown
        What `TableOne.printed` returns.
    notes
        Footnotes.
    """
    style = shown.style.hide(axis="index").format(escape="latex")
    text = style.format_index(escape="latex", axis="columns").to_latex(
        column_format="l" + "r" * (shown.shape[1] - 1),
        position="htbp",
        position_float="centering",
        hrules=True,
        caption=CAPTION.removeprefix("Table 1. "),
        label="tab:participants",
    )
    # Styler has no notes: they are a table of one column below, whose texts it escapes as well.
    noted = pd.DataFrame({"note": notes}).style.format(escape="latex")
    below = noted.hide(axis="index").hide(axis="columns").to_latex(column_format=r"p{\linewidth}")
    text = text.replace("\\end{table}", f"\\footnotesize\n{below}\\end{{table}}")
    return text.replace("\N{MINUS SIGN}", "$-$").encode()


def as_html(shown: pd.DataFrame, notes: Sequence[str]) -> bytes:
    """Return a table with Table 1's caption as an HTML page.

    Parameters
    ----------
    shown
        What `TableOne.printed` returns.
    notes
        Footnotes.
    """
    style = Styler(shown, uuid="table-one", cell_ids=False, caption=CAPTION)
    style = style.hide(axis="index").format(escape="html").set_table_styles(CSS)
    text = style.format_index(escape="html", axis="columns").to_html(doctype_html=True)
    below = "".join(f"<p>{html.escape(note)}</p>\n" for note in notes)
    return text.replace("</body>", f"{below}</body>").encode()


def as_word(shown: pd.DataFrame, notes: Sequence[str]) -> bytes:
    """Return a table with Table 1's caption as a Word file.

    Parameters
    ----------
    shown
        What `TableOne.printed` returns.
    notes
        Footnotes.
    """
    # Loaded where it is used, as reading its template takes a while.
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    document = Document()
    document.styles["Normal"].font.size = Pt(POINTS)
    document.core_properties.title = CAPTION
    document.core_properties.author = ""
    document.core_properties.comments = ""
    document.add_paragraph(CAPTION, style="Caption")
    lines = [[*shown.columns], *shown.to_numpy().tolist()]
    grid = document.add_table(rows=len(lines), cols=shown.shape[1], style="Table Grid")
    for row, values in zip(grid.rows, lines, strict=True):
        for place, (cell, value) in enumerate(zip(row.cells, values, strict=True)):
            cell.text = value.strip(" ")
            if place:
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
    for note in notes:
        document.add_paragraph().add_run(note).font.size = Pt(NOTE_POINTS)
    made, dated = io.BytesIO(), io.BytesIO()
    document.save(made)
    # A Word file is a zip file, which holds the time of its writing.
    with zipfile.ZipFile(made) as parts, zipfile.ZipFile(dated, "w", zipfile.ZIP_DEFLATED) as out:
        for name in parts.namelist():
            out.writestr(zipfile.ZipInfo(name, EPOCH), parts.read(name))
    return dated.getvalue()
