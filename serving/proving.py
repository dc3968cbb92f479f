"""Proving a proposed artefact before anybody's approval of it is recorded: loaded as the service will load it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InputError
from serving.models import read
from serving.reasons import templates
from training.affinity.recommender import Recommender

if TYPE_CHECKING:
    from serving.approvals import Proposal

_DIRECTIONS = ("raises", "lowers")


def prove(proposal: Proposal, place: Path) -> None:
    """Load an artefact by its digest, score its golden rows again, and look for every reason it may have to give.

    Raises
    ------
    InputError
        A file is not what was proposed, the golden rows score differently here, the definitions of its
        features are not those of this code, or a clinical group has no reviewed template.
    """
    served = read(place, proposal.task, {"version": str(proposal.version), "digest": proposal.digest})
    groups = sorted(served.used_groups)
    audiences: tuple[tuple[str, bool], ...] = (("patient", False), ("patient", True), ("staff", False), ("staff", True))
    if served.task.kind == "affinity":
        groups, audiences = sorted(Recommender.load(place, proposal.digest).used_groups), (("patient", False),)
    for group in groups:
        for direction in _DIRECTIONS:
            for audience, missing in audiences:
                try:
                    templates().reason(group, direction, audience, missing=missing)
                except InputError as fault:
                    remedy = "add reviewed templates of this group, or leave it out of the task"
                    raise InputError(fault.what, where=f"approve {proposal.task}", remedy=remedy) from None
