"""What README and docs tell a user to type is typed here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import qsmstats

ROOT = Path(qsmstats.__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list:
    found = []
    for page in PAGES:
        for number, text in enumerate(
            re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        ):
            found.append(pytest.param(text, id=f"{page.name}-{number}"))
    return found


@pytest.mark.parametrize("snippet", blocks("python"))
def test_python_snippets_run(snippet, small_study, tmp_path):
    (tmp_path / "demo").mkdir()
    shutil.copytree(small_study, tmp_path / "demo" / "study")
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def commands() -> list[str]:
    lines = [line for block in blocks("bash") for line in block.values[0].splitlines()]
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
    else:
        parse(words[1:])


@pytest.mark.parametrize("text", blocks("toml"))
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
    return f'"{item}"' if isinstance(item, str) else str(item)
