"""What an output folder holds, read once and without ever failing for what is absent.

The report is drawn from these files alone. A table that is absent (a study without histology, a
run that failed half way) is None here and a sentence in words on the page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.own_schemas import DECLARED, Schemas
from qsmstats.records import PLAN
from qsmstats.report.results.anonymous import (
    IDENTIFIERS,
    TABLES,
    Aliases,
    aliases_of,
    veiled,
    veiled_text,
)
from qsmstats.report.results.columns import is_read, needed
from qsmstats.spreadsheets import read_guarded

__all__ = ["Results"]

# Names that may look like numbers: brain 007 is not brain 7.
TEXT_COLUMNS = (
    *IDENTIFIERS,
    *("category", "class_", "contrast", "index_class", "index_test", "lesion_type"),
    *("reference_class", "reference_standard", "scanner"),
)
# Parts of the provenance that name nobody and no file.
IMPERSONAL = ("versions", "models", "features", "matching", "lesion_type_rule", "histology")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The files of one output folder.

    Attributes
    ----------
    folder
        The output folder.
    anonymous
        Whether identifiers are replaced, and paths and the command left out.
    """

    folder: Path
    anonymous: bool = False
    _tables: dict[str, pd.DataFrame | None] = field(default_factory=dict, repr=False)
    _contents: dict[str, Any] = field(default_factory=dict, repr=False)
    _known: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def table(self, name: str) -> pd.DataFrame | None:
        """Return the table ``name`` (path below the folder, without .tsv); None where absent.

        A table that is there and holds no row is returned empty.

        Raises
        ------
        InvalidDataError
            If the file is there and is no table, or lacks a column that the page reads.
        """
        if name not in self._tables:
            table = self._read(name)
            if self.anonymous and table is not None:
                table = veiled(table, self._aliases())
            self._tables[name] = table
        return self._tables[name]

    def rows(self, name: str, outcome: str | None = None) -> pd.DataFrame:
        """Return the rows of a table (of one outcome); an empty frame where there are none.

        A frame has the columns that the page reads (`results.columns`) with or without rows.
        """
        table = self.table(name)
        if table is None:
            return pd.DataFrame(columns=list(needed(name)))
        if outcome is None or "outcome" not in table:
            return table
        return table[table["outcome"] == outcome].reset_index(drop=True)

    def text(self, name: str) -> str:
        """Return the text of a file below the folder; empty where it is absent."""
        text = self._text(name)
        return veiled_text(text, self._aliases()) if self.anonymous else text

    def provenance(self) -> dict[str, Any]:
        """Return provenance.json; empty where it is absent.

        Raises
        ------
        InvalidDataError
            If the file is there and is not a JSON object.
        """
        content = self._json("provenance.json") or {}
        content = content if isinstance(content, dict) else {"provenance": content}
        if self.anonymous:
            return {key: content[key] for key in IMPERSONAL if key in content}
        return content

    def schemas(self) -> Schemas | None:
        """Return the schemas of the study that was run; None where no run has written them.

        Raises
        ------
        InvalidDataError
            If the file is there and does not hold them.
        """
        content = self._json(DECLARED)
        try:
            return None if content is None else Schemas.from_declared(content)
        except (AttributeError, KeyError, TypeError) as error:
            raise self._broken(DECLARED, error) from error

    def names(self, folder: str) -> list[str]:
        """Return the names of the tables in a subfolder, as `table` takes them, sorted."""
        return sorted(f"{folder}/{path.stem}" for path in (self.folder / folder).glob("*.tsv"))

    def _json(self, name: str) -> Any:
        # The provenance names every image of a cohort, and each interval asks it for its level.
        if name not in self._contents:
            text = self._text(name)
            try:
                self._contents[name] = json.loads(text) if text else None
            except json.JSONDecodeError as error:
                raise self._broken(name, error) from error
        return self._contents[name]

    def _text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    def _aliases(self) -> Aliases:
        if not self._known:
            tables = [table for name in TABLES if (table := self._read(name)) is not None]
            secret = self._text("provenance.json").encode()
            self._known.update(aliases_of(tables, secret))
        return self._known

    def _read(self, name: str) -> pd.DataFrame | None:
        path = self.folder / f"{name}.tsv"
        if not path.is_file():
            return None
        try:
            table = pd.read_csv(
                path,
                sep="\t",
                usecols=partial(is_read, name),
                na_values=["n/a"],
                keep_default_na=False,
                dtype=dict.fromkeys(TEXT_COLUMNS, "str"),
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise self._broken(f"{name}.tsv", error) from error
        missing = [column for column in needed(name) if column not in table]
        if missing and len(table):
            command = "plan" if name.startswith(f"{PLAN}/") else "run"
            problem = (
                "is missing: another version of qsmstats wrote this table; run"
                f" `qsmstats {command} STUDY OUT` again"
            )
            place = str(self.folder / f"{name}.tsv")
            raise InvalidDataError(
                [Problem(table=place, column=column, problem=problem) for column in missing]
            )
        return read_guarded(table.reindex(columns=[*table.columns, *missing]))

    def _broken(self, name: str, error: Exception) -> InvalidDataError:
        problem = f"cannot be read ({error}); run `qsmstats run` again to write it anew"
        return InvalidDataError([Problem(table=str(self.folder / name), problem=problem)])
