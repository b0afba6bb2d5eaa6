"""How the modules of the package import one another: at the top, and never in a circle."""

from __future__ import annotations

import ast
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import qsmstats

PACKAGE = Path(qsmstats.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
LATE = {"qsmstats", "qsmstats.cli"}
"""Public names are loaded on first use and commands when they are asked for: help is instant."""


def imported(node):
    """Return the modules of the package that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        assert not node.level, "import by the whole name"
        names = [f"{node.module}.{item.name}" for item in node.names]
        names = [name if name in MODULES else node.module for name in names]
    elif isinstance(node, ast.Import):
        names = [item.name for item in node.names]
    else:
        names = []
    return [name for name in names if name in MODULES]


@cache
def tree(module):
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports(module):
    """Return every import of a module: the names, the line, and whether it stands at the top."""
    top = tree(module)
    at_top = {*top.body}
    return [
        (name, node.lineno, node in at_top)
        for node in ast.walk(top)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(node)
    ]


def test_modules_are_imported_at_the_top():
    late = [
        f"{module} imports {name} in line {line}"
        for module in MODULES.keys() - LATE
        for name, line, at_top in imports(module)
        if not at_top
    ]
    assert not late


def test_there_is_no_circle_of_imports():
    """Every import is counted, in functions and for type checkers too."""
    graph = {module: {name for name, *_ in imports(module)} - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_benchmark_finds_what_it_imports(monkeypatch):
    """They import each other and modules below the public names, and no other test runs them."""
    folder = Path(__file__).parents[1] / "benchmarks"
    names = sorted(path.stem for path in folder.glob("*.py"))
    assert names
    monkeypatch.syspath_prepend(folder)
    for name in names:  # `tables` and `voxels` are their own here
        monkeypatch.delitem(sys.modules, name, raising=False)
    try:
        for name in names:
            import_module(name)
    finally:
        for name in names:
            sys.modules.pop(name, None)
