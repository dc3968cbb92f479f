"""One digest for a folder: every file's SHA-256 in manifest.json, checked before any of them is parsed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from features.errors import InputError

NAME = "manifest.json"
PACKED = ".npz"
_AGAIN = "fetch the artefact again, or approve another version"


def write(folder: Path, files: Mapping[str, str | bytes]) -> str:
    """Write texts, and arrays packed as .npz, into a new or empty folder; return the digest of their manifest.

    Raises
    ------
    InputError
        The folder already holds something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError("the folder is not empty", where=folder.name, remedy="give a new one")
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}
    manifest = (json.dumps({"sha256": sums}, indent=2) + "\n").encode()
    for name, content in {**contents, NAME: manifest}.items():
        (folder / name).write_bytes(content)
    return hashlib.sha256(manifest).hexdigest()


def digest_of(folder: Path) -> str:
    """Return the digest of a folder that agrees with its own manifest.

    Raises
    ------
    InputError
        A file is missing, changed or too many.
    """
    found = hashlib.sha256(_bytes(folder, NAME)).hexdigest()
    read(folder, found)
    return found


def read(folder: Path, digest: str) -> dict[str, str]:
    """Return file -> text, all of it exactly what the digest was taken of; packed arrays are left to `arrays`.

    Raises
    ------
    InputError
        As `contents`.
    """
    return {name: held.decode() for name, held in contents(folder, digest).items() if not name.endswith(PACKED)}


def arrays(folder: Path, digest: str) -> dict[str, bytes]:
    """Return the files of packed arrays -> their bytes, checked as `contents` does.

    Raises
    ------
    InputError
        As `contents`.
    """
    return {name: held for name, held in contents(folder, digest).items() if name.endswith(PACKED)}


def contents(folder: Path, digest: str) -> dict[str, bytes]:
    """Return file -> bytes, all of it exactly what the digest was taken of.

    Raises
    ------
    InputError
        The manifest has another digest; a file is missing, changed or too many. The file is named.
    """
    manifest = _bytes(folder, NAME)
    if hashlib.sha256(manifest).hexdigest() != digest:
        raise InputError("its SHA-256 is not the digest asked for", where=NAME, remedy=_AGAIN)
    sums = json.loads(manifest)["sha256"]
    for extra in sorted({path.name for path in folder.iterdir()} - {NAME, *sums}):
        raise InputError("the manifest does not list this file", where=extra, remedy=_AGAIN)
    found = {}
    for name, wanted in sums.items():
        content = _bytes(folder, name)
        if hashlib.sha256(content).hexdigest() != wanted:
            raise InputError("its SHA-256 is not the manifest's", where=name, remedy=_AGAIN)
        found[name] = content
    return found


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError:
        raise InputError("cannot be read", where=name, remedy=_AGAIN) from None
