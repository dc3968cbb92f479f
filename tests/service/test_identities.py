"""A hospital's own ids become surrogates: in order, on record, and nothing of them in a log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from features.identity.keyfile import IdentityKeyFile
from features.identity.person import Person
from features.identity.vault import Vault
from serving.ledger import Ledger
from tests.service.conftest import Running

LI, PHONE = "11010519491231002X", "13800138000"
ROUTE = "/v1/identities/resolve"


@pytest.fixture(scope="module")
def vault(service: Running) -> Iterator[Vault]:
    """Return the map of the served hospital, with two entries of one person and one of another."""
    file = service.hospital.home / "identities.db"
    made = Vault(file, IdentityKeyFile(create=True))
    made.learn(
        [
            Person.of("his", "H-1", "李雷", LI, PHONE),
            Person.of("lis", "L-1", "李雷", LI, None),
            Person.of("emr", "E-9", "韩梅梅", None, PHONE),
        ]
    )
    yield made
    made.close()
    for each in file.parent.glob("identities.db*"):
        each.unlink()


def _ask(client: httpx.Client, *ids: tuple[str, str]) -> list[dict[str, Any]]:
    answer = client.post(ROUTE, json={"ids": [{"system": system, "value": value} for system, value in ids]})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_without_a_map_no_id_stands_for_anybody(outreach: httpx.Client) -> None:
    assert _ask(outreach, ("his", "H-1")) == [{"system": "his", "value": "H-1", "patient_id": None}]


def test_ids_resolve_in_the_order_asked(vault: Vault, outreach: httpx.Client) -> None:
    found = _ask(outreach, ("lis", "L-1"), ("mrn", "H-1"), ("his", "H-1"), ("emr", "E-9"))
    first = vault.resolve("his", "H-1").patient_id
    assert [row["patient_id"] for row in found] == [first, None, first, vault.resolve("emr", "E-9").patient_id]
    assert all("merged_from" not in row for row in found)


def test_a_key_gives_the_stored_answer(vault: Vault, service: Running, outreach: httpx.Client) -> None:
    body, key = {"ids": [{"system": "his", "value": "H-1"}]}, {"Idempotency-Key": "resolve-1"}
    first, again = (outreach.post(ROUTE, json=body, headers=key) for _ in range(2))
    assert (first.status_code, first.content) == (200, again.content)
    other = {"ids": [{"system": "his", "value": "H-2"}]}
    assert outreach.post(ROUTE, json=other, headers=key).status_code == 409
    ledger = Ledger(service.hospital.home / "ledger.db")
    kept = [bytes(content) for (content,) in ledger.read("SELECT body FROM answers WHERE key = 'resolve-1'")]
    ledger.close()
    assert len(kept) == 1 and b"H-1" not in kept[0]


def test_a_merge_is_shown_and_told_in_changes(vault: Vault, outreach: httpx.Client) -> None:
    vault.learn([Person.of("app_user", "A-1", "王芳", None, "13900139000")])
    younger = vault.resolve("app_user", "A-1").patient_id
    vault.learn([Person.of("mrn", "M-1", "王芳", "440524188001010014", None)])
    before = vault.resolve("mrn", "M-1").patient_id
    vault.learn([Person.of("mrn", "M-1", "王芳", "440524188001010014", "13900139000")])
    (row,) = _ask(outreach, ("mrn", "M-1"))
    assert (row["patient_id"], row["merged_from"]) == (younger, before)
    told = [orjson.loads(line) for line in outreach.get("/v1/changes").content.splitlines()]
    merged = [(each["patient_id"], each["merged_from"]) for each in told if each["kind"] == "patient.merged"]
    assert merged.count((younger, before)) == 1
    _ask(outreach, ("mrn", "M-1"))
    assert len(outreach.get("/v1/changes").content.splitlines()) == len(told)


def test_who_asked_is_on_record_and_the_ids_are_not(vault: Vault, service: Running, outreach: httpx.Client) -> None:
    _ask(outreach, ("his", "H-1"), ("his", "H-404"))
    ledger = Ledger(service.hospital.home / "ledger.db")
    (entry,) = ledger.latest("resolve", 1)
    assert (entry.header["principal"], entry.header["asked"], entry.header["found"]) == ("outreach", 2, 1)
    assert entry.payload == {"patients": [vault.resolve("his", "H-1").patient_id]}
    ledger.close()
    held = b"".join(file.read_bytes() for file in service.hospital.home.glob("*.db*"))
    assert not any(word in held for word in (b"H-404", LI.encode(), PHONE.encode(), "李雷".encode()))
    assert not any(word in service.log() for word in ("H-404", "H-1", LI, PHONE))


@pytest.mark.parametrize(
    "body",
    [
        {"ids": []},
        {"ids": [{"system": "his", "value": str(number)} for number in range(1001)]},
        {"ids": [{"system": "hiss", "value": "H-1"}]},
        {"ids": [{"system": "his", "value": ""}]},
        {"ids": [{"system": "his", "value": 7}]},
        {"ids": [{"system": "his", "value": "H-1", "name": "李雷"}]},
        {},
    ],
)
def test_what_does_not_fit_is_422_and_not_repeated(outreach: httpx.Client, body: dict[str, Any]) -> None:
    answer = outreach.post(ROUTE, json=body)
    assert answer.status_code == 422
    assert "H-1" not in answer.text and "李雷" not in answer.text and "hiss" not in answer.text


def test_a_thousand_ids_are_answered(vault: Vault, outreach: httpx.Client) -> None:
    found = _ask(outreach, *(("his", f"H-{number}") for number in range(1000)))
    assert len(found) == 1000
    assert sum(row["patient_id"] is not None for row in found) == 1


def test_only_who_holds_the_scope_resolves(compliance: httpx.Client) -> None:
    assert compliance.post(ROUTE, json={"ids": [{"system": "his", "value": "H-1"}]}).status_code == 403


def test_a_key_that_others_can_read_is_503(vault: Vault, service: Running) -> None:
    from serving.identities import Identities
    from serving.problem import Problem

    key = IdentityKeyFile().file
    key.chmod(0o644)
    try:
        with pytest.raises(Problem) as told:
            Identities(service.hospital.home).resolve("his", "H-1")
    finally:
        key.chmod(0o600)
    assert (told.value.status, told.value.code) == (503, "identities_unavailable")
