"""What a lake says of items and of those who read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features.codes import all_codelists
from features.errors import InputError
from features.instants import DAY
from training.affinity.catalogue import Catalogue
from training.affinity.item import Item, items
from training.affinity.person import EDGES, Person
from training.affinity.stage import Stage, stage
from training.affinity.touches import Touches
from training.affinity.values import AffinityValues
from training.attrition import Attrition
from training.followup import NEVER, codes, final, instants
from training.permission import without_consent
from training.split import draw

if TYPE_CHECKING:
    from features.lake import Lake

CODED = ("diagnoses", "prescriptions")
YEAR = 365.25 * DAY


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
    """Return the codelists of one patient's diagnoses and medicines, and their raw codes, as known at an instant."""
    found: set[str] = set()
    for name in CODED:
        if name not in tables:
            continue
        table = tables[name]
        known = (instants(table["known_at"]) <= at) & (instants(table["time"]) <= at)
        events = final(table.filter(pa.array(known)))
        found |= set(coded(events)) | set(events["code"].drop_null().to_pylist())
    return frozenset(found)


@dataclass(frozen=True)
class Readership:
    """Items, touches, and what is known of each patient over time.

    Parameters
    ----------
    items
        In the order of ``touches.items``.
    birth
        (users,) UTC microseconds, NEVER where unknown.
    names
        Codelists that occur in the record.
    record
        (user, condition, first known) of every condition on record, by user.
    ahead
        How many touches were left out, because they are dated more than a day after they were known.
    """

    touches: Touches
    items: tuple[Item, ...]
    birth: np.ndarray
    names: tuple[str, ...]
    record: tuple[np.ndarray, np.ndarray, np.ndarray]
    ahead: int = 0

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue.of(self.items)

    @cached_property
    def undated(self) -> np.ndarray:
        """(items,) True for what ``contents`` describes without saying when it was published."""
        return np.array([each.published_at is None and bool(each.title or each.topics) for each in self.items], bool)

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.touches.user, kind="stable")
        return order, np.searchsorted(self.touches.user[order], np.arange(len(self.touches.users) + 1))

    def conditions(self, user: int, at: int) -> frozenset[str]:
        """Return the codelists that were on a user's record by an instant."""
        who, what, known = self.record
        mine = slice(*np.searchsorted(who, [user, user + 1]))
        return frozenset(self.names[each] for each in what[mine][known[mine] < at])

    def person(self, user: int, at: int) -> Person:
        """Return a user as known strictly before an instant."""
        touches, (order, starts) = self.touches, self._order
        mine = order[starts[user] : starts[user + 1]]
        mine = mine[(touches.known[mine] < at) & (touches.time[mine] < at)]
        places, first = np.unique(touches.item[mine], return_index=True)
        oldest = np.argsort(first, kind="stable")
        born = int(self.birth[user])
        return Person(
            places[oldest],
            touches.time[mine][first[oldest]],
            None if born == NEVER else (at - born) / YEAR,
            self.conditions(user, at),
        )

    def stage(self, at: int, values: AffinityValues) -> Stage:
        """Return the state of the items, made of what was known strictly before an instant."""
        from scipy.sparse import csr_array

        years = np.where(self.birth == NEVER, -1.0, (at - self.birth) / YEAR)
        band = np.where(years < 0, 0, 1 + np.searchsorted(EDGES, years, side="right"))
        held = None
        if self.names:
            who, what, known = self.record
            by = known < at
            shape = (len(self.touches.users), len(self.names))
            held = csr_array((np.ones(int(by.sum())), (who[by], what[by])), shape=shape)
        return stage(self.touches, self.catalogue, at, values, band, held, self.names)


def readership(lake: Lake, values: AffinityValues, left_out: frozenset[str] = frozenset()) -> Readership:
    """Read a lake. Only ``interactions`` must be there; an item that ``contents`` lacks is known by its id alone.

    Parameters
    ----------
    left_out
        Patients whose rows must not be learnt from.

    Raises
    ------
    InputError
        Nobody opened any content.
    """
    if "interactions" not in lake.tables():
        raise InputError(
            "the lake has no table 'interactions'", where="content affinity", remedy="ingest reading first"
        )
    opened = final(lake.read("interactions"))
    patient = opened["patient_id"].to_numpy(zero_copy_only=False).astype(object)
    content = opened["content_id"].to_numpy(zero_copy_only=False) if "content_id" in opened.column_names else None
    chosen = np.zeros(len(patient), dtype=bool)
    if content is not None:
        chosen = np.array([c is not None and p not in left_out for p, c in zip(patient, content)], dtype=bool)
    time, known_at = instants(opened["time"]), instants(opened["known_at"])
    ahead = chosen & (time - DAY > known_at)
    chosen &= ~ahead
    if content is None or not chosen.any():
        raise InputError("nobody opened any content", where="content affinity", remedy="ingest interactions first")
    catalogue = {item.content_id: item for item in items(lake.read("contents"))}
    published = {name: item.published_at for name, item in catalogue.items() if item.published_at is not None}
    opened = opened.filter(pa.array(chosen))
    touches = Touches.of(
        patient[chosen],
        content[chosen],
        time[chosen],
        published,
        known_at[chosen],
        worth(opened, values),
    )
    birth = np.full(len(touches.users), NEVER)
    if "patients" in lake.tables():
        people = final(lake.read("patients"))
        _place(touches.users, people["patient_id"], instants(people["birth_date"]), birth)
    names, record = _record(lake, touches.users)
    known = tuple(catalogue.get(name) or Item(name) for name in touches.items.tolist())
    return Readership(touches, known, birth, names, record, int(ahead.sum()))


def consenting(lake: Lake, values: AffinityValues, sample: float = 1.0) -> tuple[Readership, Attrition]:
    """Return the readership of who may be learnt from, and who was left out; one row a patient.

    Raises
    ------
    InputError
        Nobody may be learnt from, or nobody opened any content.
    """
    ids, left_out = lake.patients().astype(str), Attrition()
    left_out.start("patients of the lake", ids)
    kept = np.ones(len(ids), dtype=bool)

    def drop(name: str, out: np.ndarray) -> None:
        nonlocal kept
        left_out.drop(name, ids, kept & out, kept & ~out)
        kept = kept & ~out

    if sample < 1:
        drop(f"outside the sample of {sample:g}", draw(ids, "sample") >= sample)
    refused = without_consent(lake, ids)
    if refused is None:
        left_out.note("no consents in this lake: model_development could not be asked")
    else:
        drop("no consent to model_development", refused)
        if not kept.any():
            raise InputError(
                "nobody has a current consent to model_development", where="content affinity", remedy="ask for consents"
            )
    given = readership(lake, values, frozenset(ids[~kept].tolist()))
    if given.ahead:
        left_out.note(f"{given.ahead:,} touches dated after they were known: not read")
    drop("opened no content", ~np.isin(ids, given.touches.users))
    return given, left_out


def worth(opened: pa.Table, values: AffinityValues) -> np.ndarray:
    """Weigh each touch by its kind, what was completed as finished too, and by its rating over the mean so far."""
    other = values.weights.get("other", 1.0)
    kinds = opened["action"].to_pylist() if "action" in opened.column_names else [None] * opened.num_rows
    found = np.array([values.weights.get(kind or "", other) for kind in kinds], dtype=float)
    if "completed" in opened.column_names:
        done = np.array([each is True for each in opened["completed"].to_pylist()], dtype=bool)
        found += np.where(done, values.weights.get("finish", 0.0), 0.0)
    if "rating" in opened.column_names:
        rating = opened["rating"].cast(pa.float64()).to_numpy(zero_copy_only=False)
        rated = np.flatnonzero(rating > 0)
        known = np.maximum(instants(opened["known_at"]), instants(opened["time"]))[rated]
        _, when = np.unique(known, return_inverse=True)
        so_far = np.cumsum(np.bincount(when, weights=rating[rated])) / np.cumsum(np.bincount(when))
        found[rated] *= rating[rated] / so_far[when]
    return found


def _place(users: np.ndarray, patient: pa.ChunkedArray, value: np.ndarray, out: np.ndarray) -> None:
    ids = patient.to_numpy(zero_copy_only=False).astype(str)
    at = np.minimum(np.searchsorted(users, ids), len(users) - 1)
    mine = users[at] == ids
    out[at[mine]] = value[mine]


def _record(lake: Lake, users: np.ndarray) -> tuple[tuple[str, ...], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    first: dict[tuple[str, str], int] = {}
    for name in CODED:
        if name not in lake.tables():
            continue
        events = final(lake.read(name))
        known = np.maximum(instants(events["known_at"]), instants(events["time"]))
        patients = events["patient_id"].to_numpy(zero_copy_only=False)
        for condition, hit in coded(events).items():
            for patient, moment in zip(patients[hit], known[hit], strict=True):
                key = (patient, condition)
                first[key] = min(first.get(key, NEVER), int(moment))
    names = tuple(sorted({condition for _, condition in first}))
    number = {name: code for code, name in enumerate(names)}
    ids = np.array([patient for patient, _ in first], dtype=str)
    place = np.minimum(np.searchsorted(users, ids), len(users) - 1)
    mine = users[place] == ids if len(ids) else np.zeros(0, dtype=bool)
    what = np.array([number[condition] for _, condition in first], dtype=np.int64)[mine]
    moment = np.array(list(first.values()), dtype=np.int64)[mine]
    order = np.argsort(place[mine], kind="stable")
    return names, (place[mine][order], what[order], moment[order])
