"""On the simulation: as near to the best predictor from observables as METHODS asks, and calibrated.

Half the size of docs/results.md and one setting of the best predictor, to be quick; the figures stated there
are those of ``python -m bench.best_predictor``.
"""

import sys
from datetime import date

import pytest

from bench.best_predictor import SETTINGS, Many, compare, show
from simulation.write import hospital

PATIENTS = 10_000
FAST = ({**SETTINGS[0], "learning_rate": 0.1},)


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory, home):
    """Ours, and one of ten times the patients from another seed for the best predictor."""
    folder = tmp_path_factory.mktemp("acceptance")
    for name, times, seed in (("ours", 1, 11), ("theirs", 10, 12)):
        hospital(folder / name, PATIENTS * times, 3, seed, date(2025, 12, 31))
    return folder / "ours", Many(folder / "theirs")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["churn_90d", "diabetes_12m"])
def test_a_task_is_near_the_best_predictor_and_calibrated(hospitals, name, capsys):
    """The gap is taken as expected under the truth: of the same rows, but free of the outcomes' chance."""
    found = compare(name, *hospitals, PATIENTS, FAST)
    with capsys.disabled():
        sys.stdout.write(f"\n{show(found)}\n")
    baseline = "recency" if name == "churn_90d" else "age"
    assert found.expected_gap.value <= 0.02
    assert found.slope.covers(1)
    assert found.expected["best"] >= found.expected[baseline] + 0.03
    assert found.expected["truth"] > found.expected["best"] > found.expected[baseline]
