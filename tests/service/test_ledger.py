"""The ledger on both databases: appends survive, nothing can be changed unseen, a failed transaction leaves nothing."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import orjson
import pytest

from features.errors import InputError
from features.instants import DAY
from serving.appender import Answered, Appender, Overtaken, Receipt
from serving.heads import Heads
from serving.keys import KeyFile
from serving.keystore import Tombstone, passing
from serving.ledger import FIRST, Ledger, LedgerUnavailable
from serving.receipts import read
from serving.suite import CURRENT
from serving.verify import verify

URLS: dict[str, str] = {}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """A database of its own for every test: None for SQLite, the URL of an empty schema for PostgreSQL."""
    if request.param == "sqlite":
        yield None
        return
    import psycopg

    plain = request.getfixturevalue("server").get_uri()
    name = f"t{time.time_ns()}"
    with psycopg.connect(plain, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {name}".encode())
    yield f"{plain}{'&' if '?' in plain else '?'}options=-csearch_path%3D{name}"


Open = Callable[..., Ledger]


@pytest.fixture
def opened(tmp_path: Path, url: str | None) -> Iterator[Open]:
    """Open the test's ledger; called again it is another process's handle."""
    held: list[Ledger] = []

    def again(**more: Any) -> Ledger:
        held.append(Ledger(tmp_path / "ledger.db", url=url, **more))
        return held[-1]

    yield again
    for ledger in held:
        ledger.close()


def _fill(ledger: Ledger, entries: int = 5, start: int = 0) -> list[Receipt]:
    with ledger.writing() as appender:
        return [
            appender.append(
                "decision",
                f"d{start + number}",
                {"outcome": "scored", "subject": appender.reference(f"p{number % 2}")},
                {"margin": number / 7},
            )
            for number in range(entries)
        ]


def test_an_entry_is_read_back_as_it_was_written(opened: Open) -> None:
    ledger = opened()
    receipts = _fill(ledger)
    entry = opened().entry("decision", "d3")
    assert entry is not None
    assert (entry.payload, entry.receipt) == ({"margin": 3 / 7}, receipts[3])
    assert (entry.header["outcome"], entry.header["suite"]) == ("scored", CURRENT.name)
    assert ledger.head() == receipts[-1]
    assert verify(ledger).faults == ()


def test_nothing_of_the_person_stands_in_clear(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.writing() as appender:
        header = {"subject": appender.reference("patient-77")}
        appender.append("decision", "d1", header, {"patient_id": "patient-77", "text": "a planted diagnosis"})
    ledger.close()
    raw = (tmp_path / "ledger.db").read_bytes()
    assert b"patient-77" not in raw
    assert b"planted" not in raw


def test_an_empty_ledger_has_the_first_head(opened: Open) -> None:
    assert opened().head() == Receipt(0, FIRST)
    assert verify(opened()).faults == ()


def test_the_table_refuses_update_and_delete(opened: Open) -> None:
    ledger = opened()
    _fill(ledger)
    for statement in ("UPDATE entries SET outcome = 'x' WHERE seq = 2", "DELETE FROM entries WHERE seq = 2"):
        with pytest.raises(LedgerUnavailable) as refused:
            ledger.read(statement)
        assert "append-only" in str(refused.value.__cause__)


def _edit(run: Callable[[str], Any]) -> None:
    run("UPDATE entries SET payload = (SELECT payload FROM entries WHERE seq = 3) WHERE seq = 2")


def _edit_header(run: Callable[[str], Any]) -> None:
    run("UPDATE entries SET header = (SELECT header FROM entries WHERE seq = 3) WHERE seq = 2")


def _delete(run: Callable[[str], Any]) -> None:
    run("DELETE FROM entries WHERE seq = 2")


def _reorder(run: Callable[[str], Any]) -> None:
    for old, new in ((2, -1), (3, 2), (-1, 3)):
        run(f"UPDATE entries SET seq = {new} WHERE seq = {old}")


def _insert(run: Callable[[str], Any]) -> None:
    run("UPDATE entries SET seq = seq + 100 WHERE seq > 2")
    run("UPDATE entries SET seq = seq - 99 WHERE seq > 100")
    run(
        "INSERT INTO entries SELECT 3, kind, 'dx', subject, at, task, outcome, department, header, payload, previous, "
        "hash FROM entries WHERE seq = 2"
    )


def _truncate(run: Callable[[str], Any]) -> None:
    run("DELETE FROM entries WHERE seq > 3")


def _rename(run: Callable[[str], Any]) -> None:
    run("UPDATE entries SET id = 'other' WHERE seq = 2")


def _hide(run: Callable[[str], Any]) -> None:
    run("UPDATE entries SET outcome = 'no_consent', subject = NULL WHERE seq = 2")


def _rewrite(run: Callable[[str], Any]) -> None:
    """Leave entry 2 out and compute every hash anew, as somebody with the code but not the keys can."""
    rows = run("SELECT seq, kind, id, header, payload FROM entries WHERE seq <> 2 ORDER BY seq")
    run("DELETE FROM entries WHERE seq > 0")
    previous = FIRST
    for seq, (_, kind, name, header, payload) in enumerate(rows, 1):
        digest = CURRENT.link(seq, previous, bytes(header), bytes(payload))
        head, body = bytes(header).hex(), bytes(payload).hex()
        said = orjson.loads(bytes(header))
        run(
            "INSERT INTO entries (seq, kind, id, subject, at, outcome, header, payload, previous, hash) VALUES "
            f"({seq}, '{kind}', '{name}', '{said['subject']}', 0, 'scored', {{bytes}}'{head}'{{close}}, "
            f"{{bytes}}'{body}'{{close}}, '{previous}', '{digest}')"
        )
        previous = digest


ATTACKS = [_edit, _edit_header, _delete, _reorder, _insert, _truncate, _rename, _hide, _rewrite]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_the_database_is_seen(
    tmp_path: Path, url: str | None, opened: Open, attack: Callable[[Callable[[str], Any]], None]
) -> None:
    ledger = Ledger(tmp_path / "ledger.db", url=url)
    _fill(ledger)
    ledger.close()
    if url is None:
        raw: Any = sqlite3.connect(tmp_path / "ledger.db")
        raw.executescript("DROP TRIGGER entries_stand; DROP TRIGGER entries_stay;")
        marks = {"bytes": "x", "close": ""}
    else:
        import psycopg

        raw = psycopg.connect(url)
        raw.execute("DROP TRIGGER entries_stand ON entries")
        marks = {"bytes": "decode(", "close": ", 'hex')"}

    def run(statement: str) -> Any:
        cursor = raw.execute(statement.format(**marks) if "{" in statement else statement)
        return cursor.fetchall() if cursor.description else None

    attack(run)
    raw.commit()
    raw.close()
    assert verify(opened()).faults


def test_an_old_back_up_is_seen(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    _fill(ledger, 2)
    with sqlite3.connect(tmp_path / "back-up.db") as target:
        sqlite3.connect(tmp_path / "ledger.db").backup(target)
    receipts = _fill(ledger, 2, start=2)
    ledger.close()
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()
    shutil.copy(tmp_path / "back-up.db", tmp_path / "ledger.db")
    again = Ledger(tmp_path / "ledger.db")
    assert any("missing" in fault for fault in verify(again).faults)
    _fill(again, 3, start=9)
    assert any("is not what the head signed" in fault for fault in verify(again).faults)
    (tmp_path / "heads.ndjson").unlink()
    assert any("is not what a receipt" in fault for fault in verify(again, receipts).faults)
    again.close()


def test_receipts_tell_what_heads_cannot(tmp_path: Path) -> None:
    """The tail after the last signed head, cut off, shows by receipts alone: this much the docs concede."""
    ledger = Ledger(tmp_path / "ledger.db")
    _fill(ledger, 2)
    receipts = _fill(ledger, 2, start=2)
    raw = sqlite3.connect(tmp_path / "ledger.db")
    raw.executescript("DROP TRIGGER entries_stay; DELETE FROM entries WHERE seq > 2;")
    raw.close()
    assert verify(ledger).faults == ()
    faults = verify(ledger, receipts).faults
    assert faults == tuple(f"entry {seq}: missing, though a receipt names it" for seq in (3, 4))


def test_payloads_are_opened_and_what_cannot_be_checked_is_said(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    _fill(ledger)
    verdict = verify(ledger)
    assert (verdict.opened, verdict.erased, verdict.unchecked, verdict.faults) == (5, 0, (), ())
    at = time.time_ns() // 1000
    ledger.keys.bury(Tombstone("p1", "t" * 32, at, None, (), at))
    verdict = verify(ledger)
    assert (verdict.opened, verdict.erased, verdict.faults) == (3, 2, ())
    provider = ledger.keys.provider
    assert isinstance(provider, KeyFile)
    kept = provider.file.read_bytes()
    provider.file.unlink()
    verdict = verify(ledger)
    assert (verdict.entries, verdict.opened, verdict.faults) == (5, 0, ())
    assert "the key file cannot be read" in verdict.unchecked[0]
    told = subprocess.run(
        [sys.executable, "-m", "serving", "verify-ledger", "--home", str(tmp_path)], capture_output=True, text=True
    )
    assert (told.returncode, "Traceback" in told.stderr) == (2, False)
    assert "not checked: signed heads and payloads" in told.stderr
    provider.file.write_bytes(kept)
    provider.file.chmod(0o600)
    ledger.close()


def test_a_forged_head_is_seen(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    _fill(ledger)
    ledger.close()
    file = tmp_path / "heads.ndjson"
    told = orjson.loads(file.read_bytes().splitlines()[-1])
    file.write_bytes(orjson.dumps({**told, "hash": "0" * 64}) + b"\n" + b"{}\n" + b"not json\n")
    found = [fault for fault in verify(Ledger(tmp_path / "ledger.db")).faults if "signature" in fault]
    assert len(found) == 3


def test_heads_are_signed_by_the_clock_when_nothing_follows(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.heads = Heads(tmp_path / "heads.ndjson", ledger.keys.provider, 0.05)
    last = [ledger.hand(_one(number)).result() for number in range(3)][-1]
    for _ in range(100):
        if ledger.heads.read()[-1].seq == last.seq:
            break
        time.sleep(0.02)
    assert ledger.heads.read()[-1].hash == last.hash
    ledger.close()


@pytest.mark.parametrize(
    "text",
    [
        '[{"seq": 3, "hash": "ab"}]',
        '{"decisions": [{"receipt": {"seq": 3, "hash": "ab"}}]}',
        '{"seq": 3, "hash": "ab"}\n{"seq": 3, "hash": "ab"}\n',
        "\ufeffseq,hash\r\n3,ab\r\n",
    ],
)
def test_receipts_are_read_as_callers_keep_them(tmp_path: Path, text: str) -> None:
    file = tmp_path / "receipts"
    file.write_text(text, encoding="utf-8")
    assert set(read(file)) == {Receipt(3, "ab")}


def test_a_failure_inside_the_transaction_leaves_nothing(opened: Open) -> None:
    ledger = opened()
    with pytest.raises(RuntimeError), ledger.writing() as appender:
        appender.append("decision", "d0", {"subject": appender.reference("p1")}, {})
        raise RuntimeError
    assert ledger.head().seq == 0
    assert ledger.keys.reference("p1") is None
    with ledger.writing() as appender:
        assert appender.append("decision", "d0", {}, {}).seq == 1


def test_processes_append_in_turn(opened: Open) -> None:
    handles = [opened() for _ in range(3)]
    futures = [ledger.hand(_one(number)) for number in range(40) for ledger in handles]
    assert sorted(future.result().seq for future in futures) == list(range(1, 121))
    verdict = verify(handles[0])
    assert (verdict.entries, verdict.faults) == (120, ())


def _one(number: int) -> Callable[[Appender], Receipt]:
    def work(appender: Appender) -> Receipt:
        name = f"d{number}-{time.time_ns()}-{id(appender)}"
        return appender.append("decision", name, {"subject": appender.reference("p1")}, {"n": number})

    return work


def test_what_is_handed_in_together_is_committed_together(opened: Open) -> None:
    ledger = opened()
    commits = 0
    commit = ledger._book.commit

    def counted() -> None:
        nonlocal commits
        commits += 1
        time.sleep(0.01)
        commit()

    ledger._book.commit = counted  # type: ignore[method-assign]
    futures = [ledger.hand(_one(number)) for number in range(100)]
    assert len({future.result().seq for future in futures}) == 100
    assert commits <= 10


def test_work_that_fails_leaves_the_rest(opened: Open) -> None:
    ledger = opened()

    def fails(appender: Appender) -> Receipt:
        _one(0)(appender)
        raise RuntimeError("mine alone")

    futures: list[Future[Receipt]] = [ledger.hand(work) for work in (_one(1), fails, _one(2))]
    assert [futures[0].result().seq, futures[2].result().seq] == [1, 2]
    with pytest.raises(RuntimeError, match="mine alone"):
        futures[1].result()
    assert verify(ledger).entries == 2


def test_a_change_of_consent_overtakes_a_judgement(opened: Open) -> None:
    ledger = opened()
    before = ledger.epoch("p1")
    with ledger.writing() as appender:
        appender.turn("p1")
    with pytest.raises(Overtaken), ledger.writing() as appender:
        appender.holds("p1", before)
    with ledger.writing() as appender:
        appender.holds("p1", ledger.epoch("p1"))


def test_an_answer_is_kept_once(opened: Open) -> None:
    ledger = opened()

    def keep(appender: Appender) -> Receipt:
        receipt = _one(1)(appender)
        appender.keep("outreach", "key", "digest", b"body", 10, 0)
        return receipt

    futures = [ledger.hand(keep) for _ in range(3)]
    assert futures[0].result().seq == 1
    for future in futures[1:]:
        with pytest.raises(Answered) as again:
            future.result()
        assert again.value.body == b"body"
    assert ledger.head().seq == 1
    assert ledger.kept("outreach", "key", 0) == ("digest", b"body")


def test_a_kept_answer_is_sealed_and_its_key_passes(opened: Open) -> None:
    ledger = opened()
    for day in (0, 1):
        with ledger.writing() as appender:
            appender.keep("outreach", f"key {day}", "digest", b'{"patient_id":"p1"}', day * DAY, 0)
    assert all(b"patient_id" not in bytes(body) for (body,) in ledger.read("SELECT body FROM answers"))
    assert ledger.kept("outreach", "key 0", 0) == ("digest", b'{"patient_id":"p1"}')
    now = time.time_ns() // 1000
    with ledger.writing() as appender:
        appender.keep("outreach", "later", "digest", b"{}", now + 3 * DAY, now + 2 * DAY)
    names = [name for (name,) in ledger.keys._db.execute("SELECT reference FROM keys WHERE reference LIKE 'answers%'")]
    assert names == [passing(now // DAY + 3)]
    with ledger.writing() as appender:
        appender.keep("outreach", "other", "digest", b'{"patient_id":"p2"}', now + 3 * DAY, now + 2 * DAY)
        appender.forget("p1")
    assert ledger.kept("outreach", "later", 0) is not None
    with ledger.writing() as appender:
        appender.forget("p2")
    assert ledger.kept("outreach", "other", 0) is None


def test_a_ledger_that_is_locked_says_so(opened: Open) -> None:
    ledger, other = opened(patience_s=0.05), opened()
    with other.writing(), pytest.raises(LedgerUnavailable), ledger.writing() as appender:
        appender.append("decision", "d0", {}, {})
    assert ledger.head().seq == 0


def test_a_full_disk_records_nothing_and_recovers(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    _fill(ledger, 2)
    pages = ledger._book.rows("PRAGMA page_count")[0][0]
    ledger._book.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerUnavailable):
        _fill(ledger, 200, start=10)
    assert ledger.head().seq == 2
    ledger._book.rows("PRAGMA max_page_count = 1000000")
    _fill(ledger, 2, start=500)
    assert (verify(ledger).entries, verify(ledger).faults) == (4, ())
    ledger.close()


def test_a_database_that_went_away_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    _fill(ledger, 2)
    away = tmp_path / "away"
    away.mkdir()
    for file in tmp_path.glob("ledger.db*"):
        file.rename(away / file.name)
    with pytest.raises(LedgerUnavailable):
        _fill(ledger, 1, start=5)
    assert not (tmp_path / "ledger.db").exists()
    for file in away.glob("ledger.db*"):
        file.rename(tmp_path / file.name)
    _fill(ledger, 1, start=5)
    assert verify(ledger).entries == 3
    ledger.close()


@pytest.mark.slow
def test_a_server_that_went_away_is_used_again_when_it_is_back(tmp_path: Path, server: Any) -> None:
    import psycopg

    ledger = Ledger(tmp_path / "ledger.db", url=server.get_uri())
    _fill(ledger, 2)
    with psycopg.connect(server.get_uri(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    _fill(ledger, 1, start=5)
    server.stop()
    with pytest.raises(LedgerUnavailable):
        _fill(ledger, 1, start=6)
    server.start()
    _fill(ledger, 1, start=7)
    assert verify(ledger).entries == 4
    ledger.close()


def test_a_patient_has_one_random_reference(opened: Open) -> None:
    ledger = opened()
    with ledger.writing() as appender:
        first = appender.reference("p1")
        assert appender.reference("p1") == first != appender.reference("p2")
    assert "p1" not in first
    assert opened().patient(first) == "p1"


def test_the_ledger_of_an_earlier_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as raw:
        raw.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, kind TEXT)")
        raw.execute("INSERT INTO entries VALUES (1, 'approval')")
    with pytest.raises(InputError, match="earlier version"):
        Ledger(tmp_path / "ledger.db")
    assert sqlite3.connect(tmp_path / "ledger.db").execute("SELECT count(*) FROM entries").fetchone() == (1,)
