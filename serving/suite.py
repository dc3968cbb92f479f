"""The cryptography of the ledger, by name: every entry, wrapped key and signed head says which suite made it."""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from features.errors import InputError

NONCE = 12


class Suite:
    """AES-256-GCM for payloads and wrapped keys, SHA-256 for the chain, Ed25519 for heads.

    Another suite is a class with the same methods and another name, listed in `SUITES`.
    """

    name = "aes256gcm-sha256-ed25519"
    domain = b"carepath-ledger-2"

    def new_key(self) -> bytes:
        """Return a fresh 256-bit key."""
        return AESGCM.generate_key(256)

    def cipher(self, key: bytes) -> AESGCM:
        """Return a key made ready for `seal` and `open`."""
        return AESGCM(key)

    def seal(self, cipher: AESGCM, plain: bytes, associated: bytes) -> bytes:
        """Return nonce and ciphertext with its tag."""
        nonce = os.urandom(NONCE)
        return nonce + cipher.encrypt(nonce, plain, associated)

    def open(self, cipher: AESGCM, sealed: bytes, associated: bytes) -> bytes | None:
        """Return what was sealed, or None where key, ciphertext and associated data do not belong together."""
        try:
            return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], associated)
        except (InvalidTag, ValueError):
            return None

    def link(self, seq: int, previous: str, header: bytes, sealed: bytes) -> str:
        """Return an entry's hash: SHA-256(domain, seq, previous, H(header), H(ciphertext)), in hexadecimal."""
        parts = (self.domain, b"%d" % seq, previous.encode(), _digest(header), _digest(sealed))
        return hashlib.sha256(b"\n".join(parts)).hexdigest()

    def sign(self, private: bytes, message: bytes) -> bytes:
        """Return the signature of a message under a raw private key."""
        return Ed25519PrivateKey.from_private_bytes(private).sign(message)

    def public(self, private: bytes) -> bytes:
        """Return the raw public key of a raw private key."""
        return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()

    def signed(self, public: bytes, signature: bytes, message: bytes) -> bool:
        """Say whether the signature is that key's of that message."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


SUITES: tuple[Suite, ...] = (Suite(),)
CURRENT = SUITES[-1]


def suite(name: str) -> Suite:
    """Return the suite of that name.

    Raises
    ------
    InputError
        There is none.
    """
    for each in SUITES:
        if each.name == name:
            return each
    raise InputError("no such suite", where="ledger", given=name, known=[each.name for each in SUITES])


def _digest(part: bytes) -> bytes:
    return hashlib.sha256(part).hexdigest().encode()
