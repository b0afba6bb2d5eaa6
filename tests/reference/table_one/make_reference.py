"""Write reference.json by the package tableone (Pollard et al. 2018, JAMIA Open 1:26-31).

Run once where it is installed: `python make_reference.py`; version 0.9.6 wrote the present file.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pandas as pd
from tableone import TableOne

HERE = Path(__file__).parent
people = pd.read_csv(HERE / "people.tsv", sep="\t")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    table = TableOne(
        people,
        columns=["age", "nfl", "sex", "site"],
        categorical=["sex", "site"],
        continuous=["age", "nfl"],
        nonnormal=["nfl"],
        groupby="group",
        smd=True,
        decimals={"sex": 1, "site": 1},
    ).tableone
table.columns = table.columns.get_level_values(1)
rows = [[*index, *row.astype(str)] for index, row in table.iterrows()]
names = ["variable", "level", *table.columns]
text = json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=1)
(HERE / "reference.json").write_text(text + "\n", encoding="utf-8")
