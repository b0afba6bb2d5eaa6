"""The grids of the first screen, from tables made by hand."""

import pandas as pd
import pytest

from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context
from qsmstats.report.sections.grids import changes_grid, checks_grid, means_grid, tissue_grids

from ..made import write

OUTCOME = "mwf_percent"


@pytest.fixture
def context(tmp_path):
    return Context(results=Results(folder=tmp_path), plates=None, study=None)


def limits(cell):
    low, _, high = cell.aside.split("\n")[0].replace("−", "-").replace("\xa0", " ").split(" ")
    return float(low), float(high)


def effects(rows, **columns):
    names = ["estimate", "conf_low", "conf_high", "conf_low_adjusted", "conf_high_adjusted"]
    table = pd.DataFrame(rows, columns=[*columns, *names, "p_adjusted"])
    return table.assign(outcome=OUTCOME, std_error=0.5, p_value=table["p_adjusted"], null=0.0)


def test_differences_from_white_matter_are_turned_with_their_adjusted_intervals(context, tmp_path):
    """Once the estimate was turned and its adjusted interval was not."""
    rows = [
        ("hc_white_matter", "nawm", 1.0, 0.2, 1.8, -0.1, 2.1, 0.08),
        ("hc_white_matter", "isointense", 4.0, 3.0, 5.0, 2.5, 5.5, 0.001),
        ("nawm", "isointense", 3.0, 2.0, 4.0, 1.5, 4.5, 0.001),
        ("isointense", "paramagnetic_rim", 2.0, 1.0, 3.0, 0.5, 3.5, 0.01),
    ]
    table = effects(rows, first=None, second=None).assign(quantity="difference", unit="percent")
    write(table, tmp_path / "tissue" / "contrasts.tsv")
    write(table.rename(columns={"first": "level"}), tmp_path / "tissue" / "means.tsv")
    grids = {grid.slug: grid for grid in tissue_grids(context)}
    nawm, controls = grids["grid-nawm"], grids["grid-hc-white-matter"]
    assert [row[0].text for row in nawm.rows] == ["isointense"]
    assert [row[0].text for row in controls.rows] == ["NAWM", "isointense"]
    cell = nawm.rows[0][1]
    assert (cell.text, limits(cell), cell.shade) == ("−3.00", (-4.5, -1.5), "down")
    cell = controls.rows[0][1]
    assert (cell.text, limits(cell), cell.shade) == ("−1.00", (-2.1, 0.1), "")
    for grid in grids.values():
        for row in grid.rows:
            low, high = limits(row[1])
            assert low < row[1].sort < high


def test_only_changes_that_were_shown_are_coloured(context, tmp_path):
    rows = [
        ("isointense", 0.2, 0.1, 0.3, 0.05, 0.35, 0.01),
        ("paramagnetic_rim", -0.2, -0.3, -0.1, -0.35, 0.05, 0.09),
    ]
    table = effects(rows, lesion_type=None).assign(quantity="change", unit="percent per year")
    write(table, tmp_path / "trajectory" / "slopes.tsv")
    grid = changes_grid(context)
    assert [column.title for column in grid.columns] == ["type", "MWF (%)"]
    assert [(row[0].text, row[1].text, row[1].shade) for row in grid.rows] == [
        ("isointense", "+0.20", "up"),
        ("PRL", "−0.20", ""),
    ]


def test_means_are_shaded_by_rank_and_end_with_the_test_and_the_largest_difference(
    context, tmp_path
):
    folder = tmp_path / "baseline"
    means = pd.DataFrame(
        {
            "outcome": OUTCOME,
            "level": ["isointense", "hypointense", "paramagnetic_rim"],
            "estimate": [6.0, 6.5, 4.0],
            "std_error": 0.3,
            "conf_low": [5.4, 5.9, 3.4],
            "conf_high": [6.6, 7.1, 4.6],
            "quantity": "mean",
            "unit": "percent",
        }
    )
    write(means, folder / "means.tsv")
    anova = {"outcome": OUTCOME, "term": "lesion_type", "num_df": 2, "den_df": 20.5}
    write(pd.DataFrame([{**anova, "statistic": 9.8, "p_value": 0.0012}]), folder / "anova.tsv")
    pair = ("isointense", "paramagnetic_rim", 2.0, 1.5, 2.5, 1.0, 3.0, 0.002)
    table = effects([pair], first=None, second=None).assign(quantity="difference", unit="percent")
    write(table, folder / "contrasts.tsv")
    model = "mwf_percent ~ lesion_type + (1 | participant_id)"
    record = {"outcome": OUTCOME, "formula": model, "n_obs": 90, "n_groups": "participant_id 12"}
    about = {"converged": True, "singular": False, "messages": ""}
    write(pd.DataFrame([{**record, **about}]), folder / "models.tsv")
    grid = means_grid(context)
    cells = {row[0].text: row[1] for row in grid.rows}
    assert [cells[name].shade for name in ("isointense", "hypointense", "PRL")] == ["3", "4", "1"]
    assert cells["any difference"].aside.replace("\xa0", " ") == "F(2, 20.5) = 9.8"
    largest = cells["largest difference"]
    assert largest.text == "2.00\xa0%"
    assert largest.aside.replace("\xa0", " ").split("\n")[1:] == ["1.00 to 3.00", "p = 0.002"]
    assert "Y ~ lesion type + (1 | participant)" in grid.note
    assert "90 lesions of 12 participants" in grid.note


def test_checks_that_failed_are_counted_among_those_that_were_tested_and_named(context, tmp_path):
    checks = pd.DataFrame(
        {
            "outcome": OUTCOME,
            "check": ["linearity", "largest residual", "equal residual variance"],
            "p_adjusted": [0.001, 0.5, None],
            "failed": [True, False, False],
            "meaning": ["Curved: x.", "None.", "Not tested: the model has it."],
        }
    )
    write(checks, tmp_path / "baseline" / "checks.tsv")
    write(
        pd.DataFrame({"outcome": [OUTCOME], "term": ["x"]}), tmp_path / "baseline/coefficients.tsv"
    )
    (row,) = checks_grid(context, {"baseline": "types"}).rows
    assert (row[0].text, row[1].text, row[1].aside) == ("types", "1 of 2", "linearity")


def test_what_lies_between_scanners_is_not_known_on_the_page(context, tmp_path):
    nothing = [float("nan")] * 6
    table = effects(
        [("isointense", 0.2, 0.1, 0.3, 0.05, 0.35, 0.01), ("hypointense", *nothing)],
        lesion_type=None,
    ).assign(quantity="change", unit="percent per year", note=["", "confounded with scanners"])
    write(table, tmp_path / "trajectory" / "slopes.tsv")
    (known, unknown) = (row[1] for row in changes_grid(context).rows)
    assert (known.text, known.shade) == ("+0.20", "up")
    assert (unknown.text, unknown.aside) == ("not known", "confounded with scanners")
    means = table.rename(columns={"lesion_type": "level"}).assign(quantity="mean", unit="percent")
    write(means, tmp_path / "baseline" / "means.tsv")
    cells = [row[1] for row in means_grid(context).rows][:2]
    assert [(cell.text, cell.shade) for cell in cells] == [("0.20", "1"), ("not known", "")]
    write(means.assign(estimate=float("nan")), tmp_path / "baseline" / "means.tsv")
    fresh = Context(results=Results(folder=tmp_path), plates=None, study=None)
    assert [row[1].text for row in means_grid(fresh).rows][:2] == ["not known"] * 2
