"""One model's score of one vector, in the fields that an answer and the ledger carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features import instants
from features.params import general
from serving.models import Served
from serving.reasons import Choice, choose, group_names, templates
from training.explanation import Explanation
from training.scorer import explain_together

Origin = Mapping[str, Any]
_ZONE = general().zone
_NO_EVENT: Origin = {"event_id": None, "time": None, "known_at": None, "source": None, "n": None}


def score(asked: Sequence[tuple[Served, np.ndarray]], origins: Mapping[str, Origin] | None) -> list[dict[str, Any]]:
    """Return margin, base, contributions, probability, band, interval, missing, values and choices of each model asked.

    Parameters
    ----------
    asked
        Models, each with its (features,) values in the order of its VectorSpec; explained together.
    origins
        Feature -> latest event behind it: event_id, time, known_at, source, n. None where nobody asks
        for the values: patients' wording needs none.

    Raises
    ------
    ExplanationFault
        Base and contributions do not reach the margin; its ``place`` says of which.
    """
    found = explain_together([served.scorer for served, _ in asked], [row[None, :] for _, row in asked])
    return [told(served, each, 0, row, origins) for (served, row), each in zip(asked, found, strict=True)]


def told(
    served: Served, found: Explanation, place: int, row: np.ndarray, origins: Mapping[str, Origin] | None
) -> dict[str, Any]:
    """Return the fields of one row of an explanation; arguments as for `score`."""
    by_group = dict(zip(found.groups, found.group_contributions[place].tolist(), strict=True))
    missing = served.unknown(row)
    probability = float(found.probability[place])
    margin = float(found.margin[place])
    choices = choose(by_group, served.used_groups, missing)
    codes = [f"{choice.group}:{choice.direction}" for choice in choices]
    return {
        "probability": probability,
        "band": served.band(probability),
        "interval": _interval(served, probability),
        "margin": margin,
        "base": float(found.base),
        "contributions": dict(zip(served.scorer.spec.names, found.contributions[place].tolist(), strict=True)),
        "group_contributions": by_group,
        "missing": [_named(group) for group in missing],
        "values": [] if origins is None else _values(served, row, origins),
        "choices": choices,
        "stable": served.stability.stable(codes, margin) if served.stability else None,
    }


def _interval(served: Served, probability: float) -> dict[str, float] | None:
    """Return the ends of the Venn-ABERS interval beside a risk; None where the version carries none."""
    if served.intervals is None:
        return None
    lo, hi = served.intervals.of(np.array([probability]))
    return {"lo": float(lo[0]), "hi": float(hi[0])}


def reasons(fields: Mapping[str, Any], audience: str) -> list[dict[str, str]]:
    """Word the chosen groups for an audience, from reviewed templates.

    Staff text names the feature that weighed most in its group, with its value and date.
    """
    return [_worded(choice, fields, audience) for choice in fields["choices"]]


def _worded(choice: Choice, fields: Mapping[str, Any], audience: str) -> dict[str, str]:
    template = templates().reason(choice.group, choice.direction, audience, missing=choice.missing)
    if not template.placeholders:
        return {**template.reason(), "template": template.name}
    behind = [value for value in fields["values"] if value["group"] == choice.group and value["value"] is not None]
    most = max(behind, key=lambda value: abs(fields["contributions"][value["feature"]]))
    day = instants.day(most["time"], _ZONE) if most["time"] else ""
    unit = "" if most["unit"] == "1" else most["unit"]
    number = f"{most['value']:.4g}" if abs(most["value"]) < 10_000 else f"{most['value']:.0f}"
    shown = {"value": f"{number} {unit}".strip()}
    texts = [
        {**shown, "label": most[f"label_{tongue}"], "date": day or undated, "window": _window(most, tongue)}
        for tongue, undated in (("zh", "无日期"), ("en", "no date"))
    ]
    return {**template.reason(*texts), "template": template.name}


def _window(value: Mapping[str, Any], tongue: str) -> str:
    days = value["window_days"]
    if days is None:
        return "全部记录" if tongue == "zh" else "whole record"
    return f"近 {days:g} 天" if tongue == "zh" else f"last {days:g} days"


def _named(group: str) -> dict[str, str]:
    zh, en = group_names().get(group, (group, group))
    return {"code": group, "zh": zh, "en": en}


def _values(served: Served, row: np.ndarray, origins: Mapping[str, Origin]) -> list[dict[str, Any]]:
    shown = []
    for feature, value in zip(served.features, row.tolist(), strict=True):
        origin = origins.get(feature["feature"], _NO_EVENT)
        shown.append(
            {
                **feature,
                "value": None if value != value else value,
                "event_id": origin["event_id"],
                "time": origin["time"],
                "known_at": origin["known_at"],
                "source": origin["source"],
                "events": origin["n"],
            }
        )
    return shown
