"""A reviewer's sign-in: the key is exchanged for a signed cookie that scripts cannot read.

The cookie carries a name, an expiry and a nonce under HMAC-SHA256; the key itself is not in it. A
form of a page carries a token bound to the cookie, so that no other site can post it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from pathlib import Path

from serving.access import write_private

COOKIE = "carepath_session"


class Sessions:
    """Issues and reads session cookies; the signing secret lives in ``home`` for its owner only."""

    def __init__(self, home: Path, minutes: int) -> None:
        file = home / "session.secret"
        if not file.is_file():
            write_private(file, secrets.token_bytes(32))
        self._secret, self.seconds = file.read_bytes(), minutes * 60

    def issue(self, name: str) -> str:
        """Return a cookie value for a principal's name."""
        claim = f"{name}|{int(time.time()) + self.seconds}|{secrets.token_hex(8)}"
        encoded = base64.urlsafe_b64encode(claim.encode()).decode()
        return f"{encoded}.{self._sign('session', encoded)}"

    def name(self, cookie: str) -> str | None:
        """Return the name a cookie was issued for; None where it is forged or expired."""
        encoded, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", encoded).encode()):
            return None
        name, expires, _nonce = base64.urlsafe_b64decode(encoded).decode().rsplit("|", 2)
        return name if int(expires) > time.time() else None

    def form_token(self, cookie: str) -> str:
        """Return the token that a form must carry back together with the cookie."""
        return self._sign("form", cookie)

    def holds(self, cookie: str, token: str) -> bool:
        """Say whether a posted token belongs to the cookie."""
        return hmac.compare_digest(token.encode(), self.form_token(cookie).encode())

    def _sign(self, use: str, text: str) -> str:
        return hmac.new(self._secret, f"{use}|{text}".encode(), hashlib.sha256).hexdigest()
