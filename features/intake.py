"""Intake: the drafts of a source through the checks into a lake.

Drafts are spooled to disk first, because what a row needs (the person, the end of its encounter,
the other half of a reading) may stand in a later file. Then each table streams through in batches:
times filled, values converted, checks asked, good rows written, the others set aside. All is made in
a hidden folder of the lake and renamed into place at the end, so that an interrupted ingest leaves
the lake as it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from time import time_ns
from typing import IO, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from features.codemap import read_codemap
from features.coding import codelist_of, codelists, in_units, ingredient
from features.columns import arrow, plain, told
from features.conflicts import Conflicts, Held
from features.identity.replace import settle
from features.identity.surrogates import Surrogates
from features.lake import Lake
from features.observing import Observing
from features.pressure import inverted, reading
from features.progress import track
from features.quality import CHECKS, ERASED, MISSING, Batch, judge, meaning
from features.report import Report
from features.report_page import page
from features.schema import EVENT_TABLES, TABLES, table
from features.sources import Catalogued, Identified, Source, Watching
from features.sources.draft import Draft, Period, Refusal, Tally
from features.sources.timing import timing
from features.spool import ROWS, Spool

QUARANTINE = "_quarantine"
"""Folder of a lake for what was set aside; it is not a canonical table."""


READY = ".ready-"
"""Begins the name of a hidden folder that holds an ingest which only has to be moved into place."""

PERSONAL = ("family_history", "patients")
"""Tables that wait for the first contact of each patient."""


class Intake:
    """One ingest of one folder into one lake.

    Parameters
    ----------
    source
        An opened source.
    tally
        The tally that was given to it.
    name
        Names the files of this ingest in the lake; the same name replaces what it wrote before.
    lake
        The lake's folder; it is made where it is missing.
    surrogates
        What takes the place of the source's ids; None where they stay as they are.
    """

    def __init__(
        self, source: Source, tally: Tally, name: str, lake: Path, surrogates: Surrogates | None = None
    ) -> None:
        self.source, self.tally, self.name, self.lake = source, tally, name, lake
        self.surrogates, self.ids = surrogates, set[str]()
        self.work = lake / f".ingest-{name}"
        self.codemap = read_codemap(lake)
        self.report = Report(source.name, name, tally.read, tally.unread, self.codemap.digest)
        self.births: dict[str, int | None] = {}
        self.stays: dict[str, tuple[int, int]] = {}
        self.first_contact: dict[str, int] = {}
        self.unborn: set[str] = set()
        self.asides: dict[str, IO[bytes]] = {}
        self.extent = (np.iinfo(np.int64).max, MISSING)
        self.received = time_ns() // 1000

    def run(self) -> Report:
        """Do it, and return what was done.

        Raises
        ------
        InputError
            An input file cannot be read; the lake stands as before.
        """
        _resume(self.lake)
        shutil.rmtree(self.work, ignore_errors=True)
        for part in ("spool", "tables", "quarantine"):
            (self.work / part).mkdir(parents=True)
        try:
            events = self._spool(self.source.events(), [name for name in EVENT_TABLES if name not in PERSONAL])
            self._learn()
            held = self._persons_of_lake()
            births = {self._name(own): birth for own, birth in self.source.births.items() if not self._erased(own)}
            self.births = held | {name: birth for name, birth in births.items() if birth or name not in held}
            for spool in track(events, "checking", total=len(events)):
                self._land(spool)
            contacts = self.first_contact if self.surrogates is None else self.surrogates.first(self.first_contact)
            persons = self._spool(self.source.persons(contacts), PERSONAL)
            self._learn()
            for spool in persons:
                self._land(spool)
            self._observed()
            self._contents()
            self._refuse(self.tally.refused)
            self._promote()
        finally:
            self._close_asides()
            shutil.rmtree(self.work, ignore_errors=True)
        return self.report

    def _learn(self) -> None:
        """Give surrogates to whoever was met; persons who proved to be others are so in the lake as well."""
        if self.surrogates is not None:
            persons = self.source.identities() if isinstance(self.source, Identified) else ()
            self.surrogates.learn(persons, self.ids | self.source.births.keys())
            settle(Lake(self.lake), self.surrogates.vault.merges())
            self.report.identities = self.surrogates.told

    def _name(self, own: str) -> str:
        return own if self.surrogates is None else self.surrogates.of(own)

    def _erased(self, own: str) -> bool:
        return self.surrogates is not None and self.surrogates.erased(own)

    def _close_asides(self) -> None:
        for place in self.asides.values():
            place.close()
        self.asides.clear()

    def _spool(self, drafts: Iterable[Draft], names: Iterable[str]) -> list[Spool]:
        """Put drafts on disk by table; remember when each visit began and ended."""
        spools = {name: Spool(self.work / "spool" / f"{name}.parquet", name) for name in names}
        for draft in drafts:
            if self.surrogates is not None and (own := draft.values.get("patient_id")) is not None:
                if self._erased(str(own)):
                    self.tally.refused.append(Refusal(draft.table, ERASED, draft.file, draft.row))
                    continue
                self.ids.add(str(own))
            spools[draft.table].append(draft)
            if draft.table == "encounters" and (start := draft.values.get("time")) is not None:
                end = draft.values.get("end")
                self.stays[draft.values.get("event_id", "")] = (start, MISSING if end is None else end)
        for spool in spools.values():
            spool.close()
            self.tally.refused += spool.refused
        return list(spools.values())

    def _land(self, spool: Spool) -> None:
        """Stream one table through the checks into its file."""
        contradictions = (
            inverted(spool.batches(), self.codemap) if spool.name == "observations" else np.empty(0, np.uint64)
        )
        conflicts = Conflicts(spool.name, spool.batches)
        held = Held(Lake(self.lake), spool.name, self.name, conflicts.every)
        schema = table(spool.name).arrow()
        writer: pq.ParquetWriter | None = None
        for drafted in spool.batches():
            self.report.drafted[spool.name] += drafted.num_rows
            columns = {name: plain(drafted.column(name)) for name in drafted.schema.names}
            if self.surrogates is not None:
                self.surrogates.rename(columns)
            batch = self._seen(spool.name, columns, contradictions, *conflicts.of(drafted))
            batch.odd[held.at_odds(columns)] = True
            verdict = judge(spool.name, batch)
            self._set_aside(spool.name, columns, verdict)
            good = np.flatnonzero(verdict == -1)
            if not len(good):
                continue
            self._count(spool.name, columns, good, batch.codelist)
            written = pa.table([arrow(columns[each.name][good], each.type) for each in schema], schema=schema)
            writer = writer or pq.ParquetWriter(
                self.work / "tables" / f"{spool.name}.parquet", schema, compression="zstd"
            )
            writer.write_table(written, row_group_size=ROWS)
        if writer:
            writer.close()

    def _known(self, patient: str) -> bool:
        """Whether this is a person on record; everybody is where nobody keeps a record of persons."""
        return not self.births or patient in self.births

    def _seen(
        self,
        name: str,
        columns: dict[str, np.ndarray],
        contradictions: np.ndarray,
        repeated: np.ndarray,
        odd: np.ndarray,
    ) -> Batch:
        """Fill times, codelists and units in place, and return the rows as the checks see them."""
        rows = len(columns["patient_id"])
        patients = columns["patient_id"]
        self._fill_times(name, columns)
        columns["source"] = np.full(rows, self.source.name, object)
        columns["version"][columns["version"] == MISSING] = 1
        columns["void"] = np.array([bool(void) for void in columns["void"]], object)
        lists = np.full(rows, None, object)
        read, contradicted = np.ones(rows, bool), np.zeros(rows, bool)
        if TABLES[name].clinical:
            units = columns.get("unit", np.full(rows, None, object))
            systems, codes, units = self.codemap.apply(columns["code_system"], columns["code"], units)
            columns |= {"code_system": systems, "code": codes, "unit": units}
            lists = codelists(systems, codes)
            if name == "prescriptions":
                self._by_ingredient(columns, lists)
        names = np.array([each.name if each else None for each in lists], object)
        if name == "observations":
            columns["value"], columns["unit"], read = in_units(lists, columns["value"], columns["unit"])
            pressure = np.flatnonzero((names == "systolic") | (names == "diastolic"))
            if len(contradictions) and len(pressure):
                own = columns.get("_own", patients)
                keys = reading(own[pressure], columns["_time"][pressure], columns["_panel"][pressure])
                contradicted[pressure] = np.isin(keys, contradictions)
        births = [self.births.get(patient) for patient in patients]
        birth = np.array([MISSING if each is None else each for each in births], np.int64)
        known = np.array([name == "patients" or self._known(patient) for patient in patients], bool)
        unborn = np.array([each in self.unborn and each not in self.first_contact for each in patients], bool)
        return Batch(columns, birth, known, names, read, contradicted, unborn, repeated, odd, self.received)

    def _by_ingredient(self, columns: dict[str, np.ndarray], lists: np.ndarray) -> None:
        """Give a medicine of RxNorm that no codelist holds the code of the ingredient that its name begins with."""
        systems, codes, displays = columns["code_system"], columns["code"], columns["display"]
        for row in np.flatnonzero((systems == "RxNorm") & np.array([each is None for each in lists], bool)):
            if (found := ingredient(displays[row])) is not None:
                codes[row], lists[row] = found, codelist_of("RxNorm", found)

    def _fill_times(self, name: str, columns: dict[str, np.ndarray]) -> None:
        """Fill a missing time from the start of the encounter, a missing known_at from its end or the lag."""
        time, known = columns["time"], columns["known_at"]
        columns["_time"] = np.where(time == MISSING, 0, time)
        for row in np.flatnonzero((time == MISSING) | (known == MISSING)):
            start, end = self.stays.get(columns["_encounter"][row], (MISSING, MISSING))
            if time[row] == MISSING:
                time[row] = start
            if known[row] == MISSING and time[row] != MISSING:
                known[row] = end if end >= time[row] else time[row] + timing().lag(self.source.name, name)

    def _count(self, name: str, columns: dict[str, np.ndarray], good: np.ndarray, lists: np.ndarray) -> None:
        """Count what is written: rows, voids, unmapped codes, first contacts, the extent."""
        self.report.written[name] += len(good)
        self.report.voided[name] += int(columns["void"][good].sum())
        years = columns["time"][good].astype("datetime64[us]").astype("datetime64[Y]").astype(int) + 1970
        for year, rows in zip(*np.unique(years, return_counts=True)):
            self.report.years[(name, int(year))] += int(rows)
        if TABLES[name].clinical:
            for row in good[[each is None for each in lists[good]]]:
                code = columns["code_system"][row], columns["code"][row], columns["display"][row]
                self.report.unmapped[(name, *code)] += 1
        if name not in PERSONAL:
            known = columns["known_at"][good]
            self.extent = (min(self.extent[0], int(known.min())), max(self.extent[1], int(known.max())))
            for patient, seen in zip(columns["patient_id"][good], known.tolist()):
                if seen < self.first_contact.get(patient, seen + 1):
                    self.first_contact[patient] = seen

    def _set_aside(self, name: str, columns: dict[str, np.ndarray], verdict: np.ndarray) -> None:
        """Append the rows that failed to the table's quarantine file."""
        kinds = {each.name: each.kind for each in table(name).columns}
        for row in np.flatnonzero(verdict != -1):
            reason = CHECKS[verdict[row]].reason
            if reason.startswith("birth_date_after"):
                self.unborn.add(columns["patient_id"][row])
            record = {column: told(columns[column][row], kind) for column, kind in kinds.items()}
            self._write_aside(name, reason, columns["_file"][row], int(columns["_row"][row]), record)

    def _refuse(self, refused: list[Refusal]) -> None:
        """Write where the records stand that could not become rows; their text is not kept."""
        for name, reason, file, row, column in refused:
            self._write_aside(name, reason, file, row, None, column)

    def _write_aside(
        self, name: str, reason: str, file: str, row: int, record: dict[str, Any] | None, column: str = ""
    ) -> None:
        """Count one row or record and append it to its table's quarantine file, which its owner alone reads."""
        self.report.quarantined[(name, reason)] += 1
        said = {"reason": reason, "meaning": meaning(reason), "file": file, "row": row}
        if column:
            said["column"] = column
        if record is not None:
            said["record"] = record
        place = self.asides.get(name or "unknown")
        if place is None:
            path = self.work / "quarantine" / f"{name or 'unknown'}.ndjson"
            path.touch(mode=0o600)
            place = self.asides[name or "unknown"] = path.open("ab")
        place.write(orjson.dumps(said) + b"\n")

    def _observed(self) -> None:
        """Say when somebody watched: by the source's own periods, else by the extent of what became known."""
        observing = Observing(self.work / "tables" / "observed.parquet", self.source.tables)
        periods = self.source.periods() if isinstance(self.source, Watching) else None
        if periods is not None:
            observing.periods(periods, self._known, self._refuse_period)
        elif self.extent[1] != MISSING:
            people = self.work / "tables" / "patients.parquet"
            named = pq.read_table(people, columns=["patient_id"]).column(0).unique() if people.is_file() else None
            patients = sorted(self.first_contact) if named is None else named.to_pylist()
            observing.extent(patients, *self.extent)
        self.report.drafted["observed"] += observing.written
        self.report.written["observed"] += observing.written

    def _refuse_period(self, reason: str, period: Period) -> None:
        self.report.drafted["observed"] += 1
        record = {"patient_id": period.patient_id, "start": period.start, "end": period.end}
        told_record = {
            name: told(value, "string" if name == "patient_id" else "instant") for name, value in record.items()
        }
        self._write_aside("observed", reason, period.file, period.row, told_record)

    def _contents(self) -> None:
        """Write the catalogue of a source that has one: no events, so no checks."""
        if isinstance(self.source, Catalogued):
            made = self.source.contents()
            if not made.num_rows:
                return
            pq.write_table(made, self.work / "tables" / "contents.parquet", compression="zstd")
            self.report.drafted["contents"] += made.num_rows
            self.report.written["contents"] += made.num_rows

    def _persons_of_lake(self) -> dict[str, int | None]:
        """Return birth dates of the persons that other ingests brought into the lake."""
        births: dict[str, int | None] = {}
        for path in sorted((self.lake / "patients").glob("*.parquet")):
            if path.stem != self.name:
                held = pq.read_table(path)
                days = held.column("birth_date").cast(pa.int64()) if "birth_date" in held.schema.names else None
                births |= zip(
                    held.column("patient_id").to_pylist(), days.to_pylist() if days else [None] * held.num_rows
                )
        return births

    def _promote(self) -> None:
        """Say that all is ready, then rename it into place: from here on a kill is made good by the next ingest."""
        self._close_asides()
        document = orjson.dumps(self.report.document(), option=orjson.OPT_INDENT_2)
        (self.work / "quarantine" / "report.json").write_bytes(document + b"\n")
        (self.work / "quarantine" / "report.html").write_text(page(self.report), encoding="utf-8")
        shutil.rmtree(self.work / "spool")
        written = sorted(path.stem for path in (self.work / "tables").iterdir())
        (self.work / "tables.json").write_bytes(orjson.dumps(written))
        ready = self.lake / f"{READY}{self.name}"
        self.work.replace(ready)
        _put(ready, self.lake, self.name)


def _put(ready: Path, lake: Path, name: str) -> None:
    """Move the tables of a finished ingest into place, and take away those that it no longer writes; repeatable."""
    written = orjson.loads((ready / "tables.json").read_bytes())
    for each in TABLES:
        made, place = ready / "tables" / f"{each}.parquet", lake / each / f"{name}.parquet"
        if made.is_file():
            place.parent.mkdir(exist_ok=True)
            made.replace(place)
        elif each not in written:
            place.unlink(missing_ok=True)
    kept = lake / QUARANTINE / name
    if (ready / "quarantine").is_dir():
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        (ready / "quarantine").replace(kept)
    shutil.rmtree(ready)


def _resume(lake: Path) -> None:
    """Put into place what an ingest that was killed had made ready."""
    for ready in sorted(lake.glob(f"{READY}*")):
        if (ready / "tables.json").is_file():
            _put(ready, lake, ready.name.removeprefix(READY))
