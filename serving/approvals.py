"""Approvals: a proposed model becomes servable by another person's entry in the ledger."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features import instants
from features.errors import InputError
from serving.changes import announce
from serving.clock import Clock
from serving.ledger import Ledger
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


def proposed(file: Path) -> Proposal:
    """Read a proposal.

    Raises
    ------
    InputError
        It is not one.
    """
    try:
        return Proposal.model_validate(orjson.loads(file.read_bytes()))
    except (OSError, ValueError, ValidationError):
        remedy = "give the file that python -m training propose wrote"
        raise InputError("not a proposal", where=file.name, remedy=remedy) from None


def install(proposal: Proposal, home: Path) -> None:
    """Copy a proposed artefact into the state folder, whole or not at all; a damaged copy is replaced.

    Raises
    ------
    InputError
        The artefact has another digest.
    """
    place = folder(home, proposal.task, proposal.digest)
    with contextlib.suppress(InputError):
        manifest.read(place, proposal.digest)
        return
    source = _artefact(proposal)
    manifest.read(source, proposal.digest)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = place.with_name(place.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(source, fresh)
    shutil.rmtree(place, ignore_errors=True)
    fresh.replace(place)


def approve(file: Path, home: Path, ledger: Ledger, approver: str) -> Proposal:
    """Install a proposed artefact and record the approval; every worker scores with it from then on.

    Raises
    ------
    InputError
        The proposal cannot be read or is blocked by a gate; the approver is its author; the
        recorded artefact has another digest.
    """
    proposal = proposed(file)
    if proposal.author == approver:
        raise InputError("an author cannot approve", where="approve", remedy="let another person: --identity NAME")
    blocked = [str(gate.get("name")) for gate in proposal.gates if gate.get("verdict") == "block"]
    if blocked:
        raise InputError(f"blocked by its gates: {', '.join(blocked)}", where=f"task {proposal.task}")
    install(proposal, home)
    at = Clock().now()
    named = {"task": proposal.task, "version": str(proposal.version), "digest": proposal.digest}
    header = {**named, "author": proposal.author, "approver": approver, "at": instants.iso(at)}
    with ledger.writing() as appender:
        appender.append(KIND, uuid.uuid4().hex, header, proposal.model_dump())
        announce(appender, "model.switched", at, **named)
    return proposal


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
