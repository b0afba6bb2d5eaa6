"""The labels of an image against the rows of the lesions table, both ways."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from qsmstats.errors import Problem, plural
from qsmstats.tables.between_tables import control_group, controls
from qsmstats.tables.raw_table import RawTable, place_problem
from qsmstats.tables.read import LoadedTables
from qsmstats.tables.typed import parse_integer

__all__ = ["LabelRows"]

Visit = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelRows:
    """What the lesions table says of the labels of each session.

    Attributes
    ----------
    raw
        The table with the places of its rows; None where it could not be read, which leaves
        nothing to compare.
    rows
        (participant, session) -> label -> position of its row.
    broken
        Keys (participant, session, label) of rows with a problem in them; None stands for the
        parts that have one. Such a row may mean any label that agrees in the other parts, so that
        label is not called one without a row. A row that repeats the label of another is none of
        them: which label it means is known.
    controls
        Participants who have no lesions.
    """

    columns: ClassVar[list[str]] = ["participant_id", "session_id", "label"]

    raw: RawTable | None
    rows: Mapping[Visit, Mapping[int, int]]
    broken: frozenset[tuple[object, ...]]
    controls: frozenset[str]

    @classmethod
    def of(cls, loaded: LoadedTables) -> LabelRows:
        """Collect the labels of the tables as far as they are known."""
        without = frozenset(controls(loaded.frames.get("participants", pd.DataFrame())))
        lesions = loaded.frames.get("lesions", pd.DataFrame())
        if not set(cls.columns) <= set(lesions.columns):
            return cls(raw=None, rows={}, broken=frozenset(), controls=without)
        rows: dict[Visit, dict[int, int]] = {}
        broken: dict[int, tuple[Any, ...]] = {}
        parts = (lesions[name].astype("object") for name in cls.columns)
        keys = zip(*(part.where(part.notna(), None).tolist() for part in parts), strict=True)
        for position, key in enumerate(keys):
            if None in key:
                broken[position] = key
            else:
                rows.setdefault(key[:2], {})[key[2]] = position
        raw = loaded.raw["lesions"]
        words = raw.cells["label"]
        unknown = frozenset(
            key
            for position, key in broken.items()
            if parse_integer(str(words.iloc[position])) not in rows.get(key[:2], {})
        )
        return cls(raw=raw, rows=rows, broken=unknown, controls=without)

    def masks(self, images: Sequence[Collection[int]]) -> list[Problem]:
        """Return one problem where all images hold 1 only, and the table has several labels.

        Parameters
        ----------
        images
            Labels of each image that has any.
        """
        most = max((len(labels) for labels in self.rows.values()), default=0)
        if most < 2 or not images or any({*labels} != {1} for labels in images):
            return []
        text = (
            f"all {len(images)} images hold the label 1 only, but sessions have up to {most} "
            'lesions in the table: they are masks; write instances = "components"'
        )
        return [Problem(table="study.toml", column="labels", problem=text)]

    def compare(self, visit: Visit, labels: set[int], file: str) -> Iterator[Problem]:
        """Yield the rows of a session without a label, and one problem for its other labels.

        Parameters
        ----------
        visit
            Participant and session.
        labels
            Labels of the session's image.
        file
            What messages call the image.
        """
        if self.raw is None:
            return
        rows = self.rows.get(visit, {})
        for label, position in rows.items():
            if label not in labels:
                text = f"{label} is not a label of {file}; remove the row or correct the label"
                yield place_problem(self.raw, position, "label", text)
        excused = {
            label
            for label in labels
            for row in self.broken
            if all(part in (None, own) for part, own in zip(row, (*visit, label), strict=True))
        }
        extra = sorted(labels - rows.keys() - excused)
        if not extra:
            return
        named = f"{plural('label', len(extra))} {', '.join(map(str, extra))}"
        if visit[0] in self.controls:
            text = (
                f"has {named}, but {visit[0]} is a control (group {control_group()}): no lesions; "
                "correct the group, or remove the labels"
            )
        else:
            verb = "have" if len(extra) > 1 else "has"
            text = f"{named} {verb} no row for {' '.join(visit)} in {self.raw.file}; add it"
        yield Problem(table=file, problem=text)
