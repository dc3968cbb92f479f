"""What a lake says of items and of those who read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features.codes import all_codelists
from features.errors import InputError
from features.instants import DAY
from training.affinity.item import Item, items
from training.affinity.safety import Reader, excluded
from training.affinity.touches import Touches
from training.followup import NEVER, codes, final, instants

if TYPE_CHECKING:
    from features.lake import Lake

CODED = ("diagnoses", "prescriptions")


def coded(table: pa.Table) -> dict[str, np.ndarray]:
    """Return for each codelist that occurs the (n,) mask of the rows that it matches."""
    if not table.num_rows:
        return {}
    (systems, system_names), (values, value_names) = codes(table["code_system"]), codes(table["code"])
    pairs, row = np.unique(np.stack([systems, values]), axis=1, return_inverse=True)
    found = {}
    for each in all_codelists():
        hit = np.array(
            [s >= 0 and v >= 0 and each.matches(system_names[s], value_names[v]) for s, v in pairs.T], dtype=bool
        )
        if hit.any():
            found[each.name] = hit[row.ravel()]
    return found


def conditions(tables: Mapping[str, pa.Table], at: int) -> frozenset[str]:
    """Return the codelists of diagnoses and medicines that one patient's events hold, as known at an instant."""
    found: set[str] = set()
    for name in CODED:
        if name not in tables:
            continue
        table = tables[name]
        known = (instants(table["known_at"]) <= at) & (instants(table["time"]) <= at)
        found |= set(coded(final(table.filter(pa.array(known)))))
    return frozenset(found)


@dataclass(frozen=True)
class Readership:
    """Items, touches, and what safety and relevance must know of each patient over time.

    Parameters
    ----------
    items
        In the order of ``touches.items``.
    on_record
        Patient -> (codelist, first known, UTC microseconds) pairs.
    birth
        Patient -> birth, UTC microseconds.
    """

    touches: Touches
    items: tuple[Item, ...]
    on_record: Mapping[str, tuple[tuple[str, int], ...]]
    birth: Mapping[str, int]

    def conditions(self, patient_id: str, at: int) -> frozenset[str]:
        return frozenset(name for name, known in self.on_record.get(patient_id, ()) if known <= at)

    def allowed(self, user: int, at: int) -> np.ndarray:
        """Return the places of the items that safety lets a user see at an instant.

        A touch shows that a consent to sensitive topics stood; it is taken to stand here.
        """
        patient_id = str(self.touches.users[user])
        birth = self.birth.get(patient_id)
        age = None if birth is None else (at - birth) / DAY / 365.25
        reader = Reader(age, self.conditions(patient_id, at), sensitive_consent=True)
        return np.array(
            [place for place, item in enumerate(self.items) if excluded(item, reader, at) is None], dtype=np.int64
        )


def readership(lake: Lake, left_out: frozenset[str] = frozenset()) -> Readership:
    """Read a lake.

    Parameters
    ----------
    left_out
        Patients whose rows must not be learnt from.

    Raises
    ------
    InputError
        The lake has no contents, or nobody opened any.
    """
    for name in ("contents", "interactions"):
        if name not in lake.tables():
            raise InputError(
                f"the lake has no table '{name}'", where="content affinity", remedy="ingest contents first"
            )
    catalogue = {item.content_id: item for item in items(lake.read("contents"))}
    opened = final(lake.read("interactions"))
    patient = opened["patient_id"].to_numpy(zero_copy_only=False).astype(object)
    content = opened["content_id"].to_numpy(zero_copy_only=False)
    chosen = np.array([p not in left_out and c in catalogue for p, c in zip(patient, content)], dtype=bool)
    if not chosen.any():
        raise InputError("nobody opened any content", where="content affinity", remedy="ingest interactions first")
    published = {name: item.published_at for name, item in catalogue.items() if item.published_at is not None}
    touches = Touches.of(patient[chosen], content[chosen], instants(opened["time"])[chosen], published)
    births: dict[str, int] = {}
    if "patients" in lake.tables():
        people = final(lake.read("patients"))
        born = instants(people["birth_date"])
        births = {p: int(b) for p, b in zip(people["patient_id"].to_pylist(), born) if b != NEVER}
    return Readership(touches, tuple(catalogue[name] for name in touches.items), _on_record(lake), births)


def _on_record(lake: Lake) -> dict[str, tuple[tuple[str, int], ...]]:
    first: dict[tuple[str, str], int] = {}
    for name in CODED:
        if name not in lake.tables():
            continue
        events = final(lake.read(name))
        known = instants(events["known_at"])
        patients = events["patient_id"].to_numpy(zero_copy_only=False)
        for condition, hit in coded(events).items():
            for patient, moment in zip(patients[hit], known[hit]):
                key = (patient, condition)
                first[key] = min(first.get(key, NEVER), int(moment))
    found: dict[str, list[tuple[str, int]]] = {}
    for (patient, condition), moment in first.items():
        found.setdefault(patient, []).append((condition, moment))
    return {patient: tuple(each) for patient, each in found.items()}
