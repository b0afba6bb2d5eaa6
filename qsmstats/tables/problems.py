"""Report each problem once: rows of a file that share one are counted together."""

from __future__ import annotations

from collections.abc import Iterable

from qsmstats.errors import Problem

__all__ = ["summarise"]


def summarise(problems: Iterable[Problem]) -> list[Problem]:
    """Put problems that differ in nothing but their row together.

    Returns
    -------
    list of Problem
        In order of first appearance, then row; each at its first row, with the others in `also`.

    Examples
    --------
    >>> same = [Problem(table="a.tsv", row=row, problem="is odd") for row in (3, 4, 5, 9)]
    >>> print(*summarise(same))
    a.tsv row 3: is odd (and 3 more rows: 4-5, 9)
    """
    groups: dict[tuple[str, str | None, str], list[int | None]] = {}
    for item in problems:
        groups.setdefault((item.table, item.column, item.problem), []).append(item.row)
    files = list(dict.fromkeys(file for file, _, _ in groups))
    merged = []
    for (table, column, text), rows in groups.items():
        numbers = sorted({row for row in rows if row is not None})
        row = numbers[0] if numbers else None
        also = tuple(numbers[1:])
        merged.append(Problem(table=table, row=row, column=column, problem=text, also=also))
    return sorted(merged, key=lambda item: (files.index(item.table), item.row or 0))
