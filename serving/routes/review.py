"""/review: the reviewer's pages, signing in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.responses import RedirectResponse, Response

from serving.ledger import Entry
from serving.problem import Problem
from serving.review.decision import decision_page
from serving.review.listed import list_page
from serving.review.pages import form_fields, page, sheet
from serving.route import FORM, Call, Route
from serving.routes.decisions import recorded, replayed, said_why, shown
from serving.sessions import COOKIE
from training.affinity.item import items

if TYPE_CHECKING:
    from serving.desk import Desk

LATEST = 25


async def index(call: Call) -> Response:
    entries = await call.desk.run(lambda: call.desk.ledger.where("kind IN ('decision', 'list')", (), LATEST))
    rows = [{"decision_id": entry.id, "kind": entry.kind, **entry.header, "seq": entry.seq} for entry in entries]
    return page(call.http, "index.html", rows=rows, form_token=_token(call))


async def decision(call: Call) -> Response:
    desk = call.desk
    entry = await desk.run(recorded, desk, call.principal, call.path("id"), said_why(call))
    made = await replayed(desk, entry)
    if entry.kind == "decision":
        return decision_page(call.http, shown(entry), made, _token(call))
    titles = await desk.run(_titles, desk, entry)
    return list_page(call.http, shown(entry), made, titles, _token(call))


def _titles(desk: Desk, entry: Entry) -> dict[str, str]:
    """Return the titles of the catalogue as it stood when a list was made."""
    return {item.content_id: item.title for item in items(desk.store.contents(entry.header.get("contents_seq")))}


async def style(_call: Call) -> Response:
    return Response(sheet(), media_type="text/css", headers={"Cache-Control": "private, max-age=300"})


async def sign_in(call: Call) -> Response:
    fields = _form(call)
    _same_origin(call)
    principal = call.desk.keys.principal(form_fields(fields, "key"))
    if principal is None:
        raise Problem(401, "the key is not valid, or has expired")
    if not principal.may("review"):
        raise Problem(403, "this key does not hold the scope 'review'")
    after = form_fields(fields, "after")
    cookie = call.desk.sessions.issue(principal.name)
    safe = after == "/review" or (after.startswith("/review/") and "//" not in after and "\\" not in after)
    made = RedirectResponse(after if safe else "/review", 303)
    secure = call.http.url.scheme == "https"
    made.set_cookie(
        COOKIE, cookie, call.desk.sessions.seconds, path="/review", secure=secure, httponly=True, samesite="strict"
    )
    return made


async def sign_out(call: Call) -> Response:
    _same_origin(call)
    cookie = call.http.cookies.get(COOKIE, "")
    if not call.desk.sessions.holds(cookie, form_fields(_form(call), "token")):
        raise Problem(403, "the form does not belong to this session")
    made = RedirectResponse("/review", 303)
    made.delete_cookie(COOKIE, path="/review", httponly=True, samesite="strict")
    return made


def _form(call: Call) -> dict[str, list[str]]:
    try:
        return parse_qs(call.raw.decode("utf-8"), max_num_fields=10, strict_parsing=True)
    except ValueError:
        raise Problem(422, "the form cannot be read", code="malformed_form") from None


def _same_origin(call: Call) -> None:
    origin = call.http.headers.get("origin")
    if origin is not None and origin != f"{call.http.url.scheme}://{call.http.url.netloc}":
        raise Problem(403, "the form was sent from another site")


def _token(call: Call) -> str:
    cookie: Any = call.http.cookies.get(COOKIE)
    return call.desk.sessions.form_token(cookie) if cookie else ""


_PAGE: dict[str, Any] = {"gives": "text/html"}
ROUTES = (
    Route("GET", "/review", "review", index, "The latest decisions and lists", **_PAGE),
    Route(
        "GET",
        "/review/decisions/{id}",
        "review",
        decision,
        "One decision or list as a page",
        statuses=(404, 422),
        headers=("X-Access-Reason",),
        **_PAGE,
    ),
    Route("GET", "/review/review.css", "review", style, "The pages' style sheet", gives="text/css"),
    Route(
        "POST",
        "/review/sign-in",
        None,
        sign_in,
        "Exchange a key for a session",
        bodies=(FORM,),
        statuses=(401, 403),
        success=303,
        **_PAGE,
    ),
    Route("POST", "/review/sign-out", "review", sign_out, "End the session", bodies=(FORM,), success=303, **_PAGE),
)
