"""The ledger as an auditor takes it away: entries without payloads, heads, the public key, and what checks them."""

from __future__ import annotations

import csv
import hashlib
import uuid
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from features import instants
from features.errors import InputError
from serving.ledger import Ledger

FIELDS = ("seq", "at", "kind", "id", "task", "outcome", "header", "payload_sha256", "previous", "hash")
_STEP = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(ledger: Ledger, out: Path, since: int, until: int, kind: str, identity: str) -> int:
    """Write the entries of a span of time into a new folder; the export is itself an entry.

    Parameters
    ----------
    since, until
        UTC microseconds, both inclusive.
    kind
        jsonl, csv or xlsx.

    Returns
    -------
    int
        How many entries were written.

    Raises
    ------
    InputError
        The folder is there already, or no entry falls into the span.
    """
    if kind not in WRITERS:
        raise InputError(f"no format '{kind}'", where="audit export", given=kind, known=tuple(WRITERS))
    ends = ledger.read("SELECT min(seq), max(seq) FROM entries WHERE at >= ? AND at <= ?", (since, until))[0]
    if ends[0] is None:
        raise InputError("no entry falls into this span", where="audit export", remedy="widen --from and --to")
    try:
        out.mkdir(parents=True)
    except FileExistsError:
        raise InputError("is there already", where=str(out), remedy="name a new folder: --out") from None
    first, last = int(ends[0]), int(ends[1])
    WRITERS[kind](out / f"ledger.{kind}", _rows(ledger, first, last))
    told = {"first": first, "last": last, "from": instants.iso(since), "to": instants.iso(until), "format": kind}
    (out / "export.json").write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
    heads = ledger.heads.file.read_bytes() if ledger.heads.file.is_file() else b""
    mine = [line for line in heads.splitlines() if first <= _seq(line) <= last]
    (out / "heads.ndjson").write_bytes(b"".join(line + b"\n" for line in mine))
    (out / "public_key.txt").write_text(ledger.keys.provider.public().hex() + "\n")
    (out / "verify.py").write_text(files("serving.audit").joinpath("verify.py").read_text(encoding="utf-8"))
    with ledger.writing() as appender:
        header = {"principal": identity, "what": "ledger", **told, "entries": last - first + 1}
        appender.append("export", uuid.uuid4().hex, {**header, "format": kind}, {})
    return last - first + 1


def _rows(ledger: Ledger, first: int, last: int) -> Iterator[dict[str, Any]]:
    at = first - 1
    while at < last:
        some = ledger.read(
            "SELECT seq, at, kind, id, task, outcome, header, payload, previous, hash FROM entries "
            "WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            (at, last, _STEP),
        )
        if not some:
            return
        for seq, when, kind, name, task, outcome, header, payload, previous, digest in some:
            told = (seq, instants.iso(when), kind, name, task, outcome, bytes(header).decode())
            yield dict(zip(FIELDS, (*told, hashlib.sha256(bytes(payload)).hexdigest(), previous, digest), strict=True))
        at = some[-1][0]


def _seq(line: bytes) -> int:
    try:
        return int(orjson.loads(line)["seq"])
    except (ValueError, KeyError, TypeError):
        return -1


def _jsonl(file: Path, rows: Iterator[dict[str, Any]]) -> None:
    with file.open("wb") as out:
        out.writelines(orjson.dumps(row) + b"\n" for row in rows)


def _csv(file: Path, rows: Iterator[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.DictWriter(out, FIELDS)
        writer.writeheader()
        writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)


def _xlsx(file: Path, rows: Iterator[dict[str, Any]]) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("ledger")
    sheet.append(FIELDS)
    for row in rows:
        sheet.append(["" if value is None else harmless(value) for value in row.values()])
    book.save(file)


def harmless(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


WRITERS: dict[str, Callable[[Path, Iterator[dict[str, Any]]], None]] = {"jsonl": _jsonl, "csv": _csv, "xlsx": _xlsx}
