"""A whole study folder: what is in it, what its voxels show, and that it can be made again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import distance_transform_edt

from qsmstats.errors import UsageError
from qsmstats.schemas import load_schema, map_schemas
from qsmstats.settings import FeatureSettings
from qsmstats.simulate.cohort import simulate_study, truth_path
from qsmstats.study_file import open_study

MAPS = ("susceptibility_ppb", "mwf_percent", "ndi")


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def sessions(simulated):
    for path in sorted(simulated.folder.glob("sub-*/sub-*_sessions.tsv")):
        table = pd.read_csv(path, sep="\t")
        for row in table.itertuples():
            yield path.parent.name, row.session_id, row.years


def images(simulated, participant, session):
    """Return map -> values in canonical units (nan where not measured), labels or None, mask."""
    study = open_study(simulated.folder)
    maps = {}
    for spec in study.maps:
        values = nib.load(study.image(spec.pattern, participant, session)).get_fdata()
        missing = values == spec.missing
        maps[spec.name] = np.where(missing, np.nan, values * spec.factor)
    path = study.image(study.labels.pattern, participant, session)
    labels = np.asarray(nib.load(path).dataobj) if path.exists() else None
    mask = nib.load(
        study.image(study.tissue["white_matter"].pattern, participant, session)
    ).get_fdata()
    return maps, labels, mask > 0


def test_the_validator_of_bids_finds_no_error(simulated):
    program = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run(
        [program, "--format", "json", simulated.folder], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert done.returncode == 0
    # What BIDS recommends and no simulated image has: several authors, and images it comes from.
    warnings = {(issue["code"], issue.get("subCode")) for issue in issues}
    assert warnings <= {("TOO_FEW_AUTHORS", None), ("SIDECAR_KEY_RECOMMENDED", "Sources")}


def test_study_toml_opens_and_every_image_is_there(simulated):
    study = open_study(simulated.folder)
    assert [spec.name for spec in study.maps] == list(MAPS)
    assert {spec.name: spec.missing for spec in study.maps}["mwf_percent"] == 0
    groups = simulated.table("participants").set_index("participant_id")["group"]
    for participant, session, _ in sessions(simulated):
        for spec in study.maps:
            path = study.image(spec.pattern, participant, session)
            sidecar = json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())
            assert sidecar["Units"] == spec.unit
        assert study.image(study.tissue["white_matter"].pattern, participant, session).exists()
        labels = study.image(study.labels.pattern, participant, session)
        assert labels.exists() == (groups[participant] == "MS")


def test_tables_have_the_schemas_columns_and_dictionaries(simulated):
    for name in ("participants", "lesions", "ratings", "histology"):
        table = simulated.table(name)
        schema = load_schema(name)
        own = ["nfl"] if name == "participants" else []
        one_scanner = [column.name for column in schema.fields if column.name != "scanner"]
        assert list(table) == [*one_scanner, *own]
        assert not table.duplicated(list(schema.primary_key)).any()
        dictionary = json.loads((simulated.folder / f"{name}.json").read_text())
        assert set(dictionary) == {"Description", *table}
        for column in schema.fields:
            if column.levels:
                assert set(table[column.name].dropna()) <= set(column.levels)


def test_sessions_are_about_two_years_apart(simulated):
    table = pd.DataFrame(sessions(simulated), columns=["participant", "session", "years"])
    first = table.loc[table["session"] == "ses-01", "years"]
    assert (first == 0).all()
    assert len(first) >= 3
    second = table.loc[table["session"] == "ses-02", "years"]
    assert len(second) == 3
    assert second.between(1.6, 2.6).all()
    assert second.nunique() == 3
    groups = simulated.table("participants")["group"].value_counts()
    assert groups.to_dict() == {"MS": 5, "HC": 2}


def test_labels_and_rows_are_the_same_lesions(simulated):
    lesions = simulated.table("lesions")
    patients = simulated.table("participants").query("group == 'MS'")["participant_id"]
    assert set(lesions["participant_id"]) == set(patients)
    for (participant, session), rows in lesions.groupby(["participant_id", "session_id"]):
        _, labels, mask = images(simulated, participant, session)
        assert set(np.unique(labels)) - {0} == set(rows["label"])
        assert mask[labels > 0].all()
        folder = simulated.folder / participant / session / "anat"
        names = pd.read_csv(folder / f"{participant}_{session}_dseg.tsv", sep="\t")
        assert list(names["index"]) == list(rows["label"])
        assert list(names["name"]) == list(rows["lesion_id"])
    planted = simulated.truth["transitions"]["per_100_lesion_years"]
    for _, types in lesions.groupby(["participant_id", "lesion_id"])["lesion_type"]:
        first, later = types.iloc[0], types.iloc[-1]
        assert first == later or planted[first][later] > 0


def test_every_region_of_the_files_shows_its_true_value(simulated):
    truth = pd.DataFrame(simulated.truth["regions"])
    lesions = simulated.table("lesions")
    assert len(truth) == len(lesions) + 10
    steps = {name: simulated.truth["parameters"]["maps"][name]["step"] for name in MAPS}
    for participant, session, _ in sessions(simulated):
        maps, labels, _ = images(simulated, participant, session)
        if labels is None:
            continue
        own = truth.query("participant_id == @participant and session_id == @session")
        own = own.set_index("region")
        for row in lesions.query(
            "participant_id == @participant and session_id == @session"
        ).itertuples():
            inside = labels == row.label
            for name, values in maps.items():
                # Four and a half standard errors of rounding; as in test_images.
                tolerance = 4.5 * steps[name] / np.sqrt(12 * inside.sum())
                found = np.nanmean(values[inside])
                assert found == pytest.approx(own.loc[row.lesion_id, name], abs=tolerance)


def test_white_matter_far_from_lesions_of_all_sessions_shows_its_true_value(simulated):
    truth = pd.DataFrame(simulated.truth["regions"]).query("region == 'white_matter'")
    distance = FeatureSettings().nawm_distance_mm
    assert not truth.empty
    for participant, rows in truth.groupby("participant_id"):
        visits = {
            row.session_id: images(simulated, participant, row.session_id)
            for row in rows.itertuples()
        }
        far = next(iter(visits.values()))[2].copy()
        for _, labels, _ in visits.values():
            if labels is not None:
                far &= distance_transform_edt(labels == 0, sampling=3.0) >= distance
        for row in rows.itertuples():
            maps = visits[row.session_id][0]
            assert maps.keys() == simulated.truth["parameters"]["maps"].keys()
            for name, values in maps.items():
                step = simulated.truth["parameters"]["maps"][name]["step"]
                tolerance = 4.5 * step / np.sqrt(12 * far.sum())
                assert np.nanmean(values[far]) == pytest.approx(getattr(row, name), abs=tolerance)


def test_truth_states_each_map_and_what_was_cut(simulated):
    truth = simulated.truth
    assert set(truth["maps"]) == set(map_schemas())
    for model in ("baseline", "tissue", "trajectory"):
        assert truth["maps"]["mwf_percent"][model]["contrasts"]
    assert truth["seed"] == 3
    assert truth["clinical"]["edss_prl"] > 0
    assert (truth["lesions_left_out"], truth["values_lifted"]) == (0, 0)
    assert set(truth["histology"]) == {"remyelinated", "chronic_inactive", "chronic_active"}
    assert truth["raters"]["kappa paramagnetic_rim"] == pytest.approx(0.69, abs=0.005)


def test_the_analysis_is_not_told_where_the_truth_is(simulated):
    assert not list(simulated.folder.rglob("*truth*"))
    assert "truth" not in (simulated.folder / "study.toml").read_text()


def test_progress_counts_sessions(simulated):
    assert [total for _, total in simulated.progress] == [10] * 7
    done = [done for done, _ in simulated.progress]
    assert done == sorted(done)
    assert done[-1] == 10


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(tmp_path):
    options = {"patients": 2, "controls": 1, "followed": 1, "resolution": 4.0}
    for name, seed, jobs in (("a", 5, 1), ("b", 5, 2), ("c", 6, 1)):
        simulate_study(tmp_path / name, seed=seed, jobs=jobs, **options)
    one, two, other = (digests(tmp_path / name) for name in "abc")
    assert one == two
    assert truth_path(tmp_path / "a").read_bytes() == truth_path(tmp_path / "b").read_bytes()
    same = {name for name in one if other.get(name) == one[name]}
    assert not any(name.endswith(("Chimap.nii.gz", "lesions.tsv")) for name in same)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["a", "b", "c", "a_truth.json", "b_truth.json", "c_truth.json"]
    )


def test_an_empty_folder_may_be_filled_and_a_full_one_not(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    options = {"patients": 1, "controls": 0, "followed": 0, "resolution": 4.0}
    assert simulate_study(folder, **options) == folder
    with pytest.raises(UsageError, match="study already exists"):
        simulate_study(folder, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patients": 0, "followed": 0}, "patients: 0 is less than 1"),
        ({"controls": -1}, "controls: -1 is less than 0"),
        ({"seed": -4}, "seed: -4 is less than 0"),
        ({"jobs": 0}, "jobs: 0 is less than 1"),
        ({"patients": 3, "followed": 4}, "followed: 4 patients"),
        ({"resolution": 9.0}, "resolution 9 mm"),
        ({"scanners": 0}, "scanners: 0 is less than 1"),
        ({"patients": 5, "followed": 0, "scanners": 3}, "scanners: 3 scanners .* at most 2"),
    ],
)
def test_numbers_that_cannot_be_are_named_and_nothing_is_written(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        simulate_study(tmp_path / "study", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_needs_a_name():
    with pytest.raises(UsageError, match="name a new folder"):
        simulate_study(Path())


def test_a_failure_leaves_nothing_behind(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_study(
            tmp_path / "study", patients=1, controls=1, followed=0, resolution=4.0, progress=stop
        )
    assert list(tmp_path.iterdir()) == []
