"""FHIR files: Bulk NDJSON and Bundles, plain or gzipped, one resource at a time."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from features.errors import InputError

ENDINGS = (".ndjson", ".jsonl", ".json", ".ndjson.gz", ".jsonl.gz", ".json.gz")


class Record(NamedTuple):
    """One resource and where it stands (a line, or the place in a Bundle, from 1); None: unreadable."""

    resource: dict[str, Any] | None
    file: str
    row: int


def paths(folder: Path) -> tuple[Path, ...]:
    """Return the FHIR files under a folder in a fixed order, or the file itself.

    Raises
    ------
    InputError
        There is no such folder, or no file that could be FHIR in it.
    """
    if folder.is_file():
        return (folder,)
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder))
    found = tuple(sorted(path for path in folder.rglob("*") if path.name.endswith(ENDINGS) and path.is_file()))
    if not found:
        raise InputError(
            "no FHIR file found", where=str(folder), remedy=f"expected files that end in {', '.join(ENDINGS)}"
        )
    return found


def first_kind(path: Path) -> str | None:
    """Return the resourceType of the first record of an NDJSON file, None of any other."""
    if path.name.removesuffix(".gz").endswith(".json"):
        return None
    first = next(records(path, path.name), None)
    return first.resource["resourceType"] if first and first.resource else None


def records(path: Path, name: str) -> Iterator[Record]:
    """Yield the resources of one file, in order.

    Raises
    ------
    InputError
        The file cannot be read to its end.
    """
    bundle = path.name.removesuffix(".gz").endswith(".json")
    try:
        with cast("IO[bytes]", gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as stream:
            yield from _bundle(stream.read(), name) if bundle else _lines(stream, name)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            "the file cannot be read to its end", where=name, remedy="copy it again; nothing was written"
        ) from error


def _lines(stream: Iterable[bytes], name: str) -> Iterator[Record]:
    for row, line in enumerate(stream, 1):
        if line.isspace():
            continue
        read = _resource(line)
        if read is not None and read["resourceType"] == "Bundle":
            yield from (each._replace(row=row) for each in _entries(read, name))
        else:
            yield Record(read, name, row)


def _bundle(text: bytes, name: str) -> Iterator[Record]:
    read = _resource(text)
    if read is None and b"\n" in text.strip() and _resource(text.lstrip().partition(b"\n")[0]) is not None:
        yield from _lines(text.splitlines(), name)
    elif read is None or read["resourceType"] != "Bundle":
        yield Record(read, name, 1)
    else:
        yield from _entries(read, name)


def _entries(bundle: dict[str, Any], name: str) -> Iterator[Record]:
    entries = bundle.get("entry")
    for row, entry in enumerate(entries if isinstance(entries, list) else (), 1):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            yield Record(resource, name, row)
        elif not isinstance(entry, dict) or resource is not None:
            yield Record(None, name, row)


def _resource(text: bytes) -> dict[str, Any] | None:
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return read if isinstance(read, dict) and isinstance(read.get("resourceType"), str) else None
