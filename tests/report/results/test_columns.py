import re

import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.report.page import draw_report
from qsmstats.report.results.columns import needed
from qsmstats.report.results.output_folder import Results


@pytest.fixture(scope="module")
def tables(drawn):
    """Every table of an output folder by its name, in the rows of one map."""
    made = {}
    for path in drawn.rglob("*.tsv"):
        table = pd.read_csv(path, sep="\t", dtype="str", keep_default_na=False)
        rows = table[table["outcome"] == "ndi"] if "ndi" in set(table.get("outcome", ())) else table
        made[path.relative_to(drawn).with_suffix("").as_posix()] = rows
    return made


def write(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False)


def test_a_table_without_a_column_that_the_page_reads_is_refused_in_words(tables, tmp_path):
    tried = 0
    for name, table in tables.items():
        for column in needed(name) if len(table) else ():
            write(table.head(1).drop(columns=column), tmp_path / f"{name}.tsv")
            command = re.escape("run `qsmstats run STUDY OUT` again")
            said = rf"{name}\.tsv, column '{column}': is missing: .* {command}"
            with pytest.raises(InvalidDataError, match=said):
                Results(folder=tmp_path).rows(name)
            tried += 1
    assert tried > 100
    write(pd.DataFrame({"outcome": ["ndi"]}), tmp_path / "planning" / "power.tsv")
    with pytest.raises(InvalidDataError, match="run `qsmstats plan STUDY OUT` again"):
        Results(folder=tmp_path).rows("planning/power")


def test_an_absent_or_empty_table_has_these_columns(tmp_path):
    (tmp_path / "failures.tsv").write_text("file\n")
    for name in ("failures", "baseline/contrasts"):
        rows = Results(folder=tmp_path).rows(name)
        assert rows.empty
        assert set(rows.columns) == set(needed(name))


def test_the_page_reads_no_other_column(tables, tmp_path, painted):
    for name, table in tables.items():
        write(table[[*needed(name)] or list(table)], tmp_path / f"{name}.tsv")
    page = draw_report(None, tmp_path).read_text(encoding="utf-8")
    assert len(painted) == 13
    assert "isointense − PRL" in page
