"""What README and docs tell a user to type is typed here, and what they show is what comes out."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import qsmstats
from qsmstats import schemas
from qsmstats.schemas import load_schema, map_schemas

ROOT = Path(qsmstats.__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Return each block in a language with the output that is shown below it, or nothing."""
    return [
        (code, shown) for name, code, shown in BLOCK.findall(page.read_text()) if name == language
    ]


# Their functions have examples that run in tests/test_public_names.py.
LONG = ("baseline.md", "gallery.md", "patients.md", "planning.md", "trajectories.md")


def pages_with(language: str) -> list:
    return [
        pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in LONG else [])
        for page in PAGES
        if blocks(page, language)
    ]


@pytest.fixture
def desk(small_study, tmp_path, monkeypatch):
    """The folder in which a reader works: the demo beside the checkout's docs."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "study").symlink_to(small_study)
    (tmp_path / "demo" / "study_truth.json").symlink_to(f"{small_study}_truth.json")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")
    pd.reset_option("display.float_format")


RUNS: dict[Path, tuple[dict, list[tuple[str, str]]]] = {}


def run_page(page: Path, capsys) -> tuple[dict, list[tuple[str, str]]]:
    """Run the Python of a page from top to bottom; return its names, and shown with real output.

    Each page runs once in a test process.
    """
    if page in RUNS:
        return RUNS[page]
    names: dict = {}
    outputs: list[tuple[str, str]] = []
    for code, shown in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), names)
        outputs.append((shown, capsys.readouterr().out))
    RUNS[page] = names, outputs
    return RUNS[page]


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_runs_and_prints_what_the_page_shows(page, desk, capsys):
    outputs = run_page(page, capsys)[1]
    assert outputs
    for shown, printed in outputs:
        if shown:
            assert_alike(shown, printed)


def assert_alike(shown: str, printed: str) -> None:
    """Compare words, and numbers up to the digits that are shown."""
    assert len(shown.split()) == len(printed.split()), printed
    for word, other in zip(shown.split(), printed.split(), strict=True):
        number = as_number(word)
        if number is None:
            assert word == other
        else:
            assert float(other) == pytest.approx(number, rel=5e-5, abs=1e-12), (word, other)


def as_number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


# What R printed, column by column: what we call it.
R_TABLES = {
    "coefficients": ("estimate", "std_error", "df", "statistic", "p_value"),
    "variances": ("variance", "deviation"),
    "anova": ("num_df", "den_df", "statistic", "p_value"),
    "means": ("estimate", "std_error", "df", "conf_low", "conf_high"),
    "contrasts": ("estimate", "std_error", "df", "statistic", "p_adjusted"),
    "slopes": ("estimate", "std_error", "df", "conf_low", "conf_high"),
    "equivalence": ("estimate", "std_error", "df", "statistic", "p_value"),
    "robust": ("estimate", "std_error", "statistic", "df", "p_value"),
}


def test_r_and_qsmstats_give_the_same_numbers(desk, capsys):
    page = ROOT / "docs" / "for-lmer-users.md"
    fit = run_page(page, capsys)[0]["fit"]
    variances = fit.variances
    # A row of R's table is a standard deviation or a correlation; ours has a column for each.
    variances["deviation"] = variances["std_dev"].fillna(variances["correlation"])
    ours = {
        "coefficients": fit.coefficients(),
        "variances": variances.loc[[3, 0, 1, 2, 4]],
        "anova": fit.anova(),
        "means": fit.marginal_means("lesion_type"),
        "contrasts": fit.contrasts("lesion_type", adjust="holm"),
        "slopes": fit.slopes("years", by="lesion_type"),
        "equivalence": fit.slopes("years", by="lesion_type", margin=0.2, side="equivalence"),
        "robust": fit.cluster_robust().coefficients().dropna(),
    }
    shown = dict(zip(R_TABLES, (text for _, text in blocks(page, "r")), strict=True))
    for name, columns in R_TABLES.items():
        expected = ours[name][list(columns)].to_numpy(dtype=float)
        rows = r_rows(shown[name], len(columns))
        assert len(rows) == len(expected), name
        for words, values in zip(rows, expected, strict=True):
            for word, value in zip(words, values, strict=True):
                assert agrees(word, value), (name, word, value)


def r_rows(text: str, width: int) -> list[list[str]]:
    """Return the last `width` words of each line of a table that R printed."""
    number = re.compile(r"^<?-?[\d.]+(e[+-]\d+)?$")
    lines = [line.split() for line in text.splitlines()]
    return [
        line[-width:]
        for line in lines
        if len(line) > width and all(number.match(word) for word in line[-width:])
    ]


def agrees(word: str, value: float) -> bool:
    """Tell whether a value is the one that was printed, up to its last digit and one in 10^5."""
    if word.startswith("<"):
        return value < float(word[1:])
    mantissa, _, exponent = word.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return math.isclose(value, float(word), rel_tol=1e-5, abs_tol=0.6 * unit)


def test_a_wrong_number_would_be_seen():
    assert agrees("<.0001", 5e-5)
    assert not agrees("<.0001", 2e-4)
    assert agrees("1.245e-3", 0.00124540)
    assert not agrees("1.245e-3", 0.001247)
    with pytest.raises(AssertionError):
        assert_alike("age 0.5", "age 0.5001")
    assert len(r_rows("a 1 2\nb <.1 -3e-05\nResults: 2 levels", 2)) == 2


def test_statsmodels_and_qsmstats_give_the_same_numbers(desk, capsys):
    names = run_page(ROOT / "docs" / "for-statsmodels-users.md", capsys)[0]
    both, peer = names["both"], names["peer"]
    # statsmodels stops where its gradient is small, at 1e-3 of the standard error.
    assert (abs(both["qsmstats"] - both["statsmodels"]) < 1e-3 * both["std_error"]).all()
    # The fits share one optimum: a worse one would have a larger criterion.
    assert names["fit"].info.criterion <= -2 * peer.llf + 1e-9
    assert names["fit"].info.criterion == pytest.approx(-2 * peer.llf, abs=1e-5)


def commands() -> list[str]:
    lines = [
        line for page in PAGES for code, _ in blocks(page, "bash") for line in code.splitlines()
    ]
    inline = [
        c for page in PAGES for c in re.findall(r"`((?:qsmstats|make) [^`]+)`", page.read_text())
    ]
    stripped = (line.split(" # ")[0].strip() for line in [*lines, *inline])
    return sorted({line for line in stripped if line.startswith(("qsmstats ", "make "))})


@pytest.mark.parametrize("command", commands())
def test_commands_are_ones_that_exist(command):
    from qsmstats.cli import parse

    words = shlex.split(command)
    if words[0] == "make":
        text = (ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{word}:", text, re.MULTILINE) for word in words[1:])
    elif len(words) == 2:  # a command spoken of by its name
        with pytest.raises(SystemExit, match="0"):
            parse([words[1], "--help"])
    else:
        parse(words[1:])


def toml_blocks() -> list:
    return [
        pytest.param(code, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (code, _) in enumerate(blocks(page, "toml"))
    ]


@pytest.mark.parametrize("text", toml_blocks())
def test_toml_snippets_are_settings(text, small_study, tmp_path):
    """Each example, put over the study.toml of a real study, opens."""
    raw = tomllib.loads(text)
    base = tomllib.loads((small_study / "study.toml").read_text())
    merged = {
        **base,
        **{
            key: {**base.get(key, {}), **value} if isinstance(value, dict) else value
            for key, value in raw.items()
        },
    }
    (tmp_path / "study.toml").write_text(to_toml(merged))
    qsmstats.open_study(tmp_path)


def to_toml(value: dict, prefix: str = "") -> str:
    """Write nested sections; enough of TOML for settings."""
    plain = {key: item for key, item in value.items() if not isinstance(item, dict)}
    text = "".join(f"{quoted(key)} = {literal(item)}\n" for key, item in plain.items())
    for key, item in value.items():
        if isinstance(item, dict):
            text += f"[{prefix}{quoted(key)}]\n" + to_toml(item, f"{prefix}{quoted(key)}.")
    return text


def quoted(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'


def literal(item: object) -> str:
    if isinstance(item, list):
        return "[" + ", ".join(map(literal, item)) + "]"
    if isinstance(item, bool):
        return str(item).lower()
    return f'"{item}"' if isinstance(item, str) else str(item)


LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_within_the_project_lead_somewhere(page):
    assert LINK.findall((ROOT / "README.md").read_text())
    generated = "generated/"  # made by the build, which treats a missing one as an error
    for target in LINK.findall(page.read_text()):
        if target and "://" not in target and not target.startswith(generated):
            assert (page.parent / target).exists(), target


def test_the_schemas_stand_in_the_documentation_whole():
    spec = importlib.util.spec_from_file_location(
        "schema_tables", ROOT / "docs" / "extensions" / "schema_tables.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "docs" / "tables.md").read_text()
    assert text == module.with_tables(text), "docs/extensions/schema_tables.py writes it"
    for path in (ROOT / "data_schemas").glob("*.schema.json"):
        for column in load_schema(path.name.removesuffix(".schema.json")).fields:
            assert f"| `{column.name}` | {column.description} |" in text
            for level in column.levels:
                assert f"| `{level}` | {column.level_descriptions[level]} |" in text
    assert all(f"| `{name}` |" in text for name in map_schemas())


def test_every_public_name_stands_in_the_reference():
    text = (ROOT / "docs" / "reference.md").read_text()
    names = [name for name in qsmstats.__all__ if name != "__version__"]
    assert [name for name in names if not re.search(rf"^   {name}$", text, re.MULTILINE)] == []


def test_every_page_is_in_the_table_of_contents():
    index = (ROOT / "docs" / "index.md").read_text()
    listed = set(re.findall(r"^([\w-]+)$", index, re.MULTILINE))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} <= listed


def test_a_map_is_added_by_the_schema_alone(study_copy, tmp_path, monkeypatch):
    """What CONTRIBUTING.md shows is all that a new map takes."""
    [(code, _)] = blocks(ROOT / "CONTRIBUTING.md", "json")
    [(name, added)] = json.loads(code).items()
    shutil.copytree(ROOT / "data_schemas", tmp_path / "data_schemas")
    path = tmp_path / "data_schemas" / "features.schema.json"
    schema = json.loads(path.read_text())
    next(field for field in schema["fields"] if "maps" in field)["maps"][name] = added
    path.write_text(json.dumps(schema))
    for image in study_copy.rglob("*_MWFmap.nii.gz"):
        image.rename(image.with_name(image.name.replace("MWFmap", "R2starmap")))
    monkeypatch.setattr(schemas, "_folder", lambda: tmp_path / "data_schemas")
    load_schema.cache_clear()
    map_schemas.cache_clear()
    try:
        qsmstats.init_study(study_copy, force=True)
        text = (study_copy / "study.toml").read_text()
        (study_copy / "study.toml").write_text(text.replace('# unit = "hz"', 'unit = "hz"'))
        study = qsmstats.open_study(study_copy)
        features = qsmstats.extract_cohort(study, participants=["sub-001"]).features
    finally:
        load_schema.cache_clear()
        map_schemas.cache_clear()
    assert set(features["map"]) == {"susceptibility_ppb", name, "ndi"}


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        ("covariate", "covariate"),
        ("add a covariate", "covariate"),
        ("site", "site"),
        ("multiple comparisons", "multiple-comparisons"),
        ("R", "r"),
    ],
)
def test_what_readers_search_for_is_a_main_entry_of_the_page_that_says_how(asked, page):
    """Sphinx's search puts pages first whose main entry ("!") of the index is what was asked."""
    told = re.compile(r"^```\{index\}(.*)\n```$", re.MULTILINE)
    entries = {
        path.stem.removeprefix("how-to-"): re.findall("! ([^,]+)", told.search(path.read_text())[1])
        for path in (ROOT / "docs").glob("how-to-*.md")
    }
    assert [name for name, words in entries.items() if asked in words] == [page]
