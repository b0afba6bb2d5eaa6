"""Formulas of study.toml: every slip is found before anything is measured."""

from __future__ import annotations

import pytest

from qsmstats.checks.formulas import formula_problems
from qsmstats.errors import InvalidDataError
from qsmstats.study_file import open_study
from qsmstats.tables.read import load_tables
from tests.mixed.ways_out import WAYS_OUT
from tests.study_folder import TOML, tables, write_tables


def problems(folder, *models, content=None):
    lines = "\n".join(f'{name} = "{formula}"' for name, formula in models)
    study = open_study(write_tables(folder, content, f"{TOML}\n[models]\n{lines}\n"))
    return list(map(str, formula_problems(study, load_tables(study))))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("baseline", "log({outcome}) ~ C(lesion_type) * center + (1 | participant_id)"),
        ("baseline", "{outcome} ~ lesion_type + log(volume_mm3) + (1 | center/participant_id)"),
        ("tissue", "{outcome} ~ tissue * sex + bs(age, df=4) + (1 | participant_id)"),
        ("trajectory", "{outcome} ~ lesion_type + poly(years, 2) + (1 + years | participant_id)"),
        ("baseline", "{outcome} ~ lesion_type + offset(log(age)) + (1 | participant_id)"),
        # Undefined for the made-up ages, which are from 1 to 2: the data will tell.
        ("baseline", "{outcome} ~ lesion_type + log(age - 18) + (1 | participant_id)"),
    ],
)
def test_a_formula_that_can_be_read_is_no_problem(tmp_path, name, formula):
    assert problems(tmp_path, (name, formula)) == []


@pytest.mark.parametrize(
    ("covariates", "words"),
    [
        ('["center", "log(age)"]', None),
        ('["agee"]', "no table has a column 'agee'; did you mean 'age'?"),
        ('["age", "logg(age)"]', "'logg(age)' in"),
        ('["age ~ sex"]', "is not a mixed-model formula"),
    ],
)
def test_covariates_are_read_like_formulas(tmp_path, covariates, words):
    study = open_study(
        write_tables(tmp_path, None, f"{TOML}\n[models]\ncovariates = {covariates}\n")
    )
    found = list(map(str, formula_problems(study, load_tables(study))))
    assert [line for line in found if "models.covariates" not in line] == []
    assert len(found) == (words is not None)
    assert words is None or words in found[0]


@pytest.mark.parametrize(
    ("name", "formula", "words"),
    [
        ("baseline", "{outcome} ~ lesion_type + (1 | participant_id", "is never closed; close it"),
        ("baseline", "{outcome} ~ lesion_type + age", "has no random term: add one"),
        ("baseline", "{outcome} ~ lesion_type + agee + (1 | sex)", "did you mean 'age'?; correct"),
        ("baseline", "{outcome} ~ lesion_type + (1 | patient)", "no table has a column 'patient'"),
        (
            "baseline",
            "{outcome} ~ lesion_type + offset(agee) + (1 | participant_id)",
            "no column 'agee'",
        ),
        ("baseline", "{outcome} ~ lesion_type + tissue + (1 | sex)", "no column 'tissue'"),
        ("baseline", "{outcome} ~ age + (1 | participant_id)", "lacks lesion_type"),
        ("tissue", "{outcome} ~ lesion_type + (1 | participant_id)", "lacks tissue"),
        ("trajectory", "{outcome} ~ lesion_type + (1 | participant_id)", "lacks years"),
        ("baseline", "age ~ {outcome} + lesion_type + (1 | sex)", "lacks the outcome mwf_percent"),
        ("baseline", "{outcome} ~ lesion_type + logg(age) + (1 | sex)", "'logg(age)' in"),
        ("baseline", "{outcome} ~ lesion_type + log(sex) + (1 | participant_id)", "evaluated"),
        ("baseline", "{outcome} ~ lesion_type + age ** + (1 | sex)", "cannot be read as a formula"),
    ],
)
def test_what_is_wrong_is_said_with_its_setting(tmp_path, name, formula, words):
    found = problems(tmp_path, (name, formula))
    assert len(found) == 1
    assert found[0].startswith(f"study.toml, setting 'models.{name}': ")
    assert words.replace("no column", "no table has a column") in found[0]


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Return a study folder and its tables, which are read once for all formulas."""
    folder = write_tables(tmp_path_factory.mktemp("formulas") / "study")
    return folder, load_tables(open_study(folder))


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ('"lesion_type"', []),
        ('["lesion_type", "volume_mm3"]', []),
        ('"lesion_typ"', ["'lesion_typ'; did you mean 'lesion_type'?; correct it or add"]),
        ('["sex", "lesion_type"]', ["names 2 columns, of categories; keep one of numbers and"]),
        ('["age", "volume_mm3"]', ["names 2 columns, of numbers; keep one of numbers and one"]),
    ],
)
def test_weights_are_columns_of_the_tables_one_of_each_kind(tmp_path, stated, found):
    text = f"{TOML}\n[models]\nweights = {stated}\n"
    study = open_study(write_tables(tmp_path, None, text))
    said = list(map(str, formula_problems(study, load_tables(study))))
    assert len(said) == len(found)
    for line, words in zip(said, found, strict=True):
        assert line.startswith("study.toml, setting 'models.baseline.weights': ")
        assert words in line


@pytest.mark.parametrize("way", WAYS_OUT)
def test_no_way_out_of_a_formula(read, tmp_path, monkeypatch, way):
    folder, loaded = read
    monkeypatch.chdir(tmp_path)
    text = f"{{outcome}} ~ lesion_type + {WAYS_OUT[way]} + (1 | participant_id)"
    (folder / "study.toml").write_text(f"{TOML}\n[models]\nbaseline = '''{text}'''\n")
    try:
        found = list(map(str, formula_problems(open_study(folder), loaded)))
    except InvalidDataError as error:  # braces are refused where study.toml is read
        found = list(map(str, error.problems))
    assert len(found) == 1
    assert found[0].startswith("study.toml, setting 'models.baseline': ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("braces", ["{outcome.__class__}", "{{outcome}}", "{outcome!r}", "{{age}}"])
def test_nothing_but_the_outcome_stands_in_braces(tmp_path, braces):
    with pytest.raises(InvalidDataError, match=r"may contain only \{outcome\} in braces"):
        problems(tmp_path, ("baseline", f"{{outcome}} ~ lesion_type + {braces} + (1 | sex)"))


def test_each_formula_is_read_for_itself(tmp_path):
    models = [(name, "{outcome} ~ agee + (1 | participant_id)") for name in ("tissue", "baseline")]
    found = problems(tmp_path, *models)
    assert [line.split("'")[1] for line in found] == ["models.baseline", "models.tissue"]


def test_without_a_table_nothing_is_said_twice(tmp_path):
    content = tables()
    content["lesions"] = [["a"]]
    study = open_study(write_tables(tmp_path, content))
    (tmp_path / "lesions.tsv").unlink()
    assert list(formula_problems(study, load_tables(study))) == []


def test_a_required_column_that_is_missing_is_a_problem_of_its_table_alone(tmp_path):
    content = tables()
    content["participants"] = [row[:2] + row[3:] for row in content["participants"]]  # no age
    assert problems(tmp_path, content=content) == []
    optional = ("baseline", "{outcome} ~ lesion_type + age + edss + (1 | participant_id)")
    assert "no table has a column 'edss'" in problems(tmp_path, optional, content=content)[0]
