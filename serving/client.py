"""A typed client of the service: for an outreach system's own code, and for our tests.

>>> with Client("http://127.0.0.1:3000", key) as client:  # doctest: +SKIP
...     answer = client.score("p-1", ["churn_90d"], "care_followup")
...     answer.decisions[0].probability

What is safe to send again (429, 503, 504, a lost connection) is sent again, under one
Idempotency-Key, so that a decision is made once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import httpx
import orjson
from pydantic import BaseModel

from serving.job_schemas import JobAnswer
from serving.patient_schemas import Change, ConsentAnswer, ContentAnswer, ProfileAnswer, ResolveAnswer
from serving.record_schemas import DecisionsAnswer, DossierAnswer, ErasureAnswer, MeAnswer, ReplayAnswer
from serving.schemas import (
    BatchAnswer,
    DecisionRecord,
    EventsAnswer,
    ModelsAnswer,
    ModelShown,
    QuestionnaireAnswer,
    RecommendAnswer,
    ScoreAnswer,
    SelfTestAnswer,
)

AGAIN = (429, 503, 504)
Answer = TypeVar("Answer", bound=BaseModel)


class Refusal(Exception):
    """An answer other than success.

    Attributes
    ----------
    status, code, message, field
        As the service gave them.
    request_id
        Names the request in the service's log.
    """

    def __init__(self, answer: httpx.Response) -> None:
        try:
            told = answer.json()["error"]
        except (ValueError, KeyError, TypeError):
            told = {"code": "no_envelope", "message": "the answer is not the service's", "field": None}
        self.status, self.code, self.message, self.field = (
            answer.status_code,
            told["code"],
            told["message"],
            told["field"],
        )
        self.request_id = answer.headers.get("X-Request-Id")
        super().__init__(f"{self.status} {self.code}: {self.message}")


class Client:
    """The service behind one address, asked with one credential.

    Parameters
    ----------
    url
        Where the service answers.
    key
        An API key, or None.
    token
        A bearer token, in the place of a key.
    turns
        How often a request is sent before its refusal is raised.
    timeout_s
        How long an answer is waited for.
    transport
        Another way to the service, an application in this process for one.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        token: str | None = None,
        turns: int = 5,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"X-API-Key": key} if key else {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self._turns = turns

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def score(
        self, patient_id: str, tasks: Sequence[str], purpose: str, *, key: str | None = None, **more: Any
    ) -> ScoreAnswer:
        """Score one patient; ``more``: as_of, explain, exploratory. ``key`` is an Idempotency-Key of one's own."""
        body = {"patient_id": patient_id, "tasks": list(tasks), "purpose": purpose, **more}
        return self._post("/v1/score", body, ScoreAnswer, key)

    def score_batch(
        self, patient_ids: Sequence[str], tasks: Sequence[str], purpose: str, *, key: str | None = None, **more: Any
    ) -> BatchAnswer:
        """Score many patients, one line each."""
        body = {"patient_ids": list(patient_ids), "tasks": list(tasks), "purpose": purpose, **more}
        return self._post("/v1/score/batch", body, BatchAnswer, key)

    def add_job(self, tasks: Sequence[str], purpose: str, cohort: str = "all", **more: Any) -> JobAnswer:
        """Begin a job; ``more``: patient_ids, changed_since, top, format."""
        body = {"kind": "score", "tasks": list(tasks), "purpose": purpose, "cohort": cohort, **more}
        return self._post("/v1/jobs", body, JobAnswer)

    def add_lists(self, k: int, channel: str, purpose: str, cohort: str = "all", **more: Any) -> JobAnswer:
        """Begin a job of lists; ``more``: patient_ids, changed_since, personalised, format."""
        body = {"kind": "recommend", "k": k, "channel": channel, "purpose": purpose, "cohort": cohort, **more}
        return self._post("/v1/jobs", body, JobAnswer)

    def job(self, job_id: str, wait_s: float = 0.0) -> JobAnswer:
        """Return where a job stands, after waiting for its end for so long."""
        until = time.monotonic() + wait_s
        while True:
            found = self._get(f"/v1/jobs/{job_id}", JobAnswer)
            if found.status not in ("queued", "running") or time.monotonic() >= until:
                return found
            time.sleep(0.1)

    def job_file(self, url: str) -> bytes:
        """Return a finished file."""
        return self._sent("GET", url).content

    def recommend(self, patient_id: str, k: int, channel: str, purpose: str, **more: Any) -> RecommendAnswer:
        """Return a list of content; ``more``: personalised, explain."""
        body = {"patient_id": patient_id, "k": k, "channel": channel, "purpose": purpose, **more}
        return self._post("/v1/recommend", body, RecommendAnswer)

    def questionnaire(self, task: str) -> QuestionnaireAnswer:
        """Return what a self-test asks."""
        return self._get(f"/v1/self-test/{task}", QuestionnaireAnswer)

    def self_test(self, task: str, answers: Mapping[str, Any], consent: bool) -> SelfTestAnswer:
        """Answer a self-test."""
        return self._post(f"/v1/self-test/{task}", {"answers": dict(answers), "consent": consent}, SelfTestAnswer)

    def resolve(self, ids: Sequence[tuple[str, str]]) -> ResolveAnswer:
        """Return the surrogates of a hospital's own (system, value) ids."""
        body = {"ids": [{"system": system, "value": value} for system, value in ids]}
        return self._post("/v1/identities/resolve", body, ResolveAnswer)

    def deliver(self, events: Sequence[Mapping[str, Any]], *, key: str | None = None) -> EventsAnswer:
        """Deliver events; each names its table."""
        return self._post("/v1/events", {"events": [dict(event) for event in events]}, EventsAnswer, key)

    def consent(self, **said: Any) -> ConsentAnswer:
        """Give, change or withdraw a consent."""
        return self._post("/v1/consents", said, ConsentAnswer)

    def publish(self, content_id: str, **said: Any) -> ContentAnswer:
        """Publish an item, or change it."""
        return self._read(self._sent("PUT", f"/v1/contents/{content_id}", said), ContentAnswer)

    def withdraw(self, content_id: str) -> None:
        """Withdraw an item before the next list."""
        self._sent("DELETE", f"/v1/contents/{content_id}")

    def changes(self, after: int = 0, wait_s: float = 0.0) -> Iterator[Change]:
        """Yield what changed after a cursor."""
        answer = self._sent("GET", f"/v1/changes?after={after}&wait={wait_s:g}")
        for line in answer.content.splitlines():
            yield Change.model_validate_json(line)

    def profile(self, patient_id: str, purpose: str) -> ProfileAnswer:
        """Return a patient's tags and tiers, by purpose."""
        return self._get(f"/v1/patients/{patient_id}/profile?purpose={purpose}", ProfileAnswer)

    def dossier(self, patient_id: str) -> DossierAnswer:
        """Return everything held of a patient."""
        return self._get(f"/v1/patients/{patient_id}/dossier", DossierAnswer)

    def erase(self, patient_id: str) -> ErasureAnswer:
        """Seal and erase a patient."""
        return self._read(self._sent("DELETE", f"/v1/patients/{patient_id}"), ErasureAnswer)

    def delete_tag(self, patient_id: str, tag: str) -> None:
        """Delete one of a patient's tags."""
        self._sent("DELETE", f"/v1/patients/{patient_id}/tags/{tag}")

    def decisions(self, **asked: Any) -> DecisionsAnswer:
        """Return decisions by patient_id, from, to, task, campaign or refused."""
        return self._get(f"/v1/decisions?{httpx.QueryParams(asked)}", DecisionsAnswer)

    def decision(self, decision_id: str) -> DecisionRecord:
        """Return a decision as it was recorded."""
        return self._get(f"/v1/decisions/{decision_id}", DecisionRecord)

    def replay(self, decision_id: str) -> ReplayAnswer:
        """Have a decision made again."""
        return self._post(f"/v1/decisions/{decision_id}/replay", {}, ReplayAnswer)

    def models(self) -> list[ModelShown]:
        """Return the models that score now."""
        return self._get("/v1/models", ModelsAnswer).models

    def model(self, task: str) -> ModelShown:
        """Return one task's model."""
        return self._get(f"/v1/models/{task}", ModelShown)

    def card(self, task: str, tag: str | None = None) -> tuple[dict[str, Any] | None, str]:
        """Return a model's card and its tag; None where the card with that tag still stands."""
        answer = self._sent("GET", f"/v1/models/{task}/card", headers={"If-None-Match": tag} if tag else None)
        return None if answer.status_code == 304 else answer.json(), answer.headers["ETag"]

    def me(self) -> MeAnswer:
        """Return whom the credential stands for, and its quotas."""
        return self._get("/v1/me", MeAnswer)

    def ready(self) -> bool:
        """Say whether the service is ready to answer."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def _get(self, path: str, model: type[Answer]) -> Answer:
        return self._read(self._sent("GET", path), model)

    def _post(self, path: str, body: Any, model: type[Answer], key: str | None = None) -> Answer:
        return self._read(self._sent("POST", path, body, {"Idempotency-Key": key or uuid.uuid4().hex}), model)

    def _read(self, answer: httpx.Response, model: type[Answer]) -> Answer:
        return model.model_validate_json(answer.content)

    def _sent(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send until it is answered for good.

        Raises
        ------
        Refusal
            The service refused it.
        httpx.TransportError
            There is no service.
        """
        content = None if body is None else orjson.dumps(body)
        told = {**(headers or {}), **({} if content is None else {"Content-Type": "application/json"})}
        for turn in range(1, self._turns + 1):
            try:
                answer = self._http.request(method, path, content=content, headers=told)
            except httpx.TransportError:
                if turn == self._turns:
                    raise
                time.sleep(0.2 * turn)
                continue
            if answer.status_code not in AGAIN or turn == self._turns:
                break
            time.sleep(float(answer.headers.get("Retry-After", "1")) / 10 * turn)
        if answer.is_success or answer.status_code == 304:
            return answer
        raise Refusal(answer)
