import pytest

from qsmstats import baseline_differences, write_answer
from qsmstats.plot.look import figure_style
from qsmstats.report.figures.files import Plates
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections import baseline
from qsmstats.report.sections.context import Context
from qsmstats.settings import ModelSettings
from qsmstats.studies.answer_files import write_table
from tests.studies.conftest import make_lesions

OUTCOME = "mwf_percent"


@pytest.fixture
def clouds(tmp_path, monkeypatch):
    """Answer a study with holes, draw its rainclouds; return answer, figure and what was drawn."""

    def draw(settings):
        lesions = make_lesions(patients=14, followed=8)
        people = lesions["participant_id"]
        # Three first sessions could not be read, and two ages are missing.
        unread = people.isin(["sub-000", "sub-001", "sub-002"]) & (lesions["years"] == 0)
        lesions.loc[people.isin(["sub-005", "sub-010"]), "age"] = None
        lesions = lesions[~unread]
        answer = baseline_differences(lesions, OUTCOME, settings=settings)
        write_table(lesions, tmp_path / "tidy.tsv")
        write_answer([answer], tmp_path / "baseline")
        drawn = []
        monkeypatch.setattr(
            baseline.plot,
            "rainclouds",
            lambda frame, value, **names: drawn.append((frame, {"value": value, **names})),
        )
        plates = Plates(folder=tmp_path, style=figure_style("screen"))
        context = Context(results=Results(folder=tmp_path), plates=plates, study=None)
        (figure,) = baseline._clouds(context, OUTCOME)
        return answer, figure, drawn[0]

    return draw


FORMULA = "{} ~ lesion_type + age + (1 | participant_id)"


def test_every_dot_is_a_row_of_the_model(clouds):
    answer, _, (frame, names) = clouds(ModelSettings(baseline=FORMULA.format("{outcome}")))
    assert len(frame) == answer.fit.info.n_obs == answer.counts["n"].sum()
    counts = frame[names["hue"]].value_counts()
    assert counts.to_dict() == answer.counts.set_index("level")["n"].to_dict()
    # Tables are written to ten digits.
    assert frame[names["value"]].to_numpy() == pytest.approx(answer.residuals["value"], rel=1e-9)


def test_the_model_of_a_logarithm_is_drawn_as_geometric_means_and_ratios(clouds):
    settings = ModelSettings(baseline=FORMULA.format("log({outcome})"))
    answer, figure, (_, names) = clouds(settings)
    assert names["means"]["estimate"].to_numpy() == pytest.approx(answer.means["estimate"])
    assert names["means"]["estimate"].between(2, 9).all()  # % of water, not its logarithm
    assert "the marginal geometric mean" in figure.reading
    assert "row / column" in str(figure.markup)


def test_means_on_another_scale_are_not_drawn_among_the_values(clouds):
    settings = ModelSettings(baseline=FORMULA.format("log({outcome} + 1)"))
    _, figure, (_, names) = clouds(settings)
    assert names["means"] is None
    assert "on another scale (log(mwf_percent + 1)) and not drawn" in figure.reading
    assert "row − column (log(mwf_percent + 1))" in str(figure.markup)
