"""Tuning: within the budget, the simplest within one standard error, and an interrupted one goes on."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError
from features.instants import DAY
from training.calibrate import sigmoid
from training.models import lightgbm
from training.models.values import model_values
from training.tune import Rows, Search, _Objective, tuned

VALUES = model_values(("models.lightgbm.rounds=40", "models.lightgbm.min_data_in_leaf=20"))


def drawn() -> Rows:
    rng = np.random.default_rng(1)
    n = 3000
    x = rng.normal(size=(n, 5))
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (rng.random(n) < sigmoid(np.nan_to_num(x[:, 0]) - 1)).astype(float)
    patient = rng.integers(0, 800, n).astype(str)
    at = rng.integers(0, 24, n) * 30 * DAY
    return Rows(x, y, rng.uniform(1, 1.2, n), patient, at, tuple("abcde"), {"a": "up"}, 60)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return drawn()


def test_the_simplest_within_one_standard_error_wins_inside_the_budget(rows):
    found = tuned(rows, VALUES, Search(6), 600)
    assert len(found.trials) == 6 and "simplest within one standard error" in found.text
    done = {each.number: each for each in found.trials if each.state == "COMPLETE"}
    chosen = next(e for e in done.values() if e.parameters["num_leaves"] == found.values.lightgbm.num_leaves)
    assert chosen.figures["trees_x_leaves"] <= 600
    fitted = lightgbm.fit(rows.x, rows.y, rows.patient_id, rows.names, rows.monotone, found.values, rows.weight)
    assert fitted.margin(rows.x).std() > 0
    with pytest.raises(InputError, match="within the budget"):
        tuned(rows, VALUES, Search(1), 3)


def test_folds_that_are_too_short_for_the_embargo_say_so(rows):
    assert rows.folds.forward and "apart by patient alone" not in tuned(rows, VALUES, Search(1), 10_000).text
    short = replace(rows, horizon_days=400)
    assert not short.folds.forward and "apart by patient alone" in tuned(short, VALUES, Search(1), 10_000).text


def test_the_settings_of_params_are_tried_first_also_after_an_interruption_in_their_trial(rows, tmp_path, monkeypatch):
    search = Search(2, str(tmp_path / "trials.log"), "a")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("lightgbm.train", interrupted)
        tuned(rows, VALUES, search, 10_000)
    found = tuned(rows, VALUES, search, 10_000)
    first = next(each for each in found.trials if each.state == "COMPLETE")
    assert found.trials[0].state == "FAIL" and len(found.trials) == 3
    assert first.parameters["num_leaves"] == VALUES.lightgbm.num_leaves


def test_the_same_seed_tries_the_same_settings(rows):
    one, two = (tuned(rows, VALUES, Search(4), 10_000) for _ in range(2))
    assert [each.parameters for each in one.trials] == [each.parameters for each in two.trials]
    assert [each.figures.get("loss") for each in one.trials] == [each.figures.get("loss") for each in two.trials]


def test_a_trial_is_given_up_only_where_it_is_surely_behind_the_best(rows):
    found = tuned(rows, VALUES, Search(12), 10_000)
    pruned = [each for each in found.trials if each.state == "PRUNED"]
    assert pruned and f"{len(pruned)} pruned" in found.text
    objective = _Objective(rows, VALUES, 10_000)
    objective.best = 0.5, [np.full(len(places), 0.5) for _, _, places in objective.folds]
    rng = np.random.default_rng(3)
    near, far = ([0.5 + by + rng.normal(0, 0.2, len(each)) for each in objective.best[1]] for by in (0.0, 0.1))
    assert not objective._behind(near[:1]) and objective._behind(far[:1]) and objective._behind(far[:2])


def test_a_study_goes_on_and_belongs_to_its_data(rows, tmp_path):
    file = str(tmp_path / "trials.log")
    assert len(tuned(rows, VALUES, Search(2, file, "one"), 10_000).trials) == 2
    found = tuned(rows, VALUES, Search(4, file, "one"), 10_000)
    assert [each.number for each in found.trials] == [0, 1, 2, 3]
    assert len({str(each.parameters) for each in found.trials}) == 4
    with pytest.raises(InputError, match="other data"):
        tuned(replace(rows, y=1 - rows.y), VALUES, Search(5, file, "one"), 10_000)
    other = model_values(("models.lightgbm.rounds=20", "models.lightgbm.min_data_in_leaf=20"))
    for values in (other, VALUES.model_copy(update={"seed": VALUES.seed + 1})):
        with pytest.raises(InputError, match=r"--study one: the study holds trials of other settings: rounds.*another"):
            tuned(rows, values, Search(5, file, "one"), 10_000)
    with pytest.raises(InputError, match="other settings"):
        tuned(replace(rows, horizon_days=30), VALUES, Search(5, file, "one"), 10_000)
    searched = model_values(("models.lightgbm.rounds=40", "models.lightgbm.num_leaves=9"))
    assert len(tuned(rows, searched, Search(4, file, "one"), 10_000).trials) == 4  # where the search began is no matter
    with pytest.raises(InputError, match="give both"):
        Search(5, file)


_ENDLESS = """
import sys
from tests.training.test_tune import VALUES, drawn
from training.tune import Search, tuned
tuned(drawn(), VALUES, Search(10_000, sys.argv[1], "killed"), 10_000)
"""


@pytest.mark.slow
def test_a_tuning_that_was_killed_goes_on_where_it_was(rows, tmp_path, project):
    file = tmp_path / "trials.log"
    environment = {**os.environ, "PYTHONPATH": str(project)}
    process = subprocess.Popen([sys.executable, "-c", _ENDLESS, str(file)], env=environment, cwd=project)
    until = time.monotonic() + 50
    while time.monotonic() < until and not (file.exists() and file.read_text().count('"losses"') >= 2):
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = file.read_text().count('"losses"')
    assert before >= 2
    found = tuned(rows, VALUES, Search(before + 5, str(file), "killed"), 10_000)
    states = [each.state for each in found.trials]
    assert states.count("COMPLETE") >= before and "RUNNING" not in states
    assert states.count("COMPLETE") + states.count("PRUNED") == before + 5
