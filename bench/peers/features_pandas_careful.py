"""The features in pandas with care: integers for words, one sort, all codes in one groupby, arrays by place.

Only the columns needed are read; patients, codes and kinds are categories once; a date is a mask on
sorted integers; counts are bincounts over (patient, code); extremes and sums of all codes come from one
groupby; windows are slices of the rows already filtered.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bench.asked import ACTIONS, CHANNELS, CLASSES, DAY, DISEASES, KINDS, LABS

COLUMNS = {
    "observations": ["code", "value"],
    "encounters": ["kind", "department", "status", "fee", "version", "void"],
    "prescriptions": ["code", "days_supply"],
    "diagnoses": ["code"],
    "interactions": ["channel", "action", "content_id", "dwell_s", "completed"],
}
CODES = {"observations": LABS, "prescriptions": CLASSES, "diagnoses": DISEASES}


def read(lake: Path, name: str, patients: pd.Index) -> pd.DataFrame:
    """Read a table with integers in place of words, sorted by time and event_id."""
    rows = pd.read_parquet(lake / name, columns=["patient_id", "time", "known_at", "event_id", *COLUMNS[name]])
    rows["patient"] = _places(rows.pop("patient_id"), patients)
    for column in ("time", "known_at"):
        rows[column] = rows[column].astype("int64")
    if name in CODES:
        rows["code"] = _places(rows["code"], pd.Index(CODES[name]))
    for column, words in (("kind", KINDS), ("action", ACTIONS), ("channel", CHANNELS)):
        if column in rows:
            rows[column] = _places(rows[column], pd.Index(words))
    for column in ("department", "content_id", "status"):
        if column in rows:
            rows[column] = rows[column].astype("category")
    rows = rows.sort_values(["time", "event_id"], kind="stable", ignore_index=True)
    if name == "encounters":
        rows["event"] = pd.factorize(rows["event_id"])[0]
    return rows.drop(columns="event_id")


def vectors(lake: Path, patients: np.ndarray, dates: np.ndarray) -> pd.DataFrame:
    """Return the features of every patient at every date, date by date."""
    index = pd.Index(patients)
    out: dict[str, np.ndarray] = {}
    size = len(patients)
    for name, work in (
        ("observations", labs),
        ("encounters", visits),
        ("prescriptions", medicines),
        ("diagnoses", diseases),
        ("interactions", online),
    ):
        rows = read(lake, name, index)
        time, known = rows["time"].to_numpy(), rows["known_at"].to_numpy()
        for place, at in enumerate(dates.tolist()):
            last = int(np.searchsorted(time, at, side="right"))
            visible = np.flatnonzero(known[:last] <= at)
            for feature, values in work(rows.take(visible), at, size).items():
                whole = out.setdefault(feature, np.empty(size * len(dates)))
                whole[place * size : (place + 1) * size] = values
    return pd.DataFrame(out)


def _places(column: pd.Series, words: pd.Index) -> np.ndarray:
    """Return the place of each value among the words, by its dictionary where it has one."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return words.get_indexer(column.cat.categories)[column.cat.codes]
    places, found = pd.factorize(column)
    return words.get_indexer(found)[places]


def _counts(keys: np.ndarray, size: int, of: int) -> np.ndarray:
    return np.bincount(keys, minlength=size * of).reshape(size, of).astype(float)


def _latest(keys: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Return the last value of each key; rows are sorted by time."""
    found = np.full(size, np.nan)
    found[keys] = values
    return found


def _after(rows: pd.DataFrame, at: int, days: int) -> pd.DataFrame:
    return rows.iloc[int(np.searchsorted(rows["time"].to_numpy(), at - days * DAY, side="right")) :]


def labs(rows: pd.DataFrame, at: int, size: int) -> dict[str, np.ndarray]:
    of = len(LABS)
    rows = rows.assign(key=rows["patient"] * of + rows["code"])
    years, year = _after(rows, at, 730), _after(rows, at, 365)
    key, value = year["key"].to_numpy(), year["value"].to_numpy()
    total, n = np.bincount(key, value, size * of), np.bincount(key, minlength=size * of).astype(float)
    by = years.groupby("key", sort=False)["value"]
    least, most = (each.reindex(range(size * of)).to_numpy() for each in (by.min(), by.max()))
    with np.errstate(all="ignore"):
        found = {
            "last_365d": _latest(key, value, size * of),
            "mean_365d": total / n,
            "min_730d": least,
            "max_730d": most,
            "slope_730d": _slope(years, at, size * of),
            "count_365d": n,
            "days_since": (at - _latest(rows["key"].to_numpy(), rows["time"].to_numpy(), size * of)) / DAY,
        }
    return {
        f"{lab}_{name}": each.reshape(size, of)[:, at_] for name, each in found.items() for at_, lab in enumerate(LABS)
    }


def _slope(rows: pd.DataFrame, at: int, size: int) -> np.ndarray:
    key, y = rows["key"].to_numpy(), rows["value"].to_numpy()
    x = (rows["time"].to_numpy() - at) / DAY
    n = np.bincount(key, minlength=size)
    with np.errstate(all="ignore"):
        x = x - (np.bincount(key, x, size) / n)[key]
        y = y - (np.bincount(key, y, size) / n)[key]
        spread = np.bincount(key, x * x, size)
        return np.where(spread > 0, np.bincount(key, x * y, size) / spread, np.nan)


def visits(rows: pd.DataFrame, at: int, size: int) -> dict[str, np.ndarray]:
    newest = np.full(int(rows["event"].max()) + 1 if len(rows) else 0, 0)
    np.maximum.at(newest, rows["event"].to_numpy(), rows["version"].to_numpy())
    rows = rows[(rows["version"].to_numpy() == newest[rows["event"].to_numpy()]) & ~rows["void"].to_numpy()]
    year = _after(rows, at, 365)
    done = rows[(rows["status"] == "finished").to_numpy()]
    found: dict[str, np.ndarray] = {}
    for days in (30, 90, 180, 365, 730):
        found[f"visits_{days}d"] = _counts(_after(done, at, days)["patient"].to_numpy(), size, 1)[:, 0]
    for days in (90, 365):
        recent = _after(done, at, days)
        counts = _counts((recent["patient"] * len(KINDS) + recent["kind"]).to_numpy(), size, len(KINDS))
        found |= {f"{kind}_{days}d": counts[:, place] for place, kind in enumerate(KINDS)}
    found["visit_days_since"] = (at - _latest(done["patient"].to_numpy(), done["time"].to_numpy(), size)) / DAY
    paid = _after(done, at, 365)
    patient, fee = paid["patient"].to_numpy(), paid["fee"].to_numpy()
    total, n = np.bincount(patient, fee, size), np.bincount(patient, minlength=size)
    with np.errstate(all="ignore"):
        found["fee_sum_365d"], found["fee_mean_365d"] = total, total / n
        found["fee_max_365d"] = paid.groupby("patient", sort=False)["fee"].max().reindex(range(size)).to_numpy()
        found["departments_365d"] = _distinct(patient, paid["department"].cat.codes.to_numpy(), size)
        missed = year["patient"].to_numpy()[(year["status"] == "no_show").to_numpy()]
        all_ = np.bincount(year["patient"].to_numpy(), minlength=size)
        found["no_show_share_365d"] = np.bincount(missed, minlength=size) / np.where(all_ > 0, all_, np.nan)
    return found


def _distinct(patient: np.ndarray, words: np.ndarray, size: int) -> np.ndarray:
    wide = int(words.max()) + 1 if len(words) else 1
    pairs = np.unique(patient.astype(np.int64) * wide + words)
    return np.bincount(pairs // wide, minlength=size).astype(float)


def medicines(rows: pd.DataFrame, at: int, size: int) -> dict[str, np.ndarray]:
    of = len(CLASSES)
    key, time = (rows["patient"] * of + rows["code"]).to_numpy(), rows["time"].to_numpy()
    begin = at - 180 * DAY
    end = time + np.rint(rows["days_supply"].to_numpy() * DAY).astype(np.int64)
    reach = np.flatnonzero(end > begin)
    order = reach[np.argsort(key[reach], kind="stable")]
    own, start, stop = key[order], np.maximum(time[order], begin), np.minimum(end[order], at)
    first = np.ones(len(own), dtype=bool)
    first[1:] = own[1:] != own[:-1]
    lifted = pd.Series(stop).groupby(own, sort=False).cummax().to_numpy()
    before = np.where(first, begin, np.concatenate(([begin], lifted[:-1])))
    new = np.maximum(stop - np.maximum(start, before), 0)
    recent = key[time > at - 365 * DAY]
    found = {
        "count_365d": np.bincount(recent, minlength=size * of).astype(float),
        "coverage_180d": np.bincount(own, new, size * of) / (180 * DAY),
        "days_since": (at - _latest(key, time, size * of)) / DAY,
    }
    return {
        f"{each}_{name}": values.reshape(size, of)[:, place]
        for name, values in found.items()
        for place, each in enumerate(CLASSES)
    }


def diseases(rows: pd.DataFrame, at: int, size: int) -> dict[str, np.ndarray]:
    of = len(DISEASES)
    patient = rows["patient"].to_numpy()
    ever = (_counts(patient * of + rows["code"].to_numpy(), size, of) > 0).astype(float)
    found = {f"{each}_ever": ever[:, place] for place, each in enumerate(DISEASES)}
    found["diagnosis_count_365d"] = np.bincount(_after(rows, at, 365)["patient"], minlength=size)
    found["diagnosis_codes"] = ever.sum(axis=1)
    found["diagnosis_days_since"] = (at - _latest(patient, rows["time"].to_numpy(), size)) / DAY
    return found


def online(rows: pd.DataFrame, at: int, size: int) -> dict[str, np.ndarray]:
    of = len(ACTIONS)
    found: dict[str, np.ndarray] = {}
    for days in (7, 30, 90, 180):
        recent = _after(rows, at, days)
        counts = _counts((recent["patient"] * of + recent["action"]).to_numpy(), size, of)
        found |= {f"{action}_{days}d": counts[:, place] for place, action in enumerate(ACTIONS)}
    found["online_days_since"] = (at - _latest(rows["patient"].to_numpy(), rows["time"].to_numpy(), size)) / DAY
    quarter = _after(rows, at, 90)
    patient, dwell = quarter["patient"].to_numpy(), quarter["dwell_s"].to_numpy()
    n = np.bincount(patient, minlength=size)
    total = np.bincount(patient, dwell, size)
    with np.errstate(all="ignore"):
        mean = total / n
        away = dwell - mean[patient]
        found["dwell_mean_90d"], found["dwell_sum_90d"] = mean, total
        found["dwell_std_90d"] = np.where(n > 1, np.sqrt(np.bincount(patient, away * away, size) / (n - 1)), np.nan)
        found["contents_90d"] = _distinct(patient, quarter["content_id"].cat.codes.to_numpy(), size)
        found["completed_share_90d"] = np.bincount(patient, quarter["completed"].to_numpy(), size) / n
        shares = _counts((quarter["patient"] * len(CHANNELS) + quarter["channel"]).to_numpy(), size, len(CHANNELS))
        found |= {f"{channel}_share_90d": shares[:, place] / n for place, channel in enumerate(CHANNELS)}
    return found
