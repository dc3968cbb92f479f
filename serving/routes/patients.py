"""/v1/patients/{id}: what is held of a patient, and its erasure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from serving.access import Principal
from serving.dossier import dossier
from serving.problem import Problem
from serving.record_schemas import DossierAnswer, ErasureAnswer
from serving.route import Call, Route, answer
from serving.routes.decisions import note, said_why
from serving.schemas import Surrogate
from serving.sealing import erase

if TYPE_CHECKING:
    from serving.desk import Desk

_SURROGATE: TypeAdapter[str] = TypeAdapter(Surrogate)


async def told(call: Call) -> Response:
    return answer(await call.desk.run(_told, call.desk, call.principal, _patient(call), said_why(call)))


def _told(desk: Desk, principal: Principal, patient_id: str, reason: str | None) -> dict[str, Any]:
    sealed = desk.ledger.keys.tombstone(patient_id) is not None
    if not sealed and not desk.store.has(patient_id):
        raise Problem(404, "no such patient", code="unknown_patient", field="id")
    if sealed and not reason:
        raise Problem(403, "the patient is sealed; say why in the header X-Access-Reason", code="reason_required")
    found = dossier(desk, patient_id, desk.clock.now())
    note(desk, principal, "read", what="dossier", reason=reason, patient_id=patient_id)
    return found


async def delete(call: Call) -> Response:
    return answer(await call.desk.run(_delete, call.desk, call.principal, _patient(call), said_why(call)))


def _delete(desk: Desk, principal: Principal, patient_id: str, reason: str | None) -> dict[str, Any]:
    if not desk.store.has(patient_id) and desk.ledger.keys.tombstone(patient_id) is None:
        raise Problem(404, "no such patient", code="unknown_patient", field="id")
    by = {"principal": principal.name, "role": principal.role, "reason": reason}
    rules = desk.settings.retention
    found = erase(desk.home, desk.ledger, desk.store, rules, patient_id, by, desk.clock.now())
    return found.as_dict(rules)


def _patient(call: Call) -> str:
    try:
        return _SURROGATE.validate_python(call.path("id"), strict=True)
    except ValidationError:
        raise Problem(404, "no such patient", code="unknown_patient", field="id") from None


ROUTES = (
    Route(
        "GET",
        "/v1/patients/{id}/dossier",
        "dossier",
        told,
        "Everything held of a patient, what it was used for, and the rights",
        answer=DossierAnswer,
        statuses=(404, 422),
        headers=("X-Access-Reason",),
    ),
    Route(
        "DELETE",
        "/v1/patients/{id}",
        "erase",
        delete,
        "Seal a patient at once and erase what nobody must keep",
        answer=ErasureAnswer,
        statuses=(404, 422),
        headers=("X-Access-Reason",),
    ),
)
