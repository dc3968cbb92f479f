"""The features in DuckDB: for each table one query over all dates, aggregates with filters.

What is asked of every code is aggregated by patient, date and code, and then pivoted.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from bench.asked import ACTIONS, CHANNELS, CLASSES, DAY, DISEASES, KINDS, LABS


def vectors(lake: Path, patients: np.ndarray, dates: np.ndarray) -> pd.DataFrame:
    """Return the features of every patient at every date, date by date."""
    db = duckdb.connect(config={"threads": 1})
    db.register("people", pd.DataFrame({"patient_id": patients, "place": np.arange(len(patients))}))
    db.register("dates", pd.DataFrame({"moment": dates, "part": np.arange(len(dates))}))
    parts = []
    for name, aggregates in (
        ("observations", labs()),
        ("encounters", visits()),
        ("prescriptions", medicines()),
        ("diagnoses", diseases()),
        ("interactions", online()),
    ):
        db.execute(f"CREATE OR REPLACE TEMP TABLE found AS {_query(lake, name, aggregates)}")
        names = ", ".join(_filled(each.rpartition(" AS ")[2]) for each in aggregates)
        parts.append(
            db.execute(
                f"SELECT {names} FROM dates CROSS JOIN people "
                "LEFT JOIN found USING (patient_id, moment) ORDER BY part, place"
            ).fetchnumpy()
        )
    whole = {}
    for part in parts:
        for name, values in part.items():
            filled = np.ma.filled(values.astype(np.float64), np.nan) if np.ma.isMaskedArray(values) else values
            whole[name] = np.asarray(filled, np.float64)
    return pd.DataFrame(whole)


def _filled(name: str) -> str:
    nothing = name.endswith(("_since", "_share_90d", "_share_365d")) or any(
        part in name for part in ("_last_", "_mean_", "_min_", "_max_", "_slope_", "_std_")
    )
    return name if nothing else f"coalesce({name}, 0) AS {name}"


def _query(lake: Path, name: str, aggregates: list[str]) -> str:
    source = f"""SELECT e.* REPLACE (epoch_us(time) AS time, epoch_us(known_at) AS known_at)
        FROM read_parquet('{lake}/{name}/*.parquet') e"""
    known = f"""SELECT e.*, d.moment, d.moment - e.time AS age FROM ({source}) e JOIN dates d
        ON e.time <= d.moment AND e.known_at <= d.moment"""
    if name == "encounters":
        newest = "row_number() OVER (PARTITION BY e.patient_id, e.event_id, d.moment ORDER BY e.version DESC) = 1"
        known = f"SELECT * FROM ({known} QUALIFY {newest}) WHERE NOT void"
    if name == "prescriptions":
        begin, supply = f"(moment - {180 * DAY})", f"CAST(round(days_supply * {DAY}) AS BIGINT)"
        known = f"""SELECT *, greatest(0, stop - greatest(start, coalesce(max(stop) OVER (
            PARTITION BY patient_id, code, moment ORDER BY time, event_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), {begin}))) AS new
            FROM (SELECT *, greatest(time, {begin}) AS start,
            greatest(least(time + {supply}, moment), {begin}) AS stop FROM ({known}))"""
    if name in BY_CODE:
        each = ", ".join(BY_CODE[name])
        known = f"SELECT patient_id, moment, code, {each} FROM ({known}) GROUP BY patient_id, moment, code"
    return f"SELECT patient_id, moment, {', '.join(aggregates)} FROM ({known}) GROUP BY patient_id, moment"


def _within(days: int) -> str:
    return f"age < {days * DAY}"


YEAR, YEARS = f"FILTER (WHERE {_within(365)})", f"FILTER (WHERE {_within(730)})"
BY_CODE = {
    "observations": (
        f"arg_max(value, (time, event_id)) {YEAR} AS last_365d",
        f"avg(value) {YEAR} AS mean_365d",
        f"min(value) {YEARS} AS min_730d",
        f"max(value) {YEARS} AS max_730d",
        f"regr_slope(value, -age / {float(DAY)}) {YEARS} AS slope_730d",
        f"count(*) {YEAR} AS count_365d",
        f"min(age) / {float(DAY)} AS days_since",
    ),
    "prescriptions": (
        f"count(*) {YEAR} AS count_365d",
        f"sum(new) / {float(180 * DAY)} AS coverage_180d",
        f"min(age) / {float(DAY)} AS days_since",
    ),
}


def _pivoted(name: str, codes: tuple[str, ...]) -> list[str]:
    names = [each.rpartition(" AS ")[2] for each in BY_CODE[name]]
    return [f"any_value({each}) FILTER (WHERE code = '{code}') AS {code}_{each}" for code in codes for each in names]


def labs() -> list[str]:
    return _pivoted("observations", LABS)


def visits() -> list[str]:
    done = "status = 'finished'"
    paid = f"FILTER (WHERE {done} AND {_within(365)})"
    return [
        *(f"count(*) FILTER (WHERE {done} AND {_within(days)}) AS visits_{days}d" for days in (30, 90, 180, 365, 730)),
        *(
            f"count(*) FILTER (WHERE {done} AND kind = '{kind}' AND {_within(days)}) AS {kind}_{days}d"
            for kind in KINDS
            for days in (90, 365)
        ),
        f"min(age) FILTER (WHERE {done}) / {float(DAY)} AS visit_days_since",
        f"sum(fee) {paid} AS fee_sum_365d",
        f"avg(fee) {paid} AS fee_mean_365d",
        f"max(fee) {paid} AS fee_max_365d",
        f"count(DISTINCT department) {paid} AS departments_365d",
        f"avg(CAST(status = 'no_show' AS DOUBLE)) FILTER (WHERE {_within(365)}) AS no_show_share_365d",
    ]


def medicines() -> list[str]:
    return _pivoted("prescriptions", CLASSES)


def diseases() -> list[str]:
    return [
        *(f"CAST(bool_or(code = '{each}') AS INTEGER) AS {each}_ever" for each in DISEASES),
        f"count(*) FILTER (WHERE {_within(365)}) AS diagnosis_count_365d",
        "count(DISTINCT code) AS diagnosis_codes",
        f"min(age) / {float(DAY)} AS diagnosis_days_since",
    ]


def online() -> list[str]:
    quarter = f"FILTER (WHERE {_within(90)})"
    return [
        *(
            f"count(*) FILTER (WHERE action = '{action}' AND {_within(days)}) AS {action}_{days}d"
            for action in ACTIONS
            for days in (7, 30, 90, 180)
        ),
        f"min(age) / {float(DAY)} AS online_days_since",
        f"avg(dwell_s) {quarter} AS dwell_mean_90d",
        f"stddev_samp(dwell_s) {quarter} AS dwell_std_90d",
        f"sum(dwell_s) {quarter} AS dwell_sum_90d",
        f"count(DISTINCT content_id) {quarter} AS contents_90d",
        f"avg(CAST(completed AS DOUBLE)) {quarter} AS completed_share_90d",
        *(f"avg(CAST(channel = '{each}' AS DOUBLE)) {quarter} AS {each}_share_90d" for each in CHANNELS),
    ]
