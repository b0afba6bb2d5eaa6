"""Ways to write a study folder that cannot be meant: study.toml, tables, sidecars, the whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel as nib
import numpy as np
import pandas as pd
import pyarrow as pa
from openpyxl import Workbook
from openpyxl.chart import BarChart
from pyarrow.parquet import write_table

from qsmstats import extract_cohort
from qsmstats.checks.study import check_study, sound_tables
from qsmstats.errors import ImageError, InvalidDataError, UsageError
from qsmstats.inventory.draft import init_study
from qsmstats.study import Study
from qsmstats.study_file import open_study
from qsmstats.tables.files import read_file
from qsmstats.tables.identities import identify_lesions
from qsmstats.tables.read import load_tables, read_tables
from qsmstats.tables.tidy import tidy_lesions
from qsmstats.tables.wide import to_long
from tests.errors.walk import Case
from tests.study_folder import TOML, tables, write_image, write_images, write_tables, write_text

Act = Callable[[Path], Any]


def raw_toml(data: bytes | None) -> Act:
    """Return an act that opens a study whose study.toml holds these bytes."""

    def act(folder: Path) -> Study:
        if data is not None:
            (folder / "study.toml").write_bytes(data)
        return open_study(folder)

    return act


def toml(old: str, new: str) -> Act:
    assert old in TOML
    return raw_toml(TOML.replace(old, new, 1).encode())


def setting(text: str) -> Act:
    return raw_toml(f"{TOML}\n{text}\n".encode())


def file(name: str, data: bytes | None) -> Act:
    """Return an act that reads a file of a table."""

    def act(folder: Path) -> Any:
        if data is not None:
            (folder / name).write_bytes(data)
        return read_file(folder / name, name="lesions", file=name)

    return act


def limited(name: str, limit: int, act: Act) -> Act:
    """Return an act under a limit that is small enough to be broken by little."""

    def under(folder: Path) -> Any:
        with patch(f"qsmstats.tables.{name}", limit):
            return act(folder)

    return under


def parquet(column: pa.Array | None) -> Act:
    def act(folder: Path) -> Any:
        write_table(pa.table({} if column is None else {"a": column}), folder / "t.parquet")
        return read_file(folder / "t.parquet", name="lesions", file="t.parquet")

    return act


def linked_out(name: str, then: Callable[[Study], Any]) -> Act:
    """Return an act on a study in which a file is a link to one outside."""

    def act(folder: Path) -> Any:
        study = write_images(write_tables(folder / "study"))
        (study / name).rename(folder / "elsewhere")
        (study / name).symlink_to(folder / "elsewhere")
        return then(open_study(study))

    return act


def messages_of(study: Study) -> list[str]:
    return list(check_study(study)["message"])


def piped(folder: Path) -> Any:
    os.mkfifo(folder / "t.tsv")
    return read_file(folder / "t.tsv", name="lesions", file="t.tsv")


def without_memory(folder: Path) -> Any:
    (folder / "t.tsv").write_text("a\n1\n")
    with patch("qsmstats.tables.files.bounded", side_effect=MemoryError):
        return read_file(folder / "t.tsv", name="lesions", file="t.tsv")


def control_without_session(folder: Path) -> Any:
    write_tables(folder)
    (folder / "sub-04" / "sub-04_sessions.tsv").write_text("session_id\tyears\n")
    return read_tables(open_study(folder))


def sheets(content: dict[str, list[list[object]]]) -> Act:
    def act(folder: Path) -> Any:
        book = Workbook()
        book.remove(book.active)
        for title, rows in content.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        book.save(folder / "t.xlsx")
        return read_file(folder / "t.xlsx", name="lesions", file="t.xlsx")

    return act


def unreadable(folder: Path) -> Any:
    (folder / "t.tsv").write_text("a\n1\n")
    # Whoever runs the tests may be allowed to read everything.
    with patch.object(Path, "open", side_effect=PermissionError(13, "Permission denied")):
        return read_file(folder / "t.tsv", name="lesions", file="t.tsv")


def cell(table: str, row: int, column: str, word: str) -> Act:
    """Return an act that reads a study with one cell changed; rows as an editor counts them."""

    def act(folder: Path) -> Any:
        content = tables()
        header = content[table][0]
        content[table][row - 1][header.index(column)] = word
        return read_tables(open_study(write_tables(folder, content)))

    return act


def table(name: str, change: Callable[[list[list[str]]], object], text: str = TOML) -> Act:
    """Return an act that reads a study with one table changed."""

    def act(folder: Path) -> Any:
        content = tables()
        change(content[name])
        return read_tables(open_study(write_tables(folder, content, text)))

    return act


def charts(folder: Path) -> Any:
    book = Workbook()
    book.create_chartsheet("figure").add_chart(BarChart())
    book.remove(book.active)
    book.save(folder / "t.xlsx")
    return read_file(folder / "t.xlsx", name="lesions", file="t.xlsx")


def spelled(change: str) -> Act:
    """Return an act that reads a study whose lesions are described in another way."""
    toml = TOML.replace('"lesions.tsv"', f'{{ file = "lesions.tsv", {change} }}')
    return table("lesions", lambda _: None, toml)


def clinic(change: str, rows: list[list[str]], folder: Path) -> Any:
    """Read a study whose participants and sessions are one table with a row per visit."""
    head = ["participant_id", "session_id", "date", "group", "age", "sex", "edss"]
    toml = TOML.replace('"participants.tsv"', f'{{ file = "clinic.tsv"{change} }}')
    old = '"{participant}/{participant}_sessions.tsv"'
    toml = toml.replace(old, '{ file = "clinic.tsv", date = "date" }')
    write_text(write_tables(folder, None, toml) / "clinic.tsv", [head, *rows])
    return read_tables(open_study(folder))


def further(name: str, *words: str, text: Sequence[str] = ()) -> Act:
    """Return an act that reads a study whose participants have a further column."""
    entry = f'{{ file = "participants.tsv", text = {json.dumps(text)} }}'
    toml = TOML.replace('"participants.tsv"', entry) if text else TOML
    cells = [name, *words]
    return table("participants", lambda rows: [*map(list.append, rows, cells)], toml)


def noted(act: Act) -> Act:
    """Return an act that reads the tables of a study, and returns what is noted of them."""

    def noting(folder: Path) -> list[str]:
        with suppress(InvalidDataError):
            act(folder)
        return [*map(str, load_tables(open_study(folder)).notes)]

    return noting


def visits(stated: str, *files: str) -> Act:
    """Return an act that reads a study whose sessions study.toml states."""

    def act(folder: Path) -> Any:
        old = '"{participant}/{participant}_sessions.tsv"'
        study = write_tables(folder, None, TOML.replace(old, f"{{ visits = {stated} }}"))
        for file in files:
            write_image(study / f"{file}_MWFmap.nii.gz", np.zeros((2, 2, 2)))
        return read_tables(open_study(study))

    return act


def with_a_broken_sidecar(folder: Path) -> Any:
    write_tables(folder)
    (folder / "participants.json").write_text("{")
    return read_tables(open_study(folder))


VISITS = [
    ["sub-01", "ses-01", "2020-01-01", "MS", "40", "F", "2"],
    ["sub-01", "ses-02", "2021-01-01", "MS", "41", "F", "2"],
]


def without_sessions(folder: Path) -> Any:
    write_tables(folder)
    (folder / "sub-02" / "sub-02_sessions.tsv").unlink()
    return read_tables(open_study(folder))


def without_any_sessions(folder: Path) -> Any:
    write_tables(folder)
    for path in folder.glob("sub-*/*_sessions.tsv"):
        path.unlink()
    return read_tables(open_study(folder))


def without_participants(folder: Path) -> Any:
    write_tables(folder)
    (folder / "participants.tsv").unlink()
    return read_tables(open_study(folder))


def with_a_stranger(folder: Path) -> Any:
    write_tables(folder)
    write_text(folder / "sub-77" / "sub-77_sessions.tsv", [["session_id", "years"], ["s", "0"]])
    return read_tables(open_study(folder))


def checked(change: Callable[[Path], object], text: str = TOML) -> Act:
    """Return an act that checks a study with images after a change; returns its messages."""

    def act(folder: Path) -> list[str]:
        write_images(write_tables(folder, None, text))
        change(folder)
        return list(check_study(open_study(folder))["message"])

    return act


def scanners(folder: Path, people: str, visits: str) -> None:
    """Give participants and sessions a column of scanners, one letter each; none where empty."""
    content = tables()
    for name, letters in (("participants", people), ("sessions", visits)):
        if letters:
            for row, letter in zip(content[name], ["scanner", *letters], strict=True):
                row.append(letter.replace(".", "n/a"))
    text = (folder / "study.toml").read_text()
    write_tables(folder, {name: content[name] for name in ("participants", "sessions")}, text)


def opening(error: Exception) -> Act:
    """Return an act that checks a study whose images fail to open, whoever runs the tests."""

    def act(folder: Path) -> list[str]:
        write_images(write_tables(folder))
        with patch("qsmstats.checks.session_images.open_volume", side_effect=error):
            return list(check_study(open_study(folder))["message"])

    return act


def losing_its_process(folder: Path) -> list[str]:
    write_images(write_tables(folder))
    died = [(number, BrokenExecutor("killed")) for number in range(5)]
    with patch("qsmstats.checks.session_images.run_jobs", return_value=died):
        return list(check_study(open_study(folder))["message"])


def image(folder: Path, name: str, visit: str = "sub-01/ses-01") -> Path:
    return folder / visit / f"{visit.replace('/', '_')}_{name}.nii.gz"


def sidecar(content: object) -> Callable[[Path], object]:
    return lambda folder: (
        (folder / "MWFmap.json").write_text(
            content if isinstance(content, str) else json.dumps(content)
        )
        and image(folder, "MWFmap").with_suffix("").with_suffix(".json").unlink()
    )


def features(folder: Path, *, twice: bool = False, label: int = 1) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "participant_id": "sub-01",
            "session_id": "ses-01",
            "region": "lesion",
            "label": [label],
            "map": "mwf_percent",
            "volume_mm3": 8.0,
            "mean": 9.0,
        }
    )
    return pd.concat([rows, rows]) if twice else rows


def tidied(make: Callable[[Path], pd.DataFrame], text: str = TOML) -> Act:
    return lambda folder: tidy_lesions(open_study(write_tables(folder, None, text)), make(folder))


def identified(matches: dict[str, object], visits: int = 1) -> Act:
    tidy = pd.DataFrame(
        {
            "participant_id": "sub-01",
            "session_id": ["ses-01", "ses-02"][:visits],
            "lesion_id": "L1",
            "label": 1,
            "years": [0.0, 2.0][:visits],
        }
    )
    columns = ["participant_id", "session_id_a", "label_a", "session_id_b", "label_b", "relation"]
    rows = pd.DataFrame([matches] if matches else [], columns=columns)
    return lambda _: identify_lesions(tidy, rows)


def initialised(change: Callable[[Path], object]) -> Act:
    def act(folder: Path) -> Any:
        return init_study(change(folder) or folder)

    return act


def own_map(name: str, unit: str | None = '"ms"', **more: str) -> Act:
    """Return an act that opens a study with a map of its own."""
    lines = {"pattern": '"{participant}/{session}/x.nii"'} | ({"unit": unit} if unit else {}) | more
    return setting(f"[maps.{name}]\n" + "\n".join(f"{key} = {v}" for key, v in lines.items()))


def types(**sections: str) -> Act:
    """Return an act that opens a study with lesion types of its own, and one more."""
    text = "\n".join(f"[lesion_types.{name}]\n{lines}" for name, lines in sections.items())
    return setting(text + "\n[lesion_types.other]")


def long(**options: Any) -> Act:
    frame = pd.DataFrame({"id": [1], "r1": ["iso"], "r2": ["odd"]})
    return lambda _: to_long(frame, **options)


INDEPENDENT = TOML + '\n[matching]\nlesion_ids = "independent"\n'
MATCH = {
    "participant_id": "sub-01",
    "session_id_a": "ses-01",
    "label_a": 9,
    "session_id_b": "ses-02",
    "label_b": 1,
    "relation": "same",
}

INVALID: list[tuple[str, Act, str, str, str]] = [
    # study.toml
    ("no study.toml", raw_toml(None), "study.toml", "no such file", "`qsmstats init` writes one"),
    (
        "no study folder",
        lambda folder: open_study(folder / "x"),
        "x/study.toml",
        "no such folder",
        "check the path",
    ),
    ("study.toml in Latin-1", raw_toml(b'name = "\xe4"'), "row 1", "0xe4", "save it as UTF-8"),
    (
        "study.toml without syntax",
        raw_toml(b"name = "),
        "study.toml",
        "Invalid value",
        "correct it",
    ),
    (
        "study.toml that is a folder",
        lambda folder: (folder / "study.toml").mkdir() or open_study(folder),
        "study.toml",
        "Is a directory",
        "check the file and its permissions",
    ),
    ("unknown setting", toml("[labels]", "[label]"), "'label'", "is not a setting", "did you mean"),
    (
        "section that is none",
        raw_toml(b"features = 3\n" + TOML.encode()),
        "'features'",
        "found 3",
        "write its settings below",
    ),
    ("name that is none", toml('"made"', "3"), "'name'", "found 3", "as text"),
    (
        "pattern that is none",
        toml('pattern = "', 'pattern = 3 # "'),
        "'labels.pattern'",
        "found 3",
        "expected a file pattern",
    ),
    (
        "pattern without participant",
        toml("{participant}/{session}/{participant}_{session}_dseg", "dseg"),
        "'labels.pattern'",
        "'dseg.nii.gz'",
        "write it where",
    ),
    (
        "pattern with other braces",
        toml("{session}_dseg", "{session!r}_dseg"),
        "'labels.pattern'",
        "{session!r}",
        "correct the text in braces",
    ),
    (
        "pattern with an unseen letter",
        toml("_dseg", "_\\u200bdseg"),
        "'labels.pattern'",
        "u200b",
        "type the text again",
    ),
    ("unit of a map", toml('"percent"', '"%"'), "'maps.mwf_percent.unit'", "'%'", "allowed"),
    (
        "missing value of a map",
        toml("missing = 0", "missing = nan"),
        "'maps.mwf_percent.missing'",
        "found nan",
        "expected the finite number",
    ),
    (
        "map almost of a known name",
        toml("[maps.mwf_", "[maps.mw_"),
        "'maps.mw_percent'",
        "almost the name of a known map",
        "did you mean 'mwf_percent'?",
    ),
    ("map that is no column", own_map('"r2*"'), "'maps.r2*'", "cannot be", "a letter first"),
    (
        "map without a unit",
        own_map("t1_ms", unit=None),
        "'maps.t1_ms.unit'",
        "is missing",
        'as unit = "Hz"',
    ),
    (
        "map with a title that is none",
        own_map("t1_ms", title="3"),
        "'maps.t1_ms.title'",
        "found 3",
        "as a text in one line",
    ),
    (
        "map with one limit",
        own_map("t1_ms", plausible="[3]"),
        "'maps.t1_ms.plausible'",
        "found [3]",
        "as plausible = [0, 200]",
    ),
    (
        "title of a known map",
        toml('unit = "percent"', 'unit = "percent"\ntitle = "M"'),
        "'maps.mwf_percent.title'",
        "is known of 'mwf_percent'",
        "remove this line",
    ),
    (
        "titles of Table 1 that are no texts",
        setting("[table_one]\ntitles = { nfl = 1 }"),
        "'table_one.titles'",
        "found {'nfl': 1}",
        "write texts by column",
    ),
    (
        "question about patients that is none",
        setting('[patients]\nquestions = ["count"]'),
        "'patients.questions'",
        "'count' is not a question",
        "did you mean 'counts'?",
    ),
    (
        "cuts that do not ascend",
        setting("[patients]\ncuts = [4, 1]"),
        "'patients.cuts'",
        "found [4, 1]",
        "write ascending numbers from 1",
    ),
    (
        "cuts that are texts",
        setting('[patients]\ncuts = ["1"]'),
        "'patients.cuts'",
        "found ['1']",
        "write a list of whole numbers such as [1, 4]",
    ),
    (
        "grouped type that is none",
        setting('[patients]\ngrouped_type = "paramagnetic_rims"'),
        "'patients.grouped_type'",
        "'paramagnetic_rims' is not a lesion type",
        "did you mean 'paramagnetic_rim'?",
    ),
    (
        "adjustment of patients that needs a correlation",
        setting('[patients]\nadjust = "mvt"'),
        "'patients.adjust'",
        "not 'mvt'",
        'must be "fdr_bh"',
    ),
    (
        "offset of a question that is not asked",
        setting('[patients]\nquestions = ["change"]\noffset = "lesions"'),
        "'patients.offset'",
        'does nothing without the question "counts"',
        "remove this line",
    ),
    (
        "rim that is neither true nor false",
        types(a='rim = "yes"'),
        "'lesion_types.a.rim'",
        "found 'yes'",
        "write true or false",
    ),
    (
        "map like a feature of another",
        own_map("mwf_percent_median"),
        "'maps.mwf_percent_median'",
        "column of a feature of 'mwf_percent'",
        "choose another name",
    ),
    (
        "feature of a map that is none",
        setting('[models]\noutcomes = ["mwf_percent.medain"]'),
        "'models.outcomes'",
        "'medain' is not a feature",
        "did you mean 'mwf_percent.median'?",
    ),
    (
        "mean of a map",
        setting('[models]\noutcomes = ["mwf_percent.mean"]'),
        "'models.outcomes'",
        "'mwf_percent.mean'",
        "write 'mwf_percent'",
    ),
    (
        "one type",
        setting("[lesion_types.prl]"),
        "'lesion_types'",
        "2 to 8 of them, not 1",
        "declare all",
    ),
    (
        "type of a name in use",
        types(nawm=""),
        "'lesion_types.nawm'",
        "cannot be the name",
        "a letter first",
    ),
    (
        "type with an unknown key",
        types(a="color = 1"),
        "'lesion_types.a.color'",
        "is not a setting",
        "allowed: title, colour",
    ),
    (
        "type with a title that is none",
        types(a="title = 3"),
        "'lesion_types.a.title'",
        "found 3",
        "as a text in one line",
    ),
    (
        "type with a colour that is none",
        types(a='colour = "red"'),
        "'lesion_types.a.colour'",
        "'red'",
        'as colour = "#D55E00"',
    ),
    (
        "type with spellings that are none",
        types(a="spellings = 1"),
        "'lesion_types.a.spellings'",
        "found 1",
        'as spellings = ["1", "PRL+"]',
    ),
    (
        "two types of one spelling",
        types(a='spellings = ["X"]', b='spellings = ["x"]'),
        "'lesion_types.b.spellings'",
        "'x' also stands for 'a'",
        "keep it for one",
    ),
    (
        "word beside a spelling",
        setting('[lesion_types]\n"X" = "b"\n[lesion_types.a]\nspellings = ["x"]\n[lesion_types.b]'),
        "'lesion_types.X'",
        "elsewhere for 'a'",
        "keep one of the two",
    ),
    (
        "two references",
        types(a="reference = true", b="reference = true"),
        "'lesion_types.b.reference'",
        "is set for a, b",
        "keep it for the one",
    ),
    (
        "reference that is none",
        types(a="reference = 1"),
        "'lesion_types.a.reference'",
        "found 1",
        "write true or false",
    ),
    (
        "class that is no section",
        setting("[histology.classes]\nlost = 1\nkept = 2"),
        "'histology.classes.lost'",
        "found 1",
        "write a section [histology.classes.lost]",
    ),
    (
        "classes without a mapping",
        setting("[histology.classes.lost]\n[histology.classes.kept]"),
        "'histology.mapping'",
        "is empty",
        'as lost = ["isointense"]',
    ),
    (
        "types without a mapping",
        types(a="", b=""),
        "'histology.mapping'",
        "is empty",
        'as remyelinated = ["a"]',
    ),
    (
        "feature of histology that is none",
        setting('[histology.high_in]\nndi = ["remyelinated"]'),
        "'histology.high_in.ndi'",
        "is not a continuous feature",
        "choose from",
    ),
    (
        "direction of a class that is none",
        setting('[histology.high_in]\nmwf_percent = ["x"]'),
        "'histology.high_in.mwf_percent'",
        "'x' is not a reference class",
        "choose from",
    ),
    (
        "levels of lesion types",
        setting('[levels.lesion_type]\n1 = "isointense"'),
        "'levels.lesion_type'",
        "section of their own",
        "use [lesion_types]",
    ),
    (
        "levels that are none",
        setting("[levels]\nsex = 1"),
        "'levels.sex'",
        "found 1",
        "write one line per value",
    ),
    (
        "level of a code that is none",
        setting('[levels.sex]\n1 = "W"'),
        "'levels.sex.1'",
        "'W' is not one of F, M",
        "use one of these",
    ),
    (
        "level that stands for another",
        setting('[levels.sex]\nM = "F"'),
        "'levels.sex.M'",
        "is a level itself",
        "remove this line",
    ),
    (
        "code of two levels",
        setting('[levels.sex]\nx = "F"\nX = "M"'),
        "'levels.sex.X'",
        "elsewhere for 'F'",
        "keep one of the two",
    ),
    (
        "levels of no column",
        table("lesions", lambda _: None, TOML + '\n[levels.cenetr]\n1 = "a"'),
        "'levels.cenetr'",
        "no table has a column 'cenetr'",
        "did you mean 'center'",
    ),
    (
        "table that is no file",
        toml('"lesions.tsv"', "3"),
        "'tables.lesions'",
        "found 3",
        "expected a file name",
    ),
    (
        "table that is missing",
        toml('lesions = "lesions.tsv"', ""),
        "'tables.lesions'",
        "is missing",
        "add e.g.",
    ),
    (
        "setting of another kind",
        setting('[features]\nshell_mm = "2"'),
        "'features.shell_mm'",
        "'2'",
        "write a number",
    ),
    (
        "distance without bounds",
        setting("[features]\nshell_mm = 900"),
        "'features.shell_mm'",
        "900.0 mm",
        "correct it",
    ),
    (
        "threshold without bounds",
        setting("[lesion_type_rule]\nrim = -1"),
        "'lesion_type_rule.rim'",
        "-1.0",
        "correct it",
    ),
    (
        "overlap that is no share",
        setting("[matching]\nmin_overlap = 2"),
        "'matching.min_overlap'",
        "not 2.0",
        "must be above 0",
    ),
    (
        "overlap of lesions that are not matched",
        setting("[matching]\nmin_overlap = 0.25"),
        "'matching.min_overlap'",
        'does nothing without lesion_ids = "independent"',
        "remove this",
    ),
    (
        "level in percent",
        setting("[models]\nlevel = 95"),
        "'models.level'",
        "95.0",
        "must be between 0 and 1, such as 0.95",
    ),
    (
        "choice that is none",
        setting('[models]\ndf = "kr"'),
        "'models.df'",
        "'kr'",
        'must be "satterthwaite"',
    ),
    (
        "outcome that is no map",
        setting('[models]\noutcomes = ["fa"]'),
        "'models.outcomes'",
        "'fa'",
        "choose from",
    ),
    (
        "outcome twice",
        setting('[models]\noutcomes = ["mwf_percent", "mwf_percent"]'),
        "'models.outcomes'",
        "2 times",
        "list it once",
    ),
    (
        "formula without outcome",
        setting('[models]\nbaseline = "y ~ age"'),
        "'models.baseline'",
        "'y ~ age'",
        "write it where",
    ),
    (
        "weights that are no column",
        setting("[models]\nweights = 3"),
        "'models.weights'",
        "found 3",
        "write a column",
    ),
    (
        "class that is none",
        setting('[histology]\nmapping = { x = "isointense" }'),
        "'histology.mapping.x'",
        "is not a reference class",
        "choose from",
    ),
    (
        "class without levels",
        setting("[histology]\nmapping = { remyelinated = [] }"),
        "'histology.mapping'",
        "is empty",
        "map at least one of remyelinated",
    ),
    (
        "mapping without class",
        setting("[histology]\nmapping = {}"),
        "'histology.mapping'",
        "is empty",
        "map at least one of",
    ),
    (
        "level that is none",
        setting('[histology]\nmapping = { remyelinated = "x" }'),
        "'histology.mapping'",
        "'x'",
        "choose from",
    ),
    # files of tables
    ("format of a table", file("t.txt", b"a\n"), "t.txt", "'.txt'", "save it as one of"),
    ("no table", file("t.tsv", None), "t.tsv", "no such file", "put it there"),
    ("table that may not be read", unreadable, "t.tsv", "Permission denied", "permissions"),
    ("column without a name", file("t.csv", b",a\n1,x\n"), "t.csv row 1", "column 1", "name it"),
    (
        "column twice",
        file("t.csv", b"a,a\n1,x\n"),
        "t.csv row 1, column 'a'",
        "columns 1 and 2",
        "remove or rename",
    ),
    ("empty table", file("t.tsv", b""), "t.tsv", "is empty", "write a row of column names"),
    ("table in Latin-1", file("t.tsv", b"a\n\xfc\n"), "t.tsv row 2", "0xfc", "save it as UTF-8"),
    ("zero byte", file("t.tsv", b"a\n\0\n"), "t.tsv row 2", "zero byte", "save it as UTF-8"),
    (
        "open quotation mark",
        file("t.csv", b'a,b\n1,"x\n'),
        "t.csv row 2",
        "end of data",
        "close or double the quotation mark",
    ),
    (
        "other delimiter",
        file("t.tsv", b"a,b\n1,2\n"),
        "t.tsv row 1",
        "commas",
        'separator = "," below [tables.lesions]',
    ),
    (
        "workbook without names",
        sheets({"lesions": [[None], ["x"]]}),
        "t.xlsx row 1",
        "has no column names",
        "write them in the first row",
    ),
    (
        "formula without result",
        sheets({"lesions": [["a"], ["=1+1"]]}),
        "row 2, column 'a'",
        "=1+1",
        "save its value",
    ),
    (
        "workbook that is none",
        file("t.xlsx", b"PK"),
        "t.xlsx",
        "is not an .xlsx workbook",
        "save it again",
    ),
    (
        "sheets of other names",
        sheets({"A": [["a"]], "B": [["a"]]}),
        "t.xlsx",
        "has no sheet 'lesions', but A, B",
        'state the one of this table: sheet = "..." below [tables.lesions]',
    ),
    (
        "workbook of no sheet with cells",
        charts,
        "t.xlsx",
        "has no sheet with cells",
        "save the table as a sheet of cells",
    ),
    (
        "parquet that is none",
        file("t.parquet", b"PAR1"),
        "t.parquet",
        "is not a .parquet file",
        "write it again",
    ),
    (
        "column of lists",
        parquet(pa.array([[1]])),
        "t.parquet, column 'a'",
        "the type list",
        "store texts, numbers or dates",
    ),
    (
        "date of no calendar",
        parquet(pa.array([0, 10**18], pa.timestamp("us"))),
        "t.parquet row 3, column 'a'",
        "cannot be read",
        "correct it, or leave the column out",
    ),
    ("parquet without columns", parquet(None), "t.parquet", "no column", "write the table"),
    (
        "parquet of many rows",
        limited("parquet.CELLS", 1, parquet(pa.array([1, 2]))),
        "t.parquet",
        "has 2 rows of 1 columns",
        "name another file",
    ),
    (
        "parquet of many bytes",
        limited("parquet.BYTES", 9, parquet(pa.array([1, 2]))),
        "t.parquet",
        "MB when unpacked",
        "name another file",
    ),
    (
        "workbook of many bytes",
        limited("workbook.UNPACKED", 9, sheets({"lesions": [["a"]]})),
        "t.xlsx",
        "MB when unpacked",
        "save the sheet of this table as .tsv",
    ),
    (
        "cell far away",
        limited("source.COLUMNS", 2, sheets({"lesions": [["a"], [1, 2, "x"]]})),
        "t.xlsx row 2",
        "holds 'x' in the cell C2",
        "remove what does not belong",
    ),
    (
        "rows without end",
        limited("source.ROWS", 2, file("t.tsv", b"a\n1\n2\n")),
        "t.tsv row 3",
        "more than 2 rows",
        "remove what does not belong",
    ),
    (
        "cells without end",
        limited("source.CELLS", 2, file("t.tsv", b"a\n1\n2\n")),
        "t.tsv row 3",
        "more than 2 cells",
        "remove what does not belong",
    ),
    (
        "line without end",
        limited("files.LINE", 2, file("t.tsv", b"a\n123\n")),
        "t.tsv row 2",
        "longer than 2 characters",
        "remove what does not belong",
    ),
    (
        "file without end",
        limited("files.PLAIN_BYTES", 2, file("t.tsv", b"a\n1\n")),
        "t.tsv",
        "it holds more than",
        "check the file",
    ),
    ("pipe", piped, "t.tsv", "not a regular file", "check the file"),
    ("table beyond memory", without_memory, "t.tsv", "the memory of this computer", "remove"),
    # what leads out of the study folder
    (
        "pattern out of the study",
        toml("{participant}/{session}/{participant}_{session}_dseg", "../{participant}"),
        "'labels.pattern'",
        "'../{participant}.nii.gz' leads out",
        "outside = true",
    ),
    (
        "table out of the study",
        toml('"lesions.tsv"', '"/lesions.tsv"'),
        "'tables.lesions'",
        "'/lesions.tsv' leads out",
        "outside = true",
    ),
    (
        "pattern of a glob",
        toml('"{participant}/{participant}_sessions', '"{participant}/**/x'),
        "'tables.sessions'",
        "contains '*'",
        "write the path without it",
    ),
    (
        "link to a table outside",
        linked_out("lesions.tsv", read_tables),
        "lesions.tsv",
        "leads out of the study folder",
        "outside = true",
    ),
    (
        "range of no column",
        setting("[plausible]\nedss_score = [0, 1]"),
        "'plausible.edss_score'",
        "not a column with a plausible range",
        "choose from",
    ),
    (
        "range that is none",
        setting("[plausible]\nage = 90"),
        "'plausible.age'",
        "found 90",
        "write the lowest and the highest",
    ),
    (
        "study.toml without end",
        raw_toml(b"a = " + b"[" * 9999 + b"]" * 9999),
        "study.toml",
        "too deeply",
        "write it as",
    ),
    # rows and cells
    (
        "years in months",
        cell("sessions", 3, "years", "25.2"),
        "row 3, column 'years'",
        "0 to 25.2",
        "confirm it in study.toml: years = [0, 25.2]",
    ),
    (
        "control without a session",
        control_without_session,
        "sub-04/sub-04_sessions.tsv",
        "no row",
        "add them",
    ),
    (
        "row too short",
        table("lesions", lambda rows: rows[2].pop()),
        "lesions.tsv row 3",
        "has 4 cells",
        "write n/a for a missing value",
    ),
    (
        "table without rows",
        table("histology", lambda rows: rows.__delitem__(slice(1, None))),
        "histology.tsv",
        "no row",
        "add them",
    ),
    (
        "column that is missing",
        table("participants", lambda rows: [row.pop(2) for row in rows]),
        "participants.tsv row 1, column 'age'",
        "is missing",
        "add it",
    ),
    (
        "cell that is empty",
        cell("lesions", 4, "lesion_id", ""),
        "lesions.tsv row 4",
        "the cell is empty",
        "fill it in",
    ),
    (
        "number that is none",
        cell("participants", 2, "age", "41,5"),
        "participants.tsv row 2",
        "'41,5'",
        "write decimals with a point: 41.5",
    ),
    (
        "number out of bounds",
        cell("participants", 2, "age", "300"),
        "column 'age'",
        "300",
        "correct it",
    ),
    (
        "level of a cell",
        cell("participants", 2, "sex", "x"),
        "column 'sex'",
        "'x'",
        "use one of these",
    ),
    (
        "type of a lesion",
        cell("lesions", 2, "lesion_type", "rim"),
        "lesions.tsv row 2",
        "'rim'",
        "did you mean 'hypointense_rim'",
    ),
    ("identifier", cell("ratings", 3, "lesion_id", "L 1"), "ratings.tsv row 3", "'L 1'", ";"),
    (
        "key twice",
        table("lesions", lambda rows: rows.append(rows[1])),
        "lesions.tsv row 22",
        "is already in row 2",
        "correct or remove one of the two",
    ),
    (
        "row of nobody",
        cell("lesions", 2, "session_id", "ses-99"),
        "lesions.tsv row 2",
        "'ses-99'",
        "add the row there",
    ),
    (
        "lesion of a control",
        table("lesions", lambda rows: rows.append(["sub-04", *rows[1][1:]])),
        "lesions.tsv row 22",
        "'sub-04' is a control",
        "correct the group",
    ),
    (
        "first session not at 0",
        cell("sessions", 4, "years", "0.5"),
        "row 2, column 'years'",
        "0.5",
        "count years from the first session",
    ),
    (
        "two sessions at once",
        cell("sessions", 3, "years", "0"),
        "row 3, column 'years'",
        "also that of ses-01",
        "give each session its own time",
    ),
    (
        "column of two tables",
        table("participants", lambda rows: rows[0].__setitem__(4, "label")),
        "lesions.tsv row 1, column 'label'",
        "participants.tsv",
        "rename one of the two",
    ),
    (
        "participant without a file",
        without_sessions,
        "{participant}/{participant}_sessions.tsv",
        "sub-02",
        "add it or correct tables.sessions",
    ),
    (
        "no sessions",
        without_any_sessions,
        "{participant}/{participant}_sessions.tsv",
        "sub-01, sub-02",
        "add it or correct tables.sessions",
    ),
    (
        "no participants",
        without_participants,
        "participants.tsv",
        "no such file",
        "put it there",
    ),
    (
        "file without a participant",
        with_a_stranger,
        "sub-77/sub-77_sessions.tsv",
        "'sub-77'",
        "add it or remove the file",
    ),
    (
        "participants in many files",
        table("lesions", lambda _: None, TOML.replace('"participants.tsv"', '"{participant}.tsv"')),
        "'tables.participants'",
        "'{participant}.tsv'",
        "name the file",
    ),
    (
        "column of study.toml",
        table(
            "lesions",
            lambda _: None,
            TOML.replace('"lesions.tsv"', '{ file = "lesions.tsv", columns = { label = "nr" } }'),
        ),
        "'tables.lesions.columns.label'",
        "'nr'",
        "correct the name",
    ),
    (
        "spelling of study.toml",
        table("lesions", lambda _: None, TOML + '\n[lesion_types]\nrim = "zebra"\n'),
        "'lesion_types.rim'",
        "'zebra'",
        "use one of these",
    ),
    # tables as labs write them
    (
        "age that changes",
        partial(clinic, "", VISITS),
        "clinic.tsv row 3, column 'age'",
        "sub-01 has 40 and 41",
        'baseline = ["age"] below [tables.participants]',
    ),
    (
        "baseline that does not change",
        partial(clinic, ', baseline = ["age", "edss"]', VISITS),
        "'tables.participants.baseline'",
        "edss is the same at every session",
        "remove it",
    ),
    (
        "baseline of no column",
        partial(clinic, ', baseline = ["age", "sdmt"]', VISITS),
        "'tables.participants.baseline'",
        "no column 'sdmt'",
        "correct the name",
    ),
    (
        "dates whose form is not stated",
        partial(clinic, "", [[*VISITS[0][:2], "03.04.2020", *VISITS[0][3:]]]),
        "clinic.tsv row 2, column 'date'",
        "'03.04.2020' is 2020-04-03 or 2020-03-04",
        'date_format = "day-first"',
    ),
    (
        "visit without an image",
        visits('{ "ses-01" = 0, "ses-03" = 2 }', "sub-01/ses-01/sub-01_ses-01"),
        "'tables.sessions.visits.ses-03'",
        "no participant has a map of this session",
        "correct its name",
    ),
    (
        "participant without the first visit",
        visits(
            '{ "ses-01" = 0, "ses-02" = 2 }',
            "sub-01/ses-01/sub-01_ses-01",
            "sub-02/ses-02/sub-02_ses-02",
        ),
        "'tables.sessions.visits'",
        "sub-02 has no map of the first session, 'ses-01'",
        "give the sessions in a table",
    ),
    (
        "rows for each session that have sessions",
        spelled("each_session = true"),
        "'tables.lesions.each_session'",
        "has a column 'session_id'",
        "remove each_session",
    ),
    (
        "missing code that is nowhere",
        spelled('missing = ["-99"]'),
        "'tables.lesions.missing'",
        "no cell of lesions.tsv holds '-99'",
        "remove it",
    ),
    (
        "identifiers that match already",
        spelled("match_ids = true"),
        "'tables.lesions.match_ids'",
        "no identifier differs",
        "remove it",
    ),
    (
        "identifiers without their zeros",
        table("lesions", lambda rows: [row.__setitem__(0, row[0][-1]) for row in rows[1:]]),
        "lesions.tsv, column 'participant_id'",
        "('1' and 'sub-01')",
        "match_ids = true below [tables.lesions]",
    ),
    (
        "participants with a row per visit",
        table("participants", lambda rows: rows.extend([row[0], *row[1:]] for row in rows[1:4])),
        "participants.tsv",
        "has several rows of sub-01",
        'sessions = { file = "participants.tsv" } below [tables]',
    ),
    (
        "levels of words that are nowhere",
        table("participants", lambda _: None, TOML + '\n[levels.sex]\n1 = "F"'),
        "'levels.sex'",
        "no cell of participants.tsv, column 'sex', holds '1'",
        "or remove the section",
    ),
    (
        "column of recorded words that is there",
        table(
            "participants",
            lambda rows: [row.append("sex_recorded") for row in rows],
            TOML + '\n[levels.sex]\nF = "F"\nfemme = "F"',
        ),
        "participants.tsv row 1, column 'sex_recorded'",
        "is for the words of 'sex'",
        "rename this column",
    ),
    (
        "two types of one colour",
        types(a='colour = "#D55E00"', b='colour = "#d55e00"'),
        "'lesion_types.b.colour'",
        "'#d55e00' is also that of 'a'",
        "choose another",
    ),
    (
        "rule for types of one's own",
        setting("[lesion_type_rule]\nrim = 2.0\n[lesion_types.a]\n[lesion_types.b]"),
        "'lesion_type_rule'",
        "does nothing without the map susceptibility_ppb and the five types of QSM",
        "or remove this",
    ),
    (
        "text in a column of numbers",
        further("nfl", "9", "8", "10.7<", "7"),
        "participants.tsv row 4, column 'nfl'",
        "'10.7<' is not a number",
        'missing = ["10.7<"]',
    ),
    (
        "identifiers that lost what tells them apart",
        table(
            "lesions",
            lambda rows: [
                row.__setitem__(0, ("001", "01")[number % 2]) for number, row in enumerate(rows[1:])
            ],
        ),
        "lesions.tsv, column 'participant_id'",
        "'001' and '01' may both be sub-01",
        "write them in full",
    ),
    (
        "decimal commas in a column of one's own",
        further("nfl", "9,5", "8", "7", "7"),
        "participants.tsv row 2, column 'nfl'",
        "'9,5' is not a number",
        'state decimal = ","',
    ),
    (
        "decimal commas where none are",
        spelled('decimal = ","'),
        "'tables.lesions.decimal'",
        "no text of lesions.tsv is a number with a comma",
        "remove it",
    ),
    (
        "text in a column that is none",
        spelled('text = ["site"]'),
        "'tables.lesions.text'",
        "has no column 'site'",
        "correct the name",
    ),
    (
        "text in a column that is text",
        further("site", *"ABCD", text=["site"]),
        "'tables.participants.text'",
        "most cells of 'site' are no numbers",
        "remove it",
    ),
    (
        "two sessions on one date",
        partial(clinic, "", [VISITS[0], [*VISITS[1][:2], *VISITS[0][2:]]]),
        "clinic.tsv row 3, column 'date'",
        "sub-01 has the sessions ses-01 and ses-02 on 2020-01-01",
        "correct one date",
    ),
    (
        "identifier that is a date",
        cell("lesions", 2, "lesion_id", "2024-03-01"),
        "lesions.tsv row 2, column 'lesion_id'",
        "'2024-03-01' is a date",
        "enter the identifiers again",
    ),
    (
        "number that is a date",
        cell("participants", 2, "age", "01. Mai"),
        "participants.tsv row 2, column 'age'",
        "'01. Mai' is not a number",
        "enter it again",
    ),
    (
        "capped age",
        table("participants", lambda rows: rows[1].__setitem__(2, "89+")),
        "participants.tsv row 2, column 'age'",
        "'89+' is not a number",
        "capped = { age = 89 } below [tables.participants]",
    ),
    (
        "band of ages",
        table("participants", lambda rows: rows[1].__setitem__(2, "40-49")),
        "column 'age'",
        "'40-49' is not a number",
        "give the column another name",
    ),
    (
        "age with its unit",
        table("participants", lambda rows: rows[1].__setitem__(2, "31 y")),
        "column 'age'",
        "'31 y' is not a number",
        "write the number without its unit: 31",
    ),
    (
        "date for an identifier",
        table("lesions", lambda rows: rows[1].__setitem__(2, "2024-03-01T08:00:00")),
        "column 'lesion_id'",
        "'2024-03-01T08:00:00' is a date",
        "format the column as text",
    ),
    (
        "sidecar of a table that is no JSON",
        with_a_broken_sidecar,
        "participants.json",
        "cannot be read: Expecting",
        "correct it, or remove it",
    ),
    # before a run, and from code
    (
        "study with a problem",
        lambda folder: sound_tables(open_study(write_tables(folder))),
        "study.toml",
        "none of",
        "correct the pattern",
    ),
    (
        "mask of another name",
        lambda folder: extract_cohort(
            open_study(write_tables(folder, None, TOML.replace("white_matter", "wm")))
        ),
        "'tissue'",
        "names wm",
        "the white-matter mask must be called 'white_matter'",
    ),
    (
        "features twice",
        tidied(lambda folder: features(folder, twice=True)),
        "features",
        "label 1",
        "keep one",
    ),
    (
        "features without a column",
        tidied(lambda folder: features(folder).drop(columns="region")),
        "features, column 'region'",
        "is missing",
        "add it",
    ),
    (
        "features of no lesion",
        tidied(lambda folder: features(folder, label=77)),
        "features",
        "label 77 of sub-01 ses-01",
        "add the row or remove the label",
    ),
    (
        "matches of no lesion",
        identified(MATCH),
        "matches",
        "label 9 of sub-01 ses-01",
        "match the visits",
    ),
    (
        "session without matches",
        identified({}, visits=2),
        "matches",
        "sub-01 ses-02",
        "match the visits",
    ),
    (
        "wide column that is none",
        long(wide=["r3"], names_to="a", values_to="b"),
        "table, column 'r3'",
        "is not a column",
        "correct the name",
    ),
    (
        "wide column there already",
        long(wide=["r1"], names_to="id", values_to="b"),
        "table, column 'id'",
        "is already a column",
        "choose another name",
    ),
    (
        "one column for two",
        long(wide=["r1"], names_to="b", values_to="b"),
        "column 'b'",
        "both the names and the values",
        "name two columns",
    ),
    (
        "wide type that is none",
        long(wide=["iso"], names_to="lesion_type", values_to="n"),
        "table, column 'iso'",
        "is not a column",
        "correct the name",
    ),
    (
        "own word of a type that is none",
        long(wide=["r1"], names_to="r", values_to="lesion_type", lesion_types={"odd": "zebra"}),
        "lesion_types",
        "'zebra'",
        "use one of these",
    ),
    (
        "wide rating that is none",
        long(wide=["r1", "r2"], names_to="r", values_to="lesion_type"),
        "table, column 'lesion_type'",
        "'odd'",
        ";",
    ),
    (
        "folder without anything",
        initialised(lambda folder: (folder / "bare").mkdir() or folder / "bare"),
        "bare:",
        "no image",
        "name the folder",
    ),
]
CHECKED: list[tuple[str, Act, str, str, str]] = [
    (
        "image copied from another session",
        checked(
            lambda folder: image(folder, "MWFmap", "sub-03/ses-01").write_bytes(
                image(folder, "MWFmap", "sub-02/ses-01").read_bytes()
            )
        ),
        "sub-03/ses-01/sub-03_ses-01_MWFmap.nii.gz",
        "identical to sub-02/ses-01/sub-02_ses-01_MWFmap.nii.gz",
        "replace the copy",
    ),
    (
        "image that is missing",
        checked(lambda folder: image(folder, "MWFmap").unlink()),
        "sub-01/ses-01/sub-01_ses-01_MWFmap.nii.gz",
        "no such file",
        "copy it there",
    ),
    (
        "image that cannot be read",
        checked(lambda folder: image(folder, "MWFmap").write_bytes(b"")),
        "sub-01/ses-01/sub-01_ses-01_MWFmap.nii.gz",
        "0 bytes",
        "copy or write it again",
    ),
    (
        "image that may not be read",
        opening(PermissionError(13, "Permission denied")),
        "sub-01/ses-01/sub-01_ses-01_MWFmap.nii.gz",
        "Permission denied",
        "copy it again",
    ),
    (
        "image that takes all memory",
        opening(MemoryError()),
        "sub-01/ses-01/sub-01_ses-01_MWFmap.nii.gz",
        "does not fit into memory",
        "use fewer processes",
    ),
    (
        "image whose process is ended",
        losing_its_process,
        "sub-01/ses-01/sub-01_ses-01_dseg.nii.gz",
        "BrokenExecutor: killed",
        "use a machine with more memory",
    ),
    (
        "images of another name",
        checked(lambda _: None, TOML.replace("MWFmap", "MVFmap")),
        "'maps.mwf_percent.pattern'",
        "none of 5 sessions",
        "correct the pattern",
    ),
    (
        "label without a row",
        checked(
            lambda folder: write_image(
                image(folder, "dseg"), np.arange(12**3, dtype=np.int16).reshape(12, 12, 12) % 7
            )
        ),
        "sub-01_ses-01_dseg.nii.gz",
        "label 6",
        "add it",
    ),
    (
        "labels of a control",
        checked(
            lambda folder: write_image(
                image(folder, "dseg", "sub-04/ses-01"), np.ones((12, 12, 12), dtype=np.int16)
            )
        ),
        "sub-04_ses-01_dseg.nii.gz",
        "sub-04 is a control",
        "remove the labels",
    ),
    (
        "sidecar of another unit",
        checked(sidecar({"Units": "fraction"})),
        "'maps.mwf_percent.unit'",
        "'fraction' in MWFmap.json",
        "correct one",
    ),
    (
        "sidecar that is no JSON",
        checked(sidecar("{")),
        "MWFmap.json",
        "is not a JSON object",
        "correct it",
    ),
    ("sidecar that is a list", checked(sidecar([1])), "MWFmap.json", "'[1]'", "write {...}"),
    (
        "sidecar of a number",
        checked(sidecar({"Units": 3})),
        "MWFmap.json",
        "Units is 3",
        "write a text",
    ),
    (
        "pattern without session",
        checked(
            lambda _: None,
            TOML.replace("{session}_dseg", "dseg").replace(
                "{session}/{participant}_dseg", "{participant}_dseg"
            ),
        ),
        "'labels.pattern'",
        "sub-01 has 2 sessions",
        "add it",
    ),
    (
        "formula that cannot be meant",
        checked(lambda _: None, TOML + '\n[models]\nbaseline = "{outcome} ~ agee + (1 | sex)"\n'),
        "'models.baseline'",
        "'agee'",
        "correct the formula",
    ),
    (
        "scanners that differ between the tables",
        checked(lambda folder: scanners(folder, "ABAB", "ABBAB")),
        "sub-01_sessions.tsv row 3",
        "'B' is the scanner of this session",
        "correct one of the two",
    ),
    (
        "session without a scanner",
        checked(lambda folder: scanners(folder, "", "A.AAA")),
        "row 3, column 'scanner'",
        "1 of 5 sessions (sub-01 ses-02)",
        "enter it",
    ),
    (
        "scanner of one session",
        checked(lambda folder: scanners(folder, "AABC", "")),
        "participants.tsv row 5",
        "'C' has one session only",
        "scanner of the same model",
    ),
    (
        "term of a scanner that no table has",
        checked(lambda _: None, TOML + '\n[models]\nscanner = "random"\n'),
        "'models.scanner'",
        "no table has a column 'scanner'",
        "add the column, or name it in [tables.sessions]",
    ),
    (
        "scanner as a term of an outcome that is harmonised",
        checked(
            lambda folder: scanners(folder, "AABB", ""),
            TOML
            + '\n[models]\nharmonise = "combat"\n'
            + 'baseline = "{outcome} ~ lesion_type + scanner + (1 | participant_id)"\n',
        ),
        "'models.baseline'",
        "has the scanner",
        "leave one of the two out",
    ),
    (
        "weights by a column that is not there",
        checked(lambda _: None, TOML + '\n[models.baseline]\nweights = "lesion_typ"\n'),
        "'models.baseline.weights'",
        "'lesion_typ'",
        "did you mean",
    ),
    (
        "class that nothing means",
        checked(
            lambda _: None, TOML + '\n[histology]\nmapping = { remyelinated = "isointense" }\n'
        ),
        "'histology.mapping'",
        "1 lesions of histology.tsv are 'chronic_active'",
        "add chronic_active",
    ),
    (
        "clinical variable that no table has",
        checked(lambda _: None, TOML + '\n[patients]\nclinical = ["log(agee)"]\n'),
        "'patients.clinical'",
        "'agee'",
        "did you mean 'age'?",
    ),
    (
        "variable of Table 1 that no table has",
        checked(lambda _: None, TOML + '\n[table_one]\nmedian = ["agee"]\n'),
        "'table_one.median'",
        "'agee'",
        "did you mean 'age'?",
    ),
    (
        "adjudicator who is no rater",
        checked(lambda _: None, TOML + '\n[raters]\nadjudicator = "x"\n'),
        "'raters.adjudicator'",
        "'x'",
        "choose from",
    ),
]
CHECKED += [
    (
        "masks instead of labels",
        checked(
            lambda folder: [
                write_image(path, (np.asanyarray(nib.load(path).dataobj) > 0).astype(np.uint8))
                for path in folder.rglob("*_dseg.nii.gz")
            ]
        ),
        "'labels'",
        "all 4 images hold the label 1 only, but sessions have up to 5",
        'write instances = "components"',
    ),
    (
        "description of the dataset that is no JSON",
        checked(lambda folder: (folder / "dataset_description.json").write_text("{")),
        "dataset_description.json",
        "is not a JSON object",
        "correct it",
    ),
    (
        "levels that are no levels",
        checked(lambda folder: (folder / "participants.json").write_text('{"sex": {"Levels": 2}}')),
        "participants.json, column 'sex'",
        "has the Levels 2",
        'write {"value"',
    ),
    (
        "link to an image outside",
        linked_out("sub-01/ses-01/sub-01_ses-01_dseg.nii.gz", messages_of),
        "sub-01_ses-01_dseg.nii.gz",
        "leads out of the study folder",
        "outside = true",
    ),
    (
        "code for a missing value",
        noted(further("nfl", "9", "8", "-99", "7")),
        "participants.tsv, column 'nfl'",
        "1 cell holds -99, the others 7 to 9",
        'missing = ["-99"] below [tables.participants]',
    ),
    (
        "sessions in another order than their numbers",
        noted(
            partial(
                clinic,
                "",
                [
                    [VISITS[1][0], "ses-03", *VISITS[1][2:]],
                    [*VISITS[0][:2], "2021-02-01", *VISITS[0][3:]],
                ],
            )
        ),
        "clinic.tsv, column 'date'",
        "sub-01 (ses-01: 2021-02-01, ses-03: 2021-01-01)",
        "correct a wrong time",
    ),
    (
        "map without a range",
        checked(
            lambda _: None,
            TOML + "\n[maps.own]\nunit = 'percent'\n"
            "pattern = '{participant}/{session}/{participant}_{session}_MWFmap.nii.gz'",
        ),
        "'maps.own'",
        "no plausible range",
        "add plausible = [low, high]",
    ),
    (
        "lesion that is seen once",
        checked(
            lambda folder: (folder / "lesions.tsv").write_text(
                (folder / "lesions.tsv").read_text().replace("ses-02\tL1", "ses-02\tL9")
            )
        ),
        "lesions.tsv, column 'lesion_id'",
        "2 of 6 lesions",
        "check whether",
    ),
]
OUTSIDE: list[tuple[str, Act, str, str, str]] = [
    (
        "image outside",
        linked_out("lesions.tsv", lambda study: study.image("lesions.tsv", "", "")),
        "lesions.tsv",
        "leads out of the study folder",
        "outside = true",
    ),
]
WRONG_USE: list[tuple[str, Act, str, str, str]] = [
    (
        "lesions not matched",
        tidied(features, INDEPENDENT),
        "matching.lesion_ids",
        "independent",
        "give matches=",
    ),
    (
        "no folder to look at",
        initialised(lambda folder: folder / "x"),
        "x",
        "no such folder",
        "name the one",
    ),
    (
        "study.toml that is there",
        initialised(lambda folder: (folder / "study.toml").write_text("") and None),
        "study.toml",
        "already exists",
        "--force writes a new one",
    ),
]

CASES = [
    Case(name=name, act=act, kind=kind, place=p, value=v, remedy=r)
    for kind, group in (
        (InvalidDataError, INVALID),
        (None, CHECKED),
        (ImageError, OUTSIDE),
        (UsageError, WRONG_USE),
    )
    for name, act, p, v, r in group
]
