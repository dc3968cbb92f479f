"""make demo: a sample hospital, every model trained, proposed and approved, and the service on it.

Each step is a command that a person could type. A patient who can be asked about is then looked
up, and a complete curl is printed for every endpoint before the service starts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import InputError
from serving.access import demo_keys

HOME = Path("var/demo")
HOST, PORT = "127.0.0.1", 3000
PATIENTS, YEARS, SEED = 12_000, 3, 7
TASKS = ("self_test_diabetes", "churn_90d", "content_affinity", "diabetes_12m", "copd_12m")
QUICKER = {"content_affinity": ("--set", "affinity.windows=30", "--set", "affinity.test_days=14")}
"""Less history to learn from and to test on, so that the demo is soon up."""
ASKED = ["churn_90d", "diabetes_12m"]
ITEM = {
    "title": "A walk after supper",
    "topics": ["exercise"],
    "format": "article",
    "reviewers": ["d1", "d2", "d3"],
    "expires_at": "2099-01-01T00:00:00+00:00",
    "sensitive": False,
}
ANSWERS = {
    "age": 52,
    "sex": "male",
    "height_cm": 171,
    "weight_kg": 84,
    "waist_cm": 98,
    "systolic": 138,
    "family_diabetes": True,
    "told_diabetes": False,
}


@dataclass(frozen=True)
class Example:
    """One request that works when pasted."""

    method: str
    path: str
    key: str
    body: Any = None

    def curl(self) -> str:
        method = [] if self.method in ("GET", "POST") else [f"-X {self.method}"]
        parts = ["curl -s", *method, shlex.quote(f"http://{HOST}:{PORT}{self.path}"), f"-H 'X-API-Key: {self.key}'"]
        if self.body is not None:
            parts += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(self.body, ensure_ascii=False)}'"]
        return " ".join(parts)

    def request(self) -> urllib.request.Request:
        body = None if self.body is None else json.dumps(self.body).encode()
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        return urllib.request.Request(f"http://{HOST}:{PORT}{self.path}", body, headers, method=self.method)


def main() -> None:
    """Build the demo under var/demo and serve it; with --exit, call every endpoint once and stop."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--exit", action="store_true", help="do all but stay")
    stay = not parser.parse_args().exit
    os.environ["CAREPATH_HOME"] = str(HOME.resolve())
    began = time.monotonic()
    set_aside()
    lake = HOME / "hospital" / "lake"
    size = ["--patients", str(PATIENTS), "--years", str(YEARS), "--seed", str(SEED)]
    from training.tracking import prepare

    with timed("the store of runs"):
        prepare()
    with ThreadPoolExecutor(2) as two:
        beside = two.submit(train, TASKS[0], lake)
        step(f"a sample hospital of {PATIENTS} people and {YEARS} years", "simulation", str(HOME / "hospital"), *size)
        list(two.map(lambda task: train(task, lake), TASKS[1:]))
        beside.result()
    with timed("the events into the store"):
        load(lake)
    with timed("a patient who can be asked about"):
        keys = demo_keys(HOME)
        examples = asyncio.run(find_examples(keys))
    say(f"ready to serve after {time.monotonic() - began:.0f} s; each of these works when pasted:\n")
    for example in examples:
        say(example.curl())
    say("")
    command = [sys.executable, "-m", "serving", "serve", "--home", str(HOME), "--host", HOST, "--port", str(PORT)]
    if stay:
        os.execv(command[0], command)
    call_each(command, examples)


def train(task: str, lake: Path) -> None:
    """Train, propose and approve a task, one person proposing, another approving, a clinician answering for it.

    A model that its gates block is not approved, as in any hospital: the demo says so and goes on without.
    """
    proposal = HOME / "proposals" / f"{task}.json"
    proposal.unlink(missing_ok=True)
    read = () if task.startswith("self_test") else ("--lake", str(lake))
    step(f"{task}: train", "training", "run", task, *read, *QUICKER.get(task, ()))
    from training.tracking import latest

    version = latest(task).version
    step(f"{task}: propose", "training", "propose", task, version, "--author", "demo-author", "--out", str(proposal))
    if blocked := [each["name"] for each in json.loads(proposal.read_text())["gates"] if each["verdict"] == "block"]:
        say(f"        {task} stays out of production, blocked by its gates: {', '.join(blocked)}")
        return
    people = ("--identity", "demo-reviewer", "--clinician", "demo-clinician")
    step(f"{task}: approve", "serving", "approve", str(proposal), "--home", str(HOME), *people)


def set_aside() -> None:
    """Move the ledger of an earlier version aside: this one keeps another format."""
    from serving.ledger import Ledger

    file = HOME / "ledger.db"
    try:
        Ledger(file).close()
    except InputError:
        for part in HOME.glob("ledger.db*"):
            part.rename(part.with_name(f"earlier-{part.name}"))


def load(lake: Path) -> None:
    """Load the sample hospital into a fresh store."""
    from serving.__main__ import load as into

    for file in HOME.glob("events.db*"):
        file.unlink()
    into(HOME, lake)


async def find_examples(keys: dict[str, str]) -> list[Example]:
    """Ask the application itself, before it is served, for a patient whom every example answers."""
    import httpx

    from features.lake import Lake
    from serving.api import application
    from serving.clock import Clock
    from serving.desk import Desk
    from serving.journal import open_journal

    open_journal(logging.ERROR)
    patients = Lake(HOME / "hospital" / "lake").read("patients", columns=["patient_id"])["patient_id"].unique()
    app = application(Desk(HOME, Clock.at(None)))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}:{PORT}") as client:
            for patient in sorted(patients.to_pylist()):
                score, recommend, *_ = of_patient(patient, keys, decision="")
                scored = await send(client, score)
                answered = scored and all(each.get("probability") is not None for each in scored)
                if answered and await send(client, recommend):
                    return list(of_patient(patient, keys, scored[0]["decision_id"]))
    raise InputError("no patient can be asked about", where="demo", remedy="remove var/demo and run make demo again")


async def send(client: Any, example: Example) -> list[dict[str, Any]]:
    """Return the decisions, or the items, of an answer; none of anything but a 200."""
    answer = await client.request(example.method, example.path, json=example.body, headers={"X-API-Key": example.key})
    found = answer.json() if answer.status_code == 200 else {}
    return list(found.get("decisions", found.get("items", ())))


def of_patient(patient: str, keys: dict[str, str], decision: str) -> Iterator[Example]:
    """Yield one example for each endpoint: the outreach system's, then the reviewer's."""
    outreach, compliance = keys["outreach"], keys["compliance"]
    asked = {"tasks": ASKED, "purpose": "care_followup"}
    care = {"patient_id": patient, **asked}
    listed = {"patient_id": patient, "k": 5, "channel": "app", "purpose": "health_education"}
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 60))
    login = {"table": "interactions", "patient_id": patient, "event_id": f"demo-{int(time.time())}", "time": now}
    consent = {"consent_id": "demo-consent", "patient_id": patient, "purpose": "self_test", "granted_at": now}
    paper = {"method": "app", "evidence_ref": "demo-paper", "notice_version": "demo", "separate": True}
    yield Example("POST", "/v1/score", outreach, care)
    yield Example("POST", "/v1/recommend", outreach, listed)
    yield Example("POST", "/v1/score/batch", outreach, {"patient_ids": [patient], **asked})
    yield Example("GET", "/v1/self-test/self_test_diabetes", outreach)
    yield Example("POST", "/v1/self-test/self_test_diabetes", outreach, {"answers": ANSWERS, "consent": True})
    yield Example("POST", "/v1/events", outreach, {"events": [{**login, "channel": "app", "action": "login"}]})
    yield Example("POST", "/v1/consents", outreach, {**consent, **paper})
    yield Example("GET", "/v1/models", outreach)
    yield Example("GET", "/v1/models/churn_90d", outreach)
    yield Example("GET", "/v1/models/churn_90d/card", outreach)
    yield Example("GET", f"/v1/patients/{patient}/profile?purpose=care_followup", outreach)
    yield Example("DELETE", f"/v1/patients/{patient}/tags/initiative", outreach)
    yield Example("GET", "/v1/changes?after=0", outreach)
    yield Example("POST", "/v1/identities/resolve", outreach, {"ids": [{"system": "his", "value": "0001"}]})
    yield Example("PUT", "/v1/contents/demo-item", outreach, ITEM)
    yield Example("DELETE", "/v1/contents/demo-item", outreach)
    for path in ("/", "/openapi.json", "/livez", "/readyz"):
        yield Example("GET", path, outreach)
    yield Example("POST", "/v1/score", compliance, {**care, "explain": "full"})
    yield Example("GET", f"/v1/decisions/{decision}", compliance)
    yield Example("GET", f"/review/decisions/{decision}", compliance)
    yield Example("GET", "/metrics", compliance)


def call_each(command: list[str], examples: list[Example]) -> None:
    """Serve, call every example once, and stop; exit 1 where one fails."""
    log = HOME / "logs" / "serve.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as server:
        try:
            wait_until_ready(server)
            failed = 0
            for example in examples:
                with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(example.request()) as answer:
                    say(f"{answer.status} {example.method} {example.path} ({len(answer.read())} bytes)")
                    continue
                say(f"failed: {example.method} {example.path}")
                failed += 1
        finally:
            server.terminate()
    if failed:
        sys.exit(f"{failed} of {len(examples)} calls failed; see {log}")


def wait_until_ready(server: subprocess.Popen[bytes], seconds: float = 90) -> None:
    """Wait for /readyz to answer 200."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{PORT}/readyz", timeout=2):
            return
        time.sleep(0.3)
    raise InputError("the service did not become ready", where="demo", remedy=f"read {HOME / 'logs' / 'serve.log'}")


def step(label: str, package: str, *arguments: str) -> None:
    """Run ``python -m package arguments`` as a step; what it prints goes to a log."""
    log = HOME / "logs" / f"{label.split(',')[0].replace(' ', '_').replace(':', '')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with timed(label), log.open("wb") as out:
        ended = subprocess.run([sys.executable, "-m", package, *arguments], stdout=out, stderr=subprocess.STDOUT)
    if ended.returncode:
        sys.exit(f"failed: {label}\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


@contextlib.contextmanager
def timed(label: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    began = time.monotonic()
    say(f"  ...   {label}")
    yield
    say(f"{time.monotonic() - began:5.0f} s {label}")


def say(text: str) -> None:
    """Print a line as it is, at once."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
