"""Results of sessions on disk: written whole or not at all, and used again only if still valid.

Each session has two files in the folder ``features`` of the output: a table, and a manifest of
what the table was made from: version of qsmstats, configuration, sha256 of every input file, and
sha256 of the table. A result is valid only if all agree; time stamps are ignored. Both files are
written whole or not at all, the manifest last, so that a run killed at any moment leaves either a
valid result or none.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from qsmstats.spreadsheets import with_truth
from qsmstats.version import __version__
from qsmstats.voxels.feature_table import MISSING, read_features
from qsmstats.voxels.sessions import Failure, SessionJob, SessionResult
from qsmstats.writing import sweep, written_whole

__all__ = ["FeatureStore", "StoredResult", "sha256"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """What is stored of a session: the bytes of its table or its failure, and its inputs' sums."""

    table: bytes | None = None
    failure: Failure | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)


class FeatureStore:
    """The results of sessions below an output folder.

    Parameters
    ----------
    out
        Output folder; ``features`` is made in it when the first result is written.
    name_of
        Function that gives an input file its name in the manifest: relative to the study folder,
        so that a moved study keeps its results.
    """

    def __init__(self, out: Path, name_of: Callable[[Path], str]) -> None:
        self._folder = out / "features"
        self._name_of = name_of

    def write(self, job: SessionJob, result: SessionResult, inputs: dict[str, str]) -> None:
        """Write the result of a job whose input files have the sha256 sums `inputs`."""
        manifest: dict[str, Any] = {**self._terms(job), "inputs": inputs}
        if result.features is not None:
            text = with_truth(result.features).to_csv(
                sep="\t", index=False, na_rep=MISSING, lineterminator="\n"
            )
            manifest["table"] = hashlib.sha256(text.encode()).hexdigest()
            _write_whole(self._table(job), text)
        if result.failure is not None:
            manifest["failure"] = asdict(result.failure)
        _write_whole(self._manifest(job), json.dumps(manifest, indent=1, sort_keys=True) + "\n")

    def read(self, job: SessionJob, inputs: dict[str, str] | None = None) -> SessionResult | None:
        """Return the stored result of a job, or None where there is no valid one.

        Parameters
        ----------
        job
            The session.
        inputs
            What `input_sums` returns now; None to trust that the inputs have not changed.
        """
        stored = self.stored(job, inputs)
        if stored is None:
            return None
        if stored.table is None:
            return SessionResult(failure=stored.failure, inputs=stored.inputs)
        return SessionResult(features=read_features([stored.table]), inputs=stored.inputs)

    def stored(self, job: SessionJob, inputs: dict[str, str] | None = None) -> StoredResult | None:
        """Return the stored result of a job as `read` does, its table not yet parsed."""
        try:
            manifest = json.loads(self._manifest(job).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # there is none, or it is damaged
            return None
        if not isinstance(manifest, dict):
            return None
        found = {key: manifest.get(key) for key in ("version", "configuration")}
        if found != self._terms(job) or (inputs is not None and manifest.get("inputs") != inputs):
            return None
        sums = manifest.get("inputs", {})
        if "failure" in manifest:
            return StoredResult(failure=Failure(**manifest["failure"]), inputs=sums)
        try:
            table = self._table(job).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(table).hexdigest() != manifest.get("table"):
            return None
        return StoredResult(table=table, inputs=sums)

    def input_sums(self, job: SessionJob) -> dict[str, str]:
        """Return name -> sha256 of every input of a job, or why it cannot be read."""
        sums = {}
        for path in job.inputs:
            try:
                sums[self._name_of(path)] = sha256(path)
            except OSError as error:
                sums[self._name_of(path)] = f"unreadable: {error.strerror}"
        return sums

    def sweep(self) -> None:
        """Remove the unfinished files of killed runs; only when no other run writes here."""
        sweep(self._folder)

    def _terms(self, job: SessionJob) -> dict[str, Any]:
        # Through JSON and back, as the manifest has been.
        terms = {"version": __version__, "configuration": job}
        stored: dict[str, Any] = json.loads(json.dumps(terms, default=self._plain))
        return stored

    def _plain(self, value: Any) -> Any:
        """Return what JSON holds in place of a record or a path; `asdict` would copy the values."""
        if isinstance(value, Path):
            return self._name_of(value)
        return {item.name: getattr(value, item.name) for item in fields(value)}

    def _table(self, job: SessionJob) -> Path:
        return self._folder / f"{job.participant_id}_{job.session_id}_features.tsv"

    def _manifest(self, job: SessionJob) -> Path:
        return self._folder / f"{job.participant_id}_{job.session_id}_manifest.json"


def sha256(path: Path) -> str:
    """Return the sha256 of a regular file; any other is an OSError, as a pipe may never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, text: str) -> None:
    with written_whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="")
