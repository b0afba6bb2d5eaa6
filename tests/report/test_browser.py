"""The page in a real browser; left out where there is no Chromium."""

import io
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmstats.report.page import write_report

from . import made
from .browser import Browser, find_browser
from .made_images import LESION, study_with

pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture
def page(browser, drawn):
    browser.open(drawn / "report.html")
    return browser


# Identifiers that are code, as far as files can be called so.
WHO = "<img src=x onerror=window.hit=1>"
FAR = "<script>window.hit=2</script>"


def test_nothing_is_fetched_and_nothing_complains(page):
    requested = [event["request"]["url"] for event in page.seen("Network.requestWillBeSent")]
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []
    assert sum(url.startswith("file:") for url in requested) == 1
    assert page.seen("Runtime.exceptionThrown") == []
    assert page.seen("Runtime.consoleAPICalled") == []
    assert page.seen("Log.entryAdded") == []


COLUMN = """
[...document.querySelectorAll('#table-baseline-contrasts-mwf-percent tbody tr')]
  .map(row => row.cells[1].firstChild.textContent)
"""
CLICK = """
document.querySelectorAll('#table-baseline-contrasts-mwf-percent thead button')[1].click()
"""


def test_a_click_on_a_header_sorts_by_number_and_a_second_one_turns_the_order(page):
    def numbers():
        return [float(text.replace("−", "-")) for text in page.run(COLUMN)]

    before = numbers()
    page.run(CLICK)
    assert numbers() == sorted(before) != before
    page.run(CLICK)
    assert numbers() == sorted(before, reverse=True)
    states = page.run(
        "[...document.querySelectorAll('#table-baseline-contrasts-mwf-percent thead th')]"
        ".map(th => th.getAttribute('aria-sort')).filter(Boolean)"
    )
    assert states == ["descending"]


OPEN = """
new Promise(done => {
  document.querySelectorAll('details').forEach(part => part.open = true);
  setTimeout(done, 200);
})
"""


SAVED = """
(async () => {
  let blob;
  URL.createObjectURL = (given) => { blob = given; return '#'; };
  document.querySelectorAll('#table-baseline-contrasts-mwf-percent .tools button')[1].click();
  return blob.text();
})()
"""


def test_a_table_is_saved_as_csv_with_numbers_in_full(page, drawn):
    page.run(OPEN)
    saved = pd.read_csv(io.StringIO(page.run(SAVED).removeprefix("\ufeff")))
    told = pd.read_csv(drawn / "baseline" / "contrasts.tsv", sep="\t")
    told = told[told["outcome"] == "mwf_percent"]
    (name,) = (column for column in saved if column.endswith("(95 % CI)"))
    np.testing.assert_allclose(saved[name], told["estimate"])
    np.testing.assert_allclose(saved[f"{name}, low"], told["conf_low"], atol=0.006)
    assert saved["pair"].iloc[0] == "isointense - hypointense"


FILTER = """
(() => {{
  const holder = document.querySelector('#table-raters-agreement-all');
  const input = holder.querySelector('input');
  input.value = {words!r};
  input.dispatchEvent(new Event('input'));
  const rows = [...holder.querySelectorAll('tbody tr')];
  return [rows.filter(row => !row.hidden).length, rows.length,
          holder.querySelector('[role=status]').textContent];
}})()
"""


def test_a_long_table_is_filtered_by_words(page):
    page.run(OPEN)
    shown, total, said = page.run(FILTER.format(words="fleiss PRL"))
    assert 0 < shown < total
    assert said == f" {shown} of {total} rows"
    assert page.run(FILTER.format(words=""))[:2] == [total, total]


def test_the_keyboard_reaches_the_report_past_the_contents(page):
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"
    page.press("Enter")
    assert page.run("location.hash") == "#main"


def test_the_keyboard_sorts_a_table(page):
    page.run("document.querySelectorAll('#table-cohort-lesions-all thead button')[1].focus()")
    page.press("Enter")
    counts = page.run(
        "[...document.querySelectorAll('#table-cohort-lesions-all tbody tr')]"
        ".map(row => Number(row.cells[1].textContent))"
    )
    assert counts == sorted(counts)


def test_nothing_wider_than_the_screen_but_what_scrolls_by_itself(page):
    # From wide to narrow, as what was wide must give way.
    for width in (1280, 768, 390, 360):
        page.show(width)
        assert page.run("document.documentElement.scrollWidth") <= width


SHOWN = """
[...document.querySelectorAll('figure svg, figure img')]
  .filter(drawn => drawn.checkVisibility())
  .map(drawn => {
    const points = drawn.viewBox ? drawn.viewBox.baseVal.width : 0.75 * drawn.getAttribute("width");
    return drawn.getBoundingClientRect().width / points;
  })
"""


def test_each_figure_is_there_once_and_its_letters_stay_readable(page):
    page.run("document.querySelectorAll('details').forEach(part => part.open = true)")
    for width in (1400, 1000, 390):
        page.show(width)
        scales = page.run(SHOWN)
        assert len(scales) == page.run("document.querySelectorAll('figure').length")
        # Of four thirds of a pixel to the point, at letters of 8 points and more.
        assert min(scales) > 1.05
        assert max(scales) < 1.4


def test_the_first_column_of_a_wide_table_stays_where_it_is(browser, drawn):
    browser.open(drawn / "report.html", width=390)
    browser.run(OPEN)
    left = """
    (() => {
      const scroll = document.querySelector('#table-baseline-contrasts-mwf-percent .scroll');
      scroll.scrollLeft = 1000;
      const cell = scroll.querySelector('tbody th').getBoundingClientRect();
      return [scroll.scrollLeft, cell.left - scroll.getBoundingClientRect().left];
    })()
    """
    moved, place = browser.run(left)
    assert moved > 0
    assert place <= 1  # the edge of the box


def test_print_opens_what_is_folded_and_folds_it_again(page):
    opened = "document.querySelectorAll('details[open]').length"
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run(opened) == page.run("document.querySelectorAll('details:not(.screen)').length")
    assert page.run(opened) > 0
    # Only the lists that are too long for paper stay folded; the other tables have been drawn.
    assert page.run("document.querySelectorAll('details.screen[open]').length") == 0
    assert page.run("document.querySelectorAll('details[open] > .table > script').length") == 0
    assert page.run("document.querySelectorAll('details[open] > .table > .scroll').length") > 0
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run(opened) == 0


def test_without_the_script_the_tables_are_plain_tables(browser, drawn, tmp_path):
    text = (drawn / "report.html").read_text(encoding="utf-8")
    plain = tmp_path / "plain.html"
    plain.write_text(text[: text.index("<script>")] + "</body></html>", encoding="utf-8")
    browser.open(plain)
    assert browser.run("document.querySelectorAll('thead button, input').length") == 0
    assert browser.run("document.querySelector('thead th').textContent") == "type"


WHAT_RAN = """
({
  hit: window.hit,
  scripts: [...document.scripts].filter(part => !part.type).length,
  foreign: [...document.querySelectorAll('iframe, object, embed, b, u, i, math')]
    .map(part => part.outerHTML),
  handlers: [...document.querySelectorAll('*')]
    .filter(part => [...part.attributes].some(attribute => attribute.name.startsWith('on')))
    .map(part => part.outerHTML),
  links: [...document.querySelectorAll('a')].map(link => link.getAttribute('href'))
    .filter(link => !/^#[\\w-]+$/.test(link)),
})
"""
NOTHING = {"foreign": [], "handlers": [], "links": []}
SHOWN_TEXTS = """
[...document.querySelectorAll('h1, p, li, td, th, summary, figcaption')]
  .map(part => part.textContent)
"""
DRAWN_TEXTS = "[...document.querySelectorAll('svg text')].map(part => part.textContent)"


def test_names_that_are_code_are_shown_as_they_are_and_nothing_runs(browser, hostile):
    browser.open(hostile / "report.html")
    browser.run(OPEN)
    # The page's own script, and no other; window.hit would be set by any of the names.
    assert browser.run(WHAT_RAN) == {**NOTHING, "scripts": 1}
    pictures = "document.querySelectorAll('img:not([src^=\"data:image/svg\"])').length"
    assert browser.run(pictures) == 0
    for kind in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
        assert browser.seen(kind) == []
    requested = [event["request"]["url"] for event in browser.seen("Network.requestWillBeSent")]
    assert len([url for url in requested if not url.startswith("data:")]) == 1
    shown = "\n".join(browser.run(SHOWN_TEXTS))
    # A column's name is shown in words, without its underscore.
    column = made.HOSTILE_TEXTS["column"].replace("_", " ")
    wanted = {**made.HOSTILE, **made.HOSTILE_TEXTS, "column": column}
    del wanted["input"]  # counted, not named
    # A coefficient is shown as its factor and its level.
    wanted["term"] = wanted["term"].removeprefix("C(site)[T.").removesuffix("]")
    assert [text for text in wanted.values() if text not in shown] == []
    assert browser.run("document.title").startswith(made.HOSTILE_TEXTS["study"])


def test_figures_show_names_as_text_and_not_as_formulas_or_markup(browser, hostile):
    browser.open(hostile / "report.html")
    drawn = browser.run(DRAWN_TEXTS)
    # What is folded is an image on the page.
    for path in (hostile / "histology" / "brains.svg", *hostile.glob("cohort/*.svg")):
        browser.open(path)
        drawn += browser.run(DRAWN_TEXTS)
    for name in ("brain-A", "brain-B"):
        assert any(text.startswith(f"{made.HOSTILE[name]}: ") for text in drawn)
    assert made.HOSTILE["hypointense_rim"] in drawn
    # A control character has no place in XML.
    assert "bell \N{REPLACEMENT CHARACTER} and $" in drawn
    # What is too long for a figure is shortened there.
    assert any(text.startswith("A NAME THAT GOES ON") and text.endswith("…") for text in drawn)


def test_a_figure_as_a_file_is_a_drawing_without_code(browser, hostile):
    files = sorted(hostile.glob("**/*.svg"))
    assert len(files) > 10
    for path in files:
        browser.open(path)
        state = browser.run("[document.documentElement.nodeName, window.hit]")
        # JSON has no undefined.
        assert state == ["svg", None]
    browser.open(hostile / "histology" / "brains.svg")
    assert browser.run("document.querySelectorAll('script, foreignObject').length") == 0


@pytest.fixture(scope="module")
def illustrated(tmp_path_factory):
    """A report with the viewer: two sessions of a made-up participant, and nothing else."""
    folder = tmp_path_factory.mktemp("illustrated")
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -30
    study_with(folder, affine)
    for path in list(folder.glob("sub-1*")):
        shutil.copy(path, folder / path.name.replace("sub-1_ses-1", f"{WHO}_ses-2"))
        path.rename(folder / path.name.replace("sub-1", WHO))
    lesions = pd.DataFrame([LESION] * 3).assign(
        participant_id=WHO,
        session_id=["ses-1", "ses-1", "ses-2"],
        lesion_id=[FAR, "near", "near"],
        lesion_type="isointense",
        years=[0.0, 0.0, 2.0],
        volume_mm3=[10.0, 900.0, 800.0],
        susceptibility_ppb=1.0,
        susceptibility_ppb_shell=1.0,
        susceptibility_ppb_core=1.0,
    )
    out = folder / "out"
    made.write(lesions, out / "tidy.tsv")
    return write_report(folder, out)


READY = """
new Promise(done => {
  const viewer = document.querySelector('#viewer');
  const wait = () => viewer.dataset.ready ? done(true) : setTimeout(wait, 50);
  setTimeout(() => done(false), 150000);
  wait();
})
"""


SEEN = """
[...document.querySelectorAll('#viewer .stage > *, #viewer figcaption > span[class]')]
  .filter(part => part.checkVisibility()).map(part => part.className || part.tagName)
"""


WHEEL = """
(() => {
  const canvas = document.querySelector('#viewer canvas');
  const box = canvas.getBoundingClientRect();
  const turn = () => {
    const event = new WheelEvent('wheel', {deltaY: 10, bubbles: true, cancelable: true,
      clientX: box.left + 50, clientY: box.top + 50});
    canvas.dispatchEvent(event);
    return event.defaultPrevented;
  };
  document.activeElement.blur();
  const before = turn();
  canvas.focus();
  return [before, turn(), canvas.getAttribute('role')];
})()
"""


STATE = """
({
  who: document.querySelector('#viewer .who').textContent,
  spoken: document.querySelector('#viewer canvas').getAttribute('aria-label'),
  counted: document.querySelector('#viewer .note').textContent,
  rows: document.querySelectorAll('#viewer-lesions tbody tr:not([hidden])').length,
  pressed: [...document.querySelectorAll('#viewer .tools button[aria-pressed=true]')]
    .map(button => button.textContent),
  place: document.querySelector('#viewer [role=status]').textContent,
})
"""
LATER = """
new Promise(done => {
  const viewer = document.querySelector('#viewer');
  [...viewer.querySelectorAll('.tools button')].at(1).click();
  const wait = () => {
    const rows = [...viewer.querySelectorAll('tbody tr')].filter(row => !row.hidden);
    const chosen = viewer.querySelector('tr.chosen:not([hidden])');
    rows.length == 1 && chosen ? done(true) : setTimeout(wait, 50);
  };
  setTimeout(() => done(false), 60000);
  wait();
})
"""


def test_a_click_on_a_lesions_row_moves_the_crosshair(illustrated):
    with Browser(webgl=True) as browser:
        browser.open(illustrated)
        assert browser.run(READY)
        assert browser.run(SEEN) == ["CANVAS", "live"]
        browser.run("document.querySelector('#viewer-lesions tbody tr').click()")
        said = browser.run("document.querySelector('#viewer [role=status]').textContent")
        assert said.endswith(" mm: lesion near, isointense.")
        assert browser.run(
            "document.querySelector('#viewer-lesions').textContent.includes('window.hit=2')"
        )
        # The wheel is the page's until the image has the focus, which it says it can take.
        assert browser.run(WHEEL) == [False, True, "application"]
        assert browser.run("document.querySelectorAll('#viewer tr.chosen').length") == 1
        assert browser.run("document.querySelector('#viewer strong').textContent").startswith(WHO)
        assert browser.run("window.hit === undefined")
        before = browser.run(STATE)
        assert before["who"] == f"{WHO} ses-1"
        assert before["counted"].startswith("Lesions (2), largest first")
        assert (before["rows"], before["pressed"]) == (2, [f"{WHO} ses-1"])
        # The crosshair stays where it is, on the same lesion in the images of the other session.
        assert browser.run(LATER)
        after = browser.run(STATE)
        assert after["who"] == f"{WHO} ses-2"
        assert after["spoken"].startswith(f"{WHO} ses-2: maps with the lesions")
        assert after["counted"].startswith("Lesions (1), largest first")
        assert (after["rows"], after["pressed"]) == (1, [f"{WHO} ses-2"])
        assert after["place"] == before["place"]
        browser.run(AXE.read_text(encoding="utf-8"))
        for width, scheme in ((1400, "light"), (1000, "dark"), (390, "light")):
            browser.show(width, scheme)
            assert browser.run(VIOLATIONS.replace("document", "'#viewer'")) == []
        # The still image of the viewer.
        assert browser.run("document.querySelectorAll('#viewer img').length") == 1
        assert browser.seen("Runtime.exceptionThrown") == []
        fetched = [event["request"]["url"] for event in browser.seen("Network.requestWillBeSent")]
        assert [url for url in fetched if not url.startswith(("file:", "data:", "blob:"))] == []


def test_without_webgl_a_png_mosaic_stands_in_its_place_and_nothing_fails(browser, illustrated):
    browser.open(illustrated)
    # The script has decided once the page has loaded.
    assert browser.run(SEEN) == ["IMG", "still"]
    source, width = browser.run(
        "(image => [image.src.slice(0, 22), image.naturalWidth])"
        "(document.querySelector('#viewer img'))"
    )
    assert source == "data:image/png;base64,"
    assert width > 500
    assert browser.run("document.querySelectorAll('#viewer-lesions tbody button').length") == 0
    for kind in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
        assert browser.seen(kind) == []


AXE = Path(__file__).parent / "vendor" / "axe.min.js"
VIOLATIONS = """
axe.run(document, {resultTypes: ['violations']}).then(found =>
  found.violations.map(item => `${item.id} (${item.impact}): ${item.nodes[0].html}`))
"""


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_axe_finds_no_barrier(browser, drawn, width, scheme):
    """axe-core 4.14.1 (https://github.com/dequelabs/axe-core), unchanged, in vendor/."""
    browser.open(drawn / "report.html", width=width)
    browser.show(width, scheme)
    browser.run(OPEN)
    browser.run(AXE.read_text(encoding="utf-8"))
    assert browser.run(VIOLATIONS) == []
