"""Check an exported ledger without CarePath: python verify.py FOLDER

Standard library only; where the package ``cryptography`` is installed the signatures of the heads are
checked as well. FOLDER holds ledger.jsonl, ledger.csv or ledger.xlsx, and heads.ndjson and
public_key.txt. Exit status 0: unbroken. 1: something was changed, left out, added or exchanged.

Every entry says hash = SHA-256(domain \\n seq \\n previous \\n H(header) \\n H(ciphertext)), H being SHA-256
in hexadecimal and header the exact text of that column. Payloads are not in an export: their digest is.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOMAIN, HEAD_DOMAIN = b"carepath-ledger-2", b"carepath-head-1\n"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def rows(folder: Path) -> Iterator[tuple[int, str, str, str, str]]:
    """Yield (seq, header, payload digest, previous, hash) of every entry."""
    for name, read in (("ledger.jsonl", jsonl), ("ledger.csv", table), ("ledger.xlsx", sheet)):
        if (folder / name).is_file():
            for row in read(folder / name):
                yield int(row["seq"]), row["header"], row["payload_sha256"], row["previous"], row["hash"]
            return
    sys.exit(f"{folder}: no ledger.jsonl, ledger.csv or ledger.xlsx")


def jsonl(file: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a file of JSON lines."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def table(file: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV."""
    csv.field_size_limit(2**24)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines)


def sheet(file: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of the first sheet of an .xlsx."""
    with zipfile.ZipFile(file) as whole:
        shared: list[str] = []
        if "xl/sharedStrings.xml" in whole.namelist():
            root = ElementTree.fromstring(whole.read("xl/sharedStrings.xml"))
            shared = ["".join(text.text or "" for text in item.iter(f"{SHEET}t")) for item in root]
        names: list[str] | None = None
        for _, element in ElementTree.iterparse(whole.open("xl/worksheets/sheet1.xml")):
            if element.tag != f"{SHEET}row":
                continue
            cells = []
            for cell in element:
                value = "".join(text.text or "" for text in cell.iter() if text.tag in (f"{SHEET}v", f"{SHEET}t"))
                cells.append(shared[int(value)] if cell.get("t") == "s" else value)
            if names is None:
                names = cells
            else:
                yield dict(zip(names, cells))
            element.clear()


def digest(text: str) -> bytes:
    """Return SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest().encode()


def link(seq: int, header: str, payload: str, previous: str) -> str:
    """Return the hash that an entry must have."""
    parts = (DOMAIN, str(seq).encode(), previous.encode(), digest(header), payload.encode())
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def heads(folder: Path) -> Iterator[tuple[int, int, str, bool | None]]:
    """Yield (line, seq, hash, signature is right, wrong or None where it was not checked)."""
    file = folder / "heads.ndjson"
    if not file.is_file():
        return
    key = public_key(folder)
    for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            told = json.loads(text)
            signature = bytes.fromhex(told.pop("signature"))
            seq, hashed = int(told["seq"]), str(told["hash"])
        except (ValueError, KeyError, TypeError, AttributeError):
            yield line, 0, "", False
            continue
        right: bool | None = None
        if key is not None:
            message = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            try:
                key.verify(signature, HEAD_DOMAIN + message)
                right = True
            except Exception:
                right = False
        yield line, seq, hashed, right


def public_key(folder: Path) -> Any:
    """Return what checks signatures, or None where it is not at hand."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return None
    file = folder / "public_key.txt"
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(file.read_text().strip())) if file.is_file() else None


def check(folder: Path) -> tuple[list[str], int, int, int]:
    """Return (faults, entries, heads, heads whose signature was checked)."""
    faults: list[str] = []
    wanted: dict[int, str] = {}
    number = checked = 0
    for line, seq, hashed, right in heads(folder):
        number, checked = number + 1, checked + (right is not None)
        if right is False:
            faults.append(f"head in line {line}: the signature is wrong")
        else:
            wanted[seq] = hashed
    first: int | None = None
    last: int | None = None
    before: str | None = None
    entries = 0
    for seq, header, payload, previous, hashed in rows(folder):
        entries += 1
        first = seq if first is None else first
        if last is not None and seq != last + 1:
            faults.append(f"entry {last + 1}: missing")
        if before is not None and previous != before:
            faults.append(f"entry {seq}: does not follow the entry before it")
        if link(seq, header, payload, previous) != hashed:
            faults.append(f"entry {seq}: was changed")
        if seq in wanted and wanted.pop(seq) != hashed:
            faults.append(f"entry {seq}: is not what a signed head says")
        before, last = hashed, seq
    end = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    if (first, last) != (end["first"], end["last"]):
        faults.append(f"entries {end['first']} to {end['last']} were exported, {first} to {last} are here")
    return faults, entries, number, checked


def main() -> int:
    """Check the folder named on the command line."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    faults, entries, number, checked = check(folder)
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    found = "broken" if faults else "unbroken"
    sys.stdout.write(f"{entries} entries, {number} heads ({checked} signatures checked): {found}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
