"""The search for a size, on power curves that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats import required_patients
from qsmstats.display import WIDTH
from qsmstats.errors import UsageError
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.power import TrialPower
from qsmstats.studies.planning.power_curve import size_on_curve
from qsmstats.studies.planning.sizes import _search, _Trials

DESIGN = TrialDesign(target=("isointense",))


def known(rise: float, simulations: int, seed: int) -> _Trials:
    """Simulate from power = Phi(rise * sqrt(n) - 1.96)."""
    random = np.random.default_rng(seed)

    def run(patients: int) -> TrialPower:
        truth = stats.norm.cdf(rise * np.sqrt(patients) - 1.96)
        power = random.binomial(simulations, truth) / simulations
        row = {"patients": patients, "power": power, "effective_simulations": simulations}
        return TrialPower(
            table=pd.DataFrame([row]), assumptions=pd.DataFrame(), seed=seed, level=0.95
        )

    return _Trials(run)


# Phi(0.4 sqrt(n) - 1.96) = 0.8 at n = (2.8016 / 0.4)^2 = 49.06.
TRUE_SIZE = 49.06


def test_the_interval_holds_the_true_size_as_often_as_it_says():
    hits, sizes = 0, []
    for seed in range(100):
        size, low, high = _search(known(0.4, 400, seed), 49, 5, 500, 0.8, 0.95)
        hits += low <= TRUE_SIZE <= high
        sizes.append(size)
    # 100 searches at 95 %: 99.9 % of binomial counts are 87 or more.
    assert hits >= 87
    assert abs(np.mean(sizes) - TRUE_SIZE - 0.5) < 1  # rounded up, hence half a patient


@pytest.mark.parametrize("first", [20, 120, None])
def test_a_bad_first_guess_is_mended(first):
    size, low, high = _search(known(0.4, 4000, 1), first, 5, 300, 0.8, 0.95)
    assert low < TRUE_SIZE < high
    assert abs(size - TRUE_SIZE) < 4


def test_the_ends_of_the_search():
    assert _search(known(0.05, 400, 1), 60, 5, 60, 0.8, 0.95)[0] is None
    assert _search(known(3.0, 400, 1), 6, 5, 60, 0.8, 0.95)[0] == 5
    falling = pd.DataFrame(
        {"patients": [10, 40], "power": [0.8, 0.6], "effective_simulations": [100, 100]}
    )
    assert size_on_curve(falling, 0.8, 0.95) is None


def test_the_curve_is_that_of_statsmodels():
    import statsmodels.api as sm

    table = pd.DataFrame(
        {
            "patients": [20, 35, 50, 80],
            "power": [0.45, 0.66, 0.83, 0.95],
            "effective_simulations": [200, 400, 400, 150],
        }
    )
    weights = table["effective_simulations"].to_numpy(float)
    shares = (table["power"] * weights + 0.5) / (weights + 1)
    design = sm.add_constant(np.sqrt(table["patients"].to_numpy(float)))
    family = sm.families.Binomial(link=sm.families.links.Probit())
    theirs = sm.GLM(shares, design, family=family, var_weights=weights).fit()
    size, low, high = size_on_curve(table, 0.8, 0.95)
    a, b = theirs.params
    assert size == pytest.approx(((stats.norm.ppf(0.8) - a) / b) ** 2, rel=1e-7)
    # The delta method by a numerical gradient of the root of the size.
    gradient = [-1 / b, -np.sqrt(size) / b]
    half = stats.norm.isf(0.025) * np.sqrt(gradient @ theirs.cov_params() @ gradient)
    np.testing.assert_allclose(np.sqrt([low, high]), np.sqrt(size) + half * np.array([-1, 1]))


def test_a_size_by_simulation(alike):
    found = required_patients(alike, DESIGN, effect=0.15, simulations=100, seed=4, maximum=60)
    assert found.conf_low < found.patients <= np.ceil(found.conf_high)
    assert found.conf_low < found.expected < found.conf_high
    last = found.table.iloc[-1]
    assert last["patients"] == found.patients
    assert last["simulations"] == 100
    assert found.table["patients"].is_unique
    assert f"{found.patients} patients in the control arm" in found.answer
    assert "in 100 simulated trials" in found.answer


def test_a_plan_at_the_prompt_shows_the_whole_answer_with_patients_and_power(alike):
    found = required_patients(alike, DESIGN, effect=-0.15, simulations=0)
    lines = repr(found).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert found.answer in " ".join(line.strip() for line in lines)
    assert found.answer in found._repr_html_()
    # Every patient is alike and none is lost: no draw, no interval.
    heads = lines[lines.index("table:") + 1]
    assert heads.split() == ["design", "patients", "n_treated", "effect", "power_expected"]
    assert np.isnan([found.conf_low, found.conf_high]).all()
    assert "interval" not in found.answer


def test_the_smallest_trial_is_said_to_be_that(alike):
    found = required_patients(alike, DESIGN, effect=2.0, simulations=0, seed=4)
    assert found.patients == 4  # three fixed effects and five variances: eight patients
    assert found.answer.endswith("fewer might do.")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"effect": 0.0}, "effect=0"),
        ({"power": 1.0}, "power=1.0"),
        ({"power": 0.04}, "power=0.04"),
        ({"maximum": 3}, "maximum=3: no trial up to this size can be analysed"),
    ],
)
def test_questions_without_an_answer(alike, given, said):
    with pytest.raises(UsageError, match=said):
        required_patients(alike, DESIGN, **{"effect": 0.2, "simulations": 0, **given})
