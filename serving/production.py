"""What is in production: which approved version of each task scores, since when, and how to step back.

The ledger decides: an ``approval`` puts a version into production, a ``rollback`` the one before it
again; a ``challenger`` is scored in the shadow, recorded beside each decision and never answered.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features import instants
from features.errors import InputError
from serving import approvals
from serving.changes import announce
from serving.clock import Clock
from serving.ledger import Entry, Ledger
from training import manifest

ROLLBACK, CHALLENGER = "rollback", "challenger"
KINDS = (approvals.KIND, ROLLBACK, CHALLENGER)


@dataclass(frozen=True)
class Standing:
    """What the ledger says of one task.

    Attributes
    ----------
    approval
        The approval of the version in production.
    challenger
        The version scored in the shadow, or None.
    """

    approval: dict[str, Any]
    challenger: dict[str, Any] | None = None


@dataclass(frozen=True)
class Term:
    """A version's time in production; ``until`` is None while it lasts, ``by`` who put it there."""

    version: str
    digest: str
    author: str
    by: str
    how: str
    since: str
    until: str | None


def standing(ledger: Ledger) -> dict[str, Standing]:
    """Return task -> what is in production, and what is scored in its shadow."""
    found: dict[str, Standing] = {}
    for task, entries in _by_task(ledger).items():
        versions = _versions(entries)
        if versions:
            found[task] = Standing(versions[-1], _challenger(entries, versions[-1]))
    return found


def mark(ledger: Ledger) -> int:
    """Return the number of the last entry that changes what is in production; 0 before the first."""
    return max((entry.receipt.seq for kind in KINDS for entry in ledger.latest(kind, 1)), default=0)


def history(ledger: Ledger, task: str) -> list[Term]:
    """Return which version of a task was in production from when to when, oldest first."""
    entries = [each for each in _by_task(ledger).get(task, []) if each.kind != CHALLENGER]
    ends = [*(each.header["at"] for each in entries[1:]), None][: len(entries)]
    return [
        Term(
            version=each.header["version"],
            digest=each.header["digest"],
            author=each.header["author"],
            by=each.header["identity"] if each.kind == ROLLBACK else each.header["approver"],
            how=each.kind,
            since=each.header["at"],
            until=until,
        )
        for each, until in zip(entries, ends, strict=True)
    ]


def rollback(ledger: Ledger, home: Path, task: str, identity: str) -> dict[str, Any]:
    """Put the version that was in production before the present one into production again.

    Returns
    -------
    dict
        The approval of the version that scores from now on.

    Raises
    ------
    InputError
        There is no earlier version, or its files are not what was approved.
    """
    every = _by_task(ledger)
    versions = _versions(every.get(task, []))
    if not versions:
        raise InputError(f"no approved model of '{task}'", where="rollback", given=task, known=tuple(every))
    now, earlier = versions[-1], versions[:-1]
    if not earlier:
        raise InputError("there is no version before the present one", where=f"rollback {task}")
    manifest.read(approvals.folder(home, task, earlier[-1]["digest"]), earlier[-1]["digest"])
    at = Clock().now()
    header = {
        **{name: earlier[-1][name] for name in ("task", "version", "digest", "author", "approver")},
        "from": {name: now[name] for name in ("version", "digest")},
        "identity": identity,
        "at": instants.iso(at),
    }
    with ledger.writing() as appender:
        appender.append(ROLLBACK, uuid.uuid4().hex, approvals.signed(ledger, header), {})
        announce(appender, "model.switched", at, **{name: header[name] for name in ("task", "version", "digest")})
    return earlier[-1]


def challenge(ledger: Ledger, home: Path, file: Path, identity: str) -> approvals.Proposal:
    """Score a proposed model in the shadow of the one in production.

    Raises
    ------
    InputError
        As `approvals.install`; or the task has no model in production.
    """
    proposal = approvals.proposed(file)
    if proposal.task not in standing(ledger):
        raise InputError("no model in production to stand beside", where=f"shadow {proposal.task}")
    approvals.install(proposal, home)
    _challenged(ledger, proposal.task, identity, str(proposal.version), proposal.digest)
    return proposal


def dismiss(ledger: Ledger, task: str, identity: str) -> None:
    """End the shadow scoring of a task.

    Raises
    ------
    InputError
        No model of it is scored in the shadow.
    """
    found = standing(ledger).get(task)
    if found is None or found.challenger is None:
        raise InputError(f"no model of '{task}' is scored in the shadow", where="shadow --stop")
    _challenged(ledger, task, identity, None, None)


def crown(task: str, version: str, digest: str) -> str | None:
    """Point MLflow's alias ``champion`` at what is in production; return why it could not be, or None.

    The ledger alone decides what is served: an approval or rollback stands without the alias.
    """
    from training import tracking

    try:
        tracking.crown(task, version, digest)
    except Exception as error:
        reason = str(error) if isinstance(error, InputError) else type(error).__name__
        return f"the alias champion was not set in MLflow: {reason}"
    return None


def moved(ledger: Ledger, task: str) -> str | None:
    """Return what is wrong with MLflow's alias ``champion`` beside the ledger, or None."""
    from training import tracking

    found = standing(ledger).get(task)
    try:
        return tracking.moved(task, str(found.approval["version"])) if found else tracking.moved(task)
    except Exception as error:
        return f"MLflow could not be asked for its alias champion: {type(error).__name__}"


def _challenged(ledger: Ledger, task: str, identity: str, version: str | None, digest: str | None) -> None:
    at = instants.iso(Clock().now())
    header = {"task": task, "version": version, "digest": digest, "identity": identity, "at": at}
    with ledger.writing() as appender:
        appender.append(CHALLENGER, uuid.uuid4().hex, approvals.signed(ledger, header), {})


def _by_task(ledger: Ledger) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in sorted(_every(ledger), key=lambda entry: entry.receipt.seq):
        found.setdefault(entry.header["task"], []).append(entry)
    return found


def _every(ledger: Ledger) -> Iterator[Entry]:
    """Yield what this service signed; an entry that somebody else wrote puts nothing into production."""
    for kind in KINDS:
        yield from (entry for entry in ledger.entries(kind) if approvals.sound(ledger, entry.header))


def _versions(entries: list[Entry]) -> list[dict[str, Any]]:
    """Return the approvals that led to the present, oldest first: a rollback takes the last one away."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        if entry.kind == approvals.KIND:
            if not found or found[-1]["digest"] != entry.header["digest"]:
                found.append(entry.header)
        elif entry.kind == ROLLBACK and len(found) > 1:
            found.pop()
    return found


def _challenger(entries: list[Entry], now: dict[str, Any]) -> dict[str, Any] | None:
    latest = next((each.header for each in reversed(entries) if each.kind == CHALLENGER), None)
    return None if latest is None or latest["digest"] in (None, now["digest"]) else latest
