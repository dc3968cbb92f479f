"""The features in Polars: a lazy scan of each table, and for each date one aggregation with filters.

Patients are integers once. What is asked of every code is aggregated by patient and code, and then pivoted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from bench.asked import ACTIONS, CHANNELS, CLASSES, DAY, DISEASES, KINDS, LABS

CODE = pl.col("code").cast(pl.String)


def vectors(lake: Path, patients: np.ndarray, dates: np.ndarray) -> pd.DataFrame:
    """Return the features of every patient at every date, date by date."""
    people = pl.DataFrame({"patient_id": patients.astype(str)}).with_row_index("patient")
    tables = {
        name: _read(lake, name, people)
        for name in ("observations", "encounters", "prescriptions", "diagnoses", "interactions")
    }
    found = []
    for at in dates.tolist():
        out = people.select("patient")
        for name, work in (
            ("observations", labs),
            ("encounters", visits),
            ("prescriptions", medicines),
            ("diagnoses", diseases),
            ("interactions", online),
        ):
            known = tables[name].lazy().filter((pl.col("known_at") <= at) & (pl.col("time") <= at))
            known = known.with_columns(age=at - pl.col("time"))
            features = work(known, at)
            out = out.join(features, on="patient", how="left", maintain_order="left")
        zero = [each for each in out.columns if _is_count(each)]
        found.append(out.drop("patient").with_columns(pl.col(zero).fill_null(0)))
    whole = pl.concat(found)
    return pd.DataFrame({each: whole[each].cast(pl.Float64).to_numpy() for each in whole.columns})


def _read(lake: Path, name: str, people: pl.DataFrame) -> pl.DataFrame:
    rows = pl.scan_parquet(lake / name / "*.parquet").with_columns(
        pl.col("patient_id").cast(pl.String), pl.col("time", "known_at").dt.timestamp("us")
    )
    own = rows.join(people.lazy(), on="patient_id").drop("patient_id").sort("time", "event_id")
    return (own if name == "encounters" else own.drop("event_id")).collect()


def _is_count(name: str) -> bool:
    return (
        name != "patient"
        and not name.endswith(("_since", "_share_90d", "_share_365d"))
        and not any(part in name for part in ("_last_", "_mean_", "_min_", "_max_", "_slope_", "_std_"))
    )


def _within(days: int) -> pl.Expr:
    return pl.col("age") < days * DAY


def _pivoted(rows: pl.LazyFrame, features: list[pl.Expr], codes: tuple[str, ...]) -> pl.DataFrame:
    """Aggregate by patient and code, one column for each code and feature."""
    found = rows.with_columns(CODE).group_by("patient", "code").agg(features).collect()
    names = [each for each in found.columns if each not in ("patient", "code")]
    wide = found.pivot("code", on_columns=list(codes), index="patient", values=names)
    return wide.rename({f"{name}_{code}": f"{code}_{name}" for name in names for code in codes})


def labs(rows: pl.LazyFrame, at: int) -> pl.DataFrame:
    days, value = -pl.col("age") / DAY, pl.col("value")
    year, years = _within(365), _within(730)
    x, y = days.filter(years), value.filter(years)
    features = [
        value.filter(year).last().alias("last_365d"),
        value.filter(year).mean().alias("mean_365d"),
        value.filter(years).min().alias("min_730d"),
        value.filter(years).max().alias("max_730d"),
        pl.when(x.len() > 1)
        .then(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
        .alias("slope_730d"),
        year.sum().alias("count_365d"),
        (pl.col("age").last() / DAY).alias("days_since"),
    ]
    return _pivoted(rows, features, LABS)


def visits(rows: pl.LazyFrame, at: int) -> pl.DataFrame:
    rows = (
        rows.sort("version")
        .unique(["patient", "event_id"], keep="last")
        .filter(~pl.col("void"))
        .sort("time", "event_id")
    )
    status = pl.col("status").cast(pl.String)
    done, kind = status == "finished", pl.col("kind").cast(pl.String)
    paid, fee = done & _within(365), pl.col("fee")
    year = _within(365)
    return (
        rows.group_by("patient")
        .agg(
            *((done & _within(days)).sum().alias(f"visits_{days}d") for days in (30, 90, 180, 365, 730)),
            *(
                (done & (kind == each) & _within(days)).sum().alias(f"{each}_{days}d")
                for each in KINDS
                for days in (90, 365)
            ),
            (pl.col("age").filter(done).last() / DAY).alias("visit_days_since"),
            fee.filter(paid).sum().alias("fee_sum_365d"),
            fee.filter(paid).mean().alias("fee_mean_365d"),
            fee.filter(paid).max().alias("fee_max_365d"),
            pl.col("department").filter(paid).n_unique().alias("departments_365d"),
            (status.filter(year) == "no_show").mean().alias("no_show_share_365d"),
        )
        .collect()
    )


def medicines(rows: pl.LazyFrame, at: int) -> pl.DataFrame:
    begin = at - 180 * DAY
    start = pl.max_horizontal(pl.col("time"), pl.lit(begin))
    stop = pl.min_horizontal(pl.col("time") + (pl.col("days_supply") * DAY).round().cast(pl.Int64), pl.lit(at))
    rows = rows.with_columns(start=start, stop=pl.max_horizontal(stop, pl.lit(begin)))
    before = pl.col("stop").cum_max().shift().over("patient", "code").fill_null(begin)
    rows = rows.with_columns(new=(pl.col("stop") - pl.max_horizontal(pl.col("start"), before)).clip(0))
    features = [
        _within(365).sum().alias("count_365d"),
        (pl.col("new").sum() / (180 * DAY)).alias("coverage_180d"),
        (pl.col("age").last() / DAY).alias("days_since"),
    ]
    return _pivoted(rows, features, CLASSES)


def diseases(rows: pl.LazyFrame, at: int) -> pl.DataFrame:
    return (
        rows.group_by("patient")
        .agg(
            *((each == CODE).any().alias(f"{each}_ever") for each in DISEASES),
            _within(365).sum().alias("diagnosis_count_365d"),
            pl.col("code").n_unique().alias("diagnosis_codes"),
            (pl.col("age").last() / DAY).alias("diagnosis_days_since"),
        )
        .collect()
    )


def online(rows: pl.LazyFrame, at: int) -> pl.DataFrame:
    action, channel, quarter = pl.col("action").cast(pl.String), pl.col("channel").cast(pl.String), _within(90)
    dwell = pl.col("dwell_s").filter(quarter)
    return (
        rows.group_by("patient")
        .agg(
            *(
                ((action == each) & _within(days)).sum().alias(f"{each}_{days}d")
                for each in ACTIONS
                for days in (7, 30, 90, 180)
            ),
            (pl.col("age").last() / DAY).alias("online_days_since"),
            dwell.mean().alias("dwell_mean_90d"),
            dwell.std().alias("dwell_std_90d"),
            dwell.sum().alias("dwell_sum_90d"),
            pl.col("content_id").filter(quarter).n_unique().alias("contents_90d"),
            pl.col("completed").filter(quarter).mean().alias("completed_share_90d"),
            *((channel.filter(quarter) == each).mean().alias(f"{each}_share_90d") for each in CHANNELS),
        )
        .collect()
    )
