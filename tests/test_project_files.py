"""CITATION.cff and the pre-commit hooks: readable, complete, and true."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import yaml

import qsmstats

ROOT = Path(qsmstats.__file__).parents[1]


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_has_what_its_format_asks_for():
    """Required keys and allowed values of Citation File Format 1.2.0, section "schema guide"."""
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["type"] in ("software", "dataset")
    assert isinstance(citation["date-released"], datetime.date)
    assert len(set(citation["keywords"])) == len(citation["keywords"])
    allowed = {
        *("abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi"),
        *("identifiers", "keywords", "license", "license-url", "message", "preferred-citation"),
        *("references", "repository", "repository-artifact", "repository-code", "title", "type"),
        *("url", "version"),
    }
    assert citation.keys() <= allowed
    for work in (citation, *citation["references"]):
        for author in work["authors"]:  # an entity has a name, a person the others
            assert author.keys() == {"name"} or {"family-names", "given-names"} <= author.keys()
    for reference in citation["references"]:
        assert {"authors", "title", "type"} <= reference.keys()
        assert re.fullmatch(r"10\.\d{4,9}(\.\d+)?/\S+", reference["doi"])


def test_the_citation_is_that_of_this_version():
    citation = read("CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"] == qsmstats.__version__
    assert citation["license"] == project["license"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]


def test_every_hook_is_a_program_of_the_environment():
    hooks = [hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in read(".pre-commit-config.yaml")["repos"]} == {"local"}
    assert len({hook["id"] for hook in hooks}) == len(hooks)
    locked = (ROOT / "requirements" / "dev.txt").read_text()
    programs = {
        "ruff": "ruff",
        "mypy": "mypy",
        "lint-imports": "import-linter",
        **dict.fromkeys(
            (
                *("end-of-file-fixer", "trailing-whitespace-fixer", "check-merge-conflict"),
                *("check-added-large-files", "check-toml", "check-yaml"),
            ),
            "pre-commit-hooks",
        ),
    }
    for hook in hooks:
        assert hook["language"] == "system"
        program = Path(hook["entry"].split()[0])
        assert program.parent == Path(".venv/bin")
        assert re.search(rf"^{programs[program.name]}==", locked, re.MULTILINE), program
    assert re.search(r"^pre-commit==", locked, re.MULTILINE)
