r"""Table 1: the participants, patients beside controls and followed beside not followed.

Numbers are given as mean (SD); as median [lower, upper quartile] where they are ordinal or counted
(EDSS, lesions, their volume, and what the study names) or skewed: :math:`|g_1| > 1`, with
:math:`g_1` the adjusted skewness of the deviations from the mean of their group (Bulmer 1979,
Principles of Statistics, section 5). Quartiles are interpolated linearly (definition 7 of Hyndman &
Fan 1996, Am Stat 50:361-365). Categories are given as number (percent of those with a value), in
one row where one category says it all: sex, yes or no, 1 or 0.

Groups are compared by standardised differences, which do not depend on their size; tests of a
descriptive table are advised against (STROBE item 14a, Vandenbroucke et al. 2007, Epidemiology
18:805-835). For means :math:`m`, variances :math:`s^2` (of a proportion :math:`p (1 - p)`), and for
the vectors :math:`p` of the proportions of all categories but the first with their covariances
:math:`S`, :math:`S_{kk} = p_k (1 - p_k)` and :math:`S_{kl} = -p_k p_l`:

.. math:: d = \frac{m_2 - m_1}{\sqrt{(s_1^2 + s_2^2) / 2}}, \qquad
   d = \sqrt{(p_2 - p_1)' \left(\frac{S_1 + S_2}{2}\right)^{-1} (p_2 - p_1)}

(Austin 2009, Stat Med 28:3083-3107; Yang & Dalton 2012, SAS Global Forum, paper 335). The second
has no sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.errors import UsageError, did_you_mean, nearest, require_columns
from qsmstats.own_schemas import Schemas
from qsmstats.schemas import load_schema
from qsmstats.settings import TableOneSettings
from qsmstats.studies.answers import number_of
from qsmstats.study import Study
from qsmstats.tables.read import StudyTables
from qsmstats.tables.tidy import first_sessions
from qsmstats.tables.visits import AT_SESSION
from qsmstats.voxels.lesion_rows import read_tables

__all__ = ["CAPTION", "GROUPS", "TableOne", "column_problems", "table_one"]

GROUPS = {
    "HC": "controls",
    "MS": "patients",
    "followed": "followed",
    "not_followed": "not followed",
}
"""Column of a group -> its title."""
COMPARED = {
    "standardised_difference": ("HC", "MS"),
    "standardised_difference_followed": ("followed", "not_followed"),
}
"""Column of a standardised difference -> the groups of which it is the second less the first."""
CAPTION = "Table 1. Participants at the first session"
UNDESCRIBED = {"participant_id", "session_id", "group", "years"}
NOUNS = {"HC": "control", "MS": "patient"}
MOST_LEVELS = 10
"""Levels of a text column that the table lists."""
SKEWED = 1.0
LESIONS, VOLUME = "Lesions per patient", "Lesion volume per patient (mL)"
FOLLOW_UP = "Time of follow-up (years)"
"""Columns that are computed have their titles for names, which no column of a study has."""
MEDIANS = ("edss", LESIONS, VOLUME)
YES, NO = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no"}
Row = dict[str, object]
NB = "\N{NO-BREAK SPACE}"
INDENT = 2 * NB
DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOne(Displayed):
    """The participants of a study, as a journal prints them.

    Attributes
    ----------
    rows
        One row per variable (and category): `variable`, `level`, `statistic`, a column per group
        (`HC`, `MS`, and of the patients `followed` and `not_followed`), `missing_` before each the
        number of its participants without a value, `standardised_difference` of patients and
        controls, `standardised_difference_followed` of followed and not followed.
    """

    rows: pd.DataFrame

    @property
    def groups(self) -> list[str]:
        """Groups with participants; patients are not divided where all or none were followed."""
        there = [name for name in GROUPS if self._size(name)]
        divided = {"followed", "not_followed"}
        return [name for name in there if name not in divided or divided <= {*there}]

    def _size(self, group: str) -> int:
        return int(float(self.rows[group].iloc[0]))  # a file holds texts, or numbers in their place

    def printed(self) -> pd.DataFrame:
        """Return the table as it is printed: texts, one row per variable or category.

        Returns
        -------
        DataFrame
            The variable with its statistic, one column per group, headed by its title and size, and
            after two groups that are compared their standardised difference (SMD).
        """
        rows, groups = self.rows.iloc[1:].astype(object), self.groups
        label = rows["variable"] + ", " + rows["statistic"]
        of_level = rows["level"].fillna("")
        columns = {"Characteristic": label.where(of_level == "", INDENT + of_level)}
        for name in groups:
            title = GROUPS[name].capitalize()
            cells = rows[name].where(rows[name].notna(), DASH)
            # A category's row stands below that of its variable, which holds no number.
            empty = rows[list(GROUPS)].isna().all(axis=1)
            columns[f"{title} (n{NB}={NB}{self._size(name)})"] = cells.mask(empty, "")
            for difference, (_, second) in COMPARED.items():
                if name != second or rows[difference].isna().all():
                    continue
                texts = rows[difference].map("{:z.2f}".format).str.replace("-", "\N{MINUS SIGN}")
                # Headings may not repeat: that of the second ends in a space.
                head = "SMD" if "SMD" not in columns else "SMD "
                columns[head] = texts.where(rows[difference].notna(), "")
        return pd.DataFrame(columns).reset_index(drop=True)

    @property
    def footnotes(self) -> tuple[str, ...]:
        """What the table needs to be read: abbreviations, who is counted, missing values."""
        groups, printed = self.groups, self.printed()
        notes = ["SD: standard deviation. IQR: interquartile range, lower and upper quartile."]
        if any(str(name).startswith("SMD") for name in printed):
            notes.append(
                "SMD: standardised mean difference, the difference of the two means or proportions"
                " (right less left) divided by the root mean square of their standard deviations;"
                " of several categories, the Mahalanobis distance."
            )
        if "followed" in groups:
            notes.append("Followed: patients measured at two sessions or more.")
        missing = []
        for _, row in self.rows.iloc[1:].iterrows():
            lost = {name: row[f"missing_{name}"] for name in groups}
            lost = {name: int(count) for name, count in lost.items() if pd.notna(count) and count}
            words = [number_of(lost[name], noun) for name, noun in NOUNS.items() if name in lost]
            parts = [f"{lost[name]} {GROUPS[name]}" for name in lost if name not in NOUNS]
            if words:
                divided = f" ({', '.join(parts)})" if parts else ""
                missing.append(f"{row['variable']}, {', '.join(words)}{divided}")
        if missing:
            notes.append(f"Missing values: {'; '.join(missing)}.")
        if (printed == DASH).any(axis=None):
            notes.append(f"{DASH}: not recorded or not applicable in this group.")
        return tuple(notes)


def table_one(
    study: Study | StudyTables,
    patients: pd.DataFrame,
    *,
    settings: TableOneSettings | None = None,
) -> TableOne:
    """Describe the participants.

    Parameters
    ----------
    study
        A study, or its tables where they have been read already.
    patients
        What `patient_table` returns.
    settings
        Which further columns are described, and how; by default those of the study.

    Returns
    -------
    TableOne
        Number of participants; age, sex, disease duration and EDSS where the tables have them;
        further columns; number and volume of lesions, and patients with a lesion of each type that
        has a rim, at the first session; time of follow-up. `write_table_one` writes it.

    Raises
    ------
    UsageError
        If the settings name a column that the tables do not have, or a text with many values.

    Examples
    --------
    >>> study = qs.open_study("demo/study")
    >>> lesions = qs.tidy_lesions(study, qs.extract_cohort(study))
    >>> table = qs.table_one(study, qs.patient_table(study, lesions))
    >>> table.printed().iloc[0, 0]
    'Age (years), mean (SD)'
    """
    require_columns(
        patients.columns, ("participant_id", "session_id", "years", "measured"), "patients"
    )
    tables = study if isinstance(study, StudyTables) else read_tables(study)
    if settings is None:
        settings = study.table_one if isinstance(study, Study) else TableOneSettings()
    for _, problem in column_problems(settings, tables.participants, tables.sessions):
        raise UsageError(problem)
    people = _people(tables, patients)
    controls, cases = people[people["group"] == "HC"], people[people["group"] == "MS"]
    followed = cases[FOLLOW_UP].notna()
    groups = dict(zip(GROUPS, (controls, cases, cases[followed], cases[~followed]), strict=True))
    rows: list[Row] = [{"variable": "Participants", "statistic": "n"}]
    rows[0] |= {name: str(len(group)) for name, group in groups.items()}
    for name, title in _variables(people, tables.schemas, settings).items():
        # Who was not followed has no time of follow-up, rather than a missing one.
        these = {
            key: group if name != FOLLOW_UP or key == "followed" else group.iloc[:0]
            for key, group in groups.items()
        }
        parts = {key: group[name].dropna() for key, group in these.items()}
        if not any(map(len, parts.values())):
            continue  # nobody was followed, or a column is empty
        missing = {f"missing_{key}": len(these[key]) - len(part) for key, part in parts.items()}
        # A group without any value has it not recorded, rather than missing.
        missing = {key: n for key, n in missing.items() if len(parts[key.removeprefix("missing_")])}
        ordinal = name in settings.median
        levels = None if ordinal else _levels(people[name], name, tables.schemas)
        if levels is None:
            rows.append(_number_row(title, parts, median=ordinal or name in MEDIANS) | missing)
        else:
            found = list(_level_rows(title, parts, levels))
            found[0] |= missing
            rows += found
    counts = [f"missing_{name}" for name in GROUPS]
    columns = ["variable", "level", "statistic", *GROUPS, *COMPARED, *counts]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(counts, "Int64"))
    return TableOne(rows=table.assign(level=table["level"].astype(object).fillna("")))


def _people(tables: StudyTables, patients: pd.DataFrame) -> pd.DataFrame:
    """Return one row per participant: the tables' columns, and what was measured in patients."""
    first = first_sessions(tables.sessions).drop(columns=["session_id", "years"])
    # A column that one table for both gave participants is that of the first session already.
    own = tables.participants.columns.drop("participant_id")
    first = first.drop(columns=[*own, *(f"{name}{AT_SESSION}" for name in own)], errors="ignore")
    measured = patients[patients["measured"]]
    times = measured.groupby("participant_id", observed=True)["years"].agg(["max", "min", "size"])
    start = first_sessions(patients)
    start = start[start["measured"]].set_index("participant_id")
    computed = {LESIONS: start["n_lesions"], VOLUME: start["volume_mm3"] / 1000}
    for kind, title in _rims(tables.schemas).items():
        computed[title] = start[f"n_{kind}"] > 0
    computed[FOLLOW_UP] = (times["max"] - times["min"]).where(times["size"] > 1)
    people = tables.participants.merge(first, on="participant_id", how="left")
    return people.merge(pd.DataFrame(computed), on="participant_id", how="left")


def _rims(schemas: Schemas) -> dict[str, str]:
    titles = schemas.table("lesions").column("lesion_type").level_titles
    return {kind: f"Any lesion: {titles[kind]}" for kind in schemas.rims}


def column_problems(
    settings: TableOneSettings, participants: pd.DataFrame, sessions: pd.DataFrame
) -> Iterator[tuple[str, str]]:
    """Yield each setting that names a column which Table 1 cannot have, and why.

    Parameters
    ----------
    settings
        The settings.
    participants, sessions
        The tables.
    """
    always = [field.name for field in load_schema("participants").fields]
    twice = {f"{column}{AT_SESSION}" for column in participants}
    columns = [column for column in (*participants, *sessions) if column not in UNDESCRIBED | twice]
    for where in ("variables", "median", "titles"):
        for name in getattr(settings, where):
            if name not in columns:
                hint = did_you_mean(nearest(name, columns)) or "; correct it or add the column"
                yield where, f"no table of participants or sessions has a column '{name}'{hint}"
                continue
            if settings.variables and name not in (*settings.variables, *always):
                yield where, f"'{name}' is not in the table; add it to variables, or remove it"
                continue
            values = participants[name] if name in participants else sessions[name]
            if where == "median" and not pd.api.types.is_numeric_dtype(values):
                yield where, f"the column '{name}' holds texts, which have no median; remove it"
            elif not _is_described(values):
                text = f"the column '{name}' has {values.nunique()} different texts, too many for"
                yield where, f"{text} groups of participants; name numbers or recurring categories"


def _is_described(values: pd.Series) -> bool:
    """Whether a column holds numbers or few categories: free text names people."""
    counts = values.value_counts()
    few = len(counts) <= MOST_LEVELS and len(counts) * 2 <= counts.sum()
    return few or pd.api.types.is_numeric_dtype(values)


def _variables(
    people: pd.DataFrame, schemas: Schemas, settings: TableOneSettings
) -> dict[str, str]:
    """Return the columns to describe and their titles, in the order of the table."""
    computed = [LESIONS, VOLUME, *_rims(schemas).values(), FOLLOW_UP]
    known = {field.name: field for field in schemas.table("participants").fields}
    others = [*people.columns.drop([*computed, "participant_id", "group"])]
    further = settings.variables or [name for name in others if _is_described(people[name])]
    titles = {}
    for name in dict.fromkeys((*(name for name in known if name in others), *further)):
        unit = known[name].unit if name in known else None
        title = known[name].title if name in known else name.replace("_", " ")
        title = title[:1].upper() + title[1:] + (f" ({unit}s)" if unit and unit != "1" else "")
        titles[name] = settings.titles.get(name, title)
    return titles | {title: title for title in computed}


def _levels(values: pd.Series, name: str, schemas: Schemas) -> Mapping[str, str] | None:
    """Return the categories of a column and what they add to its title; None of numbers.

    Of two categories, one says it all.
    """
    known = {field.name: field for field in schemas.table("participants").fields}.get(name)
    if name in (LESIONS, VOLUME, FOLLOW_UP) or (known and known.type == "number"):
        return None
    if known and known.levels:
        first = known.levels[0]
        return {first: known.level_titles[first]} if len(known.levels) == 2 else known.level_titles
    found = sorted(map(str, values.dropna().unique()))
    words = {level.casefold() for level in found}
    if not known and words <= YES | NO and len(words) <= 2:
        return {next((level for level in found if level.casefold() in YES), "yes"): ""}
    return None if pd.api.types.is_numeric_dtype(values) else {level: level for level in found}


def _number_row(title: str, groups: Mapping[str, pd.Series], *, median: bool) -> Row:
    """Return the row of a variable that is a number; `median` where it is ordinal or counted."""
    numbers = {name: values.astype(float) for name, values in groups.items()}
    centred = pd.concat([numbers[name] - numbers[name].mean() for name in ("HC", "MS")])
    median = median or abs(float(centred.skew())) > SKEWED  # type: ignore[arg-type]  # a number
    row: Row = {
        "variable": title,
        "statistic": "median [IQR]" if median else "mean (SD)",
    }
    # Two digits of the spread; one decimal at least, but for numbers of hundreds.
    spread = float(pd.concat(numbers.values()).std())
    places = 1 - int(np.floor(np.log10(spread))) if spread > 0 else 1
    places = max(places, 1) if places > -1 else 0
    whole = median and all((values % 1 == 0).all() for values in numbers.values())
    for name, values in numbers.items():
        if values.empty:
            continue
        figures = [*values.quantile([0.5, 0.25, 0.75])] if median else [values.mean(), values.std()]
        # A median of whole numbers is one, or halfway between two.
        texts = [f"{round(x, 1):g}" if whole else f"{x:.{places}f}" for x in figures]
        texts = [text.replace("nan", "n/a") for text in texts]
        row[name] = f"{texts[0]} [{texts[1]}, {texts[2]}]" if median else f"{texts[0]} ({texts[1]})"
    for column, (first, second) in COMPARED.items():
        moments = ((numbers[name].mean(), numbers[name].var()) for name in (first, second))
        row[column] = _standardised(*moments)
    return row


def _standardised(first: tuple[float, float], second: tuple[float, float]) -> float:
    spread = np.sqrt((first[1] + second[1]) / 2)
    return float((second[0] - first[0]) / spread) if spread > 0 else np.nan


def _level_rows(
    title: str, groups: Mapping[str, pd.Series], levels: Mapping[str, str]
) -> Iterator[Row]:
    """Yield the row of the only category; or one of the variable, and one of each category."""
    there = {name: values.astype(str) for name, values in groups.items() if len(values)}
    shares = {
        name: np.array([(values == level).mean() for level in levels])
        for name, values in there.items()
    }
    head: Row = {"variable": title, "statistic": "n (%)"}
    differences: Row = {
        column: _difference(shares[first], shares[second])
        for column, (first, second) in COMPARED.items()
        if {first, second} <= shares.keys()
    }
    if len(levels) > 1:
        yield head | differences
    for place, (level, added) in enumerate(levels.items()):
        cells: Row = {
            name: f"{int((values == level).sum())} ({shares[name][place]:.1%})"
            for name, values in there.items()
        }
        if len(levels) > 1:
            yield head | {"level": added} | cells
        else:
            named = f"{title}: {added}" if added else title
            yield head | {"variable": named} | cells | differences


def _difference(first: Floats, second: Floats) -> float:
    """Return the standardised difference of the proportions of one or several categories."""
    if len(first) == 1:
        return _standardised(*((float(p[0]), float(p[0] * (1 - p[0]))) for p in (first, second)))
    there = (first + second) > 0
    p, q = first[there][1:], second[there][1:]
    covariance = np.mean([np.diag(x) - np.outer(x, x) for x in (p, q)], axis=0)
    if not len(p) or np.linalg.matrix_rank(covariance) < len(p):
        return np.nan
    return float(np.sqrt((q - p) @ np.linalg.solve(covariance, q - p)))
