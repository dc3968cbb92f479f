"""Lists for many: those asked one by one, however the patients are batched, and under Spark."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.instants import DAY
from tests.training.toys import NOW, catalogue, readership, saved
from training.affinity.lists import ASKED, lists, spread
from training.affinity.recommender import Recommender
from training.affinity.safety import Reader, excluded

JAVA = pytest.mark.skipif(not (os.environ.get("JAVA_HOME") or shutil.which("java")), reason="there is no Java")


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("artefact") / "one"
    return folder, saved(readership(catalogue(300), 200, 3000), folder)


def people(count: int) -> pa.Table:
    """Return patients of every kind: some never read, some of unknown age, some who consent to sensitive topics."""
    rng = np.random.default_rng(4)
    return pa.Table.from_pylist(
        [
            {
                "patient_id": f"p{number:04d}",
                "content_ids": [f"c{each:06d}" for each in rng.integers(0, 300, number % 9)],
                "times": [int(NOW - each) for each in rng.integers(1, 30 * DAY, number % 9)],
                "age": None if number % 5 == 0 else float(rng.integers(10, 90)),
                "conditions": ["diabetes"] * (number % 2) + ["pregnancy"] * (number % 3 == 0),
                "sensitive_consent": number % 4 == 0,
            }
            for number in range(count)
        ],
        schema=ASKED,
    )


def listed(artefact: tuple[Path, str], asked: pa.Table, size: int) -> pa.Table:
    recommender = Recommender.load(*artefact)
    display = recommender.display(recommender.items, NOW)
    return pa.Table.from_batches(lists(recommender, display, asked.to_batches(max_chunksize=size), NOW, 10))


def test_how_patients_are_batched_changes_no_list_and_each_is_safe(artefact: tuple[Path, str]) -> None:
    asked = people(40)
    found = listed(artefact, asked, 40)
    assert found.equals(listed(artefact, asked, 7))
    items = {item.content_id: item for item in Recommender.load(*artefact).items}
    for one in asked.to_pylist():
        reader = Reader(one["age"], frozenset(one["conditions"]), one["sensitive_consent"])
        shown = [row["content_id"] for row in found.to_pylist() if row["patient_id"] == one["patient_id"]]
        assert len(shown) == len(set(shown)) == 10 and not set(shown) & set(one["content_ids"])
        assert all(excluded(items[name], reader, NOW) is None for name in shown)


@pytest.mark.slow
@JAVA
def test_spark_makes_the_same_lists(artefact: tuple[Path, str], tmp_path: Path) -> None:
    asked = people(60)
    pq.write_table(asked, tmp_path / "asked.parquet", row_group_size=20)
    order = [("patient_id", "ascending"), ("slot", "ascending")]
    assert spread(*artefact, tmp_path / "asked.parquet", NOW, 10).equals(listed(artefact, asked, 16).sort_by(order))
