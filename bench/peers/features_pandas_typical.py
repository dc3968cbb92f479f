"""The features as most write them in pandas: for each date a filter, for each feature a groupby."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bench.asked import ACTIONS, CHANNELS, CLASSES, DISEASES, KINDS, LABS


def vectors(lake: Path, patients: np.ndarray, dates: np.ndarray) -> pd.DataFrame:
    """Return the features of every patient at every date, date by date."""
    tables = {
        name: pd.read_parquet(lake / name)
        for name in ("observations", "encounters", "prescriptions", "diagnoses", "interactions")
    }
    found = []
    for instant in dates:
        at = pd.Timestamp(instant, unit="us", tz="UTC")
        known = {name: rows[(rows["known_at"] <= at) & (rows["time"] <= at)] for name, rows in tables.items()}
        out = pd.DataFrame(index=pd.Index(patients, name="patient_id"))
        out = pd.concat(
            [
                labs(out, known["observations"], at),
                visits(out, known["encounters"], at),
                medicines(out, known["prescriptions"], at),
                diseases(out, known["diagnoses"], at),
                online(out, known["interactions"], at),
            ],
            axis=1,
        )
        found.append(out.reset_index(drop=True))
    return pd.concat(found, ignore_index=True)


def within(rows: pd.DataFrame, at: pd.Timestamp, days: int) -> pd.DataFrame:
    return rows[rows["time"] > at - pd.Timedelta(days=days)]


def count(rows: pd.DataFrame, index: pd.Index) -> pd.Series:
    return rows.groupby("patient_id").size().reindex(index, fill_value=0)


def since(rows: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    return (at - rows.groupby("patient_id")["time"].max()) / pd.Timedelta(days=1)


def slope(rows: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    days = (rows["time"] - at) / pd.Timedelta(days=1)
    by = rows["patient_id"]
    x = days - days.groupby(by).transform("mean")
    y = rows["value"] - rows["value"].groupby(by).transform("mean")
    spread = (x * x).groupby(by).sum()
    return (x * y).groupby(by).sum() / spread.where(spread > 0)


def labs(out: pd.DataFrame, rows: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    found = pd.DataFrame(index=out.index)
    for lab in LABS:
        of = rows[rows["code"] == lab]
        year, years = within(of, at, 365), within(of, at, 730)
        found[f"{lab}_last_365d"] = year.sort_values(["time", "event_id"]).groupby("patient_id")["value"].last()
        found[f"{lab}_mean_365d"] = year.groupby("patient_id")["value"].mean()
        found[f"{lab}_min_730d"] = years.groupby("patient_id")["value"].min()
        found[f"{lab}_max_730d"] = years.groupby("patient_id")["value"].max()
        found[f"{lab}_slope_730d"] = slope(years, at)
        found[f"{lab}_count_365d"] = count(year, out.index)
        found[f"{lab}_days_since"] = since(of, at)
    return found


def visits(out: pd.DataFrame, rows: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    rows = rows.sort_values("version").drop_duplicates(["patient_id", "event_id"], keep="last")
    rows = rows[~rows["void"]]
    done, year = rows[rows["status"] == "finished"], within(rows, at, 365)
    found = pd.DataFrame(index=out.index)
    for days in (30, 90, 180, 365, 730):
        found[f"visits_{days}d"] = count(within(done, at, days), out.index)
    for kind in KINDS:
        for days in (90, 365):
            found[f"{kind}_{days}d"] = count(within(done[done["kind"] == kind], at, days), out.index)
    found["visit_days_since"] = since(done, at)
    paid = within(done, at, 365).groupby("patient_id")
    found["fee_sum_365d"] = paid["fee"].sum().reindex(out.index, fill_value=0)
    found["fee_mean_365d"] = paid["fee"].mean()
    found["fee_max_365d"] = paid["fee"].max()
    found["departments_365d"] = paid["department"].nunique().reindex(out.index, fill_value=0)
    found["no_show_share_365d"] = (year["status"] == "no_show").groupby(year["patient_id"]).mean()
    return found


def coverage(rows: pd.DataFrame, at: pd.Timestamp, days: int) -> pd.Series:
    rows = rows.sort_values("time")
    begin = at - pd.Timedelta(days=days)
    end = rows["time"] + pd.to_timedelta(rows["days_supply"], unit="D")
    reached = end > begin
    rows, start, end = rows[reached], rows["time"][reached].clip(lower=begin), end[reached].clip(upper=at)
    before = end.groupby(rows["patient_id"]).cummax().groupby(rows["patient_id"]).shift().fillna(begin)
    new = (end - np.maximum(start, before)).clip(lower=pd.Timedelta(0))
    return new.groupby(rows["patient_id"]).sum() / pd.Timedelta(days=days)


def medicines(out: pd.DataFrame, rows: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    found = pd.DataFrame(index=out.index)
    for each in CLASSES:
        of = rows[rows["code"] == each]
        found[f"{each}_count_365d"] = count(within(of, at, 365), out.index)
        found[f"{each}_coverage_180d"] = coverage(of, at, 180).reindex(out.index, fill_value=0.0)
        found[f"{each}_days_since"] = since(of, at)
    return found


def diseases(out: pd.DataFrame, rows: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    found = pd.DataFrame(index=out.index)
    for each in DISEASES:
        found[f"{each}_ever"] = out.index.isin(rows.loc[rows["code"] == each, "patient_id"].unique()).astype(float)
    found["diagnosis_count_365d"] = count(within(rows, at, 365), out.index)
    found["diagnosis_codes"] = rows.groupby("patient_id")["code"].nunique().reindex(out.index, fill_value=0)
    found["diagnosis_days_since"] = since(rows, at)
    return found


def online(out: pd.DataFrame, rows: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    found = pd.DataFrame(index=out.index)
    for action in ACTIONS:
        of = rows[rows["action"] == action]
        for days in (7, 30, 90, 180):
            found[f"{action}_{days}d"] = count(within(of, at, days), out.index)
    found["online_days_since"] = since(rows, at)
    quarter = within(rows, at, 90)
    by = quarter.groupby("patient_id")
    found["dwell_mean_90d"] = by["dwell_s"].mean()
    found["dwell_std_90d"] = by["dwell_s"].std()
    found["dwell_sum_90d"] = by["dwell_s"].sum().reindex(out.index, fill_value=0)
    found["contents_90d"] = by["content_id"].nunique().reindex(out.index, fill_value=0)
    found["completed_share_90d"] = by["completed"].mean()
    for channel in CHANNELS:
        found[f"{channel}_share_90d"] = (quarter["channel"] == channel).groupby(quarter["patient_id"]).mean()
    return found
