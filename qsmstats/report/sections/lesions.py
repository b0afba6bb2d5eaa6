"""Lesions: census by type, how each type looks, and how its maps change with depth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from qsmstats.errors import ImageError
from qsmstats.report.blocks import Block, FigureBlock, Notice, Section, ViewerBlock
from qsmstats.report.figures.layers import layer_profile
from qsmstats.report.figures.tiles import draw_tile
from qsmstats.report.layer_frames import layer_profiles
from qsmstats.report.mosaic import PLACE, Tile, cut_tile, exemplary_lesions
from qsmstats.report.names import outcome_short, short_title, title, with_unit
from qsmstats.report.numbers import count, decimals_of_values, fixed
from qsmstats.report.sections.baseline import first_sessions
from qsmstats.report.sections.context import Context
from qsmstats.report.viewer import build_scene, exemplary_participant, niivue_source
from qsmstats.study import Study

__all__ = ["section"]

TOLD_BY = "susceptibility_ppb"


def section(context: Context) -> Section:
    """Return the section on lesions by type."""
    table = context.display("cohort/lesions", "Lesions by type at the first session")
    sentence = "This run holds no census of lesions."
    blocks: list[Block] = [table or Notice(text=sentence, warning=False)]
    blocks += [*_mosaic(context), *_viewer(context), *_profiles(context)]
    return Section(anchor="lesions", title="Lesions by type", blocks=tuple(blocks))


def _mosaic(context: Context) -> list[Block]:
    study = context.study
    lesions = first_sessions(context.results.rows("tidy"))
    if study is None or not study.maps:
        text = "The study's images are not at hand; no lesions are shown."
        return [Notice(text=text, warning=False)]
    names = [spec.name for spec in study.maps]
    chosen = exemplary_lesions(lesions, TOLD_BY if TOLD_BY in names else names[0])
    if chosen.empty:
        return [Notice(text="No lesion is large enough to be shown.", warning=False)]
    try:
        tiles = [cut_tile(study, row, study.maps) for _, row in chosen.iterrows()]
    except ImageError as error:
        text = f"The lesion mosaic is left out: {error}"
        return [Notice(text=text)]
    return [_mosaic_plate(context, study, chosen, tiles)]


def _mosaic_plate(
    context: Context, study: Study, chosen: pd.DataFrame, tiles: list[Tile]
) -> FigureBlock:
    levels = [str(level) for level in chosen["lesion_type"]]

    def paint(figure: Figure) -> None:
        grid = figure.subplots(len(study.maps), len(tiles), squeeze=False)
        for line, spec in zip(grid, study.maps, strict=True):
            values = np.concatenate([tile.maps[spec.name].ravel() for tile in tiles])
            low, high = np.nanpercentile(values, [1, 99])
            for axes, tile, level in zip(line, tiles, levels, strict=True):
                draw_tile(tile, axes, name=spec.name, level=level, limits=(low, high))
            image = line[-1].images[0]
            bar = figure.colorbar(image, ax=list(line), fraction=0.03, pad=0.01)
            bar.set_label(with_unit(outcome_short(spec.name), spec.name))
            bar.outline.set_visible(False)
        for axes, level, (_, row) in zip(grid[0], levels, chosen.iterrows(), strict=True):
            axes.set_title(f"{short_title(level)}\n{row['participant_id']}", size="small")

    shown = "; ".join(
        f"{title(level)}: {row['participant_id']} {row['session_id']} lesion {row['lesion_id']}"
        for level, (_, row) in zip(levels, chosen.iterrows(), strict=True)
    )
    return context.plates.draw(
        "cohort/mosaic",
        paint,
        height=0.5 + 1.22 * len(study.maps),
        caption="An exemplary lesion of each type, on every map.",
        reading="Axial planes of 36 mm, left is left; the contour is the lesion's label in the"
        " colour of its type. Each lesion is the one nearest its type's median on the"
        " susceptibility map among the largest quarter.",
        alt=f"Mosaic of map cut-outs. {shown}.",
    )


def _viewer(context: Context) -> list[Block]:
    study = context.study
    lesions = exemplary_participant(first_sessions(context.results.rows("tidy")))
    if study is None or lesions.empty or not niivue_source():
        return []
    spec = next((spec for spec in study.maps if spec.name == TOLD_BY), study.maps[0])
    try:
        scene = build_scene(study, lesions, spec)
    except ImageError:
        return []  # the mosaic, drawn from the same images, has said what is wrong
    name = outcome_short(spec.name)
    return [
        ViewerBlock(
            caption=f"{scene.participant_id} {scene.session_id}: {name} with the lesions in the"
            " colour of their type.",
            reading="Drag in a plane to move the crosshair, or choose a lesion in the list.",
            # Inside a script element "<" alone could end it early.
            data=Markup(scene.data.replace("<", "\\u003c")),  # noqa: S704  (JSON of our own)
            columns=("lesion", "type", "volume (mm³)", with_unit(f"mean {name}", spec.name)),
            lesions=_viewer_rows(scene.lesions, spec.name),
        )
    ]


def _viewer_rows(
    lesions: pd.DataFrame, outcome: str
) -> tuple[tuple[tuple[str, ...], tuple[float, float, float]], ...]:
    ordered = lesions.sort_values("volume_mm3", ascending=False).dropna(subset=list(PLACE))
    decimals = decimals_of_values(ordered[outcome])
    return tuple(
        (
            (
                str(row["lesion_id"]),
                title(str(row["lesion_type"])),
                count(float(row["volume_mm3"])),
                fixed(float(row[outcome]), decimals),
            ),
            (float(row[PLACE[0]]), float(row[PLACE[1]]), float(row[PLACE[2]])),
        )
        for _, row in ordered.iterrows()
    )


def _profiles(context: Context) -> list[Block]:
    features = context.results.rows("features")
    lesions = first_sessions(context.results.rows("tidy"))
    needed = {"region", "map", "label", "median", "n_core", "ring_mean", "layer_1_mean"}
    if lesions.empty or not needed <= set(features.columns):
        return []
    outcomes = context.outcomes("baseline") or list(dict.fromkeys(features["map"]))
    profiles = {
        name: layer_profiles(
            features, lesions, outcome=name, layer_mm=context.layer_mm, level=context.level
        )
        for name in outcomes
    }
    return [_profile_plate(context, profiles)] if len(profiles[outcomes[0]]) else []


def _profile_plate(context: Context, profiles: dict[str, pd.DataFrame]) -> FigureBlock:
    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(profiles), squeeze=False)[0]
        for axes, (name, profile) in zip(panels, profiles.items(), strict=True):
            layer_profile(profile, axes)
            axes.set_title(with_unit(f"{outcome_short(name)} − NAWM", name), loc="left")
            axes.set_xlabel("depth (mm)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)

    return context.plates.draw(
        "cohort/layers",
        paint,
        height=3.4,
        caption="Maps by depth below the lesion's edge, by type.",
        reading="0 is the ring around the lesion; further right is deeper inside. Each point is the"
        f" mean over participants of their lesions with a core, minus the NAWM, with its"
        f" {context.ci}. A rim shows as a first layer that differs from the deeper ones.",
        alt="Layer profiles by lesion type: " + _spoken(next(iter(profiles.values()))),
    )


def _spoken(profile: pd.DataFrame) -> str:
    parts = [
        f"{title(str(level))} "
        + ", ".join(f"{row['mean']:.1f} at {row['depth_mm']:g} mm" for _, row in rows.iterrows())
        for level, rows in profile.groupby("lesion_type", sort=False, observed=True)
    ]
    return "; ".join(parts)
