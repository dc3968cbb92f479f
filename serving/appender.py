"""What one transaction appends to the ledger: held in memory, written in one go before the commit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from features.instants import DAY
from serving.book import Book, Row
from serving.keystore import KeyStore, passing
from serving.suite import CURRENT

_ENTRY = (
    "INSERT INTO entries (seq, kind, id, subject, at, task, outcome, department, header, payload, previous, hash) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ANSWER = (
    "INSERT INTO answers (principal, key, digest, body, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (principal, key) "
    "DO UPDATE SET digest = excluded.digest, body = excluded.body, at = excluded.at"
)
KEPT = "SELECT principal, key, digest, body, at FROM answers"
_EPOCH = (
    "INSERT INTO epochs (patient_id, epoch) VALUES (?, 1) "
    "ON CONFLICT (patient_id) DO UPDATE SET epoch = epochs.epoch + 1"
)


@dataclass(frozen=True)
class Receipt:
    """Where an entry stands: its number and its hash."""

    seq: int
    hash: str

    def as_dict(self) -> dict[str, object]:
        return {"seq": self.seq, "hash": self.hash}


class Answered(Exception):
    """The same request was answered while this one was made ready: nothing is recorded a second time.

    Attributes
    ----------
    digest, body
        Of the earlier request, and its answer.
    """

    def __init__(self, digest: str, body: bytes) -> None:
        super().__init__(digest)
        self.digest, self.body = digest, body


TURNS = 20
"""How often work is run again because a consent changed before it was recorded."""


class Overtaken(Exception):
    """A consent changed, or a patient was sealed, between the judgement and its record: judge again."""


class Erased(Exception):
    """The patient's key was destroyed meanwhile: there is nothing to seal the payload with."""


class Appender:
    """Appends within one transaction of a Ledger."""

    def __init__(self, book: Book, keys: KeyStore, seq: int, last: str) -> None:
        self._book, self._keys, self._seq, self._last = book, keys, seq, last
        self._entries: list[Row] = []
        self._answers: list[Row] = []

    def append(
        self, kind: str, entry_id: str, header: Mapping[str, Any], payload: Mapping[str, Any], at: int | None = None
    ) -> Receipt:
        """Append one entry and return its receipt (true once the transaction ends).

        Parameters
        ----------
        header
            No personal data. Its ``subject``, a patient's reference, names the key of the payload;
            without one the house's key seals it. Kind, id and suite are added.
        at
            When it happened, UTC microseconds; by default now.
        """
        subject: str | None = header.get("subject")
        head = canonical({**header, "kind": kind, "id": entry_id, "suite": CURRENT.name})
        cipher = self._keys.cipher(subject) if subject else self._keys.house()
        if cipher is None:
            if subject is None or self._keys.patient(subject) is None:
                raise Erased
            cipher = self._keys.house()
        body = CURRENT.seal(cipher, canonical(payload), head)
        seq = self._seq + 1
        digest = CURRENT.link(seq, self._last, head, body)
        at = time.time_ns() // 1000 if at is None else at
        columns = (subject, at, header.get("task"), header.get("outcome"), header.get("department"))
        self._entries.append((seq, kind, entry_id, *columns, head, body, self._last, digest))
        self._seq, self._last = seq, digest
        return Receipt(seq, digest)

    def reference(self, patient_id: str) -> str:
        """Return the random reference that stands for a patient in headers; made at the first entry."""
        found = self._keys.reference(patient_id)
        if found is None:
            buried = self._keys.tombstone(patient_id)
            found = self._keys.stage(patient_id) if buried is None else buried.reference
        return found

    def holds(self, patient_id: str, epoch: int) -> None:
        """Raise Overtaken where the patient's consents changed since that epoch."""
        found = self._book.rows("SELECT epoch FROM epochs WHERE patient_id = ?", (patient_id,))
        if (int(found[0][0]) if found else 0) != epoch:
            raise Overtaken

    def turn(self, patient_id: str) -> None:
        """Begin a patient's next epoch: whatever was judged before it is judged again."""
        self._book.run(_EPOCH, (patient_id,))

    def keep(self, principal: str, key: str, digest: str, body: bytes, at: int, since: int) -> None:
        """Keep an answer under an idempotency key, sealed with a key that passes; forget those from before ``since``.

        Raises
        ------
        Answered
            Another answer was kept under the key in the meantime.
        """
        same = [row for row in self._answers if row[:2] == (principal, key)]
        same += self._book.rows(f"{KEPT} WHERE principal = ? AND key = ? AND at >= ?", (principal, key, since))
        for row in same:
            earlier = opened(self._keys, row)
            if earlier is not None:
                raise Answered(row[2], earlier)
        self._book.run("DELETE FROM answers WHERE at < ?", (since,))
        cipher = self._keys.passing(at // DAY, since)
        self._answers.append((principal, key, digest, CURRENT.seal(cipher, body, _answer_of(principal, key)), at))

    def forget(self, patient_id: str) -> None:
        """Delete kept answers that name a patient, and those that can no longer be opened."""
        name = f'"{patient_id}"'.encode()
        for row in self._book.rows(KEPT):
            body = opened(self._keys, row)
            if body is None or name in body:
                self._book.run("DELETE FROM answers WHERE principal = ? AND key = ?", row[:2])

    def run(self, statement: str, parameters: Row = ()) -> int:
        """Run a statement on the other tables at once; return how many rows it changed."""
        return self._book.run(statement, parameters)

    def many(self, statement: str, rows: list[Row]) -> int:
        """Run a statement for many rows at once; return how many it changed."""
        return self._book.many(statement, rows)

    def rows(self, statement: str, parameters: Row = ()) -> list[Row]:
        """Return rows as the transaction sees them."""
        return self._book.rows(statement, parameters)

    def mark(self) -> tuple[int, int, int, str]:
        """Return where the transaction stands, for `back`."""
        return len(self._entries), len(self._answers), self._seq, self._last

    def back(self, mark: tuple[int, int, int, str]) -> None:
        """Forget what was appended since a mark."""
        entries, answers, self._seq, self._last = mark
        del self._entries[entries:], self._answers[answers:]

    def write(self) -> Receipt | None:
        """Write everything and return the last entry's receipt, or None where nothing was appended."""
        if self._entries:
            self._book.many(_ENTRY, self._entries)
        if self._answers:
            self._book.many(_ANSWER, self._answers)
        return Receipt(self._seq, self._last) if self._entries else None


def opened(keys: KeyStore, row: Row) -> bytes | None:
    """Return the answer that a row of `KEPT` holds, or None where its key has passed."""
    principal, key, _, sealed, at = row
    cipher = keys.cipher(passing(at // DAY))
    return None if cipher is None else CURRENT.open(cipher, bytes(sealed), _answer_of(principal, key))


def _answer_of(principal: str, key: str) -> bytes:
    return f"carepath-answer|{principal}|{key}".encode()


def canonical(record: Mapping[str, Any]) -> bytes:
    """Return a record as JSON bytes with sorted keys; floats in their shortest exact form."""
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
