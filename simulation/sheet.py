"""Contacts with the particulars that several tables share: kind, hour, what the visit was about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.chunk import Chunk
from simulation.grid import DAY
from simulation.illness import DISEASES
from simulation.visits import BOOKED, CALL, DIAGNOSIS, OWN, REFILL, REGISTRATION

HOUR = DAY // 24
KINDS = ("outpatient", "emergency", "inpatient", "online", "pharmacy", "follow_up", "check_up", "home")
OUTPATIENT, EMERGENCY, INPATIENT, ONLINE, PHARMACY, FOLLOW_UP, CHECK_UP, HOME = range(len(KINDS))
COMPLAINTS = (
    ("J06.9", "急性上呼吸道感染", "呼吸科"),
    ("M54.5", "下背痛", "骨科"),
    ("S93.4", "踝关节扭伤", "骨科"),
    ("A09", "感染性腹泻", "消化科"),
    ("K29.7", "胃炎", "消化科"),
)
DEPARTMENTS = tuple(
    dict.fromkeys(
        [each.department for each in DISEASES]
        + [dep for *_, dep in COMPLAINTS]
        + ["急诊科", "药房", "体检中心", "随访中心", "全科"]
    )
)


@dataclass(frozen=True)
class Sheet:
    """Contacts, one entry each: patient, day, cause, ``time`` and ``end`` (UTC microseconds), kind
    and department by index, whether in person, the disease (index, -1) or complaint (index, -1)
    that it was about. Sorted by patient and day."""

    patient: np.ndarray
    day: np.ndarray
    cause: np.ndarray
    time: np.ndarray
    end: np.ndarray
    kind: np.ndarray
    department: np.ndarray
    disease: np.ndarray
    complaint: np.ndarray

    @property
    def in_person(self) -> np.ndarray:
        return ~np.isin(self.kind, (ONLINE, PHARMACY, FOLLOW_UP))

    def at(self, patient: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Return the row of a contact of each patient on each day, -1 where there was none."""
        key, wanted = self.patient * 2**32 + self.day + 2**31, patient * 2**32 + day + 2**31
        place = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
        return np.where(key[place] == wanted, place, -1) if len(key) else np.full(len(patient), -1)


def choose(rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
    """Draw one column of each row with probability proportional to its weight."""
    sums = np.cumsum(weights, axis=1)
    return (sums < rng.random(len(weights))[:, None] * sums[:, -1:]).sum(axis=1)


def sheet(chunk: Chunk) -> Sheet:
    """Draw the particulars of every contact of a chunk."""
    rng, people, log = chunk.rng("sheet"), chunk.people, chunk.visits.contacts
    kept = np.flatnonzero(log["day"] >= chunk.grid.start)
    order = kept[np.lexsort((log["day"][kept], log["patient"][kept]))]
    patient, day, cause, acute, managed = (log[name][order] for name in ("patient", "day", "cause", "acute", "managed"))
    count = len(patient)
    frail, online = people.frailty[patient], people.online[patient]
    engaged = chunk.latent(chunk.body.engagement, patient, day)
    weights = np.zeros((count, len(KINDS)))
    weights[:, OUTPATIENT] = 0.62
    weights[:, EMERGENCY] = np.where(acute, 0.2, 0.02) * np.exp(0.3 * frail)
    weights[:, INPATIENT] = np.where(acute, 0.07, 0.012) * np.exp(0.5 * frail)
    weights[:, ONLINE] = np.where(online, 0.14 * np.exp(0.3 * engaged), 0.0)
    weights[:, CHECK_UP] = np.where(acute, 0.0, 0.09 * np.exp(0.4 * engaged))
    weights[:, HOME] = np.where((day - people.birth[patient]) / 365.25 > 78, 0.05, 0.0)
    kind = choose(rng, weights)
    planned = np.isin(cause, (BOOKED, DIAGNOSIS, REGISTRATION))
    kind[planned] = np.where(
        rng.random(planned.sum()) < 0.12, np.where(cause[planned] == BOOKED, ONLINE, CHECK_UP), OUTPATIENT
    )
    kind[cause == REFILL], kind[cause == CALL] = PHARMACY, FOLLOW_UP
    known = chunk.visits.recorded[patient] <= day[:, None]
    disease = np.where(managed & known.any(axis=1), choose(rng, known * 1.0 + 1e-12), -1)
    new = chunk.visits.recorded[patient] == day[:, None]
    disease = np.where((cause == DIAGNOSIS) & new.any(axis=1), np.argmax(new, axis=1), disease)
    lung = chunk.latent(chunk.body.lung, patient, day)
    about = np.column_stack([1.2 * np.exp((92 - lung) / 30), np.full((count, 4), 0.5)])
    ailing = (
        (disease < 0) & np.isin(cause, (OWN, REGISTRATION)) & (kind != CHECK_UP) & (acute | (rng.random(count) < 0.6))
    )
    complaint = np.where(ailing, choose(rng, about), -1)
    names = {name: index for index, name in enumerate(DEPARTMENTS)}
    of_disease = np.array([names[each.department] for each in DISEASES])
    of_complaint = np.array([names[dep] for *_, dep in COMPLAINTS])
    department = np.where(disease >= 0, of_disease[disease], names["全科"])
    department = np.where(complaint >= 0, of_complaint[complaint], department)
    for which, name in ((EMERGENCY, "急诊科"), (PHARMACY, "药房"), (CHECK_UP, "体检中心"), (FOLLOW_UP, "随访中心")):
        department[kind == which] = names[name]
    clinic = 8 * 3600 + 9 * 3600 * rng.beta(1.6, 2.2, count)
    second = np.where(np.isin(kind, (EMERGENCY, ONLINE, INPATIENT)), 86_000 * rng.beta(3.0, 2.2, count), clinic)
    time = chunk.grid.micros(day, second)
    length = np.where(kind == INPATIENT, rng.gamma(3.0, 3.0 * 24, count) + 24, rng.uniform(0.2, 1.5, count))
    return Sheet(
        patient=patient,
        day=day,
        cause=cause,
        time=time,
        end=time + (length * HOUR).astype(np.int64),
        kind=kind,
        department=department,
        disease=disease,
        complaint=complaint,
    )
