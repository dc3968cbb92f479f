"""Receipts as callers kept them: a file of answers, or of ``{seq, hash}``, as JSON, NDJSON or CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from features.errors import InputError
from serving.appender import Receipt


def read(file: Path) -> list[Receipt]:
    """Return every receipt in a file, wherever in an answer it stands.

    Raises
    ------
    InputError
        The file cannot be read, or holds none.
    """
    try:
        found = list(_read(file.read_bytes()))
    except (OSError, ValueError, KeyError):
        found = []
    if not found:
        remedy = "give answers or {seq, hash} as JSON or NDJSON, or a CSV with the columns seq and hash"
        raise InputError("no receipts in it", where=file.name, remedy=remedy)
    return found


def _read(raw: bytes) -> Iterator[Receipt]:
    try:
        yield from _within(orjson.loads(raw))
        return
    except ValueError:
        lines = [line for line in raw.splitlines() if line.strip()]
    if lines and lines[0].lstrip().startswith((b"{", b"[")):
        for line in lines:
            yield from _within(orjson.loads(line))
        return
    for row in csv.DictReader(raw.decode("utf-8-sig").splitlines()):
        yield Receipt(int(row["seq"]), row["hash"])


def _within(told: Any) -> Iterator[Receipt]:
    if isinstance(told, dict):
        if isinstance(told.get("seq"), int) and isinstance(told.get("hash"), str):
            yield Receipt(told["seq"], told["hash"])
        for each in told.values():
            yield from _within(each)
    elif isinstance(told, list):
        for each in told:
            yield from _within(each)
