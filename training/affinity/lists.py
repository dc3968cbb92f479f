"""Lists for many: each as it would be if asked alone, streamed in bounded memory, here or under Spark."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from training.affinity.display import Display
from training.affinity.recommender import Recommender
from training.affinity.safety import Reader

ASKED = pa.schema(
    [
        ("patient_id", pa.string()),
        ("content_ids", pa.list_(pa.string())),
        ("times", pa.list_(pa.int64())),
        ("age", pa.float64()),
        ("conditions", pa.list_(pa.string())),
        ("sensitive_consent", pa.bool_()),
        ("tired", pa.list_(pa.string())),
    ]
)
"""Who is asked for: what was touched and when (UTC microseconds), what the filters must know (`Reader`), and
what was shown often enough without being opened."""
LISTED = pa.schema(
    [
        ("patient_id", pa.string()),
        ("slot", pa.int64()),
        ("content_id", pa.string()),
        ("affinity", pa.float64()),
        ("score", pa.float64()),
        ("propensity", pa.float64()),
    ]
)
"""One row a slot."""
RANKED = pa.schema(
    [
        ("patient_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("content_id", pa.string()),
        ("rank", pa.int64()),
        ("score", pa.float64()),
    ]
)
"""The same as the command writes it, and a backtest its predictions."""


def lists(
    recommender: Recommender, display: Display, asked: Iterable[pa.RecordBatch], at: int, k: int
) -> Iterator[pa.RecordBatch]:
    """Yield the lists of each batch of ASKED as a batch of LISTED, nothing kept from one to the next.

    The seed of the exploring slot is that of the patient and the instant, so that a list does not depend on
    who else is asked for, nor where.
    """
    for batch in asked:
        rows = []
        for one in batch.to_pylist():
            reader = Reader(one["age"], frozenset(one["conditions"] or ()), bool(one["sensitive_consent"]))
            history = list(zip(one["content_ids"] or (), one["times"] or (), strict=True))
            person = display.person(history, at, reader.age, reader.conditions)
            seed = int.from_bytes(hashlib.sha256(f"{at}-{one['patient_id']}".encode()).digest()[:7], "big")
            tired = frozenset(one["tired"] or ())
            listed = recommender.recommend(display, person, reader, at, k, seed, tired, explain=False)
            rows += [
                {
                    "patient_id": one["patient_id"],
                    "slot": slot,
                    "content_id": item.content_id,
                    "affinity": affinity,
                    "score": score,
                    "propensity": propensity,
                }
                for slot, (item, affinity, score, propensity) in enumerate(
                    zip(listed.items, listed.affinity.tolist(), listed.score.tolist(), listed.propensity.tolist()), 1
                )
            ]
        yield pa.RecordBatch.from_pylist(rows, schema=LISTED)


def spread(folder: Path, digest: str, asked: Path, at: int, k: int) -> pa.Table:
    """Return the lists of everybody in a Parquet file of ASKED, worked out by Spark: row for row those of `lists`.

    Parameters
    ----------
    folder, digest
        The approved artefact, reachable from every worker; its own items are offered.

    Raises
    ------
    InputError
        There is no Java.
    """
    from features.spark import session

    spark, work = session(), functools.partial(_worked, str(folder), digest, at, k)
    from pyspark.sql.pandas.types import from_arrow_schema

    found: pa.Table = spark.read.parquet(str(asked)).mapInArrow(work, from_arrow_schema(LISTED)).toArrow()
    return found.cast(LISTED).sort_by([("patient_id", "ascending"), ("slot", "ascending")])


def _worked(folder: str, digest: str, at: int, k: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return lists(*_displayed(folder, digest, at), batches, at, k)


@functools.lru_cache(1)
def _displayed(folder: str, digest: str, at: int) -> tuple[Recommender, Display]:
    """Return the artefact and its display, made once a worker."""
    recommender = Recommender.load(Path(folder), digest)
    return recommender, recommender.display(recommender.items, at)
