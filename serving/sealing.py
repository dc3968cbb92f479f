"""Sealing and erasure of a patient: PIPL 47, GDPR 17.

Sealed at once: no score, no read but by compliance with a reason. Events, caches and labelled rows
go; the tombstone stays, in the key store and in the ledger, so that a restored back-up of either is
put right when it is opened. The data key goes when the last retention class ends, or at once.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import instants
from features.instants import DAY
from features.store import EventStore
from serving.approvals import KIND, folder
from serving.changes import announce
from serving.consent import known
from serving.identities import forget
from serving.keystore import Tombstone
from serving.ledger import Ledger, Sealed
from serving.settings import Retention

ERASURE = "erasure"
_FOREVER = 2**62
_LINES = (".ndjson", ".jsonl", ".csv")
_KEPT = frozenset({"heads.ndjson"})


@dataclass(frozen=True)
class Erased:
    """What an erasure did.

    Attributes
    ----------
    purged
        Kind of place -> how many segments, files or rows went.
    models
        Versions that were approved and whether the patient was in the lake they were trained on;
        None where that lake is not on this machine.
    """

    tombstone: Tombstone
    purged: Mapping[str, int]
    models: tuple[dict[str, Any], ...]
    receipt: dict[str, object]

    def as_dict(self, rules: Retention) -> dict[str, Any]:
        """Return the receipt that the patient is given."""
        stone = self.tombstone
        return {
            "patient_id": stone.patient_id,
            "sealed_at": instants.iso(stone.sealed_at),
            "key_destroyed_at": None if stone.destroyed_at is None else instants.iso(stone.destroyed_at),
            "key_stands_until": None if stone.until is None else instants.iso(stone.until),
            "retention": list(stone.classes),
            "purged": dict(self.purged),
            "models": list(self.models),
            "backups_expire_days": rules.key_backup_days,
            "receipt": self.receipt,
        }


def erase(
    home: Path, ledger: Ledger, store: EventStore, rules: Retention, patient_id: str, by: Mapping[str, Any], at: int
) -> Erased:
    """Seal a patient at once and erase what nobody must keep.

    Parameters
    ----------
    by
        Who asked and why: header fields of the ledger's entry.
    at
        Now, UTC microseconds.

    Notes
    -----
    Asked again it purges again and keeps the first tombstone. The chart is taken away once more at
    the end: a worker may have made one while the events were still there.
    """
    stone = ledger.keys.tombstone(patient_id)
    if stone is None:
        classes = dict(_classes(ledger, store, rules, patient_id))
        until = max(classes.values(), default=0)
        ends = until > at
        stone = Tombstone(
            patient_id,
            secrets.token_hex(16),
            at,
            until if ends else None,
            tuple(name for name, end in classes.items() if end > at),
            None if ends else at,
        )
        ledger.keys.bury(stone)
    models = tuple(_trained_on(home, ledger, patient_id))
    purged = purge(home, store, patient_id)
    header = {
        **by,
        "at": instants.iso(at),
        "subject": stone.reference,
        "classes": list(stone.classes),
        "until": None if stone.until is None else instants.iso(stone.until),
        "models": [dict(each) for each in models],
    }
    with ledger.writing() as appender:
        appender.turn(patient_id)
        appender.forget(patient_id)
        receipt = appender.append(ERASURE, uuid.uuid4().hex, header, _kept(stone))
        announce(appender, "patient.sealed", at, patient_id=patient_id)
    _forget(home, patient_id)
    return Erased(stone, purged, models, receipt.as_dict())


def restore(home: Path, ledger: Ledger, store: EventStore, now: int) -> int:
    """Apply every tombstone again, from whichever of key store and ledger still has it; destroy keys now due.

    Called whenever the stores are opened: a back-up from before an erasure brings nobody back.

    Returns
    -------
    int
        How many patients something was still held of.
    """
    stones = {stone.patient_id: stone for stone in ledger.keys.tombstones()}
    for entry in ledger.entries(ERASURE):
        try:
            told = _stone(entry.payload)
        except Sealed:
            continue
        if told.patient_id not in stones:
            ledger.keys.bury(told)
            stones[told.patient_id] = told
    mended = 0
    for stone in stones.values():
        due = stone.destroyed_at is None and stone.until is not None and stone.until <= now
        resurrected = stone.destroyed_at is not None and ledger.keys.reference(stone.patient_id) is not None
        if due:
            ledger.keys.bury(replace(stone, destroyed_at=now, until=None))
            with ledger.writing() as appender:
                header = {"event": "destroyed", "subject": stone.reference, "at": instants.iso(now)}
                appender.append("key", uuid.uuid4().hex, header, {})
        elif resurrected:
            ledger.keys.bury(stone)
        held = store.has(stone.patient_id)
        if held:
            purge(home, store, stone.patient_id)
        mended += due or resurrected or held
    return mended


def _kept(stone: Tombstone) -> dict[str, Any]:
    return {
        "patient_id": stone.patient_id,
        "reference": stone.reference,
        "sealed_at": stone.sealed_at,
        "until": stone.until,
        "classes": list(stone.classes),
        "destroyed_at": stone.destroyed_at,
    }


def _stone(payload: Mapping[str, Any]) -> Tombstone:
    return Tombstone(**{**payload, "classes": tuple(payload["classes"])})


def _classes(ledger: Ledger, store: EventStore, rules: Retention, patient_id: str) -> Iterator[tuple[str, int]]:
    """Yield each retention class that applies and when it ends, UTC microseconds."""
    reference = ledger.keys.reference(patient_id)
    if reference is None:
        return
    last = ledger.read("SELECT max(at) FROM entries WHERE subject = ? AND outcome = 'scored'", (reference,))[0][0]
    if last is None:
        return
    if rules.decisions_days:
        yield "decisions", int(last) + rules.decisions_days * DAY
    visits = known(store.tables(patient_id, ("encounters",)).get("encounters"), _FOREVER)
    for filed, name, kinds, days in (
        (rules.filed_outpatient, "outpatient_record", ("outpatient", "emergency"), rules.outpatient_days),
        (rules.filed_inpatient, "inpatient_record", ("inpatient",), rules.inpatient_days),
    ):
        ends = [row.get("end") or row["time"] for row in visits if row.get("kind") in kinds]
        if filed and ends:
            yield name, max(ends) + days * DAY


def purge(home: Path, store: EventStore, patient_id: str) -> dict[str, int]:
    """Delete a patient's events, caches, every row of the state folder's files that names them, and own ids.

    Raises
    ------
    InputError
        There is an identity map and its key cannot be used: ask again, once it can.
    """
    from features.kept import cache
    from serving.job_folder import ROWS, amend

    gone = {"event segments": store.purge(patient_id), "cached vectors": 0, "file rows": 0}
    _forget(home, patient_id)
    for folder_ in {home / "cache", cache()}:
        for file in sorted(folder_.glob("*.npy")):
            file.unlink(missing_ok=True)
            gone["cached vectors"] += 1
    for file in sorted(home.rglob("*")):
        if file.is_file() and file.name not in (*_KEPT, ROWS):
            gone["file rows"] += _rows_without(file, patient_id)
    amend(home, patient_id)
    return gone | {"own ids": forget(home, [patient_id])}


def _forget(home: Path, patient_id: str) -> None:
    """Take the patient's ready chart away."""
    from serving.shelf import FILE, Shelf

    if (home / FILE).is_file():
        shelf = Shelf(home, 1)
        shelf.forget(patient_id)
        shelf.close()


def _rows_without(file: Path, patient_id: str) -> int:
    """Rewrite a table or a file of lines without a patient's rows; return how many went."""
    if file.suffix == ".parquet":
        if "patient_id" not in pq.read_schema(file).names:
            return 0
        whole = pq.read_table(file)
        mine = pc.equal(whole["patient_id"].cast(pa.string()), patient_id)
        gone = int(pc.sum(mine).as_py() or 0)
        if gone:
            fresh = file.with_name(file.name + ".new")
            pq.write_table(whole.filter(pc.invert(pc.fill_null(mine, False))), fresh)
            fresh.replace(file)
        return gone
    if file.suffix not in _LINES:
        return 0
    lines = file.read_bytes().splitlines(keepends=True)
    name = patient_id.encode()
    rest = [line for line in lines if name not in line or not _names(line, patient_id)]
    if len(rest) < len(lines):
        fresh = file.with_name(file.name + ".new")
        fresh.touch(mode=file.stat().st_mode & 0o777)
        fresh.write_bytes(b"".join(rest))
        fresh.replace(file)
    return len(lines) - len(rest)


def _names(line: bytes, patient_id: str) -> bool:
    """Say whether a line of JSON or CSV has the patient's id as a value of its own."""
    try:
        return _within(orjson.loads(line), patient_id)
    except ValueError:
        cells = line.decode("utf-8", "replace").strip("\r\n\ufeff").split(",")
        return patient_id in (cell.strip('"') for cell in cells)


def _within(told: Any, patient_id: str) -> bool:
    if isinstance(told, dict):
        return any(_within(each, patient_id) for each in told.values())
    if isinstance(told, list):
        return any(_within(each, patient_id) for each in told)
    return bool(told == patient_id)


def _trained_on(home: Path, ledger: Ledger, patient_id: str) -> Iterator[dict[str, Any]]:
    """Yield every approved version and whether its lake, where it is still here, holds the patient."""
    for entry in ledger.entries(KIND):
        named = {name: entry.header[name] for name in ("task", "version", "digest")}
        yield {**named, "in_training_lake": _lake_holds(folder(home, named["task"], named["digest"]), patient_id)}


def _lake_holds(artefact: Path, patient_id: str) -> bool | None:
    from features.lake import Lake

    try:
        place = _find(orjson.loads((artefact / "card.json").read_bytes()), "lake")
    except (OSError, ValueError):
        return None
    if not isinstance(place, str) or not Path(place).is_dir():
        return None
    lake = Lake(Path(place))
    if "patients" not in lake.tables():
        return None
    ids = lake.read("patients", columns=["patient_id"])["patient_id"]
    return bool(pc.any(pc.equal(ids.cast(pa.string()), patient_id)).as_py())


def _find(told: Any, name: str) -> Any:
    if isinstance(told, dict):
        if name in told:
            return told[name]
        return next((found for each in told.values() if (found := _find(each, name)) is not None), None)
    return None
