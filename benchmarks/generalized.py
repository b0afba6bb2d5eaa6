r"""Generalised mixed models against their peers: CPU seconds and agreement, in one run.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
        python -m benchmarks.generalized [--cases cbpp_logit prl ...] [--limit 300]

Cases are those of tests/reference/generalized. Three tables:

laplace   our Laplace approximation beside glmmTMB, glmer (nAGQ = 1) and mixedlm (the Python package
          whose log likelihoods agree with glmmTMB's in most cases), each with its own defaults;
          and the reference file, where glmmTMB's optimum was polished until its gradient vanished.
single    our quadrature of one random intercept beside glmer (nAGQ = 25), which leaves the
          saturated likelihood out of its own; the reference file has it put back.
nested    our nested quadrature beside the grids of exact.json, and our seconds.

away: log likelihood less ours; b: largest difference of a fixed effect from ours, in our standard
errors; times: seconds over ours. Seconds are CPU time of one thread, which other work on the
machine changes little. Peers run in warm processes of their own, data in memory; a peer that is not
there, or did not reach a case within the limit, has dashes. glmer.nb, which refits for every k, is
left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from qsmstats.generalized.fit import GeneralizedFit
from qsmstats.generalized.model import GeneralizedMixedModel
from tests.generalized.cases import CASES, EXACT, std_errors, table

HERE = Path(__file__).parent
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
Found = dict[str, dict[str, Any]]


def ours(name: str, integration: str | None) -> tuple[float, GeneralizedFit]:
    """Fit a case with everything warm; CPU seconds and the fit."""
    case, data = CASES[name], table(CASES[name]["data"])
    asked = {key: case.get(key) for key in ("family", "link", "trials", "offset", "weights")}
    model = GeneralizedMixedModel(case["formula"], integration=integration, **asked)
    begin = time.process_time()
    made = model.fit(data)
    return time.process_time() - begin, made


def mixedlm(names: list[str]) -> None:
    """Fit cases by mixedlm, in a process of its own."""
    import mixedlm as peer

    families = {"binomial": peer.families.Binomial, "poisson": peer.families.Poisson}
    for name in ["sleep", *names]:  # the first one warms it up
        case = CASES[name]
        data = table(case["data"])
        begin = time.process_time()
        fit = peer.glmer(case["formula"], data, family=families[case["family"]]())
        seconds = time.process_time() - begin
        found = {"case": name, "seconds": seconds, "log_likelihood": float(fit.logLik().value)}
        print(json.dumps(found), flush=True)


def run(peer: str, nodes: int, names: list[str], limit: float) -> Found:
    """Run a peer on cases in a child process; what it said before the limit."""
    command = ["Rscript", str(HERE / "generalized_peers.R"), peer, str(nodes), *names]
    if peer == "mixedlm":
        command = [sys.executable, "-m", "benchmarks.generalized", "--worker", *names]
    if not names or shutil.which(command[0]) is None:
        return {}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(
            command, stdout=out, stderr=err, env=os.environ | THREADS, cwd=HERE.parent, text=True
        )
        try:
            child.wait(limit)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        err.seek(0)
        if child.returncode:
            print(f"# {peer} ended with {child.returncode}: {err.read().strip()[-200:]}")
        out.seek(0)
        said = [json.loads(line) for line in out.read().splitlines() if line.startswith("{")]
    return {entry["case"]: entry for entry in said}


def line(name: str, seconds: float, fit: GeneralizedFit, peers: dict[str, Any]) -> str:
    """Set a fit beside its peers' (each with log_likelihood, and seconds, estimates if known)."""
    cells = [f"{name:<22}{seconds:>9.3f}{fit.info.log_likelihood:>15.6f}"]
    for entry in peers.values():
        if not entry:
            cells.append(f"{'-':>11}{'-':>9}{'-':>9}{'-':>8}")
            continue
        away = f"{entry['log_likelihood'] - fit.info.log_likelihood:.1e}"
        gap = "-"
        if "estimates" in entry:
            known = np.array(list(entry["estimates"]))
            gap = f"{np.abs((known - fit.estimates) / std_errors(fit)).max():.1e}"
        took = entry.get("seconds")
        shown = ("-", "-") if took is None else (f"{took:.3f}", f"{took / seconds:.1f}")
        cells.append(f"{shown[0]:>11}{away:>9}{gap:>9}{shown[1]:>8}")
    return "".join(cells)


def known(part: dict[str, Any]) -> dict[str, Any]:
    """Bring a reference to the form of a peer's answer."""
    return {
        "log_likelihood": part["log_likelihood"],
        "estimates": list(part["estimates"].values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", nargs="+", default=[one for one in CASES if one != "epil_sqrt"])
    parser.add_argument("--limit", type=float, default=300.0, help="clock seconds for a peer")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        mixedlm(asked.worker)
        return
    names = asked.cases
    print("BLAS threads:", os.environ.get("OPENBLAS_NUM_THREADS", "not set"))
    ours("cbpp_logit", None)
    plain = [n for n in names if CASES[n]["family"] != "negative_binomial"]
    simple = [n for n in plain if not {"trials", "offset", "weights"} & set(CASES[n])]
    logits = [n for n in simple if CASES[n]["link"] in ("logit", "log")]
    single = [n for n in plain if "quadrature" in CASES[n]]
    peers = {
        "glmmTMB": run("glmmTMB", 1, names, asked.limit),
        "glmer": run("glmer", 1, plain, asked.limit),
        "mixedlm": run("mixedlm", 1, logits, asked.limit),
    }
    agq = run("glmer", 25, single, asked.limit)

    def head(title: str, *columns: str) -> None:
        print(f"\n{title:<22}{'s':>9}{'log lik.':>15}", end="")
        print("".join(f"{one + ' s':>11}{'away':>9}{'b':>9}{'times':>8}" for one in columns))

    head("laplace", *peers, "reference")
    for name in names:
        seconds, fit = ours(name, "laplace")
        beside = {peer: found.get(name) for peer, found in peers.items()}
        print(line(name, seconds, fit, beside | {"": known(CASES[name]["laplace"])}), flush=True)
    head("single", "glmer 25", "reference")
    for name in single:
        beside = {"glmer": agq.get(name), "": known(CASES[name]["quadrature"])}
        print(line(name, *ours(name, None), beside), flush=True)
    head("nested", "grid")
    for name in [one for one in names if one in EXACT]:
        print(line(name, *ours(name, None), {"": known(EXACT[name])}), flush=True)


if __name__ == "__main__":
    main()
