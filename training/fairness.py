"""Figures by group, and what the gates say of each (METHODS, fairness and promotion)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import norm

from training import measures
from training.evaluate import Bootstrap, EvaluationValues, Figure, interval
from training.gates import CALIBRATION, GAP_BLOCK, GAP_WARN, past

LEAST, LEAST_EVENTS, HIDDEN = 100, 20, 10
"""Below 100 patients or 20 with an event a group is insufficient; below 10 patients it is hidden."""
_SUMS = 7
_GATED = 3
"""Figures of a group that a gate looks at: the gap, O:E and slope."""


@dataclass(frozen=True)
class Group:
    """One group of an axis.

    Parameters
    ----------
    patients, events
        Patients, and those with an event; 0 where the group is hidden.
    verdict
        ``pass``, ``warn``, ``block``; ``insufficient`` is never a pass; ``hidden`` below 10 patients.
    why
        What warns or blocks.
    figures
        selection_rate, tpr, fnr, ppv at the operating point; tpr_expected, the true positive rate where every
        risk is right; tpr_gap, the rest's true positive rate less the group's; auroc, brier, slope, oe.
    """

    axis: str
    group: str
    patients: int
    events: int
    verdict: str
    why: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)


def judge(
    y: np.ndarray,
    probability: np.ndarray,
    patient_id: np.ndarray,
    strata: Mapping[str, np.ndarray],
    cut: float,
    values: EvaluationValues,
    weight: np.ndarray | None = None,
    disease_risk: bool = True,
    reasons: Mapping[str, str] | None = None,
) -> tuple[Group, ...]:
    """Return every group of every axis with its figures and verdict.

    Parameters
    ----------
    y, probability, patient_id, weight
        (n,) as in ``training.evaluate.figures``.
    strata
        Axis -> (n,) group of each row.
    cut
        Operating point: rows of this probability or more are acted on.
    disease_risk
        Whether calibration outside its range blocks; elsewhere it warns.
    reasons
        Axes that the task reads, or that are no attribute of a person, each with its written reason (:func:`eased`).
    """
    draw = Bootstrap(patient_id, values.replicates, values.seed, weight)
    chosen = (probability >= cut).astype(float)
    risk = probability * chosen
    base = np.column_stack([np.ones(len(y)), y, chosen, y * chosen, (probability - y) ** 2, probability, risk])
    found = []
    for axis, groups in strata.items():
        for name in np.unique(groups):
            mask = groups == name
            patients = len(np.unique(patient_id[mask]))
            if patients < HIDDEN:
                found.append(Group(axis, str(name), 0, 0, "hidden"))
                continue
            events = len(np.unique(patient_id[mask & (y == 1)]))
            value, drawn = draw.sums(np.hstack([base * mask[:, None], base * ~mask[:, None]]))
            told = _rates(value, drawn)
            enough = patients >= LEAST and events >= LEAST_EVENTS
            if enough and len(np.unique(y[mask])) == 2:
                own = None if weight is None else weight[mask]
                told |= _of_rows(y[mask], probability[mask], patient_id[mask], own, values)
            found.append(Group(axis, str(name), patients, events, "judged" if enough else "insufficient", (), told))
    judged = sum(group.verdict == "judged" for group in found)
    reach = float(norm.ppf(1 - 0.025 / max(_GATED * judged, 1)) / norm.ppf(0.975))
    settled = (_settled(each, reach, disease_risk) if each.verdict == "judged" else each for each in found)
    return tuple(eased(each, reasons or {}) for each in settled)


def eased(group: Group, reasons: Mapping[str, str]) -> Group:
    """Return a group, warned of where a gap of the true positive rate alone blocks it and a reason is written for it.

    Risks that are right find fewer of those whose risk is lower, at any one cut-off: the young, women where few of
    them smoke, patients of a pharmacy who come back anyway (Corbett-Davies and Goel 2018). Where the task states the
    clinical reason for which age (or sex) is read, or the axis is no attribute of a person, and no fewer are found
    than the group's own risks let expect, a person judges that; calibration still blocks.
    """
    gap_alone = all(why.startswith("true positive rate") for why in group.why)
    if group.verdict != "block" or not gap_alone or not all(reasons.get(each) for each in group.axis.split(" x ")):
        return group
    found, expected = group.figures["tpr"], group.figures["tpr_expected"].value
    if found.hi < expected:
        return replace(
            group, why=(*group.why, f"{found.value:.2f} of its own, where its risks let expect {expected:.2f}")
        )
    reason = "; ".join(reasons[each] for each in group.axis.split(" x "))
    why = f"its own risks let expect {expected:.2f} of its own ({reason})"
    return replace(group, verdict="warn", why=(*group.why, why))


def _settled(group: Group, reach: float, disease_risk: bool) -> Group:
    """Return a group with its verdict; intervals are widened by ``reach`` so that they hold for all groups at once."""
    wide = {
        name: Figure(
            each.value, each.value - reach * (each.value - each.lo), each.value + reach * (each.hi - each.value)
        )
        for name, each in group.figures.items()
    }
    verdict, why = _verdict(wide, disease_risk)
    return replace(group, verdict=verdict, why=why)


def _rates(value: np.ndarray, drawn: np.ndarray) -> dict[str, Figure]:
    def each(sums: np.ndarray) -> dict[str, np.ndarray]:
        total, event, called, hit, square, risk, called_risk = (sums[..., place] for place in range(_SUMS))
        other_event, other_hit = sums[..., _SUMS + 1], sums[..., _SUMS + 3]
        with np.errstate(invalid="ignore", divide="ignore"):
            tpr = hit / event
            return {
                "selection_rate": called / total,
                "tpr": tpr,
                "tpr_expected": called_risk / risk,
                "fnr": 1 - tpr,
                "ppv": hit / called,
                "brier": square / total,
                "tpr_gap": other_hit / other_event - tpr,
            }

    ours, samples = each(value), each(drawn)
    return {name: interval(float(ours[name]), samples[name]) for name in ours}


def _of_rows(
    y: np.ndarray, p: np.ndarray, patient: np.ndarray, weight: np.ndarray | None, values: EvaluationValues
) -> dict[str, Figure]:
    draw = Bootstrap(patient, values.replicates, values.seed, weight)
    return {
        "auroc": draw.figure(measures.auroc(y, p)),
        "slope": draw.figure(measures.slope(y, p)),
        "oe": draw.figure(measures.observed_expected(y, p)),
    }


def _verdict(told: Mapping[str, Figure], disease_risk: bool) -> tuple[str, tuple[str, ...]]:
    """Block or warn where an interval lies wholly past a gate."""
    verdicts, why = ["pass"], []
    gap = told["tpr_gap"]
    if gap.lo > GAP_WARN:
        verdicts.append("block" if gap.lo > GAP_BLOCK else "warn")
        why.append(f"true positive rate {gap.value:.2f} [{gap.lo:.2f}, {gap.hi:.2f}] below the others'")
    for name, (least, most) in CALIBRATION.items():
        figure = told.get(name.removeprefix("test_"))
        if figure is not None and past(figure.lo, figure.hi, least, most):
            verdicts.append("block" if disease_risk else "warn")
            shown = f"{figure.value:.2f} [{figure.lo:.2f}, {figure.hi:.2f}]"
            why.append(f"{name.removeprefix('test_')} {shown}, wanted {least} to {most}")
    order = ("pass", "warn", "block")
    return max(verdicts, key=order.index), tuple(why)
