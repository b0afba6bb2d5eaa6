"""What a study is: its maps, tables and settings, and where each image and table is.

Patterns of images and per-participant tables carry ``{participant}`` and ``{session}``, which
stand for the whole identifiers (``sub-001``, ``ses-01``). A `Study` is read from study.toml by
`qsmstats.study_file`; what the tables hold is read by `qsmstats.tables`, what the images hold by
`qsmstats.voxels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qsmstats.display import Displayed
from qsmstats.errors import ImageError, Problem
from qsmstats.own_schemas import Schemas
from qsmstats.schemas import map_schemas
from qsmstats.settings import (
    FeatureSettings,
    FolderSettings,
    HistologySettings,
    LesionTypeRule,
    MatchingSettings,
    ModelSettings,
    PatientSettings,
    RaterSettings,
    TableOneSettings,
)
from qsmstats.untrusted_files import leads_out, matching_files

__all__ = [
    "DATE_FORMATS",
    "EACH",
    "STAY_INSIDE",
    "TIME_UNITS",
    "LabelSpec",
    "MapSpec",
    "Study",
    "TableSpec",
    "TissueSpec",
    "VoxelwiseSpec",
]

DATE_FORMATS = ("iso", "day-first", "month-first")
"""How dates may be written: ``2024-03-31``, ``31.03.2024``, ``03/31/2024``."""
TIME_UNITS = {"years": 1.0, "months": 1 / 12, "weeks": 7 / 365.25, "days": 1 / 365.25}
"""Unit of time -> years, the year being 365.25 days."""
EACH = ("lesion_type", "lesion")
"""What a label file may be named after, in braces in its pattern."""

STAY_INSIDE = (
    "copy the files into it, or allow it, if you trust the study: outside = true in section "
    "[study] of study.toml"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSpec:
    """One quantitative map of the study.

    Attributes
    ----------
    name
        Canonical name (`susceptibility_ppb`, `mwf_percent`, `ndi`: the unit is part of it), or
        another one.
    pattern
        Path of the image below the study folder, with ``{participant}`` and ``{session}``.
    unit
        Unit of the stored values; converted to the canonical one when read, where there is one.
    missing
        Stored value that means "not measured" (MWF fits often write 0), or None.
    volume
        Number, from 0, of the volume of a file of several, or None.
    """

    name: str
    pattern: str
    unit: str
    missing: float | None = None
    volume: int | None = None

    @property
    def factor(self) -> float:
        """Factor from the stored unit to the canonical one; 1 where the map has none."""
        known = map_schemas().get(self.name)
        return known.units[self.unit] if known else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSpec:
    """Where the lesions are, and how one is told from another.

    Attributes
    ----------
    pattern
        As for a map. It may carry ``{lesion_type}``, for one file per type of lesion, or
        ``{lesion}``, for one mask per lesion.
    instances
        "labels": each lesion has a whole number of its own. "components": the files are masks, and
        a lesion is what hangs together in one.
    connectivity
        Neighbours of a voxel that hang together with it: 6 share a face, 18 an edge, 26 a corner.
    min_mm3
        Components smaller than this are left out.
    volume
        As for a map.
    """

    pattern: str
    instances: str = "labels"
    connectivity: int = 26
    min_mm3: float = 3.0
    volume: int | None = None

    @property
    def each(self) -> str | None:
        """What each file holds: one "lesion_type", one "lesion", or None: all lesions."""
        return next((name for name in EACH if f"{{{name}}}" in self.pattern), None)

    @property
    def lists_lesions(self) -> bool:
        """Whether the images say which lesions there are, so that no table need list them."""
        return self.each is not None or self.instances == "components"


@dataclass(frozen=True, slots=True, kw_only=True)
class TissueSpec:
    """A mask of a tissue, or the labels of a parcellation that make it up.

    Attributes
    ----------
    pattern, volume
        As for a map.
    labels
        First and last value of each range of a parcellation, as study.toml lists them; empty for a
        mask.
    """

    pattern: str
    labels: tuple[tuple[int, int], ...] = ()
    volume: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelwiseSpec:
    """Images in a common space, for `qsmstats map`.

    Attributes
    ----------
    mask
        Path below the study folder of the mask of the voxels to analyse; empty where none is named.
    maps
        Maps in that space, as those of the study; of a map that data_schemas/ does not know, the
        unit is that of its own section in [maps].
    """

    mask: str = ""
    maps: tuple[MapSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """Where a table is, and how its files are to be read.

    Attributes
    ----------
    files
        Paths below the study folder; may carry ``{participant}``, for sessions ``{session}`` too.
        Empty for sessions whose `visits` are stated.
    sheet
        Sheet of a workbook; by default the one with the table's name, or the only one.
    separator, decimal, encoding
        How a text file is written; by default tabs or commas as its suffix says, a decimal point
        and UTF-8. `decimal` is for the texts of workbooks too.
    columns
        Column of the schema -> name of that column in the file, where they differ. A column of
        the file may serve several.
    missing
        Words that stand for a missing value in this table, beside those of the schema; not in its
        identifiers.
    date, years
        Sessions: the column with their dates; or the column with the time since the first one and
        its unit (one of `TIME_UNITS`).
    visits
        Sessions without a table: identifier -> years. A participant has those with an image.
    birth_date
        Participants: the column with the dates of birth, which give the age at the first session.
    date_format
        How dates are written (one of `DATE_FORMATS`); without it as ``2024-03-31`` only.
    baseline
        Participants in a table with a row per session: columns that change from session to
        session, of which the participant gets the value at the first one.
    capped
        Column -> number that stands for itself and all above it, written as ``89+`` or ``>89``.
    text
        Further columns that stay text although most of their cells are numbers, such as the
        numbers of centres: categories in formulas.
    each_session
        Lesions or ratings: the rows are not of one session. Lesions are those of every session of
        their participant; a rating counts once, at the first session.
    match_ids
        Whether identifiers are matched without regard to capitals, ``sub-``, ``ses-`` and leading
        zeros: those of participants with the names of the folders, all others with the tables of
        participants and sessions.
    wide
        Columns of the file that hold one rater (visit, type, ...) each; empty for a long table.
    names_to, values_to
        Columns of the schema that receive the names and the values of `wide`.
    """

    files: tuple[str, ...] = ()
    sheet: str | None = None
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    date: str | None = None
    years: tuple[str, str] | None = None
    visits: Mapping[str, float] = field(default_factory=dict)
    birth_date: str | None = None
    date_format: str | None = None
    baseline: tuple[str, ...] = ()
    capped: Mapping[str, float] = field(default_factory=dict)
    text: tuple[str, ...] = ()
    each_session: bool = False
    match_ids: bool = False
    wide: tuple[str, ...] = ()
    names_to: str | None = None
    values_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Study(Displayed):
    """A study folder as study.toml describes it.

    Attributes
    ----------
    schemas
        The schemas of its tables and maps: those of data_schemas/ with what it declares.
    checksum
        sha256 of study.toml as read.

    The others are sections of study.toml.
    """

    folder: Path
    name: str
    labels: LabelSpec
    maps: tuple[MapSpec, ...]
    tissue: Mapping[str, TissueSpec]
    tables: Mapping[str, TableSpec]
    plausible: Mapping[str, Sequence[float]] = field(default_factory=dict)
    study: FolderSettings = field(default_factory=FolderSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    matching: MatchingSettings = field(default_factory=MatchingSettings)
    lesion_type_rule: LesionTypeRule = field(default_factory=LesionTypeRule)
    models: ModelSettings = field(default_factory=ModelSettings)
    histology: HistologySettings = field(default_factory=HistologySettings)
    raters: RaterSettings = field(default_factory=RaterSettings)
    patients: PatientSettings = field(default_factory=PatientSettings)
    table_one: TableOneSettings = field(default_factory=TableOneSettings)
    voxelwise: VoxelwiseSpec = field(default_factory=VoxelwiseSpec)
    schemas: Schemas = field(default_factory=Schemas)
    checksum: str = field(default="", compare=False)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Columns of the tidy table to analyse: ``map.feature`` has the column ``map_feature``."""
        named = self.models.outcomes or tuple(spec.name for spec in self.maps)
        return tuple(name.replace(".", "_") for name in named)

    @property
    def patterns(self) -> dict[str, str]:
        """Place in study.toml -> pattern, of every image."""
        return {
            "labels.pattern": self.labels.pattern,
            **{f"maps.{spec.name}.pattern": spec.pattern for spec in self.maps},
            **{f"tissue.{name}": spec.pattern for name, spec in self.tissue.items()},
        }

    def outside(self, name: str) -> Problem | None:
        """Return the problem of a file that leads out of the study folder, where that is barred.

        Parameters
        ----------
        name
            Path of an image, table or sidecar below the study folder; links are followed.
        """
        if self.study.outside or not leads_out(self.folder, self.folder / name):
            return None
        return Problem(table=name, problem=f"leads out of the study folder; {STAY_INSIDE}")

    def image(self, pattern: str, participant_id: str, session_id: str) -> Path:
        """Return the path of an image of one session, from its pattern.

        Raises
        ------
        ImageError
            If it leads out of the study folder, where that is barred.
        """
        name = pattern.format(participant=participant_id, session=session_id)
        if problem := self.outside(name):
            raise ImageError([problem])
        return self.folder / name

    def labels_name(self, participant_id: str, session_id: str) -> str:
        """Return what messages call the label images of a session: their pattern."""
        pattern = self.labels.pattern.replace("{participant}", participant_id)
        return pattern.replace("{session}", session_id)

    def label_files(self, participant_id: str, session_id: str) -> dict[str, str]:
        """Return the label files of one session, by the lesion type or lesion in their names.

        Returns
        -------
        dict
            Word in place of ``{lesion_type}`` or ``{lesion}`` -> path below the study folder, of
            the files that are there, in the order of the words (2 before 10). Where the pattern
            has neither, "" -> the one path, whether or not the file is there.
        """
        pattern = self.labels_name(participant_id, session_id)
        if self.labels.each is None:
            return {"": pattern}
        return matching_files(self.folder, pattern, f"{{{self.labels.each}}}")

    def name_of(self, path: Path) -> str:
        """Return what messages call a file: its path below the folder, where it lies there."""
        try:
            return path.relative_to(self.folder).as_posix()
        except ValueError:
            return path.as_posix()
