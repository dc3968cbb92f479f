"""An author's signature under a proposal: Ed25519 over canonical JSON.

The private key is ``CAREPATH_HOME/authors/NAME.key`` (mode 0600, made at the first proposal), the
public one ``NAME.pub`` beside it, which the one who approves may hold against the signature.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.errors import InputError

SUITE = "ed25519"
SIGNATURE = "signature"


def home() -> Path:
    """Return the state folder: CAREPATH_HOME, else ``var``."""
    return Path(os.environ.get("CAREPATH_HOME") or "var")


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return what is signed: every field but the signature, keys sorted, no spaces, UTF-8."""
    told = {name: value for name, value in document.items() if name != SIGNATURE}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(document: Mapping[str, Any], author: str) -> dict[str, str]:
    """Return the signature field of a document, by the author's key.

    Raises
    ------
    InputError
        The key file may be read by others, or is none.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(_private(author))
    public = private.public_key().public_bytes_raw()
    return {
        "suite": SUITE,
        "key": base64.b64encode(public).decode(),
        "value": base64.b64encode(private.sign(canonical(document))).decode(),
    }


def verify(document: Mapping[str, Any]) -> bytes:
    """Return the raw public key that a document is signed with.

    Raises
    ------
    InputError
        There is no signature, or it is not of this document.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    remedy = "propose it again: python -m training propose TASK VERSION"
    try:
        told = document[SIGNATURE]
        if told["suite"] != SUITE:
            raise InputError(f"unknown suite '{told['suite']}'", where=SIGNATURE, known=(SUITE,))
        public = base64.b64decode(told["key"], validate=True)
        value = base64.b64decode(told["value"], validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(value, canonical(document))
    except (KeyError, TypeError, ValueError):
        raise InputError("the proposal is not signed", where=SIGNATURE, remedy=remedy) from None
    except InvalidSignature:
        raise InputError("the proposal was changed after it was signed", where=SIGNATURE, remedy=remedy) from None
    return public


def public_key(author: str) -> bytes | None:
    """Return the raw public key that an author has on this machine, or None."""
    file = _file(author).with_suffix(".pub")
    return bytes.fromhex(file.read_text().strip()) if file.is_file() else None


def _file(author: str) -> Path:
    if re.fullmatch(r"\w[\w.@ -]{0,63}", author):
        return home() / "authors" / f"{author}.key"
    short = hashlib.sha256(author.encode()).hexdigest()[:16]
    return home() / "authors" / f"{short}.key"


def _private(author: str) -> bytes:
    """Return an author's raw private key, made where there is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    file = _file(author)
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(made.private_bytes_raw().hex())
        file.with_suffix(".pub").write_text(made.public_key().public_bytes_raw().hex())
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise InputError("the key may be read by others", where=f"authors/{file.name}", remedy="chmod 600 it")
    try:
        return bytes.fromhex(file.read_text().strip())
    except ValueError:
        raise InputError("is no key", where=f"authors/{file.name}", remedy="remove it; a new one is made") from None
