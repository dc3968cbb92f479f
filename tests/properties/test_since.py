"""Since when a tag holds: at every later moment the rule answers as now, and just before it answered otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features import instants
from features.canonical import empty
from features.instants import DAY
from features.schema import table
from features.tags import tags

AT = instants.parse("2025-06-30T08:00:00+08:00")
KINDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "patients": {"sex": ("male", "female"), "birth_date": (AT - 16000 * DAY,), "registered_at": (AT - 700 * DAY,)},
    "encounters": {
        "kind": ("outpatient", "online", "emergency"),
        "status": ("finished", "no_show"),
        "fee": (900.0, 3000.0),
    },
    "diagnoses": {"code_system": ("ICD-10",), "code": ("E11", "I10", "R07.4", "Z48.0")},
    "observations": {
        "code_system": ("LOINC",),
        "code": ("4548-4",),
        "value": (6.5, 7.5),
        "origin": ("device", "laboratory"),
    },
    "prescriptions": {"code_system": ("ATC",), "code": ("A10BA02",), "days_supply": (14.0, 28.0)},
    "interactions": {"action": ("login", "view", "search", "check_in"), "channel": ("app", "wechat")},
    "status_changes": {"kind": ("transferred", "back")},
}
EDGE = 1_000_001
"""What an instant between two events is told to, and a microsecond."""


def drawn(rng: np.random.Generator) -> dict[str, pa.Table]:
    """Return some months of one patient, some facts late, some corrected."""
    tables = {}
    for name, columns in KINDS.items():
        rows = []
        for number in range(1 if name == "patients" else int(rng.integers(0, 7))):
            time = AT - int(rng.integers(1, 300 * DAY // 1_000_000)) * 1_000_000
            known = min(time + int(rng.choice([0, 0, DAY, 20 * DAY])), AT)
            row = {key: values[int(rng.integers(len(values)))] for key, values in columns.items()}
            event = {"patient_id": "p", "event_id": f"{name}{number}", "time": time, "known_at": known, "version": 1}
            rows.append(event | row | {"void": False})
            if rng.random() < 0.2 and known < AT:
                rows.append(rows[-1] | {"version": 2, "known_at": known + (AT - known) // 2, "void": True})
        tables[name] = pa.Table.from_pylist(rows, schema=table(name).arrow())
    return tables


@pytest.mark.parametrize("seed", range(12))
def test_since_agrees_with_asking_at_every_moment(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables, rules = drawn(rng), tags().rules
    found = tags().profile(tables, empty("contents"), "p", AT, None)
    told = {each.tag.code: each.since for each in found.tags} | {
        "activity" if each.scheme == "activity" else each.code: each.since for each in found.tiers
    }
    first = min(int(each["known_at"].cast(pa.int64()).to_numpy().min()) for each in tables.values() if len(each))
    ready, facts = rules.ready(tables, pa.array(["p"]), empty("contents"))
    grid = np.sort(np.concatenate((rng.integers(first, AT, 200), [AT], [each - EDGE for each in told.values()])))

    def ask(when: np.ndarray) -> dict[str, np.ndarray]:
        columns = rules.columns(ready, facts, np.zeros(len(when), np.int64), when)
        return rules.judged(columns, rules.names(None), len(when))

    answers, now = ask(grid), ask(np.array([AT]))
    assert set(told) == {name for name, values in now.items() if values[0] is not None}
    for name, since in told.items():
        same = answers[name] == now[name][0]
        assert same[grid >= since].all(), f"{name} did not hold throughout"
        if since > first:
            assert not same[grid == since - EDGE].any(), f"{name} held before"
