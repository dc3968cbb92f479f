"""The page of one list of content, from its record; titles of what is not shown come from the catalogue as it stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from serving.reasons import group_names
from serving.replay import Replay
from serving.review.pages import language, page
from serving.review.words import Language, words
from training.affinity.safety import REASONS


def list_page(
    request: Request, record: Mapping[str, Any], replayed: Replay, titles: Mapping[str, str], form_token: str
) -> HTMLResponse:
    """Render a list: what was shown in what order and why, what was withheld and why, what a replay finds.

    Parameters
    ----------
    titles
        Content id -> title, of items that the record only names.
    """
    chosen = language(request)
    given: dict[str, Any] = {
        "d": record,
        "items": _items(record, chosen),
        "exploring": record.get("exploring"),
        "withheld": _withheld(record, chosen),
        "titles": titles,
        "replay": replayed,
        "form_token": form_token,
    }
    return page(request, "list.html", **given)


def _items(record: Mapping[str, Any], chosen: Language) -> list[dict[str, Any]]:
    """Return the items in their order; one of a personal list with its score and what each group adds to it."""
    at = 0 if chosen == "zh" else 1
    found = []
    for item, score, relative in zip_longest(record["items"], record.get("score", ()), record.get("relative", ())):
        groups = sorted((relative or {}).items(), key=lambda pair: -abs(pair[1]))
        named = [(group_names().get(group, (group, group))[at], value) for group, value in groups]
        found.append({**item, "score": score, "groups": named})
    return found


def _withheld(record: Mapping[str, Any], chosen: Language) -> Sequence[tuple[str, str, list[str]]]:
    """Return each reason's code, what it says in full, and the items, in the order in which an item is asked."""
    w, own = words(chosen), "why" if record["personalised"] else "closed"
    found = []
    for reason in REASONS:
        names = sorted(each["content_id"] for each in record["excluded_items"] if each["why"] == reason)
        if names:
            found.append((reason, w.get(f"{own}_{reason}", w[f"why_{reason}"]), names))
    return found
