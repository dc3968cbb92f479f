"""Runs and versions survive in MLflow, artefacts beside the database; the model loads without pickle."""

import json
import os
import subprocess
import sys

import mlflow
import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from features.vector import Feature, VectorSpec
from training import tracking
from training.models import logistic
from training.models.values import model_values
from training.scorer import Scorer

TASK = "churn_90d"
NAMES = ("age", "visits", "glucose")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    rng = np.random.default_rng(0)
    x, patient = rng.normal(size=(400, 3)), np.arange(400).astype(str)
    y = (x[:, 0] + rng.logistic(size=400) > 0).astype(float)
    fitted = logistic.fit(x, y, patient, NAMES, NAMES, model_values(("models.logistic.penalties=[1]",)))
    made = tuple(
        Feature(name, name, name, "1", name, 365.0, ("care_followup",), False, False, {"is": name}) for name in NAMES
    )
    return Scorer.of(
        fitted, task=TASK, horizon_days=90, spec=VectorSpec(made), bands=(0.1, 0.2, 0.5), calibration=(1.0, 0.1)
    )


@pytest.fixture
def recorded(scorer, store, tmp_path):
    """Three versions of a task; returns a function that records one more."""

    def one(number):
        folder = tmp_path / f"artefact-{number}"
        digest = scorer.save(folder, {"task": TASK})
        return tracking.record(
            tracking.Run(
                TASK,
                folder,
                digest,
                {"task": TASK, "code_version": "abc", "hospital": "none"},
                {"lightgbm.num_leaves": 15},
                {"test_auroc": 0.7 + number / 100, "test_slope": float("nan")},
                NAMES,
                tracking.Source("lake", "d" * 64, {"encounters/0.parquet": "e" * 64}, {"rows": 400}),
                (tracking.Trial(0, {"num_leaves": 7}, {"loss": 0.5}, "COMPLETE"),),
                {"attrition.json": "[]"},
            )
        )

    return one


@pytest.mark.slow
def test_a_run_becomes_a_version_that_can_be_fetched(recorded, scorer, store):
    first, second = recorded(1), recorded(2)
    assert (first.version, second.version) == ("1", "2")
    found = tracking.version(TASK, "1")
    assert found.digest == first.digest and found.figures == {"test_auroc": 0.71}
    assert found.tags["code_version"] == "abc"
    assert Scorer.load(tracking.fetch(TASK, "1"), first.digest).bands == scorer.bands
    assert tracking.fetch(TASK, "1", "attrition.json").read_text() == "[]"
    assert tracking.latest(TASK).version == "2"
    assert (store / "artifacts" / TASK).is_dir()
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(TASK)
    runs = client.search_runs([experiment.experiment_id], "tags.`mlflow.parentRunId` != ''")
    assert len(runs) == 2 and runs[0].data.params == {"num_leaves": "7"} and runs[0].data.metrics == {"loss": 0.5}
    inputs = client.get_run(first.run_id).inputs.dataset_inputs
    assert inputs[0].dataset.name == "lake" and json.loads(inputs[0].dataset.profile) == {"rows": 400}
    with pytest.raises(InputError, match=r"no version 7.*known: 1, 2"):
        tracking.version(TASK, "7")
    with pytest.raises(InputError, match="its run holds no"):
        tracking.fetch(TASK, "1", "nothing.json")
    with pytest.raises(InputError, match="no version"):
        tracking.latest("copd_12m")


@pytest.mark.slow
def test_aliases_follow_propose_and_approve_and_one_moved_by_hand_is_reported(recorded, store):
    digest = recorded(1).digest
    recorded(2)
    assert tracking.champion(TASK) is None and tracking.moved(TASK) is None
    tracking.challenge(TASK, "1")
    client = mlflow.MlflowClient()
    assert client.get_registered_model(TASK).aliases == {"challenger": 1}
    assert tracking.champion(TASK) is None
    tracking.crown(TASK, "1", digest)
    assert client.get_registered_model(TASK).aliases == {"champion": 1}
    assert tracking.champion(TASK) == "1" and tracking.moved(TASK) is None
    client.set_registered_model_alias(TASK, "champion", "2")
    assert tracking.champion(TASK) == "1"
    assert "points at version 2, the approved version is 1: it was moved by hand" in tracking.moved(TASK)
    assert tracking.moved(TASK, "2") is None
    with pytest.raises(InputError, match="no version 9"):
        tracking.crown(TASK, "9", digest)
    with pytest.raises(InputError, match="not the artefact"):
        tracking.crown(TASK, "1", "0" * 64)


_ASK = """
import json, sys
import mlflow, numpy as np, pandas as pd
model = mlflow.pyfunc.load_model("models:/churn_90d@champion")
frame = pd.DataFrame(json.loads(sys.argv[1]))
answers = {"right": model.predict(frame).tolist(), "turned": model.predict(frame[frame.columns[::-1]]).tolist()}
for name, wrong in {"missing": frame.drop(columns="age"), "renamed": frame.rename(columns={"age": "years"}),
                    "text": frame.assign(age="Smith"), "array": frame.to_numpy()}.items():
    try:
        answers[name] = model.predict(wrong).tolist()
    except Exception as error:
        answers[name] = str(error)
whole = frame.round().assign(visits=7).astype({"age": "int64", "visits": "Int64"})
answers["whole"] = model.predict(whole.astype({"glucose": object})).tolist()
answers["doubles"] = model.predict(whole.astype("float64")).tolist()
answers["inputs"] = model.metadata.signature.inputs.input_names()
print("ANSWER", json.dumps(answers))
"""


@pytest.mark.slow
def test_anybody_loads_the_champion_without_pickle_and_wrong_columns_are_refused(recorded, scorer, store, project):
    made = recorded(1)
    tracking.crown(TASK, "1", made.digest)
    rows = np.random.default_rng(4).normal(size=(5, 3))
    asked = pd.DataFrame(rows, columns=NAMES).to_json(orient="records")
    environment = {**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    command = [sys.executable, "-c", _ASK, asked]
    told = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True, check=True)
    assert "type hints" not in told.stderr  # MLflow's advice to whoever wrote the model is nothing to its reader
    answers = json.loads(told.stdout.split("ANSWER ")[1])
    assert answers["right"] == pytest.approx(scorer.probability(rows).tolist(), abs=1e-9)
    assert answers["turned"] == answers["right"]
    lacking = "model churn_90d: the frame lacks the column 'age'"
    assert lacking in answers["missing"] and lacking in answers["renamed"]
    assert "the column 'age' holds what is no number" in answers["text"]
    assert answers["whole"] == answers["doubles"]  # a column of whole numbers is what a data base gives
    values = [f"{value:.4f}" for value in rows.ravel()]
    for name in ("missing", "renamed", "text", "array"):
        assert isinstance(answers[name], str) and "Smith" not in answers[name]
        assert not [value for value in values if value in answers[name]]
    assert answers["inputs"] == list(NAMES)
    artefact = tracking.fetch(TASK, made.version)
    with (artefact / "linear.json").open("a") as file:
        file.write(" ")
    broken = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True)
    assert broken.returncode != 0 and "linear.json" in broken.stderr
