import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from qsmstats.errors import UsageError
from qsmstats.own_schemas import Level, Schemas
from qsmstats.plot.look import (
    STYLES,
    colour,
    colours,
    drawing,
    figure_style,
    is_narrow,
    letters,
    marker,
)
from qsmstats.wording.names import lesion_types, using_schemas

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


def test_what_is_narrow_is_told_by_the_letters():
    for style, narrow in [(STYLES["single"], True), (STYLES["double"], False)]:
        with drawing(style):
            assert is_narrow(Figure(figsize=(style.width, 3))) is narrow


@pytest.mark.parametrize("name", STYLES)
def test_no_letter_is_too_small_for_print(name):
    with drawing(figure_style(name)):
        size = mpl.rcParams["font.size"]
        assert min(letters(), letters(0.4)) == pytest.approx(max(7, 0.4 * size))
        assert mpl.rcParams["xtick.labelsize"] >= 7
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["svg.fonttype"] == "none"


def test_a_style_takes_an_installed_font_and_a_resolution():
    with drawing(figure_style("double", font="DejaVu Serif", dpi=600)):
        assert mpl.rcParams["font.sans-serif"][0] == "DejaVu Serif"
        assert mpl.rcParams["savefig.dpi"] == 600
    assert mpl.rcParams["savefig.dpi"] != 600


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "wide"}, "style 'wide' is not available; use one of screen, single"),
        ({"font": "DejaVu Seriff"}, "font 'DejaVu Seriff' is not installed.*such as DejaVu Serif"),
        ({"dpi": 5}, "dpi 5 is out of range; use a number from 50 to 2400"),
    ],
)
def test_what_a_style_cannot_have_is_told(asked, said):
    with pytest.raises(UsageError, match=said):
        figure_style(**asked)


def test_a_palette_is_a_name_a_list_or_a_colour_per_level():
    assert colours(["isointense", "nawm"]) == {one: colour(one) for one in ("isointense", "nawm")}
    assert colours(["a", "isointense"], {"a": "red"}) == {
        "a": "red",
        "isointense": colour("isointense"),
    }
    assert colours(["a", "b"], ["red", "blue"]) == {"a": (1, 0, 0), "b": (0, 0, 1)}
    assert len(set(colours(["a", "b"], "viridis").values())) == 2
    # Levels that are no lesion type are told apart all the same.
    assert len(set(colours(["a", "b"]).values())) == 2
