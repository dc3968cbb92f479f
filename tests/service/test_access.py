"""Keys, sessions and binding: unknown, expired and forged are nobody; demo keys stay on this machine."""

from __future__ import annotations

import stat
from pathlib import Path

import orjson
import pytest

from features.errors import InputError
from serving.access import KEYS, ROLES, Keys, check_binding, demo_keys
from serving.sessions import Sessions


def test_the_keys_themselves_are_kept_nowhere(tmp_path: Path) -> None:
    minted = demo_keys(tmp_path)
    assert set(minted) == {"outreach", "compliance"}
    for file in tmp_path.iterdir():
        assert all(key.encode() not in file.read_bytes() for key in minted.values())
    assert stat.S_IMODE((tmp_path / KEYS).stat().st_mode) == 0o600


def test_a_key_stands_for_its_principal(tmp_path: Path) -> None:
    minted = demo_keys(tmp_path)
    keys = Keys(tmp_path)
    outreach = keys.principal(minted["outreach"])
    assert outreach is not None
    assert outreach.role == "outreach"
    assert outreach.purposes >= {"care_followup", "screening_invitation", "health_education"}
    assert not outreach.may("explain")
    assert keys.principal(minted["outreach"][:-1]) is None


def test_an_expired_key_is_nobody(tmp_path: Path) -> None:
    minted = demo_keys(tmp_path)
    rows = orjson.loads((tmp_path / KEYS).read_bytes())
    for row in rows["keys"]:
        row["expires"] = 1
    (tmp_path / KEYS).write_bytes(orjson.dumps(rows))
    assert Keys(tmp_path).principal(minted["compliance"]) is None
    assert Keys(tmp_path).named("compliance") is None


def test_a_key_never_exceeds_its_role(tmp_path: Path) -> None:
    minted = demo_keys(tmp_path)
    rows = orjson.loads((tmp_path / KEYS).read_bytes())
    rows["keys"][0]["scopes"] = sorted(frozenset().union(*ROLES.values()))
    (tmp_path / KEYS).write_bytes(orjson.dumps(rows))
    found = Keys(tmp_path).principal(minted["outreach"])
    assert found is not None
    assert not found.may("explain")


def test_a_readable_keys_file_is_refused(tmp_path: Path) -> None:
    demo_keys(tmp_path)
    (tmp_path / KEYS).chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        Keys(tmp_path)


@pytest.mark.parametrize("host", ["192.168.1.5", "fd00::5", "8.8.8.8"])
def test_demo_keys_stay_on_this_machine(tmp_path: Path, host: str) -> None:
    demo_keys(tmp_path)
    with pytest.raises(InputError, match="demo keys"):
        check_binding(host, Keys(tmp_path))
    check_binding("127.0.0.1", Keys(tmp_path))


def test_a_session_is_signed_and_ends(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, 30)
    cookie = sessions.issue("compliance")
    assert sessions.name(cookie) == "compliance"
    encoded, _, signature = cookie.partition(".")
    assert sessions.name(f"{encoded}x.{signature}") is None
    assert sessions.name("") is None
    assert Sessions(tmp_path, 30).name(cookie) == "compliance"
    assert Sessions(tmp_path, -1).name(Sessions(tmp_path, -1).issue("compliance")) is None


def test_a_form_belongs_to_its_session(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, 30)
    one, other = sessions.issue("compliance"), sessions.issue("compliance")
    assert sessions.holds(one, sessions.form_token(one))
    assert not sessions.holds(other, sessions.form_token(one))
    assert sessions.name(f"{one.partition('.')[0]}.{sessions.form_token(one)}") is None
