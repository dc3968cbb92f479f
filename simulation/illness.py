"""Chronic diseases: hazards of diagnosis from latent state, who has what, and when it was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulation.grid import Grid
from simulation.people import People
from simulation.physiology import Physiology
from simulation.setting import Setting

NEVER = 1_000_000  # a day that never comes
Score = Callable[[People, Physiology], np.ndarray]


@dataclass(frozen=True)
class Disease:
    """One disease: its code, and a saturating hazard in a latent score.

    The yearly hazard of a diagnosis is ``peak / (1 + exp(-(score - centre) / scale))``; ``prior``
    years of it, at the level of registration, make the disease already present.
    """

    name: str
    code: str
    zh: str
    department: str
    score: Score
    centre: float
    scale: float
    peak: float
    prior: float


def _vessels(people: People, body: Physiology) -> np.ndarray:
    """Vascular burden: years of age at which it would be usual, non-linear in pressure and glycaemia."""
    burden = body.age + 0.25 * (body.systolic - 130) + 5 * (body.ldl - 3) + 9 * np.clip(body.glycaemia - 5.9, 0, 2)
    return burden + 6 * (people.smokes & True)[:, None] + 5 * people.male[:, None] + 4 * people.gene_vascular[:, None]


def _failing_heart(people: People, body: Physiology) -> np.ndarray:
    return _vessels(people, body) + 5 * people.frailty[:, None] + 0.8 * np.clip(body.bmi - 28, 0, None)


def _bone(people: People, body: Physiology) -> np.ndarray:
    loss = body.age + 8 * ~people.male[:, None] - 1.2 * (body.bmi - 24) + 3 * people.frailty[:, None]
    return loss - 4 * people.resilience[:, None]


def _low_mood(people: People, body: Physiology) -> np.ndarray:
    mood = 1.2 * people.frailty - 0.8 * people.resilience + 0.4 * ~people.male
    return mood[:, None] - 0.4 * body.engagement + 0.5 * body.acute


def _cough(people: People, body: Physiology) -> np.ndarray:
    """Obstruction, in points of FEV1 lost; the young are spared."""
    return 100 - body.lung + 3 * people.smokes[:, None] - 25 * (body.age < 38)


DISEASES: tuple[Disease, ...] = (
    Disease("diabetes", "E11.9", "2型糖尿病", "内分泌科", lambda p, b: b.glycaemia, 6.45, 0.17, 0.9, 7.0),
    Disease("hypertension", "I10", "原发性高血压", "心内科", lambda p, b: b.systolic, 146.0, 6.0, 0.6, 9.0),
    Disease("dyslipidaemia", "E78.5", "高脂血症", "心内科", lambda p, b: b.ldl, 4.0, 0.25, 0.5, 6.0),
    Disease("coronary_heart_disease", "I25.1", "冠心病", "心内科", _vessels, 97.0, 7.0, 0.3, 5.0),
    Disease("heart_failure", "I50.9", "心力衰竭", "心内科", _failing_heart, 105.0, 7.0, 0.3, 3.0),
    Disease("stroke", "I63.9", "脑梗死", "神经内科", _vessels, 102.0, 7.0, 0.25, 4.0),
    Disease("copd", "J44.9", "慢性阻塞性肺疾病", "呼吸科", _cough, 32.0, 6.0, 0.95, 0.6),
    Disease("chronic_kidney_disease", "N18.3", "慢性肾脏病3期", "肾内科", lambda p, b: -b.egfr, -54.0, 5.5, 0.5, 5.0),
    Disease("osteoporosis", "M81.9", "骨质疏松", "骨科", _bone, 88.0, 6.0, 0.25, 5.0),
    Disease("depression", "F32.9", "抑郁发作", "心理科", _low_mood, 4.2, 0.7, 0.4, 4.0),
    Disease("obesity", "E66.9", "肥胖症", "内分泌科", lambda p, b: b.bmi, 31.5, 1.2, 0.4, 6.0),
)
NAMES: tuple[str, ...] = tuple(disease.name for disease in DISEASES)


@dataclass(frozen=True)
class Illness:
    """Who has what.

    Attributes
    ----------
    hazard
        Per day, per disease a (patients, cells) array: of the visit at which it is diagnosed.
    cumulated
        Its integral at the edges of the cells, from registration on: (patients, cells + 1).
    present
        Diseases that were there at registration: (patients, diseases), bool.
    visit
        Day of the diagnosing visit: (patients, diseases); NEVER without one.
    onset
        Stated day of onset: before registration where present, else at most ``visit``.
    hidden
        Present, but to be recorded only at a later visit.
    """

    hazard: tuple[np.ndarray, ...]
    cumulated: tuple[np.ndarray, ...]
    present: np.ndarray
    visit: np.ndarray
    onset: np.ndarray
    hidden: np.ndarray

    def total(self, known: np.ndarray, cell: int) -> np.ndarray:
        """Daily hazard, in a cell, of a diagnosing visit for any disease not yet found."""
        found = np.zeros(len(known))
        for index, hazard in enumerate(self.hazard):
            found += np.where(known[:, index], 0.0, hazard[:, cell])
        return found


def illness(people: People, body: Physiology, grid: Grid, setting: Setting, rng: np.random.Generator) -> Illness:
    """Draw the diseases of a chunk.

    A diagnosis needs a body and an occasion: the hazard rises with the latent score and with
    engagement and frailty, since those who come are found. What the hazard of some years would
    have brought before registration is already present, which also depletes the susceptible.
    """
    count = len(people)
    occasion = (1 - setting.detection_engagement) + setting.detection_engagement * 2 / (1 + np.exp(-body.lagged))
    occasion = occasion * np.exp(0.15 * people.frailty)[:, None]
    begin = np.maximum(people.registered, 0)
    first = grid.cell(begin)
    exposure = np.clip(grid.edges[None, 1:] - np.maximum(grid.edges[None, :-1], begin[:, None]), 0, None)
    hazards, cumulated = [], []
    present = np.zeros((count, len(DISEASES)), bool)
    visit = np.full((count, len(DISEASES)), NEVER, np.int64)
    for index, disease in enumerate(DISEASES):
        score = disease.score(people, body)
        yearly = setting.incidence * disease.peak / (1 + np.exp(-(score - disease.centre) / disease.scale))
        yearly = yearly * occasion * (body.age >= 18)
        hazard = yearly / 365.25
        total = np.concatenate([np.zeros((count, 1)), np.cumsum(hazard * exposure, axis=1)], axis=1)
        hazards.append(hazard)
        cumulated.append(total)
        at_entry = yearly[np.arange(count), first]
        present[:, index] = rng.random(count) < 1 - np.exp(-disease.prior * at_entry)
        visit[:, index] = np.where(present[:, index], NEVER, _crossing(total, hazard, grid, begin, rng))
    years = 0.3 + rng.exponential(5.0, present.shape)
    adult = people.birth[:, None] + round(18 * 365.25)
    before = np.maximum(people.registered[:, None] - np.floor(years * 365).astype(np.int64), adult)
    lag = np.where(rng.random(visit.shape) < setting.backdated_share, rng.random(visit.shape), 0.0)
    onset = visit - np.ceil(lag * setting.backdated_days).astype(np.int64)
    return Illness(
        hazard=tuple(hazards),
        cumulated=tuple(cumulated),
        present=present,
        visit=visit,
        onset=np.where(present, np.minimum(before, people.registered[:, None]), onset),
        hidden=present & (rng.random(present.shape) < setting.unrecorded_share),
    )


def _crossing(
    total: np.ndarray, hazard: np.ndarray, grid: Grid, begin: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Day at which the cumulated hazard passes an exponential threshold: inversion, cell by cell."""
    threshold = rng.exponential(size=len(total))
    cell = (total[:, 1:] < threshold[:, None]).sum(axis=1)
    inside = np.minimum(cell, grid.cells - 1)
    rows = np.arange(len(total))
    left = threshold - total[rows, inside]
    rate = np.maximum(hazard[rows, inside], 1e-300)
    day = np.maximum(grid.edges[inside], begin) + np.floor(np.minimum(left / rate, 40)).astype(np.int64)
    return np.where(cell >= grid.cells, NEVER, np.minimum(day, grid.edges[inside + 1] - 1))
