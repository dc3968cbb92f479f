"""What happened after each landmark, in the final versions of a lake's events.

Features look back at what was known; labels look forward with hindsight: per event the highest
version, void ones dropped, whatever its known_at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.codes import codelist
from features.instants import DAY, local_day
from training.records import NEVER, instants, told_until
from training.stays import Stays

if TYPE_CHECKING:
    from features.lake import Lake

LOSSES = ("transferred", "moved", "opted_out")


def final(events: pa.Table) -> pa.Table:
    """Return the highest version of each event of a patient, without the void ones."""
    if not events.num_rows:
        return events
    keys = [codes(events[name])[0] for name in ("patient_id", "event_id")]
    version = events["version"].to_numpy()
    order = np.lexsort((version, keys[1], keys[0]))
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (np.diff(keys[0][order]) != 0) | (np.diff(keys[1][order]) != 0)
    kept = events.take(pa.array(np.sort(order[last])))
    return kept.filter(pc.invert(pc.fill_null(kept["void"], False)))


def codes(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return (n,) places in a list of the distinct strings, and that list; a null is -1."""
    encoded = pa.chunked_array([column.combine_chunks().dictionary_encode()]).chunk(0)
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


@dataclass(frozen=True)
class Followup:
    """The landmarks and the lake that is read after them.

    Parameters
    ----------
    lake
        Where the events are.
    patient_id, at
        (n,) landmarks; ``at`` in UTC microseconds.
    """

    lake: Lake
    patient_id: np.ndarray
    at: np.ndarray

    @cached_property
    def _patients(self) -> tuple[np.ndarray, np.ndarray]:
        names, row = np.unique(self.patient_id, return_inverse=True)
        return names, row

    def _versions(self, table: str, columns: tuple[str, ...]) -> pa.Table:
        wanted = ("patient_id", "event_id", "version", "void", "time", *columns)
        if table not in self.lake.tables():
            return pa.table({name: pa.array([], pa.string()) for name in wanted})
        return self.lake.read(table, columns=list(wanted))

    def _events(self, table: str, columns: tuple[str, ...]) -> pa.Table:
        return final(self._versions(table, columns))

    def _placed(self, events: pa.Table, time: str = "time") -> tuple[np.ndarray, np.ndarray]:
        """Return (patient as a place in the landmarks' patients, instant) of the events that have both."""
        place, moment, _ = self._found(events, time)
        return place, moment

    def _found(self, events: pa.Table, time: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what _placed does, and the (events,) mask of those that have both."""
        names, _ = self._patients
        if not events.num_rows or not len(names):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.zeros(events.num_rows, dtype=bool)
        given = events["patient_id"].to_numpy(zero_copy_only=False).astype(names.dtype)
        place = np.searchsorted(names, given)
        known = (place < len(names)) & (names[np.minimum(place, len(names) - 1)] == given)
        moment = instants(events[time])
        known &= moment != NEVER
        return place[known], moment[known], known

    def next_after(self, table: str, **where: str | tuple[str, ...]) -> np.ndarray:
        """Return the instant of the first event strictly after each landmark, or NEVER.

        ``where`` filters by equality or membership of a column.
        """
        return self._next(*self._placed(self._where(table, **where)))

    def _where(self, table: str, **where: str | tuple[str, ...]) -> pa.Table:
        """Return the events of a table whose columns equal, or are among, the values given."""
        events = self._events(table, tuple(where))
        for name, wanted in where.items():
            options = pa.array([wanted] if isinstance(wanted, str) else list(wanted))
            events = events.filter(pc.is_in(events[name], value_set=options))
        return events

    def features(self, names: tuple[str, ...]) -> np.ndarray:
        """Return (n, names) features of the catalogue as known at the landmarks."""
        from features import catalogue
        from features.build import vectors
        from features.plan import compile_plan

        return vectors(self.lake, compile_plan(catalogue(), names), self.patient_id, self.at)

    def median_gap(self, table: str, days: int, **where: str) -> np.ndarray:
        """Return the median time between days with an event, over so many days up to a landmark; NaN below two.

        Days begin at midnight in the zone of params.yaml.
        """
        place, moment = self._placed(self._where(table, **where))
        day = np.unique(np.stack([place, local_day(moment)]), axis=1)
        (names, row), out = self._patients, np.full(len(self.at), np.nan)
        begins = np.searchsorted(day[0], np.arange(len(names) + 1))
        for number, (who, at) in enumerate(zip(row, local_day(self.at))):
            mine = day[1, begins[who] : begins[who + 1]]
            mine = mine[np.searchsorted(mine, at - days, side="right") : np.searchsorted(mine, at, side="right")]
            if len(mine) >= 3:
                out[number] = np.median(np.diff(mine))
        return out

    def next_loss(self) -> np.ndarray:
        """Return when follow-up is lost after each landmark: transferred, moved, opted out."""
        return self.next_after("status_changes", kind=LOSSES)

    def gone(self) -> np.ndarray:
        """Return where a patient had died by the landmark, or left and not come back, whenever that became known."""
        left, back = (
            self._latest(*self._placed(self._where("status_changes", kind=each))) for each in (LOSSES, "back")
        )
        return (self.death() <= self.at) | (left > back)

    def discharge(self) -> np.ndarray:
        """Return the end of the stay whose discharge became known last at or before each landmark, or -NEVER."""
        stays = self._versions("encounters", ("known_at", "kind", "status", "end"))
        over = pc.and_(pc.equal(stays["kind"], "inpatient"), pc.equal(stays["status"], "finished"))
        stays = stays.filter(pc.fill_null(over, False))
        place, end, kept = self._found(stays, "end")
        told = np.maximum(end, instants(stays["known_at"])[kept]) if len(end) else end
        ends = dict(zip(zip(place.tolist(), told.tolist()), end.tolist()))
        asked = zip(self._patients[1].tolist(), self._latest(place, told).tolist())
        return np.array([ends.get(each, -NEVER) for each in asked], dtype=np.int64)

    def stay_after(self, moment: np.ndarray) -> np.ndarray:
        """Return the first start of a stay in hospital strictly after a moment of each landmark's own, or NEVER."""
        stays = self._where("encounters", kind="inpatient", status=("finished", "in_progress"))
        return self._next(*self._placed(stays), moment)

    def among(self, rows: np.ndarray) -> Followup:
        """Return the follow-up of some of the landmarks, given as an (n,) mask."""
        return Followup(self.lake, self.patient_id[rows], self.at[rows])

    def clock(self, moment: np.ndarray) -> np.ndarray:
        """Return the days from each landmark to a moment of its own, those in hospital not counted; NEVER is inf.

        Stays are those that took place, also one that is not closed yet: it lasts until the records end.
        """
        stays, (_, row) = self._stays, self._patients
        there = moment != NEVER
        end = np.where(there, moment, self.at)
        inside = stays.until(row, end) - stays.until(row, self.at)
        return np.where(there, (end - self.at - inside) / DAY, np.inf)

    def paused(self) -> np.ndarray:
        """Return where a landmark is followed by a stay in hospital, which may outlast the records."""
        stays, (_, row) = self._stays, self._patients
        return stays.until(row, np.full(len(row), self.records_end)) > stays.until(row, self.at)

    @cached_property
    def records_end(self) -> int:
        """The last instant at which the hospital knew of a visit, UTC microseconds; NEVER without visits."""
        return told_until(self.lake, "encounters")

    @cached_property
    def _stays(self) -> Stays:
        events = self._events("encounters", ("kind", "status", "end"))
        if events.num_rows:
            events = events.filter(pc.equal(events["kind"], "inpatient"))
            events = events.filter(pc.is_in(events["status"], value_set=pa.array(["finished", "in_progress"])))
        place, start, kept = self._found(events, "time")
        if not len(place):
            return Stays(place, start, start)
        end = instants(events["end"])[kept]
        running = pc.equal(events["status"], "in_progress").to_numpy(zero_copy_only=False)[kept]
        end = np.where(end != NEVER, end, np.where(running, self.records_end, start))
        real = end > start
        return Stays(place[real], start[real], end[real])

    def death(self) -> np.ndarray:
        """Return when the patient died, or NEVER, for each landmark."""
        return self._first(*self._placed(self._events("patients", ("deceased_at",)), "deceased_at"))

    def first(self, table: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the first time of a codelist's codes in a clinical table, for each landmark, or NEVER.

        And when such a code first became known, in any version.
        """
        versions = self._versions(table, ("known_at", "code_system", "code"))
        known = self._placed(_coded(versions, name), "known_at")
        return self._first(*self._placed(_coded(final(versions), name))), self._first(*known)

    def _first(self, place: np.ndarray, moment: np.ndarray) -> np.ndarray:
        names, row = self._patients
        earliest = np.full(len(names), NEVER)
        np.minimum.at(earliest, place, moment)
        return earliest[row]

    def _latest(self, place: np.ndarray, moment: np.ndarray) -> np.ndarray:
        """Return the last moment at or before each landmark, or -NEVER."""
        return -self._next(place, -moment, -self.at - 1)

    def _next(self, place: np.ndarray, moment: np.ndarray, after: np.ndarray | None = None) -> np.ndarray:
        """Return the first moment strictly after each landmark, or after an instant of its own, or NEVER."""
        _, row = self._patients
        patient = np.concatenate([place, row])
        time = np.concatenate([moment, self.at if after is None else after])
        asked = np.r_[np.zeros(len(place), dtype=bool), np.ones(len(row), dtype=bool)]
        order = np.lexsort((asked, time, patient))
        position = np.where(asked[order], len(order), np.arange(len(order)))
        following = np.minimum.accumulate(position[::-1])[::-1]
        there = following < len(order)
        event = order[np.where(there, following, 0)]
        found = np.where(there & (patient[event] == patient[order]), time[event], NEVER)
        out = np.full(len(row), NEVER)
        asking = asked[order]
        out[order[asking] - len(place)] = found[asking]
        return out


def _coded(events: pa.Table, name: str) -> pa.Table:
    """Return the events that hold a code of a codelist."""
    if not events.num_rows:
        return events
    wanted = codelist(name)
    (systems, system_names), (values, value_names) = codes(events["code_system"]), codes(events["code"])
    pairs, row = np.unique(np.stack([systems, values]), axis=1, return_inverse=True)
    matched = np.array(
        [s >= 0 and v >= 0 and wanted.matches(system_names[s], value_names[v]) for s, v in pairs.T], dtype=bool
    )
    return events.filter(pa.array(matched[row.ravel()]))
