"""Spark, the local build and the question asked now give one answer, bit for bit."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.asking import Asking
from features.plan import compile_plan
from features.store import EventStore
from simulation.write import hospital

JAVA = pytest.mark.skipif(not (os.environ.get("JAVA_HOME") or shutil.which("java")), reason="there is no Java")
OWN = '''
from features import derived, feature_group

DOUBLE = 2.0

@feature_group(source="encounters", purposes=("care_followup",), why="a test", clinical_group="fees")
def spent(history):
    """What was charged. Unit: CNY."""
    return {"fee_total": history.sum("fee"), "fee_slope": history.within(days=365).slope("fee")}


@derived
def fee_double(fee_total):
    """Twice."""
    return DOUBLE * fee_total
'''


@pytest.mark.slow
@JAVA
def test_spark_equals_local_and_asked_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    hospital(tmp_path / "sample", 120, 2, 5, date(2025, 12, 31))
    lake = next(each for each in (tmp_path / "sample" / "lake", tmp_path / "sample") if (each / "patients").is_dir())
    own, marks = tmp_path / "own.py", tmp_path / "marks.csv"
    own.write_text(OWN)
    everybody = Asking.of(lake, ("catalogue",), "2025-06-30", None).patients
    lines = [f"{one},{day}" for day in ("2025-06-30", "2025-01-31T08:00:00+08:00") for one in (*everybody, "nobody")]
    marks.write_text("patient_id,at\n" + "\n".join(lines) + "\n")
    asked = Asking.of(lake, ("catalogue", str(own)), "", marks)
    asked.build(tmp_path / "local.parquet")
    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "elsewhere"))
    asked.build(tmp_path / "spark.parquet", spark=True)
    local, spark = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("local", "spark"))
    assert spark.equals(local, check_metadata=True)
    store = EventStore(tmp_path / "events.db")
    store.load(asked.lake)
    plan = compile_plan(asked.groups)
    whole = np.column_stack([local[name].to_numpy() for name in plan.spec.names])
    for row in range(0, len(asked.at), 17):
        patient = asked.patients[row]
        now = plan.vectors(store.tables(patient), [patient], asked.at[row : row + 1])[0]
        assert np.array_equal(now, whole[row], equal_nan=True)
    store.close()
