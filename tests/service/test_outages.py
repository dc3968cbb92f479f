"""What a score needs may fail: then there is none, the answer is a clear 503, and it comes back without hands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from serving.desk import Desk
from serving.keys import KeyFile
from serving.verify import verify
from tests.service.databases import Database
from tests.service.inside import ASKED, Inside, made, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inside(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with served(made(tmp_path_factory.mktemp("outages"))) as found:
        yield found


def _ask(inside: Inside, **changes: Any) -> Any:
    return inside.client.post("/v1/score", json={**ASKED, **changes}, headers=inside.as_("outreach"))


def _down(inside: Inside) -> None:
    """No score is answered and none recorded; probes tell the truth; the answer says when to come back."""
    answer = _ask(inside)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_ledger")
    assert answer.headers["Retry-After"]
    assert "probability" not in answer.text
    assert inside.client.get("/livez").status_code == 200
    assert inside.client.get("/readyz").status_code == 503


def _up(inside: Inside, before: int) -> None:
    assert inside.client.get("/readyz").status_code == 200
    decision = _ask(inside).json()["decisions"][0]
    assert decision["probability"] is not None
    entries = inside.desk.ledger.where("kind = 'decision' AND seq > ?", (before,), 10)
    assert [entry.id for entry in entries] == [decision["decision_id"]]
    assert verify(inside.desk.ledger).faults == ()


@contextlib.contextmanager
def _full(inside: Inside, database: Database) -> Iterator[None]:
    """Leave the ledger no room: SQLite may add no page; PostgreSQL says what it says when its disk is full."""
    if not database.postgres:
        book = inside.desk.ledger._book
        book.rows(f"PRAGMA max_page_count = {book.rows('PRAGMA page_count')[0][0]}")
        yield
        book.rows("PRAGMA max_page_count = 1000000")
        return
    with psycopg.connect(database.url, autocommit=True) as db:
        db.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END$$"
        )
        db.execute("CREATE TRIGGER full_disk BEFORE INSERT ON entries EXECUTE FUNCTION full_disk()")
        yield
        db.execute("DROP TRIGGER full_disk ON entries")


def test_a_full_disk(inside: Inside, database: Database) -> None:
    _ask(inside)
    with _full(inside, database):
        for _ in range(50):
            if _ask(inside).status_code == 503:
                break
        before = inside.desk.ledger.head().seq
        answer = _ask(inside, explain="codes")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_ledger")
        assert "probability" not in answer.text
    _up(inside, before)


def test_a_database_that_is_gone_and_back(inside: Inside, database: Database, tmp_path: Path) -> None:
    home = inside.hospital.home
    before = inside.desk.ledger.head().seq
    moved = [(file, tmp_path / file.name) for file in home.glob("ledger.db*")]
    if database.postgres:
        database.stop()
    for file, away in moved:
        file.rename(away)
    _down(inside)
    assert not (home / "ledger.db").exists()
    if database.postgres:
        database.start()
    for file, away in moved:
        away.rename(file)
    _up(inside, before)


@pytest.mark.parametrize("how", ["gone", "group-readable", "garbage"])
def test_a_key_file_that_cannot_be_used(inside: Inside, how: str) -> None:
    provider = inside.desk.ledger.keys.provider
    assert isinstance(provider, KeyFile)
    _ask(inside)
    before, file = inside.desk.ledger.head().seq, provider.file
    kept = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "group-readable":
        file.chmod(0o640)
    else:
        file.write_bytes(b"not a key file")
    _down(inside)
    assert inside.desk.ledger.head().seq == before
    file.write_bytes(kept)
    file.chmod(0o600)
    _up(inside, before)


@pytest.mark.parametrize("how", ["truncated", "edited", "gone"])
def test_a_model_file_that_is_damaged_while_it_is_served(inside: Inside, how: str) -> None:
    file = next((inside.hospital.home / "models" / "churn_90d").glob("*/model.txt"))
    kept, before = file.read_bytes(), inside.desk.ledger.head().seq
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(
            kept[: len(kept) // 2] if how == "truncated" else kept.replace(b"leaf_value=", b"leaf_value=1", 1)
        )
    _look(inside.desk, inside)
    answer = _ask(inside)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable")
    assert answer.headers["Retry-After"] and "probability" not in answer.text
    assert inside.client.get("/livez").status_code == 200
    assert "model churn_90d" in inside.client.get("/readyz").json()["error"]["message"]
    assert inside.desk.ledger.head().seq == before
    other = _ask(inside, tasks=["diabetes_12m"])
    assert other.json()["decisions"][0]["probability"] is not None
    before = inside.desk.ledger.head().seq
    file.write_bytes(kept)
    _look(inside.desk, inside)
    _up(inside, before)


def _look(desk: Desk, inside: Inside) -> None:
    """Have the desk look now, as it does every second."""
    inside.client.portal.call(desk.look)  # type: ignore[union-attr]


def test_a_service_that_starts_without_its_key_file_is_not_ready_until_it_is_there(inside: Inside) -> None:
    provider = inside.desk.ledger.keys.provider
    assert isinstance(provider, KeyFile)
    kept = provider.file.read_bytes()
    provider.file.unlink()
    with served(inside.hospital) as other:
        answer = _ask(other)
        assert answer.status_code == 503
        provider.file.write_bytes(kept)
        provider.file.chmod(0o600)
        _look(other.desk, other)
        assert _ask(other).json()["decisions"][0]["probability"] is not None


def test_a_fresh_key_file_is_never_made_for_an_old_key_store(inside: Inside) -> None:
    provider = inside.desk.ledger.keys.provider
    assert isinstance(provider, KeyFile)
    kept = provider.file.read_bytes()
    provider.file.unlink()
    with served(inside.hospital):
        assert not provider.file.exists()
    provider.file.write_bytes(kept)
    provider.file.chmod(0o600)


def test_key_files_stay_outside_the_repository(monkeypatch: pytest.MonkeyPatch, project: Path, tmp_path: Path) -> None:
    from serving.ledger import Ledger, LedgerUnavailable

    monkeypatch.setenv("CAREPATH_KEYS", str(project / "var" / "keys"))
    with pytest.raises(LedgerUnavailable, match="repository"):
        Ledger(tmp_path / "ledger.db")
    assert not (project / "var" / "keys").exists()
