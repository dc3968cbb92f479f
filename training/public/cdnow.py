"""CDNOW: who still buys in the next 39 weeks, from 39 weeks of purchases of 23,570 customers.

The purchases become visits of a lake (the source ``cdnow``), and the features are written in the
words of our own engine; beside them BG/NBD and recency alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from features.group import FeatureGroup
from features.history import Selection
from features.ingest import ingest
from features.instants import DAY, parse
from features.lake import Lake
from training.models import bgnbd
from training.public.judged import Judged, Table, cross_validated, data_file, data_folder
from training.records import instants

END = "1997-09-30"
WEEKS = 39


def activity() -> Judged:
    """Judge activity from October 1997 to June 1998, folds of customers."""
    import pandas as pd

    from features.build import build

    x, recency, age = people(data_file("cdnow", "CDNOW_master.txt.gz"))
    at = parse(END)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "lake"
        ingest("cdnow", data_folder() / "cdnow", folder)
        lake = Lake(folder)
        visits = lake.read("encounters", columns=["patient_id", "time"])
        customers = np.sort(lake.patients().astype(str))
        who, when = visits["patient_id"].to_numpy(zero_copy_only=False).astype(str), instants(visits["time"])
        landmarks = pd.DataFrame(
            {"patient_id": customers, "at": pd.to_datetime(np.full(len(customers), at), unit="us", utc=True)}
        )
        made = build(lake, landmarks, (_group(),)).drop(columns=["patient_id", "at"])
    y = np.isin(customers, who[(when > at) & (when <= at + WEEKS * 7 * DAY)]).astype(float)
    model = bgnbd.fit(x, recency, age)
    made["first_days_since"] = age * 7
    return cross_validated(
        Table(
            tuple(made.columns),
            made.to_numpy(dtype=float),
            y,
            customers,
            (
                "visit_days_since",
                "visit_count_273d",
                "first_days_since",
                "fee_sum_273d",
                "visit_count_90d",
                "visit_count_180d",
                "fee_mean_273d",
            ),
            {
                "bg_nbd": model.returns(x, recency, age, WEEKS),
                "recency": -made["visit_days_since"].to_numpy(dtype=float),
            },
        ),
        "cdnow",
        f"at least one purchase in the next {WEEKS} weeks, known for up to {WEEKS}",
        "this set's page: logistic .771, LightGBM .772; Fader, Hardie and Lee 2005 fit BG/NBD to its 1/10 sample",
        f"BG/NBD on all customers: r {model.r:.3f}, alpha {model.alpha:.3f}, a {model.a:.3f}, b {model.b:.3f}.",
    )


def people(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (repeat days of purchase, weeks from the first to the last, weeks from the first to 30 September 1997).

    Customers in the order of their ids; purchases of one day count once (Fader, Hardie and Lee 2005).
    """
    import pandas as pd

    sample = "sample" in file.name
    names = ["master", "customer", "date", "discs", "dollars"] if sample else ["customer", "date", "discs", "dollars"]
    read = pd.read_csv(file, sep=r"\s+", header=None, names=names, skiprows=0 if sample else 1, dtype={"customer": str})
    day = pd.to_datetime(read["date"].astype(str), format="%Y%m%d")
    end = pd.Timestamp(END)
    known = read.assign(day=day)[day <= end]
    each = known.groupby("customer")["day"].agg(["min", "max", "nunique"]).sort_index()
    x = (each["nunique"] - 1).to_numpy(dtype=float)
    recency = ((each["max"] - each["min"]).dt.days / 7).to_numpy(dtype=float)
    return x, recency, ((end - each["min"]).dt.days / 7).to_numpy(dtype=float)


def _group() -> FeatureGroup:
    visits = Selection("encounters")
    features = {
        "visit_days_since": visits.days_since(),
        "visit_count_30d": visits.within(days=30).count(),
        "visit_count_90d": visits.within(days=90).count(),
        "visit_count_180d": visits.within(days=180).count(),
        "visit_count_273d": visits.within(days=273).count(),
        "fee_sum_273d": visits.within(days=273).sum("fee"),
        "fee_sum_90d": visits.within(days=90).sum("fee"),
        "fee_mean_273d": visits.within(days=273).mean("fee"),
        "fee_max_273d": visits.within(days=273).max("fee"),
        "fee_last": visits.last("fee"),
    }
    return FeatureGroup("purchases", "encounters", ("care_followup",), "a public data set", "visits", features)
