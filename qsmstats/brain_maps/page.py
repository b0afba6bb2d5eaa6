"""The page of a map: what was found for each effect, in sentences, pictures and clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qsmstats.brain_maps.figures import glass_brain, slices
from qsmstats.display import cell_text
from qsmstats.own_schemas import Schemas
from qsmstats.voxelwise.result import VoxelFit
from qsmstats.wording.names import outcome_title, using_schemas
from qsmstats.wording.terms import term_titler

__all__ = ["draw_page"]

TEMPLATES = ("brain_maps", "report")
"""Packages whose templates make the page; the style sheet is that of the report."""
CLUSTERS = 12
"""Clusters shown for each effect; clusters.tsv has them all."""


def draw_page(
    fit: VoxelFit, *, study: str, name: str, schemas: Schemas, methods: str, command: str
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    fit
        The maps.
    study, name
        Name of the study and of the map.
    schemas
        Those of the study, for the names of columns and levels.
    methods, command
        Text of the methods, and the command.
    """
    by = "p_fwe" if "p_fwe" in fit.values else "q_value"
    with using_schemas(schemas):
        title, write = outcome_title(name), term_titler(fit.effects["effect"])
        parts = [_effect(fit, row, write(row["effect"]), by) for row in _rows(fit.effects)]
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(f"qsmstats.{name}") for name in TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sheet = environment.get_template("report.css").render()
    return environment.get_template("maps.html.j2").render(
        css=Markup(sheet),  # noqa: S704  (our own style sheet)
        study=study,
        title=title,
        fit=fit,
        by=by,
        effects=parts,
        methods=methods,
        command=command,
    )


def _rows(table: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = table.to_dict("records")
    return made


def _effect(fit: VoxelFit, row: Mapping[str, Any], title: str, by: str) -> dict[str, Any]:
    effect = row["effect"]
    clusters = fit.clusters(effect, by=by)
    shown = clusters.drop(columns="effect").head(CLUSTERS)
    drawn = bool(len(clusters))
    return {
        "title": title,
        "row": row,
        "glass": glass_brain(fit, effect, by) if drawn else "",
        "slices": slices(fit, effect, by) if drawn else "",
        "n_clusters": len(clusters),
        "columns": list(shown),
        "rows": [[_cell(value, name) for name, value in one.items()] for one in _rows(shown)],
    }


def _cell(value: Any, column: str) -> str:
    if column in ("volume_mm3", "x", "y", "z"):
        return f"{value:,.0f}"
    return cell_text(value, "p_value" if column in ("q_value", "p_fwe") else column)
