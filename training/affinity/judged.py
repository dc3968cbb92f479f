"""Judged: what lists were worth, list by list, and the figures over them with paired user bootstraps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training import measures
from training.affinity.catalogue import Catalogue
from training.affinity.person import AGES, Person
from training.evaluate import Bootstrap, EvaluationValues, Figure

GAIN = 1 / np.log2(np.arange(2, 12))
HISTORY = ((0, 0, "0"), (1, 4, "1-4"), (5, 19, "5-19"), (20, 10**9, "20+"))
OURS = "ranker"


def ndcg(ordered: np.ndarray, relevant: np.ndarray) -> float:
    """Return NDCG@10 of a list of places, best first, with binary relevance."""
    if not len(relevant):
        return float("nan")
    hit = np.isin(ordered[:10], relevant)
    return float((hit * GAIN[: len(hit)]).sum() / GAIN[: min(10, len(relevant))].sum())


def recall(ordered: np.ndarray, relevant: np.ndarray, k: int = 20) -> float:
    """Return the share of the relevant items that stand among the first k."""
    return float(np.isin(relevant, ordered[:k]).mean()) if len(relevant) else float("nan")


@dataclass
class Judged:
    """Lists of several methods for the same user-days, as worths.

    Parameters
    ----------
    met
        (items,) when anybody first touched an item, UTC microseconds.
    begin
        Start of the test period, UTC microseconds: items and patients first met from it on are new.
    """

    catalogue: Catalogue
    met: np.ndarray
    begin: int
    user: list[int] = field(default_factory=list)
    person: list[Person] = field(default_factory=list)
    new_patient: list[bool] = field(default_factory=list)
    worth: dict[str, list[tuple[float, float, float, float]]] = field(default_factory=dict)
    shown: Counter[int] = field(default_factory=Counter)
    novelty: list[float] = field(default_factory=list)
    divergence: list[float] = field(default_factory=list)
    there: int = 0

    def add(
        self,
        user: int,
        person: Person,
        new_patient: bool,
        relevant: np.ndarray,
        lists: Mapping[str, np.ndarray],
        readers: np.ndarray,
    ) -> None:
        """Take in the lists of one user-day, best first, at least 20 long where so many could be ranked."""
        fresh = relevant[self.met[relevant] >= self.begin]
        for name, ordered in lists.items():
            worth = ndcg(ordered, relevant), recall(ordered, relevant), ndcg(ordered, fresh), recall(ordered, fresh)
            self.worth.setdefault(name, []).append(worth)
        self.user.append(user)
        self.person.append(person)
        self.new_patient.append(new_patient)
        top = lists[OURS][:10]
        self.shown.update(top.tolist())
        share = (readers[top] + 1) / (readers.sum() + len(readers))
        self.novelty.append(float(-np.log2(share).mean()) if len(top) else float("nan"))
        self.divergence.append(_divergence(self.catalogue, person.history, top))

    def report(self, values: EvaluationValues, references: Sequence[str]) -> dict[str, Any]:
        """Return every figure, ours and each baseline's, over all user-days and over parts of them.

        A baseline that did not rank on each of them is left out.

        Parameters
        ----------
        references
            Methods of which the strongest, by NDCG@10 in hindsight, is the reference.
        """
        worth = {name: np.array(rows) for name, rows in self.worth.items() if len(rows) == len(self.user)}
        best = max(references, key=lambda name: float(worth[name][:, 0].mean()))
        popular = max(
            (name for name in references if name != "newest"), key=lambda name: float(worth[name][:, 0].mean())
        )
        every = np.ones(len(self.user), dtype=bool)
        size = np.array([len(person.history) for person in self.person])
        parts: dict[str, np.ndarray] = {f"history {name}": (size >= lo) & (size <= hi) for lo, hi, name in HISTORY}
        band = np.array([person.band for person in self.person])
        parts |= {f"age {name}": band == number for number, name in enumerate(AGES, 1)}
        held = Counter(name for person in self.person for name in person.conditions)
        for name, _ in held.most_common(8):
            parts[f"condition {name}"] = np.array([name in person.conditions for person in self.person])
        fresh = ~np.isnan(worth[OURS][:, 2])
        new = np.array(self.new_patient)
        return {
            "user_days": len(self.user),
            "patients": len(set(self.user)),
            "reference": best,
            "overall": self._figures(every, worth, best, values, full=True),
            "parts": {name: self._figures(rows, worth, best, values) for name, rows in parts.items() if rows.any()},
            "cold_patients": self._figures(new, worth, popular, values) | {"against": popular},
            "cold_items": self._figures(fresh, worth, popular, values, column=2) | {"against": popular},
            "coverage": len(self.shown) / max(self.there, 1),
            "novelty_bits": _mean(self.novelty),
            "topic_calibration_kl": _mean(self.divergence),
        }

    def _figures(
        self,
        rows: np.ndarray,
        worth: Mapping[str, np.ndarray],
        reference: str,
        values: EvaluationValues,
        column: int = 0,
        full: bool = False,
    ) -> dict[str, Any]:
        count = int(rows.sum())
        if not count:
            return {"user_days": 0}
        draws = Bootstrap(np.array(self.user)[rows].astype(str), values.replicates, values.seed)

        def figure(each: np.ndarray) -> dict[str, float]:
            found: Figure = draws.figure(measures.mean(each))
            return {"value": round(found.value, 4), "lo": round(found.lo, 4), "hi": round(found.hi, 4)}

        told: dict[str, Any] = {"user_days": count}
        for offset, measure in enumerate(("ndcg10", "recall20")):
            mine = worth[OURS][rows, column + offset]
            theirs = worth[reference][rows, column + offset]
            told[measure] = figure(mine)
            told[f"{measure}_reference"] = figure(theirs)
            told[f"{measure}_gain"] = figure(mine - theirs)
            if full:
                told[f"{measure}_baselines"] = {
                    name: round(float(each[rows, column + offset].mean()), 4)
                    for name, each in worth.items()
                    if name != OURS
                }
        return told


def _divergence(catalogue: Catalogue, history: np.ndarray, top: np.ndarray) -> float:
    """Return the Kullback-Leibler divergence of a list's topics from the history's (Steck 2018), smoothed by .01."""
    if not catalogue.topic_names or not len(history) or not len(top):
        return float("nan")

    def share(places: np.ndarray) -> np.ndarray:
        counts = np.asarray(catalogue.topics[places].sum(axis=0)).ravel()
        return counts / max(counts.sum(), 1e-12)

    wanted, got = share(history), share(top)
    got = 0.99 * got + 0.01 * wanted
    there = wanted > 0
    return float((wanted[there] * np.log(wanted[there] / got[there])).sum())


def _mean(each: Sequence[float]) -> float | None:
    known = [value for value in each if not np.isnan(value)]
    return round(float(np.mean(known)), 4) if known else None
