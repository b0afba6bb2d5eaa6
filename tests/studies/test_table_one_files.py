"""Table 1 as files: read back, and the same bytes each time."""

from __future__ import annotations

import html
import re

import pandas as pd
import pytest
from docx import Document

from qsmstats.dictionaries import result_dictionary
from qsmstats.studies.table_one import TableOne
from qsmstats.studies.table_one_files import write_table_one

GROUPS = ("HC", "MS", "followed", "not_followed")
ROWS = [
    ("Participants", "", "n", "6", "12", "8", "4", None, None, *[None] * 4),
    ("Age (years)", "", "mean (SD)", *["40.1 (9.8)"] * 4, -0.25, 0.1, 0, 1, 1, 0),
    ("R&D_site <x>", "", "n (%)", *[None] * 4, 0.5, 0.2, 0, 0, 0, 0),
    ("R&D_site <x>", "a\x1b", "n (%)", *["2 (33.3%)"] * 4, None, None, *[None] * 4),
    ("EDSS", "", "median [IQR]", None, *["2.0 [1.5, 3.0]"] * 3, None, 0.3, None, 2, 1, 1),
]
COLUMNS = ["variable", "level", "statistic", *GROUPS]
COLUMNS += ["standardised_difference", "standardised_difference_followed"]
COLUMNS += [f"missing_{name}" for name in GROUPS]


@pytest.fixture(scope="module")
def table():
    return TableOne(rows=pd.DataFrame(ROWS, columns=COLUMNS))


@pytest.fixture(scope="module")
def written(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    return {path.suffix: path for path in write_table_one(table, folder)}


def test_word_holds_the_table_its_caption_and_its_footnotes(table, written):
    document = Document(written[".docx"])
    (grid,) = document.tables
    printed = table.printed()
    cells = [[cell.text for cell in row.cells] for row in grid.rows]
    heads = [name.replace("\N{NO-BREAK SPACE}", " ") for name in cells[0][1:4]]
    assert heads == [
        "Controls (n = 6)",
        "Patients (n = 12)",
        "SMD",
    ]
    # No XML file can hold a control character.
    shown = printed.map(lambda text: text.replace("\x1b", "\N{REPLACEMENT CHARACTER}"))
    assert cells[1:] == shown.to_numpy().tolist()
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert texts == ["Table 1. Participants at the first session", *table.footnotes]
    assert "Missing values: Age (years), 1 patient (1 followed); EDSS, 2 patients" in texts[-2]
    assert document.core_properties.author == ""


def test_latex_escapes_what_is_not_text_and_holds_the_footnotes(written):
    text = written[".tex"].read_text(encoding="utf-8")
    assert r"R\&D\_site <x>, n (\%) &  &  & 0.50 &  &  & 0.20 \\" in text
    assert "40.1 (9.8) & $-$0.25 &" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert r"\caption{Participants at the first session}" in text
    assert text.index("SMD: standardised") < text.index(r"\end{table}")
    assert not re.search(r"(?<!\\)%", text)


def test_html_is_the_same_table(table, written):
    text = written[".html"].read_text(encoding="utf-8")
    texts = dict.fromkeys(range(7), str)
    (found,) = pd.read_html(written[".html"], keep_default_na=False, converters=texts)
    printed = table.printed().map(lambda text: text.strip().replace("\x1b", "\ufffd"))
    assert found.to_numpy().tolist() == printed.to_numpy().tolist()
    assert all(html.escape(note) in text for note in table.footnotes)
    assert "<x>" not in text


def test_the_tsv_is_described_and_two_writings_are_the_same(table, written, tmp_path):
    back = pd.read_csv(written[".tsv"], sep="\t", na_values="n/a")
    assert all(result_dictionary("table_one", back.columns).values())
    # The page draws the same table from the file.
    assert TableOne(rows=back).printed().equals(table.printed())
    assert TableOne(rows=back).footnotes == table.footnotes
    for path in write_table_one(table, tmp_path):
        assert path.read_bytes() == written[path.suffix].read_bytes()
