"""Lesions at visits, written as a few words per lesion."""

from __future__ import annotations

import pandas as pd

ISO, HYPER, PRL = "isointense", "hyperintense", "paramagnetic_rim"
SHORT = {"i": ISO, "h": HYPER, "p": PRL, "?": None}


def made(patients, years=(0.0, 2.0, 4.0)):
    """Return lesions and measured sessions.

    Each patient is a list of lesions, each lesion a word with one letter per visit: i, h, p for its
    type, ? for none, - where it is not there.
    """
    rows, visits = [], []
    for number, lesions in enumerate(patients):
        name = f"sub-{number}"
        for session in range(max(map(len, lesions))):
            key = {"participant_id": name, "session_id": f"ses-{session}", "years": years[session]}
            visits.append(key | {"measured": True})
            rows += [
                key
                | {
                    "lesion_id": f"L{lesion}",
                    "lesion_type": SHORT[word[session]],
                    "age": 40 + number % 7,
                    "volume_mm3": 100.0 + 13 * lesion,
                    "mwf_percent": 5.0 + 0.1 * lesion - 0.01 * number,
                }
                for lesion, word in enumerate(lesions)
                if word[session] != "-"
            ]
    return pd.DataFrame(rows), pd.DataFrame(visits)


def rate(answer, start, end):
    """Return the row of one kind of change."""
    rates = answer.rates.set_index(["from_type", "to_type"])
    return rates.loc[(start, end)]
