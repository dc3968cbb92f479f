"""The ledger: appends survive, nothing can be changed unseen, and a failed transaction leaves nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.ledger import FIRST, Ledger, LedgerUnavailable


def _filled(path: Path, entries: int = 5) -> list[dict[str, object]]:
    ledger, receipts = Ledger(path), []
    with ledger.writing() as appender:
        for number in range(entries):
            receipt = appender.append("decision", f"d{number}", {"outcome": "scored"}, {"margin": number / 7})
            receipts.append(receipt.as_dict())
    ledger.close()
    return receipts


def test_an_entry_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    receipts = _filled(tmp_path / "ledger.db")
    ledger = Ledger(tmp_path / "ledger.db")
    entry = ledger.entry("decision", "d3")
    assert entry is not None
    assert (entry.payload, entry.receipt.as_dict()) == ({"margin": 3 / 7}, receipts[3])
    assert ledger.head().as_dict() == receipts[-1]
    assert ledger.verify().faults == ()


def test_an_empty_ledger_has_the_first_head(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "ledger.db").head().as_dict() == {"seq": 0, "hash": FIRST}


def test_the_table_refuses_update_and_delete(tmp_path: Path) -> None:
    _filled(tmp_path / "ledger.db")
    raw = sqlite3.connect(tmp_path / "ledger.db")
    for statement in ("UPDATE entries SET payload = '{}' WHERE seq = 2", "DELETE FROM entries WHERE seq = 2"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)


def _edit(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE entries SET payload = '{\"margin\":9}' WHERE seq = 2")


def _delete(raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM entries WHERE seq = 2")


def _exchange(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE entries SET seq = -1 WHERE seq = 2")
    raw.execute("UPDATE entries SET seq = 2 WHERE seq = 3")
    raw.execute("UPDATE entries SET seq = 3 WHERE seq = -1")


def _insert(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE entries SET seq = seq + 100 WHERE seq > 2")
    raw.execute("UPDATE entries SET seq = seq - 99 WHERE seq > 100")
    raw.execute("INSERT INTO entries SELECT 3, kind, 'dx', header, payload, previous, hash FROM entries WHERE seq = 2")


def _rename(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE entries SET id = 'other' WHERE seq = 2")


@pytest.mark.parametrize("attack", [_edit, _delete, _exchange, _insert, _rename])
def test_an_attack_on_the_file_is_seen(tmp_path: Path, attack: Callable[[sqlite3.Connection], None]) -> None:
    _filled(tmp_path / "ledger.db")
    raw = sqlite3.connect(tmp_path / "ledger.db")
    raw.executescript("DROP TRIGGER entries_stand; DROP TRIGGER entries_stay;")
    attack(raw)
    raw.commit()
    raw.close()
    assert Ledger(tmp_path / "ledger.db").verify().faults


def test_a_failure_inside_the_transaction_leaves_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with pytest.raises(RuntimeError), ledger.writing() as appender:
        appender.append("decision", "d0", {}, {})
        raise RuntimeError
    assert ledger.head().seq == 0
    with ledger.writing() as appender:
        assert appender.append("decision", "d0", {}, {}).seq == 1


def test_two_processes_append_in_turn(tmp_path: Path) -> None:
    one, other = Ledger(tmp_path / "ledger.db"), Ledger(tmp_path / "ledger.db")
    for number, ledger in enumerate((one, other, one, other)):
        with ledger.writing() as appender:
            appender.append("decision", f"d{number}", {}, {})
    verdict = one.verify()
    assert (verdict.entries, verdict.faults) == (4, ())


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", patience_s=0.05)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable), ledger.writing() as appender:
        appender.append("decision", "d0", {}, {})
    other.execute("ROLLBACK")
    assert ledger.head().seq == 0


def test_an_old_copy_is_shorter_than_a_receipt(tmp_path: Path) -> None:
    _filled(tmp_path / "ledger.db", 2)
    shutil.copy(tmp_path / "ledger.db", tmp_path / "old.db")
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.writing() as appender:
        receipt = appender.append("decision", "later", {}, {})
    assert Ledger(tmp_path / "old.db").head().seq < receipt.seq


def test_a_patient_has_one_random_reference(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    with ledger.writing() as appender:
        first = appender.reference("p1")
        assert appender.reference("p1") == first != appender.reference("p2")
    assert "p1" not in first
