"""The page of one decision, from its record alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from serving.reasons import group_names
from serving.replay import Replay
from serving.review.pages import language, page
from serving.review.waterfall import bars, waterfall
from serving.review.words import Language, words


def decision_page(request: Request, record: Mapping[str, Any], replayed: Replay, form_token: str) -> HTMLResponse:
    """Render a decision: the drawing, the same as a table, where each value came from, and what a replay finds."""
    chosen = language(request)
    scored = record["refused"] is None
    groups = _groups(record, chosen) if scored else []
    w = words(chosen)
    drawing = ""
    if scored:
        steps = bars(record["base"], [(group["label"], group["value"]) for group in groups], w["rest"])
        texts = {"title": w["waterfall"], "description": w["waterfall_desc"]}
        drawing = waterfall(
            record["base"], steps, record["margin"], {**texts, **{name: w[name] for name in ("base", "margin", "axis")}}
        )
    question = record[f"question_{chosen}"]
    shown = {**record, "question": question[:1].upper() + question[1:]}
    given: dict[str, Any] = {
        "d": shown,
        "groups": groups,
        "drawing": drawing,
        "replay": replayed,
        "form_token": form_token,
    }
    return page(request, "decision.html", **given)


def _groups(record: Mapping[str, Any], chosen: Language) -> list[dict[str, Any]]:
    """Return the clinical groups, the greatest contribution first, each with its features and values."""
    at = 0 if chosen == "zh" else 1
    found = []
    for group, value in sorted(record["group_contributions"].items(), key=lambda pair: -abs(pair[1])):
        inputs = [item for item in record["values"] if item["group"] == group]
        rows = [
            {"label": item[f"label_{chosen}"], "contribution": record["contributions"][item["feature"]]}
            for item in inputs
        ]
        name = group_names().get(group, (group, group))[at]
        found.append(
            {
                "label": name[:1].upper() + name[1:],
                "value": value,
                "features": sorted(rows, key=lambda row: -abs(row["contribution"])),
                "inputs": inputs,
            }
        )
    return found
