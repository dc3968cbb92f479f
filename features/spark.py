"""The same kernel under Spark: files are read where they lie, rows meet by patient, buckets are swept.

A task reads a file, settles it into canonical form and deals its rows into buckets of patients as
Arrow bytes; Spark brings the buckets together; a task runs the plan on each bucket, as the local
build does. What is computed is bit for bit the same. Files and, for groups of one's own, the
hospital's folder must be reachable from every worker under the same path.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import InputError
from features.hospital import VARIABLE
from features.kept import Kept
from features.lake import Lake
from features.plan import Plan, compile_plan
from features.watch import OBSERVED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from features.derived import Derived
    from features.group import FeatureGroup

MARKS = "landmarks"
"""Name under which landmarks travel beside the tables."""
_DEALT = pa.schema([("bucket", pa.int64()), ("name", pa.string()), ("rows", pa.binary())])
_SWEPT = pa.schema([("row", pa.int64()), ("vector", pa.binary())])
Batches = Iterable[pa.RecordBatch]


def session() -> SparkSession:
    """Return the running session, or one on the cluster that MASTER names, else local on all cores, in UTC.

    Raises
    ------
    InputError
        There is no Java.
    """
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise InputError("there is no Java", where="--engine spark", remedy="install Java 17, or use --engine local")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("carepath features").master(os.environ.get("MASTER", "local[*]"))
    for key, value in (
        ("spark.sql.session.timeZone", "UTC"),
        ("spark.ui.enabled", "false"),
        ("spark.ui.showConsoleProgress", "false"),
        ("spark.sql.execution.arrow.maxRecordsPerBatch", "64"),
        ("spark.sql.shuffle.partitions", str(2 * (os.cpu_count() or 1))),
    ):
        builder = builder.config(key, value)
    return SparkSession.getActiveSession() or builder.getOrCreate()


def spread(
    kept: Kept,
    lake: Lake,
    groups: Sequence[FeatureGroup | Derived],
    patients: np.ndarray,
    at: np.ndarray,
    parts: int = 0,
) -> None:
    """Compute the vectors of some landmarks by Spark, and keep them.

    Parameters
    ----------
    groups
        What to compute.
    patients, at
        (n,) ids as strings, and UTC microseconds.
    parts
        Buckets of patients; 0 for as many as memory asks, and at least one a core.
    """
    spark, plan = session(), compile_plan(groups)
    columns = {**plan.columns, "observed": OBSERVED}
    people = len(set(patients))
    parts = parts or max(lake.parts(columns, people, len(at) * len(plan.spec.names)), 2 * (os.cpu_count() or 1))
    present = [name for name in columns if name in lake.files]
    asked = [(name, str(file)) for name in present for file in lake.files[name]]
    whole, shipped, own = str(lake.path), _shipped(groups), os.environ.get(VARIABLE, "")
    with tempfile.TemporaryDirectory(prefix="carepath-spark-") as folder:
        marks = Path(folder) / "landmarks.parquet"
        table = {"patient_id": pa.array(patients, pa.string()), "at": at, "row": np.arange(len(at))}
        pq.write_table(pa.table(table), marks)
        files = spark.createDataFrame([*asked, (MARKS, str(marks))], "name string, file string")
        dealt = files.repartition(len(asked) + 1).mapInArrow(
            _dealing(whole, columns, parts), "bucket bigint, name string, rows binary"
        )
        met = dealt.repartition(parts, "bucket").sortWithinPartitions("bucket", "name")
        swept = met.mapInArrow(_sweeping(shipped, own, tuple(present)), "row bigint, vector binary")
        swept.write.parquet(str(Path(folder) / "vectors"))
        with kept.filling(1) as done:
            if not done:
                _gathered(kept, Path(folder) / "vectors", len(plan.spec.names))


def _gathered(kept: Kept, folder: Path, width: int) -> None:
    for file in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(65_536):
                rows, vectors = batch["row"].to_numpy(), batch["vector"].to_pylist()
                values = np.frombuffer(b"".join(vectors), np.float64).reshape(-1, width)
                order = np.argsort(rows)
                kept.put(-1, rows[order], values[order])
    kept.put(0, np.empty(0, np.int64), np.empty((0, width)))


def _shipped(groups: Sequence[FeatureGroup | Derived]) -> bytes:
    """Return the declarations as bytes; functions of files outside the packages travel by value."""
    from pyspark import cloudpickle

    modules = {each.function.__module__ for each in groups if hasattr(each, "function")}
    for name in modules:
        if name in sys.modules and name.partition(".")[0] not in ("features", "training", "serving"):
            cloudpickle.register_pickle_by_value(sys.modules[name])
    shipped: bytes = cloudpickle.dumps(tuple(groups))
    return shipped


def _dealing(lake: str, columns: Mapping[str, Sequence[str]], parts: int) -> Callable[[Batches], Iterator[Any]]:
    """Return what a task does that reads files."""

    def deal(batches: Batches) -> Iterator[pa.RecordBatch]:
        from pandas.util import hash_array

        opened = Lake(lake)
        for batch in batches:
            for name, file in zip(batch["name"].to_pylist(), batch["file"].to_pylist()):
                if name == MARKS:
                    found: Iterable[pa.Table] = [pq.read_table(file)]
                else:
                    found = opened.batches(name, Path(file), columns[name])
                for rows in found:
                    ids = rows["patient_id"].cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False)
                    bucket = (hash_array(ids.astype(object)) % np.uint64(parts)).astype(np.int64)
                    order = np.argsort(bucket, kind="stable")
                    own, bucket = rows.take(pa.array(order)), bucket[order]
                    for part in np.unique(bucket).tolist():
                        low, high = np.searchsorted(bucket, [part, part + 1])
                        packed = _packed(own.slice(low, high - low))
                        yield pa.record_batch([[part], [name], [packed]], schema=_DEALT)

    return deal


def _sweeping(shipped: bytes, hospital: str, present: tuple[str, ...]) -> Callable[[Batches], Iterator[Any]]:
    """Return what a task does that computes: buckets come one after the other, landmarks among their tables."""

    def sweep(batches: Batches) -> Iterator[pa.RecordBatch]:
        import pickle

        if hospital:
            os.environ[VARIABLE] = hospital
        plan = compile_plan(pickle.loads(shipped))  # noqa: S301 - our own bytes, from the driver of this session
        held: dict[str, list[pa.Table]] = {}
        now: int | None = None
        for batch in batches:
            for bucket, name, rows in zip(*(batch[each].to_pylist() for each in _DEALT.names)):
                if bucket != now and held:
                    yield from _vectors(plan, held, present)
                    held = {}
                now = bucket
                held.setdefault(name, []).append(pa.ipc.open_stream(rows).read_all())
        if held:
            yield from _vectors(plan, held, present)

    return sweep


def _vectors(plan: Plan, held: dict[str, list[pa.Table]], present: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    from features.canonical import empty

    if MARKS not in held:
        return
    marks = pa.concat_tables(held[MARKS])
    tables = {name: pa.concat_tables(held[name]) if name in held else empty(name) for name in present}
    found = plan.vectors(tables, marks["patient_id"].combine_chunks(), marks["at"].to_numpy())
    rows = marks["row"].to_numpy()
    for first in range(0, len(rows), 4096):
        vectors = [each.tobytes() for each in np.ascontiguousarray(found[first : first + 4096])]
        yield pa.record_batch([rows[first : first + 4096], pa.array(vectors, pa.binary())], schema=_SWEPT)


def _packed(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()
