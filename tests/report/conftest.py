import pytest

from . import made


@pytest.fixture(scope="session")
def drawn(make_once):
    """An output folder with a report drawn from it once, for every test that only looks."""
    from qsmstats.report.page import write_report

    return make_once("drawn", lambda out: write_report(out / "no-study", made.write_results(out)))


@pytest.fixture(scope="session")
def hostile(make_once):
    """An output folder whose names and sentences are code, with the report drawn from it."""
    from qsmstats.report.page import write_report

    return make_once("hostile", lambda out: write_report(out / "no-study", made.write_hostile(out)))


@pytest.fixture
def painted(monkeypatch):
    """Names of the figures that are drawn on, and not rendered, which takes most of the time."""
    from .painting import paint_only

    return paint_only(monkeypatch)


@pytest.fixture
def bare(tmp_path):
    """An output folder of a run that got nowhere."""
    folder = tmp_path / "bare"
    (folder / "features").mkdir(parents=True)
    return folder
