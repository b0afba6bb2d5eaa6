"""Numbers of neuroCombat 0.2.12 (PyPI; Fortin et al. 2018) for simulated data: neurocombat.json.

    pip install neuroCombat==0.2.12 && python make_neurocombat.py

neuroCombat takes data and covariates as single-precision numbers; these are multiples of 1/64,
which it keeps exactly. Its empirical Bayes iteration stops at a relative change of 1e-4 (`conv` of
its `it_sol`): "default" has that, the others 1e-13.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from neuroCombat.neuroCombat import it_sol, neuroCombat

setattr(np, "int", int)  # noqa: B010 - the name that NumPy 1 had, which neuroCombat uses for a reference scanner
rng = np.random.default_rng(20261127)
n, m = 72, 8
data = pd.DataFrame(
    {
        "scanner": rng.choice(["A", "B", "C"], n, p=[0.5, 0.3, 0.2]),
        "age": rng.integers(20, 70, n),
        "group": rng.choice(["control", "patient"], n),
    }
)
shift = rng.normal(0, 1, (3, m))
scale = rng.gamma(20, 1 / 20, (3, m))
code = data["scanner"].map({"A": 0, "B": 1, "C": 2}).to_numpy()
values = (
    rng.normal(30, 5, m)
    + 0.05 * data["age"].to_numpy()[:, None]
    + 1.5 * (data["group"] == "patient").to_numpy()[:, None]
    + 2 * shift[code]
    + 3 * scale[code] * rng.normal(size=(n, m))
)
features = [f"f{place + 1}" for place in range(m)]
data[features] = np.round(64 * values) / 64


def adjusted(conv: float, **options: object) -> list[list[float]]:
    it_sol.__defaults__ = (conv,)
    made = neuroCombat(
        dat=data[features].T,
        covars=data[["scanner", "age", "group"]],
        batch_col="scanner",
        categorical_cols=["group"],
        continuous_cols=["age"],
        **options,
    )
    return made["data"].T.tolist()


cases = {
    "default": adjusted(1e-4),
    "pooled": adjusted(1e-13),
    "reference": adjusted(1e-13, ref_batch="B"),
    "no empirical Bayes": adjusted(1e-13, eb=False),
}
Path(__file__).with_name("neurocombat.json").write_text(
    json.dumps({"data": data.to_dict("list"), "cases": cases}) + "\n"
)
