"""A refusal of a request: its status, its code and a text that holds nothing of what was sent."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

CODES: Mapping[int, str] = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "too_many_requests",
    503: "unavailable",
}
RETRY_AFTER_S = 2


class Problem(Exception):
    """An answer other than 200, in the envelope ``{"error": {code, message, field}}``.

    Parameters
    ----------
    status
        One of DESIGN's statuses.
    message
        What is wrong and what to do. Never a value that was sent.
    field
        Where in the body or path, as dotted names of our own schema.
    """

    def __init__(self, status: int, message: str, *, code: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.field = status, message, code or CODES[status], field

    def body(self) -> dict[str, object]:
        return {"error": {"code": self.code, "message": self.message, "field": self.field}}

    def headers(self) -> dict[str, str]:
        """Return what HTTP demands beside a status: when to come again, how to say who asks."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {"Retry-After": str(RETRY_AFTER_S)} if self.status in (429, 503) else {}


def nearest(given: str, known: Iterable[str]) -> str:
    """Return `` ; did you mean 'x'?`` with a name of ours, or the names there are."""
    names = tuple(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known: {', '.join(names)}" if names else ""
