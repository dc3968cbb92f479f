"""Vectors brought up to date equal vectors built anew, and a build that is killed goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.asking import Asking
from features.build import computed, keep
from features.kept import Kept
from features.lake import Lake
from features.refresh import told_of
from tests.spec.drawn import drawn

GROUPS = '''
from features import feature_group

@feature_group(source="encounters", purposes=("care_followup",), why="a test", clinical_group="fees")
def spent(history):
    """What was charged. Unit: CNY."""
    return {"many": history.count(), "fee_total": history.sum("fee"), "fee_last": history.within(days=30).last("fee")}
'''
FIRST = """
patient_id | time       | fee
a          | 2024-02-01 | 10
a          | 2024-03-01 | 20
b          | 2024-03-01 | 30
c          | 2024-03-02 | 40
"""
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
from features.__main__ import main
sys.argv = ["features", *sys.argv[2:]]
main()
"""
"""Runs a command that may write no file of more bytes."""
SECOND = "patient_id | time       | fee\nb          | 2024-03-05 | 5\nd          | 2024-03-06 | 6"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake of one file, groups, and a cache of its own."""
    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "home"))
    (tmp_path / "lake" / "encounters").mkdir(parents=True)
    pq.write_table(drawn("encounters", FIRST), tmp_path / "lake/encounters/one.parquet")
    (tmp_path / "groups.py").write_text(GROUPS)
    return tmp_path


def asking(world: Path, at: str = "2024-03-31") -> Asking:
    return Asking.of(world / "lake", (str(world / "groups.py"),), at, None)


def anew(world: Path, asked: Asking) -> pa.Table:
    """Build elsewhere, with nothing kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAREPATH_HOME", str(world / "elsewhere"))
        asked.build(world / "anew.parquet")
    return pq.read_table(world / "anew.parquet")


def again(world: Path, out: Path) -> tuple[int, int]:
    asked = Asking.again(world / "lake", out, (), "", None)
    done = asked.refresh(out)
    assert pq.read_table(out).equals(anew(world, asked), check_metadata=True)
    return done.computed, done.copied


def test_nothing_changed_nothing_is_computed(world: Path) -> None:
    out = world / "v.parquet"
    asking(world).build(out)
    assert again(world, out) == (0, 3)


def test_a_new_file_concerns_its_patients_and_new_patients_come(world: Path) -> None:
    out = world / "v.parquet"
    asking(world).build(out)
    second = drawn("encounters", SECOND).set_column(3, "event_id", pa.array(["x1", "x2"]))
    pq.write_table(second, world / "lake/encounters/two.parquet")
    assert again(world, out) == (2, 2)
    read = pd.read_parquet(out).set_index("patient_id")
    assert read["many"].to_dict() == {"a": 2, "b": 2, "c": 1, "d": 1}


def test_a_changed_file_concerns_whom_it_held_and_whom_it_holds(world: Path) -> None:
    pq.write_table(drawn("encounters", SECOND.replace("b  ", "e  ")), world / "lake/encounters/two.parquet")
    out = world / "v.parquet"
    asking(world).build(out)
    pq.write_table(drawn("encounters", SECOND), world / "lake/encounters/two.parquet")
    computed_, copied = again(world, out)
    assert computed_ == 2 and copied == 2, "b and d; e is gone, a and c stay"
    (world / "lake/encounters/two.parquet").unlink()
    assert again(world, out)[1] >= 2


def test_watching_that_begins_concerns_everybody(world: Path) -> None:
    out = world / "v.parquet"
    asking(world).build(out)
    (world / "lake/observed").mkdir()
    watched = drawn("observed", "patient_id | table | start | end\na | encounters | 2023-01-01 |")
    pq.write_table(watched, world / "lake/observed/o.parquet")
    assert again(world, out) == (3, 0)


def test_other_features_are_all_computed(world: Path) -> None:
    out = world / "v.parquet"
    asking(world).build(out)
    (world / "groups.py").write_text(GROUPS.replace("days=30", "days=31"))
    assert again(world, out) == (3, 0)


def test_landmarks_of_a_file_are_those_refreshed(world: Path) -> None:
    out, marks = world / "v.parquet", world / "marks.csv"
    asked = "b,2024-03-31 nobody,2024-03-31 b,2024-03-02T10:00:00 b,2024-03-31 c,2024-03-31 a,2024-03-31"
    marks.write_text("\n".join(("patient_id,at", *asked.split())) + "\n")
    Asking.of(world / "lake", (str(world / "groups.py"),), "", marks).build(out)
    assert told_of(out)["instant"] == ""
    pq.write_table(drawn("encounters", SECOND), world / "lake/encounters/two.parquet")
    assert again(world, out) == (3, 3)


BUILD = """
import sys
from pathlib import Path
from features import lake
lake.ROWS, lake.BATCH = 400, 150
from features.asking import Asking
Asking.of(Path(sys.argv[1]), (sys.argv[2],), "2024-06-30", None).build(Path(sys.argv[3]))
"""


@pytest.mark.slow
def test_a_build_that_is_killed_twice_goes_on_and_equals_the_undisturbed(world: Path, project: Path) -> None:
    dealt = np.random.default_rng(1)
    rows = 30_000
    table = {
        "patient_id": [f"p{each:05d}" for each in dealt.integers(0, 6_000, rows)],
        "time": pa.array(1_700_000_000_000_000 + dealt.integers(0, 10**13, rows), pa.timestamp("us", tz="UTC")),
        "event_id": [f"e{each}" for each in range(rows)],
        "fee": dealt.random(rows),
    }
    pq.write_table(pa.table(table), world / "lake/encounters/one.parquet")
    out, groups = world / "v.parquet", str(world / "groups.py")
    command = [sys.executable, "-c", BUILD, str(world / "lake"), groups, str(out)]
    stood, kills = [], 0
    while kills < 2:
        running = subprocess.Popen(command, cwd=project)
        folder = _partial(world, running)
        wait_for = len(_lines(folder)) + random.Random(kills + len(stood)).randint(2, 9)
        while running.poll() is None and len(_lines(folder)) < wait_for:
            time.sleep(0.002)
        if running.poll() is None:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            kills += 1
            stood.append(len(_lines(folder)))
        else:
            pytest.fail("the build ended before it could be killed")
    assert stood[1] > stood[0] > 1, "the second run went on from the first"
    assert not out.exists(), "nothing half written"
    subprocess.run(command, cwd=project, check=True)
    asked = Asking.of(world / "lake", (groups,), "2024-06-30", None)
    assert pq.read_table(out).equals(anew(world, asked), check_metadata=True)
    assert list((world / "home/cache").glob("*.partial")) == []


def test_parts_that_stand_are_not_computed_again(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asking(world)
    kept = Kept(asked.lake, asked.plan.spec, asked.patients, asked.at)
    with pytest.raises(ZeroDivisionError), kept.filling(3):
        kept.put(1, np.array([1]), np.array([[7.0, 7.0, 7.0]]))
        raise ZeroDivisionError
    monkeypatch.setattr("features.lake.ROWS", 2)
    monkeypatch.setattr(Lake, "parts", lambda *_: 3)
    assert keep(kept, asked.lake, asked.plan, asked.patients, asked.at) is None
    found, wanted = kept.array(), computed(asked.lake, asked.plan, asked.patients, asked.at)
    assert found[1].tolist() == [7.0, 7.0, 7.0], "as it was put"
    assert np.array_equal(found[[0, 2]], wanted[[0, 2]], equal_nan=True)
    assert np.concatenate(list(kept.chunks())).tobytes() == found.tobytes()


@pytest.mark.parametrize("limit", [0, 2000])
def test_a_full_disk_is_one_line_and_leaves_nothing(world: Path, limit: int) -> None:
    """Full while the answer is kept, and full while it is written."""
    words = ["build", "--lake", "lake", "--groups", "groups.py", "--at", "2024-03-31", "--out", "v.parquet"]
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *words], cwd=world, capture_output=True, text=True, check=False
    )
    where = "kept vectors" if not limit else "--out v.parquet"
    assert ran.returncode == 2 and where in ran.stderr and "cannot write: " in ran.stderr, ran.stderr
    assert "make room" in ran.stderr and "Traceback" not in ran.stderr
    assert list(world.glob("*v.parquet*")) == [] and list((world / "home").rglob("*.[0-9]*.npy")) == []


def _partial(world: Path, running: subprocess.Popen[bytes]) -> Path:
    while running.poll() is None:
        if found := list((world / "home/cache").glob("*.partial")):
            return found[0]
        time.sleep(0.002)
    return pytest.fail("the build ended before it could be killed")


def _lines(folder: Path) -> list[str]:
    try:
        return (folder / "done").read_text().splitlines()
    except OSError:
        return []
