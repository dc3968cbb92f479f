"""Who may ask for what: principals with roles, scopes and purposes behind hashed keys."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from features.errors import InputError
from serving.settings import serving

KEYS = "keys.json"
ROLES: Mapping[str, frozenset[str]] = {
    "outreach": frozenset(
        {"describe", "score", "recommend", "self_test", "events", "consents", "models"}
        | {"changes", "contents", "profile", "tags", "resolve"}
    ),
    "data_scientist": frozenset({"describe", "models"}),
    "clinician": frozenset({"describe", "score", "explain", "decisions", "review", "models", "profile"}),
    "compliance": frozenset(
        {"describe", "score", "past", "explain", "recommend", "self_test", "consents", "decisions", "review"}
        | {"models", "metrics", "changes", "profile", "tags", "dossier", "erase"}
    ),
    "admin": frozenset({"describe", "models", "metrics"}),
}
_CARE = ("care_followup", "screening_invitation", "health_education", "self_test")


@dataclass(frozen=True)
class Principal:
    """Somebody who was recognised: a name, a role, what the key allows and for which purposes.

    Attributes
    ----------
    patients_10min, patients_day
        Distinct patients that the key may deal with.
    hours
        First hour of the day in which it may be used, and the hour before which that ends.
    """

    name: str
    role: str
    scopes: frozenset[str]
    purposes: frozenset[str]
    department: str | None = None
    demo: bool = False
    patients_10min: int = 0
    patients_day: int = 0
    hours: tuple[int, int] = (0, 24)

    def may(self, scope: str) -> bool:
        """Say whether the role and the key both allow a scope."""
        return scope in self.scopes and scope in ROLES[self.role]


class Keys:
    """The keys file: digests of 256-bit random keys and whom each stands for.

    Raises
    ------
    InputError
        The file is missing, or others than its owner may read it.
    """

    def __init__(self, home: Path) -> None:
        file = home / KEYS
        if not file.is_file():
            raise InputError("there are no keys", where=str(file.name), remedy="start with python -m serving serve")
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise InputError("others can read it", where=str(file.name), remedy=f"chmod 600 {file.name}")
        rows = orjson.loads(file.read_bytes())["keys"]
        self._known: dict[str, tuple[Principal, float]] = {
            row["sha256"]: (_principal(row), row["expires"]) for row in rows
        }

    def principal(self, key: str) -> Principal | None:
        """Return whom a key stands for, or None for an unknown or expired one."""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        found, expires = self._known.get(digest, (None, 0.0))
        return found if expires > time.time() else None

    def named(self, name: str) -> Principal | None:
        """Return the principal of that name while its key is valid, or None."""
        return next((one for one, expires in self._known.values() if one.name == name and expires > time.time()), None)

    @property
    def principals(self) -> tuple[Principal, ...]:
        return tuple(one for one, _ in self._known.values())


def _principal(row: Mapping[str, Any]) -> Principal:
    purposes, scopes = frozenset(row["purposes"]), frozenset(row["scopes"])
    role, rules = row["role"], serving().watch
    return Principal(
        row["name"],
        role,
        scopes,
        purposes,
        row.get("department"),
        bool(row.get("demo")),
        int(row.get("patients_10min", rules.patients_10min[role])),
        int(row.get("patients_day", rules.patients_day[role])),
        tuple(row.get("hours", (0, 24))),
    )


def demo_keys(home: Path) -> dict[str, str]:
    """Mint the two demo keys and keep their digests, in place of earlier demo keys.

    Returns
    -------
    dict
        Name (``outreach``, ``compliance``) to the key itself, which is kept nowhere.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = home / KEYS
    rows = orjson.loads(file.read_bytes())["keys"] if file.is_file() else []
    rows = [row for row in rows if not row.get("demo")]
    minted = {}
    for role in ("outreach", "compliance"):
        minted[role] = secrets.token_urlsafe(32)
        rows.append(
            {
                "sha256": hashlib.sha256(minted[role].encode()).hexdigest(),
                "name": role,
                "role": role,
                "department": None,
                "purposes": list(_CARE),
                "scopes": sorted(ROLES[role]),
                "expires": int(time.time()) + serving().key_days * 86_400,
                "demo": True,
            }
        )
    write_private(file, orjson.dumps({"keys": rows}, option=orjson.OPT_INDENT_2))
    return minted


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)


def check_binding(host: str, keys: Keys) -> None:
    """Refuse demo keys where the service would listen on more than this machine.

    Raises
    ------
    InputError
        A host that is not a loopback address while a demo key is valid.
    """
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise InputError("not an IP address", where="--host", remedy="write 127.0.0.1") from None
    if not loopback and any(principal.demo for principal in keys.principals):
        raise InputError(
            "demo keys stand only on this machine",
            where="--host",
            remedy="bind 127.0.0.1, or remove them from keys.json",
        )
