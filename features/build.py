"""Vectors of a lake: streamed in buckets of patients, one row per landmark in its order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.lake import Lake
from features.plan import Plan, compile_plan
from features.progress import track
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
    patients, at = _landmarks(landmarks)
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
    kept = _cache(lake, plan, patients, at)
    if kept.is_file():
        return np.load(kept, allow_pickle=False)
    ids = pa.array(patients, pa.string()).dictionary_encode()
    which = ids.indices.to_numpy().astype(np.int64)
    out = np.full((len(at), len(plan.spec.names)), np.nan)
    columns = {**plan.columns, "observed": OBSERVED}
    for places, tables in track(lake.buckets(columns, ids.dictionary), "vectors"):
        rows = np.flatnonzero(np.isin(which, places))
        out[rows] = plan.vectors(
            tables, pa.DictionaryArray.from_arrays(ids.indices.take(rows), ids.dictionary), at[rows]
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}.npy")
    np.save(fresh, out, allow_pickle=False)
    fresh.replace(kept)
    return out


def write(frame: pd.DataFrame, plan: Plan, file: Path) -> None:
    """Write vectors as Parquet; every column says its label, unit, group and window in its metadata."""
    fields = []
    for name in frame.columns:
        if name in ("patient_id", "at"):
            kind = pa.string() if name == "patient_id" else pa.timestamp("us", tz="UTC")
            fields.append(pa.field(name, kind))
            continue
        feature = plan.spec[name]
        told = {
            "label": feature.label_en,
            "label_zh": feature.label_zh,
            "label_en": feature.label_en,
            "unit": feature.unit,
            "group": feature.group,
            "window": feature.window,
            "window_days": "" if feature.days is None else f"{feature.days:g}",
        }
        fields.append(pa.field(name, pa.float64(), metadata=told))
    schema = pa.schema(fields, metadata={"vector_spec": plan.spec.digest, "vector_spec_json": plan.spec.to_json()})
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    pq.write_table(table.replace_schema_metadata(schema.metadata), fresh)
    fresh.replace(file)


def _declared(groups: Iterable[FeatureGroup | Derived] | None) -> tuple[FeatureGroup | Derived, ...]:
    if groups is not None:
        return tuple(groups)
    from features import catalogue

    return catalogue()


def _landmarks(landmarks: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) ids as strings and (n,) UTC microseconds."""
    import pandas as pd

    for name in ("patient_id", "at"):
        if name not in landmarks.columns:
            raise InputError(f"has no column '{name}'", where="landmarks", known=map(str, landmarks.columns))
        if landmarks[name].isna().any():
            raise InputError(f"column '{name}' holds a null", where="landmarks")
    try:
        at = pd.to_datetime(landmarks["at"], utc=True).astype("datetime64[us, UTC]").astype("int64").to_numpy()
    except (ValueError, TypeError):
        raise InputError("column 'at' is no time", where="landmarks", remedy="zone-aware timestamps, or UTC") from None
    return landmarks["patient_id"].astype(str).to_numpy(dtype=object), np.ascontiguousarray(at, dtype=np.int64)


def _cache(lake: Lake, plan: Plan, patients: np.ndarray, at: np.ndarray) -> Path:
    """Name the file by lake manifest, VectorSpec and landmarks."""
    told = hashlib.sha256(f"{lake.digest} {plan.spec.digest} {len(at)}".encode())
    told.update("\x1f".join(patients).encode())
    told.update(np.ascontiguousarray(at).tobytes())
    return Path(os.environ.get("CAREPATH_HOME", "var")) / "cache" / f"{told.hexdigest()}.npy"
