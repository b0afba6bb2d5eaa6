"""Makes an output folder such as a run writes, with numbers of known shape and no model behind."""

import itertools
import json

import numpy as np
import pandas as pd

from qsmstats.schemas import load_schema

TYPES = load_schema("lesions").column("lesion_type").levels
MEANS = {
    "susceptibility_ppb": (0.0, -8.0, 14.0, 4.0, 12.0),
    "mwf_percent": (6.2, 6.6, 4.8, 4.6, 3.9),
    "ndi": (0.52, 0.55, 0.43, 0.41, 0.38),
}
UNITS = {"susceptibility_ppb": "ppb", "mwf_percent": "percent", "ndi": "fraction"}
SPREADS = {"susceptibility_ppb": 5.0, "mwf_percent": 1.3, "ndi": 0.07}
SLOPES = {
    "susceptibility_ppb": (0.0, 0.1, -0.4, 0.2, 0.5),
    "mwf_percent": (0.25, 0.3, -0.02, 0.05, -0.2),
    "ndi": (0.004, 0.001, -0.004, 0.0, -0.012),
}
SHARES = (0.6, 0.05, 0.2, 0.05, 0.1)
# Every map takes four figures for each question: few of them show all that there is.
COMPARED, FOLLOWED = ("mwf_percent", "ndi"), ("ndi",)


def lesions(patients=30, seed=1):
    """Tidy lesions: every second patient has a second session after about two years."""
    random = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        effect = random.normal(0, 0.5)
        later = round(2 + random.normal(0, 0.1), 3)
        for lesion in range(random.integers(5, 40)):
            kind = random.choice(len(TYPES), p=SHARES)
            noise = {name: random.normal(0, 1) for name in MEANS}
            for session, years in enumerate([0.0, later][: 1 + patient % 2]):
                rows.append(
                    {
                        "participant_id": f"sub-{patient + 1:03d}",
                        "session_id": f"ses-{session + 1:02d}",
                        "lesion_id": f"L{lesion + 1:02d}",
                        "label": lesion + 1,
                        "lesion_type": TYPES[kind],
                        "years": years,
                        "volume_mm3": float(np.exp(random.normal(5, 1))),
                        **dict.fromkeys(("centroid_x", "centroid_y", "centroid_z"), np.nan),
                        **{
                            name: MEANS[name][kind]
                            + SLOPES[name][kind] * years
                            + SPREADS[name] * (0.6 * effect + noise[name])
                            + SPREADS[name] * random.normal(0, 0.2)
                            for name in MEANS
                        },
                    }
                )
    return pd.DataFrame(rows)


def estimates(labels, values, error, name="level"):
    values = np.asarray(values, dtype=float)
    from scipy.stats import t

    p = 2 * t.sf(np.abs(values / error), 80)
    return pd.DataFrame(
        {
            name: labels,
            "estimate": values,
            "std_error": error,
            "df": 80.123456,
            "statistic": values / error,
            "p_value": p,
            "conf_low": values - 1.99 * error,
            "conf_high": values + 1.99 * error,
        }
    )


def contrasts(values, error):
    pairs = list(itertools.combinations(range(len(TYPES)), 2))
    table = estimates(
        [f"{TYPES[a]} - {TYPES[b]}" for a, b in pairs],
        [values[a] - values[b] for a, b in pairs],
        error,
        "contrast",
    )
    for place, column in enumerate(("first", "second")):
        table.insert(place + 1, column, [TYPES[pair[place]] for pair in pairs])
    table["p_adjusted"] = np.minimum(1, table["p_value"] * len(pairs))
    table["conf_low_adjusted"] = table["estimate"] - 2.9 * error
    table["conf_high_adjusted"] = table["estimate"] + 2.9 * error
    table["adjust"] = "holm"
    table["hedges_g"] = table["estimate"] / (error * 10)
    return table


def record(formula, *, singular=False, converged=True):
    return pd.DataFrame(
        [
            {
                "formula": formula,
                "method": "reml",
                "n_obs": 640,
                "n_groups": "participant_id 30",
                "converged": converged,
                "singular": singular,
                "messages": "",
            }
        ]
    )


def write(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.10g")


def stacked(make, quantity=None, per="", outcomes=COMPARED):
    parts = []
    for outcome in outcomes:
        table = make(outcome)
        if quantity:
            table = table.assign(quantity=quantity, unit=UNITS[outcome] + per, null=0.0)
        table.insert(0, "outcome", outcome)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def rows_used(outcome, patients=30, *, followed=False):
    """The rows of a model as residuals.tsv has them."""
    tidy = lesions(patients)
    later = tidy.loc[tidy["years"] > 0, "participant_id"]
    rows = tidy[tidy["participant_id"].isin(later) if followed else tidy["years"] == 0]
    names = ["participant_id", "session_id", "lesion_id", "years"]
    used = rows[names].assign(level=rows["lesion_type"], value=rows[outcome])
    middle = used.groupby("level")["value"].transform("mean")
    noise = np.random.default_rng(2).normal(0, SPREADS[outcome] / 3, len(used))
    return used.assign(fitted=middle + noise, residual=used["value"] - middle)


def model_checks(outcome):
    """Three checks, of which two failed for NDI."""
    failed = outcome == "ndi"
    meanings = [
        "The residual SD differs by lesion type, from 0.41 in hypointense to 1 in"
        " paramagnetic_rim: intervals are wrong.",
        "No curvature was shown.",
        "The answer depends on one participant (12 rows): without them, it changes.",
    ]
    return pd.DataFrame(
        {
            "check": ["equal residual variance", "linearity", "influence of single participants"],
            "term": ["lesion_type", "square of the predicted mean", "participant_id"],
            "statistic": [31.5, 0.2, 0.4],
            "df": [4, 201.3, np.nan],
            "p_value": [2e-6, 0.84, np.nan],
            "p_adjusted": [0.004, 0.84, np.nan],
            "n": [640, 640, 30],
            "method": ["likelihood ratio (REML), chi2(4)", "t test", "Cook's distance"],
            "participant_id": [None, None, "sub-003"],
            "failed": [failed, False, failed],
            "meaning": meanings if failed else [meanings[1]] * 3,
        }
    )


def write_baseline(out, patients=30):
    def error(outcome):
        return SPREADS[outcome] / 9

    folder = out / "baseline"
    means = stacked(lambda name: estimates(TYPES, MEANS[name], error(name)), "mean")
    write(means.drop(columns="null"), folder / "means.tsv")
    pairs = stacked(lambda name: contrasts(MEANS[name], error(name)), "difference")
    write(pairs, folder / "contrasts.tsv")
    write(stacked(lambda name: rows_used(name, patients)), folder / "residuals.tsv")
    write(
        stacked(lambda name: record(f"{name} ~ lesion_type + (1 | participant_id)")),
        folder / "models.tsv",
    )
    write(stacked(model_checks), folder / "checks.tsv")
    notes = pd.DataFrame({"outcome": ["ndi"], "note": ["3 lesions without a type were left out."]})
    write(notes, folder / "notes.tsv")
    (folder / "methods.txt").write_text(
        "Myelin water fraction was compared by a linear mixed model <REML>.\n\nAs was NDI.\n"
    )


def write_trajectory(out):
    folder = out / "trajectory"

    def error(outcome):
        return SPREADS[outcome] / 30

    def means(outcome):
        parts = []
        for years in (0.0, 1.0, 2.0):
            values = np.array(MEANS[outcome]) + years * np.array(SLOPES[outcome])
            table = estimates(TYPES, values, SPREADS[outcome] / 8, "lesion_type")
            table.insert(1, "years", years)
            parts.append(table)
        return pd.concat(parts)

    write(
        stacked(
            lambda name: estimates(TYPES, SLOPES[name], error(name), "lesion_type"),
            "change",
            " per year",
            FOLLOWED,
        ),
        folder / "slopes.tsv",
    )
    pairs = stacked(
        lambda name: contrasts(SLOPES[name], error(name)), "difference", " per year", FOLLOWED
    )
    write(pairs, folder / "slope_contrasts.tsv")
    write(stacked(means, "mean", outcomes=FOLLOWED), folder / "means.tsv")
    write(
        stacked(lambda name: rows_used(name, followed=True), outcomes=FOLLOWED),
        folder / "residuals.tsv",
    )
    write(
        stacked(
            lambda name: record(f"{name} ~ lesion_type * years", singular=True), outcomes=FOLLOWED
        ),
        folder / "models.tsv",
    )


def write_variances(out):
    """The variances of the trajectory models, whose participants do not differ."""
    table = pd.DataFrame(
        {
            "group": ["participant_id", "Residual"],
            "term": ["Intercept", ""],
            "variance": [0.0, 1.0],
            "std_dev": [0.0, 1.0],
        }
    )
    write(stacked(lambda _: table, outcomes=FOLLOWED), out / "trajectory" / "variances.tsv")


def histology():
    """Lesions of three brains, read without a mistake for brain A, and two without a reading."""
    levels = {
        "remyelinated": ["isointense", "hypointense", "hyperintense"],
        "chronic_inactive": ["hyperintense", "hyperintense", "paramagnetic_rim"],
        "chronic_active": ["paramagnetic_rim", "paramagnetic_rim", "hypointense_rim"],
    }
    rows = []
    for brain, size in {"brain-A": 9, "brain-B": 8, "brain-C": 5}.items():
        for reference, readings in levels.items():
            for lesion in range(size):
                wrong = brain != "brain-A" and lesion == 0
                reading = readings[2 if wrong else lesion % 2]
                rows.append((brain, f"{reference}-{lesion}", reading, reference))
    rows += [("brain-A", "x", None, "remyelinated"), ("brain-B", "y", "indeterminate", None)]
    names = ["brain_id", "lesion_id", "index_test", "reference_standard"]
    return pd.DataFrame(rows, columns=names)


def write_histology(out):
    from qsmstats.studies.answer_files import result_tables
    from qsmstats.studies.histology import histology_accuracy

    answer = histology_accuracy(histology())
    for name, table in result_tables(answer).items():
        write(table, out / "histology" / f"{name}.tsv")
    curve = pd.DataFrame(
        {
            "feature": "mwf_percent",
            "class_": ["remyelinated"] * 3 + ["chronic_active"] * 3,
            "rule": ["at least"] * 3 + ["at most"] * 3,
            "threshold": [np.inf, 5.0, 2.0] * 2,
            "sensitivity": [0, 0.9, 1, 0, 0.4, 1],
            "specificity": [1, 0.8, 0, 1, 0.5, 0],
        }
    )
    write(curve, out / "histology" / "roc.tsv")
    areas = curve.iloc[[0, 3]].assign(estimate=[0.87, 0.45], conf_low=[0.7, 0.2], conf_high=0.95)
    write(areas, out / "histology" / "areas.tsv")
    write(curve.iloc[[1, 4]].assign(youden=[0.7, -0.1]), out / "histology" / "cutoffs.tsv")
    notes = pd.DataFrame({"outcome": "histology", "note": answer.notes})
    write(notes, out / "histology" / "notes.tsv")
    (out / "histology" / "methods.txt").write_text(answer.methods)


def write_raters(out):
    from qsmstats.accuracy.agreement import agreement

    random = np.random.default_rng(5)
    first = lesions(12).drop_duplicates(["participant_id", "lesion_id"])
    parts = []
    for rater in ("rater-1", "rater-2"):
        slips = random.random(len(first)) < 0.15
        kinds = np.where(slips, random.choice(TYPES, len(first)), first["lesion_type"])
        parts.append(first.assign(rater_id=rater, lesion_type=kinds))
    ratings = pd.concat(parts)
    columns = ["participant_id", "session_id", "lesion_id", "rater_id", "lesion_type"]
    table = agreement(ratings[columns], categories=TYPES, n_resamples=200)
    write(table, out / "raters" / "agreement.tsv")
    unlike = first[["participant_id", "session_id", "lesion_id", "lesion_type"]].head(14)
    write(unlike, out / "raters" / "disagreements.tsv")


def write_effects(out, patients):
    random = np.random.default_rng(2)

    def effects(outcome):
        names = [f"sub-{patient + 1:03d}" for patient in range(patients)]
        values = random.normal(0, SPREADS[outcome] / 2, patients)
        return pd.DataFrame(
            {
                "group": "participant_id",
                "level": names,
                "term": "Intercept",
                "estimate": values,
                "std_error": SPREADS[outcome] / 8,
            }
        )

    write(stacked(effects), out / "baseline" / "random_effects.tsv")
    write(stacked(effects, outcomes=FOLLOWED), out / "trajectory" / "random_effects.tsv")


def write_cohort(out):
    flow = pd.DataFrame(
        [
            ("enrolled", 42, 57, 450, 640, "participants.tsv"),
            ("imaged", 42, 57, 450, 640, "at least one session"),
            ("images read", 41, 56, 445, 630, "1 sessions failed"),
            ("controls", 12, 12, 0, 0, ""),
            ("patients", 29, 44, 445, 630, ""),
            ("followed", 15, 30, 220, 410, "patients with two sessions or more"),
        ],
        columns=[
            *("stage", "n_participants", "n_sessions"),
            *("n_lesions", "n_lesion_observations", "note"),
        ],
    )
    write(flow, out / "cohort" / "flow.tsv")
    table = pd.DataFrame(
        {
            "variable": ["Participants", "Age (years)", "Sex: female", "EDSS"],
            "level": [""] * 4,
            "statistic": ["n", "mean (SD)", "n (%)", "median [IQR]"],
            "HC": ["12", "40.1 (9.8)", "7 (58.3%)", None],
            "MS": ["30", "44.3 (11.0)", "20 (66.7%)", "2.0 [1.5, 3.0]"],
            "followed": ["20", "44.0 (11.0)", "14 (70.0%)", "2.0 [1.5, 3.0]"],
            "not_followed": ["10", "45.0 (11.0)", "6 (60.0%)", "2.0 [1.0, 3.5]"],
            "standardised_difference": [np.nan, 0.403, 0.17, np.nan],
            "standardised_difference_followed": [np.nan, -0.09, 0.21, 0.02],
            "missing_HC": [np.nan, 0, 0, np.nan],
            "missing_MS": [np.nan, 1, 0, 0],
            "missing_followed": [np.nan, 1, 0, 0],
            "missing_not_followed": [np.nan, 0, 0, 0],
        }
    )
    write(table, out / "cohort" / "table_one.tsv")
    census = pd.DataFrame(
        {
            "lesion_type": TYPES,
            "n_lesions": [400, 30, 120, 30, 50],
            "share": [0.635, 0.048, 0.19, 0.048, 0.079],
            "n_participants": [30, 15, 28, 14, 19],
            "median_volume_mm3": [130.5, 140.0, 180.2, 210.0, 420.7],
        }
    )
    write(census, out / "cohort" / "lesions.tsv")


def write_results(out, patients=30):
    """Write the whole folder."""
    write(lesions(patients), out / "tidy.tsv")
    write_cohort(out)
    write_baseline(out, patients)
    write_trajectory(out)
    write_variances(out)
    write_histology(out)
    write_raters(out)
    write_effects(out, patients)
    columns = ["participant_id", "session_id", "file", "reason"]
    write(pd.DataFrame(columns=columns), out / "failures.tsv")
    provenance = {
        "study": "Made up",
        "command": "qsmstats run STUDY OUT",
        "versions": {"numpy": "2.4.6"},
        "models": {"adjust": "holm", "level": 0.95},
    }
    (out / "provenance.json").write_text(json.dumps(provenance))
    return out


LONG = "a name that goes on and on " * 20
# What stands for each name of a made-up study: code for browser, templates, style sheets and
# formulas, letters that matplotlib's font lacks, and lengths that no figure has room for.
HOSTILE = {
    "sub-001": '"><img src=x onerror="window.hit=1">',
    "sub-002": "<script>window.hit=2</script>",
    "ses-01": "$\\alpha$",
    "ses-02": "{{ 7 * 7 }}{% raw %}",
    "L01": "javascript:window.hit=3",
    "L02": "' onmouseover='window.hit=4",
    "hyperintense": '<b id="x" href="#y" style="font-family: z; ">$\\frac{$',
    "hypointense_rim": "100 %s {x} 5$",
    "paramagnetic_rim": "</text></svg><svg onload=window.hit=5>",
    "brain-A": "<svg onload=hit=6>",
    "brain-B": "$\\alpha$ 007",
    "brain-C": LONG.strip(),
    "rater-1": "</script><script>window.hit=7</script>",
    "rater-2": "\N{RIGHT-TO-LEFT OVERRIDE}\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}",
    "chronic_active": "\u75c5\u5909 \N{GRINNING FACE} <i>MRI</i>",
    "chronic_inactive": "bell \a and $",
    "remyelinated": LONG.upper().strip(),
}
HOSTILE_TEXTS = {
    "study": "</title></style><script>window.hit=8</script> { } \\22 %",
    "command": "qsmstats run '<img src=x onerror=window.hit=9>' OUT",
    "version": "</td><td onclick=window.hit=10>",
    "input": "images/<iframe src=javascript:parent.hit=11>.nii.gz",
    "formula": "ndi ~ C(site, Treatment('<u>'))",
    "message": "<object data=javascript:window.hit=12>",
    "note": "Left out: <details open ontoggle=window.hit=13>",
    "reason": "<!-- --><embed src=x> & &lt;",
    "file": "a/'\"<b>.nii.gz",
    "methods": "Lesions <math><script>window.hit=14</script></math> were $x$.",
    "term": "C(site)[T.<a href=javascript:window.hit=15>x</a>]",
    "column": "<th>my_column</th>",
}


def write_hostile(out):
    """Write a folder of one map whose every name and sentence is from `HOSTILE`."""
    said = HOSTILE_TEXTS
    write_results(out, patients=8)
    for path in out.glob("**/*.tsv"):
        table = pd.read_csv(path, sep="\t", dtype="str", keep_default_na=False)
        if "ndi" in set(table.get("outcome", ())):
            table = table[table["outcome"] == "ndi"]
        for plain, hostile in HOSTILE.items():
            table = table.apply(lambda cells: cells.str.replace(plain, hostile, regex=False))  # noqa: B023
        if "formula" in table:
            table = table.assign(formula=said["formula"], messages=said["message"])
        if "note" in table and path.parent.name == "baseline":
            table = table.assign(note=said["note"])
        write(table, path)
    coefficients = estimates(["Intercept", said["term"]], [1.0, 2.0], 0.5, "term")
    write(coefficients.assign(outcome="ndi"), out / "baseline" / "coefficients.tsv")
    people, visits = list(HOSTILE.values())[:2], list(HOSTILE.values())[2:4]
    failed = {"participant_id": people, "session_id": visits, "file": said["file"]}
    write(pd.DataFrame({**failed, "reason": said["reason"]}), out / "failures.tsv")
    census = pd.DataFrame({"lesion_type": [HOSTILE["paramagnetic_rim"]], said["column"]: [3]})
    write(census, out / "cohort" / "lesions.tsv")
    (out / "baseline" / "methods.txt").write_text(said["methods"])
    provenance = {
        "study": said["study"],
        "command": said["command"],
        "versions": {"numpy": said["version"]},
        "models": {"baseline": said["formula"]},
        "inputs": {said["input"]: "0a1b"},
    }
    (out / "provenance.json").write_text(json.dumps(provenance))
    return out
