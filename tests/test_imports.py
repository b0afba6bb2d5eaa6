"""How the modules of the package import one another: at the top, and never in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
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


def tree(module):
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@pytest.mark.parametrize("module", sorted(MODULES.keys() - LATE))
def test_modules_are_imported_at_the_top(module):
    top = tree(module)
    late = [
        f"{name} in line {node.lineno}"
        for node in ast.walk(top)
        if node not in top.body
        for name in imported(node)
    ]
    assert not late


def test_there_is_no_circle_of_imports():
    """Every import is counted, in functions and for type checkers too."""
    graph = {
        module: {name for node in ast.walk(tree(module)) for name in imported(node)} - {module}
        for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_benchmark_finds_what_it_imports():
    """They import each other and modules below the public names, and no other test runs them."""
    folder = Path(__file__).parents[1] / "benchmarks"
    code = "import " + ", ".join(sorted(path.stem for path in folder.glob("*.py")))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert not done.returncode, done.stderr
