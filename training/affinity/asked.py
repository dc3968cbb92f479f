"""Asked: what a lake says of patients at an instant, as lists for many take it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.canonical import empty, spelled
from features.lake import Lake
from features.roster import texts
from training.affinity.fatigue import tired
from training.affinity.lists import ASKED
from training.affinity.readers import CODED, YEAR, coded
from training.affinity.values import AffinityValues
from training.followup import NEVER, final, instants

CHUNK = 500
"""Patients of a batch, at most."""
_EVENT = ("patient_id", "event_id", "version", "void", "time", "known_at")
_COLUMNS = {
    "interactions": (*_EVENT, "content_id"),
    "impressions": (*_EVENT, "content_id", "clicked"),
    "patients": (*_EVENT, "birth_date"),
    **dict.fromkeys(CODED, (*_EVENT, "code_system", "code")),
}


@dataclass(frozen=True)
class Asked:
    """Some patients of a lake at an instant, as the service would know them then.

    Consents are not asked: sensitive topics stay withheld, as over a shared channel.

    Parameters
    ----------
    patients
        Distinct patient ids; one of whom the lake says nothing is a stranger.
    at
        UTC microseconds.
    """

    lake: Lake
    patients: np.ndarray
    at: int
    values: AffinityValues

    @property
    def number(self) -> int:
        """How many batches there are."""
        return max(self.lake.parts(_COLUMNS, len(self.patients), 0), -(-len(self.patients) // CHUNK))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield them as batches of ASKED, nothing kept from one to the next."""
        names = texts(self.patients)
        for _, places, tables in self.lake.buckets(_COLUMNS, names, self.number):
            yield self._batch(names.take(pa.array(places)), tables)

    def _batch(self, own: pa.Array, tables: Mapping[str, pa.Table]) -> pa.RecordBatch:
        history: list[list[tuple[str, int]]] = [[] for _ in own]
        shown: list[list[tuple[str | None, bool | None, int]]] = [[] for _ in own]
        age: list[float | None] = [None] * len(own)
        conditions: list[set[str]] = [set() for _ in own]
        at = self.at
        who, rows = self._known(own, tables, "interactions")
        for place, name, time in zip(who, rows["content_id"].to_pylist(), instants(rows["time"]).tolist(), strict=True):
            if name and time <= at:
                history[place].append((name, time))
        who, rows = self._known(own, tables, "impressions")
        told = rows["content_id"].to_pylist(), rows["clicked"].to_pylist(), instants(rows["time"]).tolist()
        for place, impression in zip(who, zip(*told, strict=True), strict=True):
            shown[place].append(impression)
        who, rows = self._known(own, tables, "patients")
        for place, born in zip(who, instants(rows["birth_date"]).tolist(), strict=True):
            if born != NEVER:
                age[place] = (at - born) / YEAR
        for each in CODED:
            who, rows = self._known(own, tables, each, happened=True)
            for place, code in zip(who, rows["code"].to_pylist(), strict=True):
                conditions[place] |= {code} - {None}
            for name, hit in coded(rows).items():
                for place in np.array(who)[hit]:
                    conditions[place].add(name)
        columns = {
            "patient_id": own,
            "content_ids": [[name for name, _ in each] for each in history],
            "times": [[time for _, time in each] for each in history],
            "age": age,
            "conditions": [sorted(each) for each in conditions],
            "sensitive_consent": [False] * len(own),
            "tired": [sorted(tired(each, at, self.values)) for each in shown],
        }
        return pa.RecordBatch.from_pydict(columns, schema=ASKED)

    def _known(
        self, own: pa.Array, tables: Mapping[str, pa.Table], name: str, happened: bool = False
    ) -> tuple[list[int], pa.Table]:
        """Return the patients' events as known at the instant, and the place of each one's patient."""
        rows = spelled(tables.get(name, empty(name)))
        kept = pc.is_in(rows["patient_id"], value_set=own).to_numpy() & (instants(rows["known_at"]) <= self.at)
        if happened:
            kept &= instants(rows["time"]) <= self.at
        rows = final(rows.filter(pa.array(kept)))
        return pc.index_in(rows["patient_id"], value_set=own).to_pylist(), rows
