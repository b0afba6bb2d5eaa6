"""Label images of successive sessions: which lesion goes on in which."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmstats.checks.study import check_study
from qsmstats.errors import ImageError
from qsmstats.study_file import open_study
from qsmstats.tables.tidy import tidy_lesions
from qsmstats.voxels.cohort import extract_cohort
from qsmstats.voxels.matching import match_lesions
from qsmstats.voxels.visits import continuing, match_visits

from .phantoms import AFFINE, image, write_study

VISITS = {"sub-01": ("ses-1", "ses-2", "ses-3"), "sub-02": ("ses-1",), "sub-03": ("ses-1", "ses-2")}
SHAPE = (40, 15, 14)
INDEPENDENT = '[matching]\nlesion_ids = "independent"\n'


def slabs(**places):
    """Return a volume with one slab per label: ``l3=(5, 9)`` fills 5 to 8."""
    volume = np.zeros(SHAPE, dtype=np.int16)
    for name, (first, last) in places.items():
        volume[first:last, 5:8, 5:8] = int(name[1:])
    return volume


# 1 grows; 2 and 3 merge; 4 loses a fragment; 5 falls into halves; 6 is gone; 10 is new.
FIRST = slabs(l1=(1, 4), l2=(6, 8), l3=(8, 12), l4=(14, 20), l5=(22, 28), l6=(30, 32))
SECOND = slabs(
    l7=(1, 5), l6=(6, 12), l1=(14, 18), l2=(19, 20), l3=(22, 24), l4=(26, 28), l10=(34, 37)
)
# 7 stays, 10 grows, the others are gone.
THIRD = slabs(l3=(1, 5), l1=(34, 39))


def labelled(folder, *volumes, affine=AFFINE, text=INDEPENDENT):
    """Write a study whose first participant has these label images, each label with its row."""
    write_study(folder, VISITS, shape=SHAPE)
    (folder / "study.toml").write_text((folder / "study.toml").read_text() + text)
    rows = (folder / "lesions.tsv").read_text().splitlines()
    rows = [row for row in rows if not row.startswith("sub-01")]
    for number, volume in enumerate(volumes, start=1):
        path = folder / f"sub-01/ses-{number}/dseg.nii.gz"
        path.unlink()
        if volume is not None:
            nib.save(image(volume, affine if number == 2 else AFFINE), path)
            rows += [
                f"sub-01\tses-{number}\tL{label}\t{label}\tisointense"
                for label in np.unique(volume[volume > 0])
            ]
    (folder / "lesions.tsv").write_text("\n".join(rows) + "\n")
    return open_study(folder)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    study = labelled(tmp_path_factory.mktemp("three"), FIRST, SECOND, THIRD)
    return study, extract_cohort(study)


def test_every_relation_is_listed_session_by_session(three):
    matches = match_visits(*three)
    keys = matches[["session_id_a", "session_id_b", "label_a", "label_b"]].astype(object)
    rows = keys.where(keys.notna(), None).to_numpy().tolist()
    facts = zip(matches["relation"], matches["continues"], strict=True)
    said = dict(zip(map(tuple, rows), facts, strict=True))
    one, two = ("ses-1", "ses-2"), ("ses-2", "ses-3")
    assert said == {
        (*one, 1, 7): ("same", True),
        # Two thirds of the merged lesion were lesion 3, and all of lesion 3 is in it.
        (*one, 2, 6): ("merged", False),
        (*one, 3, 6): ("merged", True),
        # Most of lesion 4 is one piece; lesion 5 has no piece of more than half.
        (*one, 4, 1): ("split", True),
        (*one, 4, 2): ("split", False),
        (*one, 5, 3): ("split", False),
        (*one, 5, 4): ("split", False),
        (*one, 6, None): ("gone", False),
        (*one, None, 10): ("new", False),
        (*two, 7, 3): ("same", True),
        (*two, 10, 1): ("same", True),
        **{(*two, label, None): ("gone", False) for label in (1, 2, 3, 4, 6)},
    }
    assert set(matches["participant_id"]) == {"sub-01"}
    assert {"overlap", "centroid_distance_mm", "volume_change_mm3"} <= set(matches)


def test_tidy_lesions_follow_the_voxels_and_not_the_identifiers(three):
    study, features = three
    tidy = tidy_lesions(study, features, matches=match_visits(study, features))
    own = tidy[tidy["participant_id"] == "sub-01"].set_index(["session_id", "label"])
    assert own.loc["ses-2", "lesion_id"].to_dict() == {
        7: "L1",
        6: "L3",
        1: "L4",
        **{label: f"ses-2_L{label}" for label in (2, 3, 4, 10)},
    }
    assert own.loc["ses-3", "lesion_id"].to_dict() == {1: "ses-2_L10", 3: "L1"}
    assert own.loc["ses-2", "match"].to_dict() == {
        7: "same",
        6: "merged",
        10: "new",
        **dict.fromkeys((1, 2, 3, 4), "split"),
    }
    assert tidy.attrs["matches"] == "3 same, 2 split, 1 merged, 6 gone, 1 new"
    assert not tidy.duplicated(["participant_id", "session_id", "lesion_id"]).any()


def test_a_session_without_features_is_passed_over(three):
    study, extraction = three
    kept = extraction.features[extraction.features["session_id"] != "ses-2"]
    matches = match_visits(study, kept)
    pairs = matches[["session_id_a", "session_id_b"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["ses-1", "ses-3"]]
    tidy = tidy_lesions(study, kept, matches=matches).query("session_id == 'ses-3'")
    assert tidy.set_index("label")["lesion_id"].to_dict() == {1: "ses-3_L1", 3: "L1"}


def test_a_session_without_lesions_and_label_image_ends_them_all(tmp_path):
    study = labelled(tmp_path, FIRST, None, FIRST)
    features = extract_cohort(study)
    matches = match_visits(study, features)
    assert matches["relation"].value_counts().loc[["gone", "new"]].tolist() == [6, 6]
    tidy = tidy_lesions(study, features, matches=matches)
    last = tidy[tidy["session_id"] == "ses-3"]
    assert last["lesion_id"].str.startswith("ses-3_L").all()


def test_consistent_identifiers_are_not_matched(three):
    study = labelled(three[0].folder.parent / "consistent", FIRST, SECOND, THIRD, text="")
    assert match_visits(study, three[1]) is None


def test_nobody_who_came_back_leaves_an_empty_table_of_matches(three):
    study, extraction = three
    once = extraction.features[extraction.features["session_id"] == "ses-1"]
    matches = match_visits(study, once)
    assert matches.empty
    assert matches["relation"].dtype == "category"
    assert tidy_lesions(study, once, matches=matches)["match"].eq("first").all()


def test_sessions_on_different_grids_are_an_error_of_the_study(tmp_path):
    moved = AFFINE.copy()
    moved[1, 3] += 0.25
    study = labelled(tmp_path, FIRST, SECOND, THIRD, affine=moved)
    for name in ("wm", "Chimap", "MWFmap"):
        path = tmp_path / f"sub-01/ses-2/{name}.nii.gz"
        values = np.asanyarray(nib.load(path).dataobj).copy()
        nib.save(image(values, moved), path)
    with pytest.raises(ImageError, match=r"ses-2/dseg\.nii\.gz: lies on another grid"):
        match_visits(study, extract_cohort(study))
    problems = check_study(study)
    assert problems["kind"].tolist() == ["invalid"]
    message = problems.loc[0, "message"]
    assert message.startswith("sub-01/ses-2/dseg.nii.gz: lies on another grid than sub-01/ses-1/")
    assert "corners are up to 0.227 voxels apart" in message
    assert "labelled independently are matched voxel by voxel" in message
    text = (tmp_path / "study.toml").read_text().replace(INDEPENDENT, "")
    (tmp_path / "study.toml").write_text(text)
    # With other identifiers at each session, lesions are seen once: that is no problem.
    assert check_study(open_study(tmp_path))["kind"].tolist() == ["note"]


@settings(max_examples=40, deadline=None)
@given(
    volumes=st.tuples(
        *[hnp.arrays(np.int16, (5, 4, 3), elements=st.sampled_from([0, 1, 2, 3]))] * 2
    )
)
def test_no_lesion_goes_on_in_two_and_no_two_go_on_in_one(volumes):
    first, second = volumes
    frame = match_lesions(image(first), image(second), min_overlap=0.05)
    going_on = frame[continuing(frame)]
    assert not going_on["label_a"].duplicated().any()
    assert not going_on["label_b"].duplicated().any()
    assert going_on[["label_a", "label_b"]].notna().all(axis=None)
    assert set(frame.index[frame["relation"] == "same"]) <= set(going_on.index)
    for row in going_on[going_on["relation"] != "same"].itertuples():
        of_a, of_b = first == row.label_a, second == row.label_b
        assert 2 * (of_a & of_b).sum() > max(of_a.sum(), of_b.sum())
