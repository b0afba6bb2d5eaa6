"""A walk through every error that a user can cause.

Each case says what to do wrong and what the user must then read: the place, the value found there
and the remedy. `test_every_error_is_walked` compares the cases with the source of the package:
each ``raise`` of one of its errors and each `Problem` that is built must be reached by a case, or
stand in `ELSEWHERE` with the test that reaches it.

A new error needs a new case in the module of its room (`accuracy_cases`, `generalized_cases`,
`harmonise_cases`, `image_cases`, `label_cases`, `model_cases`, `run_cases`, `study_cases`,
`voxelwise_cases`): one row of its name, what to call, and a part of the place, of the value and of
the remedy. Without it the test fails, and names file, line and function.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.errors import (
    accuracy_cases,
    generalized_cases,
    harmonise_cases,
    image_cases,
    label_cases,
    model_cases,
    run_cases,
    study_cases,
    voxelwise_cases,
)
from tests.errors.walk import outcome, sites

MODULES = (
    accuracy_cases,
    generalized_cases,
    harmonise_cases,
    image_cases,
    label_cases,
    model_cases,
    run_cases,
    study_cases,
    voxelwise_cases,
)
TESTS = Path(__file__).parents[1]
CASES = [case for module in MODULES for case in module.CASES]

ELSEWHERE = {
    "test_cli.py::test_wrong_usage_exits_with_2": ["arguments.py: _count, _jobs"],
    "test_cli.py::test_completion_without_its_package_names_it": ["cli.py: _completion"],
    "mixed/batch/test_outcomes.py::test_outcomes_of_a_wrong_form_are_refused": [
        "mixed/batch/outcomes.py: OutcomeDesign._checked, OutcomeDesign._checked_start",
        "mixed/batch/outcomes.py: OutcomeDesign.batch_size, as_numbers",
        "parallel.py: run_tasks",
        "mixed/resampling/refit.py: refit",
    ],
    "mixed/batch/test_outcomes.py::test_lost_rank_is_named_and_nothing_is_made_up": [
        "mixed/design/row_subset.py: take_rows"
    ],
    "imputation/test_pooling.py::test_what_cannot_be_pooled_is_said": [
        "imputation/pooling.py: _PooledInference.joint, pool_batch, pool_fits"
    ],
    "studies/test_rater_uncertainty.py::"
    "test_a_lesion_without_a_type_enters_by_its_ratings_and_one_rating_is_none": [
        "studies/rater_uncertainty.py: impute_types"
    ],
    "studies/test_missing_visits.py::test_without_a_missing_visit_there_is_nothing_to_vary": [
        "studies/missing_visits.py: lost_lesions"
    ],
    "mixed/resampling/test_bootstrap.py::test_a_bootstrap_that_cannot_be_made_is_refused": [
        "mixed/resampling/bootstrap_result.py: Bootstrap._table",
        "mixed/resampling/bootstrap.py: bootstrap",
        "mixed/resampling/cluster_resamples.py: clusters_of",
    ],
    "mixed/resampling/test_bootstrap.py::test_strata_keep_the_size_of_the_arms": [
        "mixed/resampling/bootstrap.py: _strata"
    ],
    "mixed/resampling/test_bootstrap.py::test_a_function_of_the_fit_is_refitted_with_it": [
        "mixed/resampling/statistic.py: _number"
    ],
    "mixed/inference/test_expected_precision.py::test_what_the_design_cannot_tell_is_refused": [
        "mixed/inference/expected_precision.py: ExpectedDesign.inference, expected_design"
    ],
    "mixed/resampling/test_bootstrap_intervals.py::test_impossible_intervals_are_refused": [
        "mixed/resampling/bootstrap_intervals.py: check_interval"
    ],
    "mixed/criterion/test_profiled.py::test_an_outcome_without_residual_variance_is_refused": [
        "mixed/criterion/profiled.py: Objective.at"
    ],
    "studies/test_table_one.py::test_settings_choose_columns_titles_and_medians": [
        "studies/table_one.py: table_one"
    ],
    "studies/patients/test_table.py::test_a_column_of_the_study_that_is_computed_here_is_refused": [
        "studies/patients/table.py: patient_table"
    ],
    "studies/patients/test_associations.py::test_nobody_measured_at_the_first_session_is_refused": [
        "studies/patients/associations.py: patient_associations"
    ],
    "studies/patients/test_associations.py::test_settings_choose_what_is_asked": [
        "studies/patients/associations.py: _require_columns"
    ],
    "studies/patients/test_counts.py::test_what_counts_cannot_say_is_said": [
        "studies/patients/counts.py: count_regression",
        "studies/patients/rows.py: _values, complete, design, fitted, require_patients",
    ],
    "studies/patients/test_groups.py::test_what_groups_cannot_say_is_said": [
        "studies/patients/groups.py: exact_test"
    ],
    "studies/patients/test_shares.py::test_what_shares_cannot_say_is_said": [
        "studies/patients/shares.py: ordinal_regression"
    ],
    "studies/transitions/test_type_transitions.py::test_one_visit_or_no_type_is_no_data": [
        "studies/transitions/type_transitions.py: _require_follow_up"
    ],
    "studies/transitions/test_type_transitions.py::test_a_map_that_is_not_there_is_named": [
        "studies/transitions/type_transitions.py: type_transitions"
    ],
    "studies/transitions/test_type_transitions.py::test_lesions_all_alike_have_no_predictor": [
        "studies/transitions/who_changes.py: fit_changes"
    ],
    "studies/test_default_models.py::test_a_model_that_no_step_can_save_is_refused": [
        "studies/default_models.py: _first_fitted"
    ],
    "studies/test_confounded.py::test_where_nothing_is_left_the_question_is_refused": [
        "studies/confounded.py: refuse_unanswered"
    ],
    "studies/test_confounded.py"
    "::test_the_change_by_disability_is_known_where_all_patients_changed_scanners": [
        "studies/confounded.py: refuse_if_confounded"
    ],
    "studies/test_harmonised.py::test_what_cannot_be_adjusted_is_said_in_words": [
        "studies/harmonised.py: harmonised_answer"
    ],
    "studies/planning/test_design.py::test_impossible_assumptions": [
        "studies/planning/assumptions.py: TrialAssumptions.__post_init__, _check_lesions"
    ],
    "studies/planning/test_design.py::test_impossible_designs": [
        "studies/planning/design.py: TrialDesign.__post_init__",
        "studies/planning/design.py: _check_visits, check_counts",
    ],
    "studies/planning/test_design.py::test_impossible_dropout": [
        "studies/planning/design.py: Dropout.__post_init__"
    ],
    "studies/planning/test_design.py::test_trials_that_cannot_be_analysed": [
        "studies/planning/assumptions.py: TrialAssumptions.counts_for",
        "studies/planning/design.py: TrialDesign.arms",
        "studies/planning/patients.py: check_trial",
    ],
    "studies/planning/test_design.py::test_a_model_without_what_a_plan_needs_is_refused": [
        "studies/planning/assumptions_from_fit.py: _random_term, fitted_assumptions"
    ],
    "studies/planning/test_power.py::test_arguments_that_cannot_be_used": [
        "studies/planning/power.py: _sequence, checked_seed, effects_of, trial_power"
    ],
    "studies/planning/test_sizes.py::test_questions_without_an_answer": [
        "studies/planning/expected_size.py: smallest_trial",
        "studies/planning/sizes.py: check_question, required_patients",
    ],
}
"""Test -> "file: functions" whose errors it reaches; they need long runs, or rooms of their own."""

NO_USERS = {
    "studies/patients/change.py: change_regression": "refuses a fit that did not converge",
    "studies/patients/lesions.py: lesion_regression": "refuses a fit that did not converge",
    "inventory/tables.py: _sheets": "listed by init among the tables that cannot be read",
    "voxels/executors.py: _run": "passes Ctrl-C of a worker on",
    "voxelwise/stack.py: finished": "passes on what a worker raised",
    "mixed/optimum/boundary.py: refuse_perfect_fit": "as Objective.at, where rounding hides it",
    "studies/planning/grid_cell.py: expected_tests": "raises again what a draw has raised",
}
"""Errors that no user meets, or none as such -> what they are for."""


def places(lines):
    """Return (file, function) of lines such as "file: functions"."""
    for line in lines:
        file, _, functions = line.partition(": ")
        yield from ((file, function) for function in functions.split(", "))


EXCUSED = {*places(NO_USERS), *(one for lines in ELSEWHERE.values() for one in places(lines))}


@pytest.fixture(scope="session")
def walked(tmp_path_factory):
    """Return a function that runs a case once, however many tests ask for it."""
    seen = {}

    def run(case):
        if case.name not in seen:
            seen[case.name] = outcome(case, tmp_path_factory.mktemp("walk"))
        return seen[case.name]

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_message_names_place_value_and_remedy(case, walked):
    found = walked(case)
    assert found.kind is case.kind, found.message
    for part in (case.place, case.value, case.remedy):
        assert part
        assert part in found.message


def test_cases_have_names_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_error_is_walked(walked):
    reached = set().union(*(walked(case).reached for case in CASES))
    missing = [
        f"{file}:{line} in {function}"
        for (file, line), (_, function) in sites().items()
        if (file, line) not in reached and (file, function) not in EXCUSED
    ]
    assert not missing, "no case reaches\n" + "\n".join(missing)


def test_what_is_walked_elsewhere_is_there_and_is_tested():
    functions = {(file, function) for (file, _), (_, function) in sites().items()}
    assert functions >= EXCUSED
    for test in ELSEWHERE:
        path, _, name = test.partition("::")
        tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert name in names, test
