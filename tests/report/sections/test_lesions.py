import pandas as pd
import pytest

from qsmstats.report.results.columns import needed
from qsmstats.report.results.output_folder import Results
from qsmstats.report.sections import lesions
from qsmstats.report.sections.context import Context
from tests.report import made


class SeenError(Exception):
    """Carries the frame that a picture would be made of."""


@pytest.mark.parametrize("chooser", ["exemplary_participant", "layer_profiles"])
def test_a_later_session_is_shown_nowhere_as_the_first(tmp_path, monkeypatch, chooser):
    tidy = made.lesions(patients=12)
    unread = tidy["participant_id"].isin(["sub-002", "sub-004", "sub-006"]) & (tidy["years"] == 0)
    made.write(tidy[~unread], tmp_path / "tidy.tsv")
    columns = [*needed("features"), "layer_1_mean"]
    made.write(pd.DataFrame([dict.fromkeys(columns, 1)]), tmp_path / "features.tsv")

    def seen(*frames, **_):
        raise SeenError(frames[-1])

    monkeypatch.setattr(lesions, chooser, seen)
    context = Context(results=Results(folder=tmp_path), plates=None, study=None)
    with pytest.raises(SeenError) as shown:
        lesions.section(context)
    (frame,) = shown.value.args
    assert set(frame["years"]) == {0.0}
    assert frame["participant_id"].nunique() == 9
    assert len(frame) == ((tidy["years"] == 0) & ~unread).sum()
