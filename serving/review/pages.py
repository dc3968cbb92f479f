"""The pages: one decision, signing in, and what a browser sees when a page is refused."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from features import instants
from features.params import general
from serving.problem import Problem
from serving.review.waterfall import signed
from serving.review.words import Language, words

_STRICT = "default-src 'none'; style-src {style}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@functools.cache
def sheet() -> str:
    """Return the pages' style sheet."""
    return files("serving.review").joinpath("review.css").read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("serving.review", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(signed=signed, number=_number, beijing=_beijing, utc=_utc)
    return made


def language(request: Request) -> Language:
    """Return the language asked for by ``?lang=``; Chinese otherwise."""
    return "en" if request.query_params.get("lang") == "en" else "zh"


def page(request: Request, template: str, status: int = 200, inline: bool = False, **shown: Any) -> HTMLResponse:
    """Render a template under a policy that allows our own style sheet and nothing else.

    Parameters
    ----------
    inline
        Carry the style sheet in the page, named by its digest in the policy: for pages that are
        shown to somebody not signed in, who may fetch nothing else.
    """
    chosen = language(request)
    css = sheet() if inline else ""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    text = (
        _environment()
        .get_template(template)
        .render(w=words(chosen), lang=chosen, path=request.url.path, css=Markup(css), **shown)
    )
    policy = _STRICT.format(style=f"'sha256-{digest}'" if inline else "'self'")
    return HTMLResponse(text, status, {"Content-Security-Policy": policy})


def failure(request: Request, problem: Problem) -> HTMLResponse:
    """Return a refused page: the sign-in form for 401, else what is wrong in plain words."""
    if problem.status == 401:
        wrong = request.method == "POST"
        return page(request, "sign_in.html", 401, inline=True, wrong=wrong, after=_after(request))
    texts = words(language(request))
    said = texts.get(f"failed_{problem.status}", texts["failed_other"])
    made = page(request, "failure.html", problem.status, inline=True, said=said)
    made.headers.update(problem.headers())
    return made


def _after(request: Request) -> str:
    path = request.url.path
    return path if request.method == "GET" and path.startswith("/review/") else "/review"


def _number(value: float | None) -> str:
    if value is None:
        return "\u2014"
    text = f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 10_000 else f"{value:.4g}"
    return text.replace("-", "\u2212")


def _instant(value: str | int | None) -> int | None:
    return instants.parse(value) if isinstance(value, str) else value


def _utc(value: str | int | None) -> str:
    at = _instant(value)
    return "\u2014" if at is None else f"{instants.moment(at):%Y-%m-%d %H:%M}"


def _beijing(value: str | int | None) -> str:
    at = _instant(value)
    zone = ZoneInfo(general().timezone)
    return "\u2014" if at is None else f"{instants.moment(at).astimezone(zone):%Y-%m-%d %H:%M}"


def form_fields(content: Mapping[str, list[str]], name: str) -> str:
    """Return a form's single field, or nothing."""
    found = content.get(name, [])
    return found[0] if len(found) == 1 else ""
