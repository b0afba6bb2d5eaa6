import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from qsmstats.report.figures.style import (
    PHONE,
    STYLES,
    colour,
    drawing,
    inline_svg,
    is_narrow,
    label_lowest,
    marker,
    svg,
)
from qsmstats.report.wording.names import lesion_types, using_schemas
from qsmstats.schemas import Level, Schemas

EIGHT = Schemas(types={f"kind_{n}": Level(title=f"Kind {n}") for n in range(1, 9)})
# Machado et al. 2009 (IEEE Trans Vis Comput Graph 15:1291), severity 1.
SEEN_BY = {
    "everyone": np.eye(3),
    "protanopes": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopes": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopes": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("schemas", [Schemas(), EIGHT], ids=["five", "eight"])
def test_one_colour_and_one_marker_per_type(schemas):
    with using_schemas(schemas):
        types = lesion_types()
        assert len({colour(level) for level in types}) == len(types) == len(schemas.lesion_types)
        assert len({marker(level) for level in types}) == len(types)


@pytest.mark.parametrize("matrix", SEEN_BY.values(), ids=SEEN_BY)
def test_eight_colours_stay_apart_for_everyone(matrix):
    with using_schemas(EIGHT):
        colours = [colour(level) for level in lesion_types()]
    seen = seen_by(matrix, colours)
    distances = [np.linalg.norm(seen[a] - seen[b]) for a in range(len(seen)) for b in range(a)]
    # In CIELAB, 2.3 is a just noticeable difference (Mahy et al. 1994); patches that do not touch
    # need several of them.
    assert min(distances) > 5 * 2.3


def lab(linear):
    """Return CIELAB (D65) of linear sRGB, shape (n, 3); IEC 61966-2-1 and CIE 15."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    ratio = (linear @ to_xyz.T) / to_xyz.sum(axis=1)
    x, y, z = np.where(
        ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29
    ).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("matrix", SEEN_BY.values(), ids=SEEN_BY)
def test_the_first_colours_of_own_types_differ_most(matrix):
    with using_schemas(Schemas(types={name: Level(title=name) for name in "ab"})):
        colours = [colour(level) for level in lesion_types()]
    first, second = seen_by(matrix, colours)
    # Twice what the nearest two of eight differ by.
    assert np.linalg.norm(first - second) > 4 * 5 * 2.3


def seen_by(matrix, colours):
    rgb = np.array([[int(one[k : k + 2], 16) / 255 for k in (1, 3, 5)] for one in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return lab(np.clip(linear @ np.transpose(matrix), 0, 1))


def test_a_declared_colour_is_for_its_type_alone():
    types = {"a": Level(title="a"), "b": Level(title="b", colour="#0072b2")}
    with using_schemas(Schemas(types=types)):
        assert colour("b") == "#0072B2"  # however it is written
        assert colour("a") not in ("#0072B2", colour("nawm"))
        assert colour("isointense") == colour("anything")
    assert colour("isointense") == "#0072B2"


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


def test_the_lowest_panel_of_each_column_carries_the_axis():
    panels = list(Figure().subplots(2, 3, sharex=True).flat)[:5]
    label_lowest(panels, 3, "years")
    assert [panel.get_xlabel() for panel in panels] == ["", "", "years", "years", "years"]
