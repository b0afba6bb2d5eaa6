import base64
import io
import re

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from qsmstats.plot.look import INK, STYLES, drawing
from qsmstats.report.figures.style import inline_svg, label_lowest, svg


def test_inline_svg_keeps_identifiers_to_itself_and_escapes_its_words():
    with drawing(STYLES["screen"]):
        figure = Figure(figsize=(2, 2))
        figure.add_subplot().plot([1, 2], "o")
        document = svg(figure)
        assert svg(figure) == document
    element = inline_svg(document, "a-b", 'x < "y" & z')
    assert element.startswith("<svg")
    assert 'aria-label="x &lt; &quot;y&quot; &amp; z"' in element
    identifiers = re.findall(r' id="([^"]+)"', element)
    assert len(identifiers) == len(set(identifiers)) > 1
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', element)) == set(identifiers)
    other = inline_svg(document, "a-c", "z")
    assert not set(identifiers) & set(re.findall(r' id="([^"]+)"', other))
    assert "<style" not in element


def test_a_lean_drawing_keeps_its_texts_and_what_is_referred_to():
    with drawing(STYLES["screen"]):
        figure = Figure(figsize=(2, 2))
        axes = figure.add_subplot()
        axes.plot([1, 2], "o")
        axes.text(1, 1, "estimate 0.123456")
        document = svg(figure)
    assert "estimate 0.123456" in document
    assert not re.search(r'\bd="[^"]*\d\.\d{3}', document)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', document))
    assert used == set(re.findall(r' id="([^"]+)"', document))
    assert document.count("font-family") == 1


def test_point_clouds_have_few_colours_and_lines_of_markers_stand_once():
    with drawing(STYLES["screen"]):
        figure = Figure(figsize=(2, 2))
        random = np.random.default_rng(1)
        figure.add_subplot().scatter(*random.random((2, 300)), alpha=0.5, rasterized=True)
        document = svg(figure)
    (source,) = re.findall('href="data:image/png;base64,([^"]+)"', document)
    image = Image.open(io.BytesIO(base64.b64decode(source)))
    assert image.mode == "P"
    assert image.convert("RGBA").getpixel((0, 0))[3] == 0
    ticks = re.findall("<use[^>]*>", document)
    assert len(ticks) > 5
    assert not any("stroke" in tick for tick in ticks)


def test_the_lowest_panel_of_each_column_carries_the_axis():
    panels = list(Figure().subplots(2, 3, sharex=True).flat)[:5]
    label_lowest(panels, 3, "years")
    assert [panel.get_xlabel() for panel in panels] == ["", "", "years", "years", "years"]


def test_text_axes_and_paper_take_the_colours_of_the_page_and_files_keep_their_own():
    with drawing(STYLES["screen"]):
        figure = Figure(figsize=(2, 2))
        figure.add_subplot().text(0.5, 0.5, "grey", color="#454545")
        document = svg(figure)
    assert "var(" not in document
    element = inline_svg(document, "a", "alt")
    assert INK.lower() not in re.sub(r"var\([^)]*\)", "", element)
    # Ink is the colour of the whole drawing.
    assert f"color: var(--figure-ink, {INK.lower()})" in element.split(">")[0]
    assert "fill: var(--figure-paper, #ffffff)" in element
    texts = re.findall(r'<text[^>]*style="([^"]*)"', element)
    assert len(texts) > 5
    for style in texts:
        # Contrast is judged by the colour of a text, which is not its fill.
        fill, told = re.search("fill: ([^;]+)", style)[1], re.search("; color: (.+)$", style)
        assert fill == (told[1] if told else "currentColor")
    assert any("color: #454545" in style for style in texts)


def test_on_narrow_pages_a_figure_keeps_its_letters_and_scrolls():
    with drawing(STYLES["screen"]):
        figure = Figure(figsize=(7, 2))
        figure.add_subplot()
        element = inline_svg(svg(figure), "a", "alt")
    width = int(re.search(r'width="(\d+)"', element)[1])
    least = int(re.search(r"min-width: (\d+)px", element)[1])
    assert 350 < least < width
    # Letters of 9.5 points, at four thirds of a pixel to the point.
    assert 9.5 * 4 / 3 * least / width > 10
