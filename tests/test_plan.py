"""`qsmstats plan`: from an output folder to sizes, with what they rest on."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from qsmstats import plot
from qsmstats.cli import _parser, main
from qsmstats.report.page import write_report
from qsmstats.report.results.columns import needed
from tests.studies.conftest import SLOPES, make_lesions

WRITTEN = {
    *("assumptions.tsv", "methods.txt", "models.tsv", "notes.tsv", "power.tsv"),
    *("power_curves.svg", "sensitivity.tsv", "sizes.tsv", "made_from.json"),
    *("assumptions.json", "models.json", "notes.json", "power.json", "sensitivity.json"),
    "sizes.json",
}
OPTIONS = "--patients 12 30 --fraction 0.05 0.3 --simulations 25 --maximum 60 --dropout 0.05"


@pytest.fixture(scope="module")
def out(small_study, tmp_path_factory):
    """Return an output folder with a table of lesions and a plan made from it."""
    folder = tmp_path_factory.mktemp("plan")
    lesions = make_lesions(patients=12, followed=12)
    columns = dict.fromkeys([*lesions, *needed("tidy")])
    lesions.reindex(columns=[*columns]).to_csv(folder / "tidy.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module")
def planned(small_study, out):
    code = main(["plan", str(small_study), str(out), *OPTIONS.split(), "--jobs", "1"])
    assert code == 0
    return {path.stem: pd.read_csv(path, sep="\t") for path in (out / "planning").glob("*.tsv")}


def test_everything_is_written(planned, out):
    assert {path.name for path in (out / "planning").iterdir()} == WRITTEN
    assert all((out / "planning" / name).stat().st_size for name in WRITTEN)


def test_every_assumption_says_where_it_comes_from(planned):
    table = planned["assumptions"].set_index("quantity")
    estimated = table[table["source"].str.startswith("estimated from 12 patients")]
    assert {"slope_sd", "residual_sd", "slope isointense", "mean hyperintense"} <= {
        *estimated.index
    }
    within = estimated.dropna(subset=["conf_low"])
    assert (within["conf_low"] <= within["estimate"]).all()
    assert (within["estimate"] <= within["conf_high"]).all()
    # Standard deviation of slopes as simulated by the fixture: 0.1.
    assert table.loc["slope_sd", "conf_low"] < 0.1 < table.loc["slope_sd", "conf_high"]
    assumed = table[table["source"] == "assumed"]["estimate"]
    assert assumed["annual dropout"] == 0.05
    assert assumed["visit 3"] == 2
    assert table["unit"].notna().all()


def test_fractions_are_of_the_slope_that_was_estimated(planned):
    power, table = planned["power"], planned["assumptions"].set_index("quantity")["estimate"]
    counts = {name: table[f"lesions per patient {name}"] for name in ("isointense", "hypointense")}
    slope = sum(counts[name] * table[f"slope {name}"] for name in counts) / sum(counts.values())
    np.testing.assert_allclose(power["effect"], np.tile([0.05, 0.3], 2) * slope, rtol=1e-9)
    assert abs(slope - SLOPES["isointense"]) < 0.1
    assert (power["simulations"] == 25).all()


def test_the_answer_is_a_sentence_with_numbers(planned):
    never, found = planned["sizes"].itertuples()
    assert np.isnan(never.patients)
    assert "is not reached with up to 60 patients in the control arm" in never.answer
    size = re.search(
        r"from ([\d.]+) without treatment to ([\d.]+) % per year under it \(by \+[\d.]+; the rise "
        r"30% faster\) requires (\d+) patients",
        found.answer,
    )
    assert float(size[2]) == pytest.approx(1.3 * float(size[1]), rel=0.01)
    assert int(size[3]) == found.patients <= 60
    assert found.slope_treated == pytest.approx(1.3 * found.slope_control)


def test_sensitivity_moves_the_size_the_way_it_must(planned):
    table = planned["sensitivity"]
    larger = table[table["effect"] == table["effect"].iloc[-1]].set_index(["quantity", "limit"])
    size = larger["patients_expected"].fillna(np.inf)
    middle = size["as estimated"].iloc[0]
    assert size["slope_sd", "low"] < middle < size["slope_sd", "high"]
    assert size["residual_sd", "low"] <= middle <= size["residual_sd", "high"]
    assert size["effect", "high"] < middle < size["effect", "low"]


def test_notes_carry_the_uncertainty_in_words(planned):
    notes = " ".join(planned["notes"]["note"])
    for said in ("At its upper limit a trial with", "effects are assumptions", "Type I error"):
        assert said in notes


def test_the_figure_says_in_text_what_it_shows(planned, out):
    drawn = (out / "planning" / "power_curves.svg").read_text()
    for text in (
        "patients in the control arm",
        "no effect (type I error)",
        "(30\u00a0% of the untreated slope)",
    ):
        assert text in drawn


def test_the_report_has_the_section_where_a_plan_was_made(planned, small_study, out, tmp_path):
    page = write_report(small_study, out).read_text()
    assert "Planning a trial" in page
    answers = planned["sizes"]["answer"].tolist()
    assert answers
    assert all(answer in page for answer in answers)
    shutil.copy(out / "tidy.tsv", tmp_path)
    assert "Planning a trial" not in write_report(small_study, tmp_path).read_text()


def test_curves_pass_through_the_expected_power():
    from matplotlib.figure import Figure

    sizes = [10, 20, 80]
    expected = [0.2, 0.45, 0.97]
    frame = pd.DataFrame({"patients": sizes, "effect": 0.1, "power_expected": expected})
    for name in ("power", "conf_low", "conf_high", "type_i_error", "type_i_low", "type_i_high"):
        frame[name] = np.nan
    axes = plot.power(frame, target=0.8, ax=Figure().add_subplot())
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(np.interp(sizes, x, y), expected, atol=2e-3)
    assert [text.get_text() for text in axes.get_legend().texts] == ["0.1"]


def test_a_study_that_was_not_run_is_measured_first(small_study, tmp_path, capsys):
    assert main(["plan", str(small_study), str(tmp_path), "--patients", "4", "--jobs", "1"]) == 2
    said = capsys.readouterr().err
    assert "holds no tidy.tsv of a run; measuring the study first" in said
    assert "8 patients in both arms are too few for" in said
    assert any((tmp_path / "features").iterdir())


def test_an_output_folder_that_is_not_there_is_an_error(small_study, tmp_path, capsys):
    absent = tmp_path / "no-such"
    assert main(["plan", str(small_study), str(absent), "--jobs", "1"]) == 2
    said = capsys.readouterr().err
    assert f"{absent}: there is no such folder; give the output folder of a run" in said
    assert not absent.exists()


def test_a_fraction_may_be_negative_and_the_help_says_what_that_is(capsys):
    parsed = _parser().parse_args(["plan", "STUDY", "OUT", "--fraction", "-0.5", "0.25"])
    assert parsed.fraction == [-0.5, 0.25]
    with pytest.raises(SystemExit):
        _parser().parse_args(["plan", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "-0.5 halves a decline or a rise" in said
    assert "1 - 0.8 ** (1 / 2) = 0.106" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dropout", "1"], "annual_rate=1.0"),
        (["--visits", "0"], "needs at least two visits"),
        (["--patients", "2"], "are too few for"),
        (["--outcome", "weather"], "no column 'weather'"),
        (["--power", "1.5"], "power=1.5"),
    ],
)
def test_wrong_options_are_named(small_study, out, capsys, options, said):
    code = main(["plan", str(small_study), str(out), "--simulations", "0", *options])
    assert code in {2, 3}
    assert said in capsys.readouterr().err
