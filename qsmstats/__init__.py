"""Statistics for cohort studies of multiple-sclerosis lesions.

From quantitative MRI maps and lesion labels to one row per lesion, and from there to three
answers: how lesion types differ at baseline, how they change over time, and how well the type
seen on susceptibility maps tells what the pathologist saw.

The public names are loaded on first use: ``import qsmstats`` and ``qsmstats --help`` stay fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qsmstats.version import __version__

_HOMES = {
    "Auc": "qsmstats.accuracy.roc",
    "Consensus": "qsmstats.accuracy.consensus",
    "Cutoff": "qsmstats.accuracy.cutoff",
    "Dropout": "qsmstats.studies.planning.design",
    "Extraction": "qsmstats.voxels.cohort",
    "FeatureSettings": "qsmstats.settings",
    "GeneralizedFit": "qsmstats.generalized.fit",
    "GeneralizedMixedModel": "qsmstats.generalized.model",
    "GroupDifferences": "qsmstats.studies.baseline",
    "Harmonisation": "qsmstats.harmonise.result",
    "HarmonisedDifferences": "qsmstats.studies.harmonised",
    "HarmonisedTrajectories": "qsmstats.studies.harmonised",
    "HistologyAccuracy": "qsmstats.studies.histology",
    "HistologySettings": "qsmstats.settings",
    "ImputedDifferences": "qsmstats.studies.rater_uncertainty",
    "ImputedTrajectories": "qsmstats.studies.rater_uncertainty",
    "JointFeasibility": "qsmstats.accuracy.feasible",
    "LabelFiles": "qsmstats.voxels.labels",
    "LabelSpec": "qsmstats.study",
    "LesionTypeRule": "qsmstats.settings",
    "LostLesions": "qsmstats.studies.missing_visits",
    "ManyFits": "qsmstats.mixed.fit_many",
    "MixedFit": "qsmstats.mixed.fit",
    "MixedModel": "qsmstats.mixed.model",
    "ModelSettings": "qsmstats.settings",
    "OutcomeDesign": "qsmstats.mixed.batch.outcomes",
    "PatientAssociations": "qsmstats.studies.patients.associations",
    "PatientSettings": "qsmstats.settings",
    "PooledFit": "qsmstats.imputation.pooling",
    "RaterAgreement": "qsmstats.studies.raters",
    "RaterSettings": "qsmstats.settings",
    "RequiredPatients": "qsmstats.studies.planning.sizes",
    "RescanAgreement": "qsmstats.harmonise.rescans",
    "SampleSize": "qsmstats.accuracy.samplesize",
    "Schemas": "qsmstats.own_schemas",
    "Study": "qsmstats.study",
    "StudyDraft": "qsmstats.inventory.draft",
    "StudyTables": "qsmstats.tables.read",
    "TableOne": "qsmstats.studies.table_one",
    "TableOneSettings": "qsmstats.settings",
    "TissueFile": "qsmstats.voxels.labels",
    "TissueSpec": "qsmstats.study",
    "Trajectories": "qsmstats.studies.trajectory",
    "TrialAssumptions": "qsmstats.studies.planning.assumptions",
    "TrialDesign": "qsmstats.studies.planning.design",
    "TrialPower": "qsmstats.studies.planning.power",
    "TypeTransitions": "qsmstats.studies.transitions.type_transitions",
    "VoxelFit": "qsmstats.voxelwise.result",
    "accuracy_sample_size": "qsmstats.accuracy.samplesize",
    "agreement": "qsmstats.accuracy.agreement",
    "area_under_curve": "qsmstats.accuracy.roc",
    "baseline_differences": "qsmstats.studies.baseline",
    "best_cutoff": "qsmstats.accuracy.cutoff",
    "check_study": "qsmstats.checks.study",
    "clustered_proportion": "qsmstats.accuracy.proportions",
    "combat": "qsmstats.harmonise.adjustment",
    "compare_readings": "qsmstats.accuracy.comparison",
    "consensus": "qsmstats.accuracy.consensus",
    "diagnostic_accuracy": "qsmstats.accuracy.diagnostic",
    "example_lesions": "qsmstats.simulate.example",
    "extract_cohort": "qsmstats.voxels.cohort",
    "extract_features": "qsmstats.voxels.features",
    "feasible_joint_tables": "qsmstats.accuracy.feasible",
    "feasible_tables": "qsmstats.accuracy.feasible",
    "fit_many": "qsmstats.mixed.fit_many",
    "harmonised_answer": "qsmstats.studies.harmonised",
    "fit_voxels": "qsmstats.voxelwise.fit_voxels",
    "histology_accuracy": "qsmstats.studies.histology",
    "impute_types": "qsmstats.studies.rater_uncertainty",
    "init_study": "qsmstats.inventory.draft",
    "intraclass_correlation": "qsmstats.accuracy.continuous",
    "lesions_without_features": "qsmstats.tables.tidy",
    "longcombat": "qsmstats.harmonise.adjustment",
    "lost_lesions": "qsmstats.studies.missing_visits",
    "match_lesions": "qsmstats.voxels.matching",
    "match_visits": "qsmstats.voxels.visits",
    "open_study": "qsmstats.study_file",
    "patient_associations": "qsmstats.studies.patients.associations",
    "patient_table": "qsmstats.studies.patients.table",
    "pool_fits": "qsmstats.imputation.pooling",
    "proportion_interval": "qsmstats.accuracy.intervals",
    "rater_agreement": "qsmstats.studies.raters",
    "read_tables": "qsmstats.voxels.lesion_rows",
    "required_patients": "qsmstats.studies.planning.sizes",
    "rescan_agreement": "qsmstats.harmonise.rescans",
    "run_study": "qsmstats.run",
    "scanner_confounding": "qsmstats.harmonise.confounding",
    "show": "qsmstats.display",
    "simulate_study": "qsmstats.simulate.cohort",
    "simulate_trial": "qsmstats.studies.planning.outcomes",
    "suggest_lesion_types": "qsmstats.voxels.lesion_types",
    "table_one": "qsmstats.studies.table_one",
    "tidy_lesions": "qsmstats.tables.tidy",
    "tissue_differences": "qsmstats.studies.baseline",
    "tissue_table": "qsmstats.tables.tidy",
    "to_long": "qsmstats.tables.wide",
    "trajectories": "qsmstats.studies.trajectory",
    "trial_power": "qsmstats.studies.planning.power",
    "type_transitions": "qsmstats.studies.transitions.type_transitions",
    "write_answer": "qsmstats.studies.answer_files",
    "write_report": "qsmstats.report.page",
    "write_table_one": "qsmstats.studies.table_one_files",
}

_ROOMS = ("plot",)
"""Packages whose functions are public within them: ``qs.plot.rainclouds``."""

__all__ = ["__version__", *_ROOMS, *_HOMES]

if TYPE_CHECKING:
    from qsmstats import plot
    from qsmstats.accuracy.agreement import agreement
    from qsmstats.accuracy.comparison import compare_readings
    from qsmstats.accuracy.consensus import Consensus, consensus
    from qsmstats.accuracy.continuous import intraclass_correlation
    from qsmstats.accuracy.cutoff import Cutoff, best_cutoff
    from qsmstats.accuracy.diagnostic import diagnostic_accuracy
    from qsmstats.accuracy.feasible import JointFeasibility, feasible_joint_tables, feasible_tables
    from qsmstats.accuracy.intervals import proportion_interval
    from qsmstats.accuracy.proportions import clustered_proportion
    from qsmstats.accuracy.roc import Auc, area_under_curve
    from qsmstats.accuracy.samplesize import SampleSize, accuracy_sample_size
    from qsmstats.checks.study import check_study
    from qsmstats.display import show
    from qsmstats.generalized.fit import GeneralizedFit
    from qsmstats.generalized.model import GeneralizedMixedModel
    from qsmstats.harmonise.adjustment import combat, longcombat
    from qsmstats.harmonise.confounding import scanner_confounding
    from qsmstats.harmonise.rescans import RescanAgreement, rescan_agreement
    from qsmstats.harmonise.result import Harmonisation
    from qsmstats.imputation.pooling import PooledFit, pool_fits
    from qsmstats.inventory.draft import StudyDraft, init_study
    from qsmstats.mixed.batch.outcomes import OutcomeDesign
    from qsmstats.mixed.fit import MixedFit
    from qsmstats.mixed.fit_many import ManyFits, fit_many
    from qsmstats.mixed.model import MixedModel
    from qsmstats.own_schemas import Schemas
    from qsmstats.report.page import write_report
    from qsmstats.run import run_study
    from qsmstats.settings import (
        FeatureSettings,
        HistologySettings,
        LesionTypeRule,
        ModelSettings,
        PatientSettings,
        RaterSettings,
        TableOneSettings,
    )
    from qsmstats.simulate.cohort import simulate_study
    from qsmstats.simulate.example import example_lesions
    from qsmstats.studies.answer_files import write_answer
    from qsmstats.studies.baseline import GroupDifferences, baseline_differences, tissue_differences
    from qsmstats.studies.harmonised import (
        HarmonisedDifferences,
        HarmonisedTrajectories,
        harmonised_answer,
    )
    from qsmstats.studies.histology import HistologyAccuracy, histology_accuracy
    from qsmstats.studies.missing_visits import LostLesions, lost_lesions
    from qsmstats.studies.patients.associations import PatientAssociations, patient_associations
    from qsmstats.studies.patients.table import patient_table
    from qsmstats.studies.planning.assumptions import TrialAssumptions
    from qsmstats.studies.planning.design import Dropout, TrialDesign
    from qsmstats.studies.planning.outcomes import simulate_trial
    from qsmstats.studies.planning.power import TrialPower, trial_power
    from qsmstats.studies.planning.sizes import RequiredPatients, required_patients
    from qsmstats.studies.rater_uncertainty import (
        ImputedDifferences,
        ImputedTrajectories,
        impute_types,
    )
    from qsmstats.studies.raters import RaterAgreement, rater_agreement
    from qsmstats.studies.table_one import TableOne, table_one
    from qsmstats.studies.table_one_files import write_table_one
    from qsmstats.studies.trajectory import Trajectories, trajectories
    from qsmstats.studies.transitions.type_transitions import TypeTransitions, type_transitions
    from qsmstats.study import LabelSpec, Study, TissueSpec
    from qsmstats.study_file import open_study
    from qsmstats.tables.read import StudyTables
    from qsmstats.tables.tidy import lesions_without_features, tidy_lesions, tissue_table
    from qsmstats.tables.wide import to_long
    from qsmstats.voxels.cohort import Extraction, extract_cohort
    from qsmstats.voxels.features import extract_features
    from qsmstats.voxels.labels import LabelFiles, TissueFile
    from qsmstats.voxels.lesion_rows import read_tables
    from qsmstats.voxels.lesion_types import suggest_lesion_types
    from qsmstats.voxels.matching import match_lesions
    from qsmstats.voxels.visits import match_visits
    from qsmstats.voxelwise.fit_voxels import fit_voxels
    from qsmstats.voxelwise.result import VoxelFit


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return import_module(f"qsmstats.{name}")
    if name not in _HOMES:
        message = f"module 'qsmstats' has no attribute '{name}'"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
