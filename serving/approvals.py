"""Approvals: a proposed model becomes servable by another person's entry in the ledger."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features import instants
from features.errors import InputError
from serving.clock import Clock
from serving.ledger import Entry, Ledger
from training import manifest

KIND = "approval"


class Proposal(BaseModel):
    """A proposal as ``training propose`` writes it; unknown fields are kept and recorded."""

    model_config = ConfigDict(extra="allow", frozen=True)

    task: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: str | int
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    author: str = Field(min_length=1)
    artefact: str = ""
    gates: tuple[dict[str, Any], ...] = ()


def approve(file: Path, home: Path, ledger: Ledger, approver: str) -> Proposal:
    """Copy a proposed artefact into the state folder, check its digest, and record the approval.

    Raises
    ------
    InputError
        The proposal cannot be read or is blocked by a gate; the approver is its author; the
        recorded artefact has another digest.
    """
    try:
        proposal = Proposal.model_validate(orjson.loads(file.read_bytes()))
    except (OSError, ValueError, ValidationError):
        remedy = "give the file that python -m training propose wrote"
        raise InputError("not a proposal", where=file.name, remedy=remedy) from None
    if proposal.author == approver:
        raise InputError("an author cannot approve", where="approve", remedy="let another person: --identity NAME")
    blocked = [str(gate.get("name")) for gate in proposal.gates if gate.get("verdict") == "block"]
    if blocked:
        raise InputError(f"blocked by its gates: {', '.join(blocked)}", where=f"task {proposal.task}")
    place = folder(home, proposal.task, proposal.digest)
    if not place.is_dir():
        source = _artefact(proposal)
        manifest.read(source, proposal.digest)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = place.with_name(place.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(source, fresh)
        fresh.replace(place)
    header = {
        "task": proposal.task,
        "version": str(proposal.version),
        "digest": proposal.digest,
        "author": proposal.author,
        "approver": approver,
        "at": instants.iso(Clock().now()),
    }
    with ledger.writing() as appender:
        appender.append(KIND, uuid.uuid4().hex, header, proposal.model_dump())
    return proposal


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

    approved = standing(ledger).get(task)
    try:
        return tracking.moved(task, str(approved["version"])) if approved else tracking.moved(task)
    except Exception as error:
        return f"MLflow could not be asked for its alias champion: {type(error).__name__}"


def _artefact(proposal: Proposal) -> Path:
    """Return the proposed folder where it is on this machine, else the one that was recorded."""
    here = Path(proposal.artefact)
    if proposal.artefact and here.is_dir():
        return here
    from training.tracking import fetch

    return fetch(proposal.task, str(proposal.version))


def folder(home: Path, task: str, digest: str) -> Path:
    """Return where an approved artefact lives."""
    return home / "models" / task / digest


def standing(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return the latest approval of every task, by task."""
    return {entry.header["task"]: entry.header for entry in ledger.entries(KIND)}


def history(ledger: Ledger, task: str) -> list[Entry]:
    """Return what was approved for a task, when and by whom, oldest first."""
    return [entry for entry in ledger.entries(KIND) if entry.header["task"] == task]
