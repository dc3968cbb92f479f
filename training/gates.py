"""The gates between a run and production: each passes, warns or blocks.

METHODS, fairness and promotion: a gate blocks only where the whole interval lies past it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CALIBRATION = {"test_slope": (0.8, 1.2), "test_oe": (0.8, 1.25)}
"""Figure -> range. For disease risk they block, for other tasks they warn."""
GAP_WARN, GAP_BLOCK = 0.05, 0.10
"""Of the true positive rate of a group, below that of everybody else."""
STABLE = 0.6
ROWS = 2000
"""Validation rows that the stability of reasons is judged on, at least."""
ENOUGH = 100
"""User-days from which a part of the lists is judged."""
MILD = ("churn", "affinity")
TOO_GOOD = 0.95
"""AUROC of a model from which a leak is looked for (METHODS: .95 is a leak)."""


@dataclass(frozen=True)
class Gate:
    """One gate: what it looks at, and ``pass``, ``warn`` or ``block``."""

    name: str
    verdict: str
    text: str


def past(lo: float, hi: float, least: float, most: float) -> bool:
    """Return whether an interval lies wholly outside a range."""
    return hi < least or lo > most


def gates(
    figures: Mapping[str, float], tags: Mapping[str, str], explained: bool, trust: Mapping[str, Any] | None = None
) -> tuple[Gate, ...]:
    """Apply the gates to a run's figures, tags and assessment.

    Parameters
    ----------
    trust
        Sections as ``training.assessment`` writes them: fairness, leaks, shuffled, stability, curvature.
    """
    trust = trust or {}
    return (
        *_calibrated(figures, tags.get("kind") in MILD),
        *_ahead(figures),
        *_lists(figures, trust.get("ranking")),
        *_groups(trust.get("fairness", ())),
        *_leaks(trust),
        *_too_good(figures),
        *_reasons(trust.get("stability")),
        *_affine(trust.get("curvature")),
        *_months(trust.get("months")),
        _size(tags),
        Gate("explains itself", "pass" if explained else "warn", "additive contributions, checked at every score"),
    )


def _calibrated(figures: Mapping[str, float], mild: bool) -> list[Gate]:
    found = []
    for name, (least, most) in CALIBRATION.items():
        lo, hi = figures.get(f"{name}_lo"), figures.get(f"{name}_hi")
        if lo is None or hi is None:
            found.append(Gate(name, "warn", "not measured"))
            continue
        inside = least <= figures[name] <= most
        outside = past(lo, hi, least, most)
        verdict = "block" if outside and not mild else "pass" if inside else "warn"
        found.append(Gate(name, verdict, f"{figures[name]:.3f} [{lo:.3f}, {hi:.3f}], wanted {least} to {most}"))
    return found


def _ahead(figures: Mapping[str, float]) -> list[Gate]:
    """The baselines of the task: behind one of them blocks."""
    found = []
    for name in figures:
        if not name.startswith("test_gain_") or name.endswith(("_lo", "_hi")):
            continue
        lo, hi = figures[f"{name}_lo"], figures[f"{name}_hi"]
        verdict = _gained(lo, hi)
        text = f"{figures[name]:+.3f} AUROC [{lo:+.3f}, {hi:+.3f}], paired"
        found.append(Gate(f"beats {name.removeprefix('test_gain_')}", verdict, text))
    return found


def _gained(lo: float, hi: float) -> str:
    """Return the verdict on a gain over what is simpler, by the ends of its interval."""
    return "pass" if lo > 0 else "block" if hi < 0 else "warn"


def parts_of(ranking: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of people and items that lists are judged on, by name."""
    return {**ranking["parts"], "new patients": ranking["cold_patients"], "new items": ranking["cold_items"]}


def _lists(figures: Mapping[str, float], ranking: Mapping[str, Any] | None) -> list[Gate]:
    """Lists of content: behind the strongest simple baseline blocks; a part of the people or items behind it warns."""
    if not ranking:
        return []
    found = []
    for measure in ("ndcg10", "recall20"):
        gain, lo, hi = (figures[f"test_{measure}_gain{end}"] for end in ("", "_lo", "_hi"))
        verdict = _gained(lo, hi)
        text = f"{gain:+.3f} {measure} [{lo:+.3f}, {hi:+.3f}] against {ranking['reference']}, paired"
        found.append(Gate(f"beats the reference: {measure}", verdict, text))
    parts = parts_of(ranking)
    judged = {name: part for name, part in parts.items() if part["user_days"] >= ENOUGH}
    behind = {name: part["ndcg10_gain"] for name, part in judged.items() if part["ndcg10_gain"]["hi"] < 0}
    for name, gain in behind.items():
        text = f"{gain['value']:+.3f} ndcg10 [{gain['lo']:+.3f}, {gain['hi']:+.3f}]"
        found.append(Gate(f"served worse than by the reference: {name}", "warn", text))
    verdict = "pass" if len(judged) > len(behind) else "warn"
    text = f"{len(judged) - len(behind)} parts pass, {len(parts) - len(judged)} are too small to judge"
    found.append(Gate("parts of people and items", verdict, text))
    return found


def _groups(judged: Any) -> list[Gate]:
    """One gate for every group that does not pass, and one for all the others."""
    found = [
        Gate(f"fairness {each['axis']} {each['group']}", each["verdict"], "; ".join(each["why"]))
        for each in judged
        if each["verdict"] in ("warn", "block")
    ]
    if judged:
        few = sum(each["verdict"] in ("insufficient", "hidden") for each in judged)
        good = sum(each["verdict"] == "pass" for each in judged)
        found.append(Gate("fairness", "pass" if good else "warn", f"{good} groups pass, {few} are too small to judge"))
    return found


def _leaks(trust: Mapping[str, Any]) -> list[Gate]:
    found = [Gate(f"leak {each['feature']}", "block", each["text"]) for each in trust.get("leaks", ())]
    if "leaks" in trust and not found:
        found.append(Gate("leaks", "pass", "no feature alone tells the outcome"))
    shuffled = trust.get("shuffled")
    if shuffled:
        found.append(Gate("shuffled labels", "block" if shuffled["alarm"] else "pass", shuffled["text"]))
    return found


def _too_good(figures: Mapping[str, float]) -> list[Gate]:
    """A model that is better than such models can be: a leak is looked for before it goes on."""
    if "test_auroc" not in figures:
        return []
    value = figures["test_auroc"]
    lo, hi = (figures.get(f"test_auroc_{end}", value) for end in ("lo", "hi"))
    verdict = "block" if lo > TOO_GOOD else "warn" if value > TOO_GOOD else "pass"
    text = f"AUROC {value:.3f} [{lo:.3f}, {hi:.3f}], at most {TOO_GOOD}"
    return [Gate("too good", verdict, text if verdict == "pass" else f"{text}: too good, look for a leak")]


def _reasons(stability: Mapping[str, Any] | None) -> list[Gate]:
    if not stability:
        return []
    mean, rows = stability["overlap"], stability["rows"]
    verdict = "block" if mean < STABLE else "pass" if rows >= ROWS else "warn"
    few = "" if rows >= ROWS else f"; {ROWS - rows} rows fewer than wanted"
    return [Gate("stable reasons", verdict, f"mean overlap {mean:.2f} on {rows} rows, at least {STABLE}{few}")]


def _affine(curvature: Mapping[str, Any] | None) -> list[Gate]:
    if not curvature:
        return []
    return [Gate("affine calibration suffices", "pass" if curvature["suffices"] else "warn", curvature["text"])]


def _months(months: Any) -> list[Gate]:
    """Months whose labels disagree with the others: a person looks before it goes on."""
    if not months:
        return []
    odd = [f"{each['month']} ({each['rate']:.3f}, expected {each['expected']:.3f})" for each in months if each["alarm"]]
    text = f"labels disagree: {', '.join(odd)}" if odd else f"{len(months)} months agree"
    return [Gate("label shift", "warn" if odd else "pass", text)]


def _size(tags: Mapping[str, str]) -> Gate:
    verdict = "warn" if tags.get("exploratory") == "true" else "pass"
    return Gate("sample size", verdict, tags.get("sample_size", "not counted"))
