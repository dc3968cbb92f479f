"""Aliases of registered versions: ``challenger`` is proposed, ``champion`` is approved.

An alias is a label for people and for ``models:/TASK@champion``. What is served is pinned by digest
in the service's ledger, so an alias moved by hand changes nothing; it is reported.
"""

from __future__ import annotations

from features.errors import InputError
from training.tracking.store import connected, version

CHALLENGER, CHAMPION = "challenger", "champion"
APPROVED = "approved_version"
"""Tag of the registered model that an approval writes beside the alias, so that a moved alias shows."""


def challenge(task: str, number: str) -> None:
    """Name a version ``challenger``: it was proposed.

    Raises
    ------
    InputError
        The task has no such version.
    """
    version(task, number)
    with connected() as client:
        client.set_registered_model_alias(task, CHALLENGER, number)


def crown(task: str, number: str, digest: str) -> None:
    """Name a version ``champion``: an approval or a rollback put it into production. Nothing else calls this.

    Raises
    ------
    InputError
        The task has no such version, or it is not the artefact that was approved.
    """
    if version(task, number).digest != digest:
        raise InputError("it is not the artefact that was approved", where=f"{task} {number}")
    with connected() as client:
        client.set_registered_model_alias(task, CHAMPION, number)
        client.set_registered_model_tag(task, APPROVED, number)
        if aliases(task).get(CHALLENGER) == number:
            client.delete_registered_model_alias(task, CHALLENGER)


def aliases(task: str) -> dict[str, str]:
    """Return alias -> version of a task; empty where nothing is registered."""
    with connected() as client:
        found = client.search_registered_models(f"name = '{task}'")
        return {name: str(number) for each in found for name, number in each.aliases.items()}


def champion(task: str) -> str | None:
    """Return the version that the last approval or rollback crowned, wherever the alias points now."""
    with connected() as client:
        found = client.search_registered_models(f"name = '{task}'")
        return next((each.tags[APPROVED] for each in found if APPROVED in each.tags), None)


def moved(task: str, approved: str | None = None) -> str | None:
    """Return what is wrong with the alias ``champion`` of a task, in one sentence, or None.

    Parameters
    ----------
    approved
        The version in production as the ledger knows it; by default the one last crowned.
    """
    wanted = approved or champion(task)
    found = aliases(task).get(CHAMPION)
    if found == wanted:
        return None
    there = f"points at version {found}" if found else "is missing"
    ours = f"the approved version is {wanted}" if wanted else "no version was approved"
    return f"{task}: the alias {CHAMPION} {there}, {ours}: it was moved by hand and changes nothing that is served"
