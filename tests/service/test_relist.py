"""Replay of lists: equal after the catalogue, the events and the ranker moved on; what was erased is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from serving import approvals
from serving.__main__ import app
from serving.ledger import Entry
from serving.replay import Replay, replay
from tests.service.conftest import affinity, put_forward
from tests.service.databases import Database
from tests.service.inside import Inside, made, served

pytestmark = pytest.mark.slow

ITEM: dict[str, Any] = {
    "title": "a walk after supper",
    "topics": ["hypertension"],
    "layer": "basic",
    "format": "article",
    "published_at": "2025-06-29T23:00:00+00:00",
    "expires_at": "2026-06-30T00:00:00+00:00",
    "reviewers": ["d1", "d2", "d3"],
    "sensitive": False,
}


@pytest.fixture(scope="module")
def inside(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with served(made(tmp_path_factory.mktemp("relist"))) as found:
        yield found


def _list(inside: Inside, patient_id: str = "ok-1", **changes: Any) -> dict[str, Any]:
    asked = {"patient_id": patient_id, "k": 5, "channel": "app", "purpose": "health_education", **changes}
    answer = inside.client.post("/v1/recommend", json=asked, headers=inside.as_("outreach"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _replay(inside: Inside, list_id: str, **headers: str) -> dict[str, Any]:
    path = f"/v1/decisions/{list_id}/replay"
    answer = inside.client.post(path, headers={**inside.as_("compliance"), **headers})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _entry(inside: Inside, list_id: str) -> Entry:
    entry = inside.desk.ledger.entry("list", list_id)
    assert entry is not None
    return entry


def _again(inside: Inside, entry: Entry, home: Path | None = None) -> Replay:
    """Replay an entry that may say something else than its ledger does, with the models of some state folder."""
    found: list[Replay] = []

    def look() -> None:
        found.append(replay(entry, home or inside.hospital.home, inside.desk.store, inside.desk.settings))

    inside.client.portal.call(inside.desk.run, look)  # type: ignore[union-attr]
    return found[0]


def _read(inside: Inside, number: int, patient_id: str = "ok-3", content_id: str = "c2") -> None:
    """Have a patient open an item."""
    event = {"table": "interactions", "patient_id": patient_id, "event_id": f"{patient_id}-read-{number}"}
    event |= {"time": "2025-06-30T06:00:00+08:00", "channel": "app", "action": "view", "content_id": content_id}
    answer = inside.client.post("/v1/events", json={"events": [event]}, headers=inside.as_("outreach"))
    assert answer.json()["counts"] == {"stored": 1}, answer.text


def _publish(inside: Inside, name: str, **changes: Any) -> None:
    answer = inside.client.put(f"/v1/contents/{name}", json=ITEM | changes, headers=inside.as_("outreach"))
    assert answer.status_code == 200, answer.text


def _retrain(inside: Inside, folder: Path, version: str, seed: int) -> None:
    """Put another ranker into production."""
    from features.lake import Lake

    scorer, beside = affinity(Lake(inside.hospital.home.parent / "work" / "lake"), seed)
    digest = scorer.save(folder / version, {}, beside)
    told = {"task": "content_affinity", "version": version, "digest": digest, "author": "a"}
    put_forward(folder / "proposal.json", told | {"artefact": str(folder / version)})
    approvals.approve(folder / "proposal.json", inside.hospital.home, inside.desk.ledger, "compliance", "dr-li")
    inside.client.portal.call(inside.desk.look)  # type: ignore[union-attr]


REFUSED = {"no-consent": "no_consent", "left": "not_eligible", "objects": "no_consent"}


def test_lists_replay_after_catalogue_events_and_ranker_moved_on(inside: Inside, tmp_path: Path) -> None:
    """Personal ones, those for everyone and refusals; what is asked afterwards is another list."""
    told = [_list(inside, who, k=k) for who in ("ok-1", "ok-2") for k in (1, 5, 50)]
    told += [_list(inside, who, personalised=False) for who in ("ok-1", "no-consent")]
    told += [_list(inside, who) for who in REFUSED]
    _publish(inside, "walk")
    _publish(inside, "c3", title="less salt")
    told.append(_list(inside))
    for number in range(4):
        _read(inside, number)
    _read(inside, 9, "ok-1")
    inside.client.delete("/v1/contents/c2", headers=inside.as_("outreach"))
    told.append(_list(inside))
    inside.consent("ok-1", 1, purpose="health_education", withdrawn_at="2025-06-30T08:00:00+08:00")
    told.append(_list(inside))
    assert told[-1]["refused"]["code"] == "no_consent"
    inside.consent("ok-1", 1, purpose="health_education")
    _retrain(inside, tmp_path, "2", seed=8)
    told.append(_list(inside))
    assert told[-1]["model"]["version"] == "2"
    assert len({str(each["items"]) for each in told}) > 6
    for each in told:
        found = _replay(inside, each["list_id"])
        assert (found["verdict"], found["differs"], found["changed"], found["why"]) == ("equal", [], [], None)
        assert (found["model"], found["read_up_to"] is None) == (each["model"], False)
    assert [_entry(inside, each["list_id"]).header["outcome"] for each in told[8:11]] == [*REFUSED.values()]


def test_popularity_is_made_again_of_what_the_front_had_read(inside: Inside) -> None:
    """Touches that came after the front was made, and before the list, are not in it, nor in its replay."""
    first = _list(inside)
    for number in range(20, 26):
        _read(inside, number, content_id="c5")
    second = _list(inside)
    kept = [_entry(inside, each["list_id"]) for each in (first, second)]
    assert kept[0].payload["popularity"] == kept[1].payload["popularity"]
    assert kept[1].header["store_seq"] > kept[1].payload["popularity"]["upto"]
    _publish(inside, "run")
    third = _list(inside)
    assert _entry(inside, third["list_id"]).payload["popularity"]["touches"] > kept[1].payload["popularity"]["touches"]
    assert {_replay(inside, each["list_id"])["verdict"] for each in (first, second, third)} == {"equal"}


@pytest.mark.parametrize("place", ["items", "score", "relative", "eligible", "excluded_items", "exploring"])
def test_what_differs_is_named(inside: Inside, place: str) -> None:
    entry = _entry(inside, _list(inside)["list_id"])
    said = entry.payload
    assert said["excluded_items"] and len(said["eligible"]) > 5
    if place == "items":
        said["items"][1]["affinity"] = float(np.nextafter(said["items"][1]["affinity"], 9))
    elif place == "relative":
        said["relative"][0]["topic"] = float(np.nextafter(said["relative"][0]["topic"], 9))
    elif place == "score":
        said["score"][0] = float(np.nextafter(said["score"][0], 9))
    elif place == "exploring":
        said["exploring"]["explored"] = not said["exploring"]["explored"]
    else:
        said[place][0], said[place][1] = said[place][1], said[place][0]
    found = _again(inside, entry)
    assert found.verdict == "differs" and {each["what"].split(".")[0] for each in found.differs} == {place}


def test_a_record_of_before_cannot_be_made_again(inside: Inside) -> None:
    for told in (_list(inside), _list(inside, "no-consent"), _list(inside, personalised=False)):
        entry = _entry(inside, told["list_id"])
        old = {name: value for name, value in entry.header.items() if name not in ("k", "contents_seq")}
        found = _again(inside, dataclasses.replace(entry, header=old))
        assert (found.verdict, (found.why or "")[:22]) == ("impossible", "it was recorded before")


def test_a_ranker_that_is_gone_makes_it_impossible(inside: Inside, tmp_path: Path) -> None:
    own, everyone = (_entry(inside, _list(inside, personalised=each)["list_id"]) for each in (True, False))
    found = _again(inside, own, home=tmp_path)
    assert (found.verdict, (found.why or "")[:24]) == ("impossible", "the recorded model canno")
    assert _again(inside, everyone, home=tmp_path).verdict == "equal"


def test_the_command_replays_a_list_on_record(inside: Inside) -> None:
    asked = ["replay", _list(inside)["list_id"], "--home", str(inside.hospital.home), "--identity", "auditor"]
    done = CliRunner().invoke(app, asked)
    assert (done.exit_code, done.output.strip().endswith("equal")) == (0, True)
    entry = inside.desk.ledger.latest("replay", 1)[0]
    assert (entry.header["principal"], entry.header["verdict"]) == ("auditor", "equal")


def test_where_others_were_erased_it_says_what_was_taken_from_the_record(apart: Database, tmp_path: Path) -> None:
    with served(made(tmp_path)) as inside:
        for number in range(3):
            _read(inside, number, "ok-2", "c4")
        told = [_list(inside, k=k) for k in (1, 5, 50)]
        refused = [_list(inside, "no-consent"), _list(inside, personalised=False)]
        gone = inside.client.delete("/v1/patients/ok-2", headers=inside.as_("compliance"))
        assert gone.status_code == 200, gone.text
        for each in told:
            found = _replay(inside, each["list_id"])
            assert (found["verdict"], found["differs"]) == ("equal", [])
            assert "no longer stored" in found["why"] and "taken from the record" in found["why"]
        for each in refused:
            found = _replay(inside, each["list_id"])
            assert (found["verdict"], found["why"]) == ("equal", None)
        for place, number in (("rows", 3), ("score", 0), ("excluded_items", 0)):
            entry = _entry(inside, told[1]["list_id"])
            said = entry.payload[place]
            if place == "rows":
                said[0] = [None if value is None else value + 1e3 for value in said[0]]
            else:
                said[number] = said[number] + 1e-9 if place == "score" else {**said[number], "why": "wording"}
            assert _again(inside, entry).verdict == "differs"
        _publish(inside, "new")
        after = _list(inside)
        kept = _entry(inside, after["list_id"]).payload["popularity"]["touches"]
        assert kept < _entry(inside, told[0]["list_id"]).payload["popularity"]["touches"]
        assert (_replay(inside, after["list_id"])["verdict"], _replay(inside, after["list_id"])["why"]) == (
            "equal",
            None,
        )


def test_a_list_of_who_was_erased_is_made_again_from_its_record(apart: Database, tmp_path: Path) -> None:
    with served(made(tmp_path)) as inside:
        inside.score("outreach")  # a score on record: the key stays as long as that must be kept
        own, everyone = _list(inside), _list(inside, personalised=False)
        refused = _list(inside, "left")
        for who in ("ok-1", "left"):
            gone = inside.client.delete(f"/v1/patients/{who}", headers=inside.as_("compliance"))
            assert gone.status_code == 200, gone.text
        reason = {"X-Access-Reason": "complaint 7"}
        found = _replay(inside, own["list_id"], **reason)
        assert (found["verdict"], found["why"][:35]) == ("equal", "the patient's events were erased: t")
        found = _replay(inside, everyone["list_id"], **reason)
        assert (found["verdict"], found["why"][:24]) == ("equal", "signs of acute illness w")
        sealed = [_list(inside, personalised=each) for each in (True, False)]
        for each in sealed:
            assert each["refused"]["code"] == "sealed"
            assert _replay(inside, each["list_id"], **reason)["verdict"] == "equal"
        path = f"/v1/decisions/{refused['list_id']}/replay"
        answer = inside.client.post(path, headers={**inside.as_("compliance"), **reason})
        assert answer.status_code == 404  # nothing had to be kept, so the key went at once
