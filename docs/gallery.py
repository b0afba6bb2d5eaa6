"""Makes the pictures of gallery.md: runs its code from top to bottom, and saves what is drawn.

`make gallery` runs it; without a demo it simulates a smaller one first.
"""

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt

from qsmstats import plot, simulate_study
from qsmstats.report.figures.style import svg

PAGE = Path(__file__).with_name("gallery.md")
BLOCK = re.compile(r"^```python\n(.*?)^```\n\n!\[[^]]*\]\(([^)]+)\)$", re.DOTALL | re.MULTILINE)


def main() -> None:
    """Save each figure under the name that the page gives below its code."""
    if not Path("demo/study").exists():
        simulate_study("demo/study", patients=12, controls=4, followed=6)
    names: dict = {}
    for code, target in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        plt.close("all")
        with plot.drawing():
            exec(compile(code, PAGE.name, "exec"), names)  # noqa: S102  (our own page)
            path = PAGE.parent / target
            path.parent.mkdir(exist_ok=True)
            path.write_text(svg(plt.gcf()), encoding="utf-8")


if __name__ == "__main__":
    main()
