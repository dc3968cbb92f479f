"""Approvals: a proposed model becomes servable by another person's entry in the ledger."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features import instants
from features.errors import InputError
from serving.appender import canonical
from serving.changes import announce
from serving.clock import Clock
from serving.ledger import Ledger
from serving.suite import suite
from training import manifest
from training.signing import public_key, verify

KIND = "approval"
_DOMAIN = b"carepath-production-1\n"


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
    """Read a proposal whose author signed it.

    Raises
    ------
    InputError
        It is not one, it was changed since it was signed, or another key than the author's signed it.
    """
    try:
        told = orjson.loads(file.read_bytes())
        public = verify(told)
        proposal = Proposal.model_validate(told)
    except InputError:
        raise
    except (OSError, ValueError, ValidationError):
        remedy = "give the file that python -m training propose wrote"
        raise InputError("not a proposal", where=file.name, remedy=remedy) from None
    if public_key(proposal.author) not in (None, public):
        raise InputError("another key than the author's signed it", where=file.name, remedy="propose it again")
    return proposal


def asks_for_clinician(name: str) -> bool:
    """Say whether a task is about the risk of a disease, so that a clinician must answer for its model."""
    from training.tasks import task

    return task(name).kind in ("incident", "prevalent")


def signed(ledger: Ledger, header: dict[str, Any]) -> dict[str, Any]:
    """Return a header with the service's signature of it: what puts a model into production carries one."""
    return {**header, "signature": ledger.keys.provider.sign(_DOMAIN + canonical(header)).hex()}


def sound(ledger: Ledger, header: Mapping[str, Any]) -> bool:
    """Say whether the header of an entry is signed by this service."""
    own = {name: value for name, value in header.items() if name not in ("signature", "kind", "id", "suite")}
    try:
        signature = bytes.fromhex(header["signature"])
        made = suite(header["suite"])
    except (KeyError, ValueError, TypeError, InputError):
        return False
    return made.signed(ledger.keys.provider.public(), signature, _DOMAIN + canonical(own))


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


def approve(file: Path, home: Path, ledger: Ledger, approver: str, clinician: str | None = None) -> Proposal:
    """Install a proposed artefact and record the approval, signed; every worker scores with it from then on.

    Parameters
    ----------
    approver
        Who approves; never the author.
    clinician
        Who answers for it medically; neither the author nor the approver. A disease-risk task needs one.

    Raises
    ------
    InputError
        The proposal cannot be read, is not as its author signed it, or is blocked by a gate; author,
        approver and clinician are not different people, or a clinician is wanting; the artefact has
        another digest, or does not load here as it must.
    """
    from serving.proving import prove

    proposal = proposed(file)
    if clinician is None and asks_for_clinician(proposal.task):
        what = "a disease-risk task needs a named clinician"
        raise InputError(what, where=f"approve {proposal.task}", remedy="name one: --clinician NAME")
    if clinician is not None and clinician in (proposal.author, approver):
        raise InputError("the clinician is a person of their own", where="approve", remedy="name another: --clinician")
    if proposal.author == approver:
        raise InputError("an author cannot approve", where="approve", remedy="let another person: --identity NAME")
    blocked = [str(gate.get("name")) for gate in proposal.gates if gate.get("verdict") == "block"]
    if blocked:
        raise InputError(f"blocked by its gates: {', '.join(blocked)}", where=f"task {proposal.task}")
    install(proposal, home)
    prove(proposal, folder(home, proposal.task, proposal.digest))
    at = Clock().now()
    named = {"task": proposal.task, "version": str(proposal.version), "digest": proposal.digest}
    people = {"author": proposal.author, "approver": approver, "clinician": clinician}
    header = signed(ledger, {**named, **people, "at": instants.iso(at)})
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
