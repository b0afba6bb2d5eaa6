import pytest

from qsmstats import baseline_differences, write_answer
from qsmstats.report.blocks import Notice
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections.context import Context, fit_warnings, notes, refusals
from qsmstats.settings import ModelSettings
from tests.studies.conftest import make_lesions


@pytest.fixture
def context(tmp_path):
    lesions = make_lesions(patients=14, followed=8)
    lesions.loc[lesions["participant_id"].isin(["sub-005", "sub-010"]), "age"] = None
    formula = "{outcome} ~ lesion_type + age + (1 | participant_id)"
    answer = baseline_differences(lesions, "mwf_percent", settings=ModelSettings(baseline=formula))
    assert "missing values" in answer.models["messages"].iloc[0]
    refused = [("ndi", "Could not be answered: no value")]
    write_answer([answer], tmp_path / "baseline", refusals=refused)
    return Context(results=Results(folder=tmp_path), plates=None, study=None)


def test_rows_left_out_for_missing_values_are_said_once(context):
    assert fit_warnings(context, "baseline") == []
    blocks = notes(context, "baseline", "mwf_percent")
    assert not any(isinstance(block, Notice) for block in blocks)
    assert str(blocks).count("missing values") == 1


def test_what_else_the_fit_says_stays(context):
    models = context.results.table("baseline/models")
    models["messages"] = "a; " + models["messages"] + "; b; c"
    assert fit_warnings(context, "baseline") == ["Myelin water fraction (MWF): a; b; c."]


def test_an_outcome_without_an_answer_is_named_with_its_reason_beside_the_others(context):
    (block,) = refusals(context, "baseline")
    assert block.text == "Neurite density index (NDI): Could not be answered: no value"
    assert refusals(context, "trajectory") == []
