"""What more patients would bring, and what 'was tested' features bring: the winner fitted to less."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from features.vector import Feature
from training.evaluate import EvaluationValues
from training.labelled import Labelled
from training.refit import Refit
from training.rounds import Rounds
from training.split import draw

SHARES = (0.125, 0.25, 0.5, 1.0)
_COUNTED = ("count", "exists", "distinct", "coverage")


def learning_curve(data: Rounds, refit: Refit, values: EvaluationValues) -> list[dict[str, Any]]:
    """Return the AUROC of models fitted to a share of the patients that may be fitted to, and how many those are."""
    number = draw(data.patient_id, f"learning-{values.seed}")
    found = []
    for share in SHARES:
        some = number < share
        fits = [train & some for train, _ in data.parts]
        if any(len(np.unique(data.y[rows])) < 2 for rows in fits):
            continue
        patients = round(np.mean([len(np.unique(data.patient_id[rows])) for rows in fits]))
        figure = data.figure(data.auroc(refit, some), values)
        found.append({"share": share, "patients": patients, "auroc": [figure.value, figure.lo, figure.hi]})
    return found


def was_tested(feature: Feature) -> bool:
    """Return whether a feature says that somebody was examined, rather than what was found.

    So does one derived from counts of examinations; which of two findings is the later one says what was found.
    """
    return _tested(feature.definition, (*_COUNTED, "days_since"))


def without_tested(data: Labelled, refit: Refit, values: EvaluationValues) -> dict[str, Any]:
    """Return the AUROC with and without the features that say somebody was examined.

    Without: counts and days since of observations are left out, and a missing result is the median, so
    that its absence tells nothing either.
    """
    left_out = tuple(feature.name for feature in data.spec.features if was_tested(feature))
    kept = [place for place, feature in enumerate(data.spec.features) if not was_tested(feature)]
    x = data.x[:, kept]
    train = data.parts.rows("train")
    results = [place for place, old in enumerate(kept) if "observations" in _tables(data.spec.features[old].definition)]
    for place in results:
        known = x[train, place]
        known = known[~np.isnan(known)]
        x[np.isnan(x[:, place]), place] = np.median(known) if len(known) else 0.0
    refit = refit.quick()
    rounds = data.rounds
    one = rounds.figure(rounds.auroc(refit), values)
    other = rounds.figure(replace(rounds, x=x).auroc(refit.without(left_out)), values)
    text = f"AUROC {one.value:.3f} with and {other.value:.3f} without features that say somebody was examined"
    return {
        "with": [one.value, one.lo, one.hi],
        "without": [other.value, other.lo, other.hi],
        "left_out": list(left_out),
        "text": text,
    }


def _tested(definition: dict[str, Any], reductions: tuple[str, ...] = _COUNTED) -> bool:
    of = definition.get("of", {})
    if "table" in of:
        return definition.get("reduction") in reductions and of["table"] == "observations"
    return any(_tested(each) for each in of.values() if isinstance(each, dict))


def _tables(definition: dict[str, Any]) -> set[str]:
    """Return the tables that a feature is made of, those of its inputs too."""
    of = definition.get("of", {})
    if "table" in of:
        return {of["table"]}
    return set().union(*(_tables(each) for each in of.values() if isinstance(each, dict)))
