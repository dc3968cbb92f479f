"""Vectors of a lake: streamed in buckets of patients, one row per landmark in its order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.arrange import dealt
from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.kept import Kept, room
from features.lake import Lake
from features.plan import Plan, compile_plan
from features.progress import track
from features.roster import texts
from features.vector import VectorSpec
from features.watch import OBSERVED

if TYPE_CHECKING:
    import pandas as pd


def build(
    lake: Lake | Path | str,
    landmarks: pd.DataFrame,
    groups: Iterable[FeatureGroup | Derived] | None = None,
) -> pd.DataFrame:
    """Return the vectors of some landmarks.

    Parameters
    ----------
    lake
        A Lake, or its folder.
    landmarks
        ``patient_id`` and ``at`` (zone-aware, or UTC), one row a landmark, in any order; repeated
        landmarks and patients without events get their row too.
    groups
        What to compute; None for the catalogue.

    Returns
    -------
    pandas.DataFrame
        ``patient_id, at`` and one float column per feature, in the order of the landmarks.

    Raises
    ------
    InputError
        The landmarks lack a column or hold a null; the lake or a declaration cannot be used.
    """
    import pandas as pd

    plan = compile_plan(_declared(groups))
    patients, at = landmarks_of(landmarks)
    values = vectors(lake if isinstance(lake, Lake) else Lake(lake), plan, patients, at)
    out = pd.DataFrame(values, columns=list(plan.spec.names))
    out.insert(0, "patient_id", patients)
    out.insert(1, "at", pd.to_datetime(at, unit="us", utc=True))
    return out


def vectors(lake: Lake, plan: Plan, patients: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Compute (n, features) vectors of landmarks, and keep them: the same question is read back.

    Parameters
    ----------
    patients, at
        (n,) ids as strings, and UTC microseconds.
    """
    kept = Kept(lake, plan.spec, patients, at)
    found = None if kept.whole else keep(kept, lake, plan, patients, at)
    return kept.array() if found is None else found


@room()
def keep(kept: Kept, lake: Lake, plan: Plan, patients: np.ndarray, at: np.ndarray) -> np.ndarray | None:
    """Compute what is not kept yet, in buckets of patients that fit in memory; a build that was killed goes on.

    Returns
    -------
    np.ndarray or None
        The vectors where one bucket held them all, else None: they are on disk.
    """
    ids, columns = texts(patients).dictionary_encode(), _columns(plan)
    parts = lake.parts(columns, len(ids.dictionary), len(at) * len(plan.spec.names))
    if parts == 1:
        found = computed(lake, plan, patients, at)
        kept.save(found)
        return found
    with kept.filling(parts) as done:
        left = [part for part in range(parts) if part not in done]
        buckets = lake.buckets(columns, ids.dictionary, parts, done, kept.spread) if left else ()
        marks = _Marks(ids)
        for part, places, tables in track(buckets, "vectors", total=len(left)):
            rows, own = marks.of(places)
            order = np.argsort(rows)
            kept.put(part, rows[order], plan.vectors(tables, own, at[rows])[order])
    return None


def computed(lake: Lake, plan: Plan, patients: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Compute (n, features) vectors of landmarks in memory; nothing is kept."""
    ids, columns = texts(patients).dictionary_encode(), _columns(plan)
    parts = lake.parts(columns, len(ids.dictionary), len(at) * len(plan.spec.names))
    if parts == 1:
        for _, _, tables in lake.buckets(columns, ids.dictionary):
            return plan.vectors(tables, ids, at)
    out, marks = np.empty((len(at), len(plan.spec.names))), _Marks(ids)
    for _, places, tables in track(lake.buckets(columns, ids.dictionary, parts), "vectors", total=parts):
        rows, own = marks.of(places)
        out[rows] = plan.vectors(tables, own, at[rows])
    return out


def write(frame: pd.DataFrame, plan: Plan, file: Path) -> None:
    """Write vectors as Parquet; every column says its label, unit, group and window in its metadata."""
    values = frame[list(plan.spec.names)].to_numpy(dtype=np.float64)
    patients, at = landmarks_of(frame)
    written(iter([values]), plan.spec, patients, at, file)


def written(
    chunks: Iterator[np.ndarray],
    spec: VectorSpec,
    patients: np.ndarray,
    at: np.ndarray,
    file: Path,
    told: Mapping[str, str] | None = None,
) -> list[str]:
    """Write vectors as Parquet, some rows at a time, all or nothing.

    Parameters
    ----------
    chunks
        Vectors in the order of the landmarks.
    told
        What else the file says of itself.

    Returns
    -------
    list of str
        Features that are null for every landmark.
    """
    schema = _schema(spec, told or {})
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    first, known = 0, np.zeros(len(spec.names), dtype=bool)
    try:
        with pq.ParquetWriter(fresh, schema) as writer:
            for values in chunks:
                last = first + len(values)
                known |= ~np.isnan(values).all(axis=0)
                columns = [pa.array(np.ascontiguousarray(each), from_pandas=True) for each in values.T]
                marks = [texts(patients[first:last]), pa.array(at[first:last], schema.field("at").type)]
                writer.write_table(pa.Table.from_arrays([*marks, *columns], schema=schema))
                first = last
        fresh.replace(file)
    except OSError as error:
        where = f"--out {file.name}"
        raise InputError(
            f"cannot write: {error.strerror}", where=where, remedy="make room or choose another"
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    return [name for name, seen in zip(spec.names, known) if not seen]


def _schema(spec: VectorSpec, told: Mapping[str, str]) -> pa.Schema:
    fields = [pa.field("patient_id", pa.string()), pa.field("at", pa.timestamp("us", tz="UTC"))]
    for feature in spec.features:
        said = {
            "label": feature.label_en,
            "label_zh": feature.label_zh,
            "label_en": feature.label_en,
            "unit": feature.unit,
            "group": feature.group,
            "window": feature.window,
            "window_days": "" if feature.days is None else f"{feature.days:g}",
        }
        fields.append(pa.field(feature.name, pa.float64(), metadata=said))
    return pa.schema(fields, metadata={"vector_spec": spec.digest, "vector_spec_json": spec.to_json(), **told})


def _columns(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {**plan.columns, "observed": OBSERVED}


class _Marks:
    """Landmarks by patient, so that those of a bucket are found without a look at the others."""

    def __init__(self, ids: pa.DictionaryArray) -> None:
        self._patients, self._which = ids.dictionary, ids.indices.to_numpy()
        self._order, self._starts = dealt(self._which, len(self._patients))

    def of(self, places: np.ndarray) -> tuple[np.ndarray, pa.DictionaryArray]:
        """Return the landmarks of a bucket's patients, one's after the other's, and the patient of each among these."""
        first, size = int(places[0]), len(places)
        rows = self._order[self._starts[first] : self._starts[first + size]]
        own = pa.array(self._which[rows] - np.int32(first))
        return rows, pa.DictionaryArray.from_arrays(own, self._patients.slice(first, size))


def _declared(groups: Iterable[FeatureGroup | Derived] | None) -> tuple[FeatureGroup | Derived, ...]:
    if groups is not None:
        return tuple(groups)
    from features import catalogue

    return catalogue()


def landmarks_of(landmarks: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) ids as strings and (n,) UTC microseconds."""
    import pandas as pd

    if not isinstance(landmarks, pd.DataFrame):
        remedy = 'pd.DataFrame({"patient_id": [...], "at": [...]}), a row a landmark'
        raise InputError(f"are no table but {type(landmarks).__name__}", where="landmarks", remedy=remedy)
    for name in ("patient_id", "at"):
        if name not in landmarks.columns:
            raise InputError(f"has no column '{name}'", where="landmarks", known=map(str, landmarks.columns))
        if landmarks[name].isna().any():
            raise InputError(f"column '{name}' holds a null", where="landmarks")
    try:
        if pd.api.types.is_numeric_dtype(landmarks["at"]):
            raise TypeError
        at = pd.to_datetime(landmarks["at"], utc=True).astype("datetime64[us, UTC]").astype("int64").to_numpy()
    except (ValueError, TypeError):
        raise InputError("column 'at' is no time", where="landmarks", remedy="zone-aware timestamps, or UTC") from None
    return landmarks["patient_id"].astype(str).to_numpy(dtype=object), np.ascontiguousarray(at, dtype=np.int64)
