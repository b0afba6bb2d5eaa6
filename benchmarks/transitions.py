"""Hold rates of transition and clinical associations against the truth that was simulated.

Simulates the tables of small studies (no images): the lesions, types, maps and clinical values of
`qsmstats.simulate`, analysed by `type_transitions` and by the regressions about patients. Counts
how often the 95 % intervals hold the truth, with the Monte-Carlo standard error of that share.

Rates per lesion-year are planted as they are. Of all types together, of vanished and of new lesions
the truth is the expected number of changes given the lesions at risk. Regressions of the number of
PRL have no planted coefficient, as EDSS and NfL are drawn given the lesions: their truth is the
estimate from one study of 2,000 patients, and 1 where nothing is planted.

    python benchmarks/transitions.py [--studies 120] [--patients 30] [--seed 15]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from qsmstats.errors import ModelError
from qsmstats.settings import PatientSettings
from qsmstats.simulate.clinical import draw_clinical
from qsmstats.simulate.later_types import draw_later_types
from qsmstats.simulate.parameters import ClinicalParameters, Parameters
from qsmstats.simulate.participants import draw_person
from qsmstats.simulate.plans import draw_plans
from qsmstats.simulate.values import Region, draw_values
from qsmstats.studies.patients.counts import count_regression
from qsmstats.studies.transitions.type_transitions import type_transitions

PRL = "paramagnetic_rim"
SETTINGS = PatientSettings(covariates=("age",))
NOTHING = ClinicalParameters(
    edss_prl=0.0, edss_mwf=0.0, log_nfl_prl=0.0, log_nfl_mwf=0.0, log_nfl_age=0.0
)


def draw_patient(rng, parameters, name):
    """Return the rows of one patient's lesions at two sessions, and the patient's two rows."""
    person = draw_person(rng, parameters, name, "MS", ("", ""))
    plans = draw_plans(rng, parameters.lesions, person.years)
    first = [plan.lesion_type for plan in plans]
    later = draw_later_types(rng, parameters.lesions.transitions, first, person.years[1])
    regions = [Region(tissue=plan.lesion_type, volume=plan.largest) for plan in plans]
    visits = {"age": person.age, "sex": person.sex, "years": person.years}
    mwf = draw_values(rng, parameters.maps["mwf_percent"], regions, **visits)
    there = [plan.volumes[0] is not None for plan in plans]
    edss, nfl = draw_clinical(
        rng,
        parameters.clinical,
        disability=person.disability,
        age=person.age,
        types=[kind for kind, seen in zip(first, there, strict=True) if seen],
        mwf=mwf[there, 0],
    )
    rows = []
    for number, plan in enumerate(plans):
        for session, volume in enumerate(plan.volumes):
            if volume is None:
                continue
            changed = session == 1 and there[number]
            rows.append(
                {
                    "participant_id": name,
                    "session_id": person.session_ids[session],
                    "lesion_id": f"L{number}",
                    "lesion_type": later[number] if changed else first[number],
                    "years": person.years[session],
                    "age": person.age,
                    "volume_mm3": volume,
                    "mwf_percent": mwf[number, session],
                }
            )
    rims = sum(kind == PRL for kind, seen in zip(first, there, strict=True) if seen)
    about = {"participant_id": name, "measured": True, "age": person.age, "edss": edss, "nfl": nfl}
    about[f"n_{PRL}"] = rims
    sessions = zip(person.session_ids, person.years, strict=True)
    return rows, [about | {"session_id": one, "years": years} for one, years in sessions]


def draw_study(rng, parameters, patients):
    drawn = [draw_patient(rng, parameters, f"sub-{number}") for number in range(patients)]
    lesions, people = (
        pd.DataFrame([row for own in part for row in own]) for part in zip(*drawn, strict=True)
    )
    return lesions, people


def true_rates(parameters, lesions, people, rates):
    """Return the truth of each row of `rates`, in its unit; missing where none is planted."""
    planted = parameters.lesions.transitions
    intervals = people.groupby("participant_id")["years"].max()
    both = lesions.pivot_table("years", ["participant_id", "lesion_id"], "session_id")
    kinds = lesions.drop_duplicates(["participant_id", "lesion_id"]).set_index(both.index.names)
    stayed = both.dropna()
    exposure = stayed["ses-02"].groupby(kinds["lesion_type"].reindex(stayed.index)).sum()
    truth = []
    for row in rates.itertuples():
        value = np.nan
        if row.from_type == "new":
            value = parameters.lesions.new * len(intervals) / intervals.sum()
        elif (row.from_type, row.to_type) == ("any_type", "vanished"):
            old = both["ses-01"].notna().groupby("participant_id").sum()
            # The first lesion of a patient never vanishes.
            expected = parameters.lesions.vanished * (old - 1).sum()
            value = 100.0 * expected / (old * intervals.reindex(old.index)).sum()
        elif (row.from_type, row.to_type) == ("any_type", "other_type"):
            changes = sum(
                sum(planted.get(kind, {}).values()) * years for kind, years in exposure.items()
            )
            value = 100.0 * changes / exposure.sum()
        elif row.to_type in planted.get(row.from_type, {}):
            value = 100.0 * planted[row.from_type][row.to_type]
        truth.append(value)
    return np.array(truth)


def regressions(people):
    """Yield the rate ratios of the number of PRL by EDSS and by the logarithm of NfL."""
    first = people[people["years"] == 0]
    for variable in ("edss", "log(nfl)"):
        try:
            rows, _ = count_regression(first, PRL, variable, settings=SETTINGS, level=0.95)
        except ModelError:
            continue
        yield variable, rows[0]


def recovery(studies, patients, seed):
    """Return one row per interval: what it is of, its truth, and whether it holds it."""
    parameters = Parameters()
    null = replace(parameters, clinical=NOTHING)
    children = np.random.SeedSequence(seed).spawn(studies + 1)
    _, many = draw_study(np.random.default_rng(children[0]), parameters, 2_000)
    limits = {variable: row["estimate"] for variable, row in regressions(many)}
    found = []
    for number, child in enumerate(children[1:]):
        rng = np.random.default_rng(child)
        lesions, people = draw_study(rng, parameters, patients)
        rates = type_transitions(lesions, patients=people).rates
        truth = true_rates(parameters, lesions, people, rates)
        for row, value in zip(rates.itertuples(), truth, strict=True):
            if np.isfinite(value):
                held = row.conf_low <= value <= row.conf_high
                what = f"{row.from_type} to {row.to_type}"
                found.append((number, what, value, row.estimate, row.n_events, held))
        without = draw_study(rng, null, patients)[1]
        for label, table in (("planted", people), ("nothing planted", without)):
            for variable, row in regressions(table):
                value = limits[variable] if label == "planted" else 1.0
                held = row["conf_low"] <= value <= row["conf_high"]
                what = f"PRL by {variable}, {label}"
                found.append((number, what, value, row["estimate"], np.nan, held))
    names = ["study", "quantity", "truth", "estimate", "n_events", "held"]
    return pd.DataFrame(found, columns=names)


def summary(found):
    """Return coverage with its Monte-Carlo standard error, truth and mean estimate by quantity."""
    groups = found.groupby("quantity", sort=False)
    table = groups.agg(
        intervals=("held", "size"),
        truth=("truth", "mean"),
        estimate=("estimate", "mean"),
        events=("n_events", "mean"),
        held=("held", "mean"),
    )
    return table.assign(mc_error=np.sqrt(table["held"] * (1 - table["held"]) / table["intervals"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=120)
    parser.add_argument("--patients", type=int, default=30)
    parser.add_argument("--seed", type=int, default=15)
    options = parser.parse_args()
    started = time.process_time()
    found = recovery(options.studies, options.patients, options.seed)
    print(
        f"{options.studies} studies of {options.patients} followed patients, seed {options.seed},"
        f" {time.process_time() - started:.0f} CPU s"
    )
    print(summary(found).round(3).to_string())


if __name__ == "__main__":
    main()
