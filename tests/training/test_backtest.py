"""Backtest: what is learnt at a date was known then; what is scored is judged by what came."""

import json

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from features.errors import InputError
from features.instants import DAY, parse
from training.backtest import KnownBy, run_backtest
from training.evaluate import EvaluationValues, capacity
from training.show import show_backtest

QUICK = ("models.lightgbm.rounds=20", "evaluation.replicates=60", "models.logistic.penalties=[100]")
SCORED = """
from dataclasses import replace
from training.tasks import task
churn = task("churn_90d").inputs
inputs = replace(churn, baselines={**churn.baselines, "age": ("age_years", "down")}, scores=("framingham_2008_office",))
SCORED = replace(task("churn_90d"), name="scored_90d", inputs=inputs)
"""


def test_a_lake_as_it_was_holds_nothing_that_became_known_later(lake):
    at = parse("2024-12-31")
    then = KnownBy(lake, at)
    for table in ("encounters", "diagnoses", "status_changes"):
        if table in lake.tables():
            read = then.read(table)
            assert 0 < read.num_rows < lake.read(table).num_rows
            assert pc.max(read["known_at"]).cast("int64").as_py() <= at
    assert then.read("encounters", columns=["patient_id"]).column_names == ["patient_id"]


@pytest.mark.slow
def test_predictions_can_be_judged_by_anybody_and_stand_beside_all_that_the_task_names(lake, tmp_path, capsys):
    from sklearn.metrics import roc_auc_score

    out, file, mine = tmp_path / "metrics.json", tmp_path / "predictions.parquet", tmp_path / "my_task.py"
    mine.write_text(SCORED, encoding="utf-8")
    run_backtest(str(mine), lake.path, "2025-04-30", "2025-11-30", "90d", out, file, QUICK)
    found, told = pd.read_parquet(file), json.loads(out.read_text())
    assert {"patient_id", "at", "score", "label"} <= set(found.columns)
    assert not found.duplicated(["patient_id", "at"]).any() and found["score"].between(0, 1).all()
    assert len(told["by_date"]) == 3 and told["by_date"][0]["trained_events"] >= 50
    rows = [each["trained_rows"] for each in told["by_date"]]
    assert rows == sorted(rows) and rows[0] < rows[-1]
    last = found[found["at"] > "2025-10-01"]
    assert last["label"].isna().all() and told["by_date"][-1]["closed"] == 0
    closed = found[(found["weight"] > 0) & found["label"].notna()]
    auroc = roc_auc_score(closed["label"], closed["score"], sample_weight=closed["weight"])
    assert told["overall"]["figures"]["auroc"][0] == pytest.approx(auroc, abs=1e-9)
    assert auroc > told["overall"]["figures"]["auroc_recency"][0]
    named = ("recency", "age", "framingham_2008_office", "bg_nbd", "rfm")  # no model of churn reads an age
    for figures in (each["figures"] for each in (told["overall"], *told["by_date"][:-1])):
        assert tuple(name.removeprefix("auroc_") for name in figures if name.startswith("auroc_")) == named
        for name in named:
            value, lo, hi = figures[f"gain_{name}"]
            assert lo <= value <= hi and value == pytest.approx(figures["auroc"][0] - figures[f"auroc_{name}"][0])
    values = EvaluationValues(replicates=60, seed=1, calls_per_day=20)
    assert told["by_date"][0]["capacity"] == capacity(told["by_date"][0]["scored"], values) != 0.05
    show_backtest(told)
    printed = capsys.readouterr().out
    assert all(name in printed for name in named)
    steps = np.diff(np.unique(found["at"].astype("int64")))
    assert (steps == 90 * DAY).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("churn_90d", "2025-04-30", "2025-01-31", "30d"), "no date from"),
        (("churn_90d", "2025-04-30", "2025-05-31", "monthly"), "write it in days"),
        (("churn_90d", "2035-04-30", "2035-05-31", "30d"), "the lake holds"),
        (("self_test_diabetes", "2025-04-30", "2025-05-31", "30d"), "is not asked of landmarks"),
        (("churn_90d", "yesterday", "2025-05-31", "30d"), "cannot read the time"),
    ],
)
def test_a_backtest_that_cannot_be_is_named(lake, tmp_path, given, message):
    name, begin, end, every = given
    with pytest.raises(InputError, match=message):
        run_backtest(name, lake.path, begin, end, every, tmp_path / "metrics.json")
