"""One self-contained HTML page from an output folder.

Everything on the page comes from the output folder's TSVs, texts and provenance.json; only the
lesion mosaic reads images of the study, where they are at hand. Running it again draws the same
page anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qsmstats.errors import InvalidDataError, Problem
from qsmstats.output import held
from qsmstats.plot.look import STYLES, Style, figure_style
from qsmstats.records import note_file, require_one_source
from qsmstats.report.blocks import ViewerBlock
from qsmstats.report.figures.files import Plates, figure_formats
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections import (
    baseline,
    checks,
    cohort,
    histology,
    lesions,
    methods,
    patients,
    planning,
    raters,
    record,
    scanners,
    summary,
    trajectory,
    transitions,
)
from qsmstats.report.sections.context import Context
from qsmstats.study import Study
from qsmstats.study_file import open_study
from qsmstats.wording.names import using_schemas
from qsmstats.writing import written_whole

__all__ = ["draw_report", "write_report"]

REPORT = "report.html"
# In the order of the page; a section may be None, where it has no place in this run.
SECTIONS = (
    summary.answers,
    cohort.flow,
    cohort.participants,
    lesions.section,
    scanners.section,
    baseline.section,
    trajectory.section,
    histology.section,
    patients.section,
    transitions.section,
    raters.section,
    planning.section,
    checks.section,
    record.limits,
    methods.section,
    record.provenance,
    record.failures,
)


def write_report(
    study_folder: str | Path,
    out_folder: str | Path,
    *,
    style: str = "screen",
    formats: str | Iterable[str] = ("svg",),
    dpi: int | None = None,
    font: str = "",
    anonymous: bool = False,
) -> Path:
    """Draw the report of a run, and its figures beside the tables they show.

    Parameters
    ----------
    study_folder
        The study folder. Only the lesion mosaic needs its images; without them it is left out.
    out_folder
        The output folder of a run.
    style
        Width and letters of the figures: "screen", or "single", "onehalf" or "double" for the
        columns of a journal.
    formats
        Formats of the figures' files: "svg", "pdf" and "png", as a sequence or as "svg,pdf".
    dpi
        Dots per inch of PNG files, and of the point clouds within the others; by default 200.
    font
        Name of an installed font, such as "Arial", for the figures.
    anonymous
        Whether the page holds no identifier, path, command or image, so that it may be passed on.
        The other files of `out_folder` hold them still.

    Returns
    -------
    Path
        The page, ``report.html`` in `out_folder`.

    Raises
    ------
    InvalidDataError
        If `out_folder` is no output folder, or holds a table that cannot be read, or answers that
        were not made from the same data.
    UsageError
        If there is no such style, format or font, or the output folder is in use or belongs to
        another study.

    Examples
    --------
    >>> qs.write_report("demo/study", "results", style="double", formats=["pdf"])  # doctest: +SKIP
    """
    folder = Path(out_folder)
    look, kinds = figure_style(style, font=font, dpi=dpi), figure_formats(formats)
    # A page of nothing would be written to a wrong path.
    found = ""
    if not folder.is_dir():
        found = "is no folder"
    elif (folder / "study.toml").is_file():
        found = "is a study folder, not the output folder of a run"
    elif not (folder / "features").is_dir() and not any(folder.rglob("*.tsv")):
        found = "holds no results"
    if found:
        problem = f"{found}; run `qsmstats run STUDY OUT` first, and name its OUT"
        raise InvalidDataError([Problem(table=str(folder), problem=problem)])
    told = (Path(study_folder) / "study.toml").is_file()
    study = open_study(Path(study_folder)) if told else None
    with held(folder, study):
        return draw_report(study, folder, look=look, formats=kinds, anonymous=anonymous)


def as_image(drawing: str) -> Markup:
    """Return an image of a drawing: a fold needs none of its parts in the page's tree.

    Parameters
    ----------
    drawing
        Markup with an ``<svg>`` element, which has an aria-label.
    """
    element = re.search(r"<svg.*?</svg>", drawing, re.DOTALL)
    label = re.search(r'aria-label="([^"]*)"', drawing)
    if element is None or label is None:
        return Markup(drawing)  # noqa: S704  (our own drawing)
    width = re.search(r' width="(\d+)"', element[0])
    least = re.search(r"min-width: \d+px", element[0])
    # The page's colours do not reach an image, and percent signs for quotes and lines are long.
    plain = re.sub(r"var\([^,)]*, ([^)]*)\)", r"\1", element[0]).replace("\n", "")
    plain = re.sub("<[^>]*>", lambda tag: tag[0].replace("'", "&#39;").replace('"', "'"), plain)
    source = quote(plain, safe=" !'()*+,-./:;=>?@[]^_{|}~$")
    size = f' width="{width[1]}"' if width else ""
    size += f' style="{least[0]}"' if least else ""
    image = f'<img alt="{label[1]}"{size} src="data:image/svg+xml,{source}">'
    return Markup(image)  # noqa: S704  (our own drawing, whose label is escaped)


def draw_report(
    study: Study | None,
    folder: Path,
    *,
    look: Style = STYLES["screen"],
    formats: tuple[str, ...] = ("svg",),
    anonymous: bool = False,
) -> Path:
    """Draw the report as `write_report` does, in an output folder that is held already."""
    require_one_source(folder)
    context = Context(
        results=Results(folder=folder, anonymous=anonymous),
        plates=Plates(folder=folder, style=look, formats=formats),
        study=study,
    )
    with using_schemas(context.schemas):
        sections = [section for part in SECTIONS if (section := part(context)) is not None]
    environment = Environment(
        loader=PackageLoader("qsmstats.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    environment.filters["as_image"] = as_image

    def asset(name: str) -> Markup:
        source = environment.get_template(name).render()
        return Markup(source)  # noqa: S704  (our own style sheet and script)

    # Within the quotes of a CSS string HTML's escapes mean nothing.
    title = "".join(
        letter if letter.isalnum() or letter in " .,:()-" else f"\\{ord(letter):06x}"
        for letter in context.name
    )
    viewer = any(isinstance(block, ViewerBlock) for part in sections for block in part.blocks)
    page = environment.get_template("report.html.j2").render(
        name=context.name,
        anonymous=context.anonymous,
        sections=sections,
        css=asset("report.css"),
        running_title=Markup(title),  # noqa: S704  (letters, digits and escapes only)
        script=asset("tables.js"),
        viewer=asset("viewer.js") if viewer else "",
    )
    with written_whole(folder / REPORT) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    note_file(folder, REPORT)
    return folder / REPORT
