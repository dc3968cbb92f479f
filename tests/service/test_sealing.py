"""Sealing and erasure: no score, no read, no key in any file, a chain that verifies, and no way back by a back-up."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from features import instants
from features.identity.keyfile import IdentityKeyFile
from features.identity.person import Person
from features.identity.vault import Vault
from features.instants import DAY
from serving.__main__ import app
from serving.keystore import KeyStore
from serving.ledger import Ledger, Sealed
from serving.sealing import erase, restore
from serving.settings import serving
from serving.stores import event_store
from serving.verify import verify
from tests.service.conftest import CLOCK, NOW, Hospital
from tests.service.databases import Database
from tests.service.inside import Inside, made, served

RULES = serving().retention
NONE = RULES.model_copy(update={"decisions_days": 0})
BY = {"principal": "compliance", "role": "compliance", "reason": "asked in writing"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(database: Database, tmp_path_factory: pytest.TempPathFactory) -> tuple[Hospital, str | None]:
    """A hospital and the database that it lies in, if one does: each test works on a copy of both."""
    return made(tmp_path_factory.mktemp("sealing")), database.name


@pytest.fixture
def copied(built: tuple[Hospital, str | None], database: Database, tmp_path: Path) -> Hospital:
    hospital, name = built
    database.fresh(like=name)
    shutil.copytree(hospital.home, tmp_path / "home")
    return Hospital(tmp_path / "home", hospital.keys)


@pytest.fixture
def inside(copied: Hospital) -> Iterator[Inside]:
    with served(copied) as found:
        yield found


def _get(inside: Inside, path: str, who: str = "compliance", **headers: str) -> Any:
    return inside.client.get(path, headers=inside.as_(who) | headers)


def _delete(inside: Inside, patient_id: str, who: str = "compliance") -> Any:
    return inside.client.delete(f"/v1/patients/{patient_id}", headers=inside.as_(who))


def _files(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        yield from ((file, file.read_bytes()) for file in folder.rglob("*") if file.is_file())


def _key(ledger: Ledger, patient_id: str) -> tuple[bytes, bytes]:
    """Return a patient's data key and as it is wrapped."""
    row = ledger.keys._db.execute(
        "SELECT reference, kek, wrapped, suite FROM keys WHERE patient_id = ?", (patient_id,)
    ).fetchone()
    context = f"carepath-key|{row[3]}|{row[0]}".encode()
    return ledger.keys.provider.unwrap(row[1], row[2], context), row[2]


def test_a_sealed_patient_has_no_score_and_no_reader(inside: Inside) -> None:
    decision = inside.score()
    answer = _delete(inside, "ok-1")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["retention"], told["key_destroyed_at"]) == (["decisions"], None)
    assert instants.parse(told["key_stands_until"]) == NOW + RULES.decisions_days * DAY
    assert told["purged"]["event segments"] > 0
    assert told["backups_expire_days"] == RULES.key_backup_days
    assert {each["task"] for each in told["models"]} >= {"churn_90d", "diabetes_12m"}
    again = inside.score()
    assert (again["probability"], again["refused"]["code"], again["receipt"]["seq"] > 0) == (None, "sealed", True)
    batch = {"patient_ids": ["ok-1", "ok-2"], "tasks": ["churn_90d"], "purpose": "care_followup"}
    lines = inside.client.post("/v1/score/batch", json=batch, headers=inside.as_("outreach")).json()["results"]
    assert [line["decisions"][0].get("refused", {}).get("code") for line in lines] == ["sealed", None]
    for personalised in (True, False):
        asked = {"patient_id": "ok-1", "k": 3, "channel": "app", "purpose": "health_education"}
        body = {**asked, "personalised": personalised}
        told = inside.client.post("/v1/recommend", json=body, headers=inside.as_("outreach")).json()
        assert (told["refused"]["code"], told["items"]) == ("sealed", [])
    path = f"/v1/decisions/{decision['decision_id']}"
    assert _get(inside, path).json()["error"]["code"] == "reason_required"
    assert _get(inside, path, "cardiology").status_code == 403
    read = _get(inside, path, **{"X-Access-Reason": "complaint 7"})
    assert (read.status_code, read.json()["patient_id"]) == (200, "ok-1")
    assert inside.desk.ledger.latest("read", 1)[0].header["reason"] == "complaint 7"
    listed = _get(inside, "/v1/decisions?patient_id=ok-1").json()["decisions"]
    assert {row["patient_id"] for row in listed} == {None}
    assert _get(inside, f"/review/decisions/{decision['decision_id']}").status_code == 403
    page = _get(inside, f"/review/decisions/{decision['decision_id']}", **{"X-Access-Reason": "complaint 8"})
    assert (page.status_code, inside.desk.ledger.latest("read", 1)[0].header["reason"]) == (200, "complaint 8")
    assert _get(inside, "/v1/patients/ok-1/dossier").json()["error"]["code"] == "reason_required"


def test_what_was_decided_is_made_again_from_its_record_while_the_key_stands(inside: Inside) -> None:
    """The events are gone; margin, contributions and wording still follow from the vector that was recorded."""
    scored = inside.score(tasks=["diabetes_12m"])
    refused = inside.score(patient_id="ok-1", tasks=["copd_12m"])
    _delete(inside, "ok-1")
    headers = inside.as_("compliance") | {"X-Access-Reason": "complaint 7"}

    def told(decision: dict[str, Any]) -> Any:
        return inside.client.post(f"/v1/decisions/{decision['decision_id']}/replay", headers=headers).json()

    again = told(scored)
    assert (again["verdict"], again["differs"]) == ("equal", [])
    assert again["why"] == "the vector was taken from the record: the patient's events were erased"
    assert (told(refused)["verdict"], told(refused)["why"]) == (
        "impossible",
        "what was known of the patient is not kept",
    )


def test_nothing_comes_back_by_events_or_consents(inside: Inside) -> None:
    _delete(inside, "ok-1")
    event = {"table": "encounters", "patient_id": "ok-1", "time": CLOCK, "kind": "outpatient", "event_id": "planted-9"}
    answer = inside.client.post("/v1/events", json={"events": [event]}, headers=inside.as_("outreach")).json()
    assert answer["results"][0] == {
        "event_id": None,
        "version": None,
        "result": "quarantined",
        "code": "sealed",
        "field": "patient_id",
    }
    consent = {"consent_id": "c", "patient_id": "ok-1", "purpose": "care_followup", "granted_at": CLOCK}
    paper = {"method": "app", "evidence_ref": "x", "notice_version": "2025-01", "separate": True}
    told = inside.client.post("/v1/consents", json=consent | paper, headers=inside.as_("outreach"))
    assert told.status_code == 404
    for file, content in _files(inside.hospital.home):
        assert b"planted-9" not in content, file


def test_a_sealing_is_told_to_callers_and_recorded(inside: Inside) -> None:
    _delete(inside, "ok-1")
    lines = _get(inside, "/v1/changes", "outreach").text.splitlines()
    assert '"patient.sealed"' in lines[-1]
    assert '"ok-1"' in lines[-1]
    entry = inside.desk.ledger.latest("erasure", 1)[0]
    assert (entry.header["principal"], entry.header["classes"]) == ("compliance", [])
    assert "ok-1" not in str(entry.header)
    assert verify(inside.desk.ledger).faults == ()


@pytest.mark.parametrize("who", ["outreach", "scientist", "cardiology", "admin"])
def test_only_compliance_may_erase(inside: Inside, who: str) -> None:
    assert _delete(inside, "ok-1", who).status_code == 403
    assert _delete(inside, "nobody").status_code == 404


def test_a_destroyed_key_is_in_no_file_and_the_chain_still_verifies(inside: Inside, database: Database) -> None:
    """Of the state folder, of the key files, nor of the server that holds events and ledger."""
    decision = inside.score()
    inside.client.post(
        "/v1/score",
        json={"patient_id": "ok-1", "tasks": ["churn_90d"], "purpose": "care_followup"},
        headers=inside.as_("outreach") | {"Idempotency-Key": "once"},
    )
    home, ledger = inside.hospital.home, inside.desk.ledger
    key, wrapped = _key(ledger, "ok-1")
    assert any(wrapped in content for _, content in _files(home))
    store = event_store(home)
    told = erase(home, ledger, store, NONE, "ok-1", BY, NOW)
    store.close()
    assert (told.tombstone.destroyed_at, told.tombstone.classes) == (NOW, ())
    ledger.read("SELECT 1")
    servers = (database.folder,) if database.postgres else ()
    for file, content in _files(home, Path(os.environ["CAREPATH_KEYS"]), *servers):
        assert wrapped not in content, file
        assert key not in content, file
        assert key.hex().encode() not in content, file
    for file, content in _files(home):
        if file.name.startswith(("events.db", "charts.db")):
            assert b"ok-1" not in content, file
    entry = ledger.entry("decision", decision["decision_id"])
    assert entry is not None
    with pytest.raises(Sealed):
        _ = entry.payload
    assert ledger.patient(entry.header["subject"]) is None
    assert verify(ledger).faults == ()
    gone = _get(inside, f"/v1/decisions/{decision['decision_id']}", **{"X-Access-Reason": "complaint"})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "erased")
    assert inside.score()["refused"]["code"] == "sealed"
    assert ledger.read("SELECT count(*) FROM answers WHERE key = 'once'")[0][0] == 0


def test_the_key_goes_when_the_last_class_ends(inside: Inside) -> None:
    inside.score()
    home, ledger = inside.hospital.home, inside.desk.ledger
    store = event_store(home)
    filed = RULES.model_copy(update={"filed_outpatient": True})
    told = erase(home, ledger, store, filed, "ok-1", BY, NOW).tombstone
    assert told.classes == ("decisions", "outpatient_record")
    assert told.until == NOW - 20 * DAY + RULES.outpatient_days * DAY
    assert restore(home, ledger, store, told.until - 1) == 0
    assert ledger.keys.reference("ok-1") is not None
    assert restore(home, ledger, store, told.until) == 1
    assert ledger.keys.reference("ok-1") is None
    assert ledger.latest("key", 1)[0].header["event"] == "destroyed"
    store.close()


@pytest.mark.parametrize("name", ["events", "keystore.db"])
def test_an_old_back_up_brings_nobody_back(copied: Hospital, database: Database, tmp_path: Path, name: str) -> None:
    """Of the key store; of the events, which on a server are put back with the ledger that lies beside them."""
    home = copied.home
    with served(copied) as before:
        before.score()
        before.desk.ledger.keys._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    whole = database.name
    older = database.fresh(like=whole) if name == "events" else None
    file = home / ("events.db" if name == "events" else name)
    if older is None:
        shutil.copy(file, tmp_path / name)
    database.use(whole)
    ledger, store = Ledger(home / "ledger.db"), event_store(home)
    erase(home, ledger, store, NONE, "ok-1", BY, NOW)
    store.close()
    ledger.close()
    if older is None:
        for each in home.glob(f"{file.name}*"):
            each.unlink()
        shutil.copy(tmp_path / name, file)
    else:
        database.use(older)
    with served(copied) as again:
        assert again.score()["refused"]["code"] == "sealed"
        assert not again.desk.store.has("ok-1")
        assert again.desk.ledger.keys.reference("ok-1") is None
        assert again.score(patient_id="ok-2")["probability"] is not None


def test_rows_of_files_in_the_state_folder_go_too(inside: Inside) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    home = inside.hospital.home
    (home / "jobs").mkdir(exist_ok=True)
    pq.write_table(pa.table({"patient_id": ["ok-1", "ok-2"], "y": [1, 0]}), home / "jobs" / "scores.parquet")
    (home / "jobs" / "scores.ndjson").write_text('{"patient_id": "ok-1"}\n{"patient_id": "ok-11"}\n')
    (home / "jobs" / "scores.csv").write_text("patient_id,y\nok-1,1\nok-11,0\n")
    assert _delete(inside, "ok-1").json()["purged"]["file rows"] == 3
    assert pq.read_table(home / "jobs" / "scores.parquet").to_pylist() == [{"patient_id": "ok-2", "y": 0}]
    assert (home / "jobs" / "scores.ndjson").read_text() == '{"patient_id": "ok-11"}\n'
    assert (home / "jobs" / "scores.csv").read_text() == "patient_id,y\nok-11,0\n"


def test_a_hospitals_own_ids_of_an_erased_patient_are_forgotten(inside: Inside) -> None:
    home, file = inside.hospital.home, inside.hospital.home / "identities.db"
    vault = Vault(file, IdentityKeyFile(create=True))
    vault.learn([Person.of("his", "H-1", "李雷", None, None), Person.of("his", "H-2", "韩梅梅", None, None)])
    mine, other = (vault.resolve("his", value).patient_id for value in ("H-1", "H-2"))
    vault.close()
    backup = file.read_bytes()
    event = {"table": "interactions", "patient_id": mine, "time": "2025-06-29T08:00:00+08:00", "action": "view"}
    inside.client.post("/v1/events", json={"events": [event]}, headers=inside.as_("outreach"))
    assert _delete(inside, str(mine)).json()["purged"]["own ids"] == 1
    asked = {"ids": [{"system": "his", "value": value} for value in ("H-1", "H-2")]}
    found = inside.client.post("/v1/identities/resolve", json=asked, headers=inside.as_("outreach")).json()
    assert [each["patient_id"] for each in found] == [None, other]
    file.write_bytes(backup)
    told = CliRunner().invoke(app, ["retention", "--home", str(home), "--clock", CLOCK])
    assert "1 own ids of erased patients went" in told.output
    again = Vault(file, IdentityKeyFile())
    assert (again.resolve("his", "H-1").patient_id, again.resolve("his", "H-2").patient_id) == (None, other)
    again.close()


def test_the_dossier_holds_everything_and_says_the_rights(inside: Inside) -> None:
    decision = inside.score()
    told = _get(inside, "/v1/patients/ok-1/dossier")
    assert told.status_code == 200
    found = told.json()
    assert {each["table"] for each in found["held"]} >= {"patients", "encounters", "consents"}
    assert len(found["data"]["encounters"]) == 7
    assert [each["decision_id"] for each in found["decisions"]] == [decision["decision_id"]]
    assert found["decisions"][0]["reasons"]
    assert {each["purpose"]: each["stands"] for each in found["consents"]}["care_followup"] is True
    assert {each["code"] for each in found["rights"]} >= {
        "access",
        "correct",
        "delete",
        "explain",
        "object",
        "withdraw",
    }
    assert _get(inside, "/v1/patients/ok-1/dossier", "outreach").status_code == 403
    assert _get(inside, "/v1/patients/nobody/dossier").status_code == 404


def test_rotation_wraps_again_and_forgets_the_old_key(apart: Database, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.writing() as appender:
        appender.append("decision", "d1", {"subject": appender.reference("p1")}, {"margin": 1.5})
    key, wrapped = _key(ledger, "p1")
    sealed = ledger.read("SELECT payload FROM entries WHERE id = 'd1'")
    name, number = ledger.keys.rewrap()
    assert number == 1
    entry = ledger.entry("decision", "d1")
    assert (_key(ledger, "p1")[0], entry.payload if entry else None) == (key, {"margin": 1.5})
    assert ledger.read("SELECT payload FROM entries WHERE id = 'd1'") == sealed
    ledger.close()
    for file, content in _files(tmp_path):
        assert wrapped not in content, file
    assert KeyStore(tmp_path / "keystore.db").provider.file.read_text().count(name) == 2  # type: ignore[attr-defined]
