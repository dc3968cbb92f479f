"""A hospital served inside the test's own process, so that its stores and ledger can be looked into."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from starlette.testclient import TestClient

from serving.access import KEYS, ROLES, write_private
from serving.api import application
from serving.clock import Clock
from serving.desk import Desk
from tests.service.conftest import CLOCK, Hospital, build

ASKED: dict[str, Any] = {"patient_id": "ok-1", "tasks": ["churn_90d"], "purpose": "care_followup"}
PURPOSES = ("care_followup", "screening_invitation", "health_education", "self_test")


@dataclass
class Inside:
    """A client, the desk behind it and the hospital's folder."""

    client: TestClient
    desk: Desk
    hospital: Hospital

    def as_(self, who: str) -> dict[str, str]:
        return {"X-API-Key": self.hospital.keys[who]}

    def score(self, who: str = "outreach", **changes: Any) -> dict[str, Any]:
        """Return the first decision of a score."""
        answer = self.client.post("/v1/score", json={**ASKED, **changes}, headers=self.as_(who))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["decisions"][0]
        return found

    def consent(self, patient_id: str, number: int = 0, **changes: Any) -> None:
        """Send a consent event of the small hospital again, changed."""
        body = {
            "consent_id": f"{patient_id}-consents-{number}",
            "patient_id": patient_id,
            "purpose": "care_followup",
            "granted_at": "2024-05-26T08:00:00+08:00",
            "method": "app",
            "evidence_ref": f"{patient_id}-paper-{number}",
            "notice_version": "2025-01",
            "separate": True,
        }
        answer = self.client.post("/v1/consents", json={**body, **changes}, headers=self.as_("outreach"))
        assert answer.status_code == 200, answer.text


@contextlib.contextmanager
def served(hospital: Hospital, clock: str = CLOCK) -> Iterator[Inside]:
    """Serve a hospital's folder in this process."""
    desk = Desk(hospital.home, Clock.at(clock))
    with TestClient(application(desk)) as client:
        yield Inside(client, desk, hospital)


def made(folder: Path) -> Hospital:
    """Build the small hospital with a key for every role of COMPLIANCE's table."""
    hospital = build(folder / "home", folder / "work")
    file = hospital.home / KEYS
    rows = orjson.loads(file.read_bytes())["keys"]
    for name, role, department in (
        ("scientist", "data_scientist", None),
        ("cardiology", "clinician", "cardiology"),
        ("urology", "clinician", "urology"),
        ("admin", "admin", None),
    ):
        row, key = dict(rows[0]), f"{name}-key-for-tests-{'x' * 20}"
        row |= {"sha256": digest_of(key), "name": name, "role": role, "department": department, "demo": False}
        rows.append(row | {"scopes": sorted(ROLES[role]), "purposes": list(PURPOSES)})
        hospital.keys[name] = key
    write_private(file, orjson.dumps({"keys": rows}))
    return hospital


def keyed(hospital: Hospital, name: str, like: str = "outreach", **changes: Any) -> Hospital:
    """Return a hospital in which one more key is like another but for some changes: quotas, hours, scopes."""
    file = hospital.home / KEYS
    rows = orjson.loads(file.read_bytes())["keys"]
    key, base = f"{name}-{'k' * 40}", next(row for row in rows if row["name"] == like)
    rows.append({**base, "name": name, "sha256": digest_of(key), **changes})
    write_private(file, orjson.dumps({"keys": rows}))
    return Hospital(hospital.home, {**hospital.keys, name: key})


def digest_of(key: str) -> str:
    """Return what the keys file keeps of a key."""
    return hashlib.sha256(key.encode()).hexdigest()
