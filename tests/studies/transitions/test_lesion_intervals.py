"""Each lesion at one visit beside itself at the next."""

from __future__ import annotations

from qsmstats.studies.transitions.lesion_intervals import lesion_intervals, visit_intervals

from .made import made


def words(lesions, visits):
    pairs = lesion_intervals(lesions, visit_intervals(visits))
    return {
        (row.lesion_id, row.session_id, row.next_session_id, row.from_type, row.to_type)
        for row in pairs.itertuples()
    }


def test_lesions_stay_change_vanish_come_and_lack_a_type():
    lesions, visits = made([["iih", "p-i", "-?-"]])
    assert words(lesions, visits) == {
        ("L0", "ses-0", "ses-1", "isointense", "isointense"),
        ("L0", "ses-1", "ses-2", "isointense", "hyperintense"),
        ("L1", "ses-0", "ses-1", "paramagnetic_rim", "vanished"),
        ("L1", "ses-1", "ses-2", "new", "isointense"),
        ("L2", "ses-0", "ses-1", "new", "untyped"),
        ("L2", "ses-1", "ses-2", "untyped", "vanished"),
    }


def test_a_session_that_was_not_measured_is_passed_over_and_one_without_lesions_is_not():
    lesions, visits = made([["i-i", "p-p"]])
    assert len(words(lesions, visits)) == 4
    measured = visits[visits["session_id"] != "ses-1"]
    intervals = visit_intervals(measured)
    assert intervals["interval_years"].tolist() == [4.0]
    pairs = lesion_intervals(lesions, intervals)
    assert (pairs["from_type"] == pairs["to_type"]).all()


def test_visits_are_ordered_by_time_and_not_by_name():
    _, visits = made([["ii"]])
    turned = visits.assign(years=[2.0, 0.0]).iloc[::-1]
    assert visit_intervals(turned)[["session_id", "next_session_id"]].to_numpy().tolist() == [
        ["ses-1", "ses-0"]
    ]
