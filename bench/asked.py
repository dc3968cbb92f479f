"""What the feature benchmark asks: a drawn hospital, 146 features of it, and where both are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features import feature_group
from features.history import Reduction, Selection

LABS = ("hba1c", "glucose", "ldl", "hdl", "egfr", "systolic", "diastolic", "bmi", "weight")
KINDS = ("outpatient", "emergency", "inpatient", "online", "pharmacy")
CLASSES = ("A10", "C09", "C10", "B01", "R03", "M05")
DISEASES = tuple(f"D{number:02d}" for number in range(15))
ACTIONS = ("login", "view", "like", "search")
CHANNELS = ("app", "mini_program", "wechat", "web")
DAY = 86_400_000_000
FIRST, LAST = 1_640_995_200_000_000, 1_735_689_600_000_000
"""2022-01-01 and 2025-01-01, UTC microseconds."""
MARKS: dict[str, tuple[str, ...]] = {"purposes": ("care_followup",)}


def group(source: str) -> dict[str, object]:
    return {**MARKS, "source": source, "why": "a benchmark of engines", "clinical_group": "benchmark"}


@feature_group(**group("observations"))
def labs(history: Selection) -> dict[str, Reduction]:
    """Level, extremes, trend and recency of nine measurements."""
    found = {}
    for lab in LABS:
        of = history.coded(lab)
        year, years = of.within(days=365), of.within(days=730)
        found |= {
            f"{lab}_last_365d": year.last("value"),
            f"{lab}_mean_365d": year.mean("value"),
            f"{lab}_min_730d": years.min("value"),
            f"{lab}_max_730d": years.max("value"),
            f"{lab}_slope_730d": years.slope("value"),
            f"{lab}_count_365d": year.count(),
            f"{lab}_days_since": of.days_since(),
        }
    return found


@feature_group(**group("encounters"))
def visits(history: Selection) -> dict[str, Reduction]:
    """Visits by window and kind, fees, departments, no-shows."""
    done, year = history.where(status="finished"), history.within(days=365)
    counts = {f"visits_{days}d": done.within(days=days).count() for days in (30, 90, 180, 365, 730)}
    kinds = {f"{kind}_{days}d": done.where(kind=kind).within(days=days).count() for kind in KINDS for days in (90, 365)}
    paid = done.within(days=365)
    return {
        **counts,
        **kinds,
        "visit_days_since": done.days_since(),
        "fee_sum_365d": paid.sum("fee"),
        "fee_mean_365d": paid.mean("fee"),
        "fee_max_365d": paid.max("fee"),
        "departments_365d": paid.distinct("department"),
        "no_show_share_365d": year.share(status="no_show"),
    }


@feature_group(**group("prescriptions"))
def medicines(history: Selection) -> dict[str, Reduction]:
    """Fills and days covered of six classes."""
    found: dict[str, Reduction] = {}
    for each in CLASSES:
        of = history.coded(each)
        found |= {
            f"{each}_count_365d": of.within(days=365).count(),
            f"{each}_coverage_180d": of.within(days=180).coverage("days_supply"),
            f"{each}_days_since": of.days_since(),
        }
    return found


@feature_group(**group("diagnoses"))
def diseases(history: Selection) -> dict[str, Reduction]:
    """Fifteen diseases ever, and how new they are."""
    ever = {f"{each}_ever": history.coded(each).exists() for each in DISEASES}
    return ever | {
        "diagnosis_count_365d": history.within(days=365).count(),
        "diagnosis_codes": history.distinct("code"),
        "diagnosis_days_since": history.days_since(),
    }


@feature_group(**group("interactions"))
def online(history: Selection) -> dict[str, Reduction]:
    """Actions by window, how thoroughly things are read, by which channel."""
    quarter = history.within(days=90)
    counts = {
        f"{action}_{days}d": history.where(action=action).within(days=days).count()
        for action in ACTIONS
        for days in (7, 30, 90, 180)
    }
    return {
        **counts,
        "online_days_since": history.days_since(),
        "dwell_mean_90d": quarter.mean("dwell_s"),
        "dwell_std_90d": quarter.std("dwell_s"),
        "dwell_sum_90d": quarter.sum("dwell_s"),
        "contents_90d": quarter.distinct("content_id"),
        "completed_share_90d": quarter.share(completed=True),
        **{f"{channel}_share_90d": quarter.share(channel=channel) for channel in CHANNELS},
    }


GROUPS = (labs, visits, medicines, diseases, online)


def lake(folder: Path, patients: int, seed: int = 1) -> Path:
    """Write a drawn hospital of three years, about 160 rows a patient; one that is there is left as it is."""
    if folder.is_dir():
        return folder
    dealt = np.random.default_rng(seed)
    fresh = folder.with_name(f".{folder.name}")
    for name, mean in (
        ("encounters", 12),
        ("observations", 60),
        ("prescriptions", 20),
        ("diagnoses", 6),
        ("interactions", 60),
    ):
        (fresh / name).mkdir(parents=True, exist_ok=True)
        for part, first in enumerate(range(0, patients, 100_000)):
            rows = _rows(dealt, name, mean, np.arange(first, min(first + 100_000, patients)))
            pq.write_table(rows, fresh / name / f"{part:03d}.parquet")
    fresh.replace(folder)
    return folder


def ids(patients: int) -> np.ndarray:
    return np.array([f"p{each:08d}" for each in range(patients)], dtype=object)


def instants(count: int) -> np.ndarray:
    """Return (count,) month ends until the end of the records, UTC microseconds."""
    return LAST - 15 * DAY - np.arange(count)[::-1] * 30 * DAY


def _rows(dealt: np.random.Generator, name: str, mean: int, people: np.ndarray) -> pa.Table:
    many = dealt.gamma(1.5, mean / 1.5, len(people)).astype(np.int64)
    patient = np.repeat(people, many)
    n = len(patient)
    order = dealt.permutation(n)
    patient, time = patient[order], dealt.integers(FIRST, LAST, n)
    told = {
        "patient_id": _words([f"p{each:08d}" for each in people], patient - people[0]),
        "time": time,
        "known_at": time + dealt.integers(0, 3 * DAY, n),
        "event_id": pa.array([f"{name[:2]}{people[0]:08d}{each:08d}" for each in range(n)]),
    }
    told |= _own(dealt, name, n)
    for each in ("time", "known_at"):
        told[each] = pa.array(told[each], pa.timestamp("us", tz="UTC"))
    rows = pa.table(told)
    return rows if name != "encounters" else _corrected(dealt, rows)


def _own(dealt: np.random.Generator, name: str, n: int) -> dict[str, object]:
    def words(choices: tuple[str, ...]) -> pa.Array:
        return _words(choices, dealt.integers(0, len(choices), n))

    if name == "observations":
        return {"code_system": _words(("LOCAL",), np.zeros(n, int)), "code": words(LABS), "value": dealt.gamma(5, 2, n)}
    if name == "prescriptions":
        supply = dealt.choice([7.0, 14.0, 28.0, 30.0, 90.0], n)
        return {"code_system": _words(("ATC",), np.zeros(n, int)), "code": words(CLASSES), "days_supply": supply}
    if name == "diagnoses":
        return {"code_system": _words(("LOCAL",), np.zeros(n, int)), "code": words(DISEASES)}
    if name == "encounters":
        status = dealt.choice(3, n, p=[0.88, 0.08, 0.04])
        return {
            "kind": words(KINDS),
            "department": words(tuple(f"dep{each}" for each in range(20))),
            "status": _words(("finished", "no_show", "cancelled"), status),
            "fee": np.round(dealt.gamma(2, 100, n), 2),
            "version": np.ones(n, np.int64),
            "void": np.zeros(n, bool),
        }
    return {
        "channel": words(CHANNELS),
        "action": words(ACTIONS),
        "content_id": words(tuple(f"c{each:04d}" for each in range(2000))),
        "dwell_s": np.round(dealt.gamma(1.2, 60, n), 1),
        "completed": dealt.random(n) < 0.4,
    }


def _corrected(dealt: np.random.Generator, rows: pa.Table) -> pa.Table:
    """Add a later version to some visits: cancelled after the fact, or struck out."""
    chosen = np.flatnonzero(dealt.random(rows.num_rows) < 0.04)
    late = rows.take(pa.array(chosen))
    known = late["known_at"].cast(pa.int64()).to_numpy() + dealt.integers(DAY, 60 * DAY, len(chosen))
    void = dealt.random(len(chosen)) < 0.5
    changed = {
        "known_at": pa.array(known, pa.timestamp("us", tz="UTC")),
        "status": pa.array(["cancelled"] * len(chosen)).dictionary_encode(),
        "version": pa.array(np.full(len(chosen), 2)),
        "void": pa.array(void),
    }
    for name, column in changed.items():
        late = late.set_column(late.column_names.index(name), name, column.cast(rows.schema.field(name).type))
    return pa.concat_tables([rows, late]).unify_dictionaries()


def _words(choices: object, places: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(list(choices)))  # type: ignore[call-overload]
