"""Walking the whole chain: every entry against its hash, every signed head and every receipt against the chain.

Payloads are opened where their keys stand. What cannot be checked is said: without the key file the
chain and the receipts are still walked, the signatures and the payloads are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from features.errors import InputError
from serving.appender import Receipt
from serving.book import Row
from serving.keys import KeyUnavailable
from serving.keystore import HOUSE, KeyStore
from serving.ledger import FIRST, Ledger
from serving.suite import Suite, suite

_STEP = 1000
_NAMED = ("kind", "id", "subject", "task", "outcome", "department")


@dataclass(frozen=True)
class Verdict:
    """What a walk over the chain found.

    Attributes
    ----------
    entries, head
        How many entries there are, and the last one's hash.
    heads
        Sound signed heads that were compared.
    unsigned
        Entries after the last signed head: a loss among these shows only by receipts.
    opened, erased
        Payloads that opened, and those whose key was destroyed.
    unchecked
        What could not be checked, and why.
    """

    entries: int
    head: str
    heads: int
    unsigned: int
    faults: tuple[str, ...]
    opened: int = 0
    erased: int = 0
    unchecked: tuple[str, ...] = ()


def verify(ledger: Ledger, receipts: Iterable[Receipt] = ()) -> Verdict:
    """Walk the chain from its first entry and name everything that does not fit."""
    faults: list[str] = []
    unchecked: list[str] = []
    try:
        said = ledger.heads.read()
    except KeyUnavailable as fault:
        said = []
        unchecked.append(f"signed heads and payloads: {fault}")
    keys = None if unchecked else ledger.keys
    opened = erased = 0
    sound = [head for head in said if head.sound]
    forged = [line for line, head in enumerate(said, 1) if not head.sound]
    faults += [f"signed head in line {line}: the signature is wrong" for line in forged]
    wanted: dict[int, set[tuple[str, str]]] = {}
    for head in sound:
        wanted.setdefault(head.seq, set()).add((head.hash, f"the head signed at {head.at}"))
    for receipt in receipts:
        wanted.setdefault(receipt.seq, set()).add((receipt.hash, "a receipt"))
    signed = {head.seq for head in sound}
    expected, previous, made_by = 1, FIRST, None
    for row in _rows(ledger):
        seq, digest = row[0], row[-1]
        if seq != expected:
            faults.append(f"entry {expected}: missing")
        faults += [f"entry {seq}: {fault}" for fault in _faults(row, previous)]
        found = None if keys is None else _opens(row, keys)
        opened, erased = opened + (found == "opened"), erased + (found == "erased")
        if found == "closed":
            faults.append(f"entry {seq}: its payload does not open with its key")
        name = _suite(row)
        if made_by is not None and name != made_by and seq - 1 not in signed:
            faults.append(f"entry {seq}: the suite changes without a signed head before it")
        for other, by in sorted(wanted.pop(seq, ())):
            if other != digest:
                faults.append(f"entry {seq}: is not what {by} says")
        expected, previous, made_by = seq + 1, digest, name
    for seq, each in sorted(wanted.items()):
        faults += [f"entry {seq}: missing, though {by} names it" for _, by in sorted(each)]
    last = max((head.seq for head in sound), default=0)
    if expected > 1 and not sound and not unchecked:
        faults.append("no signed head stands: a rewrite of the whole could not be seen")
    unsigned = max(0, expected - 1 - last)
    return Verdict(expected - 1, previous, len(sound), unsigned, tuple(faults), opened, erased, tuple(unchecked))


def _rows(ledger: Ledger) -> Iterator[Row]:
    at = -1
    while True:
        some = ledger.read(
            "SELECT seq, kind, id, subject, task, outcome, department, header, payload, previous, hash "
            "FROM entries WHERE seq > ? ORDER BY seq LIMIT ?",
            (at, _STEP),
        )
        ledger.keys.refresh()
        yield from some
        if len(some) < _STEP:
            return
        at = some[-1][0]


def _faults(row: Row, previous: str) -> Iterator[str]:
    seq, *_, header, payload, before, digest = row
    if before != previous:
        yield "does not follow the entry before it"
    try:
        said: dict[str, Any] = orjson.loads(header)
        made: Suite = suite(said["suite"])
    except (ValueError, KeyError, TypeError, InputError):
        yield "its header cannot be read"
        return
    if made.link(seq, before, _bytes(header), _bytes(payload)) != digest:
        yield "was changed"
    if any(row[1 + place] != said.get(name) for place, name in enumerate(_NAMED)):
        yield "is filed under another name than its own"


def _opens(row: Row, keys: KeyStore) -> str:
    """Return whether a payload ``opened``, is ``closed`` though its key stands, or was ``erased`` with its key."""
    *_, header, payload, _, _ = row
    try:
        said = orjson.loads(header)
        made, subject = suite(said["suite"]), said.get("subject")
        own = keys.cipher(subject) if subject else None
        cipher = own or keys.cipher(HOUSE)
    except (ValueError, KeyError, TypeError, AttributeError, InputError, KeyUnavailable):
        return "closed"
    if cipher is not None and made.open(cipher, _bytes(payload), _bytes(header)) is not None:
        return "opened"
    return "erased" if subject and own is None else "closed"


def _suite(row: Row) -> str | None:
    try:
        name: str = orjson.loads(row[7])["suite"]
    except (ValueError, KeyError, TypeError):
        return None
    return name


def _bytes(part: Any) -> bytes:
    return part.encode() if isinstance(part, str) else bytes(part)
