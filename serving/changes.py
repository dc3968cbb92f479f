"""What a caller must hear of before it sends what it queued earlier: consents withdrawn, patients sealed.

A change is an entry of the ledger (kind ``change``), appended in the transaction of whatever caused
it, so that it stands or falls with its cause and every caller reads the same order. Its header
names nobody; the surrogate stands in the payload, which no patient's own key seals: a caller must
hear of a sealing after that key is gone. Nothing in it is a clinical value, not even the name of a
tag. Whoever makes such a change calls `announce`::

    with desk.ledger.writing() as appender:
        ...
        announce(appender, "patient.sealed", now, patient_id=patient_id)
        announce(appender, "model.switched", now, task="churn_90d", version="7", digest=digest)
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from features import instants

if TYPE_CHECKING:
    from serving.ledger import Appender, Entry, Ledger, Receipt

Kind = Literal[
    "consent.withdrawn",
    "objection.made",
    "patient.sealed",
    "patient.merged",
    "acute.set",
    "acute.cleared",
    "tag.changed",
    "model.switched",
    "content.withdrawn",
]
KINDS: tuple[str, ...] = get_args(Kind)
MORE: Final[Mapping[str, frozenset[str]]] = {
    "consent.withdrawn": frozenset({"purpose"}),
    "objection.made": frozenset({"purpose"}),
    "model.switched": frozenset({"task", "version", "digest"}),
    "content.withdrawn": frozenset({"content_id"}),
}
"""Kind -> what it may say beside when and of whom; nothing else is taken."""


def announce(
    appender: Appender,
    kind: Kind,
    at: int,
    *,
    patient_id: str | None = None,
    merged_from: str | None = None,
    **more: str | None,
) -> Receipt:
    """Append a change to the ledger, in the transaction of its cause.

    Parameters
    ----------
    at
        When it happened, UTC microseconds.
    patient_id, merged_from
        Surrogates; kept in the payload.
    more
        What the kind may say beside: see `MORE`.

    Raises
    ------
    ValueError
        The kind is not one of the closed list, or may not say that.
    """
    if kind not in KINDS or not set(more) <= MORE.get(kind, frozenset()):
        raise ValueError(f"no such change: {kind} with {sorted(more)}")
    people = {"patient_id": patient_id, "merged_from": merged_from}
    payload = {name: surrogate for name, surrogate in people.items() if surrogate is not None}
    return appender.append("change", uuid.uuid4().hex, {"change": kind, "at": instants.iso(at), **more}, payload)


def following(ledger: Ledger, cursor: int, most: int) -> list[dict[str, Any]]:
    """Return the changes after a cursor, oldest first, as they are told."""
    return [_told(entry) for entry in ledger.after("change", cursor, most)]


def _told(entry: Entry) -> dict[str, Any]:
    kind = entry.header["change"]
    told = {"cursor": str(entry.receipt.seq), "kind": kind, "at": entry.header["at"], **entry.payload}
    return told | {name: entry.header[name] for name in sorted(MORE.get(kind, ())) if name in entry.header}
