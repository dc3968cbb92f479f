"""Permission: whose data may train models, by the rule of consent that the service keeps."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.consent import consent_rules, relied_upon
from training.followup import final
from training.records import NEVER, instants

if TYPE_CHECKING:
    from features.lake import Lake

PURPOSE = "model_development"
READ = (
    "patient_id", "event_id", "version", "void", "time", "known_at", "purpose", "basis", "granted_at", "withdrawn_at",
    "evidence_ref", "notice_version", "separate", "guardian",
)  # fmt: skip


def without_consent(lake: Lake, ids: np.ndarray) -> np.ndarray | None:
    """Return the (n,) mask of patients whose data may not train models, or None where the lake has no consents.

    Who may is who has a consent to model_development that stands (``features.consent``) when the lake ends; a
    withdrawal that is announced for later counts at once.
    """
    if "consents" not in lake.tables():
        return None
    given = lake.read("consents", columns=list(READ))
    now = _end(lake, given)
    given = final(given)
    holders = pc.unique(given["patient_id"].filter(pc.fill_null(pc.equal(given["purpose"], PURPOSE), False)))
    given = given.filter(pc.is_in(given["patient_id"], value_set=holders)).sort_by("patient_id")
    plain = pa.table({name: _plain(given[name]) for name in READ if name not in ("version", "void", "known_at")})
    births, rules = _births(lake, holders), consent_rules()
    may = []
    for patient, own in groupby(plain.to_pylist(), key=itemgetter("patient_id")):
        rows = [
            row if row["withdrawn_at"] is None else row | {"withdrawn_at": min(row["withdrawn_at"], now)} for row in own
        ]
        if relied_upon(rows, PURPOSE, now, births.get(patient), rules)[0] is not None:
            may.append(patient)
    return ~np.isin(ids, np.array(may, dtype=str))


def _end(lake: Lake, given: pa.Table) -> int:
    """Return the last instant at which a visit or a consent became known, UTC microseconds."""
    known = [instants(given["known_at"])]
    if "encounters" in lake.tables():
        known.append(instants(lake.read("encounters", columns=["known_at"])["known_at"]))
    every = np.concatenate(known)
    return int(every[every != NEVER].max(initial=0))


def _births(lake: Lake, patients: pa.Array) -> dict[str, int]:
    """Return the dates of birth that are known, UTC microseconds."""
    if "patients" not in lake.tables():
        return {}
    columns = ["patient_id", "event_id", "version", "void", "birth_date"]
    rows = final(lake.read("patients", columns=columns))
    rows = rows.filter(pc.and_(pc.is_valid(rows["birth_date"]), pc.is_in(rows["patient_id"], value_set=patients)))
    return dict(zip(rows["patient_id"].to_pylist(), _plain(rows["birth_date"]).to_pylist(), strict=True))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
