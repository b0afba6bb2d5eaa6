"""Settings that name what the tables must hold."""

from __future__ import annotations

from qsmstats.checks.settings import named_in_settings
from qsmstats.study_file import open_study
from qsmstats.tables.read import load_tables
from tests.study_folder import TOML, tables, write_tables


def problems(folder, toml="", content=None):
    study = open_study(write_tables(folder, content, TOML + toml))
    return list(map(str, named_in_settings(study, load_tables(study))))


def test_the_defaults_fit_a_study_without_an_adjudicator(tmp_path):
    assert problems(tmp_path) == []


def test_a_class_that_no_type_means_is_named_with_its_lesions(tmp_path):
    content = tables()
    content["histology"] += [["B3", "1", "isointense", "remyelinated"]]
    content["histology"] += [["B3", "2", "isointense", "indeterminate"]]
    content["histology"] += [["B3", "3", "isointense", "n/a"]]
    toml = '\n[histology]\nmapping = { chronic_active = "paramagnetic_rim" }\n'
    assert problems(tmp_path, toml, content) == [
        f"study.toml, setting 'histology.mapping': maps chronic_active, but {count} lesions of "
        f"histology.tsv are '{name}'; add {name} = [...] with the types that mean it, [] if none "
        "does"
        for name, count in (("remyelinated", 2), ("chronic_inactive", 1))
    ]


def test_an_adjudicator_who_rated_nothing_is_named(tmp_path):
    assert problems(tmp_path, '\n[raters]\nadjudicator = "r2"\n') == []
    assert problems(tmp_path, '\n[raters]\nadjudicator = "R2"\n') == [
        "study.toml, setting 'raters.adjudicator': 'R2' is not a rater of ratings.tsv; choose from "
        "r1, r2, or remove the setting"
    ]


def test_tables_that_cannot_be_read_say_nothing(tmp_path):
    folder = write_tables(tmp_path, None, TOML + '\n[raters]\nadjudicator = "x"\n')
    study = open_study(folder)
    (folder / "ratings.tsv").unlink()
    (folder / "histology.tsv").write_text("brain_id\nB1\n")
    assert list(named_in_settings(study, load_tables(study))) == []
