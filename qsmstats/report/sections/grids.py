"""The answers at a glance: lesion types or classes in rows, maps or rates in columns.

Each cell holds one estimate with its interval below it; what the model was stands below the grid.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from qsmstats.plot.agreement import RATES
from qsmstats.report.blocks import Cell, Column, TableBlock
from qsmstats.report.frames.accuracy import main_rows
from qsmstats.report.sections.context import Context, checked
from qsmstats.wording.estimates import (
    ci_name,
    is_told,
    no_effect,
    oriented,
    quantity_of,
    shown,
    unit_of,
)
from qsmstats.wording.names import (
    capitalised,
    df_title,
    in_words,
    lesion_types,
    method_title,
    outcome_short,
    present_levels,
    short_title,
    tissues,
    title,
)
from qsmstats.wording.numbers import (
    MISSING,
    count,
    counted,
    decimals_of_errors,
    degrees,
    fixed,
    interval,
    p_equation,
    share_interval,
    share_text,
    signed,
)
from qsmstats.wording.sentences import interval_title, largest_difference
from qsmstats.wording.terms import formula_in_words

__all__ = ["accuracy_grid", "changes_grid", "checks_grid", "means_grid", "tissue_grids"]

NOTHING = Cell(text=MISSING, sort="")
SHADES = 4
NAWM, CONTROLS = "nawm", "hc_white_matter"
ROWS_OF = {"baseline": "lesions", "tissue": "regions", "trajectory": "observations of lesions"}


def means_grid(context: Context) -> TableBlock | None:
    """Return marginal means of types by maps, with the test of any difference and the largest."""
    tables = context.tables("baseline/means")
    levels = present_levels(level for table in tables.values() for level in table["level"])
    if not levels:
        return None
    columns = {
        outcome: {
            **_means(table),
            "": _test(context.results.rows("baseline/anova", outcome)),
            "largest": _largest(context, outcome),
        }
        for outcome, table in tables.items()
    }
    heads = {level: short_title(level) for level in levels}
    return _grid(
        "grid-means",
        f"Lesion types at the first session: marginal means ({context.ci})",
        [_column(outcome, table, "mean") for outcome, table in tables.items()],
        {**heads, "": "any difference", "largest": "largest difference"},
        columns,
        note=f"Stronger shading: higher mean of the map.{_model(context, 'baseline')}",
    )


def tissue_grids(context: Context) -> tuple[TableBlock, ...]:
    """Return the differences of lesion types by maps: from NAWM, and from controls' white matter.

    NAWM itself is compared with the white matter of controls.
    """
    tables = context.tables("tissue/contrasts")
    if not tables:
        return ()
    ci = ci_name(next(iter(tables.values())), context.ci)
    grids = []
    for reference in (level for level in tissues() if level not in lesion_types()):
        turned = {}
        for outcome, table in tables.items():
            rows = table[(table["first"] == reference) | (table["second"] == reference)]
            if reference == NAWM:
                white = rows[["first", "second"]].isin([CONTROLS]).any(axis=1)
                rows = rows[~white]
            if len(rows):
                turned[outcome] = oriented(rows, rows["second"] == reference)
        levels = present_levels(
            (level for table in turned.values() for level in table["first"]), tissues()
        )
        grids.append(
            _grid(
                f"grid-{reference.replace('_', '-')}",
                f"Difference from {short_title(reference)} ({ci}, adjusted p)",
                [_column(outcome, table, "difference") for outcome, table in turned.items()],
                {level: short_title(level) for level in levels},
                {outcome: _effects(context, table, "first") for outcome, table in turned.items()},
                note=f"{_shading(context)}{_model(context, 'tissue')}",
            )
        )
    return tuple(grid for grid in grids if grid.rows)


def changes_grid(context: Context) -> TableBlock | None:
    """Return the change per year of types by maps."""
    tables = context.tables("trajectory/slopes")
    levels = present_levels(level for table in tables.values() for level in table["lesion_type"])
    if not levels:
        return None
    first = next(iter(tables.values()))
    return _grid(
        "grid-changes",
        f"Change per year by lesion type ({ci_name(first, context.ci)}, adjusted p)",
        [_column(outcome, table, "change", per=" per year") for outcome, table in tables.items()],
        {level: short_title(level) for level in levels},
        {outcome: _effects(context, table, "lesion_type") for outcome, table in tables.items()},
        note=f"{_shading(context)}{_model(context, 'trajectory')}",
    )


def accuracy_grid(context: Context) -> TableBlock | None:
    """Return sensitivity and specificity of each class, with counts and one interval."""
    rows = main_rows(context.results.rows("histology/accuracy"))
    if rows.empty:
        return None
    rows = rows[rows["measure"].isin(RATES)]
    columns: dict[str, dict[str, Cell]] = {measure: {} for measure in RATES}
    for _, row in rows.iterrows():
        of = row["denominator"]
        limits = share_interval(row["low"], row["high"], of)
        columns[row["measure"]][str(row["class"])] = Cell(
            text=share_text(row["numerator"], of),
            sort=float(row["share"]),
            aside=f"{count(row['numerator'])} of {count(of)}\n{limits}",
        )
    first = rows.iloc[0]
    brains, read = int(first["n_clusters"]), int(first["n"])
    methods = " or ".join(map(method_title, dict.fromkeys(rows["method"].astype(str))))
    kinds = " or ".join(dict.fromkeys(map(interval_title, rows["method"].astype(str))))
    level = f"{100 * context.level:g}\N{NO-BREAK SPACE}%"
    return _grid(
        "grid-accuracy",
        f"Lesion type on MRI against histology: observed proportion, counts and {level} {kinds}",
        [Column(title=measure, numeric=True) for measure in RATES],
        {str(name): capitalised(title(str(name))) for name in dict.fromkeys(rows["class"])},
        columns,
        first="class",
        note=f"{counted(read, 'lesion')} of {counted(brains, 'brain')}, each class against the"
        f" rest. Interval: {methods}.",
    )


def checks_grid(context: Context, studies: dict[str, str]) -> TableBlock | None:
    """Return how many checks of each model failed, and which.

    Parameters
    ----------
    context
        What the section is drawn from.
    studies
        Folder of a study -> what its models are called.
    """
    tables = {folder: context.tables(f"{folder}/checks") for folder in studies}
    outcomes = dict.fromkeys(outcome for table in tables.values() for outcome in table)
    if not outcomes:
        return None
    columns = {
        outcome: {
            folder: _checked(table[outcome]) for folder, table in tables.items() if outcome in table
        }
        for outcome in outcomes
    }
    return _grid(
        "grid-checks",
        "Model checks that failed",
        [Column(title=outcome_short(outcome), numeric=False) for outcome in outcomes],
        {folder: studies[folder] for folder, table in tables.items() if table},
        columns,
        note="What a failed check means for the answer stands with its map below.",
        first="model",
    )


def _grid(
    slug: str,
    caption: str,
    columns: Iterable[Column],
    heads: dict[str, str],
    cells: dict[str, dict[str, Cell]],
    *,
    note: str,
    first: str = "type",
) -> TableBlock:
    """Return the table: `heads` names its rows, `cells` holds them by column and row."""
    return TableBlock(
        slug=slug,
        caption=caption,
        columns=(Column(title=first, numeric=False), *columns),
        rows=tuple(
            (Cell(text=head, sort=head), *(column.get(row, NOTHING) for column in cells.values()))
            for row, head in heads.items()
        ),
        note=note,
        grid=True,
    )


def _column(outcome: str, table: pd.DataFrame, usual: str, per: str = "") -> Column:
    """Return the head of a map's column: its unit, and what the estimates are where unusual."""
    quantity = "" if quantity_of(table) == usual else quantity_of(table)
    # What the caption says of every map is not said again.
    unit = unit_of(table).removesuffix(per.strip()).strip()
    about = ", ".join(filter(None, [quantity, unit]))
    return Column(title=f"{outcome_short(outcome)}{f' ({about})' if about else ''}", numeric=True)


def _means(table: pd.DataFrame) -> dict[str, Cell]:
    """Return the cells of marginal means, shaded from the lowest to the highest."""
    decimals = decimals_of_errors(table["std_error"])
    # Of equal means the ranks are equal too.
    known = table[table["estimate"].notna()]
    places = known["estimate"].rank(method="dense")
    steps = (SHADES - 1) / max(places.max() - 1, 1)
    return _unknown(table, "level") | {
        str(row["level"]): Cell(
            text=fixed(row["estimate"], decimals),
            sort=float(row["estimate"]),
            aside=_limits(row, decimals),
            shade=str(1 + round((place - 1) * steps)),
        )
        for (_, row), place in zip(known.iterrows(), places, strict=True)
    }


def _unknown(table: pd.DataFrame, by: str) -> dict[str, Cell]:
    """Return the cells of what could not be estimated, with the reason in short."""
    rows = table[table["estimate"].isna()]
    notes = rows["note"] if "note" in rows else [""] * len(rows)
    return {
        str(level): Cell(text="not known", sort="", aside=str(note).partition(":")[0])
        for level, note in zip(rows[by], notes, strict=True)
    }


def _limits(row: pd.Series, decimals: int) -> str:
    # On one line.
    limits = interval(row["conf_low"], row["conf_high"], decimals)
    return limits.replace(" ", "\N{NO-BREAK SPACE}")


def _effects(context: Context, table: pd.DataFrame, by: str) -> dict[str, Cell]:
    """Return the cells of differences or changes, coloured where they were shown."""
    decimals, null = decimals_of_errors(table["std_error"]), no_effect(table)
    cells = _unknown(table, by)
    table = table[table["estimate"].notna()]
    told = is_told(table, 1 - context.level)
    for (_, row), clear in zip(shown(table).iterrows(), told, strict=True):
        side = "up" if row["estimate"] > null else "down"
        cells[str(row[by])] = Cell(
            text=(fixed if null else signed)(row["estimate"], decimals),
            sort=float(row["estimate"]),
            aside=f"{_limits(row, decimals)}\n{p_equation(row['p'])}",
            shade=side if clear else "",
        )
    return cells


def _test(anova: pd.DataFrame) -> Cell:
    """Return the test of any difference between types."""
    rows = anova[anova["term"] == "lesion_type"]
    if rows.empty:
        return NOTHING
    row = rows.iloc[0]
    law = f"F({count(row['num_df'])}, {degrees(row['den_df'])}) = {fixed(row['statistic'], 1)}"
    law = law.replace(" ", "\N{NO-BREAK SPACE}")
    return Cell(text=p_equation(row["p_value"]), sort=float(row["p_value"]), aside=law)


def _largest(context: Context, outcome: str) -> Cell:
    contrasts = context.results.rows("baseline/contrasts", outcome)
    found = largest_difference(contrasts, 1 - context.level)
    if found is None:
        return Cell(text="none shown", sort="") if len(contrasts) else NOTHING
    return Cell(
        text=found.value,
        sort=found.value,
        aside=f"{found.pair}\n{found.limits}\n{found.p}".replace(" ", "\N{NO-BREAK SPACE}"),
    )


def _shading(context: Context) -> str:
    alpha = f"{1 - context.level:.2g}"
    return f"Orange: higher, blue: lower (adjusted p < {alpha}); no colour: no difference shown."


def _checked(checks: pd.DataFrame) -> Cell:
    """Return how many of the checks of one model failed, and their names."""
    failed, tested = checked(checks)
    if not failed.any():
        return Cell(text=f"none of {tested}", sort=0)
    names = "\n".join(map(in_words, checks.loc[failed, "check"].astype(str)))
    return Cell(text=f"{failed.sum()} of {tested}", sort=int(failed.sum()), aside=names, shade="up")


def _model(context: Context, folder: str) -> str:
    """Say in a sentence what model was fitted, to how many rows of how many participants."""
    models = context.results.rows(f"{folder}/models")
    if models.empty:
        return ""
    formulas = {
        formula_in_words(str(row["formula"]), str(row["outcome"])) for _, row in models.iterrows()
    }
    used = models.get("n_obs", pd.Series(dtype=int)).dropna()
    groups = " ".join(models.get("n_groups", pd.Series(dtype=str)).astype(str))
    people = [int(number) for number in re.findall(r"participant_id (\d+)", groups)]
    of = f" of {_range(people)} participants" if people else ""
    fitted = f" {_range(used)} {ROWS_OF[folder]}{of}." if len(used) else ""
    told = "; ".join(sorted(formulas)) if len(formulas) <= 2 else "one per map, see methods"
    settings = context.results.provenance().get("models", {})
    df = f", {df_title(settings['df'])}" if settings.get("df") else ""
    return f" Linear mixed model{df}: {told}.{fitted}"


def _range(numbers: Iterable[float]) -> str:
    low, high = min(numbers := list(numbers)), max(numbers)
    return count(low) if low == high else f"{count(low)} to {count(high)}"
