"""Lesions: census by type, how each type looks, and how its maps change with depth."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from qsmstats import plot
from qsmstats.errors import ImageError
from qsmstats.plot.layers import layer_profiles
from qsmstats.plot.look import colour, is_narrow
from qsmstats.report.blocks import Block, Details, FigureBlock, Notice, Section, ViewerBlock
from qsmstats.report.images.margins import MARGIN_MM, read_shown
from qsmstats.report.images.mosaic import PLACE, Tile, TileCutter, exemplary_lesions
from qsmstats.report.sections.context import Context
from qsmstats.report.viewer.packing import packed_niivue
from qsmstats.report.viewer.scene import Scene, build_scene, exemplary_participant
from qsmstats.study import Study
from qsmstats.tables.tidy import first_sessions
from qsmstats.voxels.label_store import LabelStore
from qsmstats.voxels.lesion_types import QSM
from qsmstats.wording.names import (
    figure_name,
    outcome_short,
    outcome_words,
    present_levels,
    short_title,
    title,
    with_unit,
)
from qsmstats.wording.numbers import count, decimals_of_values, fixed
from qsmstats.wording.sentences import listed

__all__ = ["section", "thinned"]

FAR = f"Voxels more than {MARGIN_MM:g} mm from lesions and white matter are not shown."

KEYS = (
    "Click or drag in a plane, or choose a lesion in the list, to move the crosshair. Once the"
    " image has been clicked, the wheel and the keys H, L, J, K, U and D move the crosshair plane"
    " by plane; V changes the view. Escape gives the wheel back to the page."
)


def section(context: Context) -> Section:
    """Return the section on lesions by type."""
    table = context.display("cohort/lesions", "Lesions by type at the first session")
    sentence = "This run has no counts of lesions."
    blocks: list[Block] = [table or Notice(text=sentence, warning=False)]
    lesions = first_sessions(context.results.rows("tidy")).dropna(subset=["lesion_type"])
    cutter = _cutter(context, lesions)
    blocks += _viewer(context, lesions, cutter)
    for summary, inside in (
        ("Map values by depth from the edge of the lesion", _profiles(context, lesions)),
        ("A lesion of each type, on every map", _mosaic(context, cutter)),
    ):
        drawn = any(isinstance(block, FigureBlock) for block in inside)
        blocks += [Details(summary=summary, blocks=tuple(inside))] if drawn else inside
    return Section(anchor="lesions", title="Lesions by type", blocks=tuple(blocks))


def _maps(study: Study) -> list[str]:
    """Return the maps of a study, the one by which example lesions are chosen first."""
    return sorted((spec.name for spec in study.maps), key=lambda name: name != QSM)


def _cutter(context: Context, lesions: pd.DataFrame) -> TileCutter | None:
    """Return what reads the images that are shown; None where there are none.

    `lesions` are the typed ones of first sessions, here and below.
    """
    study = context.study
    if context.anonymous or study is None or not study.maps:
        return None
    kept = LabelStore(context.results.folder, study.name_of)
    return TileCutter(
        lambda who: read_shown(study, who, kept),
        exemplary_lesions(lesions, _maps(study)[0]),
    )


def _mosaic(context: Context, cutter: TileCutter | None) -> list[Block]:
    if context.anonymous:
        return [Notice(text="An anonymous report shows no images.", warning=False)]
    if context.study is None or cutter is None:
        text = "The images of the study are not available; no lesions are shown."
        return [Notice(text=text, warning=False)]
    if cutter.lesions.empty:
        return [Notice(text="No lesion is large enough to be shown.", warning=False)]
    try:
        tiles = cutter.tiles()
    except ImageError as error:
        return [Notice(text=f"The lesion mosaic is left out: {error}")]
    return [_mosaic_plate(context, context.study, cutter.lesions, tiles)]


def _mosaic_plate(
    context: Context, study: Study, chosen: pd.DataFrame, tiles: list[Tile]
) -> FigureBlock:
    levels = [str(level) for level in chosen["lesion_type"]]
    people = [str(name) for name in chosen["participant_id"]]
    limits = [
        np.nanpercentile(np.concatenate([tile.maps[spec.name].ravel() for tile in tiles]), [1, 99])
        for spec in study.maps
    ]

    def paint(figure: Figure) -> None:
        narrow = is_narrow(figure)
        shape = (len(study.maps), len(tiles))
        grid = figure.subplots(*(shape[::-1] if narrow else shape), squeeze=False)
        # One line of axes per map, whichever way the figure lies.
        for line, spec, window in zip(grid.T if narrow else grid, study.maps, limits, strict=True):
            for axes, tile, level in zip(line, tiles, levels, strict=True):
                plot.mosaic(
                    tile.maps[spec.name],
                    tile.lesion,
                    hue=level,
                    limits=(window[0], window[1]),
                    extent=tile.extent,
                    ax=axes,
                )
            side = "bottom" if narrow else "right"
            bar = figure.colorbar(
                line[-1].images[0], ax=list(line), location=side, fraction=0.03, pad=0.01
            )
            bar.set_label(with_unit(outcome_short(spec.name), spec.name))
            bar.outline.set_visible(False)
        for axes, level, person in zip(
            grid[:, 0] if narrow else grid[0], levels, people, strict=True
        ):
            name = f"{figure_name(short_title(level), 18)}\n{figure_name(person, 18)}"
            (axes.set_ylabel if narrow else axes.set_title)(name, size="small")

    shown = "; ".join(
        f"{title(level)}: {row['participant_id']} {row['session_id']} {row['lesion_id']}"
        for level, (_, row) in zip(levels, chosen.iterrows(), strict=True)
    )
    return context.plates.draw(
        "cohort/mosaic",
        paint,
        height=0.5 + 1.22 * len(study.maps),
        narrow_height=0.7 + 1.1 * len(tiles),
        caption="A representative lesion of each type, on every map.",
        reading="Axial planes, 36 mm wide, displayed in neurological convention; the contour"
        " outlines the lesion label in the colour of its type. Each lesion is the one closest to"
        f" the median of its type in {outcome_words(_maps(study)[0])}, among the largest quarter,"
        f" and off the midline where one is. Each voxel is shown as it was measured. {FAR}",
        alt=f"Mosaic of map cut-outs. {shown}.",
    )


def _viewer(context: Context, lesions: pd.DataFrame, cutter: TileCutter | None) -> list[Block]:
    everyone = context.results.rows("tidy").dropna(subset=["lesion_type"])
    sessions = everyone.groupby("participant_id", observed=True)["session_id"].nunique()
    first = exemplary_participant(lesions, followed=set(sessions.index[sessions > 1]))
    library = packed_niivue()
    if context.study is None or cutter is None or first.empty or not library:
        return []
    own = everyone[everyone["participant_id"] == first["participant_id"].iloc[0]]
    own = own.sort_values("years", kind="stable")
    maps = _maps(context.study)
    try:
        scene = build_scene(cutter.read, own, maps)
    except ImageError:
        return []  # the mosaic, drawn from the same images, has said what is wrong
    unit_of = maps[0]
    name = outcome_short(unit_of)
    types = present_levels(scene.lesions["lesion_type"])
    who = f"{scene.participant_id} {scene.sessions[0]}"
    listing = scene.lesions.sort_values("volume_mm3", ascending=False).dropna(subset=list(PLACE))
    decimals = decimals_of_values(listing[unit_of])
    return [
        ViewerBlock(
            who=who,
            caption="maps with the lesions in the colour of their type.",
            reading=f"{KEYS} {_sessions(scene)}{FAR}{thinned(scene)}",
            still="data:image/png;base64," + base64.b64encode(scene.still).decode("ascii"),
            still_alt=f"Axial planes of {who}: {name} with the lesions outlined:"
            f" {listed(map(title, types))}.",
            still_reading=f"{name}, axial planes, displayed in neurological convention; each"
            f" contour outlines a lesion. {FAR}",
            key=tuple((title(level), colour(level)) for level in types),
            # Inside a script element "<" alone could end it early.
            data=Markup(scene.data.replace("<", "\\u003c")),  # noqa: S704  (JSON of our own)
            script=library,
            columns=("lesion", "type", "volume (mm³)", with_unit(f"mean {name}", unit_of)),
            lesions=tuple(
                (
                    (
                        str(row["lesion_id"]),
                        title(str(row["lesion_type"])),
                        count(float(row["volume_mm3"])),
                        fixed(float(row[unit_of]), decimals),
                    ),
                    scene.sessions.index(str(row["session_id"])),
                    int(row["number"]),
                    (float(row[PLACE[0]]), float(row[PLACE[1]]), float(row[PLACE[2]])),
                )
                for _, row in listing.iterrows()
            ),
        )
    ]


def _sessions(scene: Scene) -> str:
    """Say how sessions are compared, and which are not shown; nothing where there is but one."""
    several = "All sessions have the same grey levels. " if len(scene.sessions) > 1 else ""
    lost = [f"{name} is not shown: {reason}. " for name, reason in scene.left_out.items()]
    return several + "".join(lost)


def thinned(scene: Scene) -> str:
    """Say that the viewer shows fewer voxels than were analysed; nothing where it shows all."""
    if scene.step == 1:
        return ""
    sides = " × ".join(f"{side:.3g}" for side in scene.spacing_mm)
    return (
        f" To keep this page small, blocks of {scene.step} × {scene.step} × {scene.step} voxels are"
        f" shown as one of {sides} mm; all analyses use the full resolution."
    )


def _profiles(context: Context, lesions: pd.DataFrame) -> list[Block]:
    features = context.results.rows("features")
    if lesions.empty or "layer_1_mean" not in features:
        return []
    measured = list(features["map"].unique())
    outcomes = [name for name in context.maps("baseline") if name in measured] or measured
    profiles = {
        name: layer_profiles(
            features, lesions, outcome=name, layer_mm=context.layer_mm, level=context.level
        )
        for name in outcomes
    }
    if profiles[outcomes[0]].empty:
        return []

    def paint(figure: Figure) -> None:
        narrow = is_narrow(figure)
        shape = (len(profiles), 1) if narrow else (1, len(profiles))
        panels = list(figure.subplots(*shape, squeeze=False, sharex=narrow).flat)
        for axes, (name, profile) in zip(panels, profiles.items(), strict=True):
            plot.profiles(profile, ax=axes)
            axes.set_title(with_unit(f"{outcome_short(name)} − NAWM", name), loc="left")
            if narrow and axes is not panels[-1]:
                axes.set_xlabel("")
        handles, labels = panels[0].get_legend_handles_labels()
        columns = 2 if narrow else 3
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)

    spoken = [
        f"{title(str(level))} "
        + ", ".join(f"{row['mean']:.1f} at {row['depth_mm']:g} mm" for _, row in rows.iterrows())
        for level, rows in profiles[outcomes[0]].groupby("lesion_type", sort=False, observed=True)
    ]
    block = context.plates.draw(
        "cohort/layers",
        paint,
        height=3.4,
        narrow_height=0.9 + 1.9 * len(profiles),
        caption="Map values by depth from the edge of the lesion, by type.",
        reading="Depth 0 is the ring around the lesion; larger depths lie further inside. Points"
        " are means over participants of their lesions with a core, as differences from NAWM, with"
        f" {context.ci}. A rim appears as a first layer that differs from the deeper ones.",
        alt=f"Layer profiles by lesion type: {'; '.join(spoken)}",
    )
    return [block]
