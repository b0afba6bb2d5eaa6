"""What an output folder holds, read once and without ever failing for what is absent.

The report is drawn from these files alone. A table that is absent (a study without histology, a
run that failed half way) is None here and a sentence in words on the page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.spreadsheets import read_guarded

__all__ = ["Results"]

TEXT_COLUMNS = ("participant_id", "session_id", "lesion_id", "brain_id", "rater_id", "contrast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The files of one output folder.

    Attributes
    ----------
    folder
        The output folder.
    """

    folder: Path
    _tables: dict[str, pd.DataFrame | None] = field(default_factory=dict, repr=False)

    def table(self, name: str) -> pd.DataFrame | None:
        """Return the table ``name`` (path below the folder, without .tsv); None where absent.

        A table that is there and holds no row is returned empty.

        Raises
        ------
        InvalidDataError
            If the file is there and is no table.
        """
        if name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]

    def rows(self, name: str, outcome: str | None = None) -> pd.DataFrame:
        """Return the rows of a table (of one outcome); an empty frame where there are none."""
        table = self.table(name)
        if table is None:
            return pd.DataFrame()
        if outcome is None or "outcome" not in table:
            return table
        return table[table["outcome"] == outcome].reset_index(drop=True)

    def text(self, name: str) -> str:
        """Return the text of a file below the folder; empty where it is absent."""
        path = self.folder / name
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    def provenance(self) -> dict[str, Any]:
        """Return provenance.json; empty where it is absent.

        Raises
        ------
        InvalidDataError
            If the file is there and is not a JSON object.
        """
        text = self.text("provenance.json")
        try:
            content = json.loads(text) if text else {}
        except json.JSONDecodeError as error:
            raise self._broken("provenance.json", error) from error
        return content if isinstance(content, dict) else {"provenance": content}

    def names(self, folder: str) -> list[str]:
        """Return the names of the tables in a subfolder, as `table` takes them, sorted."""
        return sorted(f"{folder}/{path.stem}" for path in (self.folder / folder).glob("*.tsv"))

    def _read(self, name: str) -> pd.DataFrame | None:
        path = self.folder / f"{name}.tsv"
        if not path.is_file():
            return None
        try:
            table = pd.read_csv(
                path,
                sep="\t",
                na_values=["n/a"],
                keep_default_na=False,
                dtype=dict.fromkeys(TEXT_COLUMNS, "str"),
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise self._broken(f"{name}.tsv", error) from error
        return read_guarded(table)

    def _broken(self, name: str, error: Exception) -> InvalidDataError:
        problem = f"cannot be read ({error}); run `qsmstats run` again to write it anew"
        return InvalidDataError([Problem(table=str(self.folder / name), problem=problem)])
