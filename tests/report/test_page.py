import html
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError, UsageError
from qsmstats.report.images.mosaic import PLACE
from qsmstats.report.page import write_report

from . import made
from .made_images import LESION, TOML, study_with

VOID = {"meta", "link", "img", "br", "input", "hr"}


class Outline(HTMLParser):
    """Collects what the tests ask of a page, and fails where tags are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.ids, self.links = [], [], [], []
        self.headers = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids += [attributes["id"]] if "id" in attributes else []
        for name in ("href", "src", "xlink:href"):
            self.links += [attributes[name]] if name in attributes else []
        if tag == "th":
            self.headers.append(attributes.get("scope"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.fixture(scope="module")
def page(drawn):
    return (drawn / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page)


@pytest.fixture
def small(tmp_path):
    """A run that answered the first question only, for one map."""
    made.write(made.lesions(patients=6), tmp_path / "tidy.tsv")
    made.write_baseline(tmp_path)
    for path in (tmp_path / "baseline").glob("*.tsv"):
        rows = pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False)
        made.write(rows[rows["outcome"] == "ndi"], path)
    return tmp_path


def test_the_sections_stand_in_the_order_of_reporting(outline):
    assert outline.headings == [
        "Main results",
        "Study flow",
        "Participants",
        "Lesions by type",
        "Differences at baseline",
        "Change over time",
        "Accuracy against histology",
        "Agreement between raters",
        "Model checks",
        "Limitations",
        "Methods, ready for a paper",
        "Provenance",
        "Failures and warnings",
    ]


@pytest.mark.parametrize(
    ("standard", "former"),
    [
        ("as expected under normality", "as a normal law would have it"),
        ("means are robust to this, individual predictions are not", "tolerate"),
        ("a flat line indicates no residual trend", "left over"),
        ("Types not mapped to any class (hypointense rim)", "no class claims"),
    ],
)
def test_the_page_speaks_as_the_field_does(page, standard, former):
    assert standard in page
    assert former not in page


def test_identifiers_are_unique_and_every_inner_link_leads_somewhere(outline):
    assert len(outline.ids) == len(set(outline.ids))
    inner = {link[1:] for link in outline.links if link.startswith("#")}
    assert inner <= set(outline.ids)


def test_the_page_travels_alone_it_links_to_no_file_and_fetches_nothing(outline, page):
    assert [link for link in outline.links if not link.startswith(("#", "data:"))] == []
    assert not re.search(r"(?:src|url\(|@import|href)[=(\s]*[\"']?(?:https?:)?//", page)


def test_the_first_section_is_the_answer(page):
    first = page.split("<section")[1]
    facts = re.findall(r"<li><strong>(.*?)</strong> (.*?)</li>", first)
    assert facts[:3] == [("29", "patients"), ("15", "patients followed"), ("12", "controls")]
    grids = re.findall(r'<div class="table grid[^"]*" id="([^"]+)"', first)
    assert grids == ["grid-means", "grid-changes", "grid-accuracy", "grid-checks"]
    assert first.count("<li>") <= 8 + len(facts)


def test_long_folded_tables_are_drawn_by_the_script_and_hold_every_row(page, drawn):
    packed = re.findall(
        r'<div class="table" id="([^"]+)">\n<script type="application/json">(.*?)</script>', page
    )
    tables = {name: json.loads(text) for name, text in packed}
    rows = pd.read_csv(drawn / "raters" / "agreement.tsv", sep="\t")
    assert len(tables["table-raters-agreement-all"]["rows"]) == len(rows)
    assert all(
        len(row) == len(table["columns"]) for table in tables.values() for row in table["rows"]
    )


def test_every_header_has_a_scope(outline):
    assert set(outline.headers) == {"col", "row"}


def test_every_figure_has_words(page):
    labels = re.findall(r'<svg[^>]*role="img" aria-label="([^"]+)"', page)
    folded = re.findall(r'<img alt="([^"]+)"[^>]* src="data:image/svg', page)
    assert len(labels) == page.count("<svg")
    # What is folded is an image, drawn once.
    assert (len({*labels}), len(folded)) == (6, 10)
    assert all(len(label) > 40 for label in [*labels, *folded])


def test_figures_stand_beside_their_tables_with_real_text(drawn):
    text = (drawn / "baseline" / "ndi_rainclouds.svg").read_text(encoding="utf-8")
    assert "Neurite density index" in text
    assert "<dc:date>" not in text
    # One claim once: the differences stand beside the rainclouds, the changes in the first grid.
    assert not [*drawn.rglob("*_contrasts.svg"), *drawn.rglob("*_slopes.svg")]


def test_drawing_again_gives_the_same_bytes(small):
    write_report(small / "no-study", small)
    files = [*small.glob("*/*.svg"), small / "report.html"]
    before = {path: path.read_bytes() for path in files}
    write_report(small / "no-study", small)
    assert len(before) == 4
    assert {path: path.read_bytes() for path in files} == before


def test_a_variance_of_zero_is_a_note_and_no_warning(page):
    assert "the fit is singular" not in page
    said = "The random variance of participant (intercept) was estimated as zero (groups: "
    assert said in page
    assert said not in " ".join(re.findall(r'<p class="notice.*?</p>', page))


def test_a_failed_check_is_named_beside_the_answer_and_all_stand_in_a_fold(page):
    assert (
        "NDI: the residual SD differs by lesion type, from 0.41 in hypointense to 1 in PRL"
        " (adjusted p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.004): intervals are wrong. Other checks"
        " that failed: influence of single participants." in page
    )
    assert "MWF: no curvature" not in page
    fold = "neurite density index (NDI): model and checks (2 of 3 checks failed)"
    assert fold in page
    assert "myelin water fraction (MWF): model and checks (no check failed)" in page
    fold = page.split(fold)[1]
    assert "sub-003" in fold.split("</details>")[0]


def test_methods_are_escaped_and_whole(page):
    assert "linear mixed model &lt;REML&gt;" in page
    assert "As was NDI." in page
    assert "adjusted by Holm&#39;s method (Holm 1979) within each map and question" in page
    assert "Software: numpy 2.4.6." in page


def test_a_run_that_got_nowhere_is_told_in_words(bare):
    page = write_report(bare / "no-study", bare).read_text(encoding="utf-8")
    outline = Outline(page)
    assert len(outline.headings) == 13
    assert "Not analysed in this run: lesion types at the first session; change over" in page
    assert "No model was fitted in this run." in page
    assert "failures.tsv is absent from this run." in page
    assert "<svg" not in page


def test_continuous_features_are_shown_with_their_areas(page):
    assert "Areas: Myelin water fraction (MWF), remyelinated 0.87, 0.70 to 0.95;" in page
    assert 'id="table-histology-cutoffs-all"' in page


def test_histology_shows_the_stard_diagram_its_items_and_the_clustering(page, drawn):
    svg = (drawn / "histology" / "flow.svg").read_text(encoding="utf-8")
    assert "read as chronic inactive 22 lesions: histology, remyelinated 2, chronic" in page
    assert svg.count("histology") >= 3
    for name in ("stard", "clustering", "assumed-correlations"):
        assert f'id="table-histology-{name}-all"' in page
    assert "for the author to confirm" in page


@pytest.mark.usefixtures("painted")
def test_without_provenance_the_level_is_that_of_the_study(study_copy, bare):
    with (study_copy / "study.toml").open("a", encoding="utf-8") as file:
        file.write("level = 0.9\n")  # of [models], the last section
    made.write_histology(bare)
    page = write_report(study_copy, bare).read_text(encoding="utf-8")
    assert "90\N{NO-BREAK SPACE}% credible interval" in page
    assert not re.search(r"95\s% (credible|CI|interval|confidence)", page)


def test_failures_are_listed(bare):
    table = pd.DataFrame(
        {
            "participant_id": ["sub-001"],
            "session_id": ["ses-01"],
            "file": ["/data/anna/anat/a<b>.nii.gz"],
            "reason": ["truncated & empty"],
        }
    )
    made.write(table, bare / "failures.tsv")
    (bare / "provenance.json").write_text('{"inputs": {"/data/anna/clinical.xlsx": "0a"}}')
    page = write_report(bare / "no-study", bare).read_text(encoding="utf-8")
    assert "1 input failed" in page
    assert "a&lt;b&gt;.nii.gz" in page
    assert "truncated &amp; empty" in page
    # Checksums are for machines, and stand in provenance.json.
    assert "the checksums of the 1 file read" in page
    # Files outside the study are named without their folders.
    assert "anna" not in page


@pytest.mark.usefixtures("painted")
def test_neither_the_page_nor_its_figures_name_the_user_or_a_place_on_the_disk(hostile, small):
    lesions = pd.read_csv(small / "tidy.tsv", sep="\t").assign(
        **dict.fromkeys((*PLACE, "ndi_shell", "ndi_core"), 0.0), label=1
    )
    made.write(lesions, small / "tidy.tsv")
    study = small / "study"
    study.mkdir()
    text = TOML.replace("susceptibility_ppb", "ndi").replace('"ppm"', '"fraction"')
    (study / "study.toml").write_text(text)
    # The images are missing, and the page says which.
    assert "_dseg.nii.gz: no such file" in write_report(study, small).read_text()
    files = [path for out in (hostile, small) for path in out.rglob("*") if path.is_file()]
    written = [path for path in files if path.suffix in {".html", ".svg", ".pdf"}]
    assert len(written) > 10
    for path in written:
        content = path.read_bytes()
        for secret in (str(hostile.parent), str(small), str(Path.home()) + "/"):
            assert secret.encode() not in content, (path, secret)
        assert b"<dc:" not in content


def words_of(page):
    """The page without its script and its drawings' paths, which hold any short word."""
    return re.sub(
        r'<script>.*?</script>|<style>.*?</style>| d="[^"]*"|base64,[^"]*', "", page, flags=re.S
    )


def test_an_anonymous_page_holds_no_identifier_path_command_or_image(hostile, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(hostile, out)
    page = words_of(write_report(out / "no-study", out, anonymous=True).read_text("utf-8"))
    assert "Anonymous: identifiers" in page
    types = ("hyperintense", "hypointense_rim", "paramagnetic_rim", "remyelinated")
    classes = ("chronic_active", "chronic_inactive")
    kept = {made.HOSTILE[name] for name in (*types, *classes)} | {made.LONG.strip()}
    personal = [text for text in made.HOSTILE.values() if text not in kept]
    personal += [
        made.HOSTILE_TEXTS[name] for name in ("study", "command", "input", "reason", "file")
    ]
    personal += [made.LONG.strip()[:15], *(f"sub-{number:03d}" for number in range(1, 9)), "L05"]
    assert len(personal) > 20
    plain = html.unescape(page)
    assert [text for text in personal if text in plain] == []
    assert {f"brain {number}: " for number in (1, 2, 3)} == set(re.findall(r"brain \d+: ", plain))
    assert re.search("rater [12] and rater [12]", plain)
    assert re.search("2 inputs failed", plain)
    assert "the answer depends on one participant" in plain.lower()
    outline = Outline(page.replace("<style>", ""))
    assert [link for link in outline.links if not link.startswith(("#", "data:"))] == []


def test_an_anonymous_page_of_a_study_with_images_shows_none(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -30
    study_with(tmp_path, affine)
    columns = (
        "volume_mm3",
        *(f"susceptibility_ppb{part}" for part in ("", "_shell", "_core")),
    )
    lesions = pd.DataFrame([LESION]).assign(
        lesion_id="x", lesion_type="isointense", years=0.0, **dict.fromkeys(columns, 1.0)
    )
    made.write(lesions, tmp_path / "out" / "tidy.tsv")
    shown = write_report(tmp_path, tmp_path / "out").read_text("utf-8")
    hidden = write_report(tmp_path, tmp_path / "out", anonymous=True).read_text("utf-8")
    for image in ('id="viewer"', "viewer-data", "%3Cimage", "<img", "sub-1"):
        assert image in shown
        assert image not in hidden
    assert "An anonymous report shows no images." in hidden
    assert shown.count("displayed in neurological convention") == 2


def test_no_results_no_report(tmp_path):
    empty, study = tmp_path / "empty", tmp_path / "study"
    for folder in (empty, study):
        folder.mkdir()
    (study / "study.toml").touch()
    (study / "lesions.tsv").touch()
    for folder, found in (
        (tmp_path / "missing", "is no folder"),
        (empty, "holds no results"),
        (study, "is a study folder"),
    ):
        with pytest.raises(InvalidDataError, match=f"{found}.*; run `qsmstats run STUDY OUT`"):
            write_report(study, folder)
        assert not (folder / "report.html").exists()


def test_styles_have_the_width_of_a_column_and_pdf_comes_on_request(small):
    write_report(small, small, style="single", formats="svg,pdf")
    svg = (small / "baseline" / "ndi_rainclouds.svg").read_text(encoding="utf-8")
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])
    assert width == pytest.approx(86 / 25.4 * 72, abs=0.01)
    assert (small / "baseline" / "ndi_rainclouds.pdf").read_bytes().startswith(b"%PDF")


def test_an_unknown_style_is_named(bare):
    with pytest.raises(
        UsageError, match="'wide' is not available; use one of screen, single, onehalf, double"
    ):
        write_report(bare, bare, style="wide")
