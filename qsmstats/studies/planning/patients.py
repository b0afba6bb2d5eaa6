"""The patients of one trial, drawn, and the rows that the analysis will have.

Every patient of a trial is one patient of the source, with all of its lesions: numbers of lesions
of different types go together, and some patients have a hundred times as many as others. Patients
enter the arms in turn, so that a larger trial of the same generator begins with the patients of a
smaller one, and power does not jump from size to size because others were drawn. The fixed
part is one column per mean, slope and treatment effect, so that a type that no drawn patient has is
a column of zeros, which the model drops, and not another model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.errors import NotIdentifiedError, UsageError
from qsmstats.mixed.model import MixedModel
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import TrialDesign

__all__ = ["OUTCOME", "Trial", "check_trial", "draw_trial"]


OUTCOME = "outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The patients of one trial before any outcome; rows run lesion by lesion, visit by visit.

    Attributes
    ----------
    assumptions, design
        What it is planned from.
    types
        Lesion types, in the order of the source.
    treated
        Arm of each patient with lesions, shape (patients,).
    patient, lesion_type
        Patient and type of each lesion, shape (lesions,); lesions of a patient follow one another.
    """

    assumptions: TrialAssumptions
    design: TrialDesign
    types: tuple[str, ...]
    treated: Flags
    patient: Integers
    lesion_type: Integers

    @property
    def times(self) -> Floats:
        """Times of the visits, shape (visits,)."""
        return np.array(self.design.visits)

    @property
    def n_rows(self) -> int:
        """Rows without dropout."""
        return len(self.patient) * len(self.design.visits)

    @property
    def first_lesions(self) -> Integers:
        """Position of the first lesion of each patient, shape (patients,)."""
        return np.flatnonzero(np.r_[True, np.diff(self.patient) > 0])

    @property
    def expected(self) -> Floats:
        """Mean of each row without treatment, shape (lesions, visits)."""
        means = np.array([self.assumptions.means.get(name, 0.0) for name in self.types])
        slopes = np.array([self.assumptions.slopes.get(name, 0.0) for name in self.types])
        made: Floats = (means[:, None] + slopes[:, None] * self.times)[self.lesion_type]
        return made

    @property
    def effect(self) -> Floats:
        """Change of each row by a treatment with a contrast of one, shape (lesions, visits)."""
        shares = np.array([self.design.shares_of_effect(name) for name in self.types])
        treated = shares[self.lesion_type] * self.treated[self.patient]
        return np.outer(treated, self.times)

    @property
    def has_lesion_term(self) -> bool:
        """Whether lesions can be distinguished from patients: a patient has two."""
        return len(self.patient) > len(self.treated)

    @property
    def model(self) -> MixedModel:
        """The model of the analysis, in the columns of `frame`."""
        random = ["(1 + years | patient)"] + ["(1 | lesion)"] * self.has_lesion_term
        return MixedModel(f"{OUTCOME} ~ 0 + {' + '.join([*self._columns(), *random])}")

    @property
    def contrast(self) -> dict[str, float]:
        """Column -> weight of the contrast."""
        groups = list(dict.fromkeys(map(self.design.group, self.types)))
        return {
            f"effect_{groups.index(group)}": weight
            for group, weight in self.design.weights.items()
            if weight
        }

    def covariances(self, truth: TrialAssumptions) -> list[Floats]:
        """Covariances of the model's random terms under a truth."""
        patient, lesion = truth.patient_covariance, truth.lesion_sd**2
        if self.has_lesion_term:
            return [patient, np.array([[lesion]])]
        return [patient + np.diag([lesion, 0.0])]

    def frame(self) -> pd.DataFrame:
        """Rows of the analysis without outcome: patient, lesion, years and the fixed columns."""
        visits = len(self.design.visits)
        lesions = np.arange(len(self.patient))
        data = {
            "patient": np.repeat(self.patient, visits),
            "lesion": np.repeat(lesions, visits),
            "years": np.tile(self.times, len(lesions)),
        }
        return pd.DataFrame({**data, **self._columns()})

    def _columns(self) -> dict[str, Floats]:
        """Return the fixed columns: means, slopes, [arms at baseline,] treatment effects."""
        visits = len(self.design.visits)
        kind = np.repeat(self.lesion_type, visits)
        treated = np.repeat(self.treated[self.patient].astype(np.float64), visits)
        years = np.tile(self.times, len(self.patient))
        of_type = {index: (kind == index).astype(np.float64) for index in range(len(self.types))}
        made = {f"mean_{index}": column for index, column in of_type.items()}
        made |= {f"slope_{index}": column * years for index, column in of_type.items()}
        if self.design.baseline == "free":
            made |= {f"arm_{index}": column * treated for index, column in of_type.items()}
        groups = [self.design.group(name) for name in self.types]
        for number, group in enumerate(dict.fromkeys(groups)):
            members = sum(of_type[index] for index, one in enumerate(groups) if one == group)
            made[f"effect_{number}"] = members * treated * years
        return made


def draw_trial(
    assumptions: TrialAssumptions,
    design: TrialDesign,
    patients: int,
    random: np.random.Generator,
) -> Trial:
    """Draw the patients of a trial.

    Parameters
    ----------
    assumptions, design
        What it is planned from.
    patients
        Size of the control arm.
    random
        Generator; left alone where every patient has the same lesions.
    """
    control, treated = design.arms(patients)
    counts = assumptions.counts_for(design)
    total = control + treated
    same = len(counts) == 1
    chosen = np.zeros(total, np.int64) if same else random.integers(len(counts), size=total)
    lesions = counts.to_numpy(np.int64)[chosen]
    arm = np.diff(np.arange(total + 1) * treated // total) > 0
    there = lesions.any(axis=1)
    lesions, arm = lesions[there], arm[there]
    kinds = np.tile(np.arange(lesions.shape[1]), len(lesions))
    owners = np.repeat(np.arange(len(lesions)), lesions.shape[1])
    return Trial(
        assumptions=assumptions,
        design=design,
        types=tuple(str(name) for name in counts),
        treated=arm,
        patient=np.repeat(owners, lesions.ravel()),
        lesion_type=np.repeat(kinds, lesions.ravel()),
    )


def check_trial(assumptions: TrialAssumptions, design: TrialDesign, patients: int) -> None:
    """Raise where no draw of patients could be analysed.

    Raises
    ------
    UsageError
        If an arm has fewer than two patients, or there are more parameters than patients.
    NotIdentifiedError
        If the contrast or the variance of slopes cannot be estimated.
    """
    total = sum(design.arms(patients))
    counts = assumptions.counts_for(design)
    types = [str(name) for name in counts.columns[counts.any()]]
    groups = len(set(map(design.group, types)))
    fixed = len(types) * (3 if design.baseline == "free" else 2) + groups
    single = bool((counts.sum(axis=1) <= 1).all())
    parameters = fixed + (4 if single else 5)
    if parameters > total:
        raise UsageError(
            f"patients={patients}: {total} patients in both arms are too few for "
            f"{parameters} parameters ({fixed} fixed effects of {len(types)} lesion types, "
            f"{parameters - fixed} variances); ask for more patients or fewer types"
        )
    if single and len(design.visits) < 3:
        raise NotIdentifiedError(
            "with one lesion per patient and two visits the variance of slopes cannot be "
            "distinguished from that of measurements; plan three visits, or more lesions"
        )
