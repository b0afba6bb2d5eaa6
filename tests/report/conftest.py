import pytest

from . import made


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """An output folder with a report drawn from it once, for every test that only looks."""
    from qsmstats.report.page import write_report

    out = made.write_results(tmp_path_factory.mktemp("drawn") / "out")
    write_report(out / "no-study", out)
    return out


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """An output folder whose names and sentences are code, with the report drawn from it."""
    from qsmstats.report.page import write_report

    out = made.write_hostile(tmp_path_factory.mktemp("hostile") / "out")
    write_report(out / "no-study", out)
    return out


@pytest.fixture
def bare(tmp_path):
    """An output folder of a run that got nowhere."""
    folder = tmp_path / "bare"
    (folder / "features").mkdir(parents=True)
    return folder
