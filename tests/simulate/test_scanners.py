"""Scanners of a simulated study: effects, who is measured on which, and what stays as it was."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from qsmstats.simulate.cohort import simulate_study, truth_path
from qsmstats.simulate.maps import PATIENT_TISSUE
from qsmstats.simulate.scanners import MOVED, SHIFT_SD, assign_scanners, draw_scanners
from qsmstats.simulate.values import Region, draw_values

SMALL = {"seed": 4, "patients": 4, "controls": 1, "followed": 2, "resolution": 4.0}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Folders of the same study on one scanner and on two."""
    root = tmp_path_factory.mktemp("scanners")
    return [
        simulate_study(root / name, scanners=count, **SMALL)
        for name, count in (("one", 1), ("two", 2))
    ]


def truth(folder):
    return json.loads(truth_path(folder).read_text(encoding="utf-8"))


def sessions(folder):
    paths = sorted(folder.glob("sub-*/sub-*_sessions.tsv"))
    tables = [pd.read_csv(path, sep="\t").assign(participant_id=path.parent.name) for path in paths]
    return pd.concat(tables).set_index(["participant_id", "session_id"])


def test_shifts_sum_to_zero_and_squared_scales_have_a_mean_of_one(parameters):
    drawn = draw_scanners(np.random.default_rng(1), parameters.maps, 4)
    for name in parameters.maps:
        assert drawn.shift[name].sum() == pytest.approx(0, abs=1e-12)
        assert (drawn.scale[name] ** 2).mean() == pytest.approx(1)
        assert len(set(drawn.shift[name])) == len(set(drawn.scale[name])) == 4


def test_the_spread_of_shifts_is_in_units_of_lesions_of_one_type(parameters):
    rng = np.random.default_rng(2)
    shifts = [draw_scanners(rng, parameters.maps, 3).shift["mwf_percent"] for _ in range(2000)]
    # 0.50, 0.68 and 0.30: participant, region and session; centring takes a third of the variance.
    expected = SHIFT_SD**2 * (0.50**2 + 0.68**2 + 0.30**2) * 2 / 3
    assert np.mean(np.square(shifts)) == pytest.approx(expected, rel=0.06)


def test_one_scanner_changes_nothing(parameters):
    drawn = draw_scanners(np.random.default_rng(3), parameters.maps, 1)
    assert drawn.names == ("",)
    assert {float(value[0]) for value in drawn.shift.values()} == {0.0}
    assert {float(value[0]) for value in drawn.scale.values()} == {1.0}


def test_scanners_are_spread_evenly_and_some_of_the_followed_move():
    followed = set(range(0, 40, 2))
    made = assign_scanners(np.random.default_rng(5), ("A", "B", "C"), (40, 21), followed)
    assert [place for place, own in enumerate(made) if len(own) == 2] == sorted(followed)
    for group in (made[:40], made[40:]):
        counts = Counter(own[0] for own in group)
        assert set(counts) == {"A", "B", "C"}
        assert max(counts.values()) - min(counts.values()) <= 1
    moved = sum(len(own) == 2 and own[0] != own[1] for own in made)
    assert moved == np.ceil(MOVED * len(followed))


def test_values_are_shifted_and_the_deviation_of_the_session_is_scaled(parameters):
    mwf, regions = parameters.maps["mwf_percent"], [Region(tissue=PATIENT_TISSUE)] * 3
    mwf = replace(mwf, participant_sd=0.0, slope_sd=0.0, region_sd=0.0)
    person = {"age": 45.0, "sex": "F", "years": (0.0, 2.0)}
    shift, scale = np.array([0.5, -1.0]), np.array([1.2, 0.7])
    plain = draw_values(np.random.default_rng(6), mwf, regions, **person)
    made = draw_values(np.random.default_rng(6), mwf, regions, **person, shift=shift, scale=scale)
    mean = mwf.means[PATIENT_TISSUE]
    np.testing.assert_allclose(made - mean - shift, scale * (plain - mean), atol=1e-12)


def test_people_and_lesions_are_those_of_a_study_on_one_scanner(pair):
    one, two = pair
    for name in ("lesions.tsv", "ratings.tsv", "histology.tsv", "study.toml"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    first, second = (pd.read_csv(folder / "participants.tsv", sep="\t") for folder in pair)
    # EDSS and NfL follow the myelin of lesions, whose spread a scanner changes.
    same = [name for name in first if name not in ("edss", "nfl")]
    pd.testing.assert_frame_equal(first[same], second[same])
    assert "scanner" not in sessions(one)
    assert "scanner" not in (one / "README").read_text()
    assert "on 2 scanners" in (two / "README").read_text()


def test_the_truth_names_the_scanner_of_each_session_and_its_effects(pair):
    one, two = (truth(folder) for folder in pair)
    assert "scanners" not in one
    regions, before = pd.DataFrame(two["regions"]), pd.DataFrame(one["regions"])
    listed = sessions(pair[1])["scanner"]
    keys = pd.MultiIndex.from_frame(regions[["participant_id", "session_id"]])
    assert regions["scanner"].tolist() == listed.loc[keys].tolist()
    told = two["scanners"]["maps"]["mwf_percent"]
    assert told["contrasts"] == {"S1 - S2": told["shift"]["S1"] - told["shift"]["S2"]}
    # The study differs from that on one scanner by the shift, and by as much as the scale moves the
    # deviations of sessions: independent, of mean zero, and with standard deviation 0.30.
    moved = regions["mwf_percent"] - before["mwf_percent"] - regions["scanner"].map(told["shift"])
    spread = (regions["scanner"].map(told["scale"]) - 1).abs() * 0.30
    standard = moved / spread
    assert len(standard) > 60
    assert standard.mean() == pytest.approx(0, abs=4 / np.sqrt(len(standard)))
    assert (standard**2).mean() == pytest.approx(1, abs=4 * np.sqrt(2 / len(standard)))


def test_the_table_of_sessions_explains_its_column(pair):
    path = pair[1] / "sub-001" / "sub-001_sessions.json"
    assert "Scanner on which" in json.loads(path.read_text())["scanner"]["Description"]


def test_a_study_on_one_scanner_is_what_it_was(simulated):
    """Tables of seed 3 as they were before a study could have several scanners."""
    digests = {
        name: hashlib.sha256((simulated.folder / name).read_bytes()).hexdigest()[:12]
        for name in ("participants.tsv", "lesions.tsv", "ratings.tsv", "study.toml", "README")
    }
    assert digests == {
        "participants.tsv": "342867bccd3f",
        "lesions.tsv": "7600f60f9f2e",
        "ratings.tsv": "650ff7eff86e",
        "study.toml": "11e8378389e3",
        "README": "956bff1b23f3",
    }
    assert "scanners" not in simulated.truth
    regions = pd.DataFrame(simulated.truth["regions"])
    assert list(regions)[:3] == ["participant_id", "session_id", "region"]
    sums = regions[["susceptibility_ppb", "mwf_percent", "ndi"]].sum().tolist()
    assert sums == pytest.approx([-5908.155593, 1677.677567, 126.778954], abs=1e-6)
