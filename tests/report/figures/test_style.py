import re

import numpy as np
from matplotlib.figure import Figure

from qsmstats.report.figures.style import (
    PHONE,
    STYLES,
    colour,
    drawing,
    inline_svg,
    is_narrow,
    marker,
    svg,
)
from qsmstats.report.wording.names import lesion_types


def test_one_colour_and_one_marker_per_type():
    types = lesion_types()
    assert len({colour(level) for level in types}) == len(types)
    assert len({marker(level) for level in types}) == len(types)


def test_colours_stay_apart_for_those_who_do_not_see_red_or_green():
    """Deuteranopia by the matrix of Machado et al. 2009 (severity 1), distance in linear RGB."""
    matrix = np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    )
    rgb = np.array(
        [[int(colour(level)[k : k + 2], 16) / 255 for k in (1, 3, 5)] for level in lesion_types()]
    )
    seen = rgb @ matrix.T
    distances = [np.linalg.norm(seen[a] - seen[b]) for a in range(len(seen)) for b in range(a)]
    # 0.2 of the cube's edge is well above what neighbouring patches need (about 0.05).
    assert min(distances) > 0.2


def test_inline_svg_keeps_identifiers_to_itself_and_escapes_its_words():
    with drawing(STYLES["screen"]):
        figure = Figure(figsize=(2, 2))
        figure.add_subplot().plot([1, 2], "o")
        document = svg(figure)
        assert svg(figure) == document
    element = inline_svg(document, "a-b", 'x < "y" & z')
    assert element.startswith("<svg")
    assert 'aria-label="x &lt; &quot;y&quot; &amp; z"' in element
    assert element.count('id="') == element.count('id="a-b-')
    assert element.count('href="#') == element.count('href="#a-b-') > 0
    assert "url(#a-b-" in element
    assert "<style" not in element


def test_what_is_narrow_is_told_by_the_letters():
    for style, narrow in [(PHONE, True), (STYLES["single"], True), (STYLES["double"], False)]:
        with drawing(style):
            assert is_narrow(Figure(figsize=(style.width, 3))) is narrow


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
