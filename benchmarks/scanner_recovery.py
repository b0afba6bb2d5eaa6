"""Scanner effects that were planted, against the intervals of the default models.

    OMP_NUM_THREADS=1 python benchmarks/scanner_recovery.py [--studies 100] [--scanners 3]

Tables of studies as `qsmstats simulate --scanners` writes them, without the images: participants,
lesions, values and scanners drawn by `qsmstats.simulate`. Analysed by `baseline_differences`,
`tissue_differences` and `trajectories` as they are by default (up to four scanners are fixed
effects; more are random effects, and then only types are asked for), and again without the
scanner. Of each: share of 95 % intervals that hold the truth, with its Monte-Carlo standard error
over studies, and the mean error in standard errors.

- scanner: differences between scanners, as planted;
- NAWM: differences between scanners in a regression of normal-appearing white matter alone on
  scanner, age and sex (first sessions);
- type: differences between lesion types, at the first session (baseline and tissue) or per year.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

import qsmstats as qs
from qsmstats.own_schemas import Schemas
from qsmstats.simulate.maps import CONTROL_TISSUE, PATIENT_TISSUE
from qsmstats.simulate.parameters import Parameters
from qsmstats.simulate.participants import draw_person
from qsmstats.simulate.plans import draw_plans
from qsmstats.simulate.scanners import assign_scanners, draw_scanners
from qsmstats.simulate.truth import map_truth
from qsmstats.simulate.values import Region, draw_values

OUTCOME = "mwf_percent"


def draw_rows(rng, parameters, scanners, name, group, sessions):
    """Return the rows of one participant: white matter and, of patients, lesions."""
    person = draw_person(rng, parameters, name, group, sessions)
    plans = draw_plans(rng, parameters.lesions, person.years) if group == "MS" else []
    tissues = [PATIENT_TISSUE if group == "MS" else CONTROL_TISSUE]
    firsts = [next(v for v in plan.volumes if v is not None) for plan in plans]
    regions = [Region(tissue=tissues[0])]
    regions += [
        Region(tissue=plan.lesion_type, volume=volume)
        for plan, volume in zip(plans, firsts, strict=True)
    ]
    shift, scale = scanners.of(OUTCOME, sessions)
    values = draw_values(
        rng,
        parameters.maps[OUTCOME],
        regions,
        age=person.age,
        sex=person.sex,
        years=person.years,
        shift=shift,
        scale=scale,
    )
    rows = []
    for place, region in enumerate(regions):
        for session, years in enumerate(person.years):
            volume = plans[place - 1].volumes[session] if place else np.nan
            if volume is None:
                continue
            rows.append(
                {
                    "participant_id": name,
                    "session_id": person.session_ids[session],
                    "lesion_id": f"L{place}" if place else None,
                    "tissue": region.tissue,
                    "years": years,
                    "scanner": sessions[session],
                    "group": group,
                    "age": person.age,
                    "sex": person.sex,
                    # The truth is about the volume at the first session that shows the lesion.
                    "volume_mm3": region.volume if place else np.nan,
                    OUTCOME: values[place, session],
                }
            )
    return rows


def draw_study(seed, options):
    """Return lesions, tissue table, planted contrasts of scanners and truth of the models."""
    rng, parameters = np.random.default_rng([seed, options.scanners]), Parameters()
    patients, controls = options.patients, options.controls
    scanners = draw_scanners(rng, parameters.maps, options.scanners)
    followed = set(range(options.followed))
    visits = assign_scanners(rng, scanners.names, (patients, controls), followed)
    rows = []
    for place, sessions in enumerate(visits):
        group = "MS" if place < patients else "HC"
        rows += draw_rows(rng, parameters, scanners, f"sub-{place:03d}", group, sessions)
    tissue = pd.DataFrame(rows)
    lesions = tissue[tissue["volume_mm3"].notna()].rename(columns={"tissue": "lesion_type"})
    types = Schemas().lesion_types
    lesions = lesions.assign(lesion_type=pd.Categorical(lesions["lesion_type"], list(types)))
    levels = [name for name in Schemas().tissues if name in set(tissue["tissue"])]
    tissue = tissue.assign(tissue=pd.Categorical(tissue["tissue"], levels))
    keys = ["participant_id", "lesion_id"]
    followed_rows = lesions[lesions["participant_id"].isin([f"sub-{i:03d}" for i in followed])]
    volumes = [
        np.log(part.drop_duplicates(keys).set_index("lesion_type")["volume_mm3"])
        for part in (lesions[lesions["years"] == 0], followed_rows)
    ]
    logs = [
        {name: own.tolist() for name, own in one.groupby(level=0, observed=True)} for one in volumes
    ]
    planted = scanners.truth(parameters.maps)["maps"][OUTCOME]["contrasts"]
    return lesions, tissue, planted, map_truth(parameters.maps[OUTCOME], *logs)


def compared(table, truth, **told):
    return [
        told
        | {
            "covered": row.conf_low <= truth[row.contrast] <= row.conf_high,
            "error": (row.estimate - truth[row.contrast]) / row.std_error,
        }
        for row in table.itertuples()
    ]


def nawm(tissue, planted, seed):
    """Least squares of one row per participant."""
    own = tissue[(tissue["tissue"] == PATIENT_TISSUE) & (tissue["years"] == 0)]
    fit = smf.ols(f"{OUTCOME} ~ C(scanner) + age + sex", own).fit()
    rows = []
    for name, truth in planted.items():
        parts = [f"C(scanner)[T.{part}]" for part in name.split(" - ")]
        weights = np.array([(n == parts[0]) * 1.0 - (n == parts[1]) for n in fit.model.exog_names])
        test = fit.t_test(weights)
        low, high = test.conf_int()[0]
        error = (test.effect.item() - truth) / test.sd.item()
        rows.append(
            {"model": "NAWM", "quantity": "scanner", "scanner": "term", "seed": seed}
            | {"covered": low <= truth <= high, "error": error, "singular": False}
        )
    return rows


def one_study(seed, options):
    lesions, tissue, planted, truth = draw_study(seed, options)
    rows = nawm(tissue, planted, seed)
    for stated in ("by_number", "none"):
        settings = qs.ModelSettings(scanner=stated)
        answers = {
            "baseline": qs.baseline_differences(lesions, OUTCOME, settings=settings),
            "tissue": qs.tissue_differences(tissue, OUTCOME, settings=settings),
            "trajectory": qs.trajectories(lesions, OUTCOME, settings=settings),
        }
        for name, answer in answers.items():
            told = {"model": name, "scanner": "none" if stated == "none" else "term", "seed": seed}
            told["singular"] = answer.fit.info.singular
            kind = "slope_contrasts" if name == "trajectory" else "contrasts"
            rows += compared(getattr(answer, kind), truth[name][kind], quantity="type", **told)
            if stated != "none" and options.scanners < 5:
                table = answer.fit.contrasts("scanner")
                rows += compared(table, planted, quantity="scanner", **told)
    return rows


def summary(rows):
    per_study = rows.groupby("seed")["covered"].mean()
    return pd.Series(
        {
            "intervals": len(rows),
            "covered": 100 * rows["covered"].mean(),
            "mcse": 100 * per_study.std() / len(per_study) ** 0.5,
            "bias_in_se": rows["error"].mean(),
            "bias_mcse": rows.groupby("seed")["error"].mean().std() / len(per_study) ** 0.5,
            "singular": rows.groupby("seed")["singular"].any().sum(),
        }
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--scanners", type=int, default=3)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--controls", type=int, default=16)
    parser.add_argument("--followed", type=int, default=14)
    options = parser.parse_args()
    began, rows = time.process_time(), []
    print(
        f"{options.patients} patients ({options.followed} followed) and {options.controls} controls"
        f" on {options.scanners} scanners, {OUTCOME}"
    )
    for count in range(1, options.studies + 1):
        rows += one_study(count, options)
        if count % 10 and count < options.studies:
            continue
        found = pd.DataFrame(rows).groupby(["quantity", "model", "scanner"])
        print(f"\n{count} studies, {time.process_time() - began:.0f} s")
        print(found.apply(summary, include_groups=False).round(2).to_string(), flush=True)


if __name__ == "__main__":
    main()
