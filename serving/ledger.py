"""The ledger: every decision, durable, sealed and chained before its answer leaves.

One table that only grows, in SQLite or PostgreSQL. An entry is a header (no personal data) and a
payload under the patient's own key, with the header as associated data. Its hash is
``SHA-256(domain, seq, previous hash, H(header), H(ciphertext))``, so that any edit, insertion,
deletion or exchange breaks the chain and the chain still holds when a key was destroyed. Heads are
signed outside the database (`heads`), and a caller's receipts (seq, hash) say the rest.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson

from features.errors import InputError
from serving.appender import KEPT, Appender, Receipt, opened
from serving.book import Busy, Row, book
from serving.heads import Heads
from serving.keys import KeyUnavailable
from serving.keystore import HOUSE, KeyStore
from serving.settings import serving
from serving.suite import suite

FIRST = "0" * 64
URL = "CAREPATH_LEDGER"
"""Names a PostgreSQL database for the ledger; else it is the SQLite file."""
_MOST = 256
_COLUMNS = "seq, kind, id, header, payload, hash"
Found = TypeVar("Found")
Work = Callable[[Appender], Found]


class Handed(Future[Found]):
    """What work returns, once it is durable."""

    def __init__(self, work: Work[Found]) -> None:
        super().__init__()
        self.work = work


class LedgerUnavailable(Exception):
    """Nothing can be recorded now; so nothing is answered."""


class Sealed(Exception):
    """The key of an entry's payload was destroyed: what it said can no longer be read."""


@dataclass(frozen=True)
class Entry:
    """One entry as it was recorded; its payload is opened when it is asked for."""

    seq: int
    kind: str
    id: str
    header: dict[str, Any]
    receipt: Receipt
    _opened: Callable[[], dict[str, Any]] = field(repr=False)

    @functools.cached_property
    def payload(self) -> dict[str, Any]:
        """What was kept of the person.

        Raises
        ------
        Sealed
            The key was destroyed.
        """
        return self._opened()


class Ledger:
    """An append-only ledger. Several processes may hold it open: one appends at a time, the others wait.

    Parameters
    ----------
    path
        ``ledger.db`` in the state folder; the key store and the signed heads lie beside it.
    patience_s
        How long an append waits for the others.
    url
        A PostgreSQL database in place of the file; by default what CAREPATH_LEDGER names.
    keys
        The key store; by default ``keystore.db`` beside the ledger.

    Raises
    ------
    LedgerUnavailable
        It cannot be opened.
    InputError
        It is an earlier version's.
    """

    def __init__(
        self, path: Path, patience_s: float = 10.0, url: str | None = None, keys: KeyStore | None = None
    ) -> None:
        try:
            self.keys = keys or KeyStore(path.parent / "keystore.db")
        except (KeyUnavailable, OSError) as fault:
            raise LedgerUnavailable(str(fault)) from fault
        self.heads = Heads(path.parent / "heads.ndjson", self.keys.provider, serving().head_seconds)
        url = url or os.environ.get(URL) or None
        self.near = url is None
        try:
            self._book, self._reader = book(path, url, patience_s), book(path, url, patience_s)
        except InputError:
            raise
        except Exception as fault:
            raise LedgerUnavailable(type(fault).__name__) from fault
        self._failures: tuple[type[Exception], ...] = (*self._book.failures, KeyUnavailable)
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Handed[Any] | None] = queue.SimpleQueue()
        self._clerk: threading.Thread | None = None
        self._unsigned: Receipt | None = None

    def close(self) -> None:
        """Finish what was handed in, sign the head, let go of the database."""
        if self._clerk is not None:
            self._queue.put(None)
            self._clerk.join()
            self._clerk = None
        with contextlib.suppress(KeyUnavailable, OSError):
            self._sign(now=True)
        for each in (self._book, self._reader, self.keys):
            each.close()

    @contextlib.contextmanager
    def writing(self, wait: bool = True) -> Iterator[Appender]:
        """Open one transaction; everything appended in it is durable when the block ends, or not at all.

        Parameters
        ----------
        wait
            Whether to wait while another appends.

        Raises
        ------
        Busy
            Another appends, and this one does not wait.
        LedgerUnavailable
            The database is locked, full, or gone; the key file cannot be used.
        """
        if not self._lock.acquire(wait):
            raise Busy
        try:
            try:
                self._book.begin(wait)
                self.keys.provider.check()
                self.keys.refresh()
                last = self._book.rows("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1")
                appender = Appender(self._book, self.keys, *(last[0] if last else (0, FIRST)))
                yield appender
                receipt = appender.write()
                self.keys.flush()
                self._book.commit()
            except self._failures as fault:
                self._undo()
                raise LedgerUnavailable(type(fault).__name__) from fault
            except BaseException:
                self._undo()
                raise
            if receipt is not None:
                self._unsigned = receipt
            with contextlib.suppress(KeyUnavailable, OSError):
                self._sign()
        finally:
            self._lock.release()

    def hand(self, work: Work[Found]) -> Future[Found]:
        """Have work appended by the clerk, who commits all that waits in one transaction.

        Parameters
        ----------
        work
            Called with the transaction's appender, on the clerk's thread. Where it raises, nothing
            that it appended stays, and the work handed in beside it is not touched.

        Returns
        -------
        Future
            What work returned, once it is durable.
        """
        handed = Handed(work)
        self._clerking()
        self._queue.put(handed)
        return handed

    def now(self, handed: list[Handed[Any]]) -> None:
        """Record all that is handed in, in one transaction on this thread; while another appends, the clerk does it."""
        self._clerking()
        try:
            self._record(handed, wait=False)
        except Busy:
            for each in handed:
                self._queue.put(each)

    def _clerking(self) -> None:
        """See to it that there is a clerk, who signs the head even where nothing more is handed in."""
        if self._clerk is None:
            self._clerk = threading.Thread(target=self._serve, name="clerk", daemon=True)
            self._clerk.start()

    def _serve(self) -> None:
        while True:
            try:
                first = self._queue.get(timeout=self.heads.every_s)
            except queue.Empty:
                with self._lock, contextlib.suppress(KeyUnavailable, OSError):
                    self._sign()
                continue
            waiting, ends = [first] if first else [], first is None
            while len(waiting) < _MOST and not ends:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                ends = more is None
                waiting += [more] if more else []
            waiting = [each for each in waiting if each.set_running_or_notify_cancel()]
            if waiting:
                self._record(waiting)
            if ends:
                return

    def _record(self, waiting: list[Handed[Any]], wait: bool = True) -> None:
        done: list[tuple[Handed[Any], Any]] = []
        try:
            with self.writing(wait) as appender:
                for handed in waiting:
                    mark = appender.mark()
                    try:
                        done.append((handed, handed.work(appender)))
                    except self._failures:
                        raise
                    except Exception as fault:
                        appender.back(mark)
                        handed.set_exception(fault)
        except Busy:
            raise
        except BaseException as fault:
            for handed in waiting:
                if not handed.done():
                    handed.set_exception(fault)
            return
        for handed, found in done:
            handed.set_result(found)

    def _undo(self) -> None:
        with contextlib.suppress(Exception):
            self.keys.drop()
        with contextlib.suppress(Exception):
            self._book.rollback()

    def _sign(self, now: bool = False) -> None:
        if self._unsigned is not None and (now or self.heads.due()):
            self.heads.sign(self._unsigned.seq, self._unsigned.hash)
            self._unsigned = None

    def read(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Row]:
        """Return rows of a statement that changes nothing.

        Raises
        ------
        LedgerUnavailable
            The database is gone.
        """
        try:
            return self._reader.rows(statement, parameters)
        except self._reader.failures as fault:
            raise LedgerUnavailable(type(fault).__name__) from fault

    def entry(self, kind: str, entry_id: str) -> Entry | None:
        """Return the entry of that kind and id, or None."""
        found = self.read(f"SELECT {_COLUMNS} FROM entries WHERE id = ? AND kind = ?", (entry_id, kind))
        if not found:
            return None
        entry = self._entry(found[0])
        with contextlib.suppress(Sealed):
            entry.payload  # noqa: B018  # opened now, so that it can be read when the ledger is closed
        return entry

    def entries(self, kind: str) -> Iterator[Entry]:
        """Yield the entries of one kind, oldest first."""
        yield from map(self._entry, self.read(f"SELECT {_COLUMNS} FROM entries WHERE kind = ? ORDER BY seq", (kind,)))

    def latest(self, kind: str, most: int) -> list[Entry]:
        """Return the last entries of one kind, newest first."""
        statement = f"SELECT {_COLUMNS} FROM entries WHERE kind = ? ORDER BY seq DESC LIMIT ?"
        return [self._entry(row) for row in self.read(statement, (kind, most))]

    def where(self, conditions: str, parameters: tuple[Any, ...], most: int) -> list[Entry]:
        """Return the newest entries that meet conditions on the columns of `entries`, newest first."""
        statement = f"SELECT {_COLUMNS} FROM entries WHERE {conditions} ORDER BY seq DESC LIMIT ?"
        return [self._entry(row) for row in self.read(statement, (*parameters, most))]

    def after(self, kind: str, seq: int, most: int) -> list[Entry]:
        """Return the entries of one kind numbered above ``seq``, oldest first."""
        statement = f"SELECT {_COLUMNS} FROM entries WHERE kind = ? AND seq > ? ORDER BY seq LIMIT ?"
        return [self._entry(row) for row in self.read(statement, (kind, seq, most))]

    def patient(self, reference: str) -> str | None:
        """Return the patient whom a reference stands for, or None once nothing ties it to a person."""
        return self.keys.patient(reference)

    def kept(self, principal: str, key: str, since: int) -> tuple[str, bytes] | None:
        """Return (digest of the request, answer) kept under an idempotency key since an instant."""
        found = self.read(f"{KEPT} WHERE principal = ? AND key = ? AND at >= ?", (principal, key, since))
        try:
            body = opened(self.keys, found[0]) if found else None
        except KeyUnavailable as fault:
            raise LedgerUnavailable(str(fault)) from fault
        return None if body is None else (found[0][2], body)

    def epoch(self, patient_id: str) -> int:
        """Return how often a patient's consents changed; what was judged under an older one must be judged again."""
        found = self.read("SELECT epoch FROM epochs WHERE patient_id = ?", (patient_id,))
        return int(found[0][0]) if found else 0

    def head(self) -> Receipt:
        """Return the last entry's receipt; of an empty ledger: number 0."""
        last = self.read("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1")
        return Receipt(*(last[0] if last else (0, FIRST)))

    def _entry(self, row: Row) -> Entry:
        seq, kind, entry_id, header, payload, digest = row
        said = orjson.loads(header)
        return Entry(seq, kind, entry_id, said, Receipt(seq, digest), lambda: self._open(said, header, payload))

    def _open(self, said: Mapping[str, Any], header: bytes, payload: bytes) -> dict[str, Any]:
        try:
            self.keys.refresh()
            cipher = self.keys.cipher(said.get("subject") or HOUSE) or self.keys.cipher(HOUSE)
        except KeyUnavailable as fault:
            raise LedgerUnavailable(str(fault)) from fault
        plain = suite(said["suite"]).open(cipher, bytes(payload), bytes(header)) if cipher else None
        if plain is None:
            raise Sealed
        found: dict[str, Any] = orjson.loads(plain)
        return found
